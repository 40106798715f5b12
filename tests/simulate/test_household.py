"""Households: whole Wh, registers that only grow, the same from the same seed, and recorded ones where they are at hand."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwartier.errors import InputError
from kwartier.simulate.household import EPOCH_S, MAX_QUARTER_WH, QUARTERS, Household, recorded, seeded
from tests.conftest import SHARED, skip_unless

YEAR = np.arange(QUARTERS + 1, dtype=np.int64) * 900 + EPOCH_S
RECORDINGS = SHARED / "data" / "households"
NAMES = ("household_15min_2024.csv", "household_pv_15min_2024-06.csv")


def check(household: Household) -> None:
    """What holds for every household."""
    registers = household.registers(YEAR)
    openings = (household.opening_import_wh, household.opening_export_wh)
    energies = (household.import_wh, household.export_wh)
    for energy, register, opening in zip(energies, registers, openings, strict=True):
        assert energy.dtype == register.dtype == np.int64
        assert len(energy) == QUARTERS
        assert energy.min() >= 0
        assert energy.max() <= MAX_QUARTER_WH
        assert register[0] == opening >= 0
        assert np.array_equal(np.diff(register), energy)


@given(st.integers(0, 2**31), st.sampled_from([None, True, False]))
@settings(derandomize=True, max_examples=15, deadline=None)
def test_a_seed_makes_a_household_and_always_the_same(seed: int, solar: bool | None) -> None:
    one, again = seeded(seed, solar=solar), seeded(seed, solar=solar)
    check(one)
    assert np.array_equal(one.import_wh, again.import_wh)
    assert np.array_equal(one.export_wh, again.export_wh)
    assert (one.opening_import_wh, one.opening_export_wh) == (again.opening_import_wh, again.opening_export_wh)


def test_two_seeds_make_two_households() -> None:
    assert not np.array_equal(seeded(1).import_wh, seeded(2).import_wh)


def test_only_who_has_panels_feeds_in_and_most_in_summer() -> None:
    for seed in range(5):
        assert not seeded(seed, solar=False).export_wh.any()
        export = seeded(seed, solar=True).export_wh
        day = np.arange(QUARTERS) // 96
        assert export[(day >= 152) & (day < 244)].sum() > export[(day < 60) | (day >= 335)].sum() > -1
        assert export.any()


def test_a_household_uses_what_a_household_uses() -> None:
    for seed in range(10):
        year_wh = int(seeded(seed, solar=False).import_wh.sum())
        assert 1_000_000 < year_wh < 15_000_000


def test_registers_go_on_from_year_to_year_and_before_the_first() -> None:
    household = seeded(3)
    times = np.arange(-96, 3 * QUARTERS, 97, dtype=np.int64) * 900 + EPOCH_S
    register, _ = household.registers(times)
    assert (np.diff(register) >= 0).all()
    start = np.array([EPOCH_S], np.int64)
    year = np.array([EPOCH_S + QUARTERS * 900], np.int64)
    grown = household.registers(year)[0] - household.registers(start)[0]
    assert grown[0] == household.import_wh.sum()


def test_the_repr_shows_no_energy() -> None:
    text = repr(seeded(1))
    assert "import_wh=array" not in text
    assert "[" not in text


# Recorded.


def write(path: Path, *values: str, column: str = "kWh") -> Path:
    with path.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["DateTime", column])
        rows.writerows([f"1/1/24 0:{number:02d}", value] for number, value in enumerate(values))
    return path


def test_a_recording_is_rounded_on_the_running_sum_so_that_nothing_drifts(tmp_path: Path) -> None:
    household = recorded(write(tmp_path / "thirds.csv", *["0.0003334"] * 96))
    check(household)
    assert household.import_wh.sum() == round(0.3334 * QUARTERS)
    assert set(household.import_wh.tolist()) == {0, 1}


def test_what_is_fed_in_is_below_zero_in_the_file(tmp_path: Path) -> None:
    household = recorded(write(tmp_path / "two.csv", "0.5", "-0.25"))
    check(household)
    assert household.import_wh[:4].tolist() == [500, 0, 500, 0]
    assert household.export_wh[:4].tolist() == [0, 250, 0, 250]


def test_a_seed_makes_others_of_one_recording(tmp_path: Path) -> None:
    path = write(tmp_path / "ramp.csv", *(str(n / 1000) for n in range(960)))
    plain, one, again, other = recorded(path), recorded(path, 1), recorded(path, 1), recorded(path, 2)
    assert np.array_equal(one.import_wh, again.import_wh)
    assert not np.array_equal(one.import_wh, other.import_wh)
    assert not np.array_equal(one.import_wh, plain.import_wh)
    check(one)


@pytest.mark.parametrize("value", ["", "many", "nan", "inf", "-inf", "16.561", "-16.561", "1e999"])
def test_a_value_that_no_connection_can_have_is_refused_with_its_line(tmp_path: Path, value: str) -> None:
    with pytest.raises(InputError, match=r"bad\.csv, line 3: ") as caught:
        recorded(write(tmp_path / "bad.csv", "0.1", value))
    assert caught.value.code == "bad-household"


def test_a_file_without_a_quarter_or_with_too_many_is_refused(tmp_path: Path) -> None:
    for path in (
        write(tmp_path / "empty.csv"),
        write(tmp_path / "column.csv", "0.1", column="Wh"),
        write(tmp_path / "long.csv", *["0"] * (QUARTERS + 1)),
    ):
        with pytest.raises(InputError) as caught:
            recorded(path)
        assert caught.value.code == "bad-household"


@pytest.mark.parametrize("name", NAMES)
def test_the_recorded_households_are_read_to_the_watt_hour(name: str) -> None:
    path = RECORDINGS / name
    skip_unless(path.exists(), f"../shared/data/households/{name} is not here")
    household = recorded(path)
    check(household)
    with path.open(encoding="utf-8", newline="") as lines:
        values = [round(float(row["kWh"]) * 1e6) for row in csv.DictReader(lines)]  # in thousandths of a Wh, exactly
    count = len(values)
    imported, exported = sum(v for v in values if v > 0), -sum(v for v in values if v < 0)
    times = np.array([0, count], np.int64) * 900 + EPOCH_S
    for register, exact in zip(household.registers(times), (imported, exported), strict=True):
        assert abs(int(register[1] - register[0]) * 1000 - exact) <= 500


def test_the_year_starts_in_2020() -> None:
    assert datetime(2020, 1, 1, tzinfo=UTC).timestamp() == EPOCH_S
