"""The clocks that this host has, and what its kernel says of them."""

import ctypes
import time
from collections.abc import Callable
from typing import ClassVar

from kwartier.collect.host_clock import HostClock

STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""The clock that nobody can set; of the two, the first goes on while the host sleeps."""
TIME_ERROR = 5
"""What adjtimex returns where the clock is not synchronised,"""
STA_UNSYNC = 0x40
"""and what it sets in the status (adjtimex(2))."""
SPARE_BYTES = 256
"""More than the kernel writes."""


class _Timex(ctypes.Structure):
    """The first fields of ``struct timex``; with ``modes`` 0 nothing is changed."""

    _fields_: ClassVar = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("others", ctypes.c_byte * SPARE_BYTES),
    ]


def wall_of(ahead_s: float) -> Callable[[], float]:
    """UTC seconds of a clock that is so far ahead of this host's."""
    return (lambda: time.time() + ahead_s) if ahead_s else time.time


def steady_s() -> float:
    """Seconds of the clock that nobody can set."""
    return time.clock_gettime(STEADY)


def synchronised() -> bool | None:
    """Whether the kernel says that the system's clock follows a source; None: it does not tell."""
    try:
        adjtimex = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return None
    told = _Timex()
    state = int(adjtimex(ctypes.byref(told)))
    return None if state < 0 else state != TIME_ERROR and not told.status & STA_UNSYNC


def host_clock(system: Callable[[], float], *, demanding: bool) -> HostClock:
    """The clock of this process. ``demanding``: only a system's clock that is synchronised will do."""
    if not demanding:
        return HostClock(system=system, steady=steady_s)
    return HostClock(system=system, steady=steady_s, synchronised=lambda: synchronised() is True)
