"""Wired M-Bus as meters push DLMS over it: long frames of at most 255 bytes, an APDU cut into numbered segments.

A long frame says its length twice and ends with a sum and a stop byte (EN 13757-2, format class FT 1.2). Its CI byte 00-1F
marks a segment of DLMS: four bits of running number and a bit on the last one; two service access points follow (EN 13757-3,
EN 13757-1 transport). Nothing is ever asked for again on this line, so a segment that is lost, repeated or damaged takes its
APDU with it.
"""

from dataclasses import dataclass, field

from kwartier.errors import StateError, WireError

START = 0x68
STOP = 0x16
HEADER_BYTES = 4
"""Start, length, length, start."""
TRAILER_BYTES = 2
"""Sum and stop."""
FIELD_BYTES = 5
"""Control, address, CI and two service access points: what the length counts besides the data."""
MAX_DATA = 0xFF - FIELD_BYTES
SEGMENT_MASK = 0x0F
LAST_SEGMENT = 0x10
MAX_CI = SEGMENT_MASK | LAST_SEGMENT
MAX_SEGMENTS = SEGMENT_MASK + 1
"""The running number is not taken to start over: sixteen segments lost in a row would then go unnoticed."""
SEND_USER_DATA = 0x53
BROADCAST = 0xFF
MAX_NOISE_BYTES = 1 << 16
MAX_BAD_RUN = 64
"""Bytes that belong to no frame, and bad frames in a row, after which a line is called hopeless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One long frame with a piece of an APDU: ``source`` and ``destination`` are the STSAP and DTSAP."""

    number: int
    last: bool
    source: int
    destination: int
    data: bytes = field(repr=False)
    control: int = SEND_USER_DATA
    address: int = BROADCAST

    def encode(self) -> bytes:
        """The whole frame."""
        if len(self.data) > MAX_DATA or not 0 <= self.number < MAX_SEGMENTS:
            raise StateError("unbuildable", f"M-Bus segment {self.number} with {len(self.data)} bytes")
        information = self.number | (LAST_SEGMENT if self.last else 0)
        body = bytes((self.control, self.address, information, self.source, self.destination)) + self.data
        return bytes((START, len(body), len(body), START)) + body + bytes((sum(body) & 0xFF, STOP))


@dataclass(frozen=True, slots=True, kw_only=True)
class BadSegment:
    """A frame that was whole and wrong: ``reason`` is the code of the check that failed."""

    reason: str


def parse_segment(frame: bytes) -> Segment:
    """The segment in ``frame``, from start to stop byte; :class:`WireError` where a check fails."""
    size = len(frame) - HEADER_BYTES - TRAILER_BYTES
    if size < 0 or frame[0] != START or frame[3] != START or not frame[1] == frame[2] == size or frame[-1] != STOP:
        raise WireError("bad-mbus-frame", f"{len(frame)} bytes that are no long frame of M-Bus")
    body = frame[HEADER_BYTES:-TRAILER_BYTES]
    if sum(body) & 0xFF != frame[-2]:
        raise WireError("bad-mbus-sum", f"the sum at offset {len(frame) - 2} is not that of the frame before it")
    if size < FIELD_BYTES or body[2] > MAX_CI:
        raise WireError("bad-mbus-frame", f"a long frame of {size} bytes that holds no segment of DLMS (CI above 1F)")
    control, address, information, source, destination = body[:FIELD_BYTES]
    return Segment(
        number=information & SEGMENT_MASK,
        last=bool(information & LAST_SEGMENT),
        source=source,
        destination=destination,
        data=body[FIELD_BYTES:],
        control=control,
        address=address,
    )


def cut(apdu: bytes, *, source: int, destination: int, size: int = MAX_DATA) -> list[Segment]:
    """``apdu`` as segments of at most ``size`` bytes."""
    pieces = [apdu[at : at + size] for at in range(0, len(apdu), size)] or [b""]
    if len(pieces) > MAX_SEGMENTS:
        raise StateError("unbuildable", f"an APDU of {len(apdu)} bytes, and M-Bus carries {MAX_SEGMENTS * size}")
    last = len(pieces) - 1
    return [
        Segment(number=number, last=number == last, source=source, destination=destination, data=piece)
        for number, piece in enumerate(pieces)
    ]


class SegmentReader:
    """Segments from a stream, however it is cut: every decision waits for exactly the bytes that it needs."""

    __slots__ = ("_bad_run", "_held", "_need", "_noise_bytes")

    def __init__(self) -> None:
        self._held = bytearray()
        self._need = 1
        self._noise_bytes = 0
        self._bad_run = 0

    @property
    def waiting(self) -> bool:
        """Whether the beginning of a frame is held, for which a deadline makes sense."""
        return bool(self._held)

    def drop(self) -> None:
        """Give up what is held: the rest did not come."""
        self._held.clear()
        self._need = 1

    def feed(self, data: bytes) -> list[Segment | BadSegment]:
        """The segments that ``data`` completes, in order, good and bad; :class:`WireError` when all is noise."""
        held = self._held
        held += data
        found: list[Segment | BadSegment] = []
        if len(held) < self._need:
            return found
        at = clean = 0
        while True:
            start = held.find(START, at)
            at = len(held) if start < 0 else start
            self._need = 1 if start < 0 else self._frame_length(at)
            if len(held) - at < self._need:
                break
            if not self._need:
                at += 1
                continue
            frame = bytes(held[at : at + self._need])
            try:
                found.append(parse_segment(frame))
                self._noise_bytes = self._bad_run = 0
                at = clean = at + len(frame)
            except WireError as error:
                found.append(BadSegment(reason=error.code))
                # With the stop byte in its place the length was right, and no frame is looked for inside.
                at += len(frame) if frame[-1] == STOP else 1
                self._bad_run += 1
                self._check_noise(at - clean)
        self._noise_bytes += at - clean
        self._check_noise(0)
        del held[:at]
        return found

    def _check_noise(self, more: int) -> None:
        noise = self._noise_bytes + more
        if noise > MAX_NOISE_BYTES or self._bad_run > MAX_BAD_RUN:
            raise WireError("mbus-noise", f"{self._bad_run} bad frames in a row and {noise} bytes of noise")

    def _frame_length(self, at: int) -> int:
        """The bytes of the frame that starts at ``at``; 0: none does; while that is open, one more than are there."""
        held = self._held
        there = len(held) - at
        if (there > 2 and held[at + 1] != held[at + 2]) or (there > 3 and held[at + 3] != START):
            return 0
        return there + 1 if there < HEADER_BYTES else HEADER_BYTES + held[at + 1] + TRAILER_BYTES


class Assembler:
    """Puts the segments of pushed APDUs together."""

    __slots__ = ("_parts", "_saps")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._saps = (0, 0)

    def feed(self, segment: Segment) -> bytes | None:
        """The APDU once its last segment is here; :class:`WireError` where one is missing, and all before it is forgotten."""
        parts, self._parts = self._parts, []
        saps = (segment.source, segment.destination)
        if segment.number != len(parts):
            raise WireError("lost-block", f"M-Bus segment {segment.number} where {len(parts)} was expected")
        if parts and saps != self._saps:
            raise WireError("lost-block", f"M-Bus segment {segment.number} for {saps} amid an APDU for {self._saps}")
        parts.append(segment.data)
        if segment.last:
            return b"".join(parts)
        self._parts = parts
        self._saps = saps
        return None
