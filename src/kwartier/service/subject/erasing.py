"""Erasure, first half: whether the right applies, and then at once the end of every link to what is to be erased.

Both are one transaction. After it nobody can look the days up by connection any more: where a whole year goes its id stands
for nothing, where a part of one goes the gate leaves it out, and what else names the connection together with these days -
grants, visits, claims, due meters, exchanges, findings - goes with it. The rows on the disk follow; see ``carrying.py``.

The person is given a receipt. The tombstone holds a commitment to the connection under that receipt, so that whoever has it
can show later which tombstone is theirs, and nobody else can tell.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from sqlalchemy import Connection, Date, and_, delete, insert, or_, select, type_coerce, update
from sqlalchemy.sql.elements import ColumnElement

from kwartier.clock import local_day
from kwartier.database import writing
from kwartier.gate.blocks import retire
from kwartier.gate.holds import KEEPING, Holds
from kwartier.service.home import Home
from kwartier.service.subject import records
from kwartier.service.subject.requests import Requests, State
from kwartier.service.subject.rules import Days, Decision, Kind, Outcome, decide
from kwartier.service.subject.unsaying import secure, unsay
from kwartier.store.erase import Doomed
from kwartier.tables import (
    access_connections,
    accesses,
    approvals,
    claim_events,
    claims,
    dues,
    erasures,
    exchanges,
    holds,
    persons,
    reading_ids,
    requests,
    visits,
)

APPROVED = "erasure"
"""The kind of approval that an erasure takes."""
TIMEZONE = "Europe/Amsterdam"
RECEIPT_BYTES = 16
DAY_S = 86_400
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for. ``has_claims``: a legal claim needs the readings (AVG 17(3)(e)), with ``reason`` saying which."""

    ean: str
    days: Days
    ground: str
    by: str
    reason: str = ""
    has_claims: bool = False
    approval: str = ""
    """The request under which somebody else agreed, where four eyes are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was decided; the receipt is given to the person and kept nowhere."""

    request: str
    decision: Decision
    due_at: int
    """UTC seconds by which the rows are gone."""
    receipt: str = field(default="", repr=False)


def commitment(receipt: str, ean: str) -> str:
    """What a tombstone says of the connection: HMAC-SHA256 under the receipt, in hex."""
    return hmac.new(receipt.encode(), ean.encode(), hashlib.sha256).hexdigest()


def what(wish: Wish) -> str:
    """What exactly somebody else approves of."""
    return f"erase {wish.ean} {wish.days[0]} {wish.days[1]} {wish.ground}"


def erase(home: Home, wish: Wish, *, wall: Callable[[], float]) -> Answer:
    """Decide, and end the links to what is to be erased. ``wall``: UTC seconds.

    The audit log has the decision before it holds. An approval that is named is used up. Raises ``InputError`` bad-day,
    unknown-ground, unknown-approval; ``Denied`` as :meth:`kwartier.who.pairs.Pairs.spend`.
    """
    at = int(wall())
    today = local_day(at, TIMEZONE)
    approved = home.rooms().approvals
    store = Requests(home.engine)
    receipt = secrets.token_hex(RECEIPT_BYTES)
    with writing(home.engine) as connection:
        secure(connection)
        if wish.approval and approved is not None:
            approved.spend(connection, wish.approval, APPROVED, what(wish), at=at)
        kept = [
            (one.start, one.end)
            for one in Holds(home.engine).of(connection, wish.ean)
            if one.ended_at is None and one.kind in KEEPING
        ]
        decision = decide(wish.days, ground=wish.ground, today=today, held=kept, has_claims=wish.has_claims)
        name = store.receive(connection, Kind.ERASE, wish.ean, wish.days, by=wish.by, at=at)
        detail = _told(decision, wish)
        rule = decision.ground if decision.erased else decision.refused[0].rule
        is_refused = decision.outcome is Outcome.REFUSED
        mark = "" if is_refused else commitment(receipt, wish.ean)
        detail |= {} if is_refused else {"commitment": mark}
        store.decide(connection, name, decision.outcome, rule, by=wish.by, at=at, detail=detail)
        due_at = at + home.settings.erase_within_days * DAY_S
        if not is_refused:
            _end_links(connection, name, wish.ean, decision, today)
            connection.execute(update(requests).where(requests.c.id == name).values(ean=None, due_at=due_at))
        if not wish.has_claims:
            # No law asks for the bytes of a visit, so they go also where the readings of these days have to stay.
            home.traces.forget_within(connection, wish.ean, [wish.days], but=kept)
        home.log.append([records.decided(name, decision, at=at, by=wish.by, commitment=mark)])
    home.traces.tidy(at=at)
    return Answer(request=name, decision=decision, due_at=due_at, receipt="" if is_refused else receipt)


def _told(decision: Decision, wish: Wish) -> dict[str, object]:
    return {
        "reason": wish.reason,
        "approval": wish.approval,
        "erased": [[f"{start}", f"{end}"] for start, end in decision.erased],
        "refused": [
            {"days": [f"{one.days[0]}", f"{one.days[1]}"], "code": one.rule.code, "article": one.rule.cited}
            for one in decision.refused
        ],
    }


def _end_links(connection: Connection, request: str, ean: str, decision: Decision, today: date) -> None:
    rows = connection.execute(select(reading_ids.c.id, reading_ids.c.year).where(reading_ids.c.ean == ean)).all()
    doomed, ended = [], []
    for identity, year in rows:
        new_year, next_year = date(year, 1, 1), date(year + 1, 1, 1)
        for start, end in decision.erased:
            first, last = max(start, new_year), min(end, next_year)
            if first < last:
                doomed.append(Doomed(identity, first, last))
            if (first, last) == (new_year, next_year):
                ended.append(identity)
    unsay(connection, doomed)
    doomed += _remembering(rows, doomed, decision.erased)
    if doomed:
        connection.execute(
            insert(erasures),
            [{"request": request, "reading": one.id, "valid_from": one.start, "valid_to": one.end} for one in doomed],
        )
    connection.execute(delete(reading_ids).where(reading_ids.c.id.in_(ended)))
    _scrub(connection, ean, decision.erased, today)
    if not decision.refused and len(ended) == len(rows):
        connection.execute(delete(persons).where(persons.c.ean == ean))
        # Whoever lives there next is somebody else, and not counted in the place of who has left.
        retire(connection, [ean])


def _remembering(rows: Sequence[tuple[int, int]], doomed: Sequence[Doomed], erased: Sequence[Days]) -> list[Doomed]:
    """Ids (and years) of later years than something was erased in: their first days remember what was before New Year.

    Each is noted with no day of its own, from the day on from which it has to forget (see :mod:`kwartier.store.memory`).
    """
    found = []
    for identity, year in rows:
        new_year = date(year, 1, 1)
        ends = [min(end, new_year) for start, end in erased if start < new_year]
        if ends and Doomed(identity, new_year, new_year)[:2] not in {one[:2] for one in doomed}:
            found.append(Doomed(identity, max(ends), max(ends)))
    return found


def _scrub(connection: Connection, ean: str, erased: Sequence[Days], today: date) -> None:
    """Whatever else names the connection together with these days.

    A visit or claim on one local day is about the readings of the days before it. Those of today stay: they keep the
    connection from being read twice.
    """
    visited = [(start + ONE_DAY, min(end + ONE_DAY, today)) for start, end in erased]
    for table, day, days in (
        (visits, visits.c.date, visited),
        (claims, claims.c.date, visited),
        (claim_events, claim_events.c.date, visited),
        (dues, dues.c.day, erased),
        (exchanges, exchanges.c.day, erased),
    ):
        connection.execute(delete(table).where(table.c.ean == ean, _within(day, days)))
    spans = select(accesses.c.id, accesses.c.scope).join(
        access_connections, access_connections.c.access == accesses.c.id
    )
    seen = [
        name
        for name, scope in connection.execute(spans.where(access_connections.c.ean == ean))
        if _covers(erased, _scope(scope))
    ]
    for name in seen:
        connection.execute(
            delete(access_connections).where(access_connections.c.access == name, access_connections.c.ean == ean)
        )
    # What two had to want is told in words to who approves it; there a connection stands by its name.
    connection.execute(update(approvals).where(approvals.c.text.contains(ean)).values(text=""))
    for one in connection.execute(select(holds).where(holds.c.ean == ean)).mappings().all():
        if _covers(erased, (one["valid_from"], one["valid_to"])):
            connection.execute(delete(holds).where(holds.c.id == one["id"]))
    closed = select(requests).where(requests.c.ean == ean, requests.c.state.in_([State.DONE, State.REFUSED]))
    for one in connection.execute(closed).mappings().all():
        if _covers(erased, (one["valid_from"], one["valid_to"])):
            connection.execute(update(requests).where(requests.c.id == one["id"]).values(ean=None))


def _scope(text: str) -> Days:
    found = json.loads(text)
    return date.fromisoformat(found["start"]), date.fromisoformat(found["end"])


def _covers(erased: Sequence[Days], days: Days) -> bool:
    return any(start <= days[0] and days[1] <= end for start, end in erased)


def _within(day: ColumnElement[date], days: Sequence[Days]) -> ColumnElement[bool]:
    return or_(*(and_(day >= type_coerce(start, Date), day < type_coerce(end, Date)) for start, end in days))
