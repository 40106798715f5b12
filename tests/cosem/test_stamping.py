"""Stamps in columns: the same moments as one stamp at a time, and what is settled is settled rightly."""

from datetime import UTC, datetime
from itertools import pairwise, product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kwartier.clock import FIRST_YEAR, LAST_YEAR, candidates
from kwartier.cosem.order import Candidates, settle_by_order
from kwartier.cosem.rows import Rows
from kwartier.cosem.stamping import Window, certain_stamps, settled_stamps
from kwartier.dlms.stamps import NO_DEVIATION, DateTime
from kwartier.errors import WireError
from tests.cosem.buffers import AMSTERDAM, Writing, utc

WINDOW = Window(first=utc(2026, 10, 24, 22), last=utc(2026, 10, 25, 23), timezone=AMSTERDAM)


def rows_with(*stamps: bytes) -> Rows:
    return Rows(len(stamps), b"".join(stamps), None, None, {}, {})


@st.composite
def stamps(draw: st.DrawFn) -> DateTime:
    """Mostly sensible, now and then out of any calendar."""
    deviation = draw(st.sampled_from([-60, -120, 0, 345, -840, 720, 721, -841, NO_DEVIATION, NO_DEVIATION]))
    return DateTime(
        year=draw(st.integers(1970, 2107) | st.sampled_from([2000, 1900, 2100, 0xFFFF])),
        month=draw(st.integers(0, 13)),
        day=draw(st.integers(0, 32)),
        weekday=draw(st.integers(0, 255)),
        hour=draw(st.integers(0, 25)),
        minute=draw(st.integers(0, 61)),
        second=draw(st.integers(0, 61) | st.just(0xFF)),
        hundredths=draw(st.integers(0, 255)),
        deviation_min=deviation,
        clock_status=draw(st.integers(0, 255)),
    )


@given(stamps(), st.booleans())
@settings(derandomize=True, max_examples=600)
def test_a_column_means_what_each_stamp_means(stamp: DateTime, reversed_sign: bool) -> None:
    """In a zone of offset 0 nothing is of the opposite sign but what it may be, so every valid deviation counts."""
    try:
        moment = stamp.utc_seconds(deviation_reversed=reversed_sign)
        valid = FIRST_YEAR <= stamp.year <= LAST_YEAR
    except WireError:
        moment, valid = None, False
    window = Window(first=0, last=1, timezone="UTC", sign_reversed=reversed_sign)
    found = settled_stamps(rows_with(stamp.encode()), window)
    certain = certain_stamps(rows_with(stamp.encode()), "UTC", reversed_sign)
    assert (certain is not None) == bool(found.known[0])
    if valid and moment is not None:
        assert found.known[0]
        assert found.utc[0] == moment
        assert certain is not None
        assert certain.utc[0] == moment
    else:
        assert not found.known[0]
        assert [one.code for one in found.findings] == ([] if valid else ["bad-stamp"])
    assert found.clock_status[0] == stamp.clock_status


@given(st.integers(utc(2026, 10, 24, 12), utc(2026, 10, 26, 12)))
@settings(derandomize=True, max_examples=200)
def test_a_stamp_without_a_deviation_means_what_the_calendar_says(moment: int) -> None:
    stamp = Writing(deviation=False, specified=False).stamp(moment)
    local = datetime.fromtimestamp(stamp.local_seconds(), UTC).replace(tzinfo=None)
    found = settled_stamps(rows_with(stamp.encode()), WINDOW)
    expected = candidates(local, AMSTERDAM)
    assert found.known[0] == (len(expected) == 1)
    if len(expected) == 1:
        assert found.utc[0] == moment == expected[0]
    else:
        assert [one.code for one in found.findings] == ["ambiguous-hour"]


def test_a_deviation_that_is_right_is_believed_before_any_bit() -> None:
    summer = DateTime.of_utc(utc(2026, 10, 25, 0, 30), 7200, daylight_saving=False)
    winter = DateTime.of_utc(utc(2026, 10, 25, 1, 30), 3600, daylight_saving=True)
    found = settled_stamps(rows_with(summer.encode(), winter.encode()), WINDOW)
    assert found.known.all()
    assert found.utc.tolist() == [utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 1, 30)]


def test_a_zone_without_an_offset_has_no_opposite() -> None:
    london = DateTime.of_utc(utc(2026, 1, 1), 0, daylight_saving=False)
    assert certain_stamps(rows_with(london.encode()), "Europe/London", False) is not None
    assert certain_stamps(rows_with(london.encode()), "Europe/London", True) is not None


def test_certain_stamps_are_remembered_and_cannot_be_changed() -> None:
    rows = rows_with(Writing().stamp(utc(2026, 3, 4)).encode())
    found = certain_stamps(rows, AMSTERDAM, False)
    assert found is not None
    assert found is certain_stamps(rows, AMSTERDAM, False)
    assert not (found.utc.flags.writeable)
    assert not (found.known.flags.writeable)
    assert not (found.clock_status.flags.writeable)


# The order.

MOMENTS = st.integers(0, 12)


@st.composite
def choices(draw: st.DrawFn) -> list[tuple[int, ...]]:
    """For each row no moment, one or two."""
    return draw(
        st.lists(
            st.lists(MOMENTS, min_size=0, max_size=2, unique=True).map(lambda one: tuple(sorted(one))),
            min_size=1,
            max_size=7,
        )
    )


def _candidates(rows: list[tuple[int, ...]]) -> Candidates:
    size = len(rows)
    return Candidates(
        low=np.array([row[0] if row else 0 for row in rows], np.int64),
        high=np.array([row[-1] if row else 0 for row in rows], np.int64),
        count=np.array([len(row) for row in rows], np.int64),
        low_summer=np.zeros(size, np.bool_),
        by_zone=np.ones(size, np.bool_),
    )


@given(choices(), st.booleans())
@settings(derandomize=True, max_examples=500)
def test_the_order_settles_exactly_what_every_growing_order_agrees_on(
    rows: list[tuple[int, ...]], backwards: bool
) -> None:
    ends = [row for row in rows if row]
    if not ends or (len(ends) > 1 and ends[0][0] > ends[-1][-1]):
        return  # that is a buffer that runs backwards, which `backwards` makes of every other
    possible = [one for one in product(*ends) if all(a < b for a, b in pairwise(one))]
    # A buffer whose ends overlap can be taken one way only: as it is written.
    turned = backwards and len(ends) > 1 and ends[0][-1] < ends[-1][0]
    given_rows = rows[::-1] if turned else rows
    found = _candidates(given_rows)
    settle_by_order(found, np.zeros(len(rows), np.int64))
    count, low, high = (column[::-1] if turned else column for column in (found.count, found.low, found.high))
    place = 0
    for number, row in enumerate(rows):
        if not row:
            assert count[number] == 0
            continue
        agreed = {one[place] for one in possible}
        if len(agreed) == 1:
            assert count[number] == 1
            assert {int(low[number]), int(high[number])} == agreed
        else:
            assert (int(low[number]), int(high[number])) == (row[0], row[-1])
            assert count[number] == len(row)
        place += 1


def test_rows_without_a_stamp_take_time_of_their_own() -> None:
    # 0 or 8, then three rows behind it, then 4 or 12: only 0 leaves room before 4, and 12 lies behind either.
    found = _candidates([(0, 8), (4,)])
    settle_by_order(found, np.array([3, 0]))
    assert found.low.tolist() == [0, 4]
    tight = _candidates([(0, 2), (1, 4)])
    settle_by_order(tight, np.array([3, 0]))
    assert tight.low.tolist() == [0, 4]
    assert tight.count.tolist() == [1, 1]
