"""What scenarios of estimation say, and the wiring's part of it: CSV files to stacks, and what is around them.

``when/``: ``days`` (which runs over which days), ``readings`` (registers that rise by ``step_wh`` each quarter; ``run``: from
which run on they are known), ``history`` (earlier days, in stretches), ``profiles`` (by UTC hour), ``rejected``, ``outages``,
``exchanges``, ``check_meters``, ``manual``, ``may_still_come``. ``then/``: ``volumes`` in stretches, ``substitutes``.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

from kwartier.clock import QUARTER_S, quarter_ends
from kwartier.model import STATE, Bytes8, Quality, Registers, Stack, Times, Volumes
from kwartier.validate.day import CHANNELS, Day, Known, Said, Spans, Verdicts
from kwartier.validate.estimate.fill import fill
from kwartier.validate.estimate.plan import Plan, plan
from kwartier.validate.estimate.shape import Curve
from kwartier.validate.estimate.sheet import Filled, Manual
from kwartier.validate.exchange import Exchange, in_place
from kwartier.validate.volumes import absent_stack, volumes, whole_day

POWER_DOWN = 0x80
Row = dict[str, str]
Registered = dict[int, tuple[int, int]]
"""By moment (UTC s): register and status."""


def seconds(text: str) -> int:
    """``2026-11-25T10:00Z`` in UTC seconds."""
    return int(datetime.fromisoformat(text).timestamp())


def table(folder: Path, name: str) -> list[Row]:
    """A file of a scenario; no rows where it has none."""
    path = folder / f"{name}.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHour:
    """Profiles that are the same in every quarter of an hour of UTC."""

    rows: list[Row]

    def curve(self, reading: int, channel: str, ends: Times) -> Curve | None:
        weights, energy_wh, is_known = np.zeros(len(ends), np.int64), 0, True
        mine = [row for row in self.rows if (row["id"], row["channel"]) == (str(reading), channel)]
        hours = (ends - QUARTER_S) // 3600 % 24
        for row in mine:
            here = (hours >= int(row["from_hour"])) & (hours <= int(row["to_hour"]))
            weights[here] = int(row["weight"])
            is_known &= row["energy_wh"] != ""
            energy_wh += int(here.sum()) * int(row["energy_wh"] or 0)
        return Curve(weights, energy_wh if is_known else None) if mine else None


def past_day(day: date, ids: list[int], count: int = 96) -> Volumes:
    """An eligible day with 0 Wh in every quarter."""
    shape = len(ids), count
    state = {name: np.zeros(len(ids), np.int64) for name in STATE}
    state["eligible"][:] = 1
    return Volumes(
        day=day,
        ids=np.array(ids, np.int64),
        energy_wh={channel: np.zeros(shape, np.int32) for channel in CHANNELS},
        quality={channel: np.zeros(shape, np.uint8) for channel in CHANNELS},
        state=state,
    )


def history(rows: list[Row]) -> dict[date, Volumes]:
    """Earlier days. A channel of which a day says nothing is absent."""
    found: dict[date, Volumes] = {}
    for day in sorted({row["day"] for row in rows}):
        here = [row for row in rows if row["day"] == day]
        one = past_day(date.fromisoformat(day), sorted({int(row["id"]) for row in here}))
        for channel in CHANNELS:
            one.quality[channel][:] = Quality.ABSENT
        for row in here:
            place, quarters = (
                int(np.searchsorted(one.ids, int(row["id"]))),
                slice(int(row["first"]), int(row["last"]) + 1),
            )
            one.energy_wh[row["channel"]][place, quarters] = int(row["energy_wh"])
            one.quality[row["channel"]][place] = Quality.MEASURED
            one.state["eligible"][place] = int(row["eligible"])
        found[one.day] = one
    return found


class Meters:
    """All that is known of registers at the time of a run."""

    def __init__(self, rows: list[Row], run: int) -> None:
        self.ids = sorted({int(row["id"]) for row in rows})
        self.channels = tuple(name for name in CHANNELS if any(row["channel"] == name for row in rows))
        self.known = defaultdict[tuple[int, str], Registered](dict)
        for row in rows:
            if int(row["run"]) <= run:
                moments = range(seconds(row["from"]), seconds(row["to"]) + 1, QUARTER_S)
                for step, at in enumerate(moments):
                    value = int(row["register_wh"]) + step * int(row["step_wh"]), int(row["status"])
                    self.known[int(row["id"]), row["channel"]][at] = value

    def stack(self, day: date, times: Times) -> Stack:
        """Their registers of a day."""
        stack = absent_stack(day, np.array(self.ids, np.int64), times, self.channels)
        for row, reading in enumerate(self.ids):
            for channel in self.channels:
                for place, at in enumerate(times.tolist()):
                    if at in self.known[reading, channel]:
                        register, status = self.known[reading, channel][at]
                        stack.registers[channel][row, place], stack.missing[channel][row, place] = register, 0
                        stack.status[row, place] |= status
        return stack

    def beyond(self, channel: str, edge: int, side: int) -> Known:
        """The registers nearest to ``edge`` on one side of it, or on it."""
        found = [self._nearest(self.known[reading, channel], edge, side) for reading in self.ids]
        columns = zip(*found, strict=True)
        register, at, there, marked = (np.array(column) for column in columns)
        return Known(register_wh=register, at=at, there=there.astype(bool), marked=marked.astype(bool))

    @staticmethod
    def _nearest(known: Registered, edge: int, side: int) -> tuple[int, int, bool, bool]:
        moments = [at for at in known if (at - edge) * side >= 0]
        if not moments:
            return 0, 0, False, False
        at = min(moments, key=lambda one: abs(one - edge))
        return known[at][0], at, True, bool(known[at][1] & POWER_DOWN)


def rejections(rows: list[Row], ids: list[int], quarters: int) -> Verdicts:
    """What rules said."""
    masks = {channel: np.zeros((len(ids), quarters), np.bool_) for channel in CHANNELS}
    said = []
    for row in rows:
        place, first, last = ids.index(int(row["id"])), int(row["first"]), int(row["last"])
        masks[row["channel"]][place, first : last + 1] = True
        said.append(
            Said(row["code"], "fail", row["channel"], Spans(*(np.array([one]) for one in (place, first, last))))
        )
    return Verdicts(tuple(said), {}, {}, masks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one run over one day."""

    plan: Plan
    filled: Filled
    volumes: Volumes


def run_of(when: Path, run: int, day: date, timezone: str) -> Outcome:
    """One run over one day of a scenario."""
    times = quarter_ends(day, day + timedelta(days=1), timezone)
    meters = Meters(table(when, "readings"), run)
    stack = meters.stack(day, times)
    exchanges = defaultdict[int, list[Exchange]](list)
    for (reading, at, came), registers_wh in _exchanges(table(when, "exchanges")).items():
        exchanges[meters.ids.index(reading)].append(Exchange(at=at, came=came, registers_wh=registers_wh))
    placed = in_place(stack, times, {row: tuple(several) for row, several in exchanges.items()})
    stack = placed.stack
    around = replace(
        whole_day(len(stack), len(times) - 1),
        first=placed.first,
        last=placed.last,
        exchanged=placed.exchanged,
        before={channel: meters.beyond(channel, int(times[0]), -1) for channel in meters.channels},
        after={channel: meters.beyond(channel, int(times[-1]), 1) for channel in meters.channels},
        check_meter_wh=_check_meters(table(when, "check_meters"), meters.ids),
        outages={
            meters.ids.index(int(row["id"])): ((int(row["first"]), int(row["last"])),) for row in table(when, "outages")
        },
    )
    rejected = [row for row in table(when, "rejected") if int(row["run"]) == run]
    waiting = {int(row["id"]) for row in table(when, "may_still_come") if int(row["run"]) == run}
    judged = Day(stack=stack, times=times, around=around)
    planned = plan(
        judged,
        rejections(rejected, meters.ids, len(times) - 1),
        timezone=timezone,
        may_still_come=np.isin(stack.ids, list(waiting)),
    )
    manual = [
        Manual(
            reading=int(row["id"]),
            channel=row["channel"],
            first=int(row["first"]),
            energy_wh=tuple(int(one) for one in row["energy_wh"].split()),
            reason=row["reason"],
        )
        for row in table(when, "manual")
    ]
    known = {one: found for one, found in history(table(when, "history")).items() if one in planned.wanted}
    filled = fill(planned, known, ByHour(rows=table(when, "profiles")), manual)
    return Outcome(plan=planned, filled=filled, volumes=volumes(judged, planned.rejected, filled))


def _exchanges(rows: list[Row]) -> Mapping[tuple[int, int, bool], dict[str, int]]:
    found = defaultdict[tuple[int, int, bool], dict[str, int]](dict)
    for row in rows:
        found[int(row["id"]), seconds(row["at"]), row["came"] == "1"][row["channel"]] = int(row["register_wh"])
    return found


def _check_meters(rows: list[Row], ids: list[int]) -> dict[str, Known]:
    found = {}
    for channel in {row["channel"] for row in rows}:
        known = {int(row["id"]): int(row["energy_wh"]) for row in rows if row["channel"] == channel}
        energy_wh = np.array([known.get(one, 0) for one in ids], np.int64)
        there = np.array([one in known for one in ids])
        found[channel] = Known(register_wh=energy_wh, at=np.zeros(len(ids), np.int64), there=there)
    return found


def stretches(energy_wh: Registers, quality: Bytes8) -> Iterator[tuple[str, str, str, str]]:
    """A row of volumes as ``then/volumes.csv`` writes it."""
    edges = np.flatnonzero((np.diff(energy_wh) != 0) | (np.diff(quality) != 0)) + 1
    for run in np.split(np.arange(len(energy_wh)), edges):
        name = Quality(int(quality[run[0]])).name.lower()
        yield str(run[0]), str(run[-1]), str(energy_wh[run[0]]), name
