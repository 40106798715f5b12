"""What whoever watches a demonstration may break, held against a fleet in a process of its own and a process that works."""

import multiprocessing
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from kwartier.collect.lease import holder
from kwartier.errors import InputError, KwartierError, StateError
from kwartier.service import simulating
from kwartier.service.demo.breaking import Act, Breaking
from kwartier.service.home import Home, create_home, open_home
from kwartier.service.night_control import NightControl, Run
from kwartier.service.simulating import Beside, beside
from kwartier.simulate.trouble import CALM, Trouble
from kwartier.simulate.world import World

DAY = date(2026, 3, 5)
WORLD = World(seed=4, count=4)


class Pretended(NightControl):
    """Takes a process for the night."""

    process = ":"

    def last(self) -> Run:
        return Run(
            day=DAY, workers=2, at_once=True, reason="a test", actor="os:test", process=self.process, started_at=1
        )


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    create_home(tmp_path / "home")
    with open_home(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Beside]:
    with beside(WORLD, tmp_path / "fleet", port=0) as found:
        yield found


def test_what_is_broken_is_told_and_mended(home: Home, fleet: Beside) -> None:
    breaking = Breaking(NightControl(home), fleet, WORLD)
    fleet.change(lambda now: replace(now, ahead_s=-60.0))
    cells = breaking.stands().up_cells
    assert cells == tuple(sorted({WORLD.who(number).cell for number in range(4)}))
    breaking.do(Act.DROP_CELL, cells[0])
    breaking.do(Act.SILENCE_SUPPLIER, "Zuid")
    breaking.do(Act.REPLAY_FRAME, "")
    found = breaking.stands()
    assert (found.cells, found.suppliers, found.up_cells, found.up_suppliers) == (
        cells[:1],
        ("Zuid",),
        cells[1:],
        ("Noord",),
    )
    assert not found.is_whole
    assert fleet.trouble == Trouble(ahead_s=-60.0, cells=frozenset(cells[:1]), suppliers=frozenset({"Zuid"}), repeats=1)
    breaking.do(Act.MEND, "")
    assert breaking.stands().is_whole
    assert fleet.trouble == Trouble(ahead_s=-60.0, repeats=1), "its clock stays what it is, and what was repeated was"
    breaking.do(Act.REPLAY_FRAME, "")
    assert fleet.trouble.repeats == 2


@pytest.mark.parametrize("act", [Act.DROP_CELL, Act.SILENCE_SUPPLIER])
def test_what_there_is_not_cannot_be_broken(home: Home, fleet: Beside, act: Act) -> None:
    with pytest.raises(InputError) as caught:
        Breaking(NightControl(home), fleet, WORLD).do(act, "nowhere")
    assert caught.value.code == "bad-argument"
    assert fleet.trouble == CALM


def test_of_a_night_one_worker_is_killed_and_nothing_else(home: Home, fleet: Beside) -> None:
    control = Pretended(home)
    breaking = Breaking(control, fleet, WORLD)
    with pytest.raises(StateError) as caught:
        breaking.do(Act.STOP_WORKER, "")
    assert caught.value.code == "night-not-running"
    starts = (
        "import subprocess as s, sys\n"
        "w = [s.Popen([sys.executable, '-c', f'input() # {one}'], stdin=s.PIPE) for one in ('tracker', 'spawn_main')]\n"
        "print(*(one.pid for one in w), flush=True)\n"
        "print(w[1].wait(), w[0].poll(), flush=True)\n"
        "w[0].communicate(b'\\n')\n"
    )
    with subprocess.Popen([sys.executable, "-c", starts], stdout=subprocess.PIPE, text=True) as night:
        assert night.stdout is not None
        assert len(night.stdout.readline().split()) == 2
        control.process = holder(night.pid)
        breaking.do(Act.STOP_WORKER, "")
        assert night.stdout.readline() == f"{-signal.SIGKILL} None\n"


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = multiprocessing.Pipe()
    fleet = Beside(ours)
    monkeypatch.setattr(simulating, "ANSWERS_S", 0.01)
    with pytest.raises(StateError) as caught:
        fleet.change(lambda now: replace(now, ahead_s=1.0))
    assert (caught.value.code, fleet.trouble) == ("fleet-gone", CALM)
    theirs.send(1)
    theirs.send(2)
    fleet.change(lambda now: replace(now, ahead_s=2.0))
    assert fleet.trouble.ahead_s == 2.0
    assert [theirs.recv() for _ in range(2)] == [(1, Trouble(ahead_s=1.0)), (2, Trouble(ahead_s=2.0))]
    assert not ours.poll(), "nothing is left over"


def test_a_fleet_that_is_gone_is_said(home: Home, tmp_path: Path) -> None:
    with beside(WORLD, tmp_path / "fleet", port=0) as fleet:
        breaking = Breaking(NightControl(home), fleet, WORLD)
    with pytest.raises(KwartierError) as caught:
        breaking.do(Act.REPLAY_FRAME, "")
    assert caught.value.code == "fleet-gone"
