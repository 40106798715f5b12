"""Circuit breakers: where nothing answers, nobody is asked until somebody does.

A group - the meters of a radio cell, or the cells with meters of one supplier and firmware - is given up for a while when
several of its members fail one after the other, with no answer in between. Then single meters are tried, at growing intervals.
Any answer closes the breaker, also a refusal: what is broken here is the way, not the meter.

What failed proves something only if it began after the last answer: dead meters that were asked together with healthy ones run
out of time when those have long answered. And a meter that failed before proves nothing by failing again: towards the end of
a night the dead ones are the only ones that are asked.
"""

import math

FAILURES = 10
"""So many failures in a row, of so many members, open a breaker."""
FIRST_PROBE_S, LAST_PROBE_S = 15.0, 60.0
"""The pauses between probes: they double. Short at last: of many cells that one breaker holds, each is tried in its turn."""


class Breaker:
    """The breaker of one group."""

    __slots__ = ("_failed", "_is_probed", "_next_probe_s", "_pause_s", "_since_s")

    def __init__(self) -> None:
        self._failed: set[str] = set()
        self._pause_s = FIRST_PROBE_S
        self._is_probed = False
        self._next_probe_s: float | None = None
        """When the next probe may begin; None: the breaker is closed."""
        self._since_s = -math.inf
        """When it was answered last, or opened: visits that began before say nothing new by failing."""

    @property
    def is_open(self) -> bool:
        """Whether the group is given up for now."""
        return self._next_probe_s is not None

    def next_s(self, now_s: float) -> float:
        """When a visit may begin, or when to ask again: ``now_s``, or later."""
        if self._next_probe_s is None:
            return now_s
        return now_s + FIRST_PROBE_S if self._is_probed else max(now_s, self._next_probe_s)

    def begun(self) -> None:
        """A visit begins; with the breaker open, this one is to find out."""
        self._is_probed = self._next_probe_s is not None

    def ended(self, member: str, *, is_first: bool, answered: bool | None, began_s: float, now_s: float) -> None:
        """A visit ended. ``is_first``: it was a first try; ``answered``: None if nothing was found out."""
        if answered:
            self._failed.clear()
            self._pause_s, self._is_probed, self._next_probe_s, self._since_s = FIRST_PROBE_S, False, None, now_s
        elif began_s <= self._since_s:
            return
        elif self._next_probe_s is not None:
            self._is_probed = False
            if answered is not None:
                self._pause_s = min(2 * self._pause_s, LAST_PROBE_S)
                self._next_probe_s = now_s + self._pause_s
        elif is_first and answered is not None:
            self._failed.add(member)
            if len(self._failed) >= FAILURES:
                self._failed.clear()
                self._next_probe_s, self._since_s = now_s + self._pause_s, now_s


class Breakers:
    """The breakers of all groups of one kind; a group without a name has none."""

    __slots__ = ("_groups", "open")

    def __init__(self) -> None:
        self._groups: dict[str, Breaker] = {}
        self.open: set[str] = set()
        """The groups that are given up for now."""

    def next_s(self, group: str, now_s: float) -> float:
        """When a visit in ``group`` may begin, or when to ask again: ``now_s``, or later."""
        found = self._groups.get(group)
        return now_s if found is None else found.next_s(now_s)

    def begun(self, group: str) -> None:
        """A visit begins."""
        found = self._groups.get(group)
        if found is not None:
            found.begun()

    def ended(
        self, group: str, member: str, *, is_first: bool, answered: bool | None, began_s: float, now_s: float
    ) -> bool:
        """A visit ended; whether the breaker has just opened."""
        if not group:
            return False
        found = self._groups.get(group)
        if found is None:
            found = self._groups[group] = Breaker()
        found.ended(member, is_first=is_first, answered=answered, began_s=began_s, now_s=now_s)
        if not found.is_open:
            self.open.discard(group)
        elif group not in self.open:
            self.open.add(group)
            return True
        return False
