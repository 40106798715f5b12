"""What registers moved: the difference of two places in a row, where both are known, and what that makes over the day.

Rules look at two things: what holds of a row as a whole (:class:`Totals`), and its quarters (:class:`Moved`). A stack in which
nothing is missing, as nearly all are, costs one subtraction and no mask.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np

from kwartier.model import Registers
from kwartier.validate.day import CHANNELS, Around, Day, Energy, Known, Mask, Places, Spans

NO_LIMIT = np.iinfo(np.int64).max


class Moved(NamedTuple):
    """The quarters of one channel, rows by n."""

    energy_wh: Energy
    """As the registers say it, so below 0 where one falls; 0 where it is not known."""
    known: Mask
    """Where the meter was at the connection and both registers are there. May be read-only."""


class Totals(NamedTuple):
    """One channel over the day, in columns."""

    quarters: Places
    """How many quarters are known."""
    whole: Mask
    """Whether all are during which the meter was there, one at least, and none falls."""
    energy_wh: Energy
    """What they add up to; means nothing where it is not whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a rule looks at. Rules over days are also shown stacks whose ``moved`` was not worked out."""

    day: Day
    totals: Mapping[str, Totals] = field(repr=False)
    moved: Mapping[str, Moved] = field(default_factory=dict, repr=False)


def channels_of(day: Day) -> tuple[str, ...]:
    """The channels that the stack has."""
    return tuple(one for one in CHANNELS if one in day.stack.registers)


def stay(day: Day) -> Mask | None:
    """In which quarters each meter was at its connection, rows by n; None: all of them, all day."""
    first, last, count = day.around.first, day.around.last, day.quarters
    if not first.any() and bool((last == count).all()):
        return None
    quarters = np.arange(count)
    return np.asarray((quarters >= first[:, None]) & (quarters < last[:, None]), np.bool_)


def moved(day: Day) -> dict[str, Moved]:
    """The quarters of each channel that the stack has."""
    there = stay(day)
    found = {}
    for channel in channels_of(day):
        registers, missing = day.stack.registers[channel], day.stack.missing[channel]
        energy: Energy = registers[:, 1:] - registers[:, :-1]
        if there is None and not missing.any():
            found[channel] = Moved(energy, np.broadcast_to(np.True_, energy.shape))
            continue
        here = missing == 0
        known = here[:, 1:] & here[:, :-1]
        if there is not None:
            known &= there
        energy[~known] = 0
        found[channel] = Moved(energy, known)
    return found


def totals(day: Day, quarters: Mapping[str, Moved]) -> dict[str, Totals]:
    """What the quarters make over the day."""
    long = day.around.last - day.around.first
    found = {}
    for channel, (energy, known) in quarters.items():
        count = known.sum(axis=1, dtype=np.int64)
        whole = (count == long) & (count > 0) & ~(energy < 0).any(axis=1)
        found[channel] = Totals(count, whole, energy.sum(axis=1))
    return found


def look(day: Day) -> Look:
    """All that rules look at."""
    quarters = moved(day)
    return Look(day=day, totals=totals(day, quarters), moved=quarters)


def spans(mask: Mask) -> Spans:
    """The stretches over which ``mask`` (rows by n) is true, row by row."""
    rows = np.flatnonzero(mask.any(axis=1))
    padded = np.zeros((len(rows), mask.shape[1] + 2), np.bool_)
    padded[:, 1:-1] = mask[rows]
    where, edges = np.nonzero(padded[:, 1:] != padded[:, :-1])
    return Spans(rows[where[::2]], edges[::2], edges[1::2] - 1)


def whole_days(day: Day, rows: Mask) -> Spans:
    """All quarters during which the meters of ``rows`` were there."""
    found = np.flatnonzero(rows & (day.around.last > day.around.first))
    return Spans(found, day.around.first[found], day.around.last[found] - 1)


def only(day: Day, rows: Places) -> Day:
    """The rows (ascending places) of a day."""
    wanted = np.zeros(len(day), np.bool_)
    wanted[rows] = True
    if wanted.all():
        return day
    around: dict[str, Any] = {one.name: _some(getattr(day.around, one.name), rows) for one in fields(Around)}
    return Day(stack=day.stack.only(wanted), times=day.times, around=Around(**around))


def _some(value: object, rows: Places) -> object:
    """A column, or whatever holds columns, cut down to ``rows``."""
    if isinstance(value, np.ndarray):
        return value[rows]
    if isinstance(value, tuple):
        return tuple([value[row] for row in rows.tolist()]) if value else value
    if isinstance(value, Known):
        columns: dict[str, Any] = {one.name: _some(getattr(value, one.name), rows) for one in fields(Known)}
        return Known(**columns)
    if isinstance(value, Mapping):
        if all(isinstance(key, int) for key in value):  # by row
            return {place: value[row] for place, row in enumerate(rows.tolist()) if row in value}
        return {key: _some(column, rows) for key, column in value.items()}
    return value


def limit(percent: int, of: Registers) -> Registers:
    """The least whole number that is ``percent`` of each."""
    return np.asarray(-(-percent * of // 100), np.int64)
