"""Later days forget what was before, of whom it has to be forgotten; everything else is bit for bit what it was."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from kwartier.clock import midnight
from kwartier.model import STATE
from kwartier.store import Validated
from kwartier.store.log import Log
from kwartier.store.memory import CARRIED, GATHERED, Later, Memory
from kwartier.store.months import Months
from kwartier.store.pins import Pins
from kwartier.store.rewrite import Rewriter
from kwartier.store.schema import VALIDATED
from kwartier.store.volumes_reader import VolumesReader
from tests.store.entries import ZONE
from tests.store.test_reader import Keys
from tests.store.volumes import ONE_DAY, rows, volumes

DAYS = [date(2026, 3, 1) + timedelta(days=number) for number in range(3)]
IDS = list(range(-4, 4))
SINCE = DAYS[1]
UNTIL = midnight(SINCE, ZONE)
LATER = [Later(3, SINCE, UNTIL), Later(-2, DAYS[2], UNTIL)]


def fill(folder: Path, keys: Keys | None) -> None:
    """Two runs of each day; the last registers of the id 3 are from before, those of all others of the day itself."""
    for place, day in enumerate(DAYS):
        for run in (1, 2):
            made = volumes(day, IDS, seed=run)
            for at in CARRIED.values():
                made.state[at][:] = midnight(day + ONE_DAY, ZONE)
                made.state[at][IDS.index(3)] = UNTIL
            Validated(folder, keys).append(10 * place + run, day, [made])


def everything(folder: Path, keys: Keys | None) -> dict[tuple[date, int, int], dict[str, object]]:
    """Every row of every run, by day, run and id, with what it says."""
    found: dict[tuple[date, int, int], dict[str, object]] = {}
    for place, day in enumerate(DAYS):
        for run in (1, 2):
            for (_, identity), row in rows(list(VolumesReader(folder, keys).scan(day, 10 * place + run))).items():
                names = ("import", "export", "quality_import", "quality_export", *STATE)
                found[day, run, identity] = dict(zip(names, row, strict=True))
    return found


@pytest.mark.parametrize("is_sorted", [False, True])
@pytest.mark.parametrize("keys", [None, Keys()])
def test_only_what_was_before_is_forgotten_and_only_of_these(
    tmp_path: Path, keys: Keys | None, is_sorted: bool
) -> None:
    fill(tmp_path, keys)
    if is_sorted:
        assert Rewriter(tmp_path, keys, VALIDATED).rewrite(date(2027, 1, 1)).days == len(DAYS)
    before = everything(tmp_path, keys)
    assert Memory(tmp_path, keys).forget(LATER) == (2 if is_sorted else 4)
    after = everything(tmp_path, keys)
    assert after.keys() == before.keys()
    for (day, run, identity), row in before.items():
        expected = dict(row)
        if identity == 3 and day >= SINCE:
            expected |= dict.fromkeys((*GATHERED, *CARRIED, *CARRIED.values()), 0)
        if identity == -2 and day >= DAYS[2]:
            expected |= dict.fromkeys(GATHERED, 0)
        assert after[day, run, identity] == expected
    assert Memory(tmp_path, keys).forget(LATER) == 0, "there is nothing left to forget"


def test_a_file_that_was_given_up_remembers_until_it_is_gone(tmp_path: Path) -> None:
    fill(tmp_path, None)
    memory = Memory(tmp_path)
    assert memory.left(LATER) == [], "what the table has is not given up"
    memory.forget(LATER)
    assert len(memory.left(LATER)) == 4
    assert memory.days(LATER) == DAYS[1:]
    for path in memory.left(LATER):
        (tmp_path / VALIDATED.folder / path).unlink()
    assert memory.left(LATER) == []


@pytest.mark.parametrize("keys", [None, Keys()])
def test_copies_that_remember_go_and_those_of_days_before_stay(tmp_path: Path, keys: Keys | None) -> None:
    february = DAYS[0] - timedelta(days=1)
    Validated(tmp_path, keys).append(1, february, [volumes(february, IDS, seed=1)])
    fill(tmp_path, keys)
    assert Rewriter(tmp_path, keys, VALIDATED).rewrite(date(2027, 1, 1)).segmented == 4
    months, memory = Months(tmp_path, keys, VALIDATED), Memory(tmp_path, keys)
    assert memory.left([]) == memory.left([Later(99, SINCE, UNTIL), Later(3, date(2026, 4, 1), UNTIL)]) == []
    (there,) = [one for one in memory.left(LATER) if one.startswith("month=")]
    assert there.startswith("month=2026-03/")
    memory.forget(LATER)
    assert sorted(months.page(DAYS[0]).segment) == []
    assert [one for one in memory.left(LATER) if one.startswith("month=")] == []
    assert sorted(months.page(february).segment) == [february]
    assert Rewriter(tmp_path, keys, VALIDATED).rewrite(date(2027, 1, 1)).segmented == 3
    assert [one for one in memory.left(LATER) if one.startswith("month=")] == [], "what was made again has forgotten"


def test_a_copy_that_cannot_be_looked_into_may_remember(tmp_path: Path) -> None:
    fill(tmp_path, None)
    Memory(tmp_path).forget(LATER)
    Rewriter(tmp_path, None, VALIDATED).rewrite(date(2027, 1, 1))
    (path,) = (tmp_path / VALIDATED.segments).glob("month=*/*.parquet")
    name = f"{path.parent.name}/{path.name}"
    assert name not in Memory(tmp_path).left(LATER)
    path.write_bytes(b"half a file")
    assert name in Memory(tmp_path).left(LATER)
    assert Memory(tmp_path).left([Later(3, date(2026, 4, 1), UNTIL)]) == [], "of a month that is over before"
    Memory(tmp_path).forget(LATER)
    assert not path.exists()


def test_a_pinned_version_remembers(tmp_path: Path) -> None:
    fill(tmp_path, None)
    log = Log(tmp_path, encrypted=False, kind=VALIDATED)
    log.refresh()
    with Pins(tmp_path, VALIDATED).held(log, "job", now=0, seconds=60) as version:
        Memory(tmp_path).forget(LATER)
        reader = VolumesReader(tmp_path)
        assert reader.version > version
        assert set(Pins(tmp_path, VALIDATED).needed(1)) >= set(Memory(tmp_path).left(LATER))
    own = np.array([3], np.int64)
    assert {int(column[0]) for name, column in reader.states(DAYS[2], None, own)[1].items() if name in GATHERED} == {0}
