"""Switches that take one guard away each, so that a rehearsal can show what it is there for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """How to take a guard away, what is said then, and a seed whose nights meet what it guards against."""

    off: Switch
    said: str
    """A regular expression."""
    seed: int = 11


GUARDS: Mapping[str, Guard] = MappingProxyType(
    {
        "tag check": Guard(off=no_tag_check, said="[1-9][0-9]* values are wrong"),
        "counter reservation": Guard(off=no_reservation, said="was sent counter"),
        "idempotency key": Guard(off=no_idempotency, said="[1-9][0-9]* rows doubled"),
        "claim constraint": Guard(off=no_claim, said="repeats written down"),
        "lease expiry": Guard(off=no_expiry, said="leased meters are left"),
        "host clock": Guard(off=no_host_clock, said="away from the time", seed=17),
    }
)
