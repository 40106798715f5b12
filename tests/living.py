"""Simulated meters that listen on loopback while a test runs, and homes that know them.

The meters live on an event loop of their own in a thread, so that a command under test may run its own loop, in this process
or in another. Their clock is fixed: a test reads the same days for ever.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from kwartier.disk import PRIVATE_FILE, PRIVATE_FOLDER
from kwartier.service import settings as settings_file
from kwartier.service.home import DATABASE_FILE, Home, create_home, open_home
from kwartier.simulate.fleet import SimulatedConnection, draw, write_fleet, write_keys
from kwartier.simulate.host import Station, serve
from tests.postgres import sqlite_with_tables

NOW = datetime(2026, 3, 6, 3, 0, tzinfo=UTC).timestamp()
"""What the meters' clocks show, unless a test says otherwise: 4 and 5 March are whole and in the buffer."""
START_S = 10.0
OWN_TITLE = bytes.fromhex("4B57540102030405")


@contextmanager
def listening(stations: Sequence[Station]) -> Iterator[list[int]]:
    """The stations listen until the block ends; their ports."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> list[asyncio.Server]:
        return [await serve(station) for station in stations]

    async def stop(servers: list[asyncio.Server]) -> None:
        for server in servers:
            server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    servers = asyncio.run_coroutine_threadsafe(start(), loop).result(START_S)
    try:
        yield [server.sockets[0].getsockname()[1] for server in servers]
    finally:
        asyncio.run_coroutine_threadsafe(stop(servers), loop).result(START_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(START_S)
        loop.close()


def new_home(path: Path) -> Path:
    """The home that `init` makes, a little sooner: on SQLite, a copy of a database that has its tables lies ready for it."""
    path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    settings = settings_file.load(path) if settings_file.there(path) else settings_file.defaults()
    if not settings.database:
        file = path / DATABASE_FILE
        file.touch(mode=PRIVATE_FILE)
        file.write_bytes(sqlite_with_tables())
    create_home(path)
    return path


@contextmanager
def fleet(
    home: Path, count: int = 2, *, seed: int = 1, now: Callable[[], float] = lambda: NOW
) -> Iterator[tuple[Home, list[SimulatedConnection]]]:
    """An opened home that knows ``count`` simulated meters, by turns over the wrapper and over HDLC, and those meters."""
    connections = draw(count, seed=seed, now=now, recordings=None)
    new_home(home)
    with listening([one.station for one in connections]) as ports, open_home(home) as opened:
        fleet_file, keys_file = home / "fleet.csv", home / "keys.csv"
        write_fleet(fleet_file, connections, ports, "127.0.0.1")
        write_keys(keys_file, connections)
        opened.registry.import_file(fleet_file, at=int(NOW))
        opened.keyring.import_file(keys_file, at=int(NOW), actor="os:test", own_title=opened.settings.own_title)
        yield opened, connections
