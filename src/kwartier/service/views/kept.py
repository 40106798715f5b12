"""What takes long to count is counted by one, now and then, and whoever asks meanwhile is told what was counted last.

However many look at a page, the counting takes a fiftieth of one core: a night that runs beside it does not notice. What is
shown may be so much older than now, and says how old it is.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Counted = TypeVar("Counted")
PAUSE_PART = 50
"""What took some time to count is left alone for so many times as long."""


def beside(work: Callable[[], None]) -> None:
    """Do it in a thread of its own."""
    threading.Thread(target=work, name="count", daemon=True).start()


class Kept(Generic[Counted]):
    """The last of what ``count`` gave. ``steady`` gives seconds of a clock that nobody sets.

    The first who asks waits for it, and so does everybody until it is there. ``later`` does what nobody waits for. What goes
    wrong in counting anew is raised to the next who asks.
    """

    def __init__(
        self,
        count: Callable[[], Counted],
        *,
        steady: Callable[[], float],
        least_s: float = 1.0,
        later: Callable[[Callable[[], None]], None] = beside,
    ) -> None:
        self._count = count
        self._steady = steady
        self._least_s = least_s
        self._later = later
        self._lock = threading.Lock()
        self._first = threading.Lock()
        self._last: list[Counted] = []
        self._error: Exception | None = None
        self._next_s = 0.0
        self._is_counting = False

    def get(self) -> Counted:
        """What was counted last; counted anew, for the next who asks, when it is old. Raises what ``count`` raises."""
        with self._first:
            if not self._last:
                self._renew()
        with self._lock:
            error, self._error = self._error, None
            is_old = error is None and not self._is_counting and self._steady() >= self._next_s
            self._is_counting |= is_old
            last = self._last[0]
        if error is not None:
            raise error
        if is_old:
            self._later(self._anew)
        return last

    def _renew(self) -> None:
        begun_s = self._steady()
        last = self._count()
        ended_s = self._steady()
        with self._lock:
            self._last = [last]
            self._next_s = ended_s + max(self._least_s, PAUSE_PART * (ended_s - begun_s))

    def _anew(self) -> None:
        error: Exception | None = None
        try:
            self._renew()
        except Exception as failed:  # noqa: BLE001 - nobody waits here: whoever asks next is told
            error = failed
        with self._lock:
            self._is_counting = False
            if error is not None:
                self._error, self._next_s = error, self._steady() + self._least_s
