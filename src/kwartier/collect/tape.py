"""What went over the lines of one visit, byte for byte, for somebody who has to find out why it goes wrong.

A tape holds what was written to a socket and what was read from it, each with the moment, counted from when the tape was made.
Nothing else reaches it: what was protected on the line is protected here, and no key and nothing that was deciphered can get
in. It is bounded, and says so where a bound cut it short; the visit itself goes on. A visit that is not traced has no tape.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from kwartier.errors import SecurityError

MAX_BYTES: Final = 256 << 10
"""Bytes of one tape: ten times what the usual day takes."""
MAX_EVENTS: Final = 5_000
MAX_LINES: Final = 8
"""Lines that one visit opens at the most are three: a try, the public client, another try."""
FORMAT: Final = 1
_S_IN_US = 1_000_000


class Way(StrEnum):
    """Which way bytes went."""

    SENT = "sent"
    RECEIVED = "received"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Bytes that went over a line at once. ``line``: the how many-th line of the visit, from 0; ``after_us``: when."""

    line: int
    way: Way
    after_us: int
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A tape at rest. ``cut``: a bound was reached, and what came after it is not here."""

    transport: str
    own_title: bytes
    meter_title: bytes
    events: tuple[Event, ...] = field(repr=False)
    cut: bool

    @property
    def size(self) -> int:
        """Bytes that went over the lines."""
        return sum(len(one.octets) for one in self.events)

    def packed(self) -> bytes:
        """As it is kept in a file, before that is sealed."""
        events = [[one.line, one.way.value, one.after_us, one.octets.hex()] for one in self.events]
        found = {
            "format": FORMAT,
            "transport": self.transport,
            "own_title": self.own_title.hex(),
            "meter_title": self.meter_title.hex(),
            "cut": self.cut,
            "events": events,
        }
        return json.dumps(found, separators=(",", ":")).encode()

    @classmethod
    def unpacked(cls, octets: bytes) -> "Recorded":
        """What was packed. Raises ``SecurityError`` sealed-file where it is something else."""
        try:
            found = json.loads(octets)
            if found["format"] != FORMAT:
                raise SecurityError("sealed-file", f"a trace of format {found['format']!r}, {FORMAT} is known")
            return cls(
                transport=str(found["transport"]),
                own_title=bytes.fromhex(found["own_title"]),
                meter_title=bytes.fromhex(found["meter_title"]),
                events=tuple(
                    Event(line=int(line), way=Way(way), after_us=int(after_us), octets=bytes.fromhex(text))
                    for line, way, after_us, text in found["events"]
                ),
                cut=bool(found["cut"]),
            )
        except (ValueError, KeyError, TypeError):
            raise SecurityError("sealed-file", "a trace does not hold what one holds") from None


class Tape:
    """Runs along with one visit. ``trace``: the request that it is for; ``seconds``: a clock that only goes forward."""

    __slots__ = ("_began", "_cut", "_events", "_line", "_room", "_seconds", "trace")

    def __init__(self, trace: str) -> None:
        self.trace = trace
        self._events: list[Event] = []
        self._room = MAX_BYTES
        self._line = -1
        self._cut = False
        self._seconds: Callable[[], float] | None = None
        self._began = 0.0

    def __repr__(self) -> str:
        return f"<Tape of {len(self._events)} events>"

    def another_line(self, seconds: Callable[[], float]) -> None:
        """A line is about to be opened; ``seconds`` is the clock of whoever drives it."""
        self._line += 1
        if self._seconds is None:
            self._began = seconds()
        self._seconds = seconds

    def sent(self, octets: bytes) -> None:
        """We wrote these bytes."""
        self._note(Way.SENT, octets)

    def received(self, octets: bytes) -> None:
        """These bytes came."""
        self._note(Way.RECEIVED, octets)

    def _note(self, way: Way, octets: bytes) -> None:
        if self._cut or self._seconds is None:
            return
        if self._line >= MAX_LINES or len(self._events) >= MAX_EVENTS:
            self._cut = True
            return
        kept = octets[: self._room]
        self._cut = len(kept) < len(octets)
        self._room -= len(kept)
        if kept:
            after_us = round((self._seconds() - self._began) * _S_IN_US)
            self._events.append(Event(line=self._line, way=way, after_us=after_us, octets=kept))

    def recorded(self, *, transport: str, own_title: bytes, meter_title: bytes) -> Recorded:
        """The tape as it is by now."""
        return Recorded(
            transport=transport,
            own_title=own_title,
            meter_title=meter_title,
            events=tuple(self._events),
            cut=self._cut,
        )
