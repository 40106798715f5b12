"""A simulated fleet as a process: it listens, says where in files, and goes on until it is told to stop."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from kwartier.errors import InputError
from kwartier.simulate import truth
from kwartier.simulate.fleet import fleet_lines, key_lines, module_lines, write_lines
from kwartier.simulate.latency import Latency
from kwartier.simulate.running import Running
from kwartier.simulate.world import World


async def run_fleet(
    world: World,
    out: Path,
    *,
    clock: datetime | None,
    origin: str,
    port: int,
    latency: Latency | None,
    ready: Callable[[], None],
) -> None:
    """Listen, then write the files into ``out``, keys last; call ``ready`` and stay until SIGTERM or SIGINT."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stop.set)
    running = Running(world, now=_time(clock), has_clocks=clock is not None, latency=latency)
    await running.listen(port)
    try:
        # In a thread, so that whoever connects meanwhile is answered and a request to end is heard.
        await loop.run_in_executor(None, write_files, running, out, clock, origin)
        ready()
        await stop.wait()
    finally:
        running.close()


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
        write_lines(out / "fleet.csv", fleet_lines(running.places()))
        write_lines(out / "modules.csv", module_lines(map(world.who, range(world.count))))
        write_lines(out / truth.FILE, [truth.dump(world, clock)])
        write_lines(out / "keys.csv", key_lines(map(world.who, range(world.count)), origin))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise InputError("unwritable-file", f"{out}: {reason}") from None
