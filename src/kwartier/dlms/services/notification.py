"""What a meter sends unasked: data-notification (push) and event-notification (Green Book 9.3.10, 9.3.11 and 9.5).

Meters disagree on the time in front: the standard has a bare octet-string, empty or of twelve bytes; others put the tag of
a COSEM octet-string or date-time before it. The length is always 0 or 12, so the forms cannot be confused.
"""

from dataclasses import dataclass, field
from typing import Self

from kwartier.dlms.cursor import Cursor
from kwartier.dlms.services.descriptor import put_descriptor, take_descriptor, take_value
from kwartier.errors import StateError, WireError

DATE_TIME_BYTES = 12
_OCTET_STRING = 0x09
_DATE_TIME = 0x19


@dataclass(frozen=True, slots=True, kw_only=True)
class DataNotification:
    """Pushed data. ``date_time`` is empty or twelve bytes; ``body`` is one A-XDR value."""

    long_invoke_id_and_priority: int
    date_time: bytes = b""
    body: bytes = field(repr=False)

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Read what follows the tag."""
        invoke, date_time = cls.decode_head(cursor)
        return cls(long_invoke_id_and_priority=invoke, date_time=date_time, body=take_value(cursor))

    @staticmethod
    def decode_head(cursor: Cursor) -> tuple[int, bytes]:
        """Long invoke id and time, up to the body: for whoever looks at a message whose body is not whole."""
        return cursor.u32(), _take_time(cursor)

    def encode(self) -> bytes:
        """The whole APDU, its time without inner tag."""
        head = b"\x0f" + self.long_invoke_id_and_priority.to_bytes(4, "big")
        return b"".join((head, _put_time(self.date_time), self.body))


@dataclass(frozen=True, slots=True, kw_only=True)
class EventNotification:
    """An attribute that changed (event-notification-request). ``time`` is None, empty or twelve bytes."""

    time: bytes | None = None
    class_id: int
    obis: bytes
    attribute: int
    value: bytes = field(repr=False)

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Read what follows the tag."""
        time = _take_time(cursor) if cursor.u8() else None
        class_id, obis, attribute = take_descriptor(cursor)
        return cls(time=time, class_id=class_id, obis=obis, attribute=attribute, value=take_value(cursor))

    def encode(self) -> bytes:
        """The whole APDU, its time without inner tag."""
        head = b"\xc2\x00" if self.time is None else b"\xc2\x01" + _put_time(self.time)
        return b"".join((head, put_descriptor(self.class_id, self.obis, self.attribute), self.value))


def _put_time(time: bytes) -> bytes:
    if len(time) not in (0, DATE_TIME_BYTES):
        raise StateError("unbuildable", f"a date-time of {len(time)} bytes")
    return bytes((len(time),)) + time


def _take_time(cursor: Cursor) -> bytes:
    first = cursor.u8()
    if first == _DATE_TIME:
        return cursor.take(DATE_TIME_BYTES)
    length = cursor.u8() if first == _OCTET_STRING else first
    if length not in (0, DATE_TIME_BYTES):
        raise WireError("bad-date-time", f"a date-time of {length} bytes at offset {cursor.at - 1}, 0 or 12 allowed")
    return cursor.take(length)
