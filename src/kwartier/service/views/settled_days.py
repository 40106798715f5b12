"""The days that can be picked, and the calendar of one: which of its versions were made, and which are due until when.

Nothing here is a sum, so that no grant is needed for it, as for ``kwartier settle versions``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from kwartier.clock import local_day
from kwartier.errors import InputError
from kwartier.service.home import Home
from kwartier.service.settling.versions import HELD, PUBLISHED, Version, Versions
from kwartier.service.validating.runs import Run, Runs
from kwartier.service.views.plain import local
from kwartier.settle.calendar import FIRST_YEAR, LAST_YEAR, Calendar, dutch

ONE_DAY = timedelta(days=1)
MAX_DAYS = 400
CLOSED, DUE, SETTLED, UNVALIDATED = "closed", "due", "settled", "not-validated"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionShown:
    """A version, but for its sums; ``published`` None: it is held."""

    version: int
    name: str
    state: str
    made_at: str
    published_at: str | None
    actor: str
    code: str
    rules: str
    validation_run: int
    market_revision: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DayState:
    """A local day; ``latest`` None: there is no version of it.

    ``state``: ``not-validated``, ``due`` (never settled, or validated since), ``settled``, ``held``, or ``closed``.
    """

    day: date
    state: str
    versions: int
    latest: VersionShown | None
    validation_run: int | None
    closes: date


@dataclass(frozen=True, slots=True, kw_only=True)
class DueVersion:
    """A version of the calendar: until the end of which local date it may be made, and the last that was made under its name.

    ``state``: ``made``, ``held``, ``now`` (what is made today is this one), ``coming``, or ``missed``.
    """

    name: str
    due: date
    state: str
    version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarShown:
    """``is_verified``: whether the dates were read in the text that prescribes them."""

    versions: tuple[DueVersion, ...]
    closes: date
    is_closed: bool
    is_verified: bool


def settled_days(home: Home, start: date, end: date, *, at: int) -> tuple[DayState, ...]:
    """The local days from ``start`` up to ``end`` that are over, the newest first; ``at``: now (UTC seconds).

    Raises ``InputError`` bad-day.
    """
    if not 0 < (end - start).days <= MAX_DAYS:
        raise InputError("bad-day", f"from {start} up to {end} are not 1 to {MAX_DAYS} days")
    today = local_day(at, home.settings.timezone)
    runs, calendar = Runs(home.engine).days(), dutch()
    versions: dict[date, list[Version]] = {}
    for one in Versions(home.engine).versions():
        versions.setdefault(one.day, []).append(one)
    days = [start + ONE_DAY * number for number in range((end - start).days)]
    told = [day for day in days if day < today and FIRST_YEAR <= day.year <= LAST_YEAR]
    return tuple(
        _day(day, versions.get(day, []), runs.get(day), calendar, today, home.settings.timezone)
        for day in reversed(told)
    )


def calendar_of(day: date, made: Sequence[Version], *, today: date) -> CalendarShown:
    """``made``: the versions of the day. Raises ``InputError`` bad-day."""
    calendar = dutch()
    closes = calendar.closes(day)
    current = calendar.version_name(day, today) if day < today <= closes else ""
    rows = []
    for name in calendar.names:
        due = calendar.due(day, name)
        last = next((one for one in reversed(made) if one.name == name), None)
        state = _due_state(last, name, current, due, today)
        rows.append(DueVersion(name=name, due=due, state=state, version=None if last is None else last.version))
    return CalendarShown(versions=tuple(rows), closes=closes, is_closed=today > closes, is_verified=calendar.verified)


def version_shown(one: Version, timezone: str) -> VersionShown:
    """A version with its moments by local clocks."""
    return VersionShown(
        version=one.version,
        name=one.name,
        state=one.state,
        made_at=local(one.made_at, timezone),
        published_at=None if one.published_at is None else local(one.published_at, timezone),
        actor=one.made.actor,
        code=one.made.code,
        rules=one.made.rules,
        validation_run=one.made.validation_run,
        market_revision=one.made.market_revision,
        digest=one.digest,
    )


def _day(
    day: date, made: Sequence[Version], run: Run | None, calendar: Calendar, today: date, timezone: str
) -> DayState:
    closes = calendar.closes(day)
    latest = max(made, key=lambda one: one.version, default=None)
    return DayState(
        day=day,
        state=_state(latest, run, is_closed=today > closes),
        versions=len(made),
        latest=None if latest is None else version_shown(latest, timezone),
        validation_run=None if run is None else run.run,
        closes=closes,
    )


def _state(latest: Version | None, run: Run | None, *, is_closed: bool) -> str:
    if is_closed:
        return CLOSED
    if run is None:
        return UNVALIDATED
    if latest is None or latest.made.validation_run < run.run:
        return DUE
    return SETTLED if latest.state == PUBLISHED else HELD


def _due_state(last: Version | None, name: str, current: str, due: date, today: date) -> str:
    if last is not None:
        return "made" if last.state == PUBLISHED else HELD
    if name == current:
        return "now"
    return "missed" if due < today else "coming"
