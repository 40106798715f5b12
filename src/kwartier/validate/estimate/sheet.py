"""What has been filled: volumes in columns, and a line for every stretch that says why, how and from what."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from kwartier.errors import InputError
from kwartier.model import Bytes8, Quality
from kwartier.validate.day import CHANNELS, Energy, Places
from kwartier.validate.estimate.plan import Gap, Plan
from kwartier.validate.estimate.shape import Shape
from kwartier.validate.usable import MAX_WH

MAX_REASON = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Manual:
    """Volumes that were agreed by hand, for quarters of this day from ``first`` on, and why."""

    reading: int
    channel: str
    first: int
    energy_wh: tuple[int, ...] = field(repr=False)
    reason: str

    @property
    def last(self) -> int:
        """The last quarter."""
        return self.first + len(self.energy_wh) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Substitute:
    """Quarters whose volume was made by a method: why, how and from what; never how much."""

    row: int
    reading: int
    channel: str
    first: int
    last: int
    rule: str
    method: str
    quality: Quality
    inputs: Mapping[str, object]
    """``set``: the parameters; ``start``, ``end``: the gap (UTC s); ``start_known``, ``end_known``: whether a register is.

    ``energy``: what it was taken from; ``shape``: by which method, where it is not ``method``; ``days``: which days lent it;
    ``may_still_come``: it is provisional; ``reason``: why by hand.
    """


class Cells(NamedTuple):
    """Quarters of one channel, in columns. Where one is named twice, the later holds."""

    rows: Places
    quarters: Places
    energy_wh: Energy
    quality: Bytes8


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """The volumes that methods made. What is in a gap and not here is missing."""

    cells: Mapping[str, Cells] = field(repr=False)
    substitutes: tuple[Substitute, ...]


class Part(NamedTuple):
    """Volumes for some quarters of this day, made in one way; ascending."""

    quarters: Places
    energy_wh: Energy
    method: str
    source: str
    shape: Shape | None


class Sheet:
    """What has been filled so far."""

    def __init__(self, plan: Plan, manual: Sequence[Manual]) -> None:
        self._plan, self._manual = plan, manual
        self._rows = {reading: row for row, reading in enumerate(plan.day.stack.ids.tolist())} if manual else {}
        self._cells: dict[str, list[Cells]] = {channel: [] for channel in CHANNELS}
        self._placed: dict[tuple[int, str], tuple[int, int]] = {}
        self._substitutes: list[Substitute] = []
        self._by_hand = defaultdict[tuple[int, str], list[Manual]](list)
        for one in manual:
            self._by_hand[self._row_of(one), one.channel].append(one)

    def put(self, gap: Gap, parts: Iterable[Part], quality: Quality) -> None:
        """Volumes of a gap, and where they came from."""
        for part in parts:
            self._add(gap.row, gap.channel, part.quarters, part.energy_wh, quality)
            count, placed_wh = self.placed(gap.row, gap.channel)
            self._placed[gap.row, gap.channel] = count + len(part.quarters), placed_wh + int(part.energy_wh.sum())
            inputs = _inputs(gap, part)
            for first, last in _runs(self._not_by_hand(gap, part.quarters)):
                self._note(gap.row, gap.channel, first, last, gap.rule, part.method, quality, inputs)

    def placed(self, row: int, channel: str) -> tuple[int, int]:
        """How many quarters of a row have been filled, and with how much."""
        return self._placed.get((row, channel), (0, 0))

    def filled(self) -> Filled:
        """All of it, and what was agreed by hand laid over it."""
        for (row, channel), several in self._by_hand.items():
            for one in several:
                quarters, energy_wh = np.arange(one.first, one.last + 1), np.array(one.energy_wh, np.int64)
                self._add(row, channel, quarters, energy_wh, Quality.ESTIMATED)
                inputs = {"energy": "agreed", "reason": one.reason}
                rule = self._rule(row, one)
                self._note(row, channel, one.first, one.last, rule, "E8", Quality.ESTIMATED, inputs)
        cells = {
            channel: Cells(*(np.concatenate(column) for column in zip(*found, strict=True)))
            for channel, found in self._cells.items()
            if found
        }
        lines = sorted(self._substitutes, key=lambda one: (one.row, one.channel, one.first))
        return Filled(cells=cells, substitutes=tuple(lines))

    def _row_of(self, one: Manual) -> int:
        row, count = self._rows.get(one.reading), self._plan.day.quarters
        if row is None or one.channel not in self._plan.rejected:
            raise InputError("bad-manual-volumes", "there is no such reading and channel on the day")
        around = self._plan.day.around
        if not (0 <= around.first[row] <= one.first <= one.last < around.last[row] <= count):
            raise InputError("bad-manual-volumes", f"quarters {one.first} to {one.last} are not of the meter's day")
        if not all(0 <= energy_wh <= MAX_WH for energy_wh in one.energy_wh):
            raise InputError("bad-manual-volumes", f"a volume is below 0 or above {MAX_WH} Wh")
        if not 0 < len(one.reason) <= MAX_REASON:
            raise InputError("bad-manual-volumes", f"the reason has to have 1 to {MAX_REASON} characters")
        return row

    def _rule(self, row: int, one: Manual) -> str:
        """The rules that had rejected some of the quarters."""
        gaps = (gap for gap in self._plan.gaps if (gap.row, gap.channel) == (row, one.channel))
        codes = {
            code for gap in gaps if gap.first <= one.last and gap.last >= one.first for code in gap.rule.split(",")
        }
        return ",".join(sorted(codes, key=lambda code: (len(code), code)))

    def _not_by_hand(self, gap: Gap, quarters: Places) -> Places:
        for one in self._by_hand.get((gap.row, gap.channel), ()):
            quarters = quarters[(quarters < one.first) | (quarters > one.last)]
        return quarters

    def _add(self, row: int, channel: str, quarters: Places, energy_wh: Energy, quality: Quality) -> None:
        count = len(quarters)
        cells = Cells(np.full(count, row), quarters, energy_wh, np.full(count, quality, np.uint8))
        self._cells[channel].append(cells)

    def _note(
        self,
        row: int,
        channel: str,
        first: int,
        last: int,
        rule: str,
        method: str,
        quality: Quality,
        inputs: Mapping[str, object],
    ) -> None:
        self._substitutes.append(
            Substitute(
                row=row,
                reading=int(self._plan.day.stack.ids[row]),
                channel=channel,
                first=first,
                last=last,
                rule=rule,
                method=method,
                quality=quality,
                inputs=inputs,
            )
        )


def _inputs(gap: Gap, part: Part) -> Mapping[str, object]:
    inputs: dict[str, object] = {
        "set": gap.parameters.name,
        "start": gap.start,
        "end": gap.end,
        "start_known": gap.start_known,
        "end_known": gap.end_known,
        "energy": part.source,
    }
    if part.shape is not None and part.shape.method != part.method:
        inputs["shape"] = part.shape.method
    if part.shape is not None and part.shape.days:
        inputs["days"] = part.shape.days
    if gap.may_still_come:
        inputs["may_still_come"] = True
    return inputs


def _runs(quarters: Places) -> Iterator[tuple[int, int]]:
    """The first and last of every run of consecutive numbers."""
    for run in np.split(quarters, np.flatnonzero(np.diff(quarters) != 1) + 1):
        if len(run):
            yield int(run[0]), int(run[-1])
