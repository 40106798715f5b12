"""Rules about the meter: what it says of its own rows, how its clock stands, and what a second meter beside it says."""

import numpy as np

from kwartier.validate.day import NEVER_ASKED, Mask, Said
from kwartier.validate.differences import Look, spans, stay, whole_days
from kwartier.validate.parameters import Parameters
from kwartier.validate.rules.rule import FAIL, WARN

V3, V4, V5 = "V3-status", "V4-clock", "V5-check-meter"


def status(look: Look, parameters: Parameters) -> tuple[Said, ...]:
    """V3: the meter marks a row as not valid, or says that something happened in its quarter.

    A register that is not valid tells neither what came before it nor what came after: both quarters are refused.
    """
    bits = look.day.stack.status
    there = stay(look.day)
    found = []
    bad = (bits & parameters.status.reject) != 0
    for severity, mask in (
        (FAIL, bad[:, 1:] | bad[:, :-1]),
        (WARN, (bits[:, 1:] & parameters.status.flag) != 0),
    ):
        here = mask if there is None else mask & there
        if here.any():
            found.append(Said(V3, severity, "", spans(here)))
    return tuple(found)


def was_asked(look: Look, parameters: Parameters) -> Mask:
    """Rows whose meter's clock was asked when it was visited."""
    drift = look.day.around.clock_drift_s
    return np.zeros(len(look.day), np.bool_) if drift is None else np.asarray(drift != NEVER_ASKED, np.bool_)


def clock(look: Look, parameters: Parameters) -> tuple[Said, ...]:
    """V4: the meter's clock is further off than the norm."""
    drift = look.day.around.clock_drift_s
    if drift is None:
        return ()
    asked = was_asked(look, parameters)
    away = np.where(asked, np.abs(np.where(asked, drift, 0)), 0)
    failed = away > parameters.clock.fail_s
    warned = (away > parameters.clock.warn_s) & ~failed
    return tuple(
        Said(V4, severity, "", whole_days(look.day, rows))
        for severity, rows in ((FAIL, failed), (WARN, warned))
        if rows.any()
    )


def has_check_meter(look: Look, parameters: Parameters) -> Mask:
    """Rows that are whole, and beside whose meter there is another."""
    found = np.zeros(len(look.day), np.bool_)
    for channel, one in look.totals.items():
        other = look.day.around.check_meter_wh.get(channel)
        if other is not None:
            found |= one.whole & other.there
    return found


def check_meter(look: Look, parameters: Parameters) -> tuple[Said, ...]:
    """V5: over the day the meter and the one beside it differ by twice the accuracy class or more."""
    found = []
    for channel, one in look.totals.items():
        other = look.day.around.check_meter_wh.get(channel)
        if other is None:
            continue
        apart = np.abs(one.energy_wh - other.register_wh)
        wrong = 100 * apart >= 2 * parameters.check_meter.class_percent * one.energy_wh
        wrong &= one.whole & other.there & (apart > parameters.check_meter.tolerance_wh)
        if wrong.any():
            found.append(Said(V5, FAIL, channel, whole_days(look.day, wrong)))
    return tuple(found)
