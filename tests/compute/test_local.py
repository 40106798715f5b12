"""Threads of this host: one result however pieces are spread, a bounded number in hand, and the first error of all."""

import threading
import time
from collections.abc import Sequence

import pyarrow
import pytest

from kwartier.compute.local import MAX_THREADS, Local
from kwartier.errors import StateError

WAIT_S = 20.0


class Numbers:
    """Pieces are numbers; how many tables are in hand at once is counted. ``bad`` ones raise once ``after`` is set."""

    def __init__(self, bad: Sequence[int] = (), slow: Sequence[int] = ()) -> None:
        self._bad = bad
        self._slow = slow
        self._lock = threading.Lock()
        self._failed = threading.Event()
        self.read_pieces: list[int] = []

    def read(self, piece: int) -> pyarrow.Table:
        with self._lock:
            self.read_pieces.append(piece)
        if piece in self._slow:
            assert self._failed.wait(WAIT_S), "a later piece fails meanwhile"
        if piece in self._bad:
            self._failed.set()
            raise StateError("lost-file", f"number {piece}")
        return pyarrow.table({"number": [piece]})


class Gathering:
    """Keeps which numbers it saw, and how many calls were made at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0

    def map(self, rows: pyarrow.Table, onto: list[int] | None = None) -> list[int]:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        found = [] if onto is None else onto
        found += rows["number"].to_numpy().tolist()
        with self._lock:
            self._now -= 1
        return found

    def merge(self, one: list[int], other: list[int]) -> list[int]:
        return one + other


@pytest.mark.parametrize("threads", [1, 2, 7, None])
@pytest.mark.parametrize("count", [1, 2, 50])
def test_each_piece_is_counted_once(threads: int | None, count: int) -> None:
    kernel = Gathering()
    found = Local(threads).run(Numbers(), range(count), kernel)
    assert found is not None
    assert sorted(found) == list(range(count))
    assert kernel.most <= (threads or MAX_THREADS)


def test_no_piece_gives_nothing() -> None:
    assert Local().run(Numbers(), [], Gathering()) is None


@pytest.mark.parametrize("threads", [1, 4])
def test_of_several_errors_the_first_piece_has_the_word_and_nothing_is_begun_after_it(threads: int) -> None:
    # The earlier piece is held until the later one has failed.
    slow = [3] if threads > 1 else []
    source = Numbers(bad=[3, 5], slow=slow)
    with pytest.raises(StateError) as failed:
        Local(threads).run(source, range(10_000), Gathering())
    assert failed.value.detail == "number 3"
    assert len(source.read_pieces) < 10_000


def test_what_is_in_hand_does_not_grow_with_the_number_of_pieces() -> None:
    alive, most, lock = 0, 0, threading.Lock()

    class Source:
        def read(self, piece: int) -> pyarrow.Table:
            nonlocal alive, most
            with lock:
                alive += 1
                most = max(most, alive)
            return pyarrow.table({"number": [piece]})

    class Kernel:
        def map(self, rows: pyarrow.Table, onto: int | None = None) -> int:
            nonlocal alive
            with lock:
                alive -= 1
            return (onto or 0) + rows.num_rows

        def merge(self, one: int, other: int) -> int:
            return one + other

    assert Local(3).run(Source(), range(2_000), Kernel()) == 2_000
    assert most <= 3


def test_threads_are_at_work_at_the_same_time() -> None:
    meeting = threading.Barrier(2)

    class Source:
        def read(self, piece: int) -> pyarrow.Table:
            meeting.wait(WAIT_S)
            return pyarrow.table({"number": [piece]})

    begun = time.monotonic()
    assert Local(2).run(Source(), range(2), Gathering()) is not None
    assert time.monotonic() - begun < WAIT_S
