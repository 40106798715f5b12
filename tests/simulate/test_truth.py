"""The truth of a fleet, from its file alone."""

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from kwartier.clock import quarter_ends
from kwartier.errors import InputError
from kwartier.simulate import faults, truth
from kwartier.simulate.faults import Fault, FaultTable
from kwartier.simulate.world import World

SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)


def kept(folder: Path, world: World, clock: datetime | None = None) -> truth.Truth:
    (folder / truth.FILE).write_text(truth.dump(world, clock))
    return truth.load(folder)


def test_the_file_is_enough(tmp_path: Path) -> None:
    world = World(seed=12, count=300, faults=faults.load("default"))
    clock = datetime(2026, 3, 6, tzinfo=UTC)
    found, plain = kept(tmp_path, world, clock), truth.Truth(world, clock)
    times = quarter_ends(AUTUMN, date(2026, 10, 26), found.timezone)
    assert found.clock == clock
    assert list(found.meters()) == list(plain.meters())
    for name in list(found.meters())[:40]:
        assert found.ean(name) == plain.ean(name)
        assert found.fault(name) == plain.fault(name)
        for channel, column in found.registers(name, times).items():
            assert np.array_equal(column, plain.registers(name, times)[channel])


@pytest.mark.parametrize(("day", "quarters"), [(SPRING, 92), (date(2026, 5, 1), 96), (AUTUMN, 100)])
def test_what_can_be_had_has_an_entry_for_the_opening_and_each_quarter(day: date, quarters: int) -> None:
    table = FaultTable([Fault(name="missing-quarters", rate=1.0)])
    found, whole = truth.Truth(World(seed=1, count=2, faults=table), None), truth.Truth(World(seed=1, count=2), None)
    for name in found.meters():
        assert whole.obtainable(name, day).tolist() == [True] * (quarters + 1)
        some = found.obtainable(name, day)
        assert len(some) == quarters + 1
        assert 0 < (~some).sum() <= 13
        status = found.status(name, quarter_ends(day, date.fromordinal(day.toordinal() + 1), found.timezone))
        assert len(status) == quarters + 1


def test_a_meter_that_the_fleet_does_not_have_is_none() -> None:
    found = truth.Truth(World(seed=1, count=3), None)
    for name in ("noord-000005", "zuid-000001", "noord-1", "noord-", "nobody", "noord-000000"):
        with pytest.raises(KeyError):
            found.ean(name)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 2}', '{"format": 1, "seed": "x"}', "null"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / truth.FILE).write_text(text)
    with pytest.raises(InputError) as caught:
        truth.load(tmp_path)
    assert caught.value.code == "bad-truth"


def test_a_folder_without_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"truth\.json"):
        truth.load(tmp_path)
