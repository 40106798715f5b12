"""What differs from one installation to the next, as its settings and its database have it on a day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, Connection, Table, func, select

from kwartier.database import reading
from kwartier.service.home import Home
from kwartier.tables import FOREVER, accesses, connections, meters, use_cases

MAX_USE_CASES = 1_000
"""Use cases in one report; it says how many there are beyond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCase:
    """A use case under the code of conduct, and how it stands on the day of the report."""

    id: str
    title: str
    problem: str
    necessity: str
    subsidiarity: str
    proportionality: str
    assessor: str
    dpia: str
    channels: str
    resolution: str
    area: str
    valid_from: date
    valid_to: date
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """An installation on a day; the texts are as they are printed."""

    day: date
    controller: str
    controller_contact: str
    dso: str
    keep_days: int
    encryption: str
    clock_correction: str
    window: str
    connections: int
    kinds: Mapping[str, int]
    """Meters, by companion."""
    requests: int
    """Grants that were asked for and written down so far."""
    use_cases: tuple[UseCase, ...]
    more_use_cases: int

    @property
    def kept_days(self) -> str:
        """How long readings stay in the store."""
        return f"{self.keep_days}" if self.keep_days else "all of them (no limit is set)"

    @property
    def encrypted(self) -> str:
        """How readings lie on the disk: the decision that was taken."""
        if self.encryption == "none":
            return 'not encrypted (encryption = "none")'
        return f"encrypted ({self.encryption}), with a key of its own for each local day"

    @property
    def clocks(self) -> str:
        """Whether they are set."""
        return "are never set" if self.clock_correction == "never" else "are set in small steps where they are off"


def facts_of(home: Home, day: date) -> Facts:
    """The installation as it is on the local day ``day``."""
    settings = home.settings
    with reading(home.engine) as connection:
        found, more = _use_cases(connection, day)
        return Facts(
            day=day,
            controller=settings.controller,
            controller_contact=settings.controller_contact,
            dso=settings.dso,
            keep_days=settings.keep_days,
            encryption=settings.encryption,
            clock_correction=settings.clock_correction,
            window=f"from {settings.window_opens:%H:%M} to {settings.window_closes:%H:%M}, by the clocks at the connection",
            connections=_count(connection, connections, settings.dso, day),
            kinds=_kinds(connection, settings.dso, day),
            requests=connection.execute(select(func.count()).select_from(accesses)).scalar_one(),
            use_cases=found,
            more_use_cases=more,
        )


def _now(table: Table, day: date) -> ColumnElement[bool]:
    """What is believed of ``day``."""
    now: ColumnElement[bool] = (table.c.valid_from <= day) & (table.c.valid_to > day) & (table.c.known_until == FOREVER)
    return now


def _count(connection: Connection, table: Table, dso: str, day: date) -> int:
    query = select(func.count()).select_from(table).where(_now(table, day))
    return connection.execute(query.where(table.c.dso == dso) if dso else query).scalar_one()


def _kinds(connection: Connection, dso: str, day: date) -> dict[str, int]:
    query = select(meters.c.companion, func.count()).where(_now(meters, day)).group_by(meters.c.companion)
    if dso:
        ours = select(connections.c.ean).where(_now(connections, day), connections.c.dso == dso)
        query = query.where(meters.c.ean.in_(ours))
    return {str(kind): int(count) for kind, count in connection.execute(query.order_by(meters.c.companion))}


def _use_cases(connection: Connection, day: date) -> tuple[tuple[UseCase, ...], int]:
    query = select(use_cases).order_by(use_cases.c.id).limit(MAX_USE_CASES)
    found = tuple(
        UseCase(
            **{name: row[name] for name in UseCase.__slots__ if name != "state"},
            state=_state(row["ended_at"], row["valid_from"], row["valid_to"], day),
        )
        for row in connection.execute(query).mappings()
    )
    return found, connection.execute(select(func.count()).select_from(use_cases)).scalar_one() - len(found)


def _state(ended_at: int | None, valid_from: date, valid_to: date, day: date) -> str:
    if ended_at is not None:
        return "ended"
    if day < valid_from:
        return "not yet"
    return "active" if day < valid_to else "expired"
