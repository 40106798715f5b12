"""Meters that gave nothing yet and are tried again when their pause is over, but not at the cost of those that were not tried.

While there are more first tries than can be begun, only one visit in so many is another try: most meters that failed will fail
again, and what is spent on them is taken from meters that would answer. When the first tries come to an end, so does that.
"""

import heapq
import math
from collections.abc import Collection

from kwartier.collect.outcome import Again

PART = 1 / 32
"""Of so many visits is another try, while there are more first tries than can be begun."""
SAVED_UP = 100.0
"""More is not made up for later."""
MAX_KEPT = 5_000
"""So many are kept at hand; the others wait in the database, for whichever process takes them."""


class Retries:
    """What is to be tried again, the earliest first."""

    __slots__ = ("_heap", "_number", "_owed")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Again]] = []
        self._number = 0
        self._owed = math.inf

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, again: Again) -> None:
        """Another try, not before its time."""
        self._number += 1
        heapq.heappush(self._heap, (again.at, self._number, again))

    def due(self, now: float, most: int) -> list[Again]:
        """Up to ``most`` whose time has come, as far as they may be tried; ``now`` in UTC seconds."""
        ready: list[Again] = []
        while len(ready) < min(most, self._owed) and self._heap and self._heap[0][0] <= now:
            ready.append(heapq.heappop(self._heap)[2])
        self._owed -= len(ready)
        return ready

    def allowed(self, most: int) -> int:
        """Of ``most`` other tries, so many may be taken from elsewhere."""
        return int(max(0, min(most, self._owed)))

    def taken(self, firsts: int, others: int, *, is_all: bool) -> None:
        """So many first tries and others were taken; ``is_all``: first tries leave room, for there are no more just now."""
        if is_all:
            self._owed = math.inf
            return
        before = 0.0 if self._owed == math.inf else self._owed
        self._owed = min(before + PART * firsts - others, SAVED_UP)

    def drop(self, leases: Collection[str]) -> None:
        """Meters under ``leases`` are somebody else's."""
        self._heap = [one for one in self._heap if one[2].job.lease not in leases]
        heapq.heapify(self._heap)

    def beyond(self, most: int) -> list[Again]:
        """All but the ``most`` that come first."""
        return [] if len(self._heap) <= most else [again for _, _, again in sorted(self._heap)[most:]]

    def cut(self, most: int) -> None:
        """Keep those that come first alone."""
        if len(self._heap) > most:
            self._heap = sorted(self._heap)[:most]  # which is a heap, too
