"""Versions of settlements: published once, under the next number of their day, and never changed.

A version is its sums, its areas and its checks, and what they were made from. They are written in one transaction, in which the
number is taken, too; whoever else settles the same day at the same moment waits for it, and takes the next. What comes out as
it did before, from the same inputs and under the same name, is no new version.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date

from sqlalchemy import Connection, Engine, Row, Select, Table, insert, select

from kwartier.database import reading, writing
from kwartier.errors import InputError, Retry, StateError
from kwartier.settle.calendar import Calendar, dutch
from kwartier.settle.frozen import digest, rows, thawed
from kwartier.settle.tables import Area, AreaState, Settled
from kwartier.tables.settle import settlement_areas, settlement_checks, settlement_sums, settlements

PUBLISHED, HELD = "published", "held"
_LOCK = 0x6B77_7374
"""The advisory lock, one a day, under which PostgreSQL lets one process at a time take a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Who made a version, and of what: with the same the same comes out again."""

    actor: str
    code: str
    """The version of this program."""
    rules: str
    validation_run: int
    raw_version: int
    validated_version: int
    market_revision: int
    residual_share_bp: int = 1_000
    residual_floor_wh: int = 20_000
    """The bounds of the residual, as they were set."""

    @property
    def inputs(self) -> tuple[str | int, ...]:
        """All of it but who."""
        return (
            self.code,
            self.rules,
            self.validation_run,
            self.raw_version,
            self.validated_version,
            self.market_revision,
            self.residual_share_bp,
            self.residual_floor_wh,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version, but for its sums. Times in UTC seconds; one that is held is not published."""

    day: date
    version: int
    name: str
    made_at: int
    published_at: int | None
    state: str
    made: Made
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What came of publishing: a new version, or the latest one, which says the same already."""

    version: Version
    is_new: bool


class Versions:
    """The settlements in one database, under one calendar."""

    __slots__ = ("_calendar", "_engine")

    def __init__(self, engine: Engine, calendar: Calendar | None = None) -> None:
        self._engine = engine
        self._calendar = dutch() if calendar is None else calendar

    def publish(
        self,
        settled: Settled,
        made: Made,
        *,
        at: int,
        today: date,
        witness: Callable[[Version], None] | None = None,
    ) -> Publication:
        """Keep a settlement as the next version of its day, if it is not the latest one over again.

        ``at`` (UTC seconds) is now, and lies on the local date ``today``. ``witness`` is told of a new version before it
        stands, so that the audit log has its digest first; what it raises leaves everything as it was. Raises ``InputError``
        day-not-over; ``Denied`` settlement-closed; ``StateError`` settlement-overtaken, where the latest version knew more.
        """
        name = self._calendar.version_name(settled.day, today)
        found, state = digest(settled), _state(settled)
        with writing(self._engine) as connection:
            _one_at_a_time(connection, settled.day)
            latest = _latest(connection, settled.day)
            if latest is not None:
                if _is_same(latest, name, made, found):
                    return Publication(version=latest, is_new=False)
                _require_newest(latest, made)
            version = Version(
                day=settled.day,
                version=1 if latest is None else latest.version + 1,
                name=name,
                made_at=at,
                published_at=at if state == PUBLISHED else None,
                state=state,
                made=made,
                digest=found,
            )
            _write(connection, version, settled)
            if witness is not None:
                witness(version)
        return Publication(version=version, is_new=True)

    def settled(self, day: date, version: int) -> Settled:
        """The sums of a version, as they were published.

        Raises ``InputError`` no-such-version; ``StateError`` settlement-altered.
        """
        with reading(self._engine) as connection:
            kept = _version(connection, day, version)
            areas, sums, checks = (
                [dict(row._mapping) for row in connection.execute(_of(table, day, version)).all()]
                for table in (settlement_areas, settlement_sums, settlement_checks)
            )
        found = thawed(day, areas, sums, checks)
        if digest(found) != kept.digest:
            raise StateError("settlement-altered", f"version {version} of {day}")
        return found

    def areas(self, day: date, version: int) -> tuple[Area, ...]:
        """How the areas of a version stand, by name; not held against its digest."""
        with reading(self._engine) as connection:
            found = [dict(row._mapping) for row in connection.execute(_of(settlement_areas, day, version)).all()]
        return thawed(day, found, (), ()).areas

    def version(self, day: date, version: int) -> Version:
        """One version. Raises ``InputError`` no-such-version."""
        with reading(self._engine) as connection:
            return _version(connection, day, version)

    def versions(self, day: date | None = None) -> list[Version]:
        """Every version, or those of one day, in the order in which they were made."""
        query = select(settlements).order_by(settlements.c.made_at, settlements.c.day, settlements.c.version)
        if day is not None:
            query = select(settlements).where(settlements.c.day == day).order_by(settlements.c.version)
        with reading(self._engine) as connection:
            return [_read(row) for row in connection.execute(query).all()]

    def latest(self, day: date) -> Version | None:
        """The newest version of a day; None: it was never settled."""
        with reading(self._engine) as connection:
            return _latest(connection, day)


def _state(settled: Settled) -> str:
    """Held as a whole if a check failed, or if there is nothing in it that could be published."""
    states = [area.state for area in settled.areas]
    is_held = AreaState.HELD in states or (bool(states) and AreaState.SETTLED not in states)
    return HELD if is_held else PUBLISHED


def _one_at_a_time(connection: Connection, day: date) -> None:
    # On SQLite a transaction that writes is the only one from its first statement.
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK}, {day.toordinal()})")


def _is_same(latest: Version, name: str, made: Made, found: str) -> bool:
    return (latest.name, latest.made.inputs, latest.digest) == (name, made.inputs, found)


def _require_newest(latest: Version, made: Made) -> None:
    """A run that took long must not put what was known before in the place of what is known now."""
    older = [
        what
        for what, ours, theirs in (
            ("validation run", made.validation_run, latest.made.validation_run),
            ("market revision", made.market_revision, latest.made.market_revision),
        )
        if ours < theirs
    ]
    if older:
        said = f"version {latest.version} of {latest.day} has a newer {' and '.join(older)}"
        raise StateError("settlement-overtaken", said, retry=Retry.NOW)


def _write(connection: Connection, version: Version, settled: Settled) -> None:
    key = {"day": version.day, "version": version.version}
    row = {
        **key,
        "name": version.name,
        "made_at": version.made_at,
        "published_at": version.published_at,
        "state": version.state,
        "digest": version.digest,
        **asdict(version.made),
    }
    connection.execute(insert(settlements), [row])
    found = rows(settled)
    tables = ((settlement_areas, found.areas), (settlement_sums, found.sums), (settlement_checks, found.checks))
    for table, lines in tables:
        if lines:
            connection.execute(insert(table), [{**key, **line} for line in lines])


def _of(table: Table, day: date, version: int) -> Select[tuple[object, ...]]:
    return select(table).where(table.c.day == day, table.c.version == version)


def _version(connection: Connection, day: date, version: int) -> Version:
    row = connection.execute(_of(settlements, day, version)).first()
    if row is None:
        raise InputError("no-such-version", f"{day} has no version {version}")
    return _read(row)


def _latest(connection: Connection, day: date) -> Version | None:
    query = select(settlements).where(settlements.c.day == day).order_by(settlements.c.version.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else _read(row)


def _read(row: Row[tuple[object, ...]]) -> Version:
    found = row._mapping
    made = {name: found[name] for name in Made.__dataclass_fields__}
    return Version(
        day=found["day"],
        version=found["version"],
        name=found["name"],
        made_at=found["made_at"],
        published_at=found["published_at"],
        state=found["state"],
        made=Made(**made),
        digest=found["digest"],
    )
