"""Pieces on the threads of this process: each thread reads one, adds it to what it has, and takes the next.

So there are as many pieces in memory as threads, however many meters there are. Reading and adding leave the interpreter's
lock alone, which is what makes threads worth having.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from typing import Generic

from kwartier.compute.engine import Kernel, Partial, Piece, Source

MAX_THREADS = 32


class Local:
    """The engine of this host; ``threads`` None: one a core that this process may use."""

    __slots__ = ("_threads",)

    def __init__(self, threads: int | None = None) -> None:
        self._threads = min(threads or len(os.sched_getaffinity(0)), MAX_THREADS)

    def run(self, source: Source[Piece], pieces: Sequence[Piece], kernel: Kernel[Partial]) -> Partial | None:
        """The result over all pieces; None where there are none. Raises what the first piece that fails raises."""
        work = _Work(source, pieces, kernel)
        count = min(self._threads, len(pieces))
        if count <= 1:
            work.take()
        else:
            with ThreadPoolExecutor(count, thread_name_prefix="compute") as pool:
                for one in [pool.submit(work.take) for _ in range(count)]:
                    one.result()
        return work.result()


class _Work(Generic[Piece, Partial]):
    """Pieces in their order, and what became of those that were taken."""

    def __init__(self, source: Source[Piece], pieces: Sequence[Piece], kernel: Kernel[Partial]) -> None:
        self._source = source
        self._kernel = kernel
        self._waiting: Iterator[tuple[int, Piece]] = iter(enumerate(pieces))
        self._lock = threading.Lock()
        self._found: list[Partial] = []
        self._failed: dict[int, BaseException] = {}

    def take(self) -> None:
        """Take pieces until there are no more, or one has failed."""
        so_far: Partial | None = None
        while (taken := self._next()) is not None:
            place, piece = taken
            try:
                so_far = self._kernel.map(self._source.read(piece), so_far)
            except BaseException as error:  # noqa: BLE001 - told by result(), in the thread that asked
                self._failed[place] = error
        if so_far is not None:
            self._found.append(so_far)

    def _next(self) -> tuple[int, Piece] | None:
        # Pieces are handed out in order, and those in hand are ended. So of all that would fail, the first has been taken.
        with self._lock:
            return None if self._failed else next(self._waiting, None)

    def result(self) -> Partial | None:
        """What all threads found."""
        if self._failed:
            raise self._failed[min(self._failed)]
        return reduce(self._kernel.merge, self._found) if self._found else None
