"""A real year of 35 136 quarters, some of them finer than a Wh: registers of whole Wh lose nothing, on no day of the year."""

from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from kwartier.simulate.recording import QUARTERS
from tests.conftest import skip_unless
from tests.household import (
    BACK,
    FORWARD,
    NOT_WHOLE,
    PATH,
    TOTAL_WH,
    HouseholdYear,
    differences_of,
    household_year,
    module,
    rows,
    stack_of,
    stacks,
)

OPENING_WH = 4_294_960_000
"""Close to where 32 bits end: the year counts across it."""


@pytest.fixture(scope="module")
def year() -> HouseholdYear:
    """The year, read once."""
    skip_unless(PATH.exists(), f"../shared/data/households/{PATH.name} is not here")
    return household_year()


def test_the_year_has_every_quarter_once_and_its_total(year: HouseholdYear) -> None:
    exact = [energy for _, energy in rows()]
    assert len(exact) == len(year.times) - 1 == QUARTERS == 35_136
    assert sum(energy.denominator != 1 for energy in exact) == NOT_WHOLE
    assert int(year.register_wh[-1]) == int(sum(exact)) == TOTAL_WH


def test_rounding_each_quarter_by_itself_would_not_give_it(year: HouseholdYear) -> None:
    """Why the register is what counts."""
    assert sum(int(energy) for _, energy in rows()) != TOTAL_WH
    assert int(year.energy_wh().sum()) == TOTAL_WH


def test_a_register_is_never_a_watt_hour_behind(year: HouseholdYear) -> None:
    running = Fraction(0)
    exact = dict(rows())
    for began, shown in zip(year.times[:-1].tolist(), year.register_wh[1:].tolist(), strict=True):
        running += exact[began]
        assert 0 <= running - shown < 1


@pytest.mark.parametrize("opening_wh", [0, OPENING_WH])
def test_the_days_have_the_differences_of_the_floored_registers(year: HouseholdYear, opening_wh: int) -> None:
    found = list(stacks(year, opening_wh))
    assert len(found) == 366
    lengths = {stack.day: len(differences_of(stack)) for stack in found}
    assert {day: count for day, count in lengths.items() if count != 96} == {FORWARD: 92, BACK: 100}
    energies_wh = np.concatenate([differences_of(stack) for stack in found])
    assert np.array_equal(energies_wh, year.register_wh[1:] - year.register_wh[:-1])
    assert int(energies_wh.sum()) == TOTAL_WH
    assert not any(differences_of(stack, "export_wh").any() for stack in found)


def test_each_day_opens_where_the_day_before_closed(year: HouseholdYear) -> None:
    closing = None
    for stack in stacks(year):
        (register_wh,) = stack.registers["import_wh"]
        assert closing in (None, int(register_wh[0]))
        closing = int(register_wh[-1])


def test_the_hour_that_comes_twice_is_in_the_order_in_which_it_passed(year: HouseholdYear) -> None:
    """Of the file's pairs the first is the earlier: 45, 44, 57 and 52 Wh, then 73, 58, 46 and 75."""
    energies_wh = differences_of(stack_of(module(year), BACK))
    assert energies_wh[4:12].tolist() == [45, 44, 57, 52, 73, 58, 46, 75]


def test_the_hour_that_is_skipped_is_not_there(year: HouseholdYear) -> None:
    energies_wh = differences_of(stack_of(module(year), FORWARD))
    assert energies_wh[4:12].tolist() == [92, 86, 62, 62, 63, 83, 131, 66]


def test_a_file_with_a_hole_is_no_year(tmp_path: Path) -> None:
    path = tmp_path / "hole.csv"
    path.write_text("DateTime,kWh\n1/1/24 0:00,0.068\n")
    with pytest.raises(AssertionError):
        household_year(path)


def test_the_simulator_goes_round_after_the_year(year: HouseholdYear) -> None:
    """A night that reads the first days of the next year finds the first days of this one."""
    metering = module(year)
    first = differences_of(stack_of(metering, date(2024, 1, 1)))
    assert np.array_equal(differences_of(stack_of(metering, date(2025, 1, 1))), first)
    assert np.array_equal(differences_of(stack_of(metering, date(2024, 1, 1) - timedelta(days=366))), first)
