"""What its customer has said of a connection, and who has looked at it and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select

from kwartier.database import reading
from kwartier.gate.holds import Holds
from kwartier.service.home import Home
from kwartier.service.subject.history import Mine, Record, Use, uses
from kwartier.service.views.plain import local
from kwartier.service.views.sight import Days
from kwartier.tables import accesses, visits

MAX_LOOKS = 500
"""Uses that are shown, the newest."""
BATCH = 400
"""Grants or visits in one statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldShown:
    """A restriction, an objection or a dispute of the days from ``start`` up to ``end``; ``ended_at`` None: it stands."""

    kind: str
    start: date
    end: date
    ground: str
    made_at: str
    ended_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A use of the connection's readings, or one that was denied.

    ``kind``: "named" (a grant named the connection), "bulk" (it was one of many), "meter" (its meter was visited).
    ``verdict``: "granted", the rule that said no, or how the visit ended.
    """

    at: str
    kind: str
    actor: str
    purpose: str
    ground: str
    reason: str
    recipient: str
    start: date
    end: date
    verdict: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """``looks``: the newest first; ``more``: how many older ones are not among them.

    ``has_bulk``: whether uses of many connections at once are among them; they stand in the audit log, which is gone through
    for that (``kwartier subject history`` does).
    """

    holds: tuple[HoldShown, ...]
    looks: tuple[Look, ...]
    more: int
    has_bulk: bool


def people(home: Home, ean: str, days: Days, *, records: Iterable[Record] = (), mine: Mine | None = None) -> People:
    """What is about some of these local days: whoever lived there on others is not what the page is about.

    ``records``: those of the audit log, with ``mine`` to tell which are this connection's.
    """
    zone = home.settings.timezone
    with reading(home.engine) as connection:
        held = [one for one in Holds(home.engine).of(connection, ean) if one.start < days[1] and one.end > days[0]]
    found = uses(home.engine, ean, days, records, mine)[::-1]
    reasons = _reasons(home, found[:MAX_LOOKS])
    return People(
        holds=tuple(
            HoldShown(
                kind=one.kind.value,
                start=one.start,
                end=one.end,
                ground=one.ground,
                made_at=local(one.made_at, zone),
                ended_at=None if one.ended_at is None else local(one.ended_at, zone),
            )
            for one in held
        ),
        looks=tuple(_look(one, reasons, zone) for one in found[:MAX_LOOKS]),
        more=max(0, len(found) - MAX_LOOKS),
        has_bulk=mine is not None,
    )


def _reasons(home: Home, found: list[Use]) -> Mapping[str, str]:
    """In their own words why they looked, by the name of the grant or visit."""
    reasons: dict[str, str] = {}
    names = list(dict.fromkeys(one.reference for one in found))
    with reading(home.engine) as connection:
        for first in range(0, len(names), BATCH):
            for table in (accesses, visits):
                query = select(table.c.id, table.c.reason).where(table.c.id.in_(names[first : first + BATCH]))
                reasons.update((row.id, row.reason) for row in connection.execute(query))
    return reasons


def _look(one: Use, reasons: Mapping[str, str], zone: str) -> Look:
    return Look(
        at=local(one.at, zone),
        kind=one.kind,
        actor=one.actor,
        purpose=one.purpose,
        ground=one.ground,
        reason=reasons.get(one.reference, ""),
        recipient=one.recipient,
        start=one.days[0],
        end=one.days[1],
        verdict=one.verdict,
        reference=one.reference,
    )
