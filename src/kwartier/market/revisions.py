"""Imports in their order: each that says something new is a revision, and a row holds from its own to the one that replaces it.

Revisions are numbered inside a lock that is held until the commit. So a number is never seen before a smaller one: whoever
looks something up as of a revision gets the same at any later time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, Table, and_, func, insert, select

from kwartier.database import reading, writing
from kwartier.errors import InputError
from kwartier.tables import market_revisions

_LOCK = 0x6B77_6D6B
"""The advisory lock under which PostgreSQL lets one import at a time say something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One import: ``rows`` of it said something new; ``digest``: SHA-256 of the file, as hex."""

    revision: int
    kind: str
    known_at: int
    """UTC seconds; never before that of an earlier revision, whatever clocks said."""
    actor: str
    rows: int
    digest: str


@contextmanager
def changing(engine: Engine) -> Iterator[Connection]:
    """A transaction that says something new. Two never run at once: each reads what is believed before it states more."""
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        yield connection


def latest(connection: Connection) -> int:
    """The number of the last revision; 0: there was none."""
    found = connection.execute(select(func.max(market_revisions.c.revision))).scalar()
    return 0 if found is None else int(found)


def append(connection: Connection, made: Revision) -> None:
    """Write down a revision, as the last step of the transaction that makes it."""
    before = connection.execute(select(func.max(market_revisions.c.known_at))).scalar()
    known_at = made.known_at if before is None else max(made.known_at, int(before))
    values = {name: getattr(made, name) for name in market_revisions.c.keys()}  # noqa: SIM118 - a collection of columns
    connection.execute(insert(market_revisions).values({**values, "known_at": known_at}))


def every(engine: Engine) -> list[Revision]:
    """All of them, oldest first."""
    query = select(market_revisions).order_by(market_revisions.c.revision)
    with reading(engine) as connection:
        return [Revision(**row) for row in connection.execute(query).mappings()]


def demand(connection: Connection, revision: int) -> None:
    """Raise ``InputError`` unknown-revision unless it is there: what is not may still say anything. 0 is before the first."""
    last = latest(connection)
    if not 0 <= revision <= last:
        raise InputError("unknown-revision", f"there is no revision {revision} of the market, the last is {last}")


def standing(table: Table, revision: int) -> ColumnElement[bool]:
    """The rows of ``table`` that were believed at a revision."""
    return and_(table.c.revision <= revision, table.c.superseded > revision)
