"""``python -m bench pages``: how long each page of the console takes to be answered over a million meter-days, and its data.

A server of its own over a home that the services made, one browser with a cookie that asks one thing after the other, in an
order that is drawn: no page finds warm what it asked a moment ago. Meters and cells are drawn, too. Times are from the first
octet that is sent to the last that comes, on this machine's own line.

Which reading of a million meter-days is the honest one depends on the page. A night, a settlement, and a connection among many
cost what the **meters** cost: ``--meters 1000000 --days 1``. A map of gaps, a list of days and a curve of weeks cost what the
**days** cost: ``--meters 33334 --days 30``. The first is the default; in both all pages are asked.
"""

import argparse
import http.client
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import urlencode

from bench import pages_scene
from bench.day_scene import ONE_DAY, area_of
from bench.pages_scene import CELL_METERS, NAME, PASSWORD
from bench.store import SEED, ZONE
from kwartier.clock import local_day

AIM_MS = 200.0
READY = re.compile(r"READY http://127\.0\.0\.1:(\d+)/\n")
PATIENCE_S = 120.0
PACE_S = 0.055
"""One actor may ask 20 times a second, and is not to be told to slow down."""
MAX_SPAN, A_WEEK = 31, 7
"""Days of a map or a curve, and those that the page of a meter shows unless somebody says otherwise."""
WHY = {"reason": "bench"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page: its name in the report, its address without ``.json``, and what is asked of it."""

    name: str
    path: Callable[[random.Random], str]
    query: Callable[[random.Random], Mapping[str, str]] = lambda drawn: {}
    has_data: bool = True
    index: str = ""
    """What stands for the path where it has data, if that is not the path itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one look took. ``octets`` of the body."""

    ms: float
    octets: int


def pages(meters: int, first: date, days: int) -> list[Page]:
    """All of the console, as whoever may do everything sees it."""
    last = first + (days - 1) * ONE_DAY
    cells = max(1, meters // CELL_METERS)
    span = {"from": f"{max(first, last - (MAX_SPAN - 1) * ONE_DAY)}", "to": f"{last}"}
    week = {**span, "from": f"{max(first, last - (A_WEEK - 1) * ONE_DAY)}"}
    map_of = {"day": f"{last}", "days": "31"}

    def meter(drawn: random.Random) -> str:
        return f"/meter/{pages_scene.ean(drawn.randrange(meters))}"

    def cell(drawn: random.Random) -> Mapping[str, str]:
        number = drawn.randrange(cells)
        area = area_of(number * CELL_METERS, CELL_METERS)
        named = {"axis": "cell", "within": area, "cohort": f"cell{number:05}", "day": f"{last}"}
        return {**named, "purpose": "validation", **WHY}

    night = f"/tonight/{local_day(int(time.time()), ZONE) - ONE_DAY}"
    fixed: Sequence[tuple[str, str, Mapping[str, str]]] = (
        ("tonight", "/tonight", {}),
        ("tonight, to confirm", f"{night}/start", {}),
        ("gaps by day, by kind", "/gaps", {"axis": "kind", **map_of}),
        ("gaps by day, by cell", "/gaps", {"axis": "cell", **map_of}),
        ("gaps by hour, by cell", "/gaps", {"axis": "cell", "by": "hour", "day": f"{last}"}),
        ("settlement, days", "/settlement", span),
        ("settlement, a day", f"/settlement/{last}", {}),
        ("settlement, its sums", f"/settlement/{last}", {"purpose": "settlement", **WHY}),
    )
    found = [Page(name="first", path=lambda drawn: "/", index="/index")]
    found += [_fixed(name, path, query) for name, path, query in fixed]
    return [
        *found,
        Page(
            name="gaps, the picture",
            path=lambda drawn: "/gaps/heat.svg",
            query=lambda drawn: {"axis": "cell", "scheme": "dark", **map_of},
            has_data=False,
        ),
        Page(name="gaps of one cell", path=lambda drawn: "/gaps/cohort", query=cell),
        Page(name="meter, to find", path=lambda drawn: "/meter", has_data=False),
        Page(name="meter", path=meter, query=lambda drawn: week),
        Page(name="meter, a week's curve", path=meter, query=lambda drawn: {"purpose": "validation", **WHY, **week}),
        Page(name="meter, all days' curve", path=meter, query=lambda drawn: {"purpose": "validation", **WHY, **span}),
    ]


def _fixed(name: str, path: str, query: Mapping[str, str]) -> Page:
    return Page(name=name, path=lambda drawn: path, query=lambda drawn: query)


class Browser:
    """One line to the server, and a cookie."""

    def __init__(self, port: int) -> None:
        self._line = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        self.cookie = ""

    def sign_in(self) -> None:
        """By the form."""
        headers, page = self._asked("GET", "/sign-in")
        self.cookie = headers["set-cookie"].partition(";")[0]
        found = re.search(rb'name="csrf" value="([0-9a-f]+)"', page)
        if found is None:
            raise RuntimeError("the page to sign in has no form")
        fields = urlencode({"csrf": found[1].decode(), "name": NAME, "password": PASSWORD})
        headers, _ = self._asked("POST", "/sign-in", fields, 303)
        cookies = re.findall(r"(kwartier-session=[^;]+)", headers["set-cookie"])
        self.cookie = cookies[0]

    def look(self, address: str) -> Taken:
        """Once."""
        begun = time.perf_counter()
        _, body = self._asked("GET", address)
        return Taken(ms=(time.perf_counter() - begun) * 1e3, octets=len(body))

    def _asked(
        self, method: str, address: str, body: str | None = None, status: int = 200
    ) -> tuple[Mapping[str, str], bytes]:
        headers = {"cookie": self.cookie, "accept-language": "en"}
        if body is not None:
            headers["content-type"] = "application/x-www-form-urlencoded"
        self._line.request(method, address, body, headers)
        answer = self._line.getresponse()
        said = answer.read()
        if answer.status != status:
            raise RuntimeError(f"{address}: {answer.status} {said[:300]!r}")
        told: dict[str, str] = {}
        for name, value in answer.getheaders():
            told[name.lower()] = f"{told[name.lower()]}, {value}" if name.lower() in told else value
        return told, said


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A console that answers."""

    port: int
    pid: int

    def cpu_s(self) -> float:
        """CPU time that it has taken so far, user and system."""
        after_name = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return sum(map(int, after_name[11:13])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(home: Path) -> Iterator[Served]:
    """``kwartier serve`` until the block ends."""
    command = [sys.executable, "-m", "kwartier", "--home", f"{home}", "serve", "--port", "0"]
    environment = {**os.environ, "KWARTIER_HOME": ""}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        try:
            if process.stdout is None or (found := READY.fullmatch(process.stdout.readline())) is None:
                raise RuntimeError("the server did not say where it listens")
            yield Served(port=int(found[1]), pid=process.pid)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def measure(home: Path, meters: int, first: date, days: int, looks: int) -> dict[str, dict[str, float]]:
    """Each page and its data ``looks`` times, and what the very first look at each took."""
    drawn = random.Random(SEED)
    asked: list[tuple[str, Page, bool]] = []
    for page in pages(meters, first, days):
        asked.append((page.name, page, False))
        if page.has_data:
            asked.append((f"{page.name} (data)", page, True))
    with serving(home) as served:
        browser = Browser(served.port)
        browser.sign_in()
        firsts = {name: _paced(browser, _address(page, drawn, as_data=as_data)).ms for name, page, as_data in asked}
        time.sleep(PACE_S)
        order = [one for one in asked for _ in range(looks)]
        drawn.shuffle(order)
        taken: dict[str, list[Taken]] = {name: [] for name, _, _ in asked}
        for name, page, as_data in order:
            taken[name].append(_paced(browser, _address(page, drawn, as_data=as_data)))
    return {name: _told(firsts[name], found) for name, found in taken.items()}


def _address(page: Page, drawn: random.Random, *, as_data: bool) -> str:
    path, query = page.path(drawn), urlencode(page.query(drawn))
    return f"{(page.index or path) + '.json' if as_data else path}{'?' if query else ''}{query}"


def _paced(browser: Browser, address: str) -> Taken:
    begun = time.perf_counter()
    taken = browser.look(address)
    time.sleep(max(0.0, PACE_S - (time.perf_counter() - begun)))
    return taken


def _told(first_ms: float, taken: Sequence[Taken]) -> dict[str, float]:
    times = sorted(one.ms for one in taken)
    cuts = statistics.quantiles(times, n=100, method="inclusive") if len(times) > 1 else times * 99
    return {
        "first_ms": round(first_ms, 1),
        "p50_ms": round(cuts[49], 1),
        "p95_ms": round(cuts[94], 1),
        "p99_ms": round(cuts[98], 1),
        "octets": round(statistics.median(one.octets for one in taken)),
    }


def main(words: Sequence[str] | None = None) -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench pages", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--meters", type=int, default=1_000_000, help="meters of the fleet (default %(default)s)")
    parser.add_argument(
        "--days", type=int, default=1, help="days that were validated and settled (default %(default)s)"
    )
    parser.add_argument("--looks", type=int, default=60, help="at each page and its data (default %(default)s)")
    parser.add_argument("--folder", type=Path, help="where the home is made, to measure that disk")
    parser.add_argument("--home", type=Path, help="a home that an earlier run made with the same numbers; it is kept")
    chosen = parser.parse_args(words)
    first = pages_scene.first_of(chosen.days, time.time())
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        home = chosen.home or Path(folder) / "home"
        took = {} if home.exists() else pages_scene.make(home, chosen.meters, chosen.days, first)
        load = os.getloadavg()[0]
        found = measure(home, chosen.meters, first, chosen.days, chosen.looks)
    about = {"meters": chosen.meters, "days": chosen.days, "looks": chosen.looks, "making_s": took}
    about |= {"load_before": round(load, 1), "load_after": round(os.getloadavg()[0], 1)}
    missed = [name for name, one in found.items() if one["p95_ms"] > AIM_MS]
    if chosen.json:
        print(json.dumps({**about, "pages": found, "aim_ms": AIM_MS, "missed": missed}, indent=2))
        return
    print(f"{chosen.meters:,} meters, {chosen.days} days; aim: 95 of 100 within {AIM_MS:g} ms")
    print(f"{'':34}" + "".join(f"{name:>12}" for name in ("first (ms)", "p50", "p95", "p99", "octets")))
    for name, one in found.items():
        print(f"{name:34}" + "".join(f"{value:12,.1f}" for value in one.values()))
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    print("missed: " + (", ".join(missed) or "nothing"))


if __name__ == "__main__":
    main(sys.argv[1:])
