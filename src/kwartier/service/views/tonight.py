"""The page *Tonight*: how far a night is and how far it should be, where it is stuck and why, who is at work, what may be done.

Counting a night of a million meters takes a tenth of a second, and by cell and minute some seconds: both are kept
(``kept.py``). Nothing here is of one connection: meters are counted, by cell and by cause.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial

from kwartier.collect.due import Dues, Window
from kwartier.collect.lease import LEASE_S, is_gone
from kwartier.database import reading
from kwartier.service.alerting.conditions import meanings, runbook
from kwartier.service.alerting.record import Alerts
from kwartier.service.home import Home
from kwartier.service.host_time import steady_s
from kwartier.service.night import yesterday
from kwartier.service.views import counting
from kwartier.service.views.counting import MINUTE_S, Held, States
from kwartier.service.views.kept import Kept, beside
from kwartier.service.views.plain import bare
from kwartier.service.views.progress import (
    Cause,
    Cell,
    Coverage,
    Forecast,
    Minute,
    Step,
    Totals,
    causes_of,
    cells_of,
    course_of,
    coverage_of,
    forecast_of,
    minutes_of,
    totals_of,
)

MAX_NIGHTS = 4
"""Nights whose counts are kept at once."""
LATE_S = LEASE_S // 2
"""A process that has not renewed its leases for so long is late: it does so more than twice in that time."""


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
        return self._shown(yesterday(now, self._home.settings.timezone) if day is None else day, now)

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
            cells=tuple(cells_of(found)),
            causes=tuple(causes_of(found)),
            minutes=minutes_of(found, at),
            course=tuple(course_of(found, opens_at, closes_at, at)),
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
            advice=bare(known[one.code].advice) if one.code in known else "",
            runbook=runbook(one.code),
        )
        for one in Alerts(home.engine).recent(now=now)
        if one.ended_at is None
    ]
