"""What becomes of a visit: whether its day is stored, tried again, refused for good, or given up.

Trying again is for what may pass: a line, a busy meter, an answer that was spoilt on the way. What only a person can put right
- keys, titles, counters - is refused at once, so that no meter is asked again and again for nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from kwartier.clock import QUARTER_S, midnight
from kwartier.collect.claims import Wanted
from kwartier.collect.due import State
from kwartier.collect.lease import Job, Settled
from kwartier.collect.tape import Tape
from kwartier.collect.visit import Credentials, Visit
from kwartier.cosem.companion import Companion
from kwartier.cosem.harvest import Harvest, Stretch
from kwartier.cosem.layout import Layout
from kwartier.errors import KwartierError, LinkLost, Retry, SecurityError
from kwartier.model import Meter, Readings

NO_ROWS = "no-rows"
"""What is said of a meter that was read and held nothing of the day."""
DEFINITE = frozenset({"association-refused", "counter-refused", "counter-jump", "hls-refused", "identity"})
"""Refusals that another try would only repeat: keys, titles or counters have to be seen to first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a night goes about its work."""

    day: date
    at_once: bool
    """Do not wait for the window."""
    max_tries: int
    backoff_s: float
    """The pause after a first failure; it doubles with each."""
    max_backoff_s: float
    purpose: str
    reason: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One visit that may be made: to which meter, for which days, and with what."""

    job: Job
    meter: Meter
    companion: Companion
    claim: Wanted
    stretches: tuple[Stretch, ...] = field(repr=False)
    credentials: Credentials = field(repr=False)
    layout: Layout | None = field(repr=False)
    tries: int
    """How many were made before this one."""
    pace_s: float | None = None
    """How long a visit to it usually takes; None: not known."""
    drift_s: int | None = None
    """How far its clock was ahead when that was last written down."""
    tape: Tape | None = field(default=None, repr=False)
    """Somebody asked that this visit be traced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A visit that was made. ``asked``: whether personal data were asked for."""

    task: Task
    visit: Visit[Harvest] = field(repr=False)
    asked: bool
    counts: bool = True
    """Whether it counts as a try of the meter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """A meter that is to be visited again by the process that has it, not before ``at`` (UTC seconds)."""

    at: float
    job: Job
    stretches: tuple[Stretch, ...] = field(repr=False)
    tries: int
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What became of a batch of visits."""

    stored: int
    again: tuple[Again, ...]
    refused: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A visit, judged: what is to be stored of it, and what is to be done next."""

    done: Done
    settled: Settled | None
    again: Again | None
    readings: tuple[Readings, ...] = field(repr=False)
    days: tuple[dict[str, object], ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything came that was asked for, so that nothing more may be asked today."""
        return self.again is None and (self.settled is None or self.settled.code == NO_ROWS)


def judge(done: Done, rules: Rules, *, now: float, chance: Callable[[], float]) -> Judged:
    """What is to become of a visit."""
    task, visit = done.task, done.visit
    result, error = visit.result, visit.error
    readings = () if result is None else result.readings
    day = rules.day
    days = tuple(row for one in readings for row in days_of(one, task.meter))
    name, lease = task.meter.meter, task.job.lease
    if any(row["day"] == day for row in days):
        empty = not any(row["present"] for row in days if row["day"] == day)
        if not empty:
            return Judged(done=done, settled=None, again=None, readings=readings, days=days)
        settled = Settled(meter=name, lease=lease, state=State.REFUSED, code=NO_ROWS)
        return Judged(done=done, settled=settled, again=None, readings=readings, days=days_but(days, day))
    if result is not None and result.too_early:
        error = error or LinkLost("not-closed-yet", "by its own clock the meter's day is not over")
    code = "peer-closed" if error is None else error.code
    tries = task.tries + done.counts
    if error is not None and is_definite(error):
        settled = Settled(meter=name, lease=lease, state=State.REFUSED, code=code)
        return Judged(done=done, settled=settled, again=None, readings=readings, days=days)
    at = now + _pause_s(max(tries, 1), rules, chance)
    if result is not None and result.too_early and result.drift_s is not None:
        # How slow its clock is is known now: nothing is won by asking again before its own midnight.
        closing = midnight(day + timedelta(days=1), task.meter.timezone) + task.companion.quarter.capture_delay_s
        at = max(at, closing - result.drift_s + 1)
    if tries >= rules.max_tries or (not rules.at_once and at >= task.job.deadline):
        settled = Settled(meter=name, lease=lease, state=State.FAILED, code=code, counts=done.counts)
        return Judged(done=done, settled=settled, again=None, readings=readings, days=days)
    if not done.counts:
        # Where nothing is heard, its turn to find out comes after that of the others, and to whoever hears something first.
        state = State.RETRY if task.tries else State.WAITING
        settled = Settled(meter=name, lease=lease, state=state, code=code, next_at=int(at), counts=False)
        return Judged(done=done, settled=settled, again=None, readings=readings, days=days)
    rest = task.stretches if result is None or not result.rest else result.rest
    again = Again(at=at, job=task.job, stretches=rest, tries=tries, code=code)
    settled = Settled(meter=name, lease=lease, state=State.LEASED, code=code, next_at=int(at), counts=done.counts)
    return Judged(done=done, settled=settled, again=again, readings=readings, days=days)


def _pause_s(tries: int, rules: Rules, chance: Callable[[], float]) -> float:
    """Back off, each time twice as long, with as much chance in it as pause."""
    pause_s: float = min(rules.backoff_s * 2 ** (tries - 1), rules.max_backoff_s)
    return pause_s * (0.5 + chance())


def stretches_of(days: Sequence[date]) -> tuple[Stretch, ...]:
    """Days as runs without a gap: each is asked for by one range."""
    found: list[Stretch] = []
    for day in sorted(set(days)):
        after = day + timedelta(days=1)
        if found and found[-1].end == day:
            found[-1] = replace(found[-1], end=after)
        else:
            found.append(Stretch(start=day, end=after))
    return tuple(found)


def days_of(readings: Readings, meter: Meter) -> list[dict[str, object]]:
    """How many quarters each day has, and how many of them are there in every channel."""
    rows: list[dict[str, object]] = []
    there = None
    for missing in readings.missing.values():
        present = missing == 0
        there = present if there is None else there & present
    day, opening = readings.start, int(readings.times[0])
    while day < readings.end:
        after = day + timedelta(days=1)
        first = (midnight(day, meter.timezone) - opening) // QUARTER_S
        last = (midnight(after, meter.timezone) - opening) // QUARTER_S
        present_count = 0 if there is None else int(there[first + 1 : last + 1].sum())
        rows.append({"day": day, "meter": meter.meter, "quarters": last - first, "present": present_count})
        day = after
    return rows


def days_but(days: tuple[dict[str, object], ...], day: date) -> tuple[dict[str, object], ...]:
    """The other days."""
    return tuple(row for row in days if row["day"] != day)


def by_year(readings: Readings, timezone: str) -> list[Readings]:
    """Readings cut at New Year: an id of the store stands for one calendar year."""
    last = readings.end - timedelta(days=1)
    if readings.start.year == last.year:
        return [readings]
    cut = date(last.year, 1, 1)
    place = (midnight(cut, timezone) - int(readings.times[0])) // QUARTER_S
    return [
        _part(readings, readings.start, cut, slice(0, place + 1)),
        _part(readings, cut, readings.end, slice(place, None)),
    ]


def _part(readings: Readings, start: date, end: date, places: slice) -> Readings:
    times = readings.times[places]
    return replace(
        readings,
        start=start,
        end=end,
        times=times,
        registers={name: column[places] for name, column in readings.registers.items()},
        missing={name: column[places] for name, column in readings.missing.items()},
        status=readings.status[places],
        clock_status=readings.clock_status[places],
        beside=tuple(one for one in readings.beside if times[0] < one.time <= times[-1]),
    )


def is_definite(error: KwartierError) -> bool:
    """Whether trying again would only bring the same answer."""
    if isinstance(error, SecurityError):
        return error.code in DEFINITE
    return error.retry is Retry.NEVER
