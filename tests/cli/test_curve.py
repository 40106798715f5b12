"""Small curves never smooth over a gap."""

from kwartier.cli.curve import BLOCKS, GAP, bar, curve


def test_the_highest_mean_is_the_highest_block_and_zero_the_lowest() -> None:
    assert curve([0, 0, 8, 8], 2) == BLOCKS[0] + BLOCKS[-1]


def test_a_share_with_a_missing_value_is_a_dot() -> None:
    assert curve([1, None, 2, 2], 2) == GAP + BLOCKS[-1]


def test_it_is_never_wider_than_there_are_values() -> None:
    assert len(curve([1, 2, 3], 48)) == 3
    assert curve([], 48) == ""


def test_all_zero_and_all_missing_do_not_divide_by_zero() -> None:
    assert curve([0, 0], 2) == BLOCKS[0] * 2
    assert curve([None, None], 1) == GAP
    assert bar(0, 0, 10) == ""


def test_a_bar_is_in_proportion() -> None:
    assert len(bar(5, 10, 20)) == 10
    assert bar(None, 10, 20) == GAP
