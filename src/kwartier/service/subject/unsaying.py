"""What the database says of readings goes when they go: marks, findings, and what was put in the place of quarters.

It names readings by their ids and holds no volume; yet that something was odd on a day is said of somebody.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import date

from sqlalchemy import Connection, Engine, Table, and_, delete, select

from kwartier.database import reading, writing
from kwartier.store.erase import Doomed
from kwartier.tables import findings, substitutes, validation_findings, validation_gaps

ABOUT_READINGS = (findings, validation_findings, validation_gaps, substitutes)
"""What the database says of the readings of an id and a local day."""
BATCH = 400
"""Ids in one statement."""
Held = Callable[[date], Collection[int]]
"""The ids of which nothing may be deleted of a local day."""


def secure(connection: Connection) -> None:
    """What is deleted by this connection is overwritten, too."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete=ON")


def unsay(connection: Connection, doomed: Iterable[Doomed]) -> None:
    """Delete what is said of some readings, as a part of the caller's transaction."""
    for one in doomed:
        for about in ABOUT_READINGS:
            of_them = and_(about.c.reading == one.id, about.c.day >= one.start, about.c.day < one.end)
            connection.execute(delete(about).where(of_them))


def unsay_before(engine: Engine, before: date, held: Held) -> int:
    """Delete what is said of readings of every local day before ``before``, but for what is held; how many days had some."""
    done = set()
    for about in ABOUT_READINGS:
        with reading(engine) as connection:
            days = connection.execute(select(about.c.day).where(about.c.day < before).distinct()).scalars().all()
        for day in days:
            if _unsay_day(engine, about, day, held(day)):
                done.add(day)
    return len(done)


def _unsay_day(engine: Engine, about: Table, day: date, kept: Collection[int]) -> int:
    with writing(engine) as connection:
        secure(connection)
        if not kept:
            return connection.execute(delete(about).where(about.c.day == day)).rowcount
        ids = connection.execute(select(about.c.reading).where(about.c.day == day).distinct()).scalars()
        going = sorted(set(ids) - set(kept))
        for first in range(0, len(going), BATCH):
            some = about.c.reading.in_(going[first : first + BATCH])
            connection.execute(delete(about).where(about.c.day == day, some))
        return len(going)
