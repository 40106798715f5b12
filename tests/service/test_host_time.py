"""What the kernel says of its clock, and what a read does where that is not enough."""

import ctypes
import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from kwartier.clock import local_day
from kwartier.collect.claims import Claims
from kwartier.collect.host_clock import MAX_DOUBT_S, HostClock
from kwartier.errors import StateError
from kwartier.service import host_time
from kwartier.service.home import open_home
from kwartier.service.host_time import STA_UNSYNC, TIME_ERROR, host_clock, steady_s, synchronised
from kwartier.service.night import doubts
from kwartier.service.reading import Request, read
from tests.living import fleet
from tests.somebody import TESTER

TIMEZONE = "Europe/Amsterdam"


class Kernel:
    """A C library whose adjtimex tells a state and a status, where the real one would put it."""

    def __init__(self, state: int, status: int) -> None:
        self.state, self.status = state, status

    def adjtimex(self, told: object) -> int:
        timex = told._obj  # type: ignore[attr-defined]  # what byref points to
        assert timex.modes == 0, "nothing is changed"
        timex.status = self.status
        return self.state


@pytest.mark.parametrize(
    ("state", "status", "said"),
    [(0, 1, True), (TIME_ERROR, 1, False), (0, STA_UNSYNC, False), (TIME_ERROR, STA_UNSYNC, False), (-1, 0, None)],
)
def test_what_the_kernel_says_is_understood(
    monkeypatch: pytest.MonkeyPatch, state: int, status: int, said: bool | None
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Kernel(state, status))
    assert synchronised() is said


def test_where_there_is_no_such_call_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert synchronised() is None


def test_the_real_kernel_changes_nothing_and_says_something() -> None:
    before_s = time.time() - steady_s()
    assert synchronised() in (True, False, None)
    assert time.time() - steady_s() == pytest.approx(before_s, abs=1.0)


@pytest.mark.parametrize("said", [True, False, None])
def test_only_who_demands_it_needs_a_clock_that_is_synchronised(
    monkeypatch: pytest.MonkeyPatch, said: bool | None
) -> None:
    monkeypatch.setattr(host_time, "synchronised", lambda: said)
    now_s = datetime(2026, 3, 5, tzinfo=UTC).timestamp()
    host_clock(lambda: now_s, demanding=False).demand()
    demanding = host_clock(lambda: now_s, demanding=True)
    if said:
        demanding.demand()
        return
    with pytest.raises(StateError) as caught:
        demanding.demand()
    assert caught.value.code == "host-clock"


def test_a_read_is_refused_before_anything_is_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_time, "synchronised", lambda: False)
    with fleet(tmp_path / "home") as (_, connections):
        monkeypatch.setenv("KWARTIER_SYNCHRONISED_CLOCK", "true")
        request = Request(meter=connections[0].meter, start=date(2026, 3, 4), end=date(2026, 3, 5), actor=TESTER)
        with open_home(tmp_path / "home") as home:
            with pytest.raises(StateError) as caught:
                read(home, request)
            assert caught.value.code == "host-clock"
            assert home.visits.of_meter(connections[0].meter) == []
            assert Claims(home.engine).proof(local_day(int(time.time()), TIMEZONE)).claims == 0


def test_who_watches_a_night_hears_of_a_doubt_once_and_of_its_end() -> None:
    time_s = {"system": 1_780_000_000.0, "steady": 0.0}
    host, said = HostClock(system=lambda: time_s["system"], steady=lambda: time_s["steady"]), list[str]()
    doubt = doubts(host, False, said.append)
    time_s["system"] += 60
    for _ in range(3):
        doubt = doubts(host, doubt, said.append)
    time_s["system"] -= 60
    for _ in range(3):
        doubt = doubts(host, doubt, said.append)
    assert [one.split(":")[0] for one in said] == [
        "the system's clock is +60.0 s from the time that was counted",
        "the clock of this host is right again",
    ]
    time_s["system"] += 60
    doubts(host, doubt, said.append)
    time_s["steady"] += MAX_DOUBT_S
    with pytest.raises(StateError):
        doubts(host, True, said.append)
