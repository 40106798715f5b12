"""Versions in the database: read for many things at once, closed and added in bulk.

Bulk statements go to the driver as they are: for a million rows what SQLAlchemy does for each of them is most of the time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date

from sqlalchemy import Connection, Engine, Table, select

from kwartier.database import Line, insert_lines, many, writing
from kwartier.fleet.periods import Change, Version
from kwartier.tables import FOREVER, connections, meters, modules

BATCH = 500
"""Keys in one question."""
CACHE_KIB = 65_536
"""What SQLite may keep in memory during a change: an import in no order touches many pages again and again."""
_CHANGES_LOCK = 0x6B77_666C
"""The advisory lock under which PostgreSQL lets one process at a time change the registry."""

Key = tuple[str, ...]


@contextmanager
def changing(engine: Engine) -> Iterator[Connection]:
    """A transaction that changes the registry. Two never run at once: each reads what is believed before it states more."""
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_CHANGES_LOCK})")
        else:
            connection.exec_driver_sql(f"PRAGMA cache_size=-{CACHE_KIB}")
        yield connection


class Dated:
    """The versions of one kind of thing: its table, what names the thing, and which columns are facts."""

    __slots__ = ("facts", "keys", "table")

    def __init__(self, table: Table) -> None:
        dates = ("valid_from", "valid_to", "known_at", "known_until")
        names = [column.name for column in table.columns]
        first = names.index(dates[0])
        self.table = table
        self.keys = tuple(names[:first])
        self.facts = tuple(names[first + len(dates) :])

    def of(self, connection: Connection, names: Sequence[str]) -> dict[Key, list[Version]]:
        """What is believed now of the things whose first key is one of ``names``, each in the order of its days."""
        found: dict[Key, list[Version]] = {}
        table, width = self.table, len(self.keys)
        columns = [table.c[name] for name in (*self.keys, "valid_from", "valid_to", "known_at", *self.facts)]
        for first in range(0, len(names), BATCH):
            query = (
                select(*columns)
                .where(table.c[self.keys[0]].in_(names[first : first + BATCH]), table.c.known_until == FOREVER)
                .order_by(*(table.c[name] for name in self.keys), table.c.valid_from)
            )
            for row in connection.execute(query).all():
                start, end, known_at, *facts = row[width:]
                version = Version(start=start, end=end, known_at=known_at, facts=tuple(facts))
                found.setdefault(tuple(row[:width]), []).append(version)
        return found

    def is_empty(self, connection: Connection) -> bool:
        """Whether nothing was ever known."""
        return connection.execute(select(self.table.c.known_at).limit(1)).first() is None

    def apply(self, connection: Connection, changes: Mapping[Key, Sequence[Change]], *, at: int) -> None:
        """Make changes as known since ``at`` (UTC seconds), which is later than whatever they replace."""
        closed = [(key, one) for key, several in changes.items() for change in several for one in change.closed]
        where = " AND ".join(f"{name} = ?" for name in (*self.keys, "known_at", "valid_from"))
        lines = [(at, *key, one.known_at, one.start.isoformat()) for key, one in closed]
        many(connection, f"UPDATE {_table(connection, self.table)} SET known_until = ? WHERE {where}", lines)
        added = ((key, *one) for key, several in changes.items() for change in several for one in change.added)
        self.add(connection, ((*key, *dates(start, end, at), *facts) for key, start, end, facts in added))

    def add(self, connection: Connection, lines: Iterable[Line]) -> None:
        """Insert rows: the keys, the four dates, the facts."""
        insert_lines(connection, self.table, lines)


def dates(start: date, end: date, at: int) -> Line:
    """The four dates of a row that is believed from ``at`` on."""
    return (start.isoformat(), end.isoformat(), at, FOREVER)


def after(at: int, versions: Iterable[Version]) -> int:
    """``at``, or the second after the newest of ``versions``: knowledge has an order even where clocks have none."""
    return max((at, *(one.known_at + 1 for one in versions)))


def _table(connection: Connection, table: Table) -> str:
    return connection.dialect.identifier_preparer.format_table(table)


CONNECTIONS, METERS, MODULES = Dated(connections), Dated(meters), Dated(modules)
