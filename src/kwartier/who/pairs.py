"""Four eyes: an operation that one actor asks for and another approves, before it is done once.

What is approved is a digest of exactly what will be done, so that nothing else can be done with it. Each step is one
statement that changes a row only if it is still as it has to be: of many who do the same at once, one gets it.

Two names may be one person - at the keyboard and with a token, say. The configuration can say so, and then they do not count
as two; what it does not say nobody here knows.
"""

import re
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import NoReturn

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, and_, func, insert, select, update

from kwartier.database import reading, writing
from kwartier.errors import Denied, InputError
from kwartier.tables import approvals
from kwartier.who.actor import Actor

FILE = "operations.toml"
APPROVE_WITHIN_S = 72 * 3600
"""How long what was asked for can be approved,"""
SPEND_WITHIN_S = 24 * 3600
"""and how long after that it can be done."""
MAX_OPEN = 100
"""How much one actor can have asked for that nobody has approved."""
MAX_PENDING = 1_000
MAX_TEXT = 200
ID = re.compile(r"[0-9a-f]{32}")
DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One kind of operation, and the roles of which both who ask and who approve need one."""

    name: str
    what: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Something that waits for a second actor; times in UTC seconds."""

    id: str
    kind: str
    text: str
    digest: str
    asked_by: str
    asked_at: int
    ends_at: int


@lru_cache(maxsize=1)
def operations() -> dict[str, Operation]:
    """Every operation that needs two, in the order of the table."""
    table = tomllib.loads(resources.files("kwartier.who").joinpath(FILE).read_text("utf-8"))
    return {name: Operation(name=name, what=row["what"], roles=tuple(row["roles"])) for name, row in table.items()}


class Pairs:
    """What was asked for and approved in one database. ``persons`` says which names are one person: name -> person."""

    __slots__ = ("_engine", "_persons")

    def __init__(self, engine: Engine, persons: Mapping[str, str] | None = None) -> None:
        self._engine = engine
        self._persons = dict(persons or {})

    def request(self, kind: str, digest: str, actor: Actor, *, text: str, at: int) -> str:
        """Ask for an operation; what it is to be approved by.

        ``digest``: SHA-256 of exactly what will be done, in hex. ``text`` says that in a line to who approves it: no key and
        no reading. Raises ``Denied`` no-role, too-many-requests; ``InputError`` unknown-operation, bad-digest.
        """
        operation = _operation(kind)
        if not DIGEST.fullmatch(digest):
            raise InputError("bad-digest", "the digest of an operation is no SHA-256 in hex")
        actor.require(operation.roles, f"to ask for {kind}")
        name = secrets.token_hex(16)
        row = {
            "id": name,
            "kind": kind,
            "digest": digest,
            "text": "".join(one if one.isprintable() else " " for one in text[:MAX_TEXT]),
            "asked_by": actor.name,
            "asked_at": at,
        }
        with writing(self._engine) as connection:
            mine = select(func.count()).where(_is_open(at), approvals.c.asked_by == actor.name)
            if connection.execute(mine).scalar_one() >= MAX_OPEN:
                raise Denied("too-many-requests", f"{actor.name} has asked for {MAX_OPEN} that nobody has approved")
            connection.execute(insert(approvals), [row])
        return name

    def pending(self, *, at: int) -> list[Pending]:
        """What waits for a second actor, the newest first."""
        query = select(approvals).where(_is_open(at)).order_by(approvals.c.asked_at.desc(), approvals.c.id)
        with reading(self._engine) as connection:
            rows = connection.execute(query.limit(MAX_PENDING)).all()
        return [
            Pending(
                id=row.id,
                kind=row.kind,
                text=row.text,
                digest=row.digest,
                asked_by=row.asked_by,
                asked_at=row.asked_at,
                ends_at=row.asked_at + APPROVE_WITHIN_S,
            )
            for row in rows
        ]

    def approve(self, name: str, actor: Actor, *, at: int) -> Pending:
        """Approve what another asked for; what that was.

        Raises ``Denied`` no-role, same-actor, approval-over; ``InputError`` unknown-approval.
        """
        with writing(self._engine) as connection:
            row = _row(connection, name)
            actor.require(_operation(row["kind"]).roles, f"to approve {row['kind']}")
            if self._is_one(row["asked_by"], actor.name):
                raise Denied("same-actor", f"{row['asked_by']} asked for it, and {actor.name} is no other")
            taken = update(approvals).where(approvals.c.id == name, _is_open(at))
            if not connection.execute(taken.values(approved_by=actor.name, approved_at=at)).rowcount:
                _refuse(row, at)
        told = {one: row[one] for one in ("id", "kind", "text", "digest", "asked_by", "asked_at")}
        return Pending(**told, ends_at=at + SPEND_WITHIN_S)

    def look(self, name: str, kind: str, digest: str) -> tuple[str, str] | None:
        """Who asked for exactly this and who approved it, or nobody yet; None: nobody asked, or for something else."""
        query = select(approvals).where(approvals.c.id == name, approvals.c.kind == kind, approvals.c.digest == digest)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None or row.spent_at is not None else (row.asked_by, row.approved_by or "")

    def spend(self, name: str, kind: str, digest: str, *, at: int) -> None:
        """Take an approval for what is about to be done: from here on it is gone, whether that succeeds or not.

        Raises ``Denied`` other-operation, not-approved, approval-over, same-actor; ``InputError`` unknown-approval.
        """
        with writing(self._engine) as connection:
            self.spend_within(connection, name, kind, digest, at=at)

    def spend_within(self, connection: Connection, name: str, kind: str, digest: str, *, at: int) -> None:
        """The same as a part of the caller's transaction: it is gone if, and only if, what it was for is written down."""
        row = _row(connection, name)
        if (row["kind"], row["digest"]) != (kind, digest):
            raise Denied("other-operation", f"approval {name} is for another operation than this {kind}")
        # Once more: that two names are one person may have been found out since.
        if row["approved_by"] is not None and self._is_one(row["asked_by"], row["approved_by"]):
            raise Denied("same-actor", f"{row['asked_by']} asked for it, and {row['approved_by']} is no other")
        ripe = and_(approvals.c.approved_at > at - SPEND_WITHIN_S, approvals.c.spent_at.is_(None))
        taken = update(approvals).where(approvals.c.id == name, ripe)
        if not connection.execute(taken.values(spent_at=at)).rowcount:
            _refuse(row, at)

    def _is_one(self, first: str, second: str) -> bool:
        """Whether two names are one person, as far as anybody said so."""
        return self._persons.get(first, first) == self._persons.get(second, second)


def void(connection: Connection, *, at: int) -> None:
    """End everything that was asked for or approved, as a part of the caller's transaction.

    After a restored backup: what was still to be done when it was made may have been done since.
    """
    connection.execute(update(approvals).where(approvals.c.spent_at.is_(None)).values(spent_at=at))


def _is_open(at: int) -> ColumnElement[bool]:
    waits = and_(approvals.c.approved_at.is_(None), approvals.c.spent_at.is_(None))
    return and_(waits, approvals.c.asked_at > at - APPROVE_WITHIN_S)


def _operation(kind: str) -> Operation:
    found = operations().get(kind)
    if found is None:
        raise InputError("unknown-operation", f"{kind[:MAX_TEXT]!r} is none of {', '.join(operations())}")
    return found


def _row(connection: Connection, name: str) -> RowMapping:
    """What was asked for under a name, locked: what is found out of it here holds until it is changed."""
    query = select(approvals).where(approvals.c.id == name).with_for_update()
    row = connection.execute(query).mappings().first() if ID.fullmatch(name) else None
    if row is None:
        raise InputError("unknown-approval", f"nobody asked for anything called {name[:MAX_TEXT]!r}")
    return row


def _refuse(row: RowMapping, at: int) -> NoReturn:
    """Say why an approval cannot be given or taken."""
    name = row["id"]
    if row["spent_at"] is not None:
        raise Denied("approval-over", f"approval {name} was used, or ended by a restore, at {row['spent_at']} (UTC s)")
    if row["approved_at"] is None and row["asked_at"] > at - APPROVE_WITHIN_S:
        raise Denied("not-approved", f"nobody but {row['asked_by']} has looked at {name} yet")
    if row["approved_at"] is None:
        raise Denied("approval-over", f"nobody approved {name} within {APPROVE_WITHIN_S // 3600} hours")
    if row["approved_at"] > at - SPEND_WITHIN_S:
        raise Denied("approval-over", f"{row['approved_by']} approved {name} before")
    raise Denied("approval-over", f"{name} was approved more than {SPEND_WITHIN_S // 3600} hours ago")
