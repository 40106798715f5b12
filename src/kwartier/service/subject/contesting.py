"""What a person contests: readings that are wrong, uses that have to stop. Each stands as a hold from the moment it is said.

A dispute is looked into and ends one of two ways: the readings are right, with the reason why, or they are corrected. A
correction is a new version beside the old one, marked by a finding; nothing that a meter sent is changed.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from kwartier.database import writing
from kwartier.errors import InputError
from kwartier.gate.holds import Holds
from kwartier.gate.ids import Ids, Link
from kwartier.gate.purposes import Hold
from kwartier.service.home import Home
from kwartier.service.subject import records
from kwartier.service.subject.corrections import Corrected
from kwartier.service.subject.requests import Requests, State
from kwartier.service.subject.rules import Days, Kind, Outcome, Rule, ground_of, rights
from kwartier.store import Entry
from kwartier.tables import findings

RECTIFIED = "rectified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """Who says what about which local days of a connection; ``ground`` is a code of ``rights.toml`` where there are several."""

    ean: str
    days: Days
    by: str
    reason: str
    ground: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The request that was made of it, and the hold that stands."""

    request: str
    hold: str


def dispute(home: Home, said: Saying, *, wall: Callable[[], float]) -> Standing:
    """Readings are said to be wrong: nothing of them is deleted until that is settled. ``wall``: UTC seconds."""
    return _say(home, said, Kind.RECTIFY, Hold.DISPUTE, rights().kinds[Kind.RECTIFY], wall=wall)


def restrict(home: Home, said: Saying, *, wall: Callable[[], float]) -> Standing:
    """Readings are kept and not used. Raises ``InputError`` unknown-ground."""
    rule = ground_of(said.ground, rights().restrictions)
    return _say(home, said, Kind.RESTRICT, Hold.RESTRICTION, rule, wall=wall)


def object_to(home: Home, said: Saying, *, wall: Callable[[], float]) -> Standing:
    """Readings are not used any more for what rests on article 6(1)(e)."""
    return _say(home, said, Kind.OBJECT, Hold.OBJECTION, rights().kinds[Kind.OBJECT], wall=wall)


def _say(home: Home, said: Saying, kind: Kind, hold: Hold, rule: Rule, *, wall: Callable[[], float]) -> Standing:
    at, store = int(wall()), Requests(home.engine)
    with writing(home.engine) as connection:
        name = store.receive(connection, kind, said.ean, said.days, by=said.by, at=at, detail={"reason": said.reason})
        start, end = said.days
        made = Holds(home.engine).make(connection, said.ean, hold, start, end, rule.cited, said.by, at)
        store.note(connection, name, {"hold": made})
        is_open = hold is Hold.DISPUTE
        if not is_open:
            store.decide(connection, name, Outcome.GRANTED, rule, by=said.by, at=at, detail={})
            store.finish(connection, name, at=at)
        state = State.RECEIVED if is_open else State.DONE
        told = records.asked(kind, name, at=at, by=said.by, state=state.value, ground=rule.cited)
        home.log.append([told])
    return Standing(request=name, hold=made)


def lift(home: Home, hold: str, *, by: str, reason: str, wall: Callable[[], float]) -> bool:
    """End a restriction or an objection; False where it has ended. Before that the person is told (AVG 18(3)).

    Raises ``InputError`` unknown-hold, open-dispute.
    """
    at, store = int(wall()), Requests(home.engine)
    with writing(home.engine) as connection:
        found = store.of_hold(connection, hold)
        if found is not None and found.state is State.RECEIVED:
            raise InputError("open-dispute", f"hold {hold} belongs to request {found.id}, which is not settled")
        if not Holds(home.engine).end(connection, hold, by, at):
            return False
        if found is not None:
            store.note(connection, found.id, {"lifted": {"at": at, "by": by, "reason": reason}})
        told = records.lifted(hold, at=at, by=by, reason_digest=hashlib.sha256(f"{hold}{reason}".encode()).hexdigest())
        home.log.append([told])
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How a dispute was looked into: by whom, what was found, and who else agreed (four eyes) where that is asked for."""

    by: str
    found: str
    approval: str = ""


def find_right(home: Home, request: str, check: Check, *, wall: Callable[[], float]) -> None:
    """The readings are right: the dispute ends, with the reason. Raises ``InputError`` unknown-request, ``StateError``."""
    _decide(home, request, check, Outcome.REFUSED, wall=wall)


def correct(
    home: Home,
    request: str,
    check: Check,
    corrected: Sequence[Corrected],
    *,
    wall: Callable[[], float],
) -> int:
    """They are not: a new version of each day is stored, and the dispute ends; how many days there were.

    Begun again with the same request and the same days it goes on where it was stopped. Raises ``InputError``
    unknown-request, bad-correction; ``StateError`` request-closed.
    """
    store, at = Requests(home.engine), int(wall())
    found = store.get(request)
    if found.kind is not Kind.RECTIFY or found.ean is None:
        raise InputError("unknown-request", f"request {request} is no dispute")
    outside = [one.day for one in corrected if not found.days[0] <= one.day < found.days[1]]
    if outside or not corrected:
        what = f"{outside[0]} is not among the days of request {request}" if outside else "no day is corrected"
        raise InputError("bad-correction", what)
    if found.state is State.RECEIVED:
        _decide(home, request, check, Outcome.GRANTED, wall=wall)
    entries = _marked(home, request, found.ean, corrected, at=at)
    # The batch has the name of the request: brought again, it changes nothing.
    home.open_store().append(request, entries)
    with writing(home.engine) as connection:
        if store.get_within(connection, request).state is State.ACCEPTED:
            store.finish(connection, request, at=at, detail={"days": len(corrected)})
            _end_hold(home, connection, request, check.by, at)
    return len(corrected)


def _decide(home: Home, request: str, check: Check, outcome: Outcome, *, wall: Callable[[], float]) -> None:
    at, store = int(wall()), Requests(home.engine)
    with writing(home.engine) as connection:
        rule = rights().kinds[Kind.RECTIFY]
        detail = {"check": check.found, "approval": check.approval}
        if store.get_within(connection, request).kind is not Kind.RECTIFY:
            raise InputError("unknown-request", f"request {request} is no dispute")
        store.decide(connection, request, outcome, rule, by=check.by, at=at, detail=detail)
        state = State.REFUSED if outcome is Outcome.REFUSED else State.ACCEPTED
        if outcome is Outcome.REFUSED:
            _end_hold(home, connection, request, check.by, at)
        told = records.asked(Kind.RECTIFY, request, at=at, by=check.by, state=state.value, ground=rule.cited)
        home.log.append([told])


def _end_hold(home: Home, connection: Connection, request: str, by: str, at: int) -> None:
    hold = Requests(home.engine).get_within(connection, request).detail.get("hold")
    if isinstance(hold, str):
        Holds(home.engine).end(connection, hold, by, at)


def _marked(home: Home, request: str, ean: str, corrected: Sequence[Corrected], *, at: int) -> list[Entry]:
    """The days as they are to be stored, each with its finding."""
    links = sorted({(ean, one.readings.meter, one.day.year) for one in corrected})
    entries = []
    with writing(home.engine) as connection:
        ids = Ids(home.engine).ids_of(connection, links)
        marked = set(connection.execute(select(findings.c.reading, findings.c.day).where(findings.c.reason == request)))
        for one in corrected:
            identity = ids[Link(ean, one.readings.meter, one.day.year)]
            entries.append(Entry(id=identity, readings=one.readings, timezone=one.timezone, known_at=at))
            if (identity, one.day) not in {(row[0], row[1]) for row in marked}:
                mark = {"reading": identity, "day": one.day, "code": RECTIFIED, "reason": request, "at": at}
                connection.execute(insert(findings), [mark])
    return entries
