"""Year volumes by quarter: whole watt-hours, right for the day, and equal to what fractions without end say."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kwartier.settle.inputs import ONE_E12
from kwartier.settle.shares import MAX_SPREAD_WH, spread


def by_hand(year_wh: int, fractions_e12: list[int]) -> list[int]:
    """The same with numbers of any size, one after another."""
    exact = [Fraction(year_wh * one, ONE_E12) for one in fractions_e12]
    cut = [int(one) for one in exact]
    short = int(sum(exact) + Fraction(1, 2)) - sum(cut)
    order = sorted(range(len(cut)), key=lambda place: (cut[place] - exact[place], place))
    for place in order[:short]:
        cut[place] += 1
    return cut


@given(
    years=st.lists(st.one_of(st.integers(0, 10**7), st.integers(0, MAX_SPREAD_WH)), min_size=1, max_size=4),
    fractions=st.lists(st.one_of(st.integers(0, 10**9), st.integers(0, ONE_E12)), min_size=1, max_size=100),
)
def test_it_is_what_fractions_without_end_give(years: list[int], fractions: list[int]) -> None:
    # As a rule the fractions of a day are far less than 1 together; here only each of them is bounded.
    shape = np.tile(np.asarray(fractions, np.int64), (len(years), 1))
    found = spread(np.asarray(years, np.int64), shape)
    assert found.tolist() == [by_hand(one, fractions) for one in years]


def test_equal_remainders_go_to_the_earliest_quarters() -> None:
    # 10 Wh a year at 0.05, 0.15, 0.05, 0.15: 0.5, 1.5, 0.5, 1.5 - 4 in all, of which 2 are cut.
    shape = np.asarray([[50, 150, 50, 150]], np.int64) * 10**9
    assert spread(np.asarray([10], np.int64), shape).tolist() == [[1, 2, 0, 1]]


def test_half_a_watt_hour_a_day_is_one() -> None:
    shape = np.full((2, 96), 10**9, np.int64)
    # 0.096 of a year's volume: 5 Wh are 0.48 and 6 Wh are 0.576.
    assert spread(np.asarray([5, 6], np.int64), shape).sum(axis=1).tolist() == [0, 1]


def test_nothing_is_spread_over_nothing() -> None:
    assert spread(np.zeros(0, np.int64), np.zeros((0, 96), np.int64)).shape == (0, 96)
