"""Every scenario folder comes out as it was computed by hand, and stands in the list of business cases."""

import re
from pathlib import Path

import pytest

from kwartier.settle.difference import difference
from kwartier.settle.tables import Settled
from tests.settle.building import settle
from tests.settle.scenario import FOLDER, FOLDERS, Line, When, areas, changes, failed, lines, ordered, sums

LIST = FOLDER / "SETTLEMENT.md"
LATER = [one for one in FOLDERS if (one / "then" / "later").exists()]


def hold(settlements: list[Settled], then: Path) -> None:
    """What came out, against the files of ``then``."""
    for name, told in (("areas", areas), ("sums", sums), ("failed", failed)):
        found: list[Line] = [line for one in settlements for line in told(one)]
        assert ordered(found) == ordered(lines(then, name)), name


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda one: one.name)
def test_a_scenario_comes_out_as_computed_by_hand(folder: Path) -> None:
    hold([settle(day) for day in When(folder).days()], folder / "then")


@pytest.mark.parametrize("folder", LATER, ids=lambda one: one.name)
def test_what_comes_later_makes_another_settlement_and_a_difference(folder: Path) -> None:
    before = [settle(day) for day in When(folder).days()]
    after = [settle(day) for day in When(folder, later=True).days()]
    hold(after, folder / "then" / "later")
    found = [line for old, new in zip(before, after, strict=True) for line in changes(difference(old, new))]
    assert ordered(found) == ordered(lines(folder / "then", "difference"))


def test_every_folder_is_in_the_list_of_business_cases_and_nothing_else_is() -> None:
    listed = re.findall(r"`(given_s\w+)`", LIST.read_text("utf-8"))
    assert sorted(listed) == [one.name for one in FOLDERS]


def test_there_are_scenarios() -> None:
    assert len(FOLDERS) >= 15
    assert LATER
