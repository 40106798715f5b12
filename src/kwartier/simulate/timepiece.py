"""The clock of a simulated meter: it may be wrong, it can be set, and it remembers in which quarters it was."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kwartier.clock import QUARTER_S
from kwartier.model import Bytes8, Times
from kwartier.simulate.metering.module import ADJUSTED

MAX_KEPT = 32
"""Settings that are remembered: a buffer of ten days holds no more quarters in which a clock was set once a night."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One time that it was set: what it showed before and after, and what time it was, all in UTC seconds."""

    before: float
    after: float
    true: float

    @property
    def quarter_end(self) -> int:
        """The end of the quarter that it was set in, by what it showed afterwards."""
        return (int(self.after) // QUARTER_S + 1) * QUARTER_S


class Timepiece:
    """``now`` gives UTC seconds; ``ahead_s`` is how far it is ahead of that."""

    __slots__ = ("_now", "ahead_s", "settings")

    def __init__(self, now: Callable[[], float], ahead_s: float = 0.0) -> None:
        self._now = now
        self.ahead_s = ahead_s
        self.settings: deque[Setting] = deque(maxlen=MAX_KEPT)

    def shows(self) -> float:
        """UTC seconds, as far as it knows."""
        return self._now() + self.ahead_s

    def set_to(self, moment: float) -> None:
        """Show ``moment``, and go on from there."""
        true = self._now()
        self.settings.append(Setting(before=true + self.ahead_s, after=moment, true=true))
        self.ahead_s = moment - true

    def mark(self, times: Times, status: Bytes8) -> Bytes8:
        """``status`` of the quarter ends ``times``, with the bit that says in which of them it was set."""
        if not self.settings:
            return status
        ends = np.array([one.quarter_end for one in self.settings], np.int64)
        marked: Bytes8 = status | np.where(np.isin(times, ends), np.uint8(ADJUSTED), np.uint8(0))
        return marked
