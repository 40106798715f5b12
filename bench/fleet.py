"""A fleet in a process of its own, steered while it runs: its days go by when a bench says so.

A connection is read once on a local day, so whoever wants many nights of one fleet needs many days. Fleet and collector are
told the same day, and both go by its noon. What the simulator itself has no fault for is made here: addresses at which nobody
answers at all, and meters of which the answer comes a byte at a time and never ends.
"""

import asyncio
import multiprocessing
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop

from kwartier import clock
from kwartier.service.simulating import write_files
from kwartier.simulate.latency import Latency
from kwartier.simulate.running import Running
from kwartier.simulate.world import World

TIMEZONE = "Europe/Amsterdam"
NOON_S = 12 * 3600
HOST = "127.18.0.1"
DRIP_S = 1.0
DRIPPED = bytes((0x00, 0x01, 0x00, 0x01, 0x00, 0x01, 0x0F, 0xFF))
"""The header of a wrapper that announces four thousand bytes; after it, each drop is a zero."""
HELD = 4
"""Lines that fill the queue of a listener which accepts nobody."""
Place = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steered:
    """A fleet that listens. ``hole`` answers no SYN, ``drip`` sends a byte a second."""

    files: Path
    hole: Place
    drip: Place
    told: Connection

    def go_to(self, day: date) -> float:
        """Let it be noon of the day after ``day`` there; how far the clocks of that day are from ours, in seconds."""
        ahead_s = clock.midnight(day + timedelta(days=1), TIMEZONE) + NOON_S - time.time()
        self.told.send(ahead_s)
        return ahead_s


def wall_of(ahead_s: float) -> Callable[[], float]:
    """The clock of a host for which it is ``ahead_s`` later than for us."""
    return lambda: time.time() + ahead_s


@contextmanager
def steered(world: World, files: Path, *, latency: Latency | None = None) -> Iterator[Steered]:
    """The fleet, listening and its files written, until the block ends."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_be, args=(world, files, latency, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        hole, drip = ours.recv()
        yield Steered(files=files, hole=hole, drip=drip, told=ours)
    finally:
        ours.close()
        process.join()


def _be(world: World, files: Path, latency: Latency | None, told: Connection) -> None:
    uvloop.run(_listen(world, files, latency, told))


async def _listen(world: World, files: Path, latency: Latency | None, told: Connection) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    ahead_s = 0.0

    def hear() -> None:
        nonlocal ahead_s
        try:
            ahead_s = told.recv()
        except EOFError:
            ended.set()

    # Nobody else keeps these meters from being read as often as there are days.
    running = Running(world, now=lambda: time.time() + ahead_s, latency=latency, max_profile_reads=None)
    await running.listen()
    with _hole() as hole:
        drip = await loop.create_server(_Drip, HOST, 0)
        try:
            await loop.run_in_executor(None, write_files, running, files, None, "operator")
            told.send((hole, drip.sockets[0].getsockname()))
            loop.add_reader(told.fileno(), hear)
            await ended.wait()
        finally:
            drip.close()
            running.close()


@contextmanager
def _hole() -> Iterator[Place]:
    """A listener whose queue is full: the kernel drops whatever else knocks."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen(0)
        place = listener.getsockname()
        held = [socket.socket() for _ in range(HELD)]
        try:
            for one in held:
                one.setblocking(False)
                one.connect_ex(place)
            yield place
        finally:
            for one in held:
                one.close()


class _Drip(asyncio.Protocol):
    """Answers a byte a second."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._sent:
            self._drop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def _drop(self) -> None:
        if self._transport is not None:
            self._transport.write(DRIPPED[self._sent : self._sent + 1] or b"\x00")
            self._sent += 1
            asyncio.get_running_loop().call_later(DRIP_S, self._drop)
