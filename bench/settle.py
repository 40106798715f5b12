"""``python -m bench settle``: a day of a million meters from stored files to sums by group, beside one pass over it in memory
and beside databases that are given the same file.

All take turns, so that what disturbs one disturbs all; a difference in any sum ends the bench. The peers sum the energies;
kwartier also sums what of them is calculated and estimated, and finds out which rows count.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow
import pyarrow.parquet as pq

from bench.settle_scene import Scene, scene
from bench.store import CHANNELS, DAY, QUARTERS
from kwartier.compute.local import Local
from kwartier.settle.kernel import SettleKernel, matrix
from kwartier.settle.partial import Partial
from kwartier.store.volumes_reader import VolumesReader

ROOT = Path(__file__).resolve().parents[1]
PEERS = ("duckdb", "chdb")
PEER_PYTHON = Path(".venv") / "bench-peers" / "bin" / "python"
STOP_S = 10.0
FLOOR, PLAIN, SEALED = "one pass in memory", "kwartier", "kwartier, encrypted"


class Taken(NamedTuple):
    """Seconds of one run: by the clock, and of all cores. The second is what other work on the same cores disturbs least."""

    wall_s: float
    cpu_s: float


Timed = Callable[[], Taken]


def ours(given: Scene, *, encrypted: bool) -> tuple[Timed, Callable[[], Partial]]:
    """From the look at the table to the sums; the kernel is made before, as its machine code is made once a process."""
    kernel = SettleKernel(given.membership, QUARTERS)
    reader = VolumesReader(given.folder, given.keys(encrypted=encrypted))

    def settle() -> Partial:
        found = Local().run(*reader.work(DAY), kernel)
        if found is None or int(found.energy_wh.sum()) != given.total_wh:
            raise RuntimeError("the sums are not those of what was stored")
        return found

    def timed() -> Taken:
        begun, begun_cpu = time.perf_counter(), time.process_time()
        settle()
        return Taken(time.perf_counter() - begun, time.process_time() - begun_cpu)

    return timed, settle


def floor(given: Scene) -> Timed:
    """One pass of numpy over both matrices, each whole in memory."""
    table = pq.read_table(volumes_file(given), columns=list(CHANNELS)).combine_chunks()
    (batch,) = table.to_batches()
    whole = [matrix(batch.column(name), QUARTERS) for name in CHANNELS]

    def timed() -> Taken:
        begun, begun_cpu = time.perf_counter(), time.process_time()
        total_wh = sum(int(one.sum(dtype=np.int64)) for one in whole)
        taken = Taken(time.perf_counter() - begun, time.process_time() - begun_cpu)
        if total_wh != given.total_wh:
            raise RuntimeError("the matrices are not those that were stored")
        return taken

    return timed


def volumes_file(given: Scene) -> Path:
    """The one file of the day."""
    (found,) = given.folder.glob("validated/day=*/*.parquet")
    return found


@contextmanager
def peer(name: str, given: Scene, folder: Path, right: Partial) -> Iterator[Timed]:
    """A peer in a process of its own, whose first answer is held against ours."""
    groups, left = folder / "groups.parquet", folder / f"{name}.npy"
    who = given.membership
    pq.write_table(pyarrow.table({"id": who.ids, "place": who.group}), groups)
    command = [str(ROOT / PEER_PYTHON), str(ROOT / "bench" / "settle_peer.py"), name]
    command += [str(volumes_file(given)), str(groups), str(left)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the peer has no pipes")
        asking, told = process.stdin, process.stdout
        checked = False

        def timed() -> Taken:
            nonlocal checked
            asking.write("\n")
            asking.flush()
            taken = Taken(*map(float, told.readline().split()))
            if not checked and left.exists():
                checked = True
                if not np.array_equal(np.load(left), right.energy_wh):
                    raise RuntimeError(f"{name} found other sums")
            return taken

        try:
            yield timed
            if not checked:
                raise RuntimeError(f"{name} was never held against our sums")
        finally:
            asking.close()
            process.wait(STOP_S)


def by_turns(contenders: dict[str, Timed], runs: int) -> dict[str, list[Taken]]:
    """What each took, run after run; the first one warms up."""
    taken: dict[str, list[Taken]] = {name: [] for name in contenders}
    for run in range(runs + 1):
        for name, timed in contenders.items():
            one = timed()
            if run:
                taken[name].append(one)
    return taken


def alone(given: Scene, *, encrypted: bool) -> int:
    """The most memory of a process that settles the day and does nothing else, MB."""
    words = [sys.executable, "-m", "bench.settle_alone", str(given.folder), "encrypted" if encrypted else "plain"]
    told = json.loads(subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    if told["total_wh"] != given.total_wh:
        raise RuntimeError("alone it found other sums")
    return int(told["peak_mb"])


def measure(folder: Path, meters: int, runs: int, peers: Sequence[str]) -> dict[str, object]:
    """All of it."""
    plain = scene(folder / "plain", meters, encrypted=False)
    sealed = scene(folder / "sealed", meters, encrypted=True)
    few = scene(folder / "few", meters // 10, encrypted=True)
    plain_timed, settle = ours(plain, encrypted=False)
    contenders = {FLOOR: floor(plain), PLAIN: plain_timed, SEALED: ours(sealed, encrypted=True)[0]}
    few_timed, _ = ours(few, encrypted=True)
    with ExitStack() as stack:
        right = settle()
        for name in peers:
            contenders[name] = stack.enter_context(peer(name, plain, folder, right))
        taken = by_turns({**contenders, "a tenth": few_timed}, runs)
    fewer = taken.pop("a tenth")
    sizes = volumes_file(sealed).stat().st_size
    return {
        "meters": meters,
        "runs": runs,
        "load": round(os.getloadavg()[0], 1),
        "seconds": {name: seconds(several) for name, several in taken.items()},
        "ratios": {name: ratio(taken[SEALED], several) for name, several in taken.items() if name != SEALED},
        "a_meter_beside_a_tenth": ratio(taken[SEALED], fewer) / (meters / (meters // 10)),
        "peak_mb": alone(sealed, encrypted=True),
        "peak_mb_of_a_tenth": alone(few, encrypted=True),
        "bytes_a_value": sizes / (meters * 2 * QUARTERS),
    }


def seconds(several: Sequence[Taken]) -> dict[str, float]:
    """What runs took, in short."""
    wall, cpu = [one.wall_s for one in several], [one.cpu_s for one in several]
    return {
        "median": statistics.median(wall),
        "least": min(wall),
        "cpu median": statistics.median(cpu),
        "cpu least": min(cpu),
    }


def ratio(mine: Sequence[Taken], theirs: Sequence[Taken]) -> float:
    """The median over runs of what mine took beside what theirs did just before or after, by the clock."""
    return statistics.median(one.wall_s / other.wall_s for one, other in zip(mine, theirs, strict=True))


def as_text(found: dict[str, object]) -> str:
    """A table."""
    taken, ratios = found.pop("seconds"), found.pop("ratios")
    if not isinstance(taken, dict) or not isinstance(ratios, dict):
        raise TypeError("seconds and ratios are tables")
    lines = [
        f"{'seconds':>22} {'median':>10} {'least':>10} {'cpu median':>10} {'cpu least':>10} {'encrypted / this':>17}"
    ]
    for name, one in taken.items():
        beside = f"{ratios[name]:17.2f}" if name in ratios else ""
        lines.append(f"{name:>22} {' '.join(f'{value:10.3f}' for value in one.values())} {beside}")
    lines += [f"{name:>22} {value:,.2f}" for name, value in found.items()]
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench settle", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--meters", type=int, default=1_000_000, help="meters of the day (default %(default)s)")
    parser.add_argument("--runs", type=int, default=7, help="runs of each (default %(default)s)")
    parser.add_argument(
        "--alone", action="store_true", help="without the peers, which take `make .venv/.bench-installed`"
    )
    chosen = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), chosen.meters, chosen.runs, () if chosen.alone else PEERS)
    print(json.dumps(found, indent=2) if chosen.json else as_text(found))


if __name__ == "__main__":
    main()
