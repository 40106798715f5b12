"""The second step: each gap gets volumes by the first method that can, and with them how they came about.

Of a gap whose energy is known every part of it, on whichever day, is taken from one split of the whole: the parts add up to
what the registers tell. Of any other gap only the part in this day is made, and it is put right when the truth comes.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

import numpy as np

from kwartier.clock import QUARTER_S
from kwartier.model import Quality, Times, Volumes
from kwartier.validate.day import Day, Mask, Places
from kwartier.validate.estimate.local import clocked, quarters_between
from kwartier.validate.estimate.plan import Gap, Plan, takes_like_days
from kwartier.validate.estimate.shape import Like, Past, Profiles, Shape, flat, profiled, some
from kwartier.validate.estimate.shares import shares
from kwartier.validate.estimate.sheet import Filled, Manual, Part, Sheet
from kwartier.validate.usable import MAX_WH, differences


def fill(
    plan: Plan, history: Mapping[date, Volumes], profiles: Profiles | None = None, manual: Sequence[Manual] = ()
) -> Filled:
    """Volumes for every gap of ``plan`` that a method can fill.

    ``history``: by local day what ``plan.wanted`` names, as far as it is there; volumes of other readings do no harm.
    ``manual``: what was agreed holds, whatever the quarter had otherwise. Raises ``InputError`` bad-manual-volumes.
    """
    sheet, methods = Sheet(plan, manual), _Methods(plan, Past(history), profiles)
    unknown = defaultdict[tuple[int, str], list[Gap]](list)
    for gap in plan.gaps:
        if gap.energy_wh is None:
            unknown[gap.row, gap.channel].append(gap)
        else:
            sheet.put(gap, methods.calculated(gap, gap.energy_wh), Quality.CALCULATED)
    for (row, channel), gaps in unknown.items():
        left_wh = _left_wh(plan.day, row, channel, plan.rejected[channel][row], sheet.placed(row, channel), gaps)
        made = methods.estimated(gaps) if left_wh is None else methods.checked(gaps, left_wh)
        for gap, part in made:
            sheet.put(gap, [part], Quality.ESTIMATED)
    return sheet.filled()


def _left_wh(day: Day, row: int, channel: str, bad: Mask, placed: tuple[int, int], gaps: Sequence[Gap]) -> int | None:
    """What the check meter measured besides all that is known of the row; None: there is none, or it does not fit."""
    check = day.around.check_meter_wh.get(channel)
    if check is None or not check.there[row] or day.around.first[row] or day.around.last[row] != day.quarters:
        return None
    count, placed_wh = placed
    if count + sum(gap.last + 1 - gap.first for gap in gaps) != int(bad.sum()):
        return None
    measured_wh = int(differences(day.stack.registers[channel][row : row + 1])[0][~bad].sum())
    left_wh = int(check.register_wh[row]) - measured_wh - placed_wh
    return left_wh if 0 <= left_wh <= MAX_WH else None


class _Methods:
    """E2 to E7 for gaps of one plan."""

    def __init__(self, plan: Plan, past: Past, profiles: Profiles | None) -> None:
        self._plan, self._past, self._profiles = plan, past, profiles
        self._times = plan.day.times

    def calculated(self, gap: Gap, energy_wh: int) -> Iterator[Part]:
        """This day's part of the split of the whole gap."""
        ends = quarters_between(gap.start, gap.end)
        dark = _dark(gap, ends)
        if energy_wh and dark.all():
            dark[:] = False  # something went through the meter: it had power
        lit = np.flatnonzero(~dark)
        split_wh, shape = np.zeros(len(ends), np.int64), None
        if len(lit):
            shape = flat(len(lit)) if gap.linear else self._shape(gap, ends[lit])
            if shape is None and not energy_wh:
                shape = flat(len(lit))  # nothing can only be split in one way
            if shape is not None:
                split_wh[lit] = shares(energy_wh, shape.weights)
        quarters = np.arange(gap.first, gap.last + 1)
        places = quarters - gap.first + (int(self._times[gap.first]) - gap.start) // QUARTER_S
        if dark[places].any():
            yield _dark_part(quarters[dark[places]])
        bright = ~dark[places]
        if shape is not None and bright.any():
            yield Part(quarters[bright], split_wh[places[bright]], shape.method, "registers", shape)

    def estimated(self, gaps: Iterable[Gap]) -> Iterator[tuple[Gap, Part]]:
        """This day's part of gaps of which nothing but their length is known."""
        for gap in gaps:
            quarters, dark = self._own(gap)
            if dark.any():
                yield gap, _dark_part(quarters[dark])
            lit = quarters[~dark]
            shape = self._shape(gap, self._times[lit + 1]) if len(lit) else None
            if shape is not None and shape.energy_wh is not None:
                split_wh = shares(shape.energy_wh, shape.weights)
                yield gap, Part(lit, split_wh, shape.method, shape.source, shape)

    def checked(self, gaps: Sequence[Gap], left_wh: int) -> Iterator[tuple[Gap, Part]]:
        """All that is unknown in a row's day gets together what the check meter says is left."""
        own = [self._own(gap) for gap in gaps]
        if left_wh and all(dark.all() for _, dark in own):
            own = [
                (quarters, np.zeros_like(dark)) for quarters, dark in own
            ]  # the other meter says that there was power
        for gap, (quarters, dark) in zip(gaps, own, strict=True):
            if dark.any():
                yield gap, _dark_part(quarters[dark])
        lit = np.concatenate([quarters[~dark] for quarters, dark in own])
        if not len(lit):
            return
        shape = self._shape(min(gaps, key=lambda gap: gap.start), self._times[lit + 1]) or flat(len(lit))
        split_wh = shares(left_wh, shape.weights)
        for gap, (quarters, dark) in zip(gaps, own, strict=True):
            mine = np.isin(lit, quarters[~dark])
            if mine.any():
                yield gap, Part(lit[mine], split_wh[mine], "E6", "check meter", shape)

    def _own(self, gap: Gap) -> tuple[Places, Mask]:
        """The quarters of a gap in this day, and which of them had no power."""
        quarters = np.arange(gap.first, gap.last + 1)
        return quarters, _dark(gap, self._times[quarters + 1])

    def _shape(self, gap: Gap, ends: Times) -> Shape | None:
        """By E3, E4 or E5."""
        plan, reading = self._plan, int(self._plan.day.stack.ids[gap.row])
        shape = None
        if takes_like_days(gap, plan.timezone):
            first = min(int(ends[0]) - QUARTER_S, gap.start)
            quarters = some(clocked(first, int(ends[-1]), plan.timezone), (ends - first) // QUARTER_S - 1)
            like = Like(reading=reading, channel=gap.channel, parameters=gap.parameters, until=gap.until)
            shape = self._past.shape(like, quarters)
        return shape or profiled(self._profiles, reading, gap.channel, ends)


def _dark(gap: Gap, ends: Times) -> Mask:
    """Which quarters lie in a proven outage as a whole."""
    dark = np.zeros(len(ends), np.bool_)
    for start, end in gap.outages:
        dark |= (ends - QUARTER_S >= start) & (ends <= end)
    return dark


def _dark_part(quarters: Places) -> Part:
    return Part(quarters, np.zeros(len(quarters), np.int64), "E7", "events", None)
