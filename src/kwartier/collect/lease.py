"""Who is busy with what: batches of due meters, each leased to one process.

A lease names the process that holds it, down to the moment at which that process was started, so a process on the same host
that finds its holder gone takes the batch over at once; on other hosts it lapses by its time. What a lost process had read
and not stored is read again; what it had stored without saying so is found in the store and only written down.
"""

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine, Select, bindparam, case, delete, func, insert, select, update

from kwartier.collect.claims import Claims
from kwartier.collect.due import State
from kwartier.database import reading, writing
from kwartier.tables import dues, leases

LEASE_S = 24
"""How long a lease holds on another host without being renewed: what a lost host held is with others within half a minute."""
BATCH = 500
ID_BYTES = 8
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def holder(pid: int | None = None) -> str:
    """A name for a process that no other process ever had: its host since it was booted, its number, when it was started."""
    number = os.getpid() if pid is None else pid
    return f"{_boot()}:{number}:{_started(number)}"


def is_gone(name: str) -> bool:
    """Whether the process ``name`` ran on this host and no longer does."""
    boot, _, rest = name.partition(":")
    number, _, started = rest.partition(":")
    return boot == _boot() and (not number.isdigit() or _started(int(number)) != started)


@lru_cache(maxsize=1)
def _boot() -> str:
    try:
        return BOOT_ID.read_text("ascii").strip()
    except OSError:
        return os.uname().nodename


def _started(pid: int) -> str:
    """When a process was started, in ticks since the host was booted; empty where there is none, or only its remains."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


class Job(NamedTuple):
    """A meter that was leased: for the how manieth try, and what came of the last one."""

    meter: str
    ean: str
    timezone: str
    attempts: int
    code: str
    deadline: int
    lease: str = ""
    """The lease under which it is ours."""
    kind: str = ""
    """Supplier and firmware of what answers there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shut:
    """Where nobody is to be visited just now."""

    cells: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


NONE_SHUT = Shut()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A batch of due meters that is ours until it is settled or given back."""

    id: str
    day: date
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How a try ended for a leased meter: its new state, with the code of the error and when it may be tried again.

    A meter that stays *leased* is tried again by the process that has it.
    """

    meter: str
    state: State
    code: str = ""
    next_at: int = 0
    lease: str = ""
    """The lease under which it was tried: with that gone, the meter is somebody else's and nothing is changed."""
    counts: bool = True
    """Whether it was a try; a line that our own system could not open is none."""


class Leases:
    """The leases on the rows of one grid operator (``dso``), or of all, as one process takes them."""

    def __init__(self, engine: Engine, claims: Claims, *, dso: str = "", me: str = "") -> None:
        self._engine = engine
        self._claims = claims
        self._dso = dso
        self._me = me or holder()
        self._mine: set[str] = set()

    def take(
        self,
        day: date,
        *,
        first: int,
        again: int,
        now: int,
        at_once: bool,
        shut: Shut = NONE_SHUT,
        shut_again: Shut = NONE_SHUT,
    ) -> Lease:
        """Lease up to ``first`` meters for their first try and ``again`` for another; those that are longest overdue.

        ``at_once``: the window is not waited for, only for the end of the day itself. None that is ``shut`` is
        taken for its first try, none that is ``shut_again`` for another.
        """
        lease = secrets.token_hex(ID_BYTES)
        with writing(self._engine) as connection:
            jobs: list[Job] = []
            for state, most, left_out in ((State.RETRY, again, shut_again), (State.WAITING, first, shut)):
                if most > 0:
                    ready = dues.c.earliest <= now if at_once and state is State.WAITING else dues.c.next_at <= now
                    query = self._queue(day, state, left_out).where(ready).order_by(dues.c.next_at).limit(most)
                    rows = connection.execute(query.with_for_update(skip_locked=True)).all()
                    jobs += [Job(row[0], row[1], row[2], row[3], row[4], row[5], lease, row[6]) for row in rows]
            if jobs:
                row = {"id": lease, "day": day, "holder": self._me, "taken_at": now, "expires_at": now + LEASE_S}
                connection.execute(insert(leases), [row])
                for begin in range(0, len(jobs), BATCH):
                    names = [job.meter for job in jobs[begin : begin + BATCH]]
                    connection.execute(
                        update(dues)
                        .where(dues.c.day == day, dues.c.meter.in_(names))
                        .values(state=State.LEASED, lease=lease)
                    )
        if jobs:
            self._mine.add(lease)
        return Lease(id=lease, day=day, jobs=tuple(jobs))

    def _queue(self, day: date, state: State, shut: Shut) -> Select[str, str, str, int, str, int, str]:
        code = func.coalesce(dues.c.code, "")
        query = select(dues.c.meter, dues.c.ean, dues.c.timezone, dues.c.attempts, code, dues.c.deadline, dues.c.kind)
        query = query.where(dues.c.day == day, dues.c.state == state)
        if shut.cells:
            query = query.where(dues.c.cell.not_in(shut.cells))
        if shut.kinds:
            query = query.where(dues.c.kind.not_in(shut.kinds))
        return query.where(dues.c.dso == self._dso) if self._dso else query

    def next_at(self, day: date, *, at_once: bool) -> tuple[int | None, int]:
        """When the next meter may be tried (None: no more wait), and how many are leased, by whomever."""
        first = dues.c.earliest if at_once else dues.c.next_at
        moments: list[int] = []
        with reading(self._engine) as connection:
            for state, column in ((State.WAITING, first), (State.RETRY, dues.c.next_at)):
                query = select(func.min(column)).where(dues.c.day == day, dues.c.state == state)
                if self._dso:
                    query = query.where(dues.c.dso == self._dso)
                found = connection.execute(query).scalar_one_or_none()
                if found is not None:
                    moments.append(found)
            busy = select(func.count()).where(dues.c.day == day, dues.c.state == State.LEASED)
            leased = connection.execute(busy).scalar_one()
        return min(moments, default=None), leased

    def held(self, day: date) -> bool:
        """Whether a process that still runs, as far as can be told here, is busy with ``day``."""
        with reading(self._engine) as connection:
            names = connection.execute(select(leases.c.holder).where(leases.c.day == day)).scalars().all()
        return any(not is_gone(name) for name in names)

    def renew(self, *, now: int) -> frozenset[str]:
        """Say that this process is still there; the leases that it had and that others have taken over meanwhile."""
        if not self._mine:
            return frozenset()
        with writing(self._engine) as connection:
            held = (leases.c.holder == self._me, leases.c.id.in_(sorted(self._mine)))
            there = set(connection.execute(select(leases.c.id).where(*held).with_for_update()).scalars())
            connection.execute(update(leases).where(*held).values(expires_at=now + LEASE_S))
        lost = frozenset(self._mine - there)
        self._mine &= there
        return lost

    # Ending.

    def mark_batch_within(
        self, connection: Connection, batch: str, rows: Sequence[Mapping[str, object]], *, at: int
    ) -> None:
        """The days (``day``, ``meter``, ``quarters``, ``present``) are about to be stored as ``batch``."""
        if rows:
            statement = (
                update(dues)
                .where(
                    dues.c.day == bindparam("of_day"),
                    dues.c.meter == bindparam("of_meter"),
                    dues.c.state != State.STORED,
                )
                .values(batch=batch, quarters=bindparam("quarters"), present=bindparam("present"), settled_at=at)
            )
            values = [
                {"of_day": row["day"], "of_meter": row["meter"], "quarters": row["quarters"], "present": row["present"]}
                for row in rows
            ]
            connection.execute(statement, values)

    def store_batch_within(self, connection: Connection, batch: str) -> None:
        """What was marked with ``batch`` is stored."""
        there = (dues.c.batch == batch, dues.c.state != State.STORED)
        connection.execute(update(dues).where(*there).values(state=State.STORED, lease=None, code=None))

    def settle_within(self, connection: Connection, day: date, settled: Sequence[Settled], *, at: int) -> None:
        """How tries ended that brought nothing to store."""
        if settled:
            statement = (
                update(dues)
                .where(
                    dues.c.day == day,
                    dues.c.meter == bindparam("of_meter"),
                    dues.c.state == State.LEASED,
                    dues.c.lease == bindparam("of_lease"),
                )
                .values(
                    state=bindparam("to_state"),
                    code=case((bindparam("why") == "", dues.c.code), else_=bindparam("why")),
                    next_at=bindparam("again_at"),
                    attempts=dues.c.attempts + bindparam("tries"),
                    lease=case((bindparam("to_state") == State.LEASED, dues.c.lease), else_=None),
                    settled_at=at,
                )
            )
            values = [
                {
                    "of_meter": one.meter,
                    "of_lease": one.lease,
                    "to_state": one.state,
                    "why": one.code,
                    "again_at": one.next_at,
                    "tries": int(one.counts),
                }
                for one in settled
            ]
            connection.execute(statement, values)

    def tidy_within(self, connection: Connection) -> None:
        """Forget our leases of which nothing is left."""
        left = select(dues.c.lease).where(dues.c.lease == leases.c.id, dues.c.state == State.LEASED)
        connection.execute(delete(leases).where(leases.c.holder == self._me, ~left.exists()))

    def take_over(self, day: date, *, now: int, is_stored: Callable[[str], bool]) -> int:
        """Give back what lost processes held of ``day``; how many meters. ``is_stored``: whether a batch is in the store."""
        with reading(self._engine) as connection:
            held = connection.execute(select(leases).where(leases.c.day == day)).all()
        # One of ours that we do not know of was taken when the database went away in the middle.
        others = [one for one in held if one.id not in self._mine]
        lost = [one for one in others if is_gone(one.holder) or one.expires_at < now]
        freed = 0
        for one in lost:
            ours = (dues.c.day == day, dues.c.lease == one.id, dues.c.state == State.LEASED)
            with reading(self._engine) as connection:
                marked = select(dues.c.batch).where(*ours, dues.c.batch.is_not(None)).distinct()
                batches = list(connection.execute(marked).scalars())
            stored = [batch for batch in batches if batch is not None and is_stored(batch)]
            with writing(self._engine) as connection:
                # Still there? Another process may have been quicker.
                if not connection.execute(delete(leases).where(leases.c.id == one.id)).rowcount:
                    continue
                for batch in stored:
                    meters = select(dues.c.meter).where(dues.c.batch == batch)
                    self._claims.fulfil_batch_within(connection, meters, since=one.taken_at, at=now)
                    self.store_batch_within(connection, batch)
                again = case((dues.c.attempts > 0, State.RETRY), else_=State.WAITING)
                freed += connection.execute(
                    update(dues)
                    .where(*ours)
                    .values(state=again, lease=None, batch=None, code="worker-lost", next_at=now)
                ).rowcount
        return freed
