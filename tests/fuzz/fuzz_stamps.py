"""Any bytes as a COSEM date-time, date or time: a value that prints, encodes and has a moment or none, or a typed error."""

from contextlib import suppress

from kwartier.dlms.stamps import DateTime, date_of, time_of
from kwartier.errors import KwartierError


def one(data: bytes) -> None:
    for read in (date_of, time_of):
        with suppress(KwartierError):
            assert str(read(data[: len(data) & 0x0F])).isprintable()
    octets = (data + bytes(12))[:12]
    stamp = DateTime.decode(octets)
    assert stamp.encode() == octets
    assert str(stamp).isprintable()
    for reversed_ in (False, True):
        with suppress(KwartierError):
            stamp.utc_seconds(deviation_reversed=reversed_)
    with suppress(KwartierError):
        stamp.local_seconds()
    with suppress(KwartierError):
        DateTime.decode(data)
