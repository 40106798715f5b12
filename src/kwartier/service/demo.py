"""A living system on one machine: a simulated fleet on loopback, an installation that knows it, and a night that reads it.

Everything goes the way that a real fleet goes: it is imported from its files, counters are reserved in the home's database, the
night runs in a process of its own, and what it stored is compared with what the households used, through the gate.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from kwartier.collect.due import Counts
from kwartier.service import night
from kwartier.service.compare import compare_night
from kwartier.service.demo_settlement import SettledDay, settle_day
from kwartier.service.home import Home
from kwartier.service.identity import actor
from kwartier.service.night import Progress, Request
from kwartier.service.simulating import beside
from kwartier.simulate import faults as faulty
from kwartier.simulate.compare import Comparison
from kwartier.simulate.world import World

REASON = "demonstration with simulated meters"
VISIT_DEADLINE_S = 4.0
"""Shorter than in real life, so that a meter that does not answer is not waited for while somebody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """How it went."""

    day: date
    counts: Counts
    comparison: Comparison
    night_s: float
    settled: SettledDay


@contextmanager
def living(
    home: Home, *, meters: int, seed: int, port: int, faults: str, recordings: Path | None
) -> Iterator[Callable[[Callable[[Progress], None], Callable[[str], None]], Demonstration]]:
    """A fleet that listens and that ``home`` knows, until the block ends. What is given reads it and says how that went.

    Raises ``InputError`` port-in-use when the fleet cannot listen.
    """
    world = World(seed=seed, count=meters, faults=faulty.load(faults), recordings=recordings)
    with tempfile.TemporaryDirectory(prefix="kwartier-fleet-") as folder, beside(world, Path(folder), port=port):
        _introduce(home, Path(folder))
        yield lambda show, say: _read(home, Path(folder), show, say)


def _introduce(home: Home, folder: Path) -> None:
    """Import the fleet and its keys from the files that an operator would use."""
    now = int(time.time())
    home.registry.import_file(folder / "fleet.csv", at=now)
    home.registry.import_modules(folder / "modules.csv", at=now)
    home.keyring.import_file(folder / "keys.csv", at=now, actor=actor(home).name, own_title=home.settings.own_title)


def _read(home: Home, folder: Path, show: Callable[[Progress], None], say: Callable[[str], None]) -> Demonstration:
    day = night.yesterday(time.time(), home.settings.timezone)
    request = Request(day=day, workers=1, at_once=True, actor=actor(home), reason=REASON, deadline_s=VISIT_DEADLINE_S)
    begun = time.monotonic()
    counts = night.run(home, request, show=show, say=say)
    took_s = time.monotonic() - begun
    settled = settle_day(home, folder, day, actor=actor(home), reason=REASON, say=say)
    return Demonstration(
        day=day,
        counts=counts,
        comparison=compare_night(home, folder, day, actor=actor(home)),
        night_s=took_s,
        settled=settled,
    )
