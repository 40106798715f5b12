"""A real year from the meter to the market: every quarter that is told is what the register moved, and nothing else is told."""

from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import skip_unless
from tests.household import BACK, END, FIRST, FORWARD, PATH, TOTAL_WH, HouseholdYear, household_year
from tests.service.the_whole_way import DAYS_A_VISIT, UNMETERED_WH, Heard, whole_way


@pytest.fixture(scope="module")
def year() -> HouseholdYear:
    """The year, read once."""
    skip_unless(PATH.exists(), f"../shared/data/households/{PATH.name} is not here")
    return household_year()


def days(first: date, end: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((end - first).days)]


def check(heard: Heard, year: HouseholdYear, wanted: list[date]) -> int:
    """Each quarter of the days that are ``wanted``; the Wh of all of them."""
    register_wh = dict(zip(year.times.tolist(), year.register_wh.tolist(), strict=True))
    energy_wh = heard.energy_wh["import"]
    assert {end: register_wh[end] - register_wh[end - 900] for end in energy_wh} == energy_wh
    assert list(heard.quarters) == wanted
    quarters = sum(heard.quarters.values())
    assert len(energy_wh) == len(heard.energy_wh["export"]) == quarters
    assert not any(heard.energy_wh["export"].values())
    assert heard.codes == Counter({"A04": 2 * quarters}), "measured, all of it"
    assert heard.residual_wh == {"import": [UNMETERED_WH] * quarters, "export": [0] * quarters}
    assert heard.readings == len(wanted)
    assert heard.visits == -(-len(wanted) // DAYS_A_VISIT)
    return sum(energy_wh.values())


@pytest.mark.parametrize(("middle", "quarters"), [(FORWARD, 92), (BACK, 100)], ids=str)
def test_a_week_around_a_change_of_the_clocks(tmp_path: Path, year: HouseholdYear, middle: date, quarters: int) -> None:
    wanted = days(middle - timedelta(days=3), middle + timedelta(days=4))
    heard = whole_way(tmp_path, year, wanted)
    check(heard, year, wanted)
    assert {day: count for day, count in heard.quarters.items() if count != 96} == {middle: quarters}


@pytest.mark.long
def test_the_year(tmp_path: Path, year: HouseholdYear) -> None:
    wanted = days(FIRST, END)
    heard = whole_way(tmp_path, year, wanted)
    assert check(heard, year, wanted) == TOTAL_WH
    assert len(heard.energy_wh["import"]) == 35_136
    assert heard.quarters[FORWARD] == 92
    assert heard.quarters[BACK] == 100
    assert heard.visits == 41
    assert np.array_equal(sorted(heard.energy_wh["import"]), year.times[1:])
