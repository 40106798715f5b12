"""Nights that are started, stopped and resumed from beside, over a street of simulated meters: processes of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from kwartier.collect.due import Dues, State
from kwartier.collect.lease import LEASE_S, holder
from kwartier.database import reading, writing
from kwartier.errors import KwartierError
from kwartier.service.home import Home, create_home, open_home
from kwartier.service.night_control import FILE_NAME, NightControl, Order
from kwartier.tables import accesses, leases, nights
from kwartier.who.actor import Actor
from tests.service.street import installed, street
from tests.somebody import TESTER

DAY = date(2026, 1, 14)
NIGHT = Order(day=DAY, at_once=True, reason="a test")
PATIENCE_S = 90.0
NOBODY = Actor(name="os:nobody", roles=frozenset(), via="os")


@contextmanager
def refused(code: str) -> Iterator[None]:
    """What is tried is refused with this code."""
    with pytest.raises(KwartierError) as caught:
        yield
    assert caught.value.code == code


def until(holds: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Home]:
    create_home(tmp_path / "home")
    with open_home(tmp_path / "home") as home:
        yield home


@contextmanager
def slow_street(folder: Path, meters: int = 300) -> Iterator[Home]:
    """Meters that take their time: a night over them lasts for some seconds."""
    with street(folder, meters, "--faults", "none", "--latency", "lte-m") as fleet:
        home = installed(folder, fleet, "open_visits = 20")
        with open_home(home) as opened:
            yield opened


def ended(control: NightControl) -> int:
    """Wait for the end of the run; its exit code."""
    codes: list[int] = []

    def is_known() -> bool:
        last = control.last()
        codes.extend([] if last is None or last.exit_code is None else [last.exit_code])
        return bool(codes)

    until(is_known)
    return codes[0]


def stored(home: Home) -> int:
    return Dues(home.engine).counts(DAY).stored


def under_way(home: Home) -> int:
    return Dues(home.engine).counts(DAY).states.get(State.LEASED, 0)


def members(group: int) -> list[int]:
    """The processes of a group that still run."""
    found = []
    for one in Path("/proc").iterdir():
        if one.name.isdigit():
            try:
                fields = (one / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(one.name))
    return found


def test_a_night_is_started_once_stopped_and_resumed_and_leaves_nobody_behind(tmp_path: Path) -> None:
    with slow_street(tmp_path, 100) as home:
        control = NightControl(home)
        may = control.controls(DAY, TESTER)
        assert (may.start.allowed, may.stop.code, may.resume.code) == (True, "night-not-running", "no-such-night")
        with refused("no-such-night"):
            control.resume(NIGHT, TESTER)
        run = control.start(NIGHT, TESTER)
        assert run.actor == TESTER.name
        with refused("night-running"):
            control.start(NIGHT, TESTER)
        with refused("night-running"):
            NightControl(home).resume(NIGHT, TESTER)
        until(lambda: stored(home) > 0)
        may = control.controls(DAY, TESTER)
        assert (may.start.code, may.stop.allowed, may.resume.code) == ("night-running", True, "night-running")
        assert control.stop(TESTER).stopping_at is not None
        assert ended(control) == 1, "meters are left"
        assert not run.is_running
        until(lambda: members(run.pid) == [])
        before = stored(home)
        assert 0 < before < 100
        assert under_way(home) == 0, "what it had and did not read is given back"
        may = control.controls(DAY, TESTER)
        assert (may.start.code, may.stop.code, may.resume.allowed) == ("night-planned", "night-not-running", True)
        with refused("night-planned"):
            control.start(NIGHT, TESTER)
        again = control.resume(NIGHT, TESTER)
        assert (ended(control), stored(home)) == (0, 100)
        assert not again.is_running
        assert control.controls(DAY, TESTER).resume.code == "night-done"
        assert any("100" in line for line in control.said())


def test_who_closes_ends_the_night_that_he_started_within_seconds(tmp_path: Path) -> None:
    with slow_street(tmp_path) as home:
        control = NightControl(home)
        run = control.start(NIGHT, TESTER)
        until(lambda: under_way(home) > 0)
        other = NightControl(home)
        other.close()
        assert run.is_running, "another did not start it"
        begun = time.monotonic()
        control.close()
        assert time.monotonic() - begun < 6
        assert not run.is_running
        until(lambda: members(run.pid) == [])
        control.close()


def test_a_night_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    with slow_street(tmp_path) as home:
        script = (
            "import sys, time; from pathlib import Path; from datetime import date\n"
            "from kwartier.service.home import open_home\n"
            "from kwartier.service.night_control import NightControl, Order\n"
            "from kwartier.service.identity import actor\n"
            "with open_home(Path(sys.argv[1])) as home:\n"
            "    NightControl(home).start(Order(day=date(2026, 1, 14), at_once=True), actor(home))\n"
            "    print('STARTED', flush=True)\n"
            "    time.sleep(600)\n"
        )
        console = subprocess.Popen([sys.executable, "-c", script, f"{home.path}"], stdout=subprocess.PIPE, text=True)
        with console:
            assert console.stdout is not None
            assert console.stdout.readline() == "STARTED\n"
            run = NightControl(home).last()
            assert run is not None
            until(lambda: under_way(home) > 0)
            console.kill()
        until(lambda: not run.is_running)
        until(lambda: members(run.pid) == [])
        assert under_way(home) == 0
        assert stored(home) < 300
        assert any("whoever started this night is gone" in line for line in NightControl(home).said())


def test_a_night_that_others_are_at_is_not_begun_twice(empty: Home) -> None:
    now = time.time()
    control = NightControl(empty)
    row = {"id": "a", "day": DAY, "holder": "another-host:1:2", "taken_at": int(now), "expires_at": int(now) + LEASE_S}
    with writing(empty.engine) as connection:
        connection.execute(insert(leases).values(row))
    with refused("night-running"):
        control.start(NIGHT, TESTER)
    assert control.controls(DAY, TESTER).start.code == "night-running"
    with writing(empty.engine) as connection:
        connection.execute(update(leases).values(expires_at=int(now) - 1))
    assert control.controls(DAY, TESTER).start.allowed, "whoever had it has not been heard of since"


def test_nobody_starts_a_night_whom_the_gate_would_refuse(empty: Home) -> None:
    control = NightControl(empty)
    with refused("wrong-role"):
        control.start(NIGHT, NOBODY)
    may = control.controls(DAY, NOBODY)
    assert {may.start.code, may.stop.code, may.resume.code} == {"wrong-role"}
    assert not (empty.path / FILE_NAME).exists()


def test_a_day_that_is_not_over_and_a_window_that_is_are_refused_before_anything_starts(empty: Home) -> None:
    control = NightControl(empty, wall=lambda: 1_768_400_000.0)
    with refused("day-not-over"):
        control.start(NIGHT, TESTER)
    with refused("window-over"):
        control.start(Order(day=date(2026, 1, 1)), TESTER)
    with refused("night-not-running"):
        control.stop(TESTER)


def test_why_a_night_was_stopped_is_kept_with_it_and_written_down_once_it_was_told(empty: Home) -> None:
    control = NightControl(empty)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as night:
        row = {"day": f"{DAY}", "workers": 1, "at_once": True, "reason": "", "actor": "a", "started_at": 1}
        (empty.path / FILE_NAME).write_text(json.dumps({**row, "process": holder(night.pid)}))
        control.stop(TESTER, reason="works on the network")
        assert night.wait(PATIENCE_S) == -signal.SIGTERM
    last = control.last()
    assert last is not None
    assert (last.stopped_by, last.stopping_reason) == (TESTER.name, "works on the network")
    with reading(empty.engine) as connection:
        found = connection.execute(select(accesses.c.actor, accesses.c.purpose, accesses.c.reason)).all()
    assert found == [(TESTER.name, "settlement", "stopped: works on the network")]


def test_a_file_of_another_boot_or_none_at_all_is_no_run(empty: Home) -> None:
    control = NightControl(empty)
    assert control.last() is None
    (empty.path / FILE_NAME).write_text("{")
    assert control.last() is None
    text = (
        '{"day": "2026-01-14", "workers": 1, "at_once": true, "reason": "", "actor": "a", "started_at": 1, '
        f'"process": "{holder(os.getpid()).rsplit(":", 1)[0]}:1"}}'
    )
    (empty.path / FILE_NAME).write_text(text)
    last = control.last()
    assert last is not None
    assert not last.is_running, "the number is another process's by now"
    with writing(empty.engine) as connection:
        connection.execute(insert(nights).values(day=DAY, planned_at=1, purpose="x", actor="y"))
    assert control.controls(DAY, TESTER).resume.code == "night-done"
