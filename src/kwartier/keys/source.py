"""One meter's invocation counters as a visit needs them: ours under its encryption key, and the highest of its own.

Ours belongs to the encryption key and our system title; the meter's belongs to the same key and the meter's title. Both live
in the database and outlive the visit. A value that nobody authenticated may move ours forward by a bounded step only, and
leaves a finding.
"""

import time
from collections.abc import Callable

from kwartier.dlms.protection import CounterRange
from kwartier.keys.counters import MAX_RECOVERY_JUMP, CounterKey, Counters
from kwartier.model import Finding


class MeterCounters:
    """The counters of one pair of meter and client. ``wall`` gives UTC seconds for the findings."""

    __slots__ = ("_counters", "_ours", "_theirs", "_wall")

    def __init__(
        self,
        counters: Counters,
        *,
        ek_fingerprint: str,
        own_title: bytes,
        meter_title: bytes,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._counters = counters
        self._ours = CounterKey(ek_fingerprint=ek_fingerprint, title=own_title.hex())
        self._theirs = CounterKey(ek_fingerprint=ek_fingerprint, title=meter_title.hex())
        self._wall = wall

    @property
    def peer_counter(self) -> int:
        """The highest counter ever accepted from the meter; -1: none."""
        return self._counters.peer_counter(self._theirs)

    def reserve(self, count: int) -> CounterRange:
        """``count`` counters that nobody else will get, on the disk before this returns. Blocks."""
        return self._counters.reserve(self._ours, count)

    def raise_to(self, counter: int) -> Finding | None:
        """Never use a counter below ``counter`` again. Raises ``SecurityError`` counter-jump; None: ours is ahead already."""
        jump = self._counters.raise_to(self._ours, counter, max_jump=MAX_RECOVERY_JUMP)
        if not jump:
            return None
        now = int(self._wall())
        reason = f"our invocation counter was {jump} behind what the meter expects and was moved forward"
        return Finding(code="counter-recovered", start=now, end=now, reason=reason)

    def accepted(self, peer_counter: int) -> None:
        """Remember the highest counter that was verified from the meter."""
        self._counters.accepted(self._theirs, peer_counter)
