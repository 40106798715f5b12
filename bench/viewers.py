"""``python -m bench viewers``: what it costs a running night that fifty people watch it.

Nights with nobody at a console, and nights with a console and fifty browsers that have the events of *Tonight* open, alternate;
each pair gives a ratio of meters a second, and the median counts. The console, the viewers, the collector and the simulated
meters share the cores of this machine, so that everything is counted that watching takes - also what the viewers' own machines
would do.
"""

import argparse
import json
import multiprocessing
import os
import selectors
import socket
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from time import process_time

from sqlalchemy import func, select

from bench.fleet import Steered, steered
from bench.nights import FIRST_DAY, carry_out, home_of
from bench.pages import Browser, serving
from bench.pages_scene import CHEAP, NAME, PASSWORD
from kwartier.database import reading
from kwartier.service.home import Home
from kwartier.simulate import faults
from kwartier.simulate.world import World
from kwartier.tables import visits
from kwartier.who.accounts import Accounts

SEED = 8
VIEWERS = 50
MOST_LOST = 0.02
US = 1e6
CHUNK = 1 << 16
PATIENCE_S = 60.0
OPENED, EVENT = b"HTTP/1.1 200 ", b"event: tonight\n"
SETTINGS = 'open_visits = {}\n\n[roles]\n"account:' + NAME + '" = ["operator"]\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the viewers of a night were told, and the CPU time that telling and hearing it took."""

    events: int
    least_events: int
    octets: int
    server_cpu_s: float
    viewers_cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Meters a second of every pair, the median of their ratios, and what was watched in each."""

    alone_per_s: list[float]
    watched_per_s: list[float]
    watched: list[Watched]
    ratio: float
    load: float

    @property
    def is_good(self) -> bool:
        """Whether the night loses no more than it may."""
        return self.ratio >= 1 - MOST_LOST


def main(words: Sequence[str] | None = None) -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench viewers", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--meters", type=int, default=20_000, help="meters of a night (default %(default)s)")
    parser.add_argument("--open", type=int, default=500, help="visits open at once (default %(default)s)")
    parser.add_argument("--viewers", type=int, default=VIEWERS, help="who watch (default %(default)s)")
    parser.add_argument("--pairs", type=int, default=7, help="pairs of nights (default %(default)s)")
    chosen = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), chosen.meters, chosen.open, chosen.viewers, chosen.pairs, quiet=chosen.json)
    if chosen.json:
        print(json.dumps({**asdict(found), "is_good": found.is_good, "least_ratio": 1 - MOST_LOST}, indent=2))
        return
    print(f"median {found.ratio:.3f}, at least {1 - MOST_LOST:.2f}: {'good' if found.is_good else 'NOT GOOD'}")


def measure(folder: Path, meters: int, open_visits: int, viewers: int, pairs: int, *, quiet: bool) -> Found:
    """A night in which the meters are met, and then pairs, of which every other begins with the watched night."""
    world = World(seed=SEED, count=meters, faults=faults.load("none"))
    alone: list[float] = []
    with_viewers: list[float] = []
    watched: list[Watched] = []
    settings = SETTINGS.format(open_visits)
    with steered(world, folder / "fleet") as fleet, home_of(folder / "home", fleet.files, settings=settings) as home:
        Accounts(home.engine, simulated=lambda: True, cost=CHEAP).add(NAME, PASSWORD, by="os:bench", at=0)
        _night(home, fleet, FIRST_DAY, meters)
        for pair in range(pairs):
            day = FIRST_DAY + timedelta(days=1 + 2 * pair)
            for at, is_watched in ((day, pair % 2 == 1), (day + timedelta(days=1), pair % 2 == 0)):
                with watching(home.path, at, viewers, watched) if is_watched else nullcontext():
                    (with_viewers if is_watched else alone).append(_night(home, fleet, at, meters))
            if not quiet:
                a, b, told = alone[-1], with_viewers[-1], watched[-1]
                print(
                    f"alone {a:,.0f} a second, watched {b:,.0f}: {b / a:.3f}; {told.events:,} events, "
                    f"server {told.server_cpu_s:.1f} s, viewers {told.viewers_cpu_s:.1f} s of CPU",
                    flush=True,
                )
    ratio = statistics.median(b / a for a, b in zip(alone, with_viewers, strict=True))
    return Found(
        alone_per_s=alone, watched_per_s=with_viewers, watched=watched, ratio=ratio, load=round(os.getloadavg()[0], 1)
    )


def _night(home: Home, fleet: Steered, day: date, meters: int) -> float:
    """Meters a second, from the first visit that began to the last that ended."""
    stored = carry_out(home, fleet, day, progress=lambda tally: None).tally.stored
    if stored != meters:
        raise RuntimeError(f"{stored} of {meters} meters were stored")
    query = select(func.min(visits.c.started), func.max(visits.c.ended))
    with reading(home.engine) as connection:
        first, last = connection.execute(query.where(visits.c.date == day + timedelta(days=1))).one()
    return float(stored * US / (last - first))


@contextmanager
def watching(home: Path, day: date, viewers: int, found: list[Watched]) -> Iterator[None]:
    """A console with so many viewers of a day's night, all of whom it has answered, until the block ends."""
    context = multiprocessing.get_context("spawn")
    with serving(home) as served:
        browser = Browser(served.port)
        browser.sign_in()
        browser.look(f"/tonight/{day}")
        ours, theirs = context.Pipe()
        arguments = (served.port, browser.cookie, f"/tonight/{day}/events", viewers, theirs)
        process = context.Process(target=_watch, args=arguments, daemon=True)
        process.start()
        theirs.close()
        if not ours.poll(PATIENCE_S) or ours.recv() != "open":
            raise RuntimeError("the viewers were not let in")
        before_s = served.cpu_s()
        yield
        server_cpu_s = served.cpu_s() - before_s
        ours.send("end")
        counts, octets, cpu_s = ours.recv()
        process.join(PATIENCE_S)
    if min(counts) < 1:
        raise RuntimeError("a viewer was told nothing")
    found.append(
        Watched(
            events=sum(counts),
            least_events=min(counts),
            octets=octets,
            server_cpu_s=server_cpu_s,
            viewers_cpu_s=cpu_s,
        )
    )


def _watch(port: int, cookie: str, path: str, viewers: int, told: Connection) -> None:
    """Many lines in one process; each counts the events that it hears, and looks at none."""
    question = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\r\n".encode()
    heard = [0] * viewers
    octets, is_open = 0, set[int]()
    begun_s = process_time()
    with selectors.DefaultSelector() as selector:
        for number in range(viewers):
            line = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
            line.sendall(question)
            selector.register(line, selectors.EVENT_READ, number)
        selector.register(told, selectors.EVENT_READ, None)
        while True:
            for key, _ in selector.select():
                if key.data is None:
                    told.recv()
                    told.send((heard, octets, process_time() - begun_s))
                    return
                assert isinstance(key.fileobj, socket.socket)
                said = key.fileobj.recv(CHUNK)
                if not said:
                    raise RuntimeError("a stream has ended")
                octets += len(said)
                heard[key.data] += said.count(EVENT)
                if key.data not in is_open:
                    if not said.startswith(OPENED):
                        raise RuntimeError(f"a viewer was not let in: {said[:80]!r}")
                    is_open.add(key.data)
                    if len(is_open) == viewers:
                        told.send("open")


if __name__ == "__main__":
    main(sys.argv[1:])
