"""``python -m bench nation``: a night of ten thousand to twelve million meters, from what was measured of a few.

Nobody here has twelve million meters. What a visit costs was measured (``bench/measured.toml``, each number with its command);
this goes through the seconds of a night with it: meters become due as the plan spreads them, begin as the cells, the slots and
the cores allow, and take as long as their bearer's latencies add up to. A second course has no network for the first hours
of the window. What is not in it is said on the page that it writes.
"""

import argparse
import json
import sys
import time
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from math import ceil
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kwartier.collect.due import FIRST_TRIES
from kwartier.service.settings import Settings, defaults
from kwartier.service.worker import BACKOFF_IN_WINDOW_S, RETRY_PART
from kwartier.simulate.latency import LATENCIES, MAX_ANSWER_S

MEASURED = Path(__file__).with_name("measured.toml")
SIZES = (10_000, 100_000, 1_000_000, 8_000_000, 12_000_000)
LARGE = 1_000_000
SEED = 11
HOUR_S = 3600
MINUTE_S = 60
POOL = 100_000
"""Visit times that are drawn once, and then drawn from."""
VALUES = 192
"""Values of a day: a quarter each, both directions."""
GB = 1e9
HOST_CORES = 4
SERVER_CORES = 1
Integers = npt.NDArray[np.int64]
Table = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """The numbers of ``measured.toml``; what each means is told there."""

    visit_cpu_us: float
    messages: float
    process_mb: float
    visit_kb: float
    plan_us: float
    database_bytes: float
    server_cpu_us: float
    registry_bytes: float
    value_bytes: float
    tidy_us: float
    lte_m_part: float
    failing_part: float
    cell_meters: float
    largest_cell: float
    busy_part: float
    outage_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a night went. ``ended_s``: after the window opened; ``left``: visits that it was too short for."""

    processes: int
    ended_s: float
    left: int
    most_open: int
    most_a_s: float
    """Visits that began in a second, in the busiest minute."""
    busy_part: float
    """Of the cores, from the window's opening to the last visit's end."""
    process_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A fleet: an undisturbed night, one with an outage, and what piles up."""

    meters: int
    night: Course
    outage: Course
    planned_s: float
    core_hours: float
    server_core_hours: float
    tidied_s: float
    registry_gb: float
    store_gb: float
    database_gb: float


def main(words: Sequence[str] | None = None) -> None:
    """Calculate, and print a table or JSON, or write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench nation", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--meters", type=int, nargs="+", default=SIZES, help="sizes of fleets")
    parser.add_argument("--page", type=Path, help="write the page of the documentation to this file")
    chosen = parser.parse_args(words)
    begun_s = time.monotonic()
    table = tomllib.loads(MEASURED.read_text("utf-8"))
    constants = constants_of(table)
    sizes = [size_of(meters, constants, defaults()) for meters in chosen.meters]
    if chosen.page is not None:
        chosen.page.write_text(page(table, sizes), "utf-8")
    elif chosen.json:
        print(json.dumps([asdict(one) for one in sizes], indent=2))
    else:
        print("\n".join(table_of(sizes)))
        print(f"calculated in {time.monotonic() - begun_s:.0f} s from {MEASURED.name}; what is assumed stands there")


def constants_of(table: Table) -> Constants:
    """The numbers alone."""
    return Constants(**{name: row["value"] for part in ("measured", "assumed") for name, row in table[part].items()})


def size_of(meters: int, constants: Constants, settings: Settings) -> Size:
    """Both courses of a fleet's night, each with as many processes as it takes."""
    window_s = _window_s(settings)
    tries = meters * (1 + constants.failing_part)
    cpu_s = tries * constants.visit_cpu_us / 1e6
    left_s = window_s - constants.outage_h * HOUR_S
    return Size(
        meters=meters,
        night=course(meters, ceil(cpu_s / (window_s * FIRST_TRIES) / constants.busy_part), 0, constants, settings),
        outage=course(
            meters, ceil(cpu_s / left_s / constants.busy_part), int(constants.outage_h * HOUR_S), constants, settings
        ),
        planned_s=meters * constants.plan_us / 1e6,
        core_hours=cpu_s / HOUR_S,
        server_core_hours=tries * constants.server_cpu_us / 1e6 / HOUR_S,
        tidied_s=meters * constants.tidy_us / 1e6,
        registry_gb=meters * constants.registry_bytes / GB,
        store_gb=meters * VALUES * constants.value_bytes / GB,
        database_gb=tries * constants.database_bytes / GB,
    )


def _window_s(settings: Settings) -> int:
    opens, closes = (
        timedelta(hours=one.hour, minutes=one.minute) for one in (settings.window_opens, settings.window_closes)
    )
    return int((closes - opens).total_seconds())


def course(meters: int, processes: int, outage_s: int, constants: Constants, settings: Settings) -> Course:
    """The seconds of a night, one after the other."""
    generator = np.random.default_rng(SEED)
    window_s, plan_s = _window_s(settings), ceil(meters * constants.plan_us / 1e6)
    cells = _cells(meters, constants)
    moments = generator.integers(0, int(window_s * FIRST_TRIES), meters)
    order = np.argsort(moments, kind="stable")
    due = np.split(cells[order], np.searchsorted(moments[order], np.arange(1, window_s)))
    takes_s = _visit_times(generator, constants)
    radio = _Radio(int(cells.max()) + 1, settings, processes, constants)
    again: dict[int, list[Integers]] = defaultdict(list)
    began = np.zeros(window_s)
    ended_s = 0
    for second in range(window_s):
        radio.wait(due[second], *again.pop(second, []))
        radio.end(second)
        if second < max(plan_s, outage_s):
            continue
        begins = radio.begins(generator)
        if not len(begins):
            continue
        began[second] = len(begins)
        ends = second + np.maximum(1, takes_s[generator.integers(0, POOL, len(begins))])
        radio.begin(begins, ends)
        ended_s = max(ended_s, int(ends.max()))
        fails = generator.random(len(begins)) < constants.failing_part
        for end in np.unique(ends[fails]):
            again[int(end + BACKOFF_IN_WINDOW_S)].append(begins[fails & (ends == end)])
    minutes = began.reshape(-1, MINUTE_S).mean(axis=1)
    return Course(
        processes=processes,
        ended_s=ended_s,
        left=int(radio.waiting.sum()) + sum(len(one) for many in again.values() for one in many),
        most_open=radio.most_open,
        most_a_s=float(minutes.max()),
        busy_part=float(began.sum()) * constants.visit_cpu_us / 1e6 / processes / max(1, ended_s),
        process_mb=constants.process_mb + radio.most_open / processes * constants.visit_kb / 1024,
    )


def _cells(meters: int, constants: Constants) -> Integers:
    """The cell of each meter."""
    size, largest = int(constants.cell_meters), int(constants.largest_cell) if meters >= LARGE else 0
    cells: Integers = np.arange(meters, dtype=np.int64) // size + 1
    cells[:largest] = 0
    return cells


def _visit_times(generator: np.random.Generator, constants: Constants) -> Integers:
    """Seconds of visits, so that their mean is kept: a part of a second is a second as often as it is large."""
    on_lte_m = generator.random(POOL) < constants.lte_m_part
    takes_s = np.zeros(POOL)
    for name, chosen in (("lte-m", on_lte_m), ("cdma450", ~on_lte_m)):
        latency = LATENCIES[name]
        if latency is None:
            raise RuntimeError(f"{name} has no latency")
        drawn = latency.median_s * np.exp(latency.spread * generator.standard_normal((POOL, ceil(constants.messages))))
        answers = np.clip(drawn, latency.floor_s, MAX_ANSWER_S)
        takes_s[chosen] = answers.mean(axis=1)[chosen] * constants.messages
    whole: Integers = np.floor(takes_s + generator.random(POOL)).astype(np.int64)
    return whole


class _Radio:
    """What waits and what is open in each cell, within the bounds of the settings."""

    def __init__(self, cells: int, settings: Settings, processes: int, constants: Constants) -> None:
        self.waiting: Integers = np.zeros(cells, np.int64)
        self.most_open = 0
        self._open: Integers = np.zeros(cells, np.int64)
        self._ends: dict[int, list[Integers]] = defaultdict(list)
        self._cell_per_s = int(settings.cell_visits_per_s) or meters_of_all(cells)
        self._cell_open = settings.cell_open_visits or meters_of_all(cells)
        self._slots = processes * settings.open_visits * (RETRY_PART - 1) // RETRY_PART
        per_s = processes * 1e6 / constants.visit_cpu_us
        self._per_s = int(min(per_s, settings.visits_per_s or per_s))

    def wait(self, *cells: Integers) -> None:
        """Visits become due."""
        for one in cells:
            np.add.at(self.waiting, one, 1)

    def end(self, second: int) -> None:
        """Visits end."""
        for one in self._ends.pop(second, []):
            np.subtract.at(self._open, one, 1)

    def begins(self, generator: np.random.Generator) -> Integers:
        """Which visits begin now: their cells."""
        some = np.flatnonzero(self.waiting)
        may = np.minimum(np.minimum(self.waiting[some], self._cell_per_s), self._cell_open - self._open[some])
        found: Integers = np.repeat(some, np.maximum(0, may))
        most = max(0, min(self._per_s, self._slots - int(self._open.sum())))
        return found if len(found) <= most else generator.choice(found, most, replace=False)

    def begin(self, cells: Integers, ends: Integers) -> None:
        """They do, and end in the seconds ``ends``."""
        np.subtract.at(self.waiting, cells, 1)
        np.add.at(self._open, cells, 1)
        for end in np.unique(ends):
            self._ends[int(end)].append(cells[ends == end])
        self.most_open = max(self.most_open, int(self._open.sum()))


def meters_of_all(cells: int) -> int:
    """No bound: more than any cell of a fleet with ``cells`` cells has."""
    return max(SIZES) * max(1, cells)


# What is told.


def table_of(sizes: Sequence[Size]) -> Iterator[str]:
    """The sizing table, in Markdown: a column a fleet."""
    yield f"| | {' | '.join(f'{one.meters:,}'.replace(',', ' ') for one in sizes)} |"
    yield "|---" * (len(sizes) + 1) + "|"
    for name, told in ROWS:
        yield f"| {name} | {' | '.join(told(one) for one in sizes)} |"


def _hosts(found: Course) -> int:
    """Of which each has a core for the system, and one has PostgreSQL."""
    return ceil((found.processes + SERVER_CORES) / (HOST_CORES - 1))


def _ended(found: Course) -> str:
    if found.left:
        return f"{found.left} left"
    minutes = round(found.ended_s / MINUTE_S)
    return f"{minutes // 60}:{minutes % 60:02d}"


ROWS: Sequence[tuple[str, Callable[[Size], str]]] = (
    ("*a night:* processes of the collector", lambda one: f"{one.night.processes}"),
    ("the last visit ends, after the window opened", lambda one: _ended(one.night)),
    ("visits a second, in the busiest minute", lambda one: f"{one.night.most_a_s:,.0f}"),
    ("visits open, at the most, in all", lambda one: f"{one.night.most_open}"),
    ("memory of a process (MB)", lambda one: f"{one.night.process_mb:,.0f}"),
    ("of its core busy", lambda one: f"{one.night.busy_part:.0%}"),
    ("hosts of four cores, and one that may be gone", lambda one: f"{_hosts(one.night)} + 1"),
    ("*after an outage of everything:* processes", lambda one: f"{one.outage.processes}"),
    ("its last visit ends", lambda one: _ended(one.outage)),
    ("its busiest minute, visits a second", lambda one: f"{one.outage.most_a_s:,.0f}"),
    ("its visits open, at the most", lambda one: f"{one.outage.most_open}"),
    ("its hosts of four cores, and one that may be gone", lambda one: f"{_hosts(one.outage)} + 1"),
    ("*both:* planning, before the first visit (s)", lambda one: f"{one.planned_s:,.0f}"),
    ("CPU of all collectors (core hours)", lambda one: f"{one.core_hours:.2f}"),
    ("CPU of a PostgreSQL (core hours)", lambda one: f"{one.server_core_hours:.2f}"),
    ("`store tidy` (s)", lambda one: f"{one.tidied_s:,.0f}"),
    ("registry (GB)", lambda one: f"{one.registry_gb:.2f}"),
    ("readings, each night (GB)", lambda one: f"{one.store_gb:.2f}"),
    ("records in the database, each night (GB)", lambda one: f"{one.database_gb:.2f}"),
)
"""The sizing table: what a row says of a fleet."""
PAGE = """\
<!-- Made by `make docs` from `bench/measured.toml`; change it there. -->
# How large it has to be

Nobody has run twelve million meters here. What one visit costs was measured, and the table multiplies it, second
by second: meters become due as the plan spreads them over three quarters of the window, begin as the bounds of the
cells, the slots and the cores allow, and take as long as their answers do. Settings are the defaults, with a window
from 00:00 to 06:00. The second course has no network at all for the first hours of it.

{sizes}

A process uses one core. Of each host a core is left to the system, and of one another to PostgreSQL. The host that
may be gone is there for the night in which another fails, not for its speed.

## What was measured

{machine}; {alone}.

| | value | `make bench ARGS=...` | what it is |
|---|---:|---|---|
{measured}

## What is assumed

| | value | what it is |
|---|---:|---|
{assumed}

## What is multiplied, and may not be so

- Processes are taken to add up. Two measured ones shared two cores with the simulator; more never ran at once.
- The database was as large as the measured fleet. Its indexes are deeper with twelve million meters, and a server
  on another machine adds a round trip to each statement for hundreds of visits; no open visit waits for it.
- Planning goes before the first visit, in one process; readings lie on a disk of the host, not on a network.
- Latencies, parts that fail and cells are orders of magnitude, not measurements of any network.
- The cores do nothing else. Where other work runs on them, the rates shrink by what it takes.
- Nobody looks at readings meanwhile. Evaluations read the same store and belong on hosts of their own.
"""


def page(table: Table, sizes: Sequence[Size]) -> str:
    """``docs/sizing.md``."""
    about, measured, assumed = table["about"], table["measured"], table["assumed"]
    return PAGE.format(
        sizes="\n".join(table_of(sizes)),
        machine=about["machine"],
        alone="nothing else ran" if about["quiet"] else "**while others used the same cores**",
        measured="\n".join(
            f"| {name} | {row['value']} | `{row['command']}` | {row['means']} |" for name, row in measured.items()
        ),
        assumed="\n".join(f"| {name} | {row['value']} | {row['means']} |" for name, row in assumed.items()),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
