"""Who was affected when readings got where they should not: from the grants of a time, and a clock of 72 hours.

The connections are those that the grants named. A grant over the whole fleet reached every connection of its days; where the
audit log has the list of those it did reach, the list is asked.
"""

import csv
import io
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Engine, select

from kwartier.database import reading
from kwartier.errors import InputError
from kwartier.service.subject.history import GRANTED, Record, days_of, ground_of
from kwartier.service.subject.moments import utc
from kwartier.service.subject.rules import Days
from kwartier.tables import access_connections, accesses, reading_ids

NOTIFY_WITHIN_S = 72 * 3600
"""AVG 33(1): after it became known, to the supervisory authority."""
ARTICLE = "AVG art. 33 (text not verified)"
MAX_GRANTS = 1_000_000
BATCH = 400
"""Grants in one statement."""
Members = Callable[[date, str], Collection[str]]
"""The connections in the list of members of a local day that has this root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which grants: those of a time (UTC s, the second exclusive), of one purpose, actor or name where these are given."""

    start: int
    end: int
    purpose: str = ""
    actor: str = ""
    grant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """One grant and whose readings it let see. ``is_exact``: False where it may have been fewer."""

    grant: str
    at: int
    actor: str
    purpose: str
    ground: str
    recipient: str
    days: Days
    connections: tuple[str, ...]
    is_exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """What has to be told; times are UTC seconds."""

    discovered_at: int
    deadline: int
    left_s: int
    """Negative: it is over."""
    grants: tuple[Reached, ...]

    @property
    def connections(self) -> list[str]:
        """Everybody who was affected, once."""
        return sorted({ean for one in self.grants for ean in one.connections})


def report(
    engine: Engine,
    wanted: Wanted,
    *,
    discovered_at: int,
    now: int,
    records: Iterable[Record] = (),
    members: Members | None = None,
) -> Breach:
    """Who was affected. ``discovered_at``, ``now``: UTC seconds. Raises ``InputError`` bad-breach."""
    if wanted.end <= wanted.start or discovered_at > now:
        raise InputError("bad-breach", "the time from and to is none, or it is discovered in the future")
    rows = _granted(engine, wanted)
    named = _named(engine, [row[0] for row in rows])
    listed = _listed(records, members, {row[0] for row in rows}) if members is not None else {}
    found = []
    for name, at, actor, purpose, recipient, scope in rows:
        days = days_of(scope)
        is_exact, connections = True, named.get(name, listed.get(name))
        if connections is None:
            is_exact, connections = False, _everybody(engine, days)
        found.append(
            Reached(
                grant=name,
                at=at,
                actor=actor,
                purpose=purpose,
                ground=ground_of(purpose),
                recipient=recipient,
                days=days,
                connections=tuple(sorted(connections)),
                is_exact=is_exact,
            )
        )
    deadline = discovered_at + NOTIFY_WITHIN_S
    return Breach(discovered_at=discovered_at, deadline=deadline, left_s=deadline - now, grants=tuple(found))


def as_table(breach: Breach) -> Mapping[str, object]:
    """As plain values."""
    return {
        "article": ARTICLE,
        "discovered_at": utc(breach.discovered_at),
        "deadline": utc(breach.deadline),
        "left_s": breach.left_s,
        "connections": breach.connections,
        "grants": [
            {
                "grant": one.grant,
                "at": utc(one.at),
                "actor": one.actor,
                "purpose": one.purpose,
                "ground": one.ground,
                "recipient": one.recipient,
                "from": f"{one.days[0]}",
                "to": f"{one.days[1]}",
                "connections": list(one.connections),
                "exact": one.is_exact,
            }
            for one in breach.grants
        ],
    }


def as_csv(breach: Breach) -> str:
    """A row for each connection of each grant."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(("connection", "grant", "at", "actor", "purpose", "ground", "recipient", "from", "to", "exact"))
    for one in breach.grants:
        for ean in one.connections:
            told = (one.actor, one.purpose, one.ground, one.recipient, *one.days, str(one.is_exact).lower())
            writer.writerow((ean, one.grant, utc(one.at), *told))
    return out.getvalue()


def _granted(engine: Engine, wanted: Wanted) -> list[tuple[str, int, str, str, str, str]]:
    columns = ("id", "at", "actor", "purpose", "recipient", "scope")
    query = select(*(accesses.c[name] for name in columns)).where(
        accesses.c.at >= wanted.start, accesses.c.at < wanted.end, accesses.c.verdict == GRANTED
    )
    for column, value in (("purpose", wanted.purpose), ("actor", wanted.actor), ("id", wanted.grant)):
        if value:
            query = query.where(accesses.c[column] == value)
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(accesses.c.at, accesses.c.id).limit(MAX_GRANTS)).all()
    return [(row[0], row[1], row[2], row[3], row[4], row[5]) for row in rows]


def _named(engine: Engine, grants: list[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    with reading(engine) as connection:
        for first in range(0, len(grants), BATCH):
            query = select(access_connections).where(access_connections.c.access.in_(grants[first : first + BATCH]))
            for row in connection.execute(query):
                found.setdefault(row.access, set()).add(row.ean)
    return found


def _listed(records: Iterable[Record], members: Members, grants: set[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for record in records:
        grant, root, day = record.get("grant"), record.get("members"), record.get("day")
        if isinstance(grant, str) and grant in grants and isinstance(root, str) and isinstance(day, str):
            found.setdefault(grant, set()).update(members(date.fromisoformat(day), root))
    return found


def _everybody(engine: Engine, days: Days) -> set[str]:
    """Every connection of which there may be readings of these days."""
    query = select(reading_ids.c.ean).where(reading_ids.c.year.between(days[0].year, days[1].year)).distinct()
    with reading(engine) as connection:
        return set(connection.execute(query).scalars())
