"""No invocation counter is used twice, whenever a process is killed: shown by killing."""

from pathlib import Path

import pytest

from kwartier.database import open_engine, upgrade
from kwartier.keys.counters import Counters
from tests.keys.killing import KEYS, RECORD, kill_many, repeated, sent, take_and_send
from tests.postgres import DATABASES, database

SEED = 20_260_304
MOST = 60
"""Counters that are sent between two kills."""
CONTROL_KILLS = 60


def kill(url: str, log: Path, *, kills: int, workers: int, source: str = "honest") -> list[tuple[int, int]]:
    """What was sent in the end, when nothing of it was sent twice after any kill; else what was sent until then."""
    engine = open_engine(url)
    upgrade(engine)
    log.touch()
    rounds = kill_many(
        take_and_send,
        (url, log, source),
        progress=lambda: log.stat().st_size // RECORD.size,
        most=MOST,
        kills=kills,
        workers=workers,
        seed=SEED,
    )
    for _ in rounds:
        if repeated(sent(log)):
            break
    rounds.close()
    uses = sent(log)
    counters = Counters(engine)
    for number, key in enumerate(KEYS):
        used = [counter for which, counter in uses if which == number]
        if source == "honest":
            assert used, f"the workers were killed before they sent anything, seed {SEED}"
            assert max(used) < counters.next_of(key), "what was sent had been reserved before"
    engine.dispose()
    return uses


@pytest.mark.parametrize("kind", DATABASES)
def test_no_counter_is_used_twice_however_often_processes_are_killed(kind: str, tmp_path: Path) -> None:
    uses = kill(database(kind, tmp_path), tmp_path / "log", kills=30, workers=3)
    assert repeated(uses) == []


@pytest.mark.long
@pytest.mark.parametrize("kind", DATABASES)
def test_no_counter_is_used_twice_over_five_hundred_kills(kind: str, tmp_path: Path) -> None:
    uses = kill(database(kind, tmp_path), tmp_path / "log", kills=500, workers=4)
    assert repeated(uses) == []


@pytest.mark.parametrize("source", ["records after sending", "remembers in memory"])
def test_the_check_catches_a_source_that_is_broken(source: str, tmp_path: Path) -> None:
    """The negative control: one process at a time, so that only the kill can bring the repetition about."""
    uses = kill(database("sqlite", tmp_path), tmp_path / "log", kills=CONTROL_KILLS, workers=1, source=source)
    assert repeated(uses) != []
