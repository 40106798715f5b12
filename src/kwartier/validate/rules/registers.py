"""Rules about registers themselves: that they grow, that they are all there, and that another register says the same."""

import numpy as np

from kwartier.model import Registers
from kwartier.validate.day import Known, Mask, Said, Spans
from kwartier.validate.differences import Look, Moved, limit, spans, stay, whole_days
from kwartier.validate.parameters import Negative, Parameters
from kwartier.validate.rules.rule import FAIL, WARN

V1, V6, V7 = "V1-negative", "V6-completeness", "V7-sum"


def any_known(look: Look, parameters: Parameters) -> Mask:
    """Rows of which at least one quarter is known."""
    found = np.zeros(len(look.day), np.bool_)
    for one in look.totals.values():
        found |= one.quarters > 0
    return found


def all_rows(look: Look, parameters: Parameters) -> Mask:
    """Every row: also of one without any register it can be said that it has none."""
    return np.full(len(look.day), bool(look.totals), np.bool_)


def negative(look: Look, parameters: Parameters) -> tuple[Said, ...]:
    """V1: a register falls, and neither a rollover nor an exchange of the module explains it."""
    found = []
    for channel, one in look.moved.items():
        fell, explained = _falls(look, channel, one, parameters)
        if fell.any():
            found.append(Said(V1, FAIL, channel, spans(fell & ~explained)))
    return tuple(found)


def completeness(look: Look, parameters: Parameters) -> tuple[Said, ...]:
    """V6: the volume of a quarter is not known: a register is not there or started anew. Or a row stands beside the quarters.

    What two rows of one stamp said differently, and what could not be placed, is not there: a reading marks it so.
    """
    found = []
    there = stay(look.day)
    for channel, one in look.moved.items():
        gaps = ~one.known if there is None else there & ~one.known
        gaps |= _falls(look, channel, one, parameters)[1]
        if gaps.any():
            found.append(Said(V6, FAIL, channel, spans(gaps)))
    if look.day.stack.beside:
        found.append(Said(V6, WARN, "", _beside(look)))
    return tuple(found)


def _beside(look: Look) -> Spans:
    """The quarters in which a meter captured a row that belongs to no quarter end."""
    count = look.day.quarters
    places = {
        (row, min(max(int(np.searchsorted(look.day.times, one.time)) - 1, 0), count - 1))
        for row, several in look.day.stack.beside.items()
        for one in several
    }
    rows, quarters = np.array(sorted(places), np.int64).reshape(-1, 2).T
    return Spans(rows, quarters, quarters)


def _falls(look: Look, channel: str, one: Moved, parameters: Parameters) -> tuple[Mask, Mask]:
    """Where a register falls, and where that is a rollover or the one fall of a day on which its module was exchanged."""
    fell = one.known & (one.energy_wh < 0)
    explained = np.zeros_like(fell)
    if fell.any():
        around = look.day.around
        rows, quarters = np.nonzero(fell)
        once = fell.sum(axis=1) == 1
        most_wh = limit(parameters.capacity.percent, around.capacity_wh)
        most_wh[around.capacity_wh == 0] = parameters.negative.rollover_most_wh
        registers = look.day.stack.registers[channel]
        before, after = registers[rows, quarters], registers[rows, quarters + 1]
        rolled = _rolled_over(before, after, most_wh[rows], parameters.negative)
        explained[rows, quarters] = rolled | (around.exchanged & once)[rows]
    return fell, explained


def _rolled_over(before: Registers, after: Registers, most_wh: Registers, negative: Negative) -> Mask:
    found = np.zeros(len(before), np.bool_)
    for modulus in negative.rollover_wh:
        found |= (before < modulus) & (after + modulus - before <= most_wh)
    return found


def has_other_register(look: Look, parameters: Parameters) -> Mask:
    """Rows whose closing is there, and another register for the same moment."""
    found = np.zeros(len(look.day), np.bool_)
    for channel in look.totals:
        for one in _others(look, channel):
            found |= _comparable(look, channel, one)
    return found


def sums(look: Look, parameters: Parameters) -> tuple[Said, ...]:
    """V7: the quarters do not add up to what another register says: the next day's own opening, or the daily profile.

    The quarters of a day add up to its closing less its opening, so it is the closing that is compared. Which quarter is
    wrong nobody knows: all are refused.
    """
    found = []
    for channel in look.totals:
        wrong = np.zeros(len(look.day), np.bool_)
        for one in _others(look, channel):
            apart = np.abs(look.day.stack.registers[channel][:, -1] - one.register_wh) > parameters.sum.tolerance_wh
            wrong |= _comparable(look, channel, one) & apart
        if wrong.any():
            found.append(Said(V7, FAIL, channel, whole_days(look.day, wrong)))
    return tuple(found)


def _others(look: Look, channel: str) -> list[Known]:
    around = look.day.around
    return [one[channel] for one in (around.next_opening, around.daily) if channel in one]


def _comparable(look: Look, channel: str, other: Known) -> Mask:
    closing = look.day.stack.missing[channel][:, -1] == 0
    here = (look.totals[channel].quarters > 0) & (look.day.around.last == look.day.quarters)
    return np.asarray(closing & here & other.there & (other.at == look.day.times[-1]), np.bool_)
