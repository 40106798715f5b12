"""Traces of visits: asked for, recorded once, kept for a week, and gone.

Somebody names a meter; the next visit to it is recorded, whichever process makes it. The tape is a file of its own under the
key of the earliest local day that the visit asked for: it may hold readings of that day, as the meter protected them, and when
the day's key is deleted nobody opens the file any more. Whether there is one is said by the table; a file that no row names is
removed when somebody tidies, and a row whose file is gone is one that has expired.
"""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, Engine, Row, and_, delete, func, insert, or_, select, type_coerce, update
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import Date

from kwartier.collect.tape import Recorded, Tape
from kwartier.database import reading, writing
from kwartier.disk import PRIVATE_FOLDER, write_whole
from kwartier.errors import InputError, SecurityError
from kwartier.store.files import FileKeys
from kwartier.tables import traces

FOLDER: Final = "traces"
KEEP_S: Final = 7 * 86_400
"""So long a trace is kept."""
MAX_WAIT_S: Final = 31 * 86_400
"""So long a visit may be waited for."""
MAX_OF_A_METER: Final = 8
"""Traces of one meter, those that are waited for included."""
MAX_WAITING: Final = 1_000
"""Meters that wait for a traced visit, all together: what a process looks through for each batch of visits."""
SPARED_S: Final = 10
"""Where nobody waits for a trace, a process asks again after so long: a request takes effect by then."""
MAX_WORDS: Final = 500
ID_BYTES: Final = 16
NONCE_BYTES: Final = 12
Days = tuple[date, date]
"""Local days, the second exclusive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One request, and what came of it. Times are UTC seconds; ``visit`` empty: it is waited for, ``until`` then.

    ``days``: the local days that were asked for; ``size``: bytes that went over the line; ``cut``: there were more.
    """

    id: str
    meter: str
    ean: str
    requested_at: int
    requested_by: str
    reason: str
    until: int
    visit: str = ""
    started: int = 0
    outcome: str = ""
    days: Days | None = None
    events: int = 0
    size: int = 0
    cut: bool = False
    expires_at: int = 0

    @property
    def is_kept(self) -> bool:
        """Whether there are bytes to look at."""
        return bool(self.visit)

    def as_json(self) -> dict[str, object]:
        """For a program: times as ISO 8601."""
        return {
            "trace": self.id,
            "meter": self.meter,
            "connection": self.ean or None,
            "requested_at": _utc(self.requested_at),
            "requested_by": self.requested_by,
            "reason": self.reason,
            "state": "kept" if self.is_kept else "waiting",
            "until": _utc(self.expires_at if self.is_kept else self.until),
            "visit": self.visit or None,
            "visited_at": _utc(self.started) if self.is_kept else None,
            "outcome": self.outcome or None,
            "from": None if self.days is None else f"{self.days[0]}",
            "to": None if self.days is None else f"{self.days[1]}",
            "events": self.events,
            "bytes": self.size,
            "cut": self.cut,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Visited:
    """A visit that was traced, as it is to be kept."""

    trace: str
    visit: str
    ean: str
    started: int
    outcome: str
    days: Days
    recorded: Recorded = field(repr=False)


class Traces:
    """The traces of one installation; ``keys`` None: they are not encrypted on the disk."""

    __slots__ = ("_engine", "_folder", "_keys", "_nobody_until")

    def __init__(self, engine: Engine, folder: Path, keys: FileKeys | None) -> None:
        self._engine = engine
        self._folder = folder
        self._keys = keys
        self._nobody_until = 0

    # Asking.

    def request(self, meter: str, *, by: str, reason: str, at: int, until: int) -> Trace:
        """Have the next visit to a meter traced. Raises ``InputError`` too-many-traces."""
        made = Trace(
            id=secrets.token_hex(ID_BYTES),
            meter=meter,
            ean="",
            requested_at=at,
            requested_by=by,
            reason=reason[:MAX_WORDS],
            until=min(until, at + MAX_WAIT_S),
        )
        with writing(self._engine) as connection:
            count = select(func.count()).select_from(traces)
            here = connection.execute(count.where(traces.c.meter == meter, _alive(at))).scalar_one()
            waiting = connection.execute(count.where(traces.c.visit.is_(None), traces.c.until > at)).scalar_one()
            if here >= MAX_OF_A_METER or waiting >= MAX_WAITING:
                most = f"{MAX_OF_A_METER} of one meter and {MAX_WAITING} that wait"
                raise InputError(
                    "too-many-traces", f"there are {here} of this meter and {waiting} wait; {most} are kept"
                )
            names = ("id", "meter", "requested_at", "requested_by", "reason", "until")
            connection.execute(insert(traces), [{name: getattr(made, name) for name in names}])
        self._nobody_until = 0
        return made

    def of(self, trace: str, *, at: int) -> Trace:
        """One of them. Raises ``InputError`` unknown-trace, also where it has expired."""
        with reading(self._engine) as connection:
            row = connection.execute(select(traces).where(traces.c.id == trace, _alive(at))).first()
        if row is None:
            raise InputError("unknown-trace", "there is no such trace, or it is not kept any more")
        return _trace(row)

    def listed(self, *, at: int, meter: str = "", ean: str = "") -> list[Trace]:
        """Those that there are, of a meter or a connection only where one is named, the newest last."""
        query = select(traces).where(_alive(at)).order_by(traces.c.requested_at, traces.c.id)
        if meter:
            query = query.where(traces.c.meter == meter)
        if ean:
            query = query.where(traces.c.ean == ean)
        with reading(self._engine) as connection:
            return [_trace(row) for row in connection.execute(query)]

    # Recording.

    def tapes(self, meters: Collection[str], *, at: int) -> dict[str, Tape]:
        """A tape for each of some meters whose next visit is to be traced.

        Hardly ever any: where nobody waits, the next batches of visits are spared the question for a while.
        """
        if at < self._nobody_until:
            return {}
        query = select(traces.c.meter, traces.c.id).where(traces.c.visit.is_(None), traces.c.until > at)
        with reading(self._engine) as connection:
            rows = connection.execute(
                query.order_by(traces.c.requested_at.desc(), traces.c.id).limit(MAX_WAITING)
            ).all()
        if not rows:
            self._nobody_until = at + SPARED_S
        wanted = set(meters)
        return {row.meter: Tape(row.id) for row in rows if row.meter in wanted}

    def write(self, visited: Sequence[Visited]) -> list[Visited]:
        """Put tapes into their files; those that are on the disk by now.

        A disk that takes no more is no reason to lose what a visit read: the request then waits for another visit.
        """
        kept = []
        for one in visited:
            path = self._path(one.days[0], one.trace)
            try:
                path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
                write_whole(path, self._sealed(one.days[0], one.trace, one.recorded.packed()))
            except OSError:
                continue
            kept.append(one)
        return kept

    def settle_within(self, connection: Connection, kept: Sequence[Visited], *, at: int) -> None:
        """Say that these visits were made, as a part of the caller's transaction."""
        for one in kept:
            connection.execute(
                update(traces)
                .where(traces.c.id == one.trace, traces.c.visit.is_(None))
                .values(
                    visit=one.visit,
                    ean=one.ean,
                    started=one.started,
                    outcome=one.outcome,
                    valid_from=one.days[0],
                    valid_to=one.days[1],
                    events=len(one.recorded.events),
                    size=one.recorded.size,
                    cut=int(one.recorded.cut),
                    expires_at=at + KEEP_S,
                )
            )

    # Reading.

    def recorded(self, trace: Trace) -> Recorded:
        """The tape of a trace. Raises ``InputError`` unknown-trace, ``SecurityError`` sealed-file."""
        if trace.days is None:
            raise InputError("unknown-trace", "the visit that is to be traced was not made yet")
        day = trace.days[0]
        try:
            octets = self._path(day, trace.id).read_bytes()
            return Recorded.unpacked(self._opened(day, trace.id, octets))
        except FileNotFoundError:
            raise InputError("unknown-trace", "there is no such trace, or it is not kept any more") from None
        except SecurityError as error:
            if error.code != "no-day-key":
                raise
            raise InputError("unknown-trace", "the key of the day that the trace was under is deleted") from None

    # Forgetting.

    def forget_within(
        self, connection: Connection, ean: str, days: Sequence[Days], *, but: Sequence[Days] = ()
    ) -> None:
        """The traces of a connection that may hold something of some days, as a part of the caller's transaction.

        Those that may hold something of the days of ``but`` stay.
        """
        if days:
            gone = and_(traces.c.ean == ean, or_(*(_touches(one) for one in days)))
            connection.execute(delete(traces).where(gone, *(~_touches(one) for one in but)))

    def forget_before(self, day: date) -> None:
        """The traces that may hold something of days before ``day``, of whomever."""
        with writing(self._engine) as connection:
            connection.execute(delete(traces).where(traces.c.valid_from < type_coerce(day, Date)))

    def tidy(self, *, at: int) -> int:
        """Forget what has expired, and remove the files that no row names; how many there were."""
        with writing(self._engine) as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA secure_delete=ON")
            connection.execute(delete(traces).where(~_alive(at)))
            # Within the transaction: whoever wrote a file before it has not said so yet, and its request is still there.
            known = set(connection.execute(select(traces.c.id)).scalars())
            return self._remove_but(known)

    def _remove_but(self, known: Collection[str]) -> int:
        removed = 0
        for folder in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            for path in sorted(folder.iterdir()):
                name = (
                    path.name.split(".")[1] if path.name.startswith(".") else path.name
                )  # a draft has a dot before it
                if name not in known:
                    path.unlink(missing_ok=True)
                    removed += not path.name.startswith(".")
            if not any(folder.iterdir()):
                folder.rmdir()
        return removed

    # Files.

    def _path(self, day: date, trace: str) -> Path:
        return self._folder / f"{day}" / trace

    def _sealed(self, day: date, trace: str, octets: bytes) -> bytes:
        if self._keys is None:
            return octets
        name, nonce = _name(day, trace), secrets.token_bytes(NONCE_BYTES)
        return nonce + AESGCM(self._keys.file_key(day, name, new=True)).encrypt(nonce, octets, name.encode())

    def _opened(self, day: date, trace: str, octets: bytes) -> bytes:
        if self._keys is None:
            return octets
        name = _name(day, trace)
        key = AESGCM(self._keys.file_key(day, name, new=False))
        try:
            return key.decrypt(octets[:NONCE_BYTES], octets[NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError):
            raise SecurityError("sealed-file", f"{name} does not open under its key") from None


def _name(day: date, trace: str) -> str:
    return f"{FOLDER}/{day}/{trace}"


def _alive(at: int) -> ColumnElement[bool]:
    waits = and_(traces.c.visit.is_(None), traces.c.until > at)
    return or_(waits, and_(traces.c.visit.is_not(None), traces.c.expires_at > at))


def _touches(days: Days) -> ColumnElement[bool]:
    start, end = days
    return and_(traces.c.valid_from < type_coerce(end, Date), traces.c.valid_to > type_coerce(start, Date))


def _trace(row: Row[tuple[object, ...]]) -> Trace:
    return Trace(
        id=row.id,
        meter=row.meter,
        ean=row.ean or "",
        requested_at=row.requested_at,
        requested_by=row.requested_by,
        reason=row.reason,
        until=row.until,
        visit=row.visit or "",
        started=row.started or 0,
        outcome=row.outcome,
        days=None if row.valid_from is None else (row.valid_from, row.valid_to),
        events=row.events,
        size=row.size,
        cut=bool(row.cut),
        expires_at=row.expires_at or 0,
    )


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
