"""The time of this host, told so that a jump of the system's clock stamps nothing wrongly.

Time is anchored once and from then on counted by a clock that nobody can set. Small corrections of the system's clock are
followed slowly, so that time never goes back. Where the system's clock departs from what was counted by more than that, one of
the two is wrong and nobody here can say which: the anchored time goes on as it was, and is not to be trusted until both agree
again. Both clocks are arguments.
"""

from collections.abc import Callable
from typing import NamedTuple

from kwartier.errors import StateError

MAX_DEPARTURE_S = 2.0
"""How far the system's clock may be from the anchored one: far less than the norm for meters, far more than any slewing."""
FOLLOWED_PART = 0.1
"""A correction is followed by so many seconds a second."""
MAX_DOUBT_S = 300.0
"""How long visits wait for a clock: after that a person has to look at it."""


class _Line(NamedTuple):
    """Time from one look to the next: ``wall_s`` when the steady clock showed ``steady_s``, ``left_s`` still to be followed."""

    wall_s: float
    steady_s: float
    left_s: float

    def at(self, steady_s: float) -> float:
        since_s = steady_s - self.steady_s
        most_s = FOLLOWED_PART * since_s
        return self.wall_s + since_s + max(-most_s, min(self.left_s, most_s))


class HostClock:
    """``system`` gives UTC seconds and may jump; ``steady`` gives seconds from wherever and goes on also while the host sleeps.

    ``synchronised`` says whether the system's clock has a source, where that is asked for. :meth:`wall` may be called on any
    thread, the others on one.
    """

    def __init__(
        self,
        *,
        system: Callable[[], float],
        steady: Callable[[], float],
        synchronised: Callable[[], bool] = lambda: True,
    ) -> None:
        self._system = system
        self._steady = steady
        self._synchronised = synchronised
        self._line = _Line(system(), steady(), 0.0)
        self._doubted_since_s: float | None = None
        self.why = ""
        """Why it was not to be trusted last."""

    def wall(self) -> float:
        """UTC seconds, never less than before."""
        return self._line.at(self._steady())

    def trusted(self) -> bool:
        """Whether the system's clock agrees, and has a source where it must have one; what it was corrected by is followed."""
        steady_s = self._steady()
        wall_s = self._line.at(steady_s)
        departure_s = self._system() - wall_s
        if abs(departure_s) > MAX_DEPARTURE_S:
            self.why = f"the system's clock is {departure_s:+.1f} s from the time that was counted"
        elif not self._synchronised():
            self.why = "the system's clock is not synchronised"
        else:
            self._line, self._doubted_since_s = _Line(wall_s, steady_s, departure_s), None
            return True
        if self._doubted_since_s is None:
            self._line, self._doubted_since_s = _Line(wall_s, steady_s, 0.0), steady_s
        return False

    def waits(self) -> bool:
        """Whether visits have to wait for it. Raises ``StateError`` host-clock when they waited for :data:`MAX_DOUBT_S`."""
        if self.trusted():
            return False
        if self._doubted_since_s is not None and self._steady() - self._doubted_since_s >= MAX_DOUBT_S:
            raise StateError("host-clock", f"{self.why}, and was for {MAX_DOUBT_S:.0f} s")
        return True

    def demand(self) -> None:
        """Raises ``StateError`` host-clock where it cannot be trusted now."""
        if not self.trusted():
            raise StateError("host-clock", self.why)
