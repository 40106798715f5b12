"""Circuit breakers: where nothing answers, nobody is asked until somebody does.

A group - the meters of a radio cell, or the cells with meters of one supplier and firmware - is given up for a while when
several of its members fail one after the other, with no answer in between. Then single meters are tried, at growing intervals.
Any answer closes the breaker, also a refusal: what is broken here is the way, not the meter.
"""

FAILURES = 10
"""So many failures in a row, of so many members, open a breaker."""
FIRST_PROBE_S, LAST_PROBE_S = 15.0, 240.0
"""The pauses between probes: they double."""


class Breaker:
    """The breaker of one group."""

    __slots__ = ("_failed", "_pause_s", "_probe", "next_probe_s")

    def __init__(self) -> None:
        self._failed: set[str] = set()
        self._pause_s = FIRST_PROBE_S
        self._probe = ""
        self.next_probe_s: float | None = None
        """When the next probe may begin; None: the breaker is closed, and anybody may."""

    def may_begin(self, now_s: float) -> bool:
        """Whether a visit may begin: any, or just one to find out."""
        return self.next_probe_s is None or (not self._probe and now_s >= self.next_probe_s)

    def begun(self, member: str) -> None:
        """A visit begins."""
        if self.next_probe_s is not None:
            self._probe = member

    def ended(self, member: str, *, answered: bool, now_s: float) -> None:
        """A visit ended; one that began before the breaker opened tells nothing new if it failed."""
        if answered:
            self._failed.clear()
            self._pause_s, self._probe, self.next_probe_s = FIRST_PROBE_S, "", None
        elif self.next_probe_s is None:
            self._failed.add(member)
            if len(self._failed) >= FAILURES:
                self._failed.clear()
                self.next_probe_s = now_s + self._pause_s
        elif member == self._probe:
            self._pause_s = min(2 * self._pause_s, LAST_PROBE_S)
            self._probe, self.next_probe_s = "", now_s + self._pause_s


class Breakers:
    """The breakers of all groups of one kind; a group without a name has none."""

    __slots__ = ("_groups",)

    def __init__(self) -> None:
        self._groups: dict[str, Breaker] = {}

    def may_begin(self, group: str, now_s: float) -> bool:
        """Whether a visit in ``group`` may begin."""
        found = self._groups.get(group)
        return found is None or found.may_begin(now_s)

    def begun(self, group: str, member: str) -> None:
        """A visit begins."""
        found = self._groups.get(group)
        if found is not None:
            found.begun(member)

    def ended(self, group: str, member: str, *, answered: bool, now_s: float) -> bool:
        """A visit ended; whether the breaker has just opened."""
        found = self._groups.get(group)
        if found is None:
            if answered or not group:
                return False
            found = self._groups[group] = Breaker()
        before = found.next_probe_s
        found.ended(member, answered=answered, now_s=now_s)
        if answered:
            del self._groups[group]
        return before is None and found.next_probe_s is not None

    def is_open(self, group: str) -> bool:
        """Whether ``group`` is given up for now."""
        found = self._groups.get(group)
        return found is not None and found.next_probe_s is not None

    def next_probe_s(self, group: str) -> float:
        """When ``group`` is probed next; 0: at any time."""
        found = self._groups.get(group)
        return 0.0 if found is None or found.next_probe_s is None else found.next_probe_s
