"""``python -m bench hostile``: good meters alone, and the same ones among dead and hostile meters.

A fifth of the mixed fleet refuses lines, is behind an address that nobody answers at, accepts and says nothing, sends noise,
drips a byte a second without end, or answers with a claim of four thousand million elements. Nights of the good meters alone
and nights of all of them alternate; each pair gives a ratio of good meters a second, and the median counts. There is no
breaker in the way, because a night with ``--now`` tries each meter.
"""

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import select

from bench.fleet import Steered, steered
from bench.nights import FIRST_DAY, carry_out, home_of
from kwartier.collect.engine import Tally
from kwartier.database import reading
from kwartier.fleet.registry import Registry
from kwartier.service.home import COMPANIONS, Home
from kwartier.simulate.faults import Fault, FaultTable
from kwartier.simulate.world import World, meter_name
from kwartier.tables import visits

SEED = 6
BAD_PART = 0.2
MOST_LOST = 0.15
GOOD, BAD = "good", "bad"
US = 1e6
BY_SIMULATOR = {"refuses": "unreachable", "silent": "half-open", "noise": "garbage", "bomb": "hostile"}
KINDS = ("refuses", "hole", "silent", "noise", "drips", "bomb")
HOST_COLUMN, PORT_COLUMN = 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """The good meters of one night a second, and how visits to bad ones ended."""

    good_per_s: float
    bad: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Every pair, and the median of their ratios."""

    alone: list[Night]
    mixed: list[Night]
    ratio: float

    @property
    def is_good(self) -> bool:
        """Whether the good ones lose no more than they may."""
        return self.ratio >= 1 - MOST_LOST


def main(words: Sequence[str] | None = None) -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench hostile", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--meters", type=int, default=24_000, help="good meters (default %(default)s)")
    parser.add_argument("--open", type=int, default=10_000, help="visits open at once (default %(default)s)")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of nights (default %(default)s)")
    chosen = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), chosen.meters, chosen.open, chosen.pairs, quiet=chosen.json)
    if chosen.json:
        print(json.dumps({**asdict(found), "is_good": found.is_good, "least_ratio": 1 - MOST_LOST}, indent=2))
        return
    bad = ", ".join(f"{code} {count}" for code, count in found.mixed[-1].bad.items())
    print(f"visits to bad meters in the last night: {bad}")
    print(f"median {found.ratio:.3f}, at least {1 - MOST_LOST:.2f}: {'good' if found.is_good else 'NOT GOOD'}")


def measure(folder: Path, good: int, open_visits: int, pairs: int, *, quiet: bool) -> Found:
    """A night in which the good ones are met, and then pairs, of which every other begins with the mixed night."""
    bad = round(good * BAD_PART / (1 - BAD_PART))
    world = World(seed=SEED, count=good + bad, faults=_faults(good, bad))
    alone: list[Night] = []
    mixed: list[Night] = []
    with steered(world, folder / "fleet") as fleet:
        _displace(fleet, good)
        with home_of(folder / "home", fleet.files, settings=f"open_visits = {open_visits}\n") as home:
            _night(home, fleet, FIRST_DAY, good, GOOD)
            for pair in range(pairs):
                day = FIRST_DAY + timedelta(days=1 + 2 * pair)
                for at, among in ((day, pair % 2), (day + timedelta(days=1), 1 - pair % 2)):
                    (mixed if among else alone).append(_night(home, fleet, at, good, "" if among else GOOD))
                if not quiet:
                    a, b = alone[-1].good_per_s, mixed[-1].good_per_s
                    print(f"alone {a:,.0f} a second, among bad ones {b:,.0f}: {b / a:.3f}", flush=True)
    ratio = statistics.median(b.good_per_s / a.good_per_s for a, b in zip(alone, mixed, strict=True))
    return Found(alone=alone, mixed=mixed, ratio=ratio)


def kind_of(index: int) -> str:
    """What is wrong with a bad meter."""
    return KINDS[index // 2 % len(KINDS)]  # in twos, since the suppliers take turns


def _faults(good: int, bad: int) -> FaultTable:
    named: dict[str, set[str]] = {}
    for index in range(good, good + bad):
        if fault := BY_SIMULATOR.get(kind_of(index)):
            named.setdefault(fault, set()).add(meter_name(index))
    return FaultTable([Fault(name=name, meters=frozenset(meters)) for name, meters in named.items()])


def _displace(fleet: Steered, good: int) -> None:
    """Bad meters that the simulator does not play are elsewhere; and each meter is told to be a good or a bad operator's."""
    path = fleet.files / "fleet.csv"
    head, *lines = path.read_text("utf-8").splitlines()
    places = {"hole": fleet.hole, "drips": fleet.drip}
    written = [f"{head},dso"]
    for index, line in enumerate(lines):
        cells = line.split(",")
        if index >= good and (place := places.get(kind_of(index))):
            cells[HOST_COLUMN], cells[PORT_COLUMN] = place[0], str(place[1])
        written.append(",".join([*cells, BAD if index >= good else GOOD]))
    path.write_text("\n".join(written) + "\n", "utf-8")


def _night(home: Home, fleet: Steered, day: date, good: int, dso: str) -> Night:
    """The meters of one operator, or of all, until the last good one was stored."""
    reaches = replace(
        home,
        settings=home.settings.model_copy(update={"dso": dso}),
        registry=Registry(home.engine, home.path / COMPANIONS, dso),
    )

    def look(tally: Tally) -> None:
        if tally.stored >= good:
            # Told once, it lets open visits end; told again, it breaks them off.
            os.kill(os.getpid(), signal.SIGTERM)

    stored = carry_out(reaches, fleet, day, progress=look).tally.stored
    if stored != good:
        raise RuntimeError(f"{stored} of {good} good meters were stored")
    query = select(visits.c.meter, visits.c.started, visits.c.ended, visits.c.outcome)
    with reading(home.engine) as connection:
        found = connection.execute(query.where(visits.c.date == day + timedelta(days=1))).all()
    bad_names = {meter_name(index) for index in range(good, fleet_count(good))}
    well = [row for row in found if row.meter not in bad_names]
    span_s = (max(row.ended for row in well) - min(row.started for row in well)) / US
    counted = Counter(row.outcome for row in found if row.meter in bad_names)
    return Night(good_per_s=good / span_s, bad=dict(counted.most_common()))


def fleet_count(good: int) -> int:
    """Meters in all, with so many good ones."""
    return good + round(good * BAD_PART / (1 - BAD_PART))


if __name__ == "__main__":
    main(sys.argv[1:])
