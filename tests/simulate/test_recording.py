"""Recorded households: rounded on the running sum, refused where no connection could have it, and the real ones at hand."""

import csv
from pathlib import Path

import numpy as np
import pytest

from kwartier.errors import InputError
from kwartier.simulate.household import EPOCH_S
from kwartier.simulate.recording import MAX_QUARTER_WH, QUARTERS, Repeating, recorded
from tests.conftest import SHARED, skip_unless

YEAR = np.arange(QUARTERS + 1, dtype=np.int64) * 900 + EPOCH_S
RECORDINGS = SHARED / "data" / "households"
NAMES = ("household_15min_2024.csv", "household_pv_15min_2024-06.csv")


def check(household: Repeating) -> None:
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
