"""What is counted now and then, by one for all."""

from collections.abc import Callable

import pytest

from kwartier.service.views.kept import PAUSE_PART, Kept


class Stage:
    """A clock, counts that take a second each, and what is to be done later."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.counted = 0
        self.later: list[Callable[[], None]] = []
        self.fails = False

    def count(self) -> int:
        self.now_s += 1
        if self.fails:
            raise ValueError("away")
        self.counted += 1
        return self.counted

    def kept(self) -> Kept[int]:
        return Kept(self.count, steady=lambda: self.now_s, later=self.later.append)


def test_the_first_waits_and_others_are_told_what_there_is() -> None:
    stage = Stage()
    kept = stage.kept()
    assert [kept.get() for _ in range(5)] == [1] * 5
    assert stage.later == []
    stage.now_s += PAUSE_PART - 0.1
    assert kept.get() == 1
    assert stage.later == []
    stage.now_s += 0.2
    assert [kept.get() for _ in range(5)] == [1] * 5, "nobody waits"
    assert len(stage.later) == 1, "one counts for all"
    stage.later.pop()()
    assert kept.get() == 2
    assert stage.counted == 2
    assert stage.later == []


def test_what_goes_wrong_is_told_once_and_tried_again() -> None:
    stage = Stage()
    kept = stage.kept()
    kept.get()
    stage.now_s += 2 * PAUSE_PART
    kept.get()
    stage.fails = True
    stage.later.pop()()
    with pytest.raises(ValueError, match="away"):
        kept.get()
    assert kept.get() == 1, "what was known is known still"
    stage.fails = False
    stage.now_s += 2
    kept.get()
    stage.later.pop()()
    assert kept.get() == 2


def test_without_a_first_count_everybody_is_told_why() -> None:
    stage = Stage()
    kept = stage.kept()
    stage.fails = True
    for _ in range(2):
        with pytest.raises(ValueError, match="away"):
            kept.get()
    stage.fails = False
    assert kept.get() == 1


def test_a_thread_does_it_by_itself() -> None:
    stage = Stage()
    kept = Kept(stage.count, steady=lambda: stage.now_s, least_s=0.0)
    assert kept.get() == 1
    stage.now_s += 2 * PAUSE_PART
    kept.get()
    while kept.get() == 1:
        pass
    assert stage.counted == 2
