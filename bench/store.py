"""``python -m bench store``: a day of a large fleet written, the commits of a night, look-ups before and after the rewrite.

Households are drawn with noise of single watt-hours, so that no two rows are alike; the entropy of a value is printed beside
the bytes that it takes, since no store takes fewer.
"""

import argparse
import json
import math
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.night import peak_mb
from kwartier.clock import quarter_ends
from kwartier.model import Readings
from kwartier.store import Entry, Store
from kwartier.store.encode import Block, encode
from kwartier.store.files import Files
from kwartier.store.reader import Reader
from kwartier.store.rewrite import PIECE_ROWS, Rewriter

ZONE = "Europe/Amsterdam"
DAY = date(2026, 11, 2)
SEED = 3
CHANNELS = ("import_wh", "export_wh")
QUARTERS = 96
BATCH = 5_000
"""Visits in one commit, as a night has it."""
LOOK_UPS = 200
DAYS = 30

Registers = dict[str, npt.NDArray[np.int64]]


class Keys:
    """Keys of files, without a vault behind them."""

    def file_key(self, day: date, path: str, *, new: bool) -> bytes:
        """A key that is the path: what encrypting costs does not depend on it."""
        return path.encode()[-32:].ljust(32, b".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was measured. ``*_1m``: for a million meters, at the pace that was measured."""

    meters: int
    entropy_bits: float
    bulk_s_1m: float
    bulk_cpu_s_1m: float
    bytes_a_value: float
    commits_s_1m: float
    commits_cpu_s_1m: float
    rewrite_s_1m: float
    look_up_before_ms: float
    look_up_after_ms: float
    look_up_after_p95_ms: float
    writer_peak_mb: int


def households(generator: np.random.Generator, count: int) -> Registers:
    """Registers of ``count`` meters over a day: a base load, an evening, the sun for a third, and noise."""
    hour = np.arange(QUARTERS) / 4
    evening = np.exp(-(((hour - 19) / 2.5) ** 2))
    sun = np.clip(np.sin((hour - 8) / 9 * np.pi), 0, None)
    base = generator.gamma(2.0, 25.0, (count, 1))
    use = base * (0.6 + 2.2 * evening * generator.uniform(0.5, 1.5, (count, 1)))
    use = np.rint(use * generator.gamma(6.0, 1 / 6, (count, QUARTERS)) + generator.integers(0, 2, (count, QUARTERS)))
    panels = (generator.random((count, 1)) < 0.35) * generator.uniform(100, 700, (count, 1))
    fed_in = np.rint(sun * panels * generator.uniform(0.3, 1.0, (count, QUARTERS)))
    found = {}
    for name, energy in zip(CHANNELS, (np.maximum(use - fed_in, 0), np.maximum(fed_in - use, 0)), strict=True):
        opening = generator.integers(0, 30_000_000, (count, 1))
        found[name] = np.concatenate([opening, opening + np.cumsum(energy.astype(np.int64), axis=1)], axis=1)
    return found


def entropy_bits(registers: Registers) -> float:
    """Of the differences, each for itself: what an encoder that knows their frequencies and nothing else needs."""
    bits, values = 0.0, 0
    for column in registers.values():
        _, counts = np.unique(np.diff(column, axis=1), return_counts=True)
        share = counts / counts.sum()
        bits += float(-(share * np.log2(share)).sum()) * counts.sum()
        values += int(counts.sum())
    return bits / values


def entries(ids: npt.NDArray[np.int64], registers: Registers, day: date) -> list[Entry]:
    """As the collector hands them over: one reading a meter."""
    times = quarter_ends(day, day + timedelta(days=1), ZONE)
    nothing = np.zeros(len(times), np.uint8)
    return [
        Entry(
            id=identity,
            readings=Readings(
                meter="",
                start=day,
                end=day + timedelta(days=1),
                times=times,
                registers={name: column[place] for name, column in registers.items()},
                missing=dict.fromkeys(registers, nothing),
                status=nothing,
                clock_status=nothing,
            ),
            timezone=ZONE,
            known_at=0,
        )
        for place, identity in enumerate(ids.tolist())
    ]


def bulk(folder: Path, count: int) -> tuple[float, float, float, float]:
    """A sorted day in one file: seconds, CPU seconds, bytes a value, entropy. Drawing the households is not counted."""
    generator = np.random.default_rng(SEED)
    spent = cpu = 0.0
    sizes, bits, left, number = 0, 0.0, count, 0
    files = Files(folder, Keys())
    while left:
        some = min(left, PIECE_ROWS // 4)
        registers = households(generator, some)
        bits = bits or entropy_bits(registers)
        ids = np.sort(generator.integers(-(2**63), 2**63 - 1, some))
        nothing = np.zeros((some, QUARTERS + 1), np.uint8)
        days = Block(
            ids=ids,
            known_at=np.zeros(some, np.int64),
            registers=registers,
            missing=dict.fromkeys(CHANNELS, nothing),
            status=nothing,
            clock_status=nothing,
        )
        begun, begun_cpu = time.perf_counter(), time.process_time()
        sizes += files.write(f"day={DAY}/{number:032}.parquet", [encode("bulk", days)])
        spent, cpu = spent + time.perf_counter() - begun, cpu + time.process_time() - begun_cpu
        left, number = left - some, number + 1
    return spent, cpu, sizes / (count * 2 * QUARTERS), bits


def commit(folder: Path, first: int, count: int, told: Connection) -> None:
    """One writer of a night: its batches, as the collector brings them."""
    generator = np.random.default_rng(SEED + first)
    store = Store(folder, Keys())
    spent = cpu = 0.0
    for batch in range(0, count, BATCH):
        some = min(BATCH, count - batch)
        batch_of = entries(generator.integers(-(2**63), 2**63 - 1, some), households(generator, some), DAY)
        begun, begun_cpu = time.perf_counter(), time.process_time()
        store.append(f"{first}-{batch}", batch_of)
        spent, cpu = spent + time.perf_counter() - begun, cpu + time.process_time() - begun_cpu
    told.send((spent, cpu, peak_mb()))


def night(folder: Path, count: int) -> tuple[float, float, int]:
    """Two writers: seconds and CPU seconds of both together, and the most memory of one."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for number in range(2):
        heard, told = context.Pipe(duplex=False)
        processes.append(context.Process(target=commit, args=(folder, number, count // 2, told)))
        pipes.append(heard)
    for process in processes:
        process.start()
    costs: list[tuple[float, float, int]] = [pipe.recv() for pipe in pipes]
    for process in processes:
        process.join()
    return sum(one[0] for one in costs), sum(one[1] for one in costs), max(one[2] for one in costs)


def month(folder: Path, count: int) -> Iterator[list[float]]:
    """Milliseconds of look-ups of one meter over thirty days that lie in two months: before the rewrite, then after."""
    generator = np.random.default_rng(SEED)
    ids = np.unique(generator.integers(-(2**63), 2**63 - 1, count))
    store = Store(folder, Keys())
    days = [DAY + timedelta(days=number) for number in range(60)]
    for day in days:
        registers = households(generator, len(ids))
        order = generator.permutation(len(ids))
        for batch in range(0, len(ids), BATCH):
            some = order[batch : batch + BATCH]
            part = {name: column[some] for name, column in registers.items()}
            store.append(f"{day}-{batch}", entries(ids[some], part, day))
    chosen = random.Random(SEED)
    yield [look_up(folder, int(chosen.choice(ids)), days) for _ in range(LOOK_UPS // 10)]
    Rewriter(folder, Keys()).rewrite(days[-1] + timedelta(days=40))
    reader = Reader(folder, Keys())
    look_up(folder, int(ids[0]), days, reader)
    yield [look_up(folder, int(chosen.choice(ids)), days, reader) for _ in range(LOOK_UPS)]


def look_up(folder: Path, identity: int, days: Sequence[date], reader: Reader | None = None) -> float:
    """Milliseconds of one look-up."""
    reader = reader or Reader(folder, Keys())
    begun = time.perf_counter()
    found = sum(len(stack) for stack in reader.look_up([identity], days[15], days[15 + DAYS]))
    if found != DAYS:
        raise RuntimeError(f"{found} of {DAYS} days were found")
    return (time.perf_counter() - begun) * 1000


def measure(folder: Path, meters: int, looked_up: int) -> Found:
    """All of it."""
    scale = 1_000_000 / meters
    bulk_s, bulk_cpu_s, size, bits = bulk(folder / "bulk", meters)
    commits_s, commits_cpu_s, peak_mb = night(folder / "night", meters)
    begun = time.perf_counter()
    Rewriter(folder / "night", Keys()).day(DAY)
    rewrite_s = time.perf_counter() - begun
    before, after = month(folder / "month", looked_up)
    return Found(
        meters=meters,
        entropy_bits=round(bits, 2),
        bulk_s_1m=bulk_s * scale,
        bulk_cpu_s_1m=bulk_cpu_s * scale,
        bytes_a_value=size,
        commits_s_1m=commits_s * scale,
        commits_cpu_s_1m=commits_cpu_s * scale,
        rewrite_s_1m=rewrite_s * scale,
        look_up_before_ms=statistics.median(before),
        look_up_after_ms=statistics.median(after),
        look_up_after_p95_ms=sorted(after)[math.ceil(len(after) * 0.95) - 1],
        writer_peak_mb=peak_mb,
    )


def main(words: Sequence[str] | None = None) -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench store", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--meters", type=int, default=200_000, help="meters of the day (default %(default)s)")
    parser.add_argument("--looked-up", type=int, default=20_000, help="meters of the months (default %(default)s)")
    chosen = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        found = asdict(measure(Path(folder), chosen.meters, chosen.looked_up))
    if chosen.json:
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(f"{name:>22}: {value:,.2f}" for name, value in found.items()))


if __name__ == "__main__":
    main()
