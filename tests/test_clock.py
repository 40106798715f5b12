"""Quarters and days: 92, 96 or 100 of them, and what local time means where it means two moments or none."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwartier import clock
from kwartier.clock import DAY_S, QUARTER_S
from kwartier.errors import InputError

AMSTERDAM = "Europe/Amsterdam"
ZONES = [
    AMSTERDAM,
    "UTC",
    "Europe/London",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/Havana",
]


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("day", "quarters"),
    [
        (date(2026, 3, 29), 92),
        (date(2026, 10, 25), 100),
        (date(2027, 3, 28), 92),
        (date(2027, 10, 31), 100),
        (date(2026, 3, 28), 96),
        (date(2026, 3, 30), 96),
        (date(2024, 2, 29), 96),
        (date(2026, 12, 31), 96),
    ],
)
def test_a_day_has_as_many_quarters_as_its_clocks_show(day: date, quarters: int) -> None:
    times = clock.quarter_ends(day, day + timedelta(days=1), AMSTERDAM)
    assert len(times) == quarters + 1
    assert times[0] == clock.midnight(day, AMSTERDAM)
    assert times[-1] == clock.midnight(day + timedelta(days=1), AMSTERDAM)
    assert set((times[1:] - times[:-1]).tolist()) == {QUARTER_S}
    assert not times.flags.writeable


def test_a_year_of_days_is_a_year_of_quarters() -> None:
    times = clock.quarter_ends(date(2026, 1, 1), date(2027, 1, 1), AMSTERDAM)
    assert len(times) == 365 * 96 + 1
    assert times[0] == utc(2025, 12, 31, 23)


@pytest.mark.parametrize(
    ("zone", "day", "quarters", "opening"),
    [
        # Chile skips midnight: the day begins at the switch, at 01:00.
        ("America/Santiago", date(2024, 9, 8), 92, (2024, 9, 8, 4)),
        # Chile repeats the hour before midnight, which belongs to the day before.
        ("America/Santiago", date(2024, 4, 6), 100, (2024, 4, 6, 3)),
        # Cuba repeats the hour after midnight: the day begins at the first of the two.
        ("America/Havana", date(2024, 11, 3), 100, (2024, 11, 3, 4)),
        # Lebanon skips midnight.
        ("Asia/Beirut", date(2024, 3, 31), 92, (2024, 3, 30, 22)),
        # Half an hour of summer time.
        ("Australia/Lord_Howe", date(2024, 4, 7), 98, (2024, 4, 6, 13)),
        ("Asia/Kathmandu", date(2024, 5, 1), 96, (2024, 4, 30, 18, 15)),
    ],
)
def test_zones_that_skip_or_repeat_midnight(zone: str, day: date, quarters: int, opening: tuple[int, ...]) -> None:
    assert clock.midnight(day, zone) == utc(*opening)
    assert len(clock.quarter_ends(day, day + timedelta(days=1), zone)) == quarters + 1


@given(st.sampled_from(ZONES), st.dates(date(2015, 1, 1), date(2035, 12, 31)), st.integers(1, 40))
@settings(derandomize=True, max_examples=200)
def test_days_join_without_gap_or_overlap(zone: str, day: date, days: int) -> None:
    end = day + timedelta(days=days)
    whole = clock.quarter_ends(day, end, zone)
    assert whole[0] == clock.midnight(day, zone)
    assert whole[-1] == clock.midnight(end, zone)
    pieces = [clock.quarter_ends(day + timedelta(days=n), day + timedelta(days=n + 1), zone) for n in range(days)]
    assert sum(len(piece) - 1 for piece in pieces) == len(whole) - 1
    assert all(one[-1] == other[0] for one, other in pairwise(pieces))


@given(st.sampled_from(ZONES), st.dates(date(2015, 1, 1), date(2035, 12, 31)))
@settings(derandomize=True, max_examples=200)
def test_a_moment_belongs_to_the_day_that_it_opens(zone: str, day: date) -> None:
    moment = clock.midnight(day, zone)
    # Apia had no 30 December 2011; within these years every zone here has every day.
    assert clock.local_day(moment, zone) == day
    assert clock.local_day(moment - 1, zone) < day


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (date(2026, 1, 2), date(2026, 1, 2)),
        (date(2026, 1, 2), date(2026, 1, 1)),
        (date(2026, 1, 1), date(2026, 1, 1) + timedelta(days=clock.MAX_DAYS + 1)),
        (date(1970, 12, 31), date(1971, 1, 2)),
        (date(2105, 12, 31), date(2106, 1, 1)),
    ],
)
def test_a_run_of_days_has_bounds(start: date, end: date) -> None:
    with pytest.raises(InputError) as caught:
        clock.quarter_ends(start, end, AMSTERDAM)
    assert caught.value.code == "bad-day"


@pytest.mark.parametrize("name", ["Europe/Nowhere", "", "../etc/passwd", "x" * 5000, "Europe/Amsterdam\0"])
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InputError) as caught:
        clock.midnight(date(2026, 1, 1), name)
    assert caught.value.code == "bad-timezone"
    assert len(caught.value.detail) < 200


def test_a_zone_whose_days_are_no_whole_quarters_is_refused() -> None:
    # Before 1972 Liberia was 44 minutes and 30 seconds behind.
    with pytest.raises(InputError) as caught:
        clock.quarter_ends(date(1971, 6, 1), date(1971, 6, 2), "Africa/Monrovia")
    assert caught.value.code == "bad-timezone"


def test_stretches_break_at_the_moment_of_the_change() -> None:
    found = clock.stretches(AMSTERDAM, utc(2026, 1, 1), utc(2026, 12, 31))
    assert [(one.start, one.stop, one.offset_s) for one in found] == [
        (utc(2026, 1, 1), utc(2026, 3, 29, 1), 3600),
        (utc(2026, 3, 29, 1), utc(2026, 10, 25, 1), 7200),
        (utc(2026, 10, 25, 1), utc(2026, 12, 31), 3600),
    ]
    assert clock.stretches("UTC", 0, DAY_S) == ((0, DAY_S, 0),)
    for last in (-1, clock.MAX_DAYS * DAY_S + 1):
        with pytest.raises(InputError) as caught:
            clock.stretches(AMSTERDAM, 0, last)
        assert caught.value.code == "bad-day"


@pytest.mark.parametrize(
    ("local", "moments"),
    [
        # The usual day.
        (datetime(2026, 7, 1, 12), [(2026, 7, 1, 10)]),
        (datetime(2026, 1, 1, 12), [(2026, 1, 1, 11)]),
        # Spring: the moment of the change has two names and is one moment; between them there is nothing.
        (datetime(2026, 3, 29, 1, 45), [(2026, 3, 29, 0, 45)]),
        (datetime(2026, 3, 29, 2, 0), [(2026, 3, 29, 1)]),
        (datetime(2026, 3, 29, 2, 15), []),
        (datetime(2026, 3, 29, 2, 45), []),
        (datetime(2026, 3, 29, 3, 0), [(2026, 3, 29, 1)]),
        # Autumn: an hour that is shown twice. Its end is shown by the old clock at the moment of the change, too.
        (datetime(2026, 10, 25, 1, 45), [(2026, 10, 24, 23, 45)]),
        (datetime(2026, 10, 25, 2, 0), [(2026, 10, 25, 0), (2026, 10, 25, 1)]),
        (datetime(2026, 10, 25, 2, 45), [(2026, 10, 25, 0, 45), (2026, 10, 25, 1, 45)]),
        (datetime(2026, 10, 25, 3, 0), [(2026, 10, 25, 1), (2026, 10, 25, 2)]),
        (datetime(2026, 10, 25, 3, 15), [(2026, 10, 25, 2, 15)]),
    ],
)
def test_local_time_is_one_moment_two_or_none(local: datetime, moments: list[tuple[int, ...]]) -> None:
    assert clock.candidates(local, AMSTERDAM) == tuple(utc(*parts) for parts in moments)


@given(st.sampled_from(ZONES), st.integers(utc(2015, 1, 1), utc(2035, 1, 1)))
@settings(derandomize=True, max_examples=300)
def test_every_moment_is_among_those_of_its_local_time(zone: str, moment: int) -> None:
    local = datetime.fromtimestamp(moment, clock.zone(zone)).replace(tzinfo=None)
    found = clock.candidates(local, zone)
    assert moment in found
    assert len(found) <= 2


def test_offsets_and_summer_time() -> None:
    assert clock.offsets(AMSTERDAM, 2026) == {3600, 7200}
    assert clock.offsets("UTC", 2026) == {0}
    for moment, offset_s, summer in (
        (utc(2026, 3, 29, 0, 59, 59), 3600, False),
        (utc(2026, 3, 29, 1), 7200, True),
        (utc(2026, 10, 25, 0, 59, 59), 7200, True),
        (utc(2026, 10, 25, 1), 3600, False),
    ):
        assert clock.offset_at(AMSTERDAM, moment) == offset_s
        assert clock.is_summer(AMSTERDAM, moment) is summer
