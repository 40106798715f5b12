"""A street of simulated meters in a process of its own, and an installation that knows them."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from kwartier.service.home import open_home
from kwartier.service.simulating import write_files
from kwartier.simulate import faults
from kwartier.simulate.running import Running
from kwartier.simulate.world import World
from tests.living import new_home

TIMEZONE = "Europe/Amsterdam"
READY_S = 60.0


@contextmanager
def street(folder: Path, meters: int, *options: str, seed: int = 7) -> Iterator[Path]:
    """``simulate fleet`` runs until the block ends; the folder of its files."""
    out = folder / "fleet"
    words = ("simulate", "fleet", "--meters", f"{meters}", "--seed", f"{seed}", "--out", f"{out}", *options)
    with subprocess.Popen([sys.executable, "-m", "kwartier", *words], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"READY {meters}\n"
            yield out
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(READY_S)


@contextmanager
def timeless(folder: Path, meters: int, now: Callable[[], float], *, seed: int = 7) -> Iterator[Path]:
    """A street without faults whose clocks, buffers and drift are real on a time of our own: ``now`` gives UTC seconds."""
    out, loop = folder / "fleet", asyncio.new_event_loop()
    world = World(seed=seed, count=meters, faults=faults.load("none"))
    running = Running(world, now=now, has_clocks=True)
    host = threading.Thread(target=loop.run_forever)
    host.start()
    try:
        asyncio.run_coroutine_threadsafe(running.listen(), loop).result(READY_S)
        write_files(running, out, datetime.fromtimestamp(now(), UTC), "operator")
        yield out
    finally:
        loop.call_soon_threadsafe(running.close)
        loop.call_soon_threadsafe(loop.stop)
        host.join(READY_S)
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def installed(folder: Path, fleet: Path, *settings: str) -> Path:
    """A home that knows the fleet and its keys."""
    home = folder / "home"
    new_home(home)
    with (home / "kwartier.toml").open("a", encoding="utf-8") as out:
        out.writelines(f"{line}\n" for line in settings)
    with open_home(home) as opened:
        opened.registry.import_file(fleet / "fleet.csv", at=0)
        opened.keyring.import_file(fleet / "keys.csv", at=0, actor="os:test", own_title=opened.settings.own_title)
    return home


def night(home: Path, *words: str) -> subprocess.Popen[str]:
    """``kwartier night``, begun in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "kwartier", "--home", f"{home}", "night", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        env={**os.environ, "KWARTIER_HOME": ""},
    )
