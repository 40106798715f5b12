"""Switches that take one guard away each, so that a rehearsal can show what it is there for."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pytest

from kwartier.collect import claims
from kwartier.collect.claims import Verdict
from kwartier.collect.host_clock import HostClock
from kwartier.collect.lease import Leases
from kwartier.dlms import suite
from kwartier.dlms.protection import CounterRange
from kwartier.keys.counters import CounterKey, Counters
from kwartier.store.rows import Integers
from kwartier.store.table import Store, _Day

Switch = Callable[[pytest.MonkeyPatch], None]


def no_tag_check(patch: pytest.MonkeyPatch) -> None:
    """Every authentication tag is right."""
    patch.setattr(suite, "compare_digest", lambda first, second: True)


def no_reservation(patch: pytest.MonkeyPatch) -> None:
    """Counters are looked up and not moved on."""

    def reserve(self: Counters, wanted: Sequence[tuple[CounterKey, int]]) -> list[CounterRange]:
        starts = [self.next_of(key) for key, _ in wanted]
        return [CounterRange(start, start + count) for start, (_, count) in zip(starts, wanted, strict=True)]

    patch.setattr(Counters, "reserve_many", reserve)


def no_idempotency(patch: pytest.MonkeyPatch) -> None:
    """Nobody looks whether a batch, or a row of it, is in the store already."""

    def nothing(self: _Day, ids: Integers) -> tuple[Integers, Integers]:
        return np.zeros(len(ids), np.int64), np.zeros(len(ids), np.int64)

    patch.setattr(Store, "has", lambda self, batch: False)
    patch.setattr(_Day, "latest", nothing)


def no_claim(patch: pytest.MonkeyPatch) -> None:
    """Every read is the first."""
    patch.setattr(claims, "_judge", lambda one, meters, partners: Verdict.FIRST)


def no_expiry(patch: pytest.MonkeyPatch) -> None:
    """What a lost process held is never given back."""
    patch.setattr(Leases, "take_over", lambda self, day, *, now, is_stored: 0)


def no_host_clock(patch: pytest.MonkeyPatch) -> None:
    """The system's clock is taken for right."""
    patch.setattr(HostClock, "wall", lambda self: self._system())
    patch.setattr(HostClock, "waits", lambda self: False)


GUARDS: Mapping[str, tuple[Switch, str]] = MappingProxyType(
    {
        "tag check": (no_tag_check, "values are wrong"),
        "counter reservation": (no_reservation, "was sent counter"),
        "idempotency key": (no_idempotency, "rows doubled"),
        "claim constraint": (no_claim, "repeats written down"),
        "lease expiry": (no_expiry, "leased meters are left"),
        "host clock": (no_host_clock, "away from the time"),
    }
)
"""Each guard: how to take it away, and what is said then."""
