"""``python -m bench day``: the morning after, as the services do it: a day of a fleet validated, then settled.

A home with everything in it - registry, ids, encrypted readings of two days, what the day before left, market data - and each
step in a process of its own, through the gate, with its records, on the disk when it ends. Making the home is not counted.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.day_scene import make

ROOT = Path(__file__).resolve().parents[1]
STEPS = ("validate", "settle")
Fields = dict[str, object]


def measure(folder: Path, meters: int, faults: float) -> Fields:
    """All of it."""
    begun = time.perf_counter()
    make(folder / "home", meters, faults)
    found: Fields = {
        "meters": meters,
        "faults": faults,
        "cores": os.cpu_count(),
        "making_s": time.perf_counter() - begun,
    }
    return found | {step: alone(folder / "home", step) for step in STEPS}


def alone(home: Path, step: str) -> Fields:
    """One step in its process."""
    words = [sys.executable, "-m", "bench.day_alone", str(home), step]
    told: Fields = json.loads(subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    return told


def main(words: Sequence[str] | None = None) -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench day", description=__doc__)
    parser.add_argument("--json", action="store_true", help="on one line")
    parser.add_argument("--meters", type=int, default=300_000, help="meters of the day (default %(default)s)")
    parser.add_argument("--faults", type=float, default=0.02, help="part that has a fault (default %(default)s)")
    parser.add_argument("--folder", type=Path, help="where the home is made, to measure that disk")
    chosen = parser.parse_args(words)
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        found = measure(Path(folder), chosen.meters, chosen.faults)
    print(json.dumps(found, indent=None if chosen.json else 2))
