"""One pass over the registers of a large stack: which rows any rule over quarters may have something to say of.

It never says what is wrong, only where to look; it may point at too many rows, and never at too few. The rules themselves are
the definition, and a property test holds a screened stack against one that was looked at in full. It lets go of the
interpreter, so that stacks are screened in several threads at once.
"""

import numba
import numpy as np
import numpy.typing as npt

from kwartier.model import Bytes8, Registers
from kwartier.validate.day import Day, Mask
from kwartier.validate.differences import NO_LIMIT, limit
from kwartier.validate.parameters import Parameters
from kwartier.validate.rules.history import step_most
from kwartier.validate.rules.shape import EXPORT, IMPORT, night_quarters


def suspects(day: Day, parameters: Parameters) -> Mask:
    """The rows to look at. A stack that lacks a channel is looked at in full."""
    stack, around = day.stack, day.around
    if not {IMPORT, EXPORT} <= set(stack.registers):
        return np.ones(len(day), np.bool_)
    found: Mask = (around.first != 0) | (around.last != day.quarters)
    found[list(stack.beside)] = True
    capacity_wh = around.capacity_wh
    known = capacity_wh > 0
    carried_wh = np.where(known, limit(parameters.capacity.percent, capacity_wh), NO_LIMIT)
    both_wh = np.where(known, parameters.both_ways.percent * capacity_wh // 100, NO_LIMIT)
    ends, begins = night_quarters(day.quarters, parameters.night)
    limits = np.array(
        (
            parameters.spike.percent,
            parameters.spike.least_wh,
            parameters.frozen.warn_quarters,
            parameters.frozen.least_wh,
            parameters.both_ways.least_wh,
            ends,
            begins,
            parameters.night.most_wh,
        ),
        np.int64,
    )
    _odd_bytes(stack.missing[IMPORT], 0xFF, found)
    _odd_bytes(stack.missing[EXPORT], 0xFF, found)
    _odd_bytes(stack.status, parameters.status.reject | parameters.status.flag, found)
    columns = []
    for channel in (IMPORT, EXPORT):
        peak = around.state.get(f"peak_{channel}")
        # A step is no larger than the larger of its quarters.
        step_wh = np.full(len(day), NO_LIMIT) if peak is None else step_most(peak, parameters)
        columns.append(np.minimum(carried_wh - 1, step_wh))
    taken, given = (np.ascontiguousarray(stack.registers[channel]) for channel in (IMPORT, EXPORT))
    _odd_rows(taken, given, columns[0], columns[1], both_wh, limits, found)
    return found


@numba.njit(nogil=True, cache=True)
def _odd_bytes(octets: Bytes8, bits: int, found: Mask) -> None:  # pragma: no cover - compiled
    """Mark rows with any of ``bits`` in any place."""
    for row in range(octets.shape[0]):
        seen = np.uint8(0)
        for place in range(octets.shape[1]):
            seen |= octets[row, place]
        if seen & bits:
            found[row] = True


@numba.njit(nogil=True, cache=True)
def _odd_rows(
    taken: Registers,
    given: Registers,
    taken_most: Registers,
    given_most: Registers,
    both_most: Registers,
    limits: npt.NDArray[np.int64],
    found: Mask,
) -> None:  # pragma: no cover - compiled
    """Mark rows whose quarters fall, are above a limit, peak, repeat, flow both ways, or feed in at night."""
    least, ends, begins, most = limits[4], limits[5], limits[6], limits[7]
    last = taken.shape[1] - 1
    into, out = np.empty(last, np.int64), np.empty(last, np.int64)
    for row in range(taken.shape[0]):
        if found[row]:
            continue
        night = given[row, ends] - given[row, 0] + given[row, last] - given[row, begins]
        most_in, most_out = _highest(taken[row], into), _highest(given[row], out)
        found[row] = (
            night > most
            or min(most_in, most_out) < 0
            or _odd(into, most_in, taken_most[row], limits)
            or _odd(out, most_out, given_most[row], limits)
            or (min(most_in, most_out) >= least and _both_ways(into, out, least, both_most[row]))
        )


@numba.njit(nogil=True, cache=True)
def _highest(registers: Registers, energy: Registers) -> int:  # pragma: no cover - compiled
    """Fill in the quarters of a row: the highest of them, or -1 if one falls. Without a branch, four are done at a time."""
    high = low = 0
    for quarter in range(len(energy)):
        one = registers[quarter + 1] - registers[quarter]
        energy[quarter] = one
        high = max(high, one)
        low = min(low, one)
    return -1 if low < 0 else high


@numba.njit(nogil=True, cache=True)
def _odd(
    energy: Registers, highest: int, above: int, limits: npt.NDArray[np.int64]
) -> bool:  # pragma: no cover - compiled
    """Whether a row with these quarters is to be looked at. What is dear is done where what is cheap leaves it open."""
    percent, peaking, often, same = limits[0], limits[1], limits[2], limits[3]
    if highest > above:
        return True
    return (highest >= same and _repeats(energy, same, often)) or (highest >= peaking and _peaks(energy, percent))


@numba.njit(nogil=True, cache=True)
def _both_ways(into: Registers, out: Registers, least: int, most: int) -> bool:  # pragma: no cover - compiled
    """Whether in one quarter ``least`` or more flowed each way, and more than ``most`` in all."""
    found = False
    for quarter in range(len(into)):
        found |= (min(into[quarter], out[quarter]) >= least) & (into[quarter] + out[quarter] > most)
    return found


@numba.njit(nogil=True, cache=True)
def _repeats(energy: Registers, same: int, often: int) -> bool:  # pragma: no cover - compiled
    """Whether so many quarters in a row have equal volumes of ``same`` or more."""
    pairs = 0
    for quarter in range(1, len(energy)):
        pairs += (energy[quarter] == energy[quarter - 1]) & (energy[quarter] >= same)
    if pairs < often - 1:
        return False
    run = 1
    for quarter in range(1, len(energy)):
        run = run + 1 if energy[quarter] == energy[quarter - 1] and energy[quarter] >= same else 1
        if run >= often:
            return True
    return False


@numba.njit(nogil=True, cache=True)
def _peaks(energy: Registers, percent: int) -> bool:  # pragma: no cover - compiled
    """Whether the highest quarter is so far above the third highest."""
    first = second = third = 0
    for quarter in range(len(energy)):
        if energy[quarter] > third:
            third = energy[quarter]
            if third > second:
                third, second = second, third
            if second > first:
                second, first = first, second
    return bool(100 * (first - third) > percent * third)
