"""What a night has to do: one row for each meter and local day, from planned to stored.

A row is *waiting* for its first try or for a *retry*, *leased* to a process that is busy with it, *stored*, *refused* (trying
again would not help) or *failed* (its tries are spent). Rows that are not stored are the missing days that later nights catch
up with, for as long as a meter's buffer holds them. The rows are the only queue there is: whoever dies, what it held is found
here by its lease.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from itertools import islice

from sqlalchemy import ColumnElement, Connection, Engine, bindparam, case, func, or_, select, update

from kwartier import clock
from kwartier.database import insert_once, reading, writing
from kwartier.model import Meter
from kwartier.tables import dues, meter_keys, nights

ENOUGH_TRIES = 3
"""A meter that gave nothing in so many tries is not to be had that night."""
BUFFER_DAYS = 10
"""Local days that a meter's buffer holds: older ones cannot be caught up with."""
MARGIN_S = 30
"""How long after a day's last capture a visit may begin at the earliest."""
FIRST_TRIES = 0.75
"""The part of the window over which first tries are spread; the rest is for trying again."""
BATCH = 500
"""Meters in one statement."""
PLANNED_AT_ONCE = 5_000
"""Meters in one transaction of the planning."""


class State(StrEnum):
    """How far a due meter is."""

    WAITING = "waiting"
    RETRY = "retry"
    LEASED = "leased"
    STORED = "stored"
    REFUSED = "refused"
    FAILED = "failed"


OPEN = (State.WAITING, State.RETRY, State.LEASED)
"""Of these something may still come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When meters may be visited: local wall times of the day after. ``opens`` before ``closes``."""

    opens: time = time(0, 0)
    closes: time = time(6, 0)

    def opens_at(self, day: date, timezone: str) -> int:
        """When it opens for the local ``day`` that is read, in UTC seconds."""
        return _moment(day + timedelta(days=1), self.opens, timezone)

    def closes_at(self, day: date, timezone: str) -> int:
        """When it closes."""
        return _moment(day + timedelta(days=1), self.closes, timezone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What the plan needs to know of a kind of meter: seconds after a quarter until it stands in the buffer."""

    capture_delay_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How a night stands."""

    due: int
    states: Mapping[str, int]
    causes: Mapping[str, int]
    """Error codes of what is not stored, and how many meters each has."""
    quarters: int
    present: int
    short: int
    """Meters of which something may still be had: not all was tried. None of them: the night has done what it can."""
    unreached: int
    """Meters of which no answer ever came."""
    first_stored_at: int | None
    last_stored_at: int | None

    @property
    def stored(self) -> int:
        """Meters whose day is stored."""
        return self.states.get(State.STORED, 0)

    @property
    def open(self) -> int:
        """Meters of which something may still come."""
        return sum(self.states.get(state, 0) for state in OPEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A day of a meter that is missing, and why as far as is known."""

    day: date
    meter: str
    ean: str
    state: str
    attempts: int
    code: str
    days_left: int
    """Nights that its buffer still holds it for; 0: this is the last."""


UNREACHED = (
    "connect-refused",
    "connect-timeout",
    "connect-failed",
    "unknown-host",
    "total-deadline",
    "response-timeout",
)


class Dues:
    """The rows of one grid operator (``dso``), or of all."""

    __slots__ = ("_dso", "_engine")

    def __init__(self, engine: Engine, dso: str = "") -> None:
        self._engine = engine
        self._dso = dso

    # Planning.

    def plan(
        self,
        day: date,
        meters: Iterable[Meter],
        *,
        kinds: Mapping[str, Kind],
        talks: Callable[[Sequence[str]], Mapping[str, str]] = lambda names: {},
        drifts: Mapping[str, int],
        window: Window,
        at: int,
        purpose: str,
        actor: str,
    ) -> int:
        """Make ``meters`` due for ``day``, each once however often this is called; how many there are in all.

        ``kinds``: by companion; ``talks``: supplier and firmware of what answers for each of some meters, where that is known;
        ``drifts``: seconds that a meter's clock was ahead. Interrupted, it is simply called again.
        """
        with writing(self._engine) as connection:
            row = {"day": day, "planned_at": at, "purpose": purpose, "actor": actor}
            insert_once(connection, nights, [row])
        source = iter(meters)
        while chunk := list(islice(source, PLANNED_AT_ONCE)):
            answering = talks([one.meter for one in chunk])
            with writing(self._engine) as connection:
                ages = self._ages(connection, day, [one.meter for one in chunk])
                rows = [
                    {
                        **_due(
                            day, one, kinds[one.companion], drifts.get(one.meter, 0), ages.get(one.meter, 0), window
                        ),
                        "kind": answering.get(one.meter, one.companion),
                    }
                    for one in chunk
                ]
                insert_once(connection, dues, rows)
        with reading(self._engine) as connection:
            return connection.execute(select(func.count()).where(dues.c.day == day, *self._ours())).scalar_one()

    def _ages(self, connection: Connection, day: date, meters: Sequence[str]) -> dict[str, int]:
        """How many days before ``day`` the oldest missing day of each meter lies that a buffer still holds."""
        ages: dict[str, int] = {}
        for first in range(0, len(meters), BATCH):
            query = (
                select(dues.c.meter, func.min(dues.c.day))
                .where(dues.c.meter.in_(meters[first : first + BATCH]), *_missing_before(day))
                .group_by(dues.c.meter)
            )
            for meter, oldest in connection.execute(query):
                ages[meter] = (day - oldest).days
        return ages

    def reopen(self, day: date) -> None:
        """Let a new run try again what failed; what was refused only if its keys were changed since."""
        changed = select(meter_keys.c.meter).where(
            meter_keys.c.meter == dues.c.meter, meter_keys.c.imported_at >= dues.c.settled_at
        )
        again = or_(dues.c.state == State.FAILED, (dues.c.state == State.REFUSED) & changed.exists())
        with writing(self._engine) as connection:
            connection.execute(
                update(dues)
                .where(dues.c.day == day, again, *self._ours())
                .values(state=State.RETRY, attempts=0, next_at=0)
            )

    def close(self, day: date, *, at: int) -> None:
        """The window is over: what is still open has failed."""
        still = dues.c.state.in_((State.WAITING, State.RETRY))
        code = func.coalesce(dues.c.code, "not-tried")
        with writing(self._engine) as connection:
            connection.execute(
                update(dues)
                .where(dues.c.day == day, still, *self._ours())
                .values(state=State.FAILED, code=code, settled_at=at)
            )

    # What is known of meters.

    def missing_days(self, day: date, meters: Sequence[str]) -> dict[str, list[date]]:
        """The missing days of each meter before ``day`` that its buffer still holds, the oldest first."""
        found: dict[str, list[date]] = {}
        with reading(self._engine) as connection:
            for first in range(0, len(meters), BATCH):
                query = select(dues.c.meter, dues.c.day).where(
                    dues.c.meter.in_(meters[first : first + BATCH]), *_missing_before(day)
                )
                for meter, missing in connection.execute(query.order_by(dues.c.day)):
                    found.setdefault(meter, []).append(missing)
        return found

    def record_stored(self, connection: Connection, rows: Sequence[Mapping[str, object]], *, at: int) -> None:
        """Days (``day``, ``meter``, ``quarters``, ``present``) that are stored, as a part of the caller's transaction."""
        if not rows:
            return
        statement = (
            update(dues)
            .where(dues.c.day == bindparam("of_day"), dues.c.meter == bindparam("of_meter"))
            .values(
                state=State.STORED,
                lease=None,
                quarters=bindparam("quarters"),
                present=bindparam("present"),
                settled_at=at,
            )
        )
        values = [
            {"of_day": row["day"], "of_meter": row["meter"], "quarters": row["quarters"], "present": row["present"]}
            for row in rows
        ]
        connection.execute(statement, values)

    # How it stands.

    def planned(self, day: date) -> bool:
        """Whether there is a night for ``day``."""
        with reading(self._engine) as connection:
            return connection.execute(select(nights.c.day).where(nights.c.day == day)).first() is not None

    def counts(self, day: date) -> Counts:
        """How the night of ``day`` stands."""
        missed = case((dues.c.state != State.STORED, func.coalesce(dues.c.code, "")), else_="")
        query = (
            select(
                dues.c.state,
                missed,
                func.count(),
                func.sum(dues.c.quarters),
                func.sum(dues.c.present),
                func.min(dues.c.settled_at),
                func.max(dues.c.settled_at),
                func.sum(case((dues.c.attempts >= ENOUGH_TRIES, 1), else_=0)),
            )
            .where(dues.c.day == day, *self._ours())
            .group_by(dues.c.state, missed)
        )
        states: dict[str, int] = {}
        causes: dict[str, int] = {}
        quarters = present = short = 0
        moments: list[int] = []
        with reading(self._engine) as connection:
            for state, code, count, some, there, first, last, spent in connection.execute(query):
                states[state] = states.get(state, 0) + count
                if code:
                    causes[code] = causes.get(code, 0) + count
                quarters, present = quarters + int(some), present + int(there)
                if state in OPEN or state == State.FAILED:
                    short += count - (int(spent) if state == State.FAILED else 0)
                if state == State.STORED and first is not None:
                    moments += [first, last]
        return Counts(
            due=sum(states.values()),
            states=states,
            causes=dict(sorted(causes.items())),
            quarters=quarters,
            present=present,
            short=short,
            unreached=sum(count for code, count in causes.items() if code in UNREACHED),
            first_stored_at=min(moments, default=None),
            last_stored_at=max(moments, default=None),
        )

    def gaps(self, day: date, *, limit: int) -> list[Gap]:
        """The missing days up to ``day`` that a buffer may still hold, the oldest first."""
        oldest = day - timedelta(days=BUFFER_DAYS - 1)
        query = (
            select(dues)
            .where(dues.c.day >= oldest, dues.c.day <= day, dues.c.state != State.STORED, *self._ours())
            .order_by(dues.c.day, dues.c.meter)
            .limit(limit)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return [
            Gap(
                day=row.day,
                meter=row.meter,
                ean=row.ean,
                state=row.state,
                attempts=row.attempts,
                code=row.code or "",
                days_left=(row.day - oldest).days,
            )
            for row in rows
        ]

    def _ours(self) -> tuple[ColumnElement[bool], ...]:
        return (dues.c.dso == self._dso,) if self._dso else ()


def _missing_before(day: date) -> tuple[ColumnElement[bool], ...]:
    oldest = day - timedelta(days=BUFFER_DAYS - 1)
    return (dues.c.day >= oldest, dues.c.day < day, dues.c.state != State.STORED)


def _due(day: date, meter: Meter, kind: Kind, drift_s: int, age: int, window: Window) -> dict[str, object]:
    """The row of one meter. Whose oldest missing day is older comes earlier in the window, the others by chance."""
    after = day + timedelta(days=1)
    midnight = clock.midnight(after, meter.timezone)
    earliest = midnight + kind.capture_delay_s + max(0, -drift_s) + MARGIN_S
    opens, closes = window.opens_at(day, meter.timezone), window.closes_at(day, meter.timezone)
    chance = zlib.crc32(f"{day} {meter.meter}".encode()) / (1 << 32)
    spread_s = (closes - opens) * FIRST_TRIES * chance / (1 + age)
    return {
        "day": day,
        "meter": meter.meter,
        "ean": meter.ean,
        "dso": meter.dso,
        "timezone": meter.timezone,
        "cell": meter.cell,
        "state": State.WAITING,
        "earliest": earliest,
        "next_at": max(earliest, int(opens + spread_s)),
        "deadline": closes,
        "attempts": 0,
        "quarters": (midnight - clock.midnight(day, meter.timezone)) // clock.QUARTER_S,
        "present": 0,
    }


def _moment(day: date, wall: time, timezone: str) -> int:
    """When clocks of ``timezone`` show ``wall`` on ``day``, the first time, in UTC seconds."""
    return int(datetime.combine(day, wall, tzinfo=clock.zone(timezone)).timestamp())
