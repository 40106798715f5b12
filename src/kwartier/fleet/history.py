"""What is believed of a meter or of a connection, version by version; and what was believed at an earlier moment."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, Table, and_, select

from kwartier.fleet.versions import CONNECTIONS, METERS, MODULES, Dated
from kwartier.rowfile import Value
from kwartier.tables import FOREVER, connections


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One version of a ``thing`` (connection, meter, module), from ``start`` up to ``end``, known since ``known_at``."""

    thing: str
    name: str
    start: date
    end: date
    known_at: int
    facts: dict[str, Value]


def of(connection: Connection, name: str, *, dso: str, known: int | None) -> list[Past]:
    """Every version of the meter ``name`` with its modules, or of the connection with that EAN and of its meters."""
    rows = _versions(connection, METERS, "meter", name, known)
    if rows:
        rows += _versions(connection, MODULES, "meter", name, known)
    else:
        rows = _versions(connection, CONNECTIONS, "ean", name, known) + _versions(
            connection, METERS, "ean", name, known
        )
    eans = {str(one.facts["ean"]) for one in rows if one.thing == "meter"} | {
        one.name for one in rows if one.thing == "connection"
    }
    return [] if dso and not _all_ours(connection, eans, dso) else rows


def _versions(connection: Connection, dated: Dated, by: str, name: str, known: int | None) -> list[Past]:
    table: Table = dated.table
    believed = (
        table.c.known_until == FOREVER
        if known is None
        else and_(table.c.known_at <= known, table.c.known_until > known)
    )
    query = select(table).where(table.c[by] == name, believed)
    rows = connection.execute(query.order_by(*(table.c[key] for key in dated.keys), table.c.valid_from)).mappings()
    return [
        Past(
            thing=table.name,
            name=" ".join(str(row[key]) for key in dated.keys),
            start=row["valid_from"],
            end=row["valid_to"],
            known_at=row["known_at"],
            facts={fact: row[fact] for fact in dated.facts},
        )
        for row in rows
    ]


def _all_ours(connection: Connection, eans: set[str], dso: str) -> bool:
    """Whether all these connections are, and no version of any is not, of one grid operator."""
    query = (
        select(connections.c.dso).where(connections.c.ean.in_(eans), connections.c.known_until == FOREVER).distinct()
    )
    return set(connection.execute(query).scalars()) == {dso}
