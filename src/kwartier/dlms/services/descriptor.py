"""What a service points at: an attribute or method of an object, and the value that goes along.

The descriptor is a class id, a logical name of six bytes and an attribute or method number (Green Book 9.5). Optional parts
follow a presence byte: 0 absent, anything else present. Values stay raw A-XDR here: whoever needs them decodes them.
"""

import struct
from dataclasses import dataclass

from kwartier.dlms import axdr
from kwartier.dlms.cursor import Cursor
from kwartier.errors import StateError, WireError

OBIS_BYTES = 6
SHORT_LENGTH = 0x80
"""Lengths below it take one byte."""
MAX_LIST_ITEMS = 1024
"""Entries in one with-list message; far above what fits the PDUs of real meters."""

_DESCRIPTOR = struct.Struct(">H6sB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One entry of a get-request-with-list. ``access`` is selector byte and encoded parameters, as in ``events.Get``."""

    class_id: int
    obis: bytes
    attribute: int
    access: bytes | None = None


def put_descriptor(class_id: int, obis: bytes, number: int) -> bytes:
    """Class, logical name and attribute or method number as nine bytes."""
    if len(obis) != OBIS_BYTES:
        raise StateError("unbuildable", f"a logical name of {len(obis)} bytes")
    return _DESCRIPTOR.pack(class_id, obis, number)


def take_descriptor(cursor: Cursor) -> tuple[int, bytes, int]:
    """Class id, logical name, attribute or method number."""
    class_id: int
    obis: bytes
    number: int
    class_id, obis, number = _DESCRIPTOR.unpack(cursor.take(_DESCRIPTOR.size))
    return class_id, obis, number


def put_optional(value: bytes | None) -> bytes:
    """A presence byte and, where there is one, the value."""
    return b"\x00" if value is None else b"\x01" + value


def take_access(cursor: Cursor) -> bytes | None:
    """The optional selective access: selector byte and one A-XDR value."""
    if not cursor.u8():
        return None
    start = cursor.at
    cursor.u8()
    axdr.skip(cursor)
    return cursor.data[start : cursor.at]


def take_value(cursor: Cursor) -> bytes:
    """The bytes of one A-XDR value, walked within its bounds but not decoded."""
    start, data = cursor.at, cursor.data
    # A short octet-string, such as the proof of an association, without the walk.
    if start + 2 <= cursor.end and data[start] == axdr.Tag.OCTET_STRING and data[start + 1] < SHORT_LENGTH:
        cursor.take(2 + data[start + 1])
    else:
        axdr.skip(cursor)
    return data[start : cursor.at]


def take_count(cursor: Cursor) -> int:
    """The number of entries of a list, bounded."""
    count = cursor.length()
    if count > MAX_LIST_ITEMS:
        raise WireError("too-many-items", f"a list of {count} entries, at most {MAX_LIST_ITEMS} are taken")
    return count


def require_one(value: bytes | None, code: int | None) -> None:
    """A message holds either a value or the code that says why there is none, never both."""
    if (value is None) == (code is None):
        raise StateError("unbuildable", "a result needs either a value or an error code")
