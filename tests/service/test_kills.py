"""Real processes, killed with SIGKILL at every step and at any instant: nothing is lost, doubled, or asked twice in silence."""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from kwartier.collect.steps import Step
from kwartier.service import night as nights
from kwartier.service.compare import compare_night
from kwartier.service.home import Home, open_home
from kwartier.service.rehearsal import promises
from kwartier.service.simulating import write_files
from kwartier.simulate import faults
from kwartier.simulate.virtual.fleet import WatchedFleet
from kwartier.simulate.world import World
from tests import postgres
from tests.conftest import skip_unless
from tests.service.street import TIMEZONE, installed
from tests.somebody import TESTER

DAY_S = 86_400
METERS = 40
PATIENCE_S = 60.0
TICK_S = 0.02
LEASE_S = 24
STEPS = tuple(Step)


class Days:
    """A watched street on loopback whose days we turn over. Its clocks go with the system's, some days ahead."""

    def __init__(self, folder: Path, meters: int = METERS) -> None:
        self.out = folder / "fleet"
        self.ahead_s = 0
        self.first = nights.yesterday(time.time(), TIMEZONE)
        world = World(seed=5, count=meters, faults=faults.load("none"))
        self.fleet = WatchedFleet(world, now=self.now, first_counter=1_000)

    def now(self) -> float:
        return time.time() + self.ahead_s

    def turn_to(self, number: int) -> date:
        """Let it be ``number`` days later; the day that is to be read."""
        self.ahead_s = number * DAY_S
        return self.first + timedelta(days=number)


@contextmanager
def days(folder: Path, meters: int = METERS) -> Iterator[Days]:
    """The street listens until the block ends."""
    loop, street = asyncio.new_event_loop(), Days(folder, meters)
    host = threading.Thread(target=loop.run_forever)
    host.start()
    try:
        asyncio.run_coroutine_threadsafe(street.fleet.listen(), loop).result(PATIENCE_S)
        write_files(street.fleet, street.out, datetime.fromtimestamp(street.now(), UTC), "operator")
        yield street
    finally:
        loop.call_soon_threadsafe(street.fleet.close)
        loop.call_soon_threadsafe(loop.stop)
        host.join(PATIENCE_S)
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def begin(
    home: Path,
    street: Days,
    day: date,
    step: Step | None = None,
    times: int = 1,
    lease_s: int = LEASE_S,
    told: str = "SIGKILL",
    within: Sequence[str] = (),
) -> subprocess.Popen[str]:
    """A process of the night, which may signal itself at a step. ``within``: the command that runs it."""
    words = (home, day, street.ahead_s, step or "", times, lease_s, told)
    return subprocess.Popen(
        [*within, sys.executable, "-m", "tests.service.doomed", *map(str, words)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> int:
    """How it ended."""
    complaint = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode in (0, -signal.SIGKILL), complaint[-2000:]
    return process.returncode


def wait_until(true: Callable[[], bool]) -> None:
    """Look until it is so."""
    for _ in range(int(PATIENCE_S / TICK_S)):
        if true():
            return
        signal.sigtimedwait([], TICK_S)
    raise AssertionError("it never was so")


def plan(home: Path, street: Days, day: date) -> None:
    """Make the night."""
    request = nights.Request(day=day, workers=1, at_once=True, actor=TESTER)
    with open_home(home) as opened:
        nights.plan(opened, request, now=street.now())


def check(home: Path, street: Days, day: date) -> None:
    """What is stored is the truth, and nobody was asked more often than is on record."""
    with open_home(home) as opened:
        found = compare_night(opened, street.out, day, actor=TESTER)
        assert (found.wrong, found.doubled, found.lost) == (0, 0, 0)
        assert found.compared > 0
        assert promises.one_read(opened, street.fleet, day + timedelta(days=1)) == []
        assert promises.counters(street.fleet) == []
        assert settled(opened)


def settled(home: Home) -> bool:
    """Whether nothing is left in anybody's hands."""
    return promises.settled(home.engine) == []


def kill_after(counters: int, home: Path, street: Days, day: date) -> bool:
    """Kill a process after so many messages, if it lives so long; whether it was killed."""
    before = street.fleet.watch.counters
    process = begin(home, street, day)
    wait_until(lambda: process.poll() is not None or street.fleet.watch.counters >= before + counters)
    process.kill()
    return end(process) != 0


def survive(folder: Path, rounds: int, seed: int) -> int:
    """Nights in each of which two processes are killed before a third ends it; how many kills there were."""
    chance, kills = random.Random(seed), 0
    with days(folder) as street:
        home = installed(folder, street.out, "open_visits = 12")
        for number in range(rounds):
            day = street.turn_to(number)
            plan(home, street, day)
            kills += end(begin(home, street, day, STEPS[number % len(STEPS)], chance.randint(1, 3))) != 0
            if number % 2:
                kills += kill_after(chance.randint(1, 4 * METERS), home, street, day)
            assert end(begin(home, street, day)) == 0
            check(home, street, day)
    return kills


def test_processes_killed_at_each_step_and_at_any_instant_lose_nothing(tmp_path: Path) -> None:
    assert survive(tmp_path, 12, seed=1) >= 15


@pytest.mark.long
def test_a_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    kills = sum(survive(tmp_path / f"{number}", 12, seed=10 + number) for number in range(7))
    assert kills >= 100


@pytest.mark.parametrize(
    ("kind", "step"),
    [("sqlite", Step.RESERVED), ("sqlite", Step.SPOOLED), ("postgresql", Step.CLAIMED), ("postgresql", Step.NOTED)],
)
def test_a_process_that_is_stopped_and_wakes_up_after_its_lease_does_no_harm(
    tmp_path: Path, kind: str, step: Step
) -> None:
    """Not within a transaction: on SQLite the others would wait for it, and on PostgreSQL in the middle of a batch, too.

    That only whoever stopped it can end. So it is stopped where the thread that writes is between two of them.
    """
    with days(tmp_path) as street:
        if kind == "sqlite":
            home = other = installed(tmp_path, street.out, "open_visits = 8")
        else:
            home, other = on_postgres(tmp_path, street, postgres.database("postgresql", tmp_path))
        day = street.turn_to(0)
        plan(home, street, day)
        slow = begin(home, street, day, step, lease_s=2, told="SIGSTOP")
        assert os.waitid(os.P_PID, slow.pid, os.WSTOPPED | os.WEXITED) is not None
        assert end(begin(other, street, day, lease_s=2)) == 0
        with open_home(other) as opened:
            assert compare_night(opened, street.out, day, actor=TESTER).lost == 0, "what it held was taken over"
        os.kill(slow.pid, signal.SIGCONT)
        assert end(slow) == 0
        check(home, street, day)


def on_postgres(folder: Path, street: Days, address: str) -> tuple[Path, Path]:
    """Two homes of one installation: one database, one store, one vault, one title."""
    shared = folder / "shared"
    shared.mkdir()
    first, second = folder / "first", folder / "second"
    first.mkdir()
    settings = (f'database = "{address}"', f'store = "{shared / "store"}"', f'vault = "{shared}"', "open_visits = 12")
    (first / "home").mkdir(mode=0o700)
    text = ['client_system_title = "4B57540102030405"', *settings]
    for home in (first / "home", second):
        home.mkdir(mode=0o700, exist_ok=True)
        (home / "kwartier.toml").write_text("\n".join(text) + "\n", "utf-8")
    installed(first, street.out)
    return first / "home", second


def test_two_hosts_on_one_database_read_by_turns_and_together(tmp_path: Path) -> None:
    with days(tmp_path) as street:
        homes = on_postgres(tmp_path, street, postgres.database("postgresql", tmp_path))
        for number in range(3):
            day = street.turn_to(number)
            plan(homes[number % 2], street, day)
            together = homes if number == 2 else (homes[number % 2],)
            assert [end(one) for one in [begin(home, street, day) for home in together]] == [0] * len(together)
            for home in homes:
                check(home, street, day)
        reads = [street.fleet.reads(index, day + timedelta(days=1)) for index in range(METERS)]
        assert reads == [1] * METERS


def test_a_host_that_is_cut_off_comes_back_long_after_its_lease_and_does_no_harm(tmp_path: Path) -> None:
    """In network namespaces: its database, and all meters, are gone without a word."""
    alone = ("unshare", "--net", "--map-root-user") if os.geteuid() else ("unshare", "--net")
    can = shutil.which("ip") and subprocess.run([*alone, "true"], check=False, capture_output=True).returncode == 0
    skip_unless(bool(can), "no network namespaces can be made here")
    ran = subprocess.run(
        [*alone, sys.executable, "-m", "tests.service.cut_off", str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]


@pytest.mark.parametrize("way", ["kill", "stop"])
def test_a_database_that_is_lost_in_mid_night_and_comes_back_costs_only_time(tmp_path: Path, way: str) -> None:
    server = postgres.server()
    with days(tmp_path, 3 * METERS) as street:
        home, _ = on_postgres(tmp_path, street, server.database())
        day = street.turn_to(0)
        plan(home, street, day)
        process = begin(home, street, day)
        wait_until(lambda: street.fleet.watch.counters > 60)
        getattr(server, way)()
        wait_until(lambda: street.fleet.awake == 0)
        assert process.poll() is None, "it waits"
        server.start()
        assert end(process) == 0
        check(home, street, day)
    server.stop()


@pytest.mark.long
def test_a_database_that_is_away_for_a_minute_is_waited_for(tmp_path: Path) -> None:
    server = postgres.server()
    with days(tmp_path, 3 * METERS) as street:
        home, _ = on_postgres(tmp_path, street, server.database())
        day = street.turn_to(0)
        plan(home, street, day)
        process = begin(home, street, day)
        wait_until(lambda: street.fleet.watch.counters > 60)
        server.stop()
        signal.sigtimedwait([], 60)
        server.start()
        assert end(process) == 0
        check(home, street, day)
    server.stop()
