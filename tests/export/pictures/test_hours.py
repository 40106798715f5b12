"""The hours of days of 92, 96 and 100 quarters, here and where the clock is changed at other times."""

from datetime import date

import numpy as np
import pytest

from kwartier.export.pictures.hours import hours_of, length
from tests.export.pictures.volumes import BACK, FORWARD, PLAIN, TIMEZONE


def names(day: date, timezone: str = TIMEZONE) -> list[str]:
    return [name for _, name in hours_of(day, timezone).starts()]


def test_a_plain_day_has_24_hours_of_four_quarters() -> None:
    starts = hours_of(PLAIN, TIMEZONE).starts()
    assert [place for place, _ in starts] == list(range(0, 96, 4))
    assert [name for _, name in starts] == [f"{hour:02d}" for hour in range(24)]


def test_when_the_clock_goes_forward_an_hour_is_not_there() -> None:
    assert names(FORWARD)[:4] == ["00", "01", "03", "04"]
    assert len(names(FORWARD)) == 23
    assert length(hours_of(FORWARD, TIMEZONE)) == "92 quarters: the clock goes forward"


def test_when_it_goes_back_an_hour_is_there_twice_under_two_names() -> None:
    assert hours_of(BACK, TIMEZONE).starts()[:5] == ((0, "00"), (4, "01"), (8, "02"), (12, "02B"), (16, "03"))
    assert len(names(BACK)) == 25
    assert length(hours_of(BACK, TIMEZONE)) == "100 quarters: the clock goes back, and 02B is the hour again"


@pytest.mark.parametrize(
    ("timezone", "day", "expected"),
    [
        ("America/Los_Angeles", date(2024, 11, 3), ["00", "01", "01B", "02"]),
        ("America/Los_Angeles", date(2024, 3, 10), ["00", "01", "03", "04"]),
        ("Australia/Lord_Howe", date(2024, 4, 7), ["00", "01", "01B", "02"]),
        ("Asia/Kolkata", date(2024, 4, 7), ["00", "01", "02", "03"]),
    ],
)
def test_it_holds_in_other_zones(timezone: str, day: date, expected: list[str]) -> None:
    assert names(day, timezone)[:4] == expected


def test_half_an_hour_that_is_repeated_counts_as_its_own() -> None:
    """Lord Howe goes back by half an hour, from 02:00 to 01:30."""
    slots = hours_of(date(2024, 4, 7), "Australia/Lord_Howe").slots
    assert np.bincount(slots)[[2, 3, 4]].tolist() == [4, 2, 4]
