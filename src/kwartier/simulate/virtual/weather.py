"""What happens to lines, drawn from one generator: how long they take, where they break, which bits flip.

A flipped bit is what a radio does, and what somebody does who wants a value changed: bits of a long answer flip where the
values are.
"""

import random
from collections import Counter
from dataclasses import dataclass

from kwartier.simulate.virtual.network import Piece

LONG_BYTES = 200
"""An answer of so many octets carries values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Climate:
    """How bad it gets: seconds of the fastest and slowest piece, and the share of pieces that something happens to."""

    fastest_s: float = 0.01
    slowest_s: float = 0.15
    cuts: float = 0.004
    flips: float = 0.02
    silences: float = 0.002

    def names(self) -> list[str]:
        """What happens in it, as it is counted."""
        shares = {"line-cut": self.cuts, "bit-flipped": self.flips, "line-silent": self.silences}
        return [name for name, share in shares.items() if share]


WILD = Climate()
FAIR = Climate(cuts=0.0, flips=0.0, silences=0.0)
"""Lines that take their time and do nothing else."""


class Storm:
    """The weather of a rehearsal. ``happened`` counts what it did."""

    def __init__(self, chance: random.Random, climate: Climate) -> None:
        self._chance = chance
        self.climate = climate
        self.happened: Counter[str] = Counter()
        self._once = set(climate.names())
        """What has not happened yet: the first line that it can happen to has to bear it, however rare it is."""
        self.is_away = False
        """Whether nothing can be reached at all."""

    def opens_after_s(self, host: str, port: int) -> float | None:
        """Opening a line takes as long as a piece of data, or for ever."""
        if self.is_away:
            self.happened["line-refused"] += 1
            return None
        if self._happens("line-silent", self.climate.silences):
            return None
        return self._delay_s()

    def carry(self, octets: bytes, *, to_meter: bool) -> Piece:
        """One piece of data, which may not arrive, or not as it was sent."""
        delay_s = self._delay_s()
        if self.is_away or self._happens("line-cut", self.climate.cuts):
            return Piece(delay_s=delay_s, octets=None)
        if not to_meter and len(octets) >= LONG_BYTES and self._happens("bit-flipped", self.climate.flips):
            return Piece(delay_s=delay_s, octets=self._flipped(octets))
        return Piece(delay_s=delay_s, octets=octets)

    def _happens(self, what: str, share: float) -> bool:
        happens = self._chance.random() < share or (share > 0 and what in self._once)
        if happens:
            self.happened[what] += 1
            self._once.discard(what)
        return happens

    def _delay_s(self) -> float:
        return self._chance.uniform(self.climate.fastest_s, self.climate.slowest_s)

    def _flipped(self, octets: bytes) -> bytes:
        changed = bytearray(octets)
        changed[self._chance.randrange(len(octets) // 2, len(octets))] ^= 1 << self._chance.randrange(8)
        return bytes(changed)
