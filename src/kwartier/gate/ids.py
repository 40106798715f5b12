"""The only link between a connection and its readings: a random id for each connection, meter and calendar year.

The store knows the id and nothing else. Whoever deletes a row here ends the link for that year; the year is that of the local
day. Ids are drawn at random, so none tells anything of its neighbours.
"""

import secrets
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Engine, select

from kwartier.database import insert_once, reading
from kwartier.errors import StateError
from kwartier.tables import reading_ids

ID_BITS = 64
BATCH = 400
"""Meters in one statement."""
MANY = 5_000
"""With so many ids it is quicker to go through all of a year than to ask for each."""
MAX_DRAWS = 4
"""How often ids are drawn anew because they were taken: twice in a row does not happen."""


class Link(NamedTuple):
    """What an id stands for."""

    ean: str
    meter: str
    year: int


class Ids:
    """The ids in one database."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ids_of(self, connection: Connection, wanted: Sequence[tuple[str, str, int]]) -> dict[Link, int]:
        """The id of each (connection, meter, year), drawn where there is none, as a part of the caller's transaction."""
        links = sorted({Link(*one) for one in wanted})
        found: dict[Link, int] = {}
        for _ in range(MAX_DRAWS):
            found.update(self._known(connection, [one for one in links if one not in found]))
            fresh = [one for one in links if one not in found]
            if not fresh:
                return found
            # Somebody may do the same at this moment, and a number may be taken: what stands there afterwards counts.
            insert_once(connection, reading_ids, [{"id": _draw(), **one._asdict()} for one in fresh])
        raise StateError("no-reading-id", f"{len(links) - len(found)} meters got no id for their readings")

    def of_connection(self, ean: str, years: Iterable[int]) -> dict[Link, int]:
        """Every id of a connection in some years: one a meter and year."""
        query = select(reading_ids).where(reading_ids.c.ean == ean, reading_ids.c.year.in_(sorted(set(years))))
        with reading(self._engine) as connection:
            return {Link(row.ean, row.meter, row.year): row.id for row in connection.execute(query)}

    def known(self, wanted: Iterable[Link]) -> dict[Link, int]:
        """The id of each of these, where there is one."""
        with reading(self._engine) as connection:
            return self._known(connection, list(wanted))

    def links_of(self, ids: Sequence[int], year: int | None = None) -> dict[int, Link]:
        """What ids stand for; those whose link was ended are not in it. ``year``: of days in that year, and many of them."""
        found: dict[int, Link] = {}
        with reading(self._engine) as connection:
            if year is not None and len(ids) > MANY:
                query = select(reading_ids.c.id, reading_ids.c.ean, reading_ids.c.meter, reading_ids.c.year)
                wanted = set(ids)
                rows = connection.execute(query.where(reading_ids.c.year == year)).all()
                return {row[0]: Link(row[1], row[2], row[3]) for row in rows if row[0] in wanted}
            for first in range(0, len(ids), BATCH):
                query = select(reading_ids).where(reading_ids.c.id.in_(ids[first : first + BATCH]))
                found.update((row.id, Link(row.ean, row.meter, row.year)) for row in connection.execute(query))
        return found

    def _known(self, connection: Connection, links: Sequence[Link]) -> dict[Link, int]:
        found: dict[Link, int] = {}
        for year in sorted({one.year for one in links}):
            meters = sorted({one.meter for one in links if one.year == year})
            for first in range(0, len(meters), BATCH):
                query = select(reading_ids).where(
                    reading_ids.c.year == year, reading_ids.c.meter.in_(meters[first : first + BATCH])
                )
                for row in connection.execute(query):
                    found[Link(row.ean, row.meter, row.year)] = row.id
        return {one: found[one] for one in links if one in found}


def _draw() -> int:
    return secrets.randbits(ID_BITS) - (1 << (ID_BITS - 1))
