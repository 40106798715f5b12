"""How far a night is: its counts as a page shows them, and the plan against what is. Pure: counts in, values out."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

from kwartier.collect.breaker import FAILURES
from kwartier.collect.due import OPEN, State
from kwartier.service.reasons import Reason, said
from kwartier.service.views.counting import MINUTE_S, Cells, States
from kwartier.service.views.plain import bare

HOUR_MINUTES = 60
PACE_MINUTES = 10
"""The pace is that of so many whole minutes."""
STEP_MINUTES, STEPS = 5, 72
"""How far apart the points of the course are, or as many as there are in six hours where the window is shorter."""
LONGEST_S = 36 * 3600
"""What was done longer after the window opened is no part of its course."""


class CellState(StrEnum):
    """How a radio cell stands."""

    WAITING = "waiting"
    """None of its meters was tried yet."""
    READING = "reading"
    """Some meters are stored, and something may still come."""
    SILENT = "silent"
    """Nothing at all is heard, of so many meters that it is the cell and not they."""
    DONE = "done"
    """Every meter is stored."""
    SHORT = "short"
    """Nothing more is to come, and some meters are not stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A part of a whole. ``rate``: None where there is no whole."""

    part: int
    whole: int
    rate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The three rates: stored of the meters that are installed, of those that can be reached, and quarters that are there."""

    installed: Rate
    reachable: Rate
    intervals: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Meters by state. ``open``: something may still come of them (waiting, to be tried again, or under way)."""

    due: int
    stored: int
    refused: int
    failed: int
    open: int
    waiting: int
    retry: int
    under_way: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What should have been done by now, as the night was planned, and when it will be done.

    ``planned``: meters whose first moment has come; ``begun``: those of them that were tried; ``overdue``: those that were not.
    ``ends_at``: at the pace of the last minutes, None where there is none; ``left``: how many would be left when the window
    closes.
    """

    planned: int
    begun: int
    overdue: int
    pace_per_minute: int
    ends_at: int | None
    left: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A point of the course: how many meters should have been tried by then, and how many were done; None: not yet."""

    at: int
    planned: int
    done: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """What was done in the minute that begins at ``begins_at``."""

    begins_at: int
    stored: int
    missed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One tile. ``cell``: empty for the meters that are in none."""

    cell: str
    due: int
    stored: int
    failed: int
    refused: int
    open: int
    unreached: int
    state: CellState


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Meters that are not stored, by what their last try came to."""

    code: str
    reason: Reason
    meters: int
    still_open: int
    meaning: str
    advice: str


def totals_of(states: States) -> Totals:
    """Meters by state."""
    by = states.by
    return Totals(
        due=sum(by.values()),
        stored=by.get(State.STORED, 0),
        refused=by.get(State.REFUSED, 0),
        failed=by.get(State.FAILED, 0),
        open=sum(by.get(state, 0) for state in OPEN),
        waiting=by.get(State.WAITING, 0),
        retry=by.get(State.RETRY, 0),
        under_way=by.get(State.LEASED, 0),
    )


def forecast_of(
    states: States, minutes: Sequence[Minute], *, counted_at: int, closes_at: int, last_done_at: int | None
) -> Forecast:
    """The plan against what is. While meters wait for their moment a night is not done before the last of these moments."""
    totals = totals_of(states)
    begun = totals.due - totals.waiting
    # What was before the first meter says nothing of the pace; this minute is not over.
    first = next((at for at, one in enumerate(minutes) if one.stored or one.missed), len(minutes))
    recent = minutes[max(first, len(minutes) - 1 - PACE_MINUTES) : -1]
    done, took_s = sum(one.stored + one.missed for one in recent), len(recent) * MINUTE_S
    ends_at, left = None, None
    if totals.due and not totals.open:
        ends_at, left = last_done_at, 0
    elif done:
        ends_at = max(counted_at + totals.open * took_s // done, states.last_planned_at)
        left = max(0, totals.open - done * max(0, closes_at - counted_at) // took_s)
    return Forecast(
        planned=begun + states.overdue,
        begun=begun,
        overdue=states.overdue,
        pace_per_minute=done // max(1, len(recent)),
        ends_at=ends_at,
        left=left,
    )


def coverage_of(cells: Cells) -> Coverage:
    """The rates as `night status` has them."""
    due = sum(one.meters for one in cells.rows)
    stored = sum(one.meters for one in cells.rows if one.state == State.STORED)
    unreached = sum(one.meters for one in cells.rows if one.is_unreached)
    return Coverage(
        installed=_rate(stored, due),
        reachable=_rate(stored, due - unreached),
        intervals=_rate(sum(one.present for one in cells.rows), sum(one.quarters for one in cells.rows)),
    )


def _rate(part: int, whole: int) -> Rate:
    return Rate(part=part, whole=whole, rate=round(part / whole, 6) if whole else None)


def cells_of(cells: Cells) -> list[Cell]:
    """The tiles, those in trouble first."""
    states: dict[str, dict[str, int]] = {}
    unreached: dict[str, int] = {}
    for one in cells.rows:
        counted = states.setdefault(one.cell, {})
        counted[one.state] = counted.get(one.state, 0) + one.meters
        unreached[one.cell] = unreached.get(one.cell, 0) + (one.meters if one.is_unreached else 0)
    found = [_cell(cell, counted, unreached[cell]) for cell, counted in states.items()]
    order = [CellState.SILENT, CellState.SHORT, CellState.READING, CellState.WAITING, CellState.DONE]
    return sorted(found, key=lambda one: (order.index(one.state), one.cell))


def _cell(cell: str, counted: Mapping[str, int], unreached: int) -> Cell:
    due, stored = sum(counted.values()), counted.get(State.STORED, 0)
    still_open = sum(counted.get(state, 0) for state in OPEN)
    if stored == due:
        state = CellState.DONE
    elif not stored and unreached >= min(due, FAILURES):
        state = CellState.SILENT
    elif not still_open:
        state = CellState.SHORT
    elif counted.get(State.WAITING, 0) == due:
        state = CellState.WAITING
    else:
        state = CellState.READING
    return Cell(
        cell=cell,
        due=due,
        stored=stored,
        failed=counted.get(State.FAILED, 0),
        refused=counted.get(State.REFUSED, 0),
        open=still_open,
        unreached=unreached,
        state=state,
    )


def causes_of(cells: Cells) -> list[Cause]:
    """By code, the most frequent first."""
    meters: dict[str, int] = {}
    still_open: dict[str, int] = {}
    for one in cells.rows:
        if one.code and one.state != State.STORED:
            meters[one.code] = meters.get(one.code, 0) + one.meters
            still_open[one.code] = still_open.get(one.code, 0) + (one.meters if one.state in OPEN else 0)
    found = []
    for code, count in sorted(meters.items(), key=lambda item: (-item[1], item[0])):
        known = said(code)
        found.append(
            Cause(
                code=code,
                reason=known.reason,
                meters=count,
                still_open=still_open[code],
                meaning=known.meaning,
                advice=bare(known.advice),
            )
        )
    return found


def minutes_of(cells: Cells, at: int) -> tuple[Minute, ...]:
    """The minutes of the last hour, those in which nothing was done too; the last has not ended."""
    last = at // MINUTE_S
    counted = [(minute, *cells.done.get(minute, (0, 0))) for minute in range(last - HOUR_MINUTES + 1, last + 1)]
    return tuple(Minute(begins_at=one * MINUTE_S, stored=stored, missed=missed) for one, stored, missed in counted)


def course_of(cells: Cells, opens_at: int, closes_at: int, now: int) -> list[Step]:
    """From the opening of the window to its closing, or to what was done last where that is later.

    A moment that is no longer known - of who was refused, for one - is spread as those of the others are.
    """
    due = sum(one.meters for one in cells.rows)
    step_s = min(STEP_MINUTES, max(1, (closes_at - opens_at) // (STEPS * MINUTE_S))) * MINUTE_S
    last_done = (max(cells.done, default=0) + 1) * MINUTE_S
    end = min(max(closes_at, last_done), opens_at + LONGEST_S)
    moments = range(opens_at, end + step_s, step_s)
    planned = _reached({at: count for at, count in cells.planned.items() if (at + 1) * MINUTE_S > opens_at}, moments)
    done = _reached({at: sum(counts) for at, counts in cells.done.items()}, moments)
    known = planned[-1]
    return [
        Step(at=at, planned=due * should // known if known else 0, done=was if at < now + step_s else None)
        for at, should, was in zip(moments, planned, done, strict=True)
    ]


def _reached(by_minute: Mapping[int, int], moments: Sequence[int]) -> list[int]:
    """How many there were before each of some moments."""
    minutes = sorted(by_minute)
    reached = list(accumulate((by_minute[one] for one in minutes), initial=0))
    return [reached[bisect_left(minutes, -(-at // MINUTE_S))] for at in moments]
