"""Statements laid over statements: held against a calendar in which each day is overwritten by hand."""

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kwartier.market.periods import Piece, laid_over, says

FIRST = date(2026, 1, 1)
DAYS = 20


def piece(start: int, length: int, fact: str) -> Piece:
    return Piece(FIRST + timedelta(days=start), FIRST + timedelta(days=start + length), (fact,))


PIECES = st.builds(piece, st.integers(0, DAYS - 1), st.integers(1, 8), st.sampled_from("abc"))


def calendar(pieces: list[Piece]) -> dict[date, str]:
    found = {}
    for one in pieces:
        for ahead in range((one.end - one.start).days):
            found[one.start + timedelta(days=ahead)] = str(one.facts[0])
    return found


@given(st.lists(PIECES, max_size=8))
def test_a_later_statement_replaces_what_it_covers_and_nothing_else(said: list[Piece]) -> None:
    pieces: list[Piece] = []
    days: dict[date, str] = {}
    for one in said:
        known = says(pieces, one)
        before, days = dict(days), days | calendar([one])
        assert known == (before == days)
        pieces = laid_over(pieces, one)
        assert calendar(pieces) == days
        assert says(pieces, one)
        assert all(first.end < next_.start or first.facts != next_.facts for first, next_ in pairwise(pieces))
        assert all(first.end <= next_.start for first, next_ in pairwise(pieces))


def test_what_reaches_further_is_cut() -> None:
    before = [piece(0, 10, "a")]
    assert laid_over(before, piece(3, 4, "b")) == [piece(0, 3, "a"), piece(3, 4, "b"), piece(7, 3, "a")]
    assert laid_over(before, piece(3, 4, "a")) == before
