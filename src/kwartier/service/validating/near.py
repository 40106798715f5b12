"""What the days beside a day say of its meters: the state that the day before left, and the first registers of later days.

Everything is by reading id of the day that is looked at. Over New Year an id ends: there a row is found again by its connection
and meter.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np

from kwartier.clock import QUARTER_S, midnight, quarter_ends
from kwartier.gate.ids import Ids, Link
from kwartier.gate.volumes import States
from kwartier.model import STATE, Missing, Registers, Stack, Volumes
from kwartier.service.validating.facts import ONE_DAY
from kwartier.validate.day import CHANNELS, Known, Mask
from kwartier.validate.estimate.parameters import estimation, parameters_of

OPENED = ("opening_wh", "opened", "first_wh", "first_at", "marked")
"""Of each channel: the register at midnight and whether it is there, the first one, when that was so, and its row's mark."""
Stacks = Iterable[tuple[Stack, Sequence[Link]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Whole numbers by id, ascending."""

    ids: Registers
    columns: Mapping[str, Registers] = field(repr=False)

    def of(self, ids: Registers) -> dict[str, Registers]:
        """The columns for some ids; 0 where nothing is known."""
        if not len(self.ids):
            return {name: np.zeros(len(ids), np.int64) for name in self.columns}
        place = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        there = self.ids[place] == ids
        return {name: np.where(there, column[place], 0) for name, column in self.columns.items()}


def in_order(ids: Registers, columns: Mapping[str, Registers]) -> Columns:
    """The same by id."""
    order = np.argsort(ids, kind="stable")
    return Columns(ids=ids[order], columns={name: column[order] for name, column in columns.items()})


class SameMeter:
    """Ids of other years as ids of the year that is looked at."""

    __slots__ = ("_ids", "_year")

    def __init__(self, ids: Ids, year: int) -> None:
        self._ids = ids
        self._year = year

    def translated(self, day: date, ids: Registers, links: Sequence[Link]) -> tuple[Registers, Mask]:
        """The ids of this year for some of the year of ``day``, and which there are."""
        if day.year == self._year:
            return ids, np.ones(len(ids), np.bool_)
        here = [link._replace(year=self._year) for link in links]
        known = self._ids.known(here)
        found = np.array([known.get(link, 0) for link in here], np.int64)
        return found, np.array([link in known for link in here], np.bool_)

    def back(self, day: date, ids: Registers, links: Mapping[int, Link]) -> dict[int, int]:
        """By id of the year of ``day`` the one of this year, for those of ``ids`` that have both."""
        if day.year == self._year:
            return {one: one for one in ids.tolist()}
        there = {links[one]._replace(year=day.year): one for one in ids.tolist()}
        return {old: there[link] for link, old in self._ids.known(there).items()}


def state_before(states: States, day: date, same: SameMeter) -> Columns:
    """The state that the local ``day`` left."""
    ids, there = same.translated(day, states.ids, states.links)
    return in_order(ids[there], {name: states.columns[name][there] for name in STATE})


def nothing_before() -> Columns:
    """There is no state."""
    return Columns(ids=np.zeros(0, np.int64), columns={name: np.zeros(0, np.int64) for name in STATE})


def openings(stacks: Stacks, day: date, timezone: str, same: SameMeter) -> Columns:
    """What each meter's ``day`` opens with, and its first register: the columns of :data:`OPENED` of each channel."""
    times = quarter_ends(day, day + ONE_DAY, timezone)
    bits = np.uint8(parameters_of(day, estimation()).power_failure_bits)
    names = [f"{name}_{channel}" for channel in CHANNELS for name in OPENED]
    parts: dict[str, list[Registers]] = {name: [np.zeros(0, np.int64)] for name in ("id", *names)}
    for stack, links in stacks:
        ids, there = same.translated(day, stack.ids, links)
        parts["id"].append(ids[there])
        rows = np.arange(len(stack))
        for channel in CHANNELS:
            missing, registers = stack.missing.get(channel), stack.registers.get(channel)
            if missing is None or registers is None:
                found = dict.fromkeys(OPENED, np.zeros(len(stack), np.int64))
            else:
                known = missing == Missing.PRESENT
                first = known.argmax(axis=1)
                some = known.any(axis=1)
                found = {
                    "opening_wh": registers[:, 0],
                    "opened": known[:, 0].astype(np.int64),
                    "first_wh": registers[rows, first],
                    "first_at": np.where(some, times[first], 0),
                    "marked": ((stack.status[rows, first] & bits) != 0).astype(np.int64),
                }
            for name, column in found.items():
                parts[f"{name}_{channel}"].append(column[there])
    whole = {name: np.concatenate(columns) for name, columns in parts.items()}
    return in_order(whole.pop("id"), whole)


def next_opening(found: Mapping[str, Registers], at: int) -> dict[str, Known]:
    """The registers that the next day opens with, at the moment ``at``."""
    count = len(next(iter(found.values())))
    return {
        channel: Known(
            register_wh=found[f"opening_wh_{channel}"],
            at=np.full(count, at, np.int64),
            there=found[f"opened_{channel}"] > 0,
        )
        for channel in CHANNELS
    }


def first_after(found: Mapping[str, Registers]) -> dict[str, Known]:
    """The first registers of a later day."""
    return {
        channel: Known(
            register_wh=found[f"first_wh_{channel}"],
            at=found[f"first_at_{channel}"],
            there=found[f"first_at_{channel}"] > 0,
            marked=found[f"marked_{channel}"] > 0,
        )
        for channel in CHANNELS
    }


def last_before(state: Mapping[str, Registers]) -> dict[str, Known]:
    """The last registers of the days before."""
    found = {}
    for channel in CHANNELS:
        at = state[f"last_{channel.removesuffix('_wh')}_at"]
        found[channel] = Known(register_wh=state[f"last_{channel}"], at=at, there=at > 0)
    return found


def or_else(first: Known, second: Known) -> Known:
    """``first`` where it is there, else ``second``."""
    marks = [one.marked if one.marked is not None else np.ones(len(one.there), np.bool_) for one in (first, second)]
    return Known(
        register_wh=np.where(first.there, first.register_wh, second.register_wh),
        at=np.where(first.there, first.at, second.at),
        there=first.there | second.there,
        marked=np.where(first.there, *marks),
    )


def chained(several: Sequence[Known]) -> Known:
    """Rows one after the other."""
    marks = [one.marked if one.marked is not None else np.ones(len(one.there), np.bool_) for one in several]
    return Known(
        register_wh=np.concatenate([one.register_wh for one in several]),
        at=np.concatenate([one.at for one in several]),
        there=np.concatenate([one.there for one in several]),
        marked=np.concatenate(marks),
    )


def some_of(known: Known, rows: Registers) -> Known:
    """Some rows."""
    marked = None if known.marked is None else known.marked[rows]
    return Known(register_wh=known.register_wh[rows], at=known.at[rows], there=known.there[rows], marked=marked)


def with_some(known: Known, rows: Registers, some: Known) -> Known:
    """The same with some rows replaced."""
    register_wh, at, there = known.register_wh.copy(), known.at.copy(), known.there.copy()
    marked = np.ones(len(there), np.bool_) if known.marked is None else known.marked.copy()
    register_wh[rows], at[rows], there[rows] = some.register_wh, some.at, some.there
    marked[rows] = True if some.marked is None else some.marked
    return Known(register_wh=register_wh, at=at, there=there, marked=marked)


def parted(known: Known, resets: Mapping[int, Sequence[date]], day: date, timezone: str) -> Known:
    """Without what lies beyond a day on which the registers of a row's meter started anew (``resets``: by row)."""
    if not resets:
        return known
    there = known.there.copy()
    for row, days in resets.items():
        at = int(known.at[row])
        there[row] &= not any(
            (one > day and midnight(one, timezone) < at) or (one < day and at < midnight(one + ONE_DAY, timezone))
            for one in days
        )
    return Known(register_wh=known.register_wh, at=known.at, there=there, marked=known.marked)


def marks(stacks: Stacks, at: Mapping[int, int], day: date, timezone: str, same: SameMeter) -> dict[int, bool]:
    """By id whether the row of ``day`` that stands at a moment (``at``, by id) says that the power failed."""
    opens = int(quarter_ends(day, day + ONE_DAY, timezone)[0])
    bits = parameters_of(day, estimation()).power_failure_bits
    found: dict[int, bool] = {}
    for stack, links in stacks:
        ids, there = same.translated(day, stack.ids, links)
        for row in np.flatnonzero(there & np.isin(ids, np.array(list(at), np.int64))).tolist():
            place = (at[int(ids[row])] - opens) // QUARTER_S
            if 0 <= place < stack.status.shape[1]:
                found[int(ids[row])] = bool(stack.status[row, place] & bits)
    return found


def as_this_year(volumes: Volumes, back: Mapping[int, int]) -> Volumes:
    """Volumes of another year under the ids of this one."""
    rows = np.array([row for row, one in enumerate(volumes.ids.tolist()) if one in back], np.int64)
    ids = np.array([back[one] for one in volumes.ids[rows].tolist()], np.int64)
    order = np.argsort(ids, kind="stable")
    return replace(volumes.only(rows[order]), ids=ids[order])


def together(several: Sequence[Volumes]) -> Volumes | None:
    """Volumes of one day in one piece, by id; None: there are none."""
    if not several:
        return None
    ids = np.concatenate([one.ids for one in several])
    order = np.argsort(ids, kind="stable")
    first = several[0]
    return Volumes(
        day=first.day,
        ids=ids[order],
        energy_wh={name: np.concatenate([one.energy_wh[name] for one in several])[order] for name in first.energy_wh},
        quality={name: np.concatenate([one.quality[name] for one in several])[order] for name in first.quality},
        state={name: np.concatenate([one.state[name] for one in several])[order] for name in first.state},
    )
