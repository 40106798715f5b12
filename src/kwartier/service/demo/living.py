"""A living system on one machine: a simulated fleet on loopback, an installation that knows it, and a night that reads it.

Everything goes the way that a real fleet goes: it is imported from its files, counters are reserved in the home's database, the
night runs in a process of its own, and what it stored is compared with what the households used, through the gate.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from kwartier.collect.due import Counts
from kwartier.service import night
from kwartier.service.compare import compare_night
from kwartier.service.demo.settled_day import SettledDay, settle_day
from kwartier.service.home import Home
from kwartier.service.host_time import wall_of
from kwartier.service.identity import actor
from kwartier.service.night import Progress, Request
from kwartier.service.simulating import Beside, beside
from kwartier.simulate import faults as faulty
from kwartier.simulate.compare import Comparison
from kwartier.simulate.world import World

REASON = "demonstration with simulated meters"
VISIT_DEADLINE_S = 4.0
"""Shorter than in real life, so that a meter that does not answer is not waited for while somebody watches."""


class Shows(Protocol):
    """Who is shown how far a night is."""

    def show(self, progress: Progress) -> None:
        """So far."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """How it went."""

    day: date
    counts: Counts
    comparison: Comparison
    night_s: float
    settled: SettledDay

    @property
    def is_right(self) -> bool:
        """Whether every register is what the meter counted, and every residual what it has to be."""
        return self.comparison.is_clean and all(one.is_exact for one in self.settled.left)


@dataclass(frozen=True, slots=True, kw_only=True)
class Living:
    """A fleet that listens, and the installation that knows it. ``folder``: the files of the fleet."""

    home: Home
    world: World
    fleet: Beside
    folder: Path

    def read(
        self,
        day: date,
        showing: Callable[[], AbstractContextManager[Shows]],
        say: Callable[[str], None],
        *,
        told: list[int],
        ahead_s: float = 0.0,
    ) -> Demonstration | None:
        """Read a day in one night, at once, and settle it; None where it was told to end.

        ``showing``: who is shown how far the night is, while it goes on; ``told``: how often it was told to end, as for
        :func:`kwartier.service.night.run`; ``ahead_s``: how far the night's clock is ahead of this host's, which has to be that
        of the fleet.
        """
        home, who, wall = self.home, actor(self.home), wall_of(ahead_s)
        request = Request(
            day=day,
            workers=1,
            at_once=True,
            actor=who,
            reason=REASON,
            deadline_s=VISIT_DEADLINE_S,
            ahead_s=ahead_s,
        )
        begun = time.monotonic()
        with showing() as shown:
            counts = night.run(home, request, show=shown.show, say=say, told=told)
        took_s = time.monotonic() - begun
        if told[0]:
            return None
        settled = settle_day(
            home, self.folder, day, actor=who, reason=REASON, say=say, wall=wall, ended=lambda: told[0] > 0
        )
        if settled is None:
            return None
        return Demonstration(
            day=day,
            counts=counts,
            comparison=compare_night(home, self.folder, day, actor=who),
            night_s=took_s,
            settled=settled,
        )


@contextmanager
def living(home: Home, *, meters: int, seed: int, port: int, faults: str, recordings: Path | None) -> Iterator[Living]:
    """A fleet that listens and that ``home`` knows, until the block ends.

    Raises ``InputError`` port-in-use when the fleet cannot listen.
    """
    world = World(seed=seed, count=meters, faults=faulty.load(faults), recordings=recordings)
    with (
        tempfile.TemporaryDirectory(prefix="kwartier-fleet-") as folder,
        beside(world, Path(folder), port=port) as fleet,
    ):
        _introduce(home, Path(folder))
        yield Living(home=home, world=world, fleet=fleet, folder=Path(folder))


def _introduce(home: Home, folder: Path) -> None:
    """Import the fleet and its keys from the files that an operator would use."""
    now = int(time.time())
    home.registry.import_file(folder / "fleet.csv", at=now)
    home.registry.import_modules(folder / "modules.csv", at=now)
    home.keyring.import_file(folder / "keys.csv", at=now, actor=actor(home).name, own_title=home.settings.own_title)
