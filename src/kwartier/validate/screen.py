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
    for row in range(taken.shape[0]):
        if found[row]:
            continue
        if _odd(taken[row], taken_most[row], limits) or _odd(given[row], given_most[row], limits):
            found[row] = True
            continue
        night = given[row, ends] - given[row, 0] + given[row, last] - given[row, begins]
        if night > most:
            found[row] = True
            continue
        for quarter in range(last):
            one = taken[row, quarter + 1] - taken[row, quarter]
            other = given[row, quarter + 1] - given[row, quarter]
            if min(one, other) >= least and one + other > both_most[row]:
                found[row] = True
                break


@numba.njit(nogil=True, cache=True)
def _odd(registers: Registers, above: int, limits: npt.NDArray[np.int64]) -> bool:  # pragma: no cover - compiled
    percent, peaking, often, same = limits[0], limits[1], limits[2], limits[3]
    first = second = third = before = np.int64(0)
    run = 1
    for quarter in range(len(registers) - 1):
        energy = registers[quarter + 1] - registers[quarter]
        if energy < 0 or energy > above:
            return True
        if energy > third:
            if energy > second:
                third = second
                if energy > first:
                    second, first = first, energy
                else:
                    second = energy
            else:
                third = energy
        if energy == before and energy >= same:
            run += 1
            if run >= often:
                return True
        else:
            run = 1
        before = energy
    return bool(first >= peaking and 100 * (first - third) > percent * third)
