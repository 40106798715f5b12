"""Who has seen the readings of a connection, what for and for whom: from the grants, the visits and the audit log.

A grant that named the connection stands in the database. A use of many connections at once stands in the audit log, which
does not say whose they were: whether this connection's were among them is asked of the lists of members.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Protocol

from sqlalchemy import Engine, select

from kwartier.database import reading
from kwartier.gate.purposes import purposes
from kwartier.service.subject.rules import FIRST_DAY, Days
from kwartier.tables import access_connections, accesses, meters, visits

LAST_DAY = date(2106, 1, 1)
ALL_DAYS = (FIRST_DAY, LAST_DAY)
SECOND_US = 1_000_000
BATCH = 400
"""Grants in one statement."""
GRANTED = "granted"
NAMED, BULK, METER = "named", "bulk", "meter"
Record = Mapping[str, object]
"""A record of the audit log, as JSON has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One use, or one that was denied; ``at`` is UTC seconds, ``days`` are those that it was about.

    ``kind``: "named", the grant named the connection; "bulk", it was one of many; "meter", its meter was visited.
    """

    at: int
    kind: str
    actor: str
    purpose: str
    ground: str
    recipient: str
    days: Days
    verdict: str
    reference: str
    """The name of the grant or visit."""


class Mine(Protocol):
    """What the audit log says of one connection can be told by these two; both need secrets of the installation."""

    def commitments(self, grant: str) -> Collection[str]:
        """What the connection is called in the record of a grant."""
        ...

    def is_member(self, day: date, root: str) -> bool:
        """Whether it is in the list of members of a local day that has this root."""
        ...


def uses(
    engine: Engine, ean: str, days: Days = ALL_DAYS, records: Iterable[Record] = (), mine: Mine | None = None
) -> list[Use]:
    """Every use of the readings of some local days, the newest last."""
    found = [*_grants(engine, ean), *_visits(engine, ean)]
    if mine is not None:
        named = {one.reference for one in found}
        logged = [one for one in _logged(records, mine) if one.kind == BULK or one.reference not in named]
        recipients = _recipients(engine, [one.reference for one in logged])
        found += [replace(one, recipient=recipients.get(one.reference, "")) for one in logged]
    within = [one for one in found if one.days[0] < days[1] and one.days[1] > days[0]]
    return sorted(within, key=lambda one: (one.at, one.reference))


def _recipients(engine: Engine, grants: Sequence[str]) -> dict[str, str]:
    """Who got to see what some grants showed: the log has no words, the table of grants does."""
    found: dict[str, str] = {}
    with reading(engine) as connection:
        for first in range(0, len(grants), BATCH):
            query = select(accesses.c.id, accesses.c.recipient).where(accesses.c.id.in_(grants[first : first + BATCH]))
            found.update((row.id, row.recipient) for row in connection.execute(query))
    return found


def ground_of(purpose: str) -> str:
    """The legal ground of a purpose as it is cited now; nothing where the purpose is no longer known."""
    known = purposes().get(purpose)
    return "" if known is None else known.article


def days_of(scope: str) -> Days:
    """The local days of a grant, from its scope as it is stored."""
    found = json.loads(scope)
    return date.fromisoformat(found["start"]), date.fromisoformat(found["end"])


def _grants(engine: Engine, ean: str) -> list[Use]:
    query = select(accesses).join(access_connections, access_connections.c.access == accesses.c.id)
    with reading(engine) as connection:
        rows = connection.execute(query.where(access_connections.c.ean == ean)).all()
    return [
        Use(
            at=row.at,
            kind=NAMED,
            actor=row.actor,
            purpose=row.purpose,
            ground=ground_of(row.purpose),
            recipient=row.recipient,
            days=days_of(row.scope),
            verdict=row.verdict,
            reference=row.id,
        )
        for row in rows
    ]


def _visits(engine: Engine, ean: str) -> list[Use]:
    """Visits in which personal data were asked for; ``detail`` says of which days, else it is the day before."""
    # By the meters that ever were there: visits are many, and found by their meter.
    there = select(meters.c.meter).where(meters.c.ean == ean)
    query = select(visits).where(visits.c.meter.in_(there), visits.c.ean == ean, visits.c.asked)
    with reading(engine) as connection:
        rows = connection.execute(query).all()
    return [
        Use(
            at=row.started // SECOND_US,
            kind=METER,
            actor=row.actor,
            purpose=row.purpose,
            ground=ground_of(row.purpose),
            recipient="",
            days=_visited(row.detail, row.date),
            verdict=row.outcome,
            reference=row.id,
        )
        for row in rows
    ]


def _visited(detail: str, on: date) -> Days:
    spans = [str(one).split("/") for one in json.loads(detail).get("days", ())]
    days = [date.fromisoformat(one) for span in spans for one in span]
    return (min(days), max(days)) if days else (on - timedelta(days=1), on)


def _logged(records: Iterable[Record], mine: Mine) -> Iterable[Use]:
    for record in records:
        grant = record.get("grant")
        if not isinstance(grant, str):
            continue
        persons, root, day = record.get("persons"), record.get("members"), record.get("day")
        if isinstance(persons, list) and not set(persons).isdisjoint(mine.commitments(grant)):
            yield _use(record, grant, NAMED, _span(record))
        elif isinstance(root, str) and isinstance(day, str) and mine.is_member(on := date.fromisoformat(day), root):
            since = record.get("since")  # a look-up over several days has the list of the last one
            first = date.fromisoformat(since) if isinstance(since, str) else on
            yield _use(record, grant, BULK, (first, on + timedelta(days=1)))


def _span(record: Record) -> Days:
    days = record.get("days")
    if not isinstance(days, list):
        return ALL_DAYS
    return date.fromisoformat(str(days[0])), date.fromisoformat(str(days[1]))


def _use(record: Record, grant: str, kind: str, days: Days) -> Use:
    at = record.get("at")
    return Use(
        at=at if isinstance(at, int) else 0,
        kind=kind,
        actor=str(record.get("actor", "")),
        purpose=str(record.get("purpose", "")),
        ground=str(record.get("ground", "")),
        recipient="",
        days=days,
        verdict="denied" if record.get("kind") == "denied" else GRANTED,
        reference=grant,
    )
