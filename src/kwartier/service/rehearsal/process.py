"""One process of a rehearsed night: the engine and the desk of an installation, under a clock and on lines that are not real.

It can be killed as the system does it: at any instant, or where it reaches a named step. What it had not committed is gone, its
lines are reset, its own code hears nothing of that and has no effect any more.
"""

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError

from kwartier.collect.claims import Claims
from kwartier.collect.desk import Sink
from kwartier.collect.engine import Engine, Room
from kwartier.collect.host_clock import HostClock
from kwartier.collect.lease import Leases
from kwartier.collect.night_visit import carry_out
from kwartier.collect.outcome import Done, Task
from kwartier.collect.steps import Step
from kwartier.errors import Retry, StateError
from kwartier.service.home import Home, open_home
from kwartier.service.worker import Orders, bounds_of, clock_policy_of, desk_of
from kwartier.simulate.virtual.network import PROCESS, Network
from kwartier.simulate.virtual.trace import Trace
from kwartier.store import Appended, Entry

Answer = TypeVar("Answer")

STORED_AFTER_S = 45.0
"""Fewer and larger batches than in real life: each is a commit that takes real time."""
MIN_OFFICE_S, MAX_OFFICE_S = 0.001, 0.05
"""How long a piece of paper work waits for its turn."""


class Killed(BaseException):
    """The process is no more. No code of ours may catch it."""


@dataclass(slots=True, kw_only=True)
class Host:
    """A machine that processes run on. ``world_s`` and ``steady_s`` are right; its own clock is ``ahead_s`` ahead of them."""

    name: str
    world_s: Callable[[], float]
    steady_s: Callable[[], float]
    is_cut: bool = False
    """Whether it cannot reach the database."""
    ahead_s: float = 0.0

    def clock(self) -> HostClock:
        """What a process has that begins now."""
        return HostClock(system=lambda: self.world_s() + self.ahead_s, steady=self.steady_s)


@dataclass(slots=True, kw_only=True)
class Stage:
    """What all processes of a rehearsal share."""

    home: Path
    network: Network
    trace: Trace
    chance: random.Random
    room: Room
    database_is_away: bool = False
    disk_is_full: bool = False
    happened: Counter[str] = field(default_factory=Counter)
    """What went wrong, and how often."""


class Shelf:
    """The store, on a disk that may be full."""

    def __init__(self, sink: Sink, stage: Stage) -> None:
        self._sink = sink
        self._stage = stage

    def append(self, batch: str, entries: Sequence[Entry]) -> Appended:
        """Store them, if there is room."""
        if self._stage.disk_is_full:
            raise StateError("no-room", "the batch was not stored", retry=Retry.LATER)
        return self._sink.append(batch, entries)

    def has(self, batch: str) -> bool:
        """Whether the batch is there."""
        return self._sink.has(batch)


class Process:
    """A process by its name, on a host."""

    def __init__(self, name: str, host: Host, stage: Stage) -> None:
        self.name = name
        self.host = host
        self._stage = stage
        self._dead = False
        self._armed: Step | None = None
        self._main: asyncio.Task[None] | None = None
        self._clock = host.clock()

    @property
    def was_killed(self) -> bool:
        """Whether it did not end by itself."""
        return self._dead

    def kill_at(self, step: Step) -> None:
        """Let it live until it reaches ``step``."""
        self._armed = step

    def kill(self) -> None:
        """Now."""
        if self._dead:
            return
        self._dead = True
        lines = self._stage.network.kill(self.name)
        self._stage.trace.note(self.name, f"killed with {lines} ends of lines")
        if self._main is not None:
            self._main.cancel()

    async def run(self, orders: Orders) -> None:
        """Live until nothing is left to do, or until killed."""
        PROCESS.set(self.name)
        with open_home(self._stage.home) as home:
            event.listen(home.engine, "begin", self._reach_database)
            self._main = asyncio.ensure_future(self._work(home, orders))
            try:
                await self._main
            except asyncio.CancelledError:
                if not self._dead:
                    raise

    async def _work(self, home: Home, orders: Orders) -> None:
        engine = Engine(
            desk_of(
                home,
                orders,
                self._clock.wall,
                leases=Leases(home.engine, Claims(home.engine), dso=home.settings.dso, me=self.name),
                chance=self._stage.chance.random,
                sink=Shelf(home.open_store(), self._stage),
                reached=self.reached,
            ),
            lambda task: self._visit(home, task),
            room=self._stage.room,
            office=self._office,
            wall=self._clock.wall,
            until=orders.until,
            stored_after_s=STORED_AFTER_S,
            bounds=bounds_of(home.settings, orders),
            waits=self._clock.waits,
        )
        await engine.run()

    async def _visit(self, home: Home, task: Task) -> Done:
        trace, settings = self._stage.trace, home.settings
        trace.note(self.name, f"visits {task.meter.meter}, try {task.tries + 1}")
        done = await carry_out(
            task,
            wall=self._clock.wall,
            deadline_s=settings.visit_deadline_s,
            max_pdu=settings.max_pdu,
            challenge=self._stage.chance.randbytes,
            clocks=clock_policy_of(settings, self._clock.trusted),
            reached=self.reached,
        )
        trace.note(self.name, f"ended {task.meter.meter}: {done.visit.outcome}")
        return done

    # What the system would do.

    def _office(self, work: Callable[[], Answer]) -> Awaitable[Answer]:
        return self._in_turn(work)

    async def _in_turn(self, work: Callable[[], Answer]) -> Answer:
        await asyncio.sleep(self._stage.chance.uniform(MIN_OFFICE_S, MAX_OFFICE_S))
        if not self._dead:
            try:
                return work()
            except Killed:
                self.kill()
        # A process that is no more waits for nothing; this is where its code stays.
        forever: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        return await forever

    def reached(self, step: Step) -> None:
        """A named step of the work."""
        if self._dead:
            raise Killed
        if step == self._armed:
            self._armed = None
            self._stage.happened[f"killed-at:{step}"] += 1
            self._stage.trace.note(self.name, f"reaches {step}")
            self.kill()
            raise Killed

    def _reach_database(self, connection: Connection) -> None:
        if self._dead:
            raise Killed
        if self.host.is_cut or self._stage.database_is_away:
            raise OperationalError("BEGIN", {}, sqlite3.OperationalError("unable to open database file"))
