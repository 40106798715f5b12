"""Nights in virtual time: every promise holds, the same seed gives the same course, and no guard can be missed."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

import pytest

from kwartier.collect import engine
from kwartier.collect.claims import Wanted
from kwartier.collect.desk import Desk
from kwartier.collect.lease import Job
from kwartier.collect.outcome import Again
from kwartier.service.rehearsal.director import Trouble
from kwartier.service.rehearsal.nights import Outcome, Script, rehearse
from kwartier.simulate.virtual.weather import Climate
from tests.service.rehearsal.guards import GUARDS

SMALL = Script(seed=11, meters=80, days=2, trouble=Trouble(killed=8, kills_at_steps=27, clock_jumped=8))
SHORT_MINUTES = 18
"""The windows of the short run: what a night costs is the looking around in it more than its meters. It has to be longer
than a clock may be slow (`MAX_JUMP_S` of the world), or the day of such a meter is not over before the night is."""
TO_BE_RED = replace(SMALL, climate=Climate(flips=0.4), window_minutes=12)
AGAIN = f"""
from kwartier.service.rehearsal.nights import Script, rehearse
print(rehearse(Script(seed=11, meters=48, days=1, window_minutes={SHORT_MINUTES}), show=print))
"""


def kills(found: Outcome) -> int:
    """How many processes were killed."""
    return sum(count for name, count in found.happened.items() if name.startswith("killed"))


def test_two_thousand_meter_nights_and_fifty_kills_break_no_promise() -> None:
    seed = 101
    found = rehearse(Script(seed=seed, meters=500, days=5, window_minutes=SHORT_MINUTES))
    assert found.broken == (), f"seed {seed}"
    assert found.meter_nights == 2_500
    assert kills(found) >= 50
    assert found.happened["clock-set"] >= 1
    assert found.comparison.compared > 450_000
    assert found.comparison.lost == found.comparison.wrong == found.comparison.doubled == 0


@pytest.mark.long
@pytest.mark.parametrize("seed", range(201, 211))
def test_fifty_thousand_meter_nights_and_a_thousand_kills_break_no_promise(seed: int) -> None:
    found = rehearse(Script(seed=seed, meters=1_000, days=5))
    assert found.broken == (), f"seed {seed}"
    assert kills(found) >= 100


@pytest.mark.parametrize("guard", GUARDS)
def test_without_a_guard_a_promise_is_broken(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    GUARDS[guard].off(monkeypatch)
    found = rehearse(replace(TO_BE_RED, seed=GUARDS[guard].seed))
    assert any(re.search(GUARDS[guard].said, one) for one in found.broken), found.broken


@pytest.mark.long
@pytest.mark.parametrize("seed", sorted({guard.seed for guard in GUARDS.values()}))
def test_with_every_guard_the_same_nights_break_none_of_these(seed: int) -> None:
    found = rehearse(replace(TO_BE_RED, seed=seed)).broken
    assert not [one for one in found if any(re.search(guard.said, one) for guard in GUARDS.values())]


@pytest.mark.long
def test_other_tries_that_wait_in_the_database_break_no_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MAX_KEPT", 0)
    real, put_aside = Desk.give_back, 0

    def give_back(desk: Desk, jobs: Sequence[Job], unasked: Sequence[Wanted] = (), later: Sequence[Again] = ()) -> None:
        nonlocal put_aside
        real(desk, jobs, unasked, later)
        put_aside += len(later)

    monkeypatch.setattr(Desk, "give_back", give_back)
    found = rehearse(SMALL)
    assert found.broken == (), f"seed {SMALL.seed}"
    assert found.comparison.lost == found.comparison.wrong == found.comparison.doubled == 0
    assert put_aside >= 20


def test_the_same_seed_gives_the_same_steps_in_another_process_too() -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", AGAIN],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONHASHSEED": hashes},
        )
        for hashes in ("1", "2")
    ]
    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr[-2000:]
    assert "broken=()" in runs[0].stdout
    assert runs[0].stdout == runs[1].stdout
    assert runs[0].stderr == runs[1].stderr == ""
    assert runs[0].stdout.count("\n") > 100
