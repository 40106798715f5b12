"""``python -m bench registry``: a fleet of a million taken in, what it costs on the disk, and how that grows.

Rows differ as those of a real fleet do: names, EANs, titles and addresses of their own, a few operators and suppliers, and a
transformer for every fifty. The file is in no order, which is the worse case for a table that is kept in the order of names.
"""

import argparse
import json
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pyarrow
import pyarrow.csv
import pyarrow.parquet

from kwartier.database import open_engine, sqlite_url, upgrade
from kwartier.fleet.ean import check_digit
from kwartier.fleet.registry import Registry

NATION = 12_000_000
SEED = 1
AT = 1_772_600_000
HEADER = (
    "meter",
    "ean",
    "host",
    "port",
    "system_title",
    "companion",
    "dso",
    "grid_area",
    "brp",
    "supplier",
    "transformer",
    "capacity",
    "cell",
    "logical_device",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One import: seconds of it and of the same again, bytes on the disk, seconds of a list and of a walk over a day."""

    meters: int
    form: str
    import_s: float
    again_s: float
    list_s: float
    walk_s: float
    disk_bytes: int


def rows(count: int) -> Iterator[list[str]]:
    """The rows of a fleet, shuffled by a fixed seed."""
    numbers = list(range(count))
    random.Random(SEED).shuffle(numbers)
    for number in numbers:
        body = f"871687{number:011d}"
        yield [
            f"KAM{number:010d}",
            body + str(check_digit(body)),
            f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
            "4059",
            f"4B414D{number:010X}",
            "smr-5.5",
            f"dso-{number % 6}",
            f"area-{number % 60}",
            f"brp-{number % 20}",
            f"supplier-{number % 40}",
            f"T-{number // 50}",
            "3x25A",
            f"cell-{number // 200}",
            "1",
        ]


def write(path: Path, count: int, form: str) -> Path:
    """``fleet.csv`` of ``count`` meters, or the same as Parquet."""
    file = path / f"fleet-{count}.{form}"
    plain = path / f"fleet-{count}.csv"
    if not plain.exists():
        with plain.open("w", encoding="utf-8") as out:
            out.write(",".join(HEADER) + "\n")
            out.writelines(",".join(row) + "\n" for row in rows(count))
    if form == "parquet":
        as_text = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(HEADER, pyarrow.string()))
        pyarrow.parquet.write_table(pyarrow.csv.read_csv(plain, convert_options=as_text), file)
    return file


def take(folder: Path, file: Path, count: int, form: str) -> Taken:
    """Import into a new database, import again, list, walk; then remove it."""
    database = folder / "bench.db"
    engine = open_engine(sqlite_url(database))
    upgrade(engine)
    registry = Registry(engine)
    marks = [time.perf_counter()]
    registry.import_file(file, at=AT)
    marks.append(time.perf_counter())
    again = registry.import_file(file, at=AT + 1)
    marks.append(time.perf_counter())
    if (again.new, again.updated, again.unchanged) != (0, 0, count):
        raise RuntimeError(f"the second import changed something: {again}")
    registry.list()
    marks.append(time.perf_counter())
    walked = sum(1 for _ in registry.on_day(datetime.fromtimestamp(AT, UTC).date()))
    marks.append(time.perf_counter())
    if walked != count:
        raise RuntimeError(f"{walked} of {count} meters were there")
    engine.dispose()  # the write-ahead log goes into the file
    size = database.stat().st_size
    database.unlink()
    spent = [after - before for before, after in pairwise(marks)]
    return Taken(
        meters=count,
        form=form,
        import_s=spent[0],
        again_s=spent[1],
        list_s=spent[2],
        walk_s=spent[3],
        disk_bytes=size,
    )


def _median(several: Sequence[Taken]) -> dict[str, float]:
    names = ("import_s", "again_s", "list_s", "walk_s", "disk_bytes")
    return {name: statistics.median(getattr(one, name) for one in several) for name in names}


def main(words: Sequence[str] | None = None) -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench registry", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--meters", type=int, default=1_000_000, help="meters of the large fleet (default %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="imports of each (default %(default)s)")
    chosen = parser.parse_args(words)
    small, large = max(1, chosen.meters // 10), chosen.meters
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count, form in ((small, "csv"), (large, "csv"), (large, "parquet")):
            file = write(folder, count, form)
            found[f"{count} {form}"] = _median([take(folder, file, count, form) for _ in range(chosen.repeats)])
    first, second = found[f"{small} csv"], found[f"{large} csv"]
    bytes_each = (second["disk_bytes"] - first["disk_bytes"]) / (large - small)
    seconds_each = (second["import_s"] - first["import_s"]) / (large - small)
    told = {
        "imports": found,
        "bytes_a_meter": round(bytes_each, 1),
        "us_a_meter": round(seconds_each * 1e6, 2),
        "disk_gb_of_12_million": round(bytes_each * NATION / 1e9, 2),
        "import_s_of_12_million": round(seconds_each * NATION),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    if chosen.json:
        print(json.dumps(told, indent=2))
        return
    for label, figures in found.items():
        print(f"{label:>18}: " + "  ".join(f"{name} {value:,.1f}" for name, value in figures.items()))
    print("\n".join(f"{name}: {value}" for name, value in told.items() if name != "imports"))


if __name__ == "__main__":
    main()
