"""Meters that are out to do harm, or too broken to know better: what they say in place of what they should."""

from kwartier.dlms.axdr import Tag
from kwartier.dlms.protection import CounterRange
from kwartier.simulate.chance import octets
from kwartier.simulate.meter import PROFILE_GENERIC, SimulatedMeter

LOWERED_BY = 1000
NOISE_BYTES = 61
BOMB = bytes((Tag.ARRAY, 0x84, 0xFF, 0xFF, 0xFF, 0xFF)) + bytes((Tag.STRUCTURE, 0x7F)) * 64
"""An array of four thousand million elements, the first of which is nested deeper than anything is."""


class ReplayedCounters(CounterRange):
    """Gives the first counter out again and again."""

    __slots__ = ()

    def take(self) -> int:
        """The first."""
        self._next = self.start + 1
        return self.start


class LoweredCounters(CounterRange):
    """Gives out one counter, and then goes on well below it."""

    __slots__ = ("_lowered",)

    def __init__(self, start: int, stop: int) -> None:
        super().__init__(start, stop)
        self._lowered = -1

    def take(self) -> int:
        """The next, which is not always above the last."""
        self._lowered += 1
        self._next = self.start + 1
        return self.start if self._lowered == 0 else max(0, self.start - LOWERED_BY + self._lowered)


class HostileMeter:
    """Answers every question about a profile with more than anybody can hold."""

    __slots__ = ("_meter",)

    def __init__(self, meter: SimulatedMeter) -> None:
        self._meter = meter

    def get(self, class_id: int, obis: bytes, attribute: int, access: bytes | None) -> bytes | int:
        """The bomb, or as the meter."""
        return BOMB if class_id == PROFILE_GENERIC else self._meter.get(class_id, obis, attribute, access)

    def set(self, class_id: int, obis: bytes, attribute: int, access: bytes | None, value: bytes) -> int:
        """As the meter."""
        return self._meter.set(class_id, obis, attribute, access, value)

    def act(self, class_id: int, obis: bytes, method: int, value: bytes | None) -> tuple[int, bytes | None]:
        """As the meter."""
        return self._meter.act(class_id, obis, method, value)


def noise(*words: object) -> bytes:
    """Bytes that mean nothing, and follow from ``words``."""
    return b"\xa5" + octets(NOISE_BYTES, "noise", *words)
