"""The first step: which stretches are not known, how much went through the meter over each, and which days may lend a shape.

A gap runs from one register to the next, also over midnight. Where a stretch that is not used reaches midnight and no register
stands there, it is cut at the last one known before midnight, and after midnight at the first: these are the registers
that the run of the neighbouring day is told of, so both see the same gap.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from kwartier.clock import DAY_S, QUARTER_S, local_day
from kwartier.model import Bytes8, Registers
from kwartier.validate.day import Day, Known, Mask, Verdicts
from kwartier.validate.estimate.local import clocked, date_of, local_length_s
from kwartier.validate.estimate.parameters import Parameters, estimation, parameters_of
from kwartier.validate.usable import MAX_WH, bad_quarters

MAX_GAP_DAYS = 130
"""Over a longer gap nothing is split: settlement has long closed, at four months."""
NOT_JUDGED = "V6"
"""The rule beside a gap that no rule has named: its registers are not complete."""
ANY_STATUS = 0xFF
"""Where the status of a row is not known, it may say anything."""

Outages = Mapping[int, tuple[tuple[int, int], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A stretch of one channel of one row that needs a method, and the part of it that lies in this day."""

    row: int
    channel: str
    first: int
    """The first quarter of it in this day, counted from 0."""
    last: int
    start: int
    """UTC seconds: where it starts, possibly days ago; the start of ``first`` where no register is known before."""
    end: int
    start_known: bool
    end_known: bool
    energy_wh: int | None = field(repr=False)
    """What the registers at both ends tell, exactly; None: they do not."""
    rule: str
    """The codes of the rules that rejected it."""
    may_still_come: bool
    """Whether a visit may still fetch it: what is put here is provisional."""
    linear: bool
    """Whether it is short, and neither end point is in the way of a straight line."""
    outages: tuple[tuple[int, int], ...]
    """Stretches (UTC s) in it over which events prove that there was no power."""
    parameters: Parameters = field(repr=False)
    until: date
    """Only days before this one may lend it a shape: the local day on which it starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What has to be filled, and what for.

    ``wanted``: the volumes of these readings on these earlier local days are looked at, ids ascending. At most
    ``candidates`` days for each local day of a gap that like days may fill.
    """

    day: Day = field(repr=False)
    timezone: str
    rejected: Mapping[str, Mask] = field(repr=False)
    """What the rules rejected and what no two registers tell; quarters in which there was no such meter left out."""
    gaps: tuple[Gap, ...]
    wanted: Mapping[date, Registers]


class _Stretch(NamedTuple):
    """Quarters ``first`` up to but not including ``stop`` of a row."""

    row: int
    first: int
    stop: int


class _End(NamedTuple):
    """A place at which a gap ends: when, whether a register is known there, which, and the status of its row."""

    at: int
    known: bool
    register_wh: int
    status: int


def plan(
    day: Day,
    verdicts: Verdicts,
    *,
    timezone: str,
    sets: Sequence[Parameters] | None = None,
    may_still_come: Mask | None = None,
    outages: Outages | None = None,
) -> Plan:
    """What needs a method on ``day``.

    ``may_still_come``: the rows of which a visit may still fetch what is missing. ``outages``: by row, stretches in UTC seconds
    without power, over the whole of the gaps that run over midnight; of such a gap the day's own ``Around.outages`` tell too
    little for both days to split it alike, so they are not used for it where its energy is known.
    """
    seen = _Look(day, timezone, sets or estimation(), may_still_come, outages or {})
    rejected = bad_quarters(day, verdicts.rejected)
    gaps: list[Gap] = []
    for channel, bad in rejected.items():
        found = [part for one in _stretches(bad) for part in _cut(one, day.stack.missing[channel], day.quarters)]
        if found:
            said = _said(verdicts, channel, {one.row for one in found})
            gaps += (seen.gap(channel, one, _codes(said.get(one.row, ()), one)) for one in found)
    return Plan(day=day, timezone=timezone, rejected=rejected, gaps=tuple(gaps), wanted=_wanted(day, timezone, gaps))


def _stretches(bad: Mask) -> Iterator[_Stretch]:
    """Every run of bad quarters, in the order of rows and quarters."""
    rows = np.flatnonzero(bad.any(axis=1))
    edges = np.diff(np.pad(bad[rows].view(np.int8), ((0, 0), (1, 1))), axis=1)
    (places, firsts), (_, stops) = np.nonzero(edges == 1), np.nonzero(edges == -1)
    for row, first, stop in zip(rows[places].tolist(), firsts.tolist(), stops.tolist(), strict=True):
        yield _Stretch(row, first, stop)


def _cut(one: _Stretch, missing: Bytes8, quarters: int) -> list[_Stretch]:
    """The stretch, cut where the neighbouring day's run has its end of it."""
    known = np.flatnonzero(missing[one.row, one.first + 1 : one.stop] == 0) + one.first + 1
    cuts = set()
    if len(known) and one.first == 0 and missing[one.row, 0]:
        cuts.add(int(known[0]))
    if len(known) and one.stop == quarters and missing[one.row, quarters]:
        cuts.add(int(known[-1]))
    edges = [one.first, *sorted(cuts), one.stop]
    return [_Stretch(one.row, first, stop) for first, stop in pairwise(edges)]


_Named = list[tuple[int, int, str]]


def _said(verdicts: Verdicts, channel: str, rows: set[int]) -> dict[int, _Named]:
    """By row: from where to where (quarters, the last one in it) which rule rejected."""
    wanted, found = np.array(sorted(rows), np.int64), defaultdict[int, _Named](list)
    for said in verdicts.said:
        if said.severity != "fail" or said.channel not in ("", channel):
            continue
        for place in np.flatnonzero(np.isin(said.spans.rows, wanted)).tolist():
            span = int(said.spans.first[place]), int(said.spans.last[place]), said.code
            found[int(said.spans.rows[place])].append(span)
    return found


def _codes(said: Iterable[tuple[int, int, str]], one: _Stretch) -> str:
    """The numbers of the rules, ``V1`` of ``V1-negative``."""
    codes = {code.partition("-")[0] for first, last, code in said if first < one.stop and last >= one.first}
    return ",".join(sorted(codes, key=lambda code: (len(code), code))) or NOT_JUDGED


class _Look:
    """Looks from a stretch to its two ends."""

    def __init__(
        self, day: Day, timezone: str, sets: Sequence[Parameters], may_still_come: Mask | None, outages: Outages
    ) -> None:
        self._day, self._timezone, self._sets = day, timezone, sets
        self._may_still_come, self._outages = may_still_come, outages

    def gap(self, channel: str, one: _Stretch, rule: str) -> Gap:
        """The gap that a stretch is, or is a part of."""
        day, times = self._day, self._day.times
        start, end = self._end(channel, one.row, one.first, -1), self._end(channel, one.row, one.stop, 1)
        until = local_day(start.at, self._timezone)
        parameters = parameters_of(until, self._sets)
        is_doubted = not set(rule.split(",")).isdisjoint(parameters.registers_doubted_by)
        energy_wh = None if is_doubted else self._energy(one.row, start, end, parameters)
        over_midnight = start.at < times[0] or end.at > times[-1]
        if over_midnight and energy_wh is not None:
            outages = self._outages.get(one.row, ())
        else:
            quarters = day.around.outages.get(one.row, ())
            outages = tuple((int(times[first]), int(times[last + 1])) for first, last in quarters)
        may_still_come = self._may_still_come
        return Gap(
            row=one.row,
            channel=channel,
            first=one.first,
            last=one.stop - 1,
            start=start.at,
            end=end.at,
            start_known=start.known,
            end_known=end.known,
            energy_wh=energy_wh,
            rule=rule,
            may_still_come=may_still_come is not None and bool(may_still_come[one.row]),
            linear=self._is_linear(start, end, parameters),
            outages=tuple((first, last) for first, last in outages if first < end.at and last > start.at),
            parameters=parameters,
            until=until,
        )

    def _end(self, channel: str, row: int, place: int, side: int) -> _End:
        """The end of a stretch at ``place``: there, or, at the edge of the day, further on the side of the neighbour."""
        day, around = self._day, self._day.around
        at = int(day.times[place])
        if not day.stack.missing[channel][row, place]:
            return _End(at, True, int(day.stack.registers[channel][row, place]), int(day.stack.status[row, place]))
        known: Known | None = None
        if side < 0 and place == 0 and not around.first[row]:
            known = around.before.get(channel)
        elif side > 0 and place == day.quarters and around.last[row] == day.quarters:
            known = around.after.get(channel)
        if known is None or not known.there[row]:
            return _End(at, False, 0, ANY_STATUS)
        beyond = int(known.at[row])
        if (beyond - at) * side < 0 or (beyond - at) % QUARTER_S:
            return _End(at, False, 0, ANY_STATUS)
        marked = known.marked is None or bool(known.marked[row])
        return _End(beyond, True, int(known.register_wh[row]), ANY_STATUS if marked else 0)

    def _energy(self, row: int, start: _End, end: _End, parameters: Parameters) -> int | None:
        """What went through the meter between two registers; None where that cannot be said."""
        around, count = self._day.around, self._day.quarters
        starts_anew = around.exchanged[row] and not around.first[row] and around.last[row] == count
        if not (start.known and end.known) or starts_anew or end.at - start.at > MAX_GAP_DAYS * DAY_S:
            return None
        energy_wh = end.register_wh - start.register_wh
        quarters = (end.at - start.at) // QUARTER_S
        carried_wh = int(around.capacity_wh[row]) * quarters * parameters.capacity_percent // 100
        if not 0 <= energy_wh <= MAX_WH or (carried_wh and energy_wh > carried_wh):
            return None
        return energy_wh

    @staticmethod
    def _is_linear(start: _End, end: _End, parameters: Parameters) -> bool:
        short = end.at - start.at <= parameters.linear_quarters * QUARTER_S
        failed = (start.status | end.status) & parameters.power_failure_bits
        return bool(short and start.known and end.known and not failed)


def takes_like_days(gap: Gap, timezone: str) -> bool:
    """Whether like days may lend it a shape: it is not filled by a line, and is not too long."""
    if gap.linear and gap.energy_wh is not None:
        return False
    return local_length_s(gap.start, gap.end, timezone) <= gap.parameters.profile_beyond_days * DAY_S


def _wanted(day: Day, timezone: str, gaps: Sequence[Gap]) -> Mapping[date, Registers]:
    """The days that may lend a shape: for all local days of a gap whose energy is known, else for this day."""
    wanted = defaultdict[date, set[int]](set)
    for gap in gaps:
        if not takes_like_days(gap, timezone):
            continue
        days = [day.stack.day]
        if gap.energy_wh is not None:
            days = [date_of(one) for one in np.unique(clocked(gap.start, gap.end, timezone).day).tolist()]
        for one in days:
            for like in gap.parameters.like_of(one, gap.until):
                wanted[like].add(int(day.stack.ids[gap.row]))
    return {one: np.array(sorted(ids), np.int64) for one, ids in sorted(wanted.items())}
