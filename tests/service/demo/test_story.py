"""The times of a demonstration: a night that begins now, and a clock that is a day behind."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from kwartier.clock import local_day
from kwartier.service.demo.story import behind_s, night_settings

ZONE = "Europe/Amsterdam"


def at(text: str, *, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE), fold=fold).timestamp()


def test_the_window_begins_with_the_minute_and_is_eight_of_them_long() -> None:
    assert night_settings(at("2026-03-05T14:07:31"), ZONE, 1_000) == {
        "KWARTIER_WINDOW_OPENS": "14:07",
        "KWARTIER_WINDOW_CLOSES": "14:15",
        "KWARTIER_VISIT_DEADLINE_S": "4.0",
    }


def test_more_meters_take_longer_before_the_night_that_one_looks_at() -> None:
    assert night_settings(at("2026-03-05T14:07:31"), ZONE, 30_000)["KWARTIER_WINDOW_CLOSES"] == "14:25"


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (at("2026-03-05T23:52:00"), "it would end at midnight, which is the next day"),
        (at("2026-03-05T23:58:00"), "it would go over midnight"),
        (at("2026-10-25T02:10:00", fold=1), "the window that these times mean was an hour ago"),
        (at("2026-10-25T02:55:00"), "its end comes an hour later than it says"),
    ],
)
def test_where_no_window_says_that_there_is_none(now: float, why: str) -> None:
    assert night_settings(now, ZONE, 1_000) == {}, why


@pytest.mark.parametrize(
    "now",
    [
        at("2026-03-05T00:00:00"),
        at("2026-03-29T03:30:00"),
        at("2026-03-30T02:30:00"),
        at("2026-10-25T02:30:00", fold=1),
        at("2026-10-25T23:59:59"),
        at("2026-10-26T00:10:00"),
    ],
)
def test_a_day_behind_is_the_local_day_before_at_about_the_same_time(now: float) -> None:
    then = now + behind_s(now, ZONE)
    assert local_day(int(then), ZONE).toordinal() == local_day(int(now), ZONE).toordinal() - 1
    assert abs(now - then - 86_400) <= 3_600
    assert datetime.fromtimestamp(then, UTC) < datetime.fromtimestamp(now, UTC)
