"""A simulated fleet as a process: it listens, says where in files, and goes on until it is told to stop."""

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop

from kwartier.errors import InputError, StateError
from kwartier.simulate import truth
from kwartier.simulate.fleet import fleet_lines, key_lines, module_lines, write_lines
from kwartier.simulate.latency import Latency
from kwartier.simulate.p1 import ConsumerPort
from kwartier.simulate.p1_port import P1Server
from kwartier.simulate.running import Running
from kwartier.simulate.trouble import CALM, Trouble
from kwartier.simulate.world import World

ANSWERS_S = 5.0
"""How long a fleet that was told something is waited for,"""
ENDS_S = 2.0
"""and one that was told to end."""


async def run_fleet(
    world: World,
    out: Path,
    *,
    clock: datetime | None,
    origin: str,
    port: int,
    latency: Latency | None,
    ready: Callable[[], None],
    parent: int | None = None,
    heard: Connection | None = None,
) -> None:
    """Listen, then write the files into ``out``, keys last; call ``ready`` and stay until SIGTERM or SIGINT.

    ``parent``: a descriptor that becomes readable when whoever started us is gone, which ends it, too. ``heard``: where whoever
    started us tells , with a number, what trouble there is from now on; the number is the answer.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    if parent is not None:
        loop.add_reader(parent, stop.set)
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stop.set)
    running = Running(world, now=_time(clock), has_clocks=clock is not None, latency=latency)
    await running.listen(port)
    try:
        # In a thread, so that whoever connects meanwhile is answered and a request to end is heard.
        await loop.run_in_executor(None, write_files, running, out, clock, origin)
        ready()
        if heard is not None:
            loop.add_reader(heard.fileno(), _take_trouble, running, heard)
        await stop.wait()
    finally:
        running.close()


def _take_trouble(running: Running, heard: Connection) -> None:
    try:
        if heard.poll():  # what only seems to be readable must not be waited for: nothing else would be heard meanwhile
            number, running.trouble = heard.recv()
            heard.send(number)
    except (EOFError, OSError):
        # Whoever started us is gone, which is noticed by itself.
        asyncio.get_running_loop().remove_reader(heard.fileno())


async def run_p1(folder: Path, meter: str, *, host: str, port: int, ready: Callable[[int], None]) -> None:
    """Play the consumer port of one meter of the fleet in ``folder`` until SIGTERM or SIGINT. Raises ``InputError``."""
    told = truth.load(folder)
    try:
        who = told.who(meter)
    except KeyError:
        raise InputError("unknown-meter", f"the fleet in {folder} has no meter {meter[:80]!r}") from None
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stop.set)
    letters = who.supplier.letters.decode("ascii")
    server = P1Server(
        ConsumerPort(told.metering(meter), letters=letters, name=meter, timezone=told.timezone),
        now=_time(told.clock),
    )
    try:
        ready(await server.listen(host, port))
    except OSError as error:
        raise InputError("port-in-use", f"nothing can listen at {host} port {port} ({error.strerror})") from None
    speaking = loop.create_task(server.speak())
    try:
        await stop.wait()
    finally:
        speaking.cancel()
        server.close()


class Beside:
    """A fleet in a process of its own, as whoever started it sees it. Any thread may tell it something."""

    def __init__(self, line: Connection) -> None:
        self._line = line
        self._one_at_a_time = threading.Lock()
        self._trouble = CALM
        self._told = 0

    @property
    def trouble(self) -> Trouble:
        """What it was told last."""
        return self._trouble

    def change(self, into: Callable[[Trouble], Trouble]) -> None:
        """From now on there is what ``into`` makes of the trouble that there was. Raises ``StateError`` fleet-gone."""
        with self._one_at_a_time:
            self._told += 1
            trouble = into(self._trouble)
            try:
                self._line.send((self._told, trouble))
                # An answer that came too late for its own question is none to this one.
                while self._line.poll(ANSWERS_S):
                    if self._line.recv() == self._told:
                        self._trouble = trouble
                        return
            except (EOFError, OSError):
                raise StateError("fleet-gone", "the simulated fleet has ended") from None
            raise StateError("fleet-gone", "the simulated fleet does not answer")


@contextmanager
def beside(world: World, out: Path, *, port: int, latency: Latency | None = None) -> Iterator[Beside]:
    """The fleet in a process of its own, listening and its files written, until the block ends. Raises ``InputError``."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_be_beside, args=(world, out, port, latency, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        try:
            complaint = ours.recv()
        except EOFError:
            complaint = ("internal-error", "the simulated fleet ended before it was ready")
        if complaint is not None:
            raise InputError(*complaint)
        yield Beside(ours)
    finally:
        process.terminate()
        process.join(ENDS_S)
        if process.is_alive():
            process.kill()
            process.join()
        ours.close()


def _be_beside(world: World, out: Path, port: int, latency: Latency | None, line: Connection) -> None:
    starter = multiprocessing.parent_process()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; whoever started us decides
    try:
        uvloop.run(
            run_fleet(
                world,
                out,
                clock=None,
                origin="operator",
                port=port,
                latency=latency,
                ready=lambda: line.send(None),
                parent=None if starter is None else starter.sentinel,
                heard=line,
            )
        )
    except InputError as error:
        line.send((error.code, error.detail))


def _time(clock: datetime | None) -> Callable[[], float]:
    if clock is None:
        return time.time
    ahead_s = clock.timestamp() - time.time()
    return lambda: time.time() + ahead_s


def write_files(running: Running, out: Path, clock: datetime | None, origin: str) -> None:
    """The files of a fleet that listens, keys last. Raises ``InputError`` unwritable-file."""
    world = running.world
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_lines(out / "fleet.csv", fleet_lines(running.places(), world.timezone))
        write_lines(out / "modules.csv", module_lines(map(world.who, range(world.count))))
        write_lines(out / truth.FILE, [truth.dump(world, clock)])
        write_lines(out / "keys.csv", key_lines(map(world.who, range(world.count)), origin))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise InputError("unwritable-file", f"{out}: {reason}") from None
