"""What can be seen from the meters' side, by somebody who trusts nothing of what the head-end says of itself.

It hears every octet that reaches a meter and remembers every invocation counter that was ever used towards it, with what was
sent under it and on which line: a counter that comes again is the mistake that must never happen (NIST SP 800-38D, section 8).
Only what a link sends again, on the same line and octet by octet the same, is none.
"""

from collections.abc import Iterator
from hashlib import blake2b

from kwartier.dlms import registry
from kwartier.dlms.association import Aarq
from kwartier.dlms.hdlc import Frame, FrameReader, Kind
from kwartier.dlms.protection import CIPHERED_TAGS, parse_ciphered
from kwartier.dlms.wrapper import HEADER, HEADER_BYTES
from kwartier.errors import KwartierError

AARQ = 0x60
LLC_BYTES = 3
DIGEST_BYTES = 8


class Ear:
    """Hears one line towards a meter, and cuts the APDUs out of it; what makes no sense is left to the meter."""

    def __init__(self, transport: str) -> None:
        self._frames = FrameReader() if transport == "hdlc" else None
        self._held = b""

    def apdus(self, octets: bytes) -> Iterator[bytes]:
        """The APDUs that ``octets`` complete."""
        if self._frames is None:
            yield from self._wrapped(octets)
            return
        for frame in self._frames.feed(octets):
            if isinstance(frame, Frame) and frame.kind == Kind.I:
                self._held += frame.information
                if not frame.segmented:
                    apdu, self._held = self._held[LLC_BYTES:], b""
                    yield apdu

    def _wrapped(self, octets: bytes) -> Iterator[bytes]:
        self._held += octets
        while len(self._held) >= HEADER_BYTES:
            end = HEADER_BYTES + HEADER.unpack(self._held[:HEADER_BYTES])[3]
            if len(self._held) < end:
                return
            yield self._held[HEADER_BYTES:end]
            self._held = self._held[end:]


class Watch:
    """Remembers the counters that every meter of a fleet was sent."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, int], tuple[int, bytes]] = {}
        self.reused: list[tuple[int, int]] = []
        """(number of the meter, counter) of each that was used twice."""

    @property
    def counters(self) -> int:
        """How many different counters were seen."""
        return len(self._seen)

    def hear(self, line: int, meter: int, apdu: bytes) -> None:
        """One APDU on its way to a meter, on the line of that number."""
        for counter, octets in _ciphered(apdu):
            said = line, blake2b(octets, digest_size=DIGEST_BYTES).digest()
            before = self._seen.setdefault((meter, counter), said)
            if before != said:
                self.reused.append((meter, counter))


def _ciphered(apdu: bytes) -> Iterator[tuple[int, bytes]]:
    """The counters in an APDU, each with what it protects."""
    try:
        if apdu[:1] == bytes((AARQ,)):
            aarq = registry.parse(apdu)
            apdu = aarq.user_information or b"" if isinstance(aarq, Aarq) else b""
        if apdu and apdu[0] in CIPHERED_TAGS:
            found = parse_ciphered(apdu)
            yield found.invocation_counter, found.body
    except KwartierError:
        return  # spoilt on its way: the meter will say so
