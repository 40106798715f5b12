"""Rules that hold a day against those before it: against what is kept of them (``model.STATE``), so no night rereads them."""

import numpy as np

from kwartier.model import Registers
from kwartier.validate.day import Mask, Said
from kwartier.validate.differences import NO_LIMIT, Look, spans, whole_days
from kwartier.validate.parameters import Parameters
from kwartier.validate.rules.rule import WARN

V9, V10, V12 = "V9-usage", "V10-step", "V12-zero"


def has_mean(look: Look, parameters: Parameters) -> Mask:
    """Rows that are whole, with days enough before them, and a mean that is not next to nothing."""
    found = np.zeros(len(look.day), np.bool_)
    for channel in parameters.usage.channels:
        found |= _comparable(look, channel, parameters)
    return found


def usage(look: Look, parameters: Parameters) -> tuple[Said, ...]:
    """V9: much less or much more was used than on the days before."""
    found = []
    for channel in parameters.usage.channels:
        rows = _comparable(look, channel, parameters)
        if not rows.any():
            continue
        total_wh, mean_wh = look.totals[channel].energy_wh, look.day.around.state[f"mean_{channel}"]
        low = 100 * total_wh < parameters.usage.low_percent * mean_wh
        high = 100 * total_wh > parameters.usage.high_percent * mean_wh
        wrong = rows & (low | high)
        if wrong.any():
            found.append(Said(V9, WARN, channel, whole_days(look.day, wrong)))
    return tuple(found)


def _comparable(look: Look, channel: str, parameters: Parameters) -> Mask:
    state = look.day.around.state
    if not state or channel not in look.totals:
        return np.zeros(len(look.day), np.bool_)
    enough = state["mean_days"] >= parameters.usage.least_days
    return np.asarray(look.totals[channel].whole & enough & (state[f"mean_{channel}"] >= parameters.usage.least_wh))


def has_peak(look: Look, parameters: Parameters) -> Mask:
    """Rows with two quarters that are known, and an earlier day with one."""
    found = np.zeros(len(look.day), np.bool_)
    for channel, one in look.totals.items():
        found |= (one.quarters > 1) & (_peak(look, channel) > 0)
    return found


def step(look: Look, parameters: Parameters) -> tuple[Said, ...]:
    """V10: from one quarter to the next it jumps by more than the largest quarter of all earlier days allows."""
    found = []
    for channel, (energy, known) in look.moved.items():
        most_wh = step_most(_peak(look, channel), parameters)
        jumped = np.zeros(energy.shape, np.bool_)
        jumped[:, 1:] = np.abs(energy[:, 1:] - energy[:, :-1]) > most_wh[:, None]
        jumped[:, 1:] &= known[:, 1:] & known[:, :-1] & (energy[:, 1:] >= 0) & (energy[:, :-1] >= 0)
        if jumped.any():
            found.append(Said(V10, WARN, channel, spans(jumped)))
    return tuple(found)


def step_most(peak_wh: Registers, parameters: Parameters) -> Registers:
    """The largest step that is let pass after a largest quarter; where there was none, any is."""
    most_wh = np.maximum(parameters.step.percent * peak_wh // 100, parameters.step.least_wh)
    return np.where(peak_wh > 0, most_wh, NO_LIMIT)


def _peak(look: Look, channel: str) -> Registers:
    peak = look.day.around.state.get(f"peak_{channel}")
    return np.zeros(len(look.day), np.int64) if peak is None else peak


def knows_use(look: Look, parameters: Parameters) -> Mask:
    """Rows that are whole in each register, of which the days before or the registry are known."""
    around = look.day.around
    if around.inactive is not None:
        found = np.full(len(look.day), bool(look.totals), np.bool_)
    elif around.state:
        found = (around.state["last_import_at"] > 0) | (around.state["last_export_at"] > 0)
    else:
        return np.zeros(len(look.day), np.bool_)
    for one in look.totals.values():
        found &= one.whole
    return found


def zero(look: Look, parameters: Parameters) -> tuple[Said, ...]:
    """V12: nothing flowed for many days where somebody lives, or something flowed where the registry says that nobody does."""
    around = look.day.around
    known = knows_use(look, parameters)
    flowed = np.zeros(len(look.day), np.bool_)
    for one in look.totals.values():
        flowed |= one.energy_wh > 0
    empty = np.zeros(len(look.day), np.bool_) if around.inactive is None else around.inactive
    wrong = known & empty & flowed
    if around.state:
        out = np.zeros(len(look.day), np.bool_)
        out[list(around.outages)] = True
        wrong |= known & ~empty & ~flowed & ~out & (around.state["zero_days"] + 1 >= parameters.zero.days)
    return (Said(V12, WARN, "", whole_days(look.day, wrong)),) if wrong.any() else ()
