"""The page *Tonight*: how far a night is and how far it should be, where it is stuck and why, who is at work, what may be done.

Counting a night of a million meters takes a tenth of a second, and by cell and minute some seconds: both are kept
(``kept.py``). Nothing here is of one connection: meters are counted, by cell and by cause.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import partial
from itertools import accumulate

from kwartier.collect.breaker import FAILURES
from kwartier.collect.due import OPEN, Dues, State, Window
from kwartier.collect.lease import LEASE_S, is_gone
from kwartier.database import reading
from kwartier.service.alerting.conditions import meanings, runbook
from kwartier.service.alerting.record import Alerts
from kwartier.service.home import Home
from kwartier.service.host_time import steady_s
from kwartier.service.night import yesterday
from kwartier.service.reasons import Reason, said
from kwartier.service.views import counting
from kwartier.service.views.counting import MINUTE_S, Cells, Held, States
from kwartier.service.views.kept import Kept, beside

HOUR_MINUTES = 60
PACE_MINUTES = 10
"""The pace is that of so many whole minutes."""
STEP_MINUTES = 5
"""How far apart the points of the course are."""
LONGEST_S = 36 * 3600
"""What was done longer after the window opened is no part of its course."""
MAX_NIGHTS = 4
"""Nights whose counts are kept at once."""
LATE_S = LEASE_S // 2
"""A process that has not renewed its leases for so long is late: it does so more than twice in that time."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process that has meters under way. ``seen_at``: when it said last that it is there; ``place``: which host, in short."""

    place: str
    pid: int
    here: bool
    meters: int
    taken_at: int
    seen_at: int
    state: str
    """``there``, ``late`` or ``gone``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An alert that is open."""

    code: str
    subject: str
    text: str
    opened_at: int
    meaning: str
    advice: str
    runbook: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tonight:
    """The night of one local day. Times are UTC seconds.

    ``totals``, ``forecast`` and ``processes`` are as of ``counted_at``; ``coverage``, ``cells``, ``causes``, ``minutes`` and
    ``course`` as of ``cells_counted_at``, which lags in a large night.
    """

    day: date
    planned: bool
    """Whether there is such a night; without, all counts are 0."""
    now_at: int
    opens_at: int
    closes_at: int
    counted_at: int
    cells_counted_at: int
    totals: Totals
    forecast: Forecast
    coverage: Coverage
    cells: tuple[Cell, ...]
    causes: tuple[Cause, ...]
    minutes: tuple[Minute, ...]
    course: tuple[Step, ...]
    processes: tuple[Process, ...]
    alerts: tuple[Standing, ...]

    @property
    def is_running(self) -> bool:
        """Whether a process is at work, as far as can be told here."""
        return any(one.state != "gone" for one in self.processes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Quick:
    """What is counted often."""

    at: int
    states: States
    held: Held


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slow:
    """What is counted seldom."""

    at: int
    last_done_at: int | None
    coverage: Coverage
    cells: tuple[Cell, ...]
    causes: tuple[Cause, ...]
    minutes: tuple[Minute, ...]
    course: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Night:
    opens_at: int
    closes_at: int
    quick: Kept[_Quick]
    slow: Kept[_Slow]


class Nights:
    """The nights of one home, for many who look. ``wall`` gives UTC seconds, ``steady`` those of a clock that nobody sets."""

    def __init__(
        self,
        home: Home,
        *,
        wall: Callable[[], float],
        steady: Callable[[], float] = steady_s,
        later: Callable[[Callable[[], None]], None] = beside,
    ) -> None:
        self._home = home
        self._wall = wall
        self._steady = steady
        self._later = later
        self._nights: dict[date, _Night] = {}

    def tonight(self, day: date | None = None) -> Tonight:
        """The night of a local day; None: of the last that is over."""
        now = int(self._wall())
        return self._shown(yesterday(now) if day is None else day, now)

    def _night(self, day: date) -> _Night:
        found = self._nights.get(day)
        if found is None:
            settings = self._home.settings
            window = Window(opens=settings.window_opens, closes=settings.window_closes)
            opens_at = window.opens_at(day, settings.timezone)
            closes_at = window.closes_at(day, settings.timezone)
            found = _Night(
                opens_at=opens_at,
                closes_at=closes_at,
                quick=Kept(partial(self._quick, day), steady=self._steady, later=self._later),
                slow=Kept(partial(self._slow, day, opens_at, closes_at), steady=self._steady, later=self._later),
            )
            while len(self._nights) >= MAX_NIGHTS:
                self._nights.pop(next(iter(self._nights)), None)
            self._nights[day] = found
        return found

    def _quick(self, day: date) -> _Quick:
        at = int(self._wall())
        with reading(self._home.engine) as connection:
            states = counting.states(connection, day, self._home.settings.dso, now=at)
            return _Quick(at=at, states=states, held=counting.held(connection, day))

    def _slow(self, day: date, opens_at: int, closes_at: int) -> _Slow:
        at = int(self._wall())
        with reading(self._home.engine) as connection:
            found = counting.cells(connection, day, self._home.settings.dso)
        return _Slow(
            at=at,
            last_done_at=(max(found.done) + 1) * MINUTE_S if found.done else None,
            coverage=coverage_of(found),
            cells=tuple(_cells(found)),
            causes=tuple(_causes(found)),
            minutes=_minutes(found, at),
            course=tuple(_course(found, opens_at, closes_at, at)),
        )

    def _shown(self, day: date, now: int) -> Tonight:
        home, night = self._home, self._night(day)
        quick, slow = night.quick.get(), night.slow.get()
        return Tonight(
            day=day,
            planned=Dues(home.engine, home.settings.dso).planned(day),
            now_at=now,
            opens_at=night.opens_at,
            closes_at=night.closes_at,
            counted_at=quick.at,
            cells_counted_at=slow.at,
            totals=totals_of(quick.states),
            forecast=forecast_of(
                quick.states,
                slow.minutes,
                counted_at=quick.at,
                closes_at=night.closes_at,
                last_done_at=slow.last_done_at,
            ),
            coverage=slow.coverage,
            cells=slow.cells,
            causes=slow.causes,
            minutes=slow.minutes,
            course=slow.course,
            processes=tuple(_process(one, quick.at) for one in quick.held.processes),
            alerts=tuple(_alerts(home, now)),
        )


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
    recent = minutes[-1 - PACE_MINUTES : -1]
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


def _cells(cells: Cells) -> list[Cell]:
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


def _causes(cells: Cells) -> list[Cause]:
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
                advice=known.advice,
            )
        )
    return found


def _minutes(cells: Cells, at: int) -> tuple[Minute, ...]:
    """The minutes of the last hour, those in which nothing was done too; the last has not ended."""
    last = at // MINUTE_S
    counted = [(minute, *cells.done.get(minute, (0, 0))) for minute in range(last - HOUR_MINUTES + 1, last + 1)]
    return tuple(Minute(begins_at=one * MINUTE_S, stored=stored, missed=missed) for one, stored, missed in counted)


def _course(cells: Cells, opens_at: int, closes_at: int, now: int) -> list[Step]:
    """From the opening of the window to its closing, or to what was done last where that is later.

    A moment that is no longer known - of who was refused, for one - is spread as those of the others are.
    """
    due = sum(one.meters for one in cells.rows)
    step_s = STEP_MINUTES * MINUTE_S
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


def _process(one: counting.Holder, now: int) -> Process:
    boot, _, rest = one.name.partition(":")
    number = rest.partition(":")[0]
    seen_at = one.expires_at - LEASE_S
    gone = is_gone(one.name) or one.expires_at < now
    return Process(
        place=boot[:8],
        pid=int(number) if number.isdigit() else 0,
        here=counting.is_here(one.name),
        meters=one.meters,
        taken_at=one.taken_at,
        seen_at=seen_at,
        state="gone" if gone else "late" if now - seen_at > LATE_S else "there",
    )


def _alerts(home: Home, now: int) -> list[Standing]:
    known = meanings()
    return [
        Standing(
            code=one.code,
            subject=one.subject,
            text=one.text,
            opened_at=one.at,
            meaning=known[one.code].meaning if one.code in known else "",
            advice=known[one.code].advice if one.code in known else "",
            runbook=runbook(one.code),
        )
        for one in Alerts(home.engine).recent(now=now)
        if one.ended_at is None
    ]
