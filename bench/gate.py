"""``python -m bench gate``: what it costs that nobody looks without a purpose.

A home with its vault, its database and its audit log, and a day of a fleet in its store. The whole day is read through a
grant and without one, in pairs: both find out whose rows they are, and the grant also asks the rules, leaves the list of who
was shown and a record. Then single connections are looked up through grants; what the store and the joining take of
that is measured beside it, and the time that the disk itself takes for a flush is printed beside it.
"""

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from bench.store import BATCH, SEED, entries, households
from kwartier.database import writing
from kwartier.fleet.ean import check_digit
from kwartier.gate.ids import Ids
from kwartier.gate.policy import Scope
from kwartier.service.home import Home, create_home, open_home
from kwartier.service.identity import actor
from kwartier.store.reader import Reader
from kwartier.store.rewrite import Rewriter

DAY = date(2026, 11, 2)
NEXT_DAY = DAY + timedelta(days=1)
PAIRS = 7
LOOK_UPS = 300
POOL = 100
"""Connections that are looked up, each once before it counts: a person's secret is drawn at the first look."""
FLUSH_BYTES = 400
MS = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Medians; times in milliseconds."""

    meters: int
    scan_ms: float
    """Without the gate: every row decoded, and whose it is."""
    scan_through_gate_ms: float
    scan_cost: float
    """The median of the pairs' ratios, less one."""
    look_up_ms: float
    """Through the gate, all in all."""
    store_ms: float
    """Without the gate: finding the meter and its ids, and reading and joining the rows."""
    gate_ms: float
    gate_p95_ms: float
    flush_ms: float
    """What the disk takes to have 400 bytes more of a file."""


def main(words: Sequence[str] | None = None) -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench gate", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--meters", type=int, default=200_000, help="meters of the day (default %(default)s)")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="scans of each kind (default %(default)s)")
    chosen = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        found = asdict(measure(Path(folder), chosen.meters, chosen.pairs))
    if chosen.json:
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(f"{name:>22}: {value:,.3f}" for name, value in found.items()))


def measure(folder: Path, meters: int, pairs: int) -> Found:
    """All of it."""
    path = folder / "home"
    create_home(path)
    with open_home(path) as home:
        eans = fill(home, folder, meters)
        ratios, plain, gated = scans(home, pairs)
        gates, whole, within = look_ups(home, eans)
        flush = flushes(folder)
    return Found(
        meters=meters,
        scan_ms=statistics.median(plain) * MS,
        scan_through_gate_ms=statistics.median(gated) * MS,
        scan_cost=statistics.median(ratios) - 1,
        look_up_ms=statistics.median(whole) * MS,
        store_ms=statistics.median(within) * MS,
        gate_ms=statistics.median(gates) * MS,
        gate_p95_ms=sorted(gates)[int(len(gates) * 0.95)] * MS,
        flush_ms=statistics.median(flush) * MS,
    )


def fill(home: Home, folder: Path, meters: int) -> list[str]:
    """A fleet, and one day of readings of it in one sorted file; the connections."""
    eans = [body + str(check_digit(body)) for body in (f"2087{number:013d}" for number in range(meters))]
    lines = ["meter,ean,host,port,system_title,companion,valid_from"]
    lines += [
        f"m{number},{ean},127.0.0.1,4059,{0x4B57540000000000 + number:016X},smr-5.5,2020-01-01"
        for number, ean in enumerate(eans)
    ]
    (folder / "fleet.csv").write_text("\n".join(lines) + "\n")
    home.registry.import_file(folder / "fleet.csv", at=0)
    generator, store = np.random.default_rng(SEED), home.open_store()
    for first in range(0, meters, BATCH):
        some = range(first, min(meters, first + BATCH))
        with writing(home.engine) as connection:
            known = Ids(home.engine).ids_of(connection, [(eans[number], f"m{number}", DAY.year) for number in some])
        ids = np.array(sorted(known.values()), np.int64)
        store.append(f"{first}", entries(ids, households(generator, len(ids)), DAY))
    Rewriter(home.store_folder, home.day_keys).day(DAY)
    return eans


def scans(home: Home, pairs: int) -> tuple[list[float], list[float], list[float]]:
    """Ratios of the gate's scan to the plain one, and the seconds of both."""
    plain, gated = [], []
    scope, who = Scope(start=DAY, end=NEXT_DAY), actor(home)
    for number in range(pairs + 1):
        begun = time.perf_counter()
        reader, ids = Reader(home.store_folder, home.day_keys), Ids(home.engine)
        links = ids.within(np.unique(reader.ids(DAY)), DAY.year)
        alone = sum(len(links.of(stack.ids)) for stack in reader.scan(DAY))
        between = time.perf_counter()
        grant = home.gate.open(actor=who, purpose="settlement", scope=scope, reason="bench")
        through = sum(len(links) for _, links in grant.day(DAY))
        ended = time.perf_counter()
        if alone != through:
            raise RuntimeError(f"{alone} rows without the gate and {through} through it")
        if number:  # the first pair warms up
            plain.append(between - begun)
            gated.append(ended - between)
    return [one / other for one, other in zip(gated, plain, strict=True)], plain, gated


def look_ups(home: Home, eans: Sequence[str]) -> tuple[list[float], list[float], list[float]]:
    """Seconds that the gate takes of a look-up, the look-up, and what it would take without the gate."""
    gates, whole, without = [], [], []
    who, gate = actor(home), home.gate
    pool = random.Random(SEED).sample(eans, POOL)
    for number in range(POOL + LOOK_UPS):
        ean = pool[number % POOL]
        scope = Scope(start=DAY, end=NEXT_DAY, eans=(ean,))
        begun = time.perf_counter()
        grant = gate.open(actor=who, purpose="customer", scope=scope, reason="bench")
        rows = grant.readings()
        written = time.perf_counter()
        (shown,) = rows
        ended = time.perf_counter()
        # Opening a grant finds out which meters are there; who reads without one has to do that, too.
        (meter,) = home.registry.meters_of(ean, DAY, NEXT_DAY)
        found = time.perf_counter()
        if meter.meter != shown.readings.meter:
            raise RuntimeError("the gate and the registry do not agree")
        if number >= POOL:
            gates.append((written - begun) - (found - ended))
            whole.append(ended - begun)
            without.append((ended - written) + (found - ended))
    return gates, whole, without


def flushes(folder: Path) -> list[float]:
    """Seconds in which the disk takes a few bytes more of a file."""
    found = []
    descriptor = os.open(folder / "flushed", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for _ in range(LOOK_UPS):
            os.write(descriptor, bytes(FLUSH_BYTES))
            begun = time.perf_counter()
            os.fdatasync(descriptor)
            found.append(time.perf_counter() - begun)
    finally:
        os.close(descriptor)
    return found
