"""One meter's invocation counters as a visit needs them: ours under its encryption key, and the highest of its own.

Ours belongs to the encryption key and our system title; the meter's belongs to the same key and the meter's title. Both live
in the database and outlive the visit. A value that nobody authenticated may move ours forward by a bounded step only, and
leaves a finding.
"""

import time
from collections.abc import Callable, Iterable, Sequence

from kwartier.dlms.protection import CounterRange
from kwartier.keys.counters import MAX_RECOVERY_JUMP, CounterKey, Counters
from kwartier.model import Finding


class MeterCounters:
    """The counters of one pair of meter and client. ``wall`` gives UTC seconds for the findings."""

    __slots__ = ("_counters", "_wall", "ours", "theirs")

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
        self.ours = CounterKey(ek_fingerprint=ek_fingerprint, title=own_title.hex())
        self.theirs = CounterKey(ek_fingerprint=ek_fingerprint, title=meter_title.hex())
        self._wall = wall

    @property
    def peer_counter(self) -> int:
        """The highest counter ever accepted from the meter; -1: none."""
        return self._counters.peer_counter(self.theirs)

    def reserve(self, count: int) -> CounterRange:
        """``count`` counters that nobody else will get, on the disk before this returns. Blocks."""
        return self._counters.reserve(self.ours, count)

    def raise_to(self, counter: int) -> Finding | None:
        """Never use a counter below ``counter`` again. Raises ``SecurityError`` counter-jump; None: ours is ahead already."""
        jump = self._counters.raise_to(self.ours, counter, max_jump=MAX_RECOVERY_JUMP)
        if not jump:
            return None
        now = int(self._wall())
        reason = f"our invocation counter was {jump} behind what the meter expects and was moved forward"
        return Finding(code="counter-recovered", start=now, end=now, reason=reason)

    def accepted(self, peer_counter: int) -> None:
        """Remember the highest counter that was verified from the meter."""
        self._counters.accepted(self.theirs, peer_counter)


class LeasedCounters:
    """The counters of a meter that is visited as one of a batch: read and reserved together with those of the others.

    A visit spends ``reserved``, and reserves more on its own where that does not suffice. The highest counter of the meter
    is kept in ``heard`` until :func:`remember` writes those of the batch.
    """

    __slots__ = ("_meter", "heard", "reserved")

    def __init__(self, meter: MeterCounters, reserved: CounterRange, heard: int) -> None:
        self._meter = meter
        self.reserved = reserved
        self.heard = heard

    @property
    def theirs(self) -> CounterKey:
        """Which counter is the meter's."""
        return self._meter.theirs

    @property
    def peer_counter(self) -> int:
        """The highest counter ever accepted from the meter; -1: none."""
        return self.heard

    def reserve(self, count: int) -> CounterRange:
        """``count`` counters more, on the disk before this returns. Blocks."""
        return self._meter.reserve(count)

    def raise_to(self, counter: int) -> Finding | None:
        """Never use a counter below ``counter`` again; as :meth:`MeterCounters.raise_to`."""
        return self._meter.raise_to(counter)

    def accepted(self, peer_counter: int) -> None:
        """Keep the highest counter that was verified from the meter."""
        self.heard = max(self.heard, peer_counter)


def lease(counters: Counters, batch: Sequence[MeterCounters], count: int) -> list[LeasedCounters]:
    """``count`` counters for each of a batch of meters, in one transaction and on the disk before this returns."""
    reserved = counters.reserve_many([(one.ours, count) for one in batch])
    heard = counters.peer_counter_of_many([one.theirs for one in batch])
    return [LeasedCounters(one, taken, heard.get(one.theirs, -1)) for one, taken in zip(batch, reserved, strict=True)]


def remember(counters: Counters, batch: Iterable[LeasedCounters]) -> None:
    """Write the highest counters that were verified from the meters of a batch, in one transaction."""
    counters.accepted_many({one.theirs: one.heard for one in batch if one.heard >= 0})
