"""What a page needs to know of the rows of a night, counted by the database along the indices that there are.

The queue's own index tells how many meters are in each state; the rest is a walk over the rows of the night in the order of
their key, which is that in which they lie on the disk.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, case, func, select

from kwartier.collect.due import UNREACHED, State
from kwartier.collect.lease import holder
from kwartier.tables import dues, leases

MINUTE_S = 60
MISSED = (State.REFUSED, State.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """Meters by state. ``overdue``: they wait for their first try, and its moment has come; ``last_planned_at``: UTC s."""

    by: Mapping[str, int]
    overdue: int
    last_planned_at: int


class Row(NamedTuple):
    """Meters of one cell in one state, with one code (empty: none)."""

    cell: str
    state: str
    code: str
    meters: int
    quarters: int
    present: int

    @property
    def is_unreached(self) -> bool:
        """Whether no answer ever came of them."""
        return self.state != State.STORED and self.code in UNREACHED


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """A night by cell, and its course.

    ``done``: by minute (UTC) how many meters were stored, and how many were missed for good. ``planned``: by minute how many
    have their moment then; of who was tried again it is the last one.
    """

    rows: tuple[Row, ...]
    done: Mapping[int, tuple[int, int]]
    planned: Mapping[int, int]


class Holder(NamedTuple):
    """Who has leases, on how many meters, since when and until when."""

    name: str
    meters: int
    taken_at: int
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Who is at work."""

    processes: tuple[Holder, ...]


def states(connection: Connection, day: date, dso: str, *, now: int) -> States:
    """How many meters are in each state."""
    night = (dues.c.day == day, *_of(dso))
    waiting = (*night, dues.c.state == State.WAITING)
    counted = select(dues.c.state, func.count()).where(*night).group_by(dues.c.state)
    by: dict[str, int] = {row[0]: row[1] for row in connection.execute(counted)}
    overdue = select(func.count()).where(*waiting, dues.c.next_at <= now)
    last = select(func.max(dues.c.next_at)).where(*waiting)
    return States(
        by=by,
        overdue=connection.execute(overdue).scalar_one(),
        last_planned_at=connection.execute(last).scalar_one_or_none() or 0,
    )


def cells(connection: Connection, day: date, dso: str) -> Cells:
    """The night by cell, and its course."""
    # Every name comes after the empty one: said so that SQLite walks along the key, and not along the queue, all over the disk.
    night = (dues.c.day == day, dues.c.meter >= "", *_of(dso))
    code = case((dues.c.state != State.STORED, func.coalesce(dues.c.code, "")), else_="")
    rows = connection.execute(
        select(dues.c.cell, dues.c.state, code, func.count(), func.sum(dues.c.quarters), func.sum(dues.c.present))
        .where(*night)
        .group_by(dues.c.cell, dues.c.state, code)
    ).all()
    minute = dues.c.settled_at // MINUTE_S
    ended = dues.c.state.in_((State.STORED, *MISSED))
    done: dict[int, tuple[int, int]] = {}
    settled = select(minute, dues.c.state, func.count()).where(*night, ended, dues.c.settled_at.is_not(None))
    for when, state, count in connection.execute(settled.group_by(minute, dues.c.state)):
        stored, missed = done.get(int(when), (0, 0))
        done[int(when)] = (stored + count, missed) if state == State.STORED else (stored, missed + count)
    moment = dues.c.next_at // MINUTE_S
    plan = select(moment, func.count()).where(dues.c.day == day, *_of(dso)).group_by(moment)
    return Cells(
        rows=tuple(
            Row(cell, state, why, count, int(some), int(there)) for cell, state, why, count, some, there in rows
        ),
        done=done,
        planned={int(when): count for when, count in connection.execute(plan)},
    )


def held(connection: Connection, day: date) -> Held:
    """The processes that have leases."""
    under_way = select(dues.c.lease, func.count()).where(dues.c.day == day, dues.c.state == State.LEASED)
    meters = {row[0]: row[1] for row in connection.execute(under_way.group_by(dues.c.lease))}
    found: dict[str, Holder] = {}
    for one in connection.execute(select(leases).where(leases.c.day == day).order_by(leases.c.holder)):
        before = found.get(one.holder, Holder(one.holder, 0, one.taken_at, 0))
        found[one.holder] = Holder(
            one.holder,
            before.meters + meters.get(one.id, 0),
            min(before.taken_at, one.taken_at),
            max(before.expires_at, one.expires_at),
        )
    return Held(processes=tuple(found.values()))


def is_here(name: str) -> bool:
    """Whether a process is, or was, one of this host."""
    return name.partition(":")[0] == holder().partition(":")[0]


def _of(dso: str) -> tuple[ColumnElement[bool], ...]:
    return (dues.c.dso == dso,) if dso else ()
