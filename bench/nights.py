"""Nights that a bench carries out in its own process, one local day after the other, and what it takes of memory meanwhile."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import uvloop

from bench.fleet import Steered, wall_of
from kwartier.collect.engine import Tally
from kwartier.service import night, worker
from kwartier.service.compare import compare_night
from kwartier.service.home import Home, create_home, open_home
from kwartier.service.night import Request
from kwartier.service.worker import Orders
from tests.somebody import TESTER

ACTOR = "os:bench"
FIRST_DAY = date(2026, 3, 2)
"""A Monday; which one it is does not matter."""
KB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A moment of this process."""

    at_s: float
    visits: int
    open: int
    memory_mb: float
    files: int


def sample(tally: Tally, before: int = 0) -> Sample:
    """Now. ``before``: visits of earlier nights."""
    return Sample(
        at_s=time.monotonic(),
        visits=before + tally.tries,
        open=tally.open,
        memory_mb=status_kb("VmRSS") / KB,
        files=sum(1 for _ in Path("/proc/self/fd").iterdir()),
    )


def status_kb(name: str) -> int:
    """A line of what the kernel says of this process' memory."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


@contextmanager
def home_of(folder: Path, fleet: Path, *, settings: str = "") -> Iterator[Home]:
    """A new home in ``folder`` that knows the fleet whose files are in ``fleet``; this process is set up as a worker is."""
    create_home(folder)
    with (folder / "kwartier.toml").open("a", encoding="utf-8") as out:
        out.write(settings)
    create_home(folder)  # in the database that the settings name
    with open_home(folder) as home:
        home.registry.import_file(fleet / "fleet.csv", at=0)
        home.keyring.import_file(fleet / "keys.csv", at=0, actor=ACTOR, own_title=home.settings.own_title)
        worker.collect_seldom()
        yield home


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A night. ``planned_s``: how long it took to plan it."""

    tally: Tally
    planned_s: float


def carry_out(home: Home, fleet: Steered, day: date, *, progress: Callable[[Tally], None]) -> Carried:
    """One night in this process, which does nothing else meanwhile."""
    wall = wall_of(fleet.go_to(day))
    begun_s = time.monotonic()
    night.plan(home, Request(day=day, workers=1, at_once=True, actor=TESTER), now=wall())
    planned_s = time.monotonic() - begun_s
    orders = Orders(home=home.path, day=day, at_once=True, purpose="settlement", reason="", actor=ACTOR, until=None)
    tally = uvloop.run(worker.run(home, orders, progress=progress, wall=wall))
    return Carried(tally=tally, planned_s=planned_s)


def demand_truth(home: Home, fleet: Path, day: date) -> None:
    """Raise unless what was stored of a day is what the meters counted."""
    outcome = compare_night(home, fleet, day, actor=TESTER)
    if not outcome.is_clean:
        raise RuntimeError(f"what was stored of {day} is not what the meters counted: {outcome}")
