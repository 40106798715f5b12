"""Pieces made ahead of who works on them."""

import threading
from collections.abc import Iterator

import pytest

from kwartier.store.ahead import ahead

BOUND_S = 10


def test_the_pieces_are_the_same_and_in_order() -> None:
    assert list(ahead(iter(range(5)))) == [0, 1, 2, 3, 4]
    assert list(ahead(())) == []


def test_one_piece_is_made_while_another_is_worked_on_and_no_more() -> None:
    made: list[int] = []
    second = threading.Event()

    def pieces() -> Iterator[int]:
        for number in range(4):
            made.append(number)
            if number == 1:
                second.set()
            yield number

    found = ahead(pieces())
    assert next(found) == 0
    assert second.wait(BOUND_S), "the second is made while nobody asks for it"
    assert made == [0, 1]
    assert list(found) == [1, 2, 3]


def test_what_is_raised_comes_after_what_was_made_before() -> None:
    def pieces() -> Iterator[int]:
        yield 1
        raise ValueError("the second")

    found = ahead(pieces())
    assert next(found) == 1
    with pytest.raises(ValueError, match="the second"):
        next(found)


def test_who_stops_early_leaves_no_thread() -> None:
    before = threading.active_count()
    found = ahead(iter(range(100)))
    assert next(found) == 0
    found.close()  # type: ignore[attr-defined]  # it is a generator
    assert threading.active_count() == before
