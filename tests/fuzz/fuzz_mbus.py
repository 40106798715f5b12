"""Any bytes as a line of wired M-Bus: the same segments however it is cut, and an APDU or a typed error of them."""

from kwartier.dlms.mbus import Assembler, BadSegment, Segment, SegmentReader, parse_segment
from kwartier.errors import KwartierError


def one(data: bytes) -> None:
    found = _read(data, len(data) or 1)
    assert found == _read(data, 1)
    assembler = Assembler()
    for segment in found or []:
        if isinstance(segment, Segment):
            assert parse_segment(segment.encode()) == segment
            try:
                assembler.feed(segment)
            except KwartierError:
                return


def _read(data: bytes, step: int) -> list[Segment | BadSegment] | None:
    reader = SegmentReader()
    found: list[Segment | BadSegment] = []
    try:
        for at in range(0, len(data), step):
            found += reader.feed(data[at : at + step])
    except KwartierError:
        return None
    return found
