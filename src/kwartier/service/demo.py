"""A living system on one machine: simulated meters on loopback, an installation that knows them, and a visit to each.

Everything goes the way that real meters go: the fleet and its keys are imported from files, counters are reserved in the
home's database, and what is read is compared with the households that the meters count.
"""

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from kwartier.errors import InputError
from kwartier.service.home import Home, actor
from kwartier.service.reading import Report, Request, counters_of, visit
from kwartier.simulate.fleet import SimulatedConnection, draw, write_fleet, write_keys
from kwartier.simulate.host import serve

HOST = "127.0.0.1"
TIMEZONE = "Europe/Amsterdam"
REASON = "demonstration with simulated meters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One visit of the demonstration: ``equal`` is whether every register that was read is the household's own."""

    connection: SimulatedConnection
    report: Report
    equal: bool


@asynccontextmanager
async def listening(connections: Sequence[SimulatedConnection], port: int) -> AsyncIterator[list[int]]:
    """The meters listen at ``port`` and those after it (0: any free ones) until the block ends; their ports.

    Raises ``InputError`` port-in-use when one of them cannot be had.
    """
    servers: list[asyncio.Server] = []
    try:
        for number, one in enumerate(connections):
            wanted = port + number if port else 0
            try:
                servers.append(await serve(one.station, HOST, wanted))
            except OSError as error:
                reason = os.strerror(error.errno) if error.errno else type(error).__name__
                raise InputError("port-in-use", f"no meter can listen at port {wanted} ({reason})") from None
        yield [server.sockets[0].getsockname()[1] for server in servers]
    finally:
        for server in servers:
            server.close()


async def demonstrate(
    home: Home,
    *,
    count: int,
    seed: int,
    port: int,
    recordings: Path | None,
    show: Callable[[Shown], None],
    done: Callable[[list[Shown]], None],
    stay: bool,
) -> bool:
    """Make ``count`` meters, tell ``home`` of them, read yesterday from each; whether all were read and equal the truth.

    ``show`` is called after each visit, ``done`` after the last. ``stay``: the meters then go on listening until they are
    told to stop.
    """
    connections = draw(count, seed=seed, now=time.time, recordings=recordings)
    async with listening(connections, port) as ports:
        _introduce(home, connections, ports)
        day = datetime.now(ZoneInfo(TIMEZONE)).date() - timedelta(days=1)
        shown: list[Shown] = []
        for one in connections:
            shown.append(await _visit(home, one, day))
            show(shown[-1])
        done(shown)
        if stay:
            await _told_to_stop()
    return all(one.equal for one in shown)


async def _told_to_stop() -> None:
    """Until Ctrl-C or a request to end, also where whoever started us ignores Ctrl-C."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stop.set)
    await stop.wait()


def _introduce(home: Home, connections: Sequence[SimulatedConnection], ports: Sequence[int]) -> None:
    """Import the fleet and its keys from the files that an operator would use."""
    with tempfile.TemporaryDirectory() as folder:
        fleet, keys = Path(folder, "fleet.csv"), Path(folder, "keys.csv")
        write_fleet(fleet, connections, ports, HOST)
        write_keys(keys, connections)
        now = int(time.time())
        home.registry.import_file(fleet, at=now)
        home.keyring.import_file(keys, at=now, actor=actor(), own_title=home.settings.own_title)
    for one in connections:
        held = home.keyring.keys_of(one.meter)
        if held is not None:
            one.station.resume(max(0, counters_of(home, home.registry.meter(one.meter), held).peer_counter))


async def _visit(home: Home, one: SimulatedConnection, day: date) -> Shown:
    request = Request(
        meter=one.meter,
        start=day,
        end=day + timedelta(days=1),
        purpose="test",
        reason=REASON,
        actor=actor(),
    )
    report = await visit(home, request)
    return Shown(connection=one, report=report, equal=_equals_truth(one, report))


def _equals_truth(one: SimulatedConnection, report: Report) -> bool:
    result = report.visit.result
    if result is None:
        return False
    readings = result.readings
    truth = dict(zip(("import_wh", "export_wh"), one.household.registers(readings.times), strict=True))
    return all(
        bool((readings.missing[name] == 0).all()) and bool((column == truth[name]).all())
        for name, column in readings.registers.items()
    )
