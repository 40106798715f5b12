"""Quarters on the local clock."""

from datetime import date, timedelta

import numpy as np
import pytest

from kwartier.clock import quarter_ends
from kwartier.validate.estimate.local import clocked, date_of, local_length_s, quarters_between

ZONE = "Europe/Amsterdam"


@pytest.mark.parametrize(
    ("day", "places"),
    [
        (date(2026, 11, 25), [*range(96)]),
        (date(2027, 3, 28), [*range(8), *range(12, 96)]),
        (date(2026, 10, 25), [*range(8), *range(8, 12), *range(8, 12), *range(12, 96)]),
    ],
)
def test_a_quarter_stands_where_the_clock_says(day: date, places: list[int]) -> None:
    times = quarter_ends(day, day + timedelta(days=1), ZONE)
    found = clocked(int(times[0]), int(times[-1]), ZONE)
    assert found.place.tolist() == places
    assert {date_of(one) for one in found.day.tolist()} == {day}


def test_a_stretch_over_midnight_belongs_to_both_days() -> None:
    times = quarter_ends(date(2026, 11, 24), date(2026, 11, 26), ZONE)
    found = clocked(int(times[95]), int(times[97]), ZONE)
    assert found.place.tolist() == [95, 0]
    assert [date_of(one) for one in found.day.tolist()] == [date(2026, 11, 24), date(2026, 11, 25)]


def test_ten_days_are_ten_days_whatever_the_clock_does() -> None:
    times = quarter_ends(date(2027, 3, 20), date(2027, 3, 30), ZONE)
    assert local_length_s(int(times[0]), int(times[-1]), ZONE) == 10 * 86_400
    assert len(times) - 1 == 10 * 96 - 4


def test_quarters_between_two_moments_end_after_the_first() -> None:
    assert quarters_between(900, 2700).tolist() == [1800, 2700]
    assert not np.any(quarters_between(900, 900))
