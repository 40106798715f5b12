"""Nights over streets of simulated meters, with processes of their own, compared with the truth."""

import asyncio
import json
import os
import select
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select as query
from sqlalchemy import update

from kwartier.collect.claims import Claims
from kwartier.collect.due import Dues
from kwartier.collect.engine import Tally
from kwartier.database import writing
from kwartier.errors import InputError
from kwartier.gate.policy import Scope
from kwartier.service import worker
from kwartier.service.compare import compare_night
from kwartier.service.home import Home, create_home, open_home
from kwartier.service.night import Request, plan, yesterday
from kwartier.service.worker import Orders
from kwartier.simulate import truth
from kwartier.simulate.running import EMPTY_HOST
from kwartier.tables import meters, visits
from tests.service.street import TIMEZONE, installed, night, street, timeless
from tests.somebody import TESTER

PATIENCE_S = 120.0
LAST_WINTER_DAY = date(2026, 1, 14)
STREET = 80
FEW_OPEN = "open_visits = 2"
"""A street takes more than a minute so: however busy this machine is, a run is still in its middle when it is told to end."""


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err


def stored(home: Path, day: date) -> dict[str, int]:
    """How many stamps each meter has of a day; a row that is there twice or in two versions fails."""
    with open_home(home) as opened:
        scope = Scope(start=day, end=day + timedelta(days=1))
        grant = opened.gate.open(actor=TESTER, purpose="test", scope=scope)
        found: dict[str, int] = {}
        for stack, links in grant.day(day):
            assert set(stack.versions.tolist()) == {1}
            found.update((link.meter, stack.status.shape[1]) for link in links)
        assert grant.rows(day) == len(found)
    return found


def check(home: Path, fleet: Path, day: date) -> None:
    """Everything that could be had is stored, once, as it was."""
    with open_home(home) as opened:
        found = compare_night(opened, fleet, day, actor=TESTER)
    assert found.is_clean, found
    assert found.compared > 0


def asked(home: Path) -> Counter[str]:
    """How many visits asked each meter for personal data."""
    with open_home(home) as opened, opened.engine.connect() as connection:
        return Counter(connection.execute(query(visits.c.meter).where(visits.c.asked)).scalars())


def test_a_night_reads_every_meter_once_and_a_second_run_reads_nothing(tmp_path: Path) -> None:
    with street(tmp_path, 60, "--faults", "none") as fleet:
        home = installed(tmp_path, fleet)
        code, out, err = finish(night(home, "run", "--date", f"{LAST_WINTER_DAY}", "--now", "--json", "--workers", "2"))
        assert (code, err) == (0, "")
        table = json.loads(out)
        assert (table["date"], table["due"], table["read"], table["missed"]) == (f"{LAST_WINTER_DAY}", 60, 60, 0)
        assert table["coverage"] == {"installed": 1.0, "reachable": 1.0, "intervals": 1.0}
        assert (table["running"], table["causes"]) == (False, {})
        check(home, fleet, LAST_WINTER_DAY)
        before = asked(home)
        assert set(before.values()) == {1}
        assert finish(night(home, "run", "--date", f"{LAST_WINTER_DAY}", "--now"))[0] == 0
        assert asked(home) == before
        # Another day is another read, and a connection has only one on a day of visit.
        code, out, _ = finish(night(home, "run", "--date", "2026-01-13", "--now", "--json"))
        assert (code, json.loads(out)["causes"]) == (1, {"already-read": 60})
        assert asked(home) == before
        code, out, _ = finish(night(home, "claims", "--json"))
        proof = json.loads(out)
        assert (code, proof["at_most_once"], proof["fulfilled"], proof["refused"]) == (
            0,
            True,
            60,
            {"already-read": 60},
        )


@pytest.mark.parametrize(("day", "quarters"), [(date(2026, 3, 29), 92), (date(2025, 10, 26), 100)])
def test_nights_in_which_the_clocks_change(tmp_path: Path, day: date, quarters: int) -> None:
    with street(tmp_path, 12, "--faults", "none") as fleet:
        home = installed(tmp_path, fleet)
        assert finish(night(home, "run", "--date", f"{day}", "--now"))[0] == 0
        check(home, fleet, day)
        found = stored(home, day)
    assert set(found.values()) == {quarters + 1}


def test_a_street_with_the_usual_faults_loses_nothing_that_could_be_had(tmp_path: Path) -> None:
    with street(tmp_path, 400) as fleet:
        home = installed(tmp_path, fleet)
        code, out, _ = finish(night(home, "run", "--date", f"{LAST_WINTER_DAY}", "--now", "--json"))
        check(home, fleet, LAST_WINTER_DAY)
        told = truth.load(fleet)
        missed = sum(1 for meter in told.meters() if not told.obtainable(meter, LAST_WINTER_DAY).any())
    assert json.loads(out)["missed"] == missed
    with open_home(home) as opened:
        today = datetime.now(ZoneInfo(TIMEZONE)).date()
        assert Claims(opened.engine).proof(today).beyond == ()
        assert max(Counter(asked(home)).values()) <= 3
        assert code == 0


def test_a_meter_that_nobody_could_read_is_missed_and_nothing_fell_short(tmp_path: Path) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text(
        '[unreachable]\nattempts = 0\nmeters = ["noord-000001"]\n[wrong-key]\nattempts = 0\nmeters = ["zuid-000002"]\n'
    )
    with street(tmp_path, 6, "--faults", f"{faults}") as fleet:
        home = installed(tmp_path, fleet)
        code, out, _ = finish(night(home, "run", "--date", f"{LAST_WINTER_DAY}", "--now", "--json"))
        table = json.loads(out)
        assert (code, table["read"], table["missed"]) == (0, 4, 2)
        assert set(table["causes"]) == {"connect-refused", "association-refused"}
        code, out, _ = finish(night(home, "gaps", "--date", f"{LAST_WINTER_DAY}", "--json"))
        assert [(one["meter"], one["attempts"]) for one in json.loads(out)] == [("noord-000001", 3), ("zuid-000002", 1)]
        check(home, fleet, LAST_WINTER_DAY)


def test_a_run_that_is_told_to_end_stores_what_it_has_and_another_finishes(tmp_path: Path) -> None:
    with street(tmp_path, STREET, "--faults", "none", "--latency", "lte-m") as fleet:
        home = installed(tmp_path, fleet, FEW_OPEN)
        process = night(home, "run", "--date", f"{LAST_WINTER_DAY}", "--now", "--workers", "2")
        until_some_are_leased(home)
        process.send_signal(signal.SIGTERM)
        code, _, _ = finish(process)
        assert code == 1
        with open_home(home) as opened:
            counts = Dues(opened.engine).counts(LAST_WINTER_DAY)
        assert counts.states.get("leased", 0) == 0
        assert 0 < counts.stored < STREET
        assert len(stored(home, LAST_WINTER_DAY)) == counts.stored
        many_open(home)
        assert finish(night(home, "run", "--date", f"{LAST_WINTER_DAY}", "--now", "--workers", "2"))[0] == 0
        check(home, fleet, LAST_WINTER_DAY)
        assert set(asked(home).values()) == {1}


def test_a_run_that_is_killed_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with street(tmp_path, STREET, "--faults", "none", "--latency", "lte-m") as fleet:
        home = installed(tmp_path, fleet, FEW_OPEN)
        process = night(home, "run", "--date", f"{LAST_WINTER_DAY}", "--now", "--workers", "2")
        until_some_are_leased(home)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE_S)
        many_open(home)
        assert finish(night(home, "run", "--date", f"{LAST_WINTER_DAY}", "--now", "--workers", "2"))[0] == 0
        check(home, fleet, LAST_WINTER_DAY)
        today = datetime.now(ZoneInfo(TIMEZONE)).date()
        with open_home(home) as opened:
            proof = Claims(opened.engine).proof(today)
        assert (proof.beyond, proof.fulfilled) == ((), STREET)
        assert set(proof.repeats) <= {"worker-lost"}


def many_open(home: Path) -> None:
    """From here on nights have visits open at every meter of the street."""
    settings = home / "kwartier.toml"
    settings.write_text(settings.read_text("utf-8").replace(FEW_OPEN, f"open_visits = {STREET}"), "utf-8")


def until_some_are_leased(home: Path) -> None:
    """Until the first visits are stored: the run is in its middle then."""
    with open_home(home) as opened:
        dues = Dues(opened.engine)
        for _ in range(600):
            if dues.counts(LAST_WINTER_DAY).stored:
                return
            signal.sigtimedwait([], 0.05)
    raise AssertionError("nothing was stored in half a minute")


def test_workers_end_with_who_started_them(tmp_path: Path) -> None:
    with street(tmp_path, STREET, "--faults", "none", "--latency", "lte-m") as fleet:
        home = installed(tmp_path, fleet, FEW_OPEN)
        process = night(home, "run", "--date", f"{LAST_WINTER_DAY}", "--now", "--workers", "2")
        until_some_are_leased(home)
        workers = children(process.pid)
        assert len(workers) == 2
        ends = [os.pidfd_open(pid) for pid in workers]
        process.kill()
        process.communicate(timeout=PATIENCE_S)
        for end in ends:
            assert select.select([end], [], [], 30)[0] == [end]
            os.close(end)


def children(pid: int) -> list[int]:
    """The worker processes that ``pid`` started."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return [int(one) for one in found if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]


# A month of nights, on a clock of its own.


@dataclass(slots=True)
class Wall:
    """A clock that is set to the start of a night and goes on from there."""

    start_s: float = 0.0
    begun_s: float = field(default_factory=time.monotonic)

    def __call__(self) -> float:
        return self.start_s + time.monotonic() - self.begun_s

    def set(self, at: datetime) -> None:
        self.start_s, self.begun_s = at.timestamp(), time.monotonic()


def one_night(home: Home, day: date, wall: Callable[[], float]) -> Tally:
    request = Request(day=day, workers=1, at_once=True, actor=TESTER)
    plan(home, request, now=wall())
    orders = Orders(home=home.path, day=day, at_once=True, purpose="settlement", reason="", actor="os:test", until=None)
    return asyncio.run(worker.run(home, orders, progress=lambda tally: None, wall=wall))


@pytest.mark.long
def test_a_month_of_nights_catches_up_with_what_was_missed_for_as_long_as_the_buffer_holds(tmp_path: Path) -> None:
    first = date(2026, 3, 10)
    days = [first + timedelta(days=number) for number in range(30)]
    nights = [datetime(day.year, day.month, day.day, 1, tzinfo=ZoneInfo(TIMEZONE)) + timedelta(days=1) for day in days]
    wall = Wall()
    wall.set(nights[0])
    with timeless(tmp_path, 16, wall) as fleet:
        home_folder = installed(tmp_path, fleet)
        away, gone = set[str](), set[str]()
        for number, name in enumerate(truth.load(fleet).meters()):
            away |= {name} if number % 4 == 1 else set()
            gone |= {name} if number % 8 == 2 else set()
        with open_home(home_folder) as home:
            for number, (day, at) in enumerate(zip(days, nights, strict=True)):
                wall.set(at)
                silent = (away if 5 <= number < 9 else set()) | (gone if 10 <= number < 24 else set())
                with hidden(home, silent):
                    one_night(home, day, wall)
            dues = Dues(home.engine)
            lost = {day: 16 - dues.counts(day).stored for day in days}
            # Four nights away: all is caught up with. Fourteen: what the buffer does not hold any more is lost,
            # and said; of the oldest day that is still there the first hours are gone.
            assert {day: count for day, count in lost.items() if count} == {day: len(gone) for day in days[10:15]}
            assert all(Claims(home.engine).proof(at.date()).beyond == () for at in nights)
        for day in days[:10] + days[16:]:
            check(home_folder, fleet, day)


@contextmanager
def hidden(home: Home, names: set[str]) -> Iterator[None]:
    """Meters that nobody reaches: where we look for them nobody listens."""
    with home.engine.connect() as connection:
        hosts = dict(connection.execute(query(meters.c.meter, meters.c.host).where(meters.c.meter.in_(names))).all())
    move(home, dict.fromkeys(names, EMPTY_HOST))
    yield
    move(home, hosts)


def move(home: Home, hosts: dict[str, str]) -> None:
    with writing(home.engine) as connection:
        for name, host in hosts.items():
            connection.execute(update(meters).where(meters.c.meter == name).values(host=host))


# What cannot be tried at all.


def test_a_day_that_is_not_over_and_a_window_that_has_passed_are_said(tmp_path: Path) -> None:
    with street(tmp_path, 2, "--faults", "none") as fleet:
        home_folder = installed(tmp_path, fleet)
    noon = datetime(2026, 3, 5, 12, tzinfo=ZoneInfo(TIMEZONE)).timestamp()
    with open_home(home_folder) as home:
        for day, at_once, code in ((date(2026, 3, 5), True, "day-not-over"), (date(2026, 3, 4), False, "window-over")):
            with pytest.raises(InputError) as caught:
                plan(home, Request(day=day, workers=1, at_once=at_once, actor=TESTER), now=noon)
            assert caught.value.code == code
        assert plan(home, Request(day=date(2026, 3, 5), workers=1, at_once=False, actor=TESTER), now=noon) == 2


def test_days_and_windows_are_those_of_where_the_installation_is(tmp_path: Path) -> None:
    far, day = "America/Los_Angeles", date(2026, 3, 4)
    create_home(tmp_path / "home")
    with (tmp_path / "home" / "kwartier.toml").open("a", encoding="utf-8") as out:
        out.write(f'timezone = "{far}"\n')
    evening, morning = (datetime(2026, 3, *at, tzinfo=ZoneInfo(far)).timestamp() for at in ((4, 22), (5, 5)))
    assert (yesterday(evening, far), yesterday(evening, TIMEZONE)) == (day - timedelta(days=1), day)
    with open_home(tmp_path / "home") as home:
        with pytest.raises(InputError) as caught:
            plan(home, Request(day=day, workers=1, at_once=True, actor=TESTER), now=evening)
        assert caught.value.code == "day-not-over"
        assert plan(home, Request(day=day, workers=1, at_once=False, actor=TESTER), now=morning) == 0


def test_a_night_that_never_was_has_no_state(tmp_path: Path) -> None:
    with street(tmp_path, 2, "--faults", "none") as fleet:
        home = installed(tmp_path, fleet)
    code, out, err = finish(night(home, "status", "--date", "2026-03-04", "--json"))
    assert (code, out) == (2, "")
    assert "no-such-night" in err
