"""``python -m bench night``: a fleet read in a night, simulator and collector on the same cores, and what a meter costs.

The meters are met in a first night, in which what their profiles hold is asked too; the second, of the next day, is what every
night after it costs. For the meters both are visits of today; the collector's clock stands a day earlier in the first, because
a connection is read once a day. What was stored is compared with the truth, and a difference ends the run.
"""

import argparse
import cProfile
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop
from sqlalchemy import select

from kwartier.collect.engine import Tally
from kwartier.database import reading
from kwartier.service import night, worker
from kwartier.service.compare import compare_night
from kwartier.service.home import Home, create_home, open_home
from kwartier.service.night import Request
from kwartier.service.simulating import beside
from kwartier.service.worker import Orders
from kwartier.simulate import faults
from kwartier.simulate.latency import latency_of
from kwartier.simulate.world import TIMEZONE, World
from kwartier.tables import visits
from tests.somebody import TESTER

SEED = 1
DAY_S = 86_400
ACTOR = "os:bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one process of the collector spent on a night."""

    read: int
    cpu_s: float
    most_open: int
    peak_mb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One night: wall time of reading, CPU time of the collector a meter, the most memory of one of its processes."""

    read: int
    wall_s: float
    meters_per_s: float
    collector_cpu_us: float
    most_open: int
    peak_mb: int
    bytes_sent: float
    bytes_received: float


def main(words: Sequence[str] | None = None) -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench night", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--meters", type=int, default=100_000, help="meters of the fleet (default %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes of the collector (default %(default)s)")
    parser.add_argument("--open", type=int, default=500, help="visits open at once in each (default %(default)s)")
    parser.add_argument("--latency", default="none", help="of a round trip (default none)")
    parser.add_argument("--profile", type=Path, help="write what the first process did to this file (slows it down)")
    chosen = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        found = nights(Path(folder), chosen.meters, chosen.workers, chosen.open, chosen.latency, chosen.profile)
    told = {name: asdict(one) for name, one in found.items()}
    if chosen.json:
        print(json.dumps(told, indent=2))
        return
    for name, figures in told.items():
        print(f"{name:>8}: " + "  ".join(f"{key} {value:,.1f}" for key, value in figures.items()))


def nights(
    folder: Path, meters: int, workers: int, open_visits: int, latency: str, profile: Path | None
) -> dict[str, Found]:
    """The first night and the second, both compared with the truth."""
    home_folder, fleet = folder / "home", folder / "fleet"
    create_home(home_folder)
    with (home_folder / "kwartier.toml").open("a", encoding="utf-8") as out:
        out.write(f"open_visits = {open_visits}\n")
    today = night.yesterday(time.time(), TIMEZONE)
    found = {}
    world = World(seed=SEED, count=meters, faults=faults.load("none"))
    with beside(world, fleet, port=0, latency=latency_of(latency)):
        with open_home(home_folder) as home:
            home.registry.import_file(fleet / "fleet.csv", at=0)
            home.keyring.import_file(fleet / "keys.csv", at=0, actor=ACTOR, own_title=home.settings.own_title)
        for name, day, shift_s in (("first", today - timedelta(days=1), -DAY_S), ("second", today, 0)):
            with open_home(home_folder) as home:
                request = Request(day=day, workers=workers, at_once=True, actor=TESTER)
                night.plan(home, request, now=time.time() + shift_s)
            found[name] = _night(home_folder, day, shift_s, workers, profile if name == "second" else None)
            with open_home(home_folder) as home:
                outcome = compare_night(home, fleet, day, actor=TESTER)
            if not outcome.is_clean or found[name].read != meters:
                raise RuntimeError(f"{found[name].read} of {meters} were read, and {outcome}")
    return found


def _night(home: Path, day: date, shift_s: int, workers: int, profile: Path | None) -> Found:
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for number in range(workers):
        ours, theirs = context.Pipe(duplex=False)
        arguments = (home, day, shift_s, theirs, profile if number == 0 else None)
        processes.append(context.Process(target=_work, args=arguments))
        pipes.append(ours)
    begun = time.monotonic()
    for process in processes:
        process.start()
    costs: list[Cost] = [pipe.recv() for pipe in pipes]
    wall_s = time.monotonic() - begun
    for process in processes:
        process.join()
    read = sum(one.read for one in costs)
    sent, received = _bytes(home, read)
    return Found(
        read=read,
        wall_s=wall_s,
        meters_per_s=read / wall_s,
        collector_cpu_us=sum(one.cpu_s for one in costs) / read * 1e6,
        most_open=max(one.most_open for one in costs),
        peak_mb=max(one.peak_mb for one in costs),
        bytes_sent=sent,
        bytes_received=received,
    )


def _work(home_folder: Path, day: date, shift_s: int, told: Connection, profile: Path | None) -> None:
    with open_home(home_folder) as home:
        orders = Orders(
            home=home_folder, day=day, at_once=True, purpose="settlement", reason="", actor=ACTOR, until=None
        )
        tally = _profiled(lambda: _read(home, orders, shift_s), profile)
    spent = resource.getrusage(resource.RUSAGE_SELF)
    told.send(
        Cost(
            read=tally.stored,
            cpu_s=spent.ru_utime + spent.ru_stime,
            most_open=tally.most_open,
            peak_mb=peak_mb(),
        )
    )


def peak_mb() -> int:
    """The most memory that this process had. What ``getrusage`` says begins with what its parent had."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def _read(home: Home, orders: Orders, shift_s: int) -> Tally:
    return uvloop.run(worker.run(home, orders, progress=lambda tally: None, wall=lambda: time.time() + shift_s))


def _profiled(work: Callable[[], Tally], profile: Path | None) -> Tally:
    if profile is None:
        return work()
    profiler = cProfile.Profile()
    try:
        return profiler.runcall(work)
    finally:
        profiler.dump_stats(profile)


def _bytes(home_folder: Path, count: int) -> tuple[float, float]:
    """Bytes on the wire of the last visits, below TCP not counted: the mean a meter, out and in."""
    with open_home(home_folder) as home, reading(home.engine) as connection:
        query = select(visits.c.detail).order_by(visits.c.started.desc()).limit(count)
        details = [json.loads(text) for text in connection.execute(query).scalars()]
    sent, received = (sum(one[name] for one in details) / len(details) for name in ("sent", "received"))
    return sent, received


if __name__ == "__main__":
    main(sys.argv[1:])
