"""``python -m bench database``: what a night asks of a PostgreSQL that is not in the collector's own process.

Two nights over a database of the server whose address is given, on this machine, or else of a server of our own. CPU time
is that of the server and of all that it started. The first night, in which the meters are met, is not counted.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine, text

from bench.fleet import steered
from bench.nights import FIRST_DAY, carry_out, demand_truth, home_of
from kwartier.database import reading
from kwartier.simulate import faults
from kwartier.simulate.world import World
from tests.postgres import database

SEED = 7
CPU_FIELDS = slice(11, 15)
"""utime, stime, and those of children that have ended (proc(5)); counted after the name."""
TICKS_A_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a visit of the second night cost."""

    visits: int
    visits_per_s: float
    server_cpu_us: float
    collector_cpu_us: float
    wal_bytes: float
    database_bytes: float


def main(words: Sequence[str] | None = None) -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench database", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--meters", type=int, default=20_000, help="meters of the fleet (default %(default)s)")
    parser.add_argument("--database", help="address of an empty database of a PostgreSQL on this machine")
    chosen = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), chosen.meters, chosen.database or database("postgresql", Path(folder)))
    if chosen.json:
        print(json.dumps(asdict(found), indent=2))
        return
    print("  ".join(f"{name} {value:,.0f}" for name, value in asdict(found).items()))


def measure(folder: Path, meters: int, address: str) -> Found:
    """Two nights; the second counts."""
    world = World(seed=SEED, count=meters, faults=faults.load("none"))
    settings = f"database = {json.dumps(address)}\n"
    with (
        steered(world, folder / "fleet") as fleet,
        home_of(folder / "home", fleet.files, settings=settings) as home,
    ):
        carry_out(home, fleet, FIRST_DAY, progress=lambda tally: None)
        server = _server(home.engine)
        before = _now(home.engine, server)
        begun_s, own_s = time.monotonic(), time.process_time()
        day = FIRST_DAY + timedelta(days=1)
        visits = carry_out(home, fleet, day, progress=lambda tally: None).tally.tries
        taken_s, spent_s = time.monotonic() - begun_s, time.process_time() - own_s
        after = _now(home.engine, server)
        demand_truth(home, fleet.files, day)
    cpu_s, wal, size = (late - early for late, early in zip(after, before, strict=True))
    return Found(
        visits=visits,
        visits_per_s=visits / taken_s,
        server_cpu_us=cpu_s / visits * 1e6,
        collector_cpu_us=spent_s / visits * 1e6,
        wal_bytes=wal / visits,
        database_bytes=size / visits,
    )


def _server(engine: Engine) -> int:
    """The process that the server's other processes come from."""
    with reading(engine) as connection:
        pid = int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
    return int(_stat(pid)[1])


def _now(engine: Engine, server: int) -> tuple[float, float, float]:
    """Seconds of CPU that the server has used, bytes of its log, bytes of this database."""
    with reading(engine) as connection:
        query = "SELECT pg_current_wal_lsn() - '0/0', pg_database_size(current_database())"
        wal, size = connection.execute(text(query)).one()
    children = Path(f"/proc/{server}/task/{server}/children").read_text("ascii").split()
    ticks = sum(int(field) for pid in (server, *map(int, children)) for field in _stat(pid)[CPU_FIELDS])
    return ticks / TICKS_A_S, float(wal), float(size)


def _stat(pid: int) -> list[str]:
    """What the kernel says of a process, from its state on."""
    return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()


if __name__ == "__main__":
    main(sys.argv[1:])
