"""Rules about the course of a day: more than can be, one quarter far above the rest, the same again and again, sun at night."""

import numpy as np

from kwartier.validate.day import Mask, Said, Spans
from kwartier.validate.differences import NO_LIMIT, Look, limit, spans
from kwartier.validate.parameters import Night, Parameters
from kwartier.validate.rules.registers import any_known
from kwartier.validate.rules.rule import FAIL, WARN

V2, V8, V11, V13, V15 = "V2-capacity", "V8-spike", "V11-frozen", "V13-both-ways", "V15-night-export"
PEAKS = 3
USUAL_QUARTERS = 96
QUARTERS_AN_HOUR = 4
IMPORT, EXPORT = "import_wh", "export_wh"


def has_capacity(look: Look, parameters: Parameters) -> Mask:
    """Rows with a quarter that is known, at connections whose capacity is."""
    return any_known(look, parameters) & (look.day.around.capacity_wh > 0)


def capacity(look: Look, parameters: Parameters) -> tuple[Said, ...]:
    """V2: a quarter in which as much flowed as the connection cannot carry."""
    capacity_wh = look.day.around.capacity_wh
    most_wh = np.where(capacity_wh > 0, limit(parameters.capacity.percent, capacity_wh), NO_LIMIT)
    found = []
    for channel, one in look.moved.items():
        above = one.known & (one.energy_wh >= most_wh[:, None])
        if above.any():
            found.append(Said(V2, FAIL, channel, spans(above)))
    return tuple(found)


def has_peaks(look: Look, parameters: Parameters) -> Mask:
    """Rows with three quarters that are known."""
    found = np.zeros(len(look.day), np.bool_)
    for one in look.totals.values():
        found |= one.quarters >= PEAKS
    return found


def spike(look: Look, parameters: Parameters) -> tuple[Said, ...]:
    """V8: the highest quarter is too far above the third highest."""
    found = []
    for channel, one in look.moved.items():
        if one.energy_wh.shape[1] < PEAKS:
            continue
        energy = np.where(one.known, one.energy_wh, 0)
        highest = np.partition(energy, (-PEAKS, -1), axis=1)
        peak, third = highest[:, -1], np.maximum(highest[:, -PEAKS], 0)
        far = 100 * (peak - third) > parameters.spike.percent * third
        far &= (peak >= parameters.spike.least_wh) & (look.totals[channel].quarters >= PEAKS)
        if far.any():
            found.append(Said(V8, WARN, channel, spans(one.known & (energy == peak[:, None]) & far[:, None])))
    return tuple(found)


def frozen(look: Look, parameters: Parameters) -> tuple[Said, ...]:
    """V11: the same volume, and not nothing, in many quarters in a row."""
    found = []
    for channel, (energy, known) in look.moved.items():
        same = (energy[:, 1:] == energy[:, :-1]) & (energy[:, 1:] >= parameters.frozen.least_wh)
        same &= known[:, 1:] & known[:, :-1]
        if not same.any():
            continue
        rows, first, last = spans(same)
        long = last - first + 2
        for severity, wanted in (
            (FAIL, long >= parameters.frozen.fail_quarters),
            (WARN, (long >= parameters.frozen.warn_quarters) & (long < parameters.frozen.fail_quarters)),
        ):
            if wanted.any():
                found.append(Said(V11, severity, channel, Spans(rows[wanted], first[wanted], last[wanted] + 1)))
    return tuple(found)


def knows_both_ways(look: Look, parameters: Parameters) -> Mask:
    """Rows with both registers, at connections whose capacity is known."""
    if len(look.totals) < 2:
        return np.zeros(len(look.day), np.bool_)
    both = (look.totals[IMPORT].quarters > 0) & (look.totals[EXPORT].quarters > 0)
    return both & (look.day.around.capacity_wh > 0)


def both_ways(look: Look, parameters: Parameters) -> tuple[Said, ...]:
    """V13: in one quarter more flowed in and out together than the connection carries one way all the time."""
    if len(look.moved) < 2:
        return ()
    taken, given = look.moved[IMPORT], look.moved[EXPORT]
    capacity_wh = look.day.around.capacity_wh
    most_wh = np.where(capacity_wh > 0, parameters.both_ways.percent * capacity_wh // 100, NO_LIMIT)
    above = taken.energy_wh + given.energy_wh > most_wh[:, None]
    above &= np.minimum(taken.energy_wh, given.energy_wh) >= parameters.both_ways.least_wh
    above &= taken.known & given.known
    return (Said(V13, WARN, "", spans(above)),) if above.any() else ()


def night_quarters(count: int, night: Night) -> tuple[int, int]:
    """Up to which quarter of a day it is night, and from which on again.

    A day of 92 or 100 quarters is taken to lose or gain its hour before the night ends, as it does in Europe.
    """
    ends = max(0, night.to_hour * QUARTERS_AN_HOUR + count - USUAL_QUARTERS)
    return ends, max(ends, count - (24 - night.from_hour) * QUARTERS_AN_HOUR)


def has_export(look: Look, parameters: Parameters) -> Mask:
    """Rows of which a quarter of export is known."""
    if EXPORT not in look.totals:
        return np.zeros(len(look.day), np.bool_)
    return np.asarray(look.totals[EXPORT].quarters > 0, np.bool_)


def night_export(look: Look, parameters: Parameters) -> tuple[Said, ...]:
    """V15: something is fed in while there is no sun."""
    one = look.moved.get(EXPORT)
    if one is None:
        return ()
    ends, begins = night_quarters(look.day.quarters, parameters.night)
    dark = one.known & (one.energy_wh > 0)
    dark[:, ends:begins] = False
    much = np.where(dark, one.energy_wh, 0).sum(axis=1) > parameters.night.most_wh
    return (Said(V15, WARN, EXPORT, spans(dark & much[:, None])),) if much.any() else ()
