"""Bytes that still know where in the capture they stood.

A message is cut into frames, blocks and segments and put together again, and what somebody looks for with an editor is
an offset in the file. So every piece that is taken off or joined keeps the offsets of its parts. Deciphering keeps them
too: counter mode changes no positions.
"""

from bisect import bisect_right
from collections.abc import Sequence


class Stretch:
    """``data``, and for each run of it the place where it starts here and where that is in the capture."""

    __slots__ = ("_here", "_there", "data")

    def __init__(self, data: bytes, here: Sequence[int] = (0,), there: Sequence[int] = (0,)) -> None:
        self.data = data
        self._here = here
        self._there = there

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        return f"<Stretch of {len(self.data)} bytes from {self.offset(0)}>"

    def offset(self, place: int) -> int:
        """Where in the capture the byte at ``place`` stood."""
        run = bisect_right(self._here, place) - 1
        return self._there[run] + place - self._here[run]

    def runs(self) -> tuple[tuple[int, int], ...]:
        """Where its bytes stood: first offset and the one behind the last, run by run."""
        found: list[tuple[int, int]] = []
        for here, there, stop in zip(self._here, self._there, [*self._here[1:], len(self.data)], strict=True):
            if stop <= here:
                continue
            if found and found[-1][1] == there:
                found[-1] = (found[-1][0], there + stop - here)
            else:
                found.append((there, there + stop - here))
        return tuple(found)

    def cut(self, start: int, stop: int | None = None) -> "Stretch":
        """The part from ``start`` to ``stop``."""
        stop = len(self.data) if stop is None else stop
        first, last = bisect_right(self._here, start) - 1, bisect_right(self._here, stop)
        here = [max(0, place - start) for place in self._here[first:last]]
        there = [self.offset(start), *self._there[first + 1 : last]]
        return Stretch(self.data[start:stop], here, there)

    def replaced(self, data: bytes) -> "Stretch":
        """Other bytes at the same places: what deciphering makes of these."""
        return Stretch(data, self._here, self._there)


def joined(parts: Sequence[Stretch]) -> Stretch:
    """``parts`` one behind the other."""
    if len(parts) == 1:
        return parts[0]
    here: list[int] = []
    there: list[int] = []
    size = 0
    for part in parts:
        here += [size + place for place in part._here]
        there += part._there
        size += len(part)
    return Stretch(b"".join(part.data for part in parts), here or (0,), there or (0,))
