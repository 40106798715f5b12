"""``python -m bench rules``: a day of a fleet judged by every rule that looks at one day, in both directions, on two threads.

From memory: stacks are made outside the clock, and a few that differ are judged again and again until as many meters were.
From stored files: encrypted as they lie there, read a row group at a time by two threads, each of which judges what it has
read; what else is known of the rows comes from memory, as ``python -m bench day`` measures all of it. Beside both stands the
floor: one pass of numpy over both matrices of registers, by the same threads. With ``--faults`` a part of the meters has
something to say of: missing quarters, falling registers, frozen ones, quarters beyond what the connection carries.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from bench.night import peak_mb
from bench.store import CHANNELS, DAY, QUARTERS, SEED, ZONE, Keys, households
from kwartier.clock import quarter_ends
from kwartier.model import STATE, Missing, Stack
from kwartier.store.encode import Block, encode
from kwartier.store.files import Files
from kwartier.store.reader import stacks
from kwartier.store.schema import RAW
from kwartier.store.versions import with_day
from kwartier.validate.capacity import capacity_wh
from kwartier.validate.day import Around, Day, Known
from kwartier.validate.differences import only
from kwartier.validate.judging import judge, looked
from kwartier.validate.parameters import Parameters, parameters

ROWS = 20_000
STACKS = 4
THREADS = 2
REPEATS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Medians, for the meters that are given; ``ratio``: how many times the floor."""

    meters: int
    rows: int
    faults: float
    findings: int
    failed_rows: int
    rules_s: float
    best_s: float
    stored_s: float
    """From stored files."""
    stored_best_s: float
    stored_cpu_s: float
    reading_s: float
    """The same files read as stacks, and nothing judged."""
    floor_s: float
    ratio: float
    stored_ratio: float
    loading_s: float
    """The first stack of a process, with what is loaded or compiled for it."""
    peak_mb: int


def main(words: Sequence[str] | None = None) -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench rules", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--meters", type=int, default=1_000_000, help="meters of the day (default %(default)s)")
    parser.add_argument("--rows", type=int, default=ROWS, help="meters of a stack (default %(default)s)")
    parser.add_argument("--faults", type=float, default=0.02, help="part that has a fault (default %(default)s)")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="how often (default %(default)s)")
    chosen = parser.parse_args(words)
    found = asdict(measure(chosen.meters, min(chosen.rows, chosen.meters), chosen.faults, chosen.repeats))
    if chosen.json:
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(f"{name:>12}: {value:,.3f}" for name, value in found.items()))


def measure(meters: int, rows: int, faults: float, repeats: int) -> Found:
    """All of it."""
    generator = np.random.default_rng(SEED)
    days = [stack(generator, rows, faults) for _ in range(STACKS)]
    rules = parameters(DAY)
    begun = time.perf_counter()
    judge(days[0], rules)
    loading_s = time.perf_counter() - begun
    verdicts = [judge(day, rules) for day in days]
    turns = [days[number % STACKS] for number in range(max(1, meters // rows))]
    judging, floor, stored, reading, cpu = [], [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        groups = stored_groups(Path(folder), turns)
        for _ in range(repeats):
            judging.append(seconds(lambda day: judge(day, rules), turns))
            floor.append(seconds(one_pass, turns))
            begun_cpu = time.process_time()
            stored.append(seconds(lambda group: group.judged(rules, meters), groups))
            cpu.append(time.process_time() - begun_cpu)
            reading.append(seconds(lambda group: group.read(), groups))
    return Found(
        meters=len(turns) * rows,
        rows=rows,
        faults=faults,
        findings=sum(len(said.spans.rows) for one in verdicts for said in one.said) * len(turns) // STACKS,
        failed_rows=sum(int(one.rejected["import_wh"].any(axis=1).sum()) for one in verdicts) * len(turns) // STACKS,
        rules_s=statistics.median(judging),
        best_s=min(judging),
        stored_s=statistics.median(stored),
        stored_best_s=min(stored),
        stored_cpu_s=statistics.median(cpu),
        reading_s=statistics.median(reading),
        floor_s=statistics.median(floor),
        ratio=statistics.median(judging) / statistics.median(floor),
        stored_ratio=statistics.median(stored) / statistics.median(floor),
        loading_s=loading_s,
        peak_mb=peak_mb(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A row group of a stored file, and what is around its rows."""

    files: Files
    path: str
    number: int
    day: Day

    def read(self) -> Stack:
        """As the store's reader decodes it."""
        table = self.files.open(self.path).read(self.number, threads=False)
        (found,) = stacks([with_day(table, DAY)])
        return found

    def judged(self, rules: Parameters, among: int) -> None:
        """Read and judged."""
        looked(replace(self.day, stack=self.read()), rules, among=among)


def stored_groups(folder: Path, turns: Sequence[Day]) -> list[Group]:
    """Stacks as encrypted files, in row groups as the store has them."""
    files, groups = Files(folder, Keys()), []
    parts = {id(day): [only(day, rows) for rows in in_groups(len(day))] for day in turns}
    for number, day in enumerate(turns):
        path = f"day={DAY}/{number:032}.parquet"
        files.write(path, [encode("bench", block_of(day))])
        groups += [Group(files=files, path=path, number=at, day=part) for at, part in enumerate(parts[id(day)])]
    return groups


def in_groups(rows: int) -> list[npt.NDArray[np.int64]]:
    """Places by row group."""
    return [np.arange(first, min(first + RAW.row_group, rows)) for first in range(0, rows, RAW.row_group)]


def block_of(day: Day) -> Block:
    """A stack as the store takes it."""
    stack = day.stack
    return Block(
        ids=stack.ids,
        known_at=stack.known_at,
        registers=stack.registers,
        missing=stack.missing,
        status=stack.status,
        clock_status=stack.clock_status,
    )


Turn = TypeVar("Turn")


def seconds(work: Callable[[Turn], Any], days: Sequence[Turn]) -> float:
    """How long two threads take for all of them."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as threads:
        for _ in threads.map(work, days):
            pass
    return time.perf_counter() - begun


def one_pass(day: Day) -> int:
    """Every register read once."""
    return sum(int(day.stack.registers[channel].sum()) for channel in CHANNELS)


def stack(generator: np.random.Generator, rows: int, faults: float) -> Day:
    """Meters of a day with all that rules can be told of them, ``faults`` of them with something to say of."""
    registers = households(generator, rows)
    missing = {channel: np.zeros((rows, QUARTERS + 1), np.uint8) for channel in CHANNELS}
    for row in np.flatnonzero(generator.random(rows) < faults).tolist():
        spoil(generator, registers["import_wh"][row], missing["import_wh"][row])
    for channel in CHANNELS:
        registers[channel][missing[channel] != 0] = 0
    count = np.full(rows, QUARTERS, np.int64)
    ids = np.arange(rows, dtype=np.int64)
    times = quarter_ends(DAY, DAY + timedelta(days=1), ZONE)
    closing = {
        channel: Known(
            register_wh=registers[channel][:, -1],
            at=np.full(rows, times[-1]),
            there=missing[channel][:, -1] == 0,
        )
        for channel in CHANNELS
    }
    state = {name: np.full(rows, 5_000, np.int64) for name in STATE} | {"zero_days": np.zeros(rows, np.int64)}
    state["mean_import_wh"] = registers["import_wh"][:, -1] - registers["import_wh"][:, 0]
    quiet = np.zeros((rows, QUARTERS + 1), np.uint8)
    return Day(
        stack=Stack(
            day=DAY,
            ids=ids,
            registers=registers,
            missing=missing,
            status=quiet,
            clock_status=quiet,
            versions=ids,
            known_at=ids,
        ),
        times=times,
        around=Around(
            capacity_wh=np.full(rows, capacity_wh("3x25A")),
            first=np.zeros(rows, np.int64),
            last=count,
            exchanged=np.zeros(rows, np.bool_),
            next_opening=closing,
            daily=closing,
            state=state,
            clock_drift_s=generator.integers(-8, 9, rows),
        ),
    )


def spoil(generator: np.random.Generator, registers: Any, missing: Any) -> None:
    """One of a few faults, in one row."""
    at = int(generator.integers(10, 80))
    kind = int(generator.integers(0, 4))
    if kind == 0:
        missing[at : at + 8] = Missing.NOT_IN_BUFFER
    elif kind == 1:
        registers[at:] -= registers[at] - 10
    elif kind == 2:
        registers[at + 1 :] += 6_000
    else:
        registers[at : at + 10] = registers[at] + 150 * np.arange(10)
        registers[at + 10 :] += 1_500
