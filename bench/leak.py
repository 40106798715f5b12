"""``python -m bench leak``: many visits in one process, and whether its memory and its descriptors grow.

Night follows night over one fleet with the usual faults, so that visits which break off, time out and are tried again count as
well as those that go smoothly. A single object that each visit left behind would be 56 bytes at the least; the slope of the
second half tells whether there is one. Take few nights of many meters: a process of an installation has one night, and each
that this one begins anew brings a thread, with memory of its own that the allocator keeps.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from itertools import combinations, count
from pathlib import Path

from sqlalchemy import select

from bench.fleet import steered
from bench.nights import FIRST_DAY, Sample, carry_out, demand_truth, home_of, sample
from kwartier.collect.engine import Tally
from kwartier.database import reading
from kwartier.service.home import Home
from kwartier.simulate import faults
from kwartier.simulate.world import World
from kwartier.tables import visits

SEED = 4
MAX_SLOPE_BYTES = 56.0
"""A visit: the smallest object of Python that can be left over."""
MAX_FILES_MORE = 20
"""Descriptors that may be more at the end than in the middle: libraries open some when they please."""
SAMPLES = 20
MB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The course of the run, and its slope."""

    visits: int
    visits_per_s: float
    samples: list[Sample]
    slope_bytes: float
    """Memory a visit in the second half: the median of the slopes between any two samples."""
    between: list[Sample]
    """After each night, with no visit open."""
    files_more: int
    """Descriptors between two nights: at the end, beyond those after half of them."""
    messages: float
    """Questions of a visit that went well, in the last night."""
    plan_us: float
    """Planning a meter for the last night."""
    database_bytes: float
    """A visit: what its record and what it left in other tables take on the disk."""

    @property
    def is_flat(self) -> bool:
        """Whether nothing grows."""
        return self.slope_bytes < MAX_SLOPE_BYTES and self.files_more <= MAX_FILES_MORE


def main(words: Sequence[str] | None = None) -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench leak", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--visits", type=int, default=1_000_000, help="visits in all, at least (default %(default)s)")
    parser.add_argument("--meters", type=int, default=500_000, help="meters of the fleet (default %(default)s)")
    parser.add_argument("--every", type=int, help="visits between two samples (default: a twentieth of all)")
    parser.add_argument("--faults", default=faults.DEFAULT, help="of the fleet, as `simulate fleet` knows them")
    chosen = parser.parse_args(words)
    every = chosen.every or max(1, chosen.visits // SAMPLES)
    world = World(seed=SEED, count=chosen.meters, faults=faults.load(chosen.faults))
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), chosen.visits, world, every, quiet=chosen.json)
    verdict = {"is_flat": found.is_flat, "most_slope_bytes": MAX_SLOPE_BYTES, "most_files_more": MAX_FILES_MORE}
    if chosen.json:
        print(json.dumps({**asdict(found), **verdict}, indent=2))
        return
    print(f"{found.visits:,} visits, {found.visits_per_s:,.0f} a second, nights and the pauses between them")
    print(f"memory in the second half: {found.slope_bytes:+.1f} bytes a visit (below {MAX_SLOPE_BYTES:.0f})")
    print(f"descriptors between nights: {found.files_more:+d} (at most {MAX_FILES_MORE:+d})")
    print(f"{found.messages:.1f} questions a visit; planning {found.plan_us:.0f} us a meter")
    print(f"database: {found.database_bytes:,.0f} bytes a visit")
    print("flat" if found.is_flat else "NOT FLAT")


def measure(folder: Path, least: int, world: World, every: int, *, quiet: bool) -> Found:
    """Night after night until there were so many visits."""
    samples: list[Sample] = []
    between: list[Sample] = []
    with steered(world, folder / "fleet") as fleet, home_of(folder / "home", fleet.files) as home:
        database = home.path / "kwartier.db"
        small_bytes, begun_s, done = database.stat().st_size, time.monotonic(), 0

        def look(tally: Tally) -> None:
            if done + tally.tries >= (len(samples) + 1) * every:
                samples.append(sample(tally, done))
                if not quiet:
                    one = samples[-1]
                    files = f"{one.files:>6} descriptors with {one.open:>5} visits open"
                    print(f"{one.visits:>12,} visits {one.memory_mb:>9,.1f} MB {files}", flush=True)

        for number in count():
            day = FIRST_DAY + timedelta(days=number)
            carried = carry_out(home, fleet, day, progress=look)
            done += carried.tally.tries
            between.append(sample(Tally(), done))
            if done >= least:
                break
        demand_truth(home, fleet.files, day)
        taken_s = time.monotonic() - begun_s
        messages = _messages(home, day)
        grown_bytes = database.stat().st_size - small_bytes
    half = samples[len(samples) // 2 :]
    return Found(
        visits=done,
        visits_per_s=done / taken_s,
        samples=samples,
        between=between,
        slope_bytes=slope(half),
        files_more=between[-1].files - between[len(between) // 2].files,
        messages=messages,
        plan_us=carried.planned_s / world.count * 1e6,
        database_bytes=grown_bytes / done,
    )


def _messages(home: Home, day: date) -> float:
    query = select(visits.c.detail).where(visits.c.date == day + timedelta(days=1), visits.c.outcome == "done")
    with reading(home.engine) as connection:
        counts: list[int] = [json.loads(text)["messages"] for text in connection.execute(query).scalars()]
    return statistics.mean(counts)


def slope(samples: Sequence[Sample]) -> float:
    """Bytes a visit: the median over all pairs, which a single outlier does not move."""
    pairs = combinations(samples, 2)
    slopes = [(b.memory_mb - a.memory_mb) * MB / (b.visits - a.visits) for a, b in pairs if b.visits > a.visits]
    return statistics.median(slopes) if slopes else 0.0


if __name__ == "__main__":
    main(sys.argv[1:])
