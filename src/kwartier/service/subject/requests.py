"""What persons asked for: received, then refused or accepted, then done, each with who, when, on what ground and until when.

The ways from one state to the next are a table. A request that was refused is as complete as one that was carried out.
"""

import calendar
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import Connection, Engine, RowMapping, Table, insert, select, update

from kwartier.database import reading
from kwartier.errors import InputError, StateError
from kwartier.service.subject.rules import Days, Kind, Outcome, Rule
from kwartier.tables import connections, reading_ids, requests

ID_BYTES = 8
DAY_S = 86_400
MAX_SHOWN = 40
MAX_LISTED = 10_000
Detail = Mapping[str, object]


class State(StrEnum):
    """How far a request is."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    DONE = "done"


MOVES: Mapping[State, frozenset[State]] = {
    State.RECEIVED: frozenset({State.ACCEPTED, State.REFUSED}),
    State.ACCEPTED: frozenset({State.DONE}),
    State.REFUSED: frozenset(),
    State.DONE: frozenset(),
}
"""Where a request may go from each state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request; times are UTC seconds. ``ean`` is None once the readings it was about are erased."""

    id: str
    ean: str | None
    kind: Kind
    at: int
    by: str
    days: Days
    state: State
    decision: str
    ground: str
    decided_at: int | None
    decided_by: str
    due_at: int
    done_at: int | None
    detail: Detail = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether something is left to be decided or done."""
        return bool(MOVES[self.state])


def month_later(at: int) -> int:
    """One month after a moment (UTC s), as AVG 12(3) counts: the same day of the next month, or its last."""
    then = datetime.fromtimestamp(at, UTC)
    year, month = (then.year + 1, 1) if then.month == 12 else (then.year, then.month + 1)
    day = min(then.day, calendar.monthrange(year, month)[1])
    return int(then.replace(year=year, month=month, day=day).timestamp())


class Requests:
    """The requests in one database; what changes them is a part of the caller's transaction."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def receive(
        self,
        connection: Connection,
        kind: Kind,
        ean: str,
        days: Days,
        *,
        by: str,
        at: int,
        detail: Detail | None = None,
    ) -> str:
        """Write down what was asked for at ``at`` (UTC s); its id. Raises ``InputError`` bad-day, unknown-connection."""
        start, end = days
        if end <= start:
            raise InputError("bad-day", f"from {start} up to {end} there is no day")
        if not any(_names(connection, table, ean) for table in (connections, reading_ids)):
            raise InputError("unknown-connection", f"there is no connection {ean[:MAX_SHOWN]!r}")
        name = secrets.token_hex(ID_BYTES)
        row = {
            "id": name,
            "ean": ean,
            "kind": kind.value,
            "at": at,
            "by": by,
            "valid_from": start,
            "valid_to": end,
            "state": State.RECEIVED.value,
            "decision": "",
            "ground": "",
            "decided_by": "",
            "due_at": month_later(at),
            "detail": json.dumps(detail or {}),
        }
        connection.execute(insert(requests), [row])
        return name

    def decide(
        self, connection: Connection, name: str, outcome: Outcome, rule: Rule, *, by: str, at: int, detail: Detail
    ) -> None:
        """Accept or refuse it. Raises ``StateError`` request-closed, ``InputError`` unknown-request."""
        to = State.REFUSED if outcome is Outcome.REFUSED else State.ACCEPTED
        self._move(
            connection,
            name,
            to,
            detail,
            decision=outcome.value,
            ground=f"{rule.code}: {rule.cited}",
            decided_at=at,
            decided_by=by,
        )

    def finish(self, connection: Connection, name: str, *, at: int, detail: Detail | None = None) -> None:
        """It is carried out. Raises as :meth:`decide`."""
        self._move(connection, name, State.DONE, detail or {}, done_at=at)

    def note(self, connection: Connection, name: str, detail: Detail) -> None:
        """Add to what is written down of it, whatever its state. Raises ``InputError`` unknown-request."""
        found = self.get_within(connection, name)
        changed = json.dumps({**found.detail, **detail})
        connection.execute(update(requests).where(requests.c.id == name).values(detail=changed))

    def _move(self, connection: Connection, name: str, to: State, detail: Detail, **values: object) -> None:
        found = self.get_within(connection, name)
        if to not in MOVES[found.state]:
            raise StateError("request-closed", f"request {name} is {found.state} and cannot become {to}")
        changed = {**values, "state": to.value, "detail": json.dumps({**found.detail, **detail})}
        connection.execute(update(requests).where(requests.c.id == name).values(**changed))

    def get(self, name: str) -> Request:
        """One request. Raises ``InputError`` unknown-request."""
        with reading(self._engine) as connection:
            return self.get_within(connection, name)

    def get_within(self, connection: Connection, name: str) -> Request:
        """The same in the caller's transaction."""
        row = connection.execute(select(requests).where(requests.c.id == name)).mappings().one_or_none()
        if row is None:
            raise InputError("unknown-request", f"there is no request {name[:MAX_SHOWN]!r}")
        return _request(row)

    def of_hold(self, connection: Connection, hold: str) -> Request | None:
        """The request that a hold was made for."""
        query = select(requests).where(requests.c.detail.contains(hold, autoescape=True)).limit(1)
        row = connection.execute(query).mappings().first()
        found = None if row is None else _request(row)
        return found if found is not None and found.detail.get("hold") == hold else None

    def listed(self, ean: str | None = None, state: State | None = None) -> list[Request]:
        """Requests in the order in which they came: of one connection, in one state, or the last of all."""
        query = select(requests).order_by(requests.c.at.desc(), requests.c.id).limit(MAX_LISTED)
        if ean is not None:
            query = query.where(requests.c.ean == ean)
        if state is not None:
            query = query.where(requests.c.state == state.value)
        with reading(self._engine) as connection:
            return [_request(row) for row in reversed(connection.execute(query).mappings().all())]


def _names(connection: Connection, table: Table, ean: str) -> bool:
    return connection.execute(select(table.c.ean).where(table.c.ean == ean).limit(1)).first() is not None


def _request(row: RowMapping) -> Request:
    return Request(
        id=row["id"],
        ean=row["ean"],
        kind=Kind(row["kind"]),
        at=row["at"],
        by=row["by"],
        days=(row["valid_from"], row["valid_to"]),
        state=State(row["state"]),
        decision=row["decision"],
        ground=row["ground"],
        decided_at=row["decided_at"],
        decided_by=row["decided_by"],
        due_at=row["due_at"],
        done_at=row["done_at"],
        detail=json.loads(row["detail"]),
    )
