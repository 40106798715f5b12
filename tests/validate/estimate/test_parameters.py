"""The sets of numbers, and which days are like which."""

from datetime import date
from importlib import resources

import pytest
from pydantic import ValidationError

from kwartier.validate.estimate.parameters import FILE, estimation, parameters_of, sets_of

TEXT = resources.files("kwartier.validate").joinpath(FILE).read_text("utf-8")


def test_sets_follow_each_other_by_their_days() -> None:
    later = (
        TEXT.replace('"2026-1"', '"2027-1"')
        .replace("1971-01-01", "2027-01-01")
        .replace("like_days = 3", "like_days = 4")
    )
    sets = sets_of(later + TEXT)
    assert [one.name for one in sets] == ["2026-1", "2027-1"]
    assert parameters_of(date(2026, 12, 31), sets).like_days == 3
    assert parameters_of(date(2027, 1, 1), sets).like_days == 4
    assert parameters_of(date(1970, 1, 1), sets).name == "2026-1"


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("linear_quarters = 8", "linear_quarters = 97"),
        ("like_days = 3", "like_days = 0"),
        ("candidates = 8", "candidates = 17"),
        ("look_back_days = 42", "look_back_days = 93"),
        ("profile_beyond_days = 10", "profile_beyond_days = 32"),
        ("mean_days = 28", "mean_days = 28\nother = 1"),
        ("mean_days = 28", ""),
        ("registers_doubted_by =", "doubted_by ="),
        ('friday = ["friday"]', ""),
        ('friday = ["friday"]', "friday = []"),
        ('friday = ["friday"]', 'friday = ["vrijdag"]'),
    ],
)
def test_nothing_in_the_table_is_guessed(was: str, becomes: str) -> None:
    assert was in TEXT
    with pytest.raises((ValidationError, ValueError), match=r"."):
        sets_of(TEXT.replace(was, becomes))


def test_like_days_are_the_nearest_first_and_lie_before_the_gap() -> None:
    one = estimation()[0]
    found = one.like_of(date(2026, 11, 25), date(2026, 11, 24))
    assert [day.isoformat() for day in found] == [
        *("2026-11-19", "2026-11-18", "2026-11-17", "2026-11-12"),
        *("2026-11-11", "2026-11-10", "2026-11-05", "2026-11-04"),
    ]
    mondays = one.like_of(date(2026, 11, 23), date(2026, 11, 23))
    assert [day.weekday() for day in mondays] == [0] * 6
    assert (date(2026, 11, 23) - mondays[-1]).days == one.look_back_days
