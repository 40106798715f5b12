"""One process of a night: it opens the home, visits until nothing is left, and ends with whoever started it.

A process that is told to end (SIGTERM) begins nothing more, lets what is open end, stores it and gives the rest back; told a
second time, or when its parent is gone, it breaks off what is open too.
"""

import asyncio
import gc
import multiprocessing
import random
import signal
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

import uvloop

from kwartier.collect.claims import Claims
from kwartier.collect.desk import Desk, Sink
from kwartier.collect.due import ENOUGH_TRIES, Dues
from kwartier.collect.engine import Engine, Room, Tally
from kwartier.collect.lease import Leases
from kwartier.collect.limits import Bounds
from kwartier.collect.night_visit import carry_out
from kwartier.collect.outcome import Rules
from kwartier.collect.steps import Reached, onward
from kwartier.cosem.clock_steps import ClockPolicy
from kwartier.errors import KwartierError
from kwartier.gate.ids import Ids
from kwartier.service.files import raised, room_for
from kwartier.service.home import Home, open_home
from kwartier.service.host_time import host_clock, wall_of
from kwartier.service.settings import Settings

Answer = TypeVar("Answer")

RETRY_PART = 5
"""One in so many slots is for tries after the first."""
TRIES_IN_WINDOW = 6
BACKOFF_AT_ONCE_S = 1.0
BACKOFF_IN_WINDOW_S = 30.0
MAX_BACKOFF_S = 900.0
COLLECT_EVERY = 100_000
"""Objects after which cycles are looked for: visits leave nearly none, and looking often is a twentieth of all the work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a process is told."""

    home: Path
    day: date
    at_once: bool
    purpose: str
    reason: str
    actor: str
    until: float | None
    processes: int = 1
    """How many share this host's part of what the radio bears."""
    max_tries: int | None = None
    """None: as the night goes about it."""
    deadline_s: float | None = None
    """The total time of a visit; None: as the settings say."""
    ahead_s: float = 0.0
    """How far the clock of the night is ahead of this host's."""


def rules_of(orders: Orders) -> Rules:
    """How the night goes about it: patiently in the window, quickly when somebody waits for it."""
    return Rules(
        day=orders.day,
        at_once=orders.at_once,
        max_tries=orders.max_tries or (ENOUGH_TRIES if orders.at_once else TRIES_IN_WINDOW),
        backoff_s=BACKOFF_AT_ONCE_S if orders.at_once else BACKOFF_IN_WINDOW_S,
        max_backoff_s=MAX_BACKOFF_S,
        purpose=orders.purpose,
        reason=orders.reason,
        actor=orders.actor,
    )


def room_of(open_visits: int) -> Room:
    """The slots of one process, within what its limit of open files allows."""
    fits = min(open_visits, raised().visits)
    again = max(1, fits // RETRY_PART)
    return Room(first=max(1, fits - again), again=again)


def bounds_of(settings: Settings, orders: Orders) -> Bounds:
    """What one of the night's processes may do: all of them, on all hosts, keep within the settings together."""
    parts = orders.processes * settings.hosts
    return Bounds(
        visits_per_s=settings.visits_per_s / parts,
        cell_visits_per_s=settings.cell_visits_per_s / parts,
        cell_open_visits=-(-settings.cell_open_visits // parts),
        # Somebody who waits wants each meter tried; a night has time to find out what is broken.
        breaks=not orders.at_once,
    )


def desk_of(
    home: Home,
    orders: Orders,
    wall: Callable[[], float] = time.time,
    leases: Leases | None = None,
    chance: Callable[[], float] = random.random,
    sink: Sink | None = None,
    reached: Reached = onward,
) -> Desk:
    """The paper work of this process in this home."""
    claims = Claims(home.engine)
    return Desk(
        home.engine,
        registry=home.registry,
        keyring=home.keyring,
        visits=home.visits,
        claims=claims,
        dues=Dues(home.engine, home.settings.dso),
        leases=leases or Leases(home.engine, claims, dso=home.settings.dso),
        ids=Ids(home.engine),
        sink=sink or home.open_store(),
        own_title=home.settings.own_title,
        rules=rules_of(orders),
        wall=wall,
        chance=chance,
        has_room=lambda: room_for(home.store_folder).is_enough,
        reached=reached,
        traces=home.traces,
    )


def clock_policy_of(settings: Settings, trusted: Callable[[], bool]) -> ClockPolicy | None:
    """When meters' clocks are set; None: never. ``trusted``: whether our own clock is to be believed just now."""
    if settings.clock_correction == "never":
        return None
    return ClockPolicy(
        tolerance_s=settings.clock_tolerance_s,
        step_s=settings.clock_step_s,
        trusted=trusted,
    )


class Thread:
    """An office of one clerk: the desk's work is done there, one thing after the other."""

    def __init__(self) -> None:
        self._clerk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="desk")

    def __call__(self, work: Callable[[], Answer]) -> Awaitable[Answer]:
        """Do it on the thread."""
        return asyncio.get_running_loop().run_in_executor(self._clerk, work)

    def close(self) -> None:
        """Wait for what is being done."""
        self._clerk.shutdown()


async def run(
    home: Home,
    orders: Orders,
    *,
    progress: Callable[[Tally], None],
    parent: int | None = None,
    wall: Callable[[], float] = time.time,
    reached: Reached = onward,
) -> Tally:
    """Visit until nothing is left. ``parent``: a descriptor that becomes readable when whoever started us is gone.

    ``wall``: the clock of the system, in UTC seconds. Raises ``StateError`` host-clock when it could not be trusted for long.
    """
    office = Thread()
    settings = home.settings
    clock = host_clock(wall, demanding=settings.synchronised_clock)
    engine = Engine(
        desk_of(home, orders, clock.wall, reached=reached),
        partial(
            carry_out,
            wall=clock.wall,
            deadline_s=orders.deadline_s or settings.visit_deadline_s,
            max_pdu=settings.max_pdu,
            clocks=clock_policy_of(settings, clock.trusted),
            reached=reached,
        ),
        room=room_of(settings.open_visits),
        office=office,
        wall=clock.wall,
        until=orders.until,
        bounds=bounds_of(settings, orders),
        waits=clock.waits,
        progress=progress,
    )
    loop = asyncio.get_running_loop()
    told = 0

    def asked_to_end() -> None:
        nonlocal told
        told += 1
        (engine.drain if told == 1 else engine.stop)()

    loop.add_signal_handler(signal.SIGTERM, asked_to_end)
    if parent is not None:
        # Ctrl-C reaches the whole group; whoever started us hears it too, and tells us once.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        loop.add_reader(parent, engine.stop)
    else:
        loop.add_signal_handler(signal.SIGINT, asked_to_end)
    try:
        return await engine.run()
    finally:
        if parent is not None:
            loop.remove_reader(parent)
        office.close()


def collect_seldom() -> None:
    """Look for cycles of garbage as a worker process does."""
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY)


def work(orders: Orders, report: Connection) -> None:
    """The whole life of a worker process: it reports tallies, and at last ``None`` or the sentence of what went wrong."""
    starter = multiprocessing.parent_process()

    def tell(tally: Tally) -> None:
        try:
            report.send(asdict(tally))
        except (BrokenPipeError, OSError):
            return  # nobody listens; the parent's end is noticed by itself

    collect_seldom()
    try:
        with open_home(orders.home) as home:
            parent = None if starter is None else starter.sentinel
            uvloop.run(run(home, orders, progress=tell, parent=parent, wall=wall_of(orders.ahead_s)))
    except KwartierError as error:
        report.send(error.sentence())
        raise SystemExit(1) from None
    report.send(None)
