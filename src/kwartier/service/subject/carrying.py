"""Erasure, second half: the rows leave every file, and a tombstone says so when they are found nowhere any more.

Each step may be the last one of its process; done again, all of it comes to the same. What came late - a batch that was under
way when the links were ended - is looked for again for some days after it was all gone.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from sqlalchemy import Engine, and_, delete, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from kwartier.clock import local_day, midnight
from kwartier.database import reading, writing
from kwartier.gate.ids import Ids
from kwartier.service.home import Home
from kwartier.service.subject import records
from kwartier.service.subject.erasing import TIMEZONE
from kwartier.service.subject.requests import Requests, State
from kwartier.service.subject.unsaying import secure, unsay
from kwartier.store import erase as store_steps
from kwartier.store.erase import Doomed, Eraser
from kwartier.store.memory import Later, Memory
from kwartier.store.schema import KINDS
from kwartier.store.turn import alone
from kwartier.tables import erasures, reading_ids

AGAIN_S = 3 * 86_400
"""So long after the last row was gone it is looked for again."""
BATCH = 400
"""Ids in one statement."""


class Step(StrEnum):
    """What has just been done."""

    COUNTED = "counted"
    """It is written down how many rows there are to erase."""
    ERASED = "erased"
    """They are in no table any longer, and no later row of a table remembers them."""
    PURGED = "purged"
    """Nor on the disk, as far as nothing pinned needs the files."""
    TOLD = "told"
    """The audit log has it."""
    DONE = "done"
    """The tombstone has it."""


Reached = Callable[[Step], None]


def onward(step: Step) -> None:
    """Nobody is watching."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What was done: requests that are done now, requests that are not yet, and rows that went with the former."""

    done: int = 0
    waiting: int = 0
    rows: int = 0


def carry_out(home: Home, *, wall: Callable[[], float], reached: Reached = onward) -> Carried:
    """Erase what was decided to be erased. ``wall``: UTC seconds. Raises ``StateError`` tidying, store-busy."""
    with alone(home.store_folder):
        return carry_out_alone(home, wall=wall, reached=reached)


def carry_out_alone(
    home: Home,
    *,
    wall: Callable[[], float],
    reached: Reached = onward,
    deeper: store_steps.Reached = store_steps.onward,
) -> Carried:
    """The same for a caller that is alone already (see :mod:`kwartier.store.turn`)."""
    at = int(wall())
    pending = _pending(home.engine, at)
    if not pending:
        return Carried()
    home.traces.tidy(at=at)  # where a file of a trace could not be removed when the links were ended
    every = [one for several in pending.values() for one in several]
    erasers = [Eraser(home.store_folder, home.day_keys, deeper, kind) for kind in KINDS]
    _count(home.engine, erasers, at)
    reached(Step.COUNTED)
    memory = Memory(home.store_folder, home.day_keys, deeper)
    for eraser in erasers:
        eraser.erase(every)
    later = _later(home, every, at)
    memory.forget(later)
    reached(Step.ERASED)
    for eraser in erasers:
        eraser.purge({*(day for one in every for day in _days(one)), *memory.days(later)}, now=at)
    with writing(home.engine) as connection:  # a run of validation may have been under way
        secure(connection)
        unsay(connection, every)
    reached(Step.PURGED)
    done, waiting, rows = 0, 0, 0
    for request, doomed in pending.items():
        if any(eraser.left(doomed) for eraser in erasers) or memory.left(_later(home, doomed, at)):
            waiting += 1
        elif Requests(home.engine).get(request).state is State.ACCEPTED:
            rows += _bury(home, request, at=at, reached=reached)
            done += 1
    _end_empty_links(home.engine, erasers, every, local_day(at, TIMEZONE))
    _overwrite(home.engine)
    return Carried(done=done, waiting=waiting, rows=rows)


def _pending(engine: Engine, at: int) -> dict[str, list[Doomed]]:
    """What is to be erased, by request: also what was only just, and a request of which nothing was stored."""
    found: dict[str, list[Doomed]] = {
        one.id: [] for one in Requests(engine).listed(state=State.ACCEPTED) if one.ean is None
    }
    query = select(erasures).where(or_(erasures.c.done_at.is_(None), erasures.c.done_at > at - AGAIN_S))
    with reading(engine) as connection:
        for row in connection.execute(query.order_by(erasures.c.request, erasures.c.reading, erasures.c.valid_from)):
            found.setdefault(row.request, []).append(Doomed(row.reading, row.valid_from, row.valid_to))
    return found


def _count(engine: Engine, erasers: Sequence[Eraser], at: int) -> None:
    """Note how many rows there are before the first of them goes: afterwards nobody can count them."""
    with reading(engine) as connection:
        rows = connection.execute(select(erasures).where(erasures.c.rows.is_(None))).all()
    fresh = {(row.request, Doomed(row.reading, row.valid_from, row.valid_to)) for row in rows}
    counted = _rows(erasers, sorted({one for _, one in fresh}))
    with writing(engine) as connection:
        for request, one in sorted(fresh):
            connection.execute(update(erasures).where(_is(request, one)).values(rows=counted[one]))


def _rows(erasers: Sequence[Eraser], doomed: Sequence[Doomed]) -> dict[Doomed, int]:
    """How many rows of each all tables hold, every version and run counted."""
    counts = [eraser.count(doomed) for eraser in erasers]
    return {one: sum(found[one] for found in counts) for one in doomed}


def _later(home: Home, doomed: Sequence[Doomed], at: int) -> list[Later]:
    """The rows that may remember: those after what goes, also under ids that its meters have got in later years."""
    ids, this_year = Ids(home.engine), local_day(at, TIMEZONE).year
    links = ids.links_of(sorted({one.id for one in doomed}))
    found = {(one.id, one.end) for one in doomed}
    for one in doomed:
        if one.id in links:
            ahead = ids.of_connection(links[one.id].ean, range(links[one.id].year + 1, this_year + 1))
            found.update((identity, one.end) for identity in ahead.values())
    zone = home.settings.timezone
    return [Later(identity, end, midnight(end, zone)) for identity, end in sorted(found)]


def _bury(home: Home, request: str, *, at: int, reached: Reached) -> int:
    """The tombstone: nothing of it is in any file."""
    found = Requests(home.engine).get(request)
    until = local_day(at, TIMEZONE) + timedelta(days=home.settings.backup_keep_days)
    with reading(home.engine) as connection:
        counts = connection.execute(select(erasures.c.rows).where(erasures.c.request == request)).scalars()
        rows = sum(one or 0 for one in counts)
    mark, days = str(found.detail["commitment"]), json.loads(json.dumps(found.detail["erased"]))
    told = records.erased(request, at=at, rows=rows, gone=days, commitment=mark, backups_until=until)
    home.log.append([told])
    reached(Step.TOLD)
    with writing(home.engine) as connection:
        secure(connection)
        connection.execute(update(erasures).where(erasures.c.request == request).values(done_at=at))
        tombstone = {"rows": rows, "backups_until": f"{until}"}
        Requests(home.engine).finish(connection, request, at=at, detail=tombstone)
    reached(Step.DONE)
    return rows


def _end_empty_links(engine: Engine, erasers: Sequence[Eraser], doomed: Sequence[Doomed], today: date) -> None:
    """An id under which nothing is left, of a year that is long over, stands for nothing any more."""
    by_year: dict[int, set[int]] = defaultdict(set)
    for one in doomed:
        if one.start < one.end and one.end.year < today.year:
            by_year[one.start.year].add(one.id)
    whole = [Doomed(i, date(year, 1, 1), date(year + 1, 1, 1)) for year, ids in by_year.items() for i in sorted(ids)]
    empty = [one.id for one, count in _rows(erasers, whole).items() if count == 0]
    with writing(engine) as connection:
        for first in range(0, len(empty), BATCH):
            connection.execute(delete(reading_ids).where(reading_ids.c.id.in_(empty[first : first + BATCH])))


def _overwrite(engine: Engine) -> None:
    """Bring what was deleted out of SQLite's log of writes, so that no old page of it is left."""
    if engine.dialect.name == "sqlite":
        with reading(engine) as connection:
            connection.rollback()
            driver = connection.connection.cursor()
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            driver.close()


def _is(request: str, one: Doomed) -> ColumnElement[bool]:
    return and_(erasures.c.request == request, erasures.c.reading == one.id, erasures.c.valid_from == one.start)


def _days(one: Doomed) -> list[date]:
    return [one.start + timedelta(days=number) for number in range((one.end - one.start).days)]
