"""The next of many pieces is made on a second core while somebody works on the one before."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Made = TypeVar("Made")


def ahead(pieces: Iterable[Made]) -> Iterator[Made]:
    """The same pieces in the same order, one of them in memory besides the one that is worked on.

    A thread of its own makes them, one after the other; what it raises comes at the place of the piece. Who stops early waits
    for the piece that is being made.
    """
    making = iter(pieces)
    nothing = object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, making, nothing)
        while (found := coming.result()) is not nothing:
            coming = thread.submit(next, making, nothing)
            yield found  # type: ignore[misc]  # it is not nothing
