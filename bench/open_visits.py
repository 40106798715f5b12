"""``python -m bench open_visits``: ten thousand visits open at once on slow lines, and whether the rate is what it has to be.

By Little's law as many visits end in a second as are open on average, divided by the time that one takes. The line alone
takes its round trips; what a visit takes beyond them is us, or the two cores that the simulator shares with us. Only that
stretch of the night counts in which the slots are full. The meters are met for the first time, so each is also asked what its
profile holds.
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from sqlalchemy import select

from bench.fleet import Steered, steered
from bench.nights import FIRST_DAY, KB, Sample, carry_out, demand_truth, home_of, sample, status_kb
from kwartier.collect.engine import Tally
from kwartier.database import reading
from kwartier.service import worker
from kwartier.service.home import Home, open_home
from kwartier.service.worker import RETRY_PART
from kwartier.simulate import faults
from kwartier.simulate.latency import latency_of
from kwartier.simulate.world import World
from kwartier.tables import visits

SEED = 5
FULL_PART = 0.97
"""With this part of the slots taken they are full: a visit that ended has a successor within a beat."""
EVERY_S = 0.5
US = 1e6
MAX_PEAK_MB = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the slots gave. ``visit_times``: for how many they were full; 0: never, and then all of the night counts."""

    round_trip_s: float
    most_open: int
    visit_times: int
    mean_open: float
    visit_s: float
    """The mean of the visits that ended while the slots were full."""
    rate_by_law: float
    """``mean_open / visit_s``."""
    rate: float
    """Visits that ended in a second."""
    round_trips: float
    """Questions of a visit, each of which is answered before the next is asked."""
    line_s: float
    """What of a visit its round trips take."""
    process_mb: float
    """At the end, with no visit open."""
    peak_mb: float
    visit_kb: float
    """Memory at the most open beyond that at the start, a visit."""
    most_files: int


def main(words: Sequence[str] | None = None) -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench open_visits", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--open", type=int, default=10_000, help="visits open at once (default %(default)s)")
    parser.add_argument("--meters", type=int, default=40_000, help="meters of the fleet (default %(default)s)")
    parser.add_argument("--seconds", type=float, nargs="+", default=[1.0, 5.0], help="a round trip (default 1 5)")
    chosen = parser.parse_args(words)
    found = []
    for seconds in chosen.seconds:
        with tempfile.TemporaryDirectory() as folder:
            found.append(measure(Path(folder), chosen.meters, chosen.open, seconds))
        if not chosen.json:
            show(found[-1])
    if chosen.json:
        print(json.dumps([asdict(one) for one in found], indent=2))


def show(found: Found) -> None:
    """For people."""
    print(f"{found.round_trip_s:g} s a round trip, {found.most_open:,} open, full for {found.visit_times} visit times")
    print(
        f"  rate {found.rate:,.0f} a second; by law {found.mean_open:,.0f} / {found.visit_s:.1f} s = {found.rate_by_law:,.0f}"
    )
    by_line = found.mean_open / found.line_s
    print(
        f"  the line takes {found.round_trips:.1f} round trips, {found.line_s:.1f} s: alone it would give {by_line:,.0f}"
    )
    print(
        f"  peak {found.peak_mb:,.0f} MB (aim {MAX_PEAK_MB}), {found.visit_kb:.1f} kB a visit, {found.most_files:,} descriptors"
    )


def measure(folder: Path, meters: int, open_visits: int, seconds: float) -> Found:
    """One night, in a process that has done nothing before."""
    world = World(seed=SEED, count=meters, faults=faults.load("none"))
    slots = -(-open_visits * RETRY_PART // (RETRY_PART - 1))  # of which some are for later tries
    settings = f"open_visits = {slots}\nvisit_deadline_s = 600\n"
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    with steered(world, folder / "fleet", latency=latency_of(f"{seconds:g}s")) as fleet:
        with home_of(folder / "home", fleet.files, settings=settings):
            pass
        process = context.Process(target=_read, args=(folder / "home", fleet, theirs))
        process.start()
        theirs.close()
        samples, peak_mb = ours.recv()
        process.join()
        with open_home(folder / "home") as home:
            demand_truth(home, fleet.files, FIRST_DAY)
            return _found(home, samples, peak_mb, seconds)


def _read(home_folder: Path, fleet: Steered, told: Connection) -> None:
    samples: list[Sample] = []

    def look(tally: Tally) -> None:
        if not samples or time.monotonic() - samples[-1].at_s >= EVERY_S:
            samples.append(sample(tally))

    worker.collect_seldom()
    with open_home(home_folder) as home:
        samples.append(sample(Tally()))
        samples.append(sample(carry_out(home, fleet, FIRST_DAY, progress=look).tally))
    told.send((samples, status_kb("VmHWM") / KB))


def _found(home: Home, samples: Sequence[Sample], peak_mb: float, seconds: float) -> Found:
    most = max(samples, key=lambda one: one.open)
    query = select(visits.c.started, visits.c.ended, visits.c.detail).order_by(visits.c.ended)
    with reading(home.engine) as connection:
        ended = connection.execute(query).all()
    visit_s = sum(row.ended - row.started for row in ended) / US / len(ended)
    full = [one for one in samples if one.open >= FULL_PART * most.open]
    # Visits that began together end together: only whole visit times say how many end in a second.
    times = int((full[-1].at_s - full[0].at_s) / visit_s)
    whole = [one for one in full if one.at_s <= full[0].at_s + times * visit_s]
    if whole[-1].visits == whole[0].visits:
        times, whole = 0, list(samples)
    first, last = whole[0], whole[-1]
    full_s, ended = last.at_s - first.at_s, ended[first.visits : last.visits]
    mean_open = sum(one.open for one in whole) / len(whole)
    visit_s = sum(row.ended - row.started for row in ended) / US / len(ended)
    trips = sum(json.loads(row.detail)["messages"] for row in ended) / len(ended)
    return Found(
        round_trip_s=seconds,
        most_open=most.open,
        visit_times=times,
        mean_open=mean_open,
        visit_s=visit_s,
        rate_by_law=mean_open / visit_s,
        rate=(last.visits - first.visits) / full_s,
        round_trips=trips,
        line_s=trips * seconds,
        process_mb=samples[-1].memory_mb,
        peak_mb=peak_mb,
        visit_kb=(most.memory_mb - samples[0].memory_mb) * KB / most.open,
        most_files=max(one.files for one in samples),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
