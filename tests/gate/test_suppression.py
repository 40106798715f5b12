"""What is withheld cannot be computed from what is shown."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwartier.gate.suppression import BELOW, COMPLEMENTARY, SHOWN, Path, withheld
from tests.gate.neighbourhood import rank

MINIMUM = 10


def test_a_group_below_the_minimum_is_withheld_and_the_smallest_other_with_it() -> None:
    found = withheld({("A",): 9, ("B",): 30, ("C",): 12}, MINIMUM)
    assert found == {(): SHOWN, ("A",): BELOW, ("B",): SHOWN, ("C",): COMPLEMENTARY}


def test_two_small_groups_that_are_large_together_hide_each_other() -> None:
    found = withheld({("A",): 4, ("B",): 6, ("C",): 12}, MINIMUM)
    assert found == {(): SHOWN, ("A",): BELOW, ("B",): BELOW, ("C",): SHOWN}


def test_a_group_in_which_nobody_is_counted_hides_nobody() -> None:
    assert withheld({("A",): 0, ("B",): 12}, MINIMUM) == {(): SHOWN, ("A",): BELOW, ("B",): SHOWN}


def test_an_area_that_is_withheld_for_another_cannot_be_added_up_from_its_transformers() -> None:
    counts: dict[Path, int] = {("A", "t1"): 9, ("B", "t2"): 20, ("B", "t3"): 15, ("C", "t4"): 90}
    found = withheld(counts, MINIMUM)
    assert found["A",] == BELOW
    assert found["B",] == COMPLEMENTARY
    assert found["B", "t3"] == COMPLEMENTARY
    assert found["B", "t2"] == found["C",] == found["C", "t4"] == SHOWN


def test_transformers_of_an_area_that_is_shown_are_protected_inside_it() -> None:
    found = withheld({("A", "t1"): 3, ("A", "t2"): 11, ("A", "t3"): 12, ("B", "t4"): 40}, MINIMUM)
    assert [path for path, reason in found.items() if reason == BELOW] == [("A", "t1")]
    assert [path for path, reason in found.items() if reason == COMPLEMENTARY] == [("A", "t2")]


def test_a_fleet_below_the_minimum_is_not_shown_at_all() -> None:
    assert set(withheld({("A",): 4, ("B",): 5}, MINIMUM).values()) == {BELOW}
    assert withheld({}, MINIMUM) == {(): BELOW}


LEAVES: st.SearchStrategy[Path] = st.tuples(st.sampled_from("ABCD"), st.sampled_from("1234"))


@settings(max_examples=400)
@given(counts=st.dictionaries(LEAVES, st.integers(0, 25), max_size=8), minimum=st.integers(2, 12))
def test_no_combination_of_shown_sums_concerns_fewer_than_the_minimum(counts: dict[Path, int], minimum: int) -> None:
    found = withheld(counts, minimum)
    leaves = [path for path, count in counts.items() if count]
    shown = [path for path, reason in found.items() if reason == SHOWN]
    assert all(_of(path, counts) >= minimum for path in shown)
    sums = {leaf: [int(leaf[: len(path)] == path) for path in shown] for leaf in leaves}
    whole = rank(list(sums.values()))
    for size in range(1, len(leaves) + 1):
        for chosen in combinations(leaves, size):
            if sum(counts[one] for one in chosen) < minimum:
                # No combination is about these alone: what is shown says as much without them.
                assert rank([column for leaf, column in sums.items() if leaf not in chosen]) == whole


@settings(max_examples=400)
@given(counts=st.dictionaries(LEAVES, st.integers(0, 25), max_size=12))
def test_more_is_withheld_only_beside_what_is_too_small(counts: dict[Path, int]) -> None:
    found = withheld(counts, MINIMUM)
    if BELOW not in {reason for path, reason in found.items() if _of(path, counts)}:
        assert COMPLEMENTARY not in found.values()
    for path, reason in found.items():
        assert (reason == BELOW) == (_of(path, counts) < MINIMUM)


def _of(path: Path, counts: dict[Path, int]) -> int:
    return sum(count for leaf, count in counts.items() if leaf[: len(path)] == path)


def test_without_complementary_suppression_a_small_group_is_the_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kwartier.gate.suppression._Tree.protect", lambda self: None)
    with pytest.raises(AssertionError):
        test_no_combination_of_shown_sums_concerns_fewer_than_the_minimum.hypothesis.inner_test(  # type: ignore[attr-defined]  # hypothesis keeps it there
            {("A", "1"): 3, ("A", "2"): 20}, MINIMUM
        )
