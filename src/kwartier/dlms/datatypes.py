"""The types of COSEM data and how each is written: one table that works both ways (Blue Book 4.1.5, Green Book 9.5).

A value keeps its tag: :class:`Data` is a tag and a plain Python value. The containers and compact arrays, which hold other
values, are taken apart by :mod:`kwartier.dlms.axdr`; everything else is a row of :data:`KINDS`.
"""

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple, Union

from kwartier.dlms.cursor import Cursor, encode_length
from kwartier.errors import StateError


class Tag(IntEnum):
    """The types by their Green Book names."""

    NULL_DATA = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    DOUBLE_LONG = 5
    DOUBLE_LONG_UNSIGNED = 6
    FLOATING_POINT = 7
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    BCD = 13
    INTEGER = 15
    LONG = 16
    UNSIGNED = 17
    LONG_UNSIGNED = 18
    COMPACT_ARRAY = 19
    LONG64 = 20
    LONG64_UNSIGNED = 21
    ENUM = 22
    FLOAT32 = 23
    FLOAT64 = 24
    DATE_TIME = 25
    DATE = 26
    TIME = 27
    DELTA_INTEGER = 28
    DELTA_LONG = 29
    DELTA_DOUBLE_LONG = 30
    DELTA_UNSIGNED = 31
    DELTA_LONG_UNSIGNED = 32
    DELTA_DOUBLE_LONG_UNSIGNED = 33
    DONT_CARE = 255


class BitString(NamedTuple):
    """``length`` bits, the first in the highest bit of the first byte; unused bits stay as they were sent."""

    length: int
    octets: bytes


class CompactArray(NamedTuple):
    """Elements of one type, written without tags. ``description`` is the type description as it stands on the wire."""

    description: bytes
    elements: "tuple[Data, ...]"


class Float(NamedTuple):
    """A floating-point number by its bytes, so that every NaN survives."""

    octets: bytes

    @property
    def number(self) -> float:
        """The number that the bytes mean (IEEE 754)."""
        value: float = struct.unpack(">f" if len(self.octets) == 4 else ">d", self.octets)[0]
        return value


Value = Union[None, bool, int, str, bytes, BitString, CompactArray, Float, "tuple[Data, ...]"]


class Data(NamedTuple):
    """One COSEM value. Arrays and structures hold tuples of more; date-times hold their bytes."""

    tag: int
    value: Value


class Kind(NamedTuple):
    """One row of the table: how a type's value, without its tag, is read and written. ``size`` is None where it varies."""

    name: str
    size: int | None
    read: Callable[[Cursor], Value]
    write: Callable[[Value], bytes]


def _integer(name: str, size: int, *, signed: bool) -> Kind:
    def read(cursor: Cursor) -> Value:
        return int.from_bytes(cursor.take(size), "big", signed=signed)

    def write(value: Value) -> bytes:
        if not isinstance(value, int):
            raise StateError("unbuildable", f"{name} holds no integer")
        try:
            return value.to_bytes(size, "big", signed=signed)
        except OverflowError:
            raise StateError("unbuildable", f"the number does not fit {name}") from None

    return Kind(name, size, read, write)


def _octets(name: str, size: int | None = None) -> Kind:
    def read(cursor: Cursor) -> Value:
        return cursor.take(cursor.length() if size is None else size)

    def write(value: Value) -> bytes:
        if not isinstance(value, bytes) or (size is not None and len(value) != size):
            raise StateError("unbuildable", f"{name} holds no bytes of its length")
        return encode_length(len(value)) + value if size is None else value

    return Kind(name, size, read, write)


def _string(name: str, encoding: str, errors: str) -> Kind:
    # Whatever bytes a meter sends come back the same: latin-1 maps each, surrogates escape what is no UTF-8.
    def read(cursor: Cursor) -> Value:
        return cursor.take(cursor.length()).decode(encoding, errors)

    def write(value: Value) -> bytes:
        if not isinstance(value, str):
            raise StateError("unbuildable", f"{name} holds no text")
        try:
            octets = value.encode(encoding, errors)
        except UnicodeEncodeError:
            raise StateError("unbuildable", f"the text does not fit {name}") from None
        return encode_length(len(octets)) + octets

    return Kind(name, None, read, write)


def _float(name: str, size: int) -> Kind:
    def read(cursor: Cursor) -> Value:
        return Float(cursor.take(size))

    def write(value: Value) -> bytes:
        if not isinstance(value, Float) or len(value.octets) != size:
            raise StateError("unbuildable", f"{name} holds no number of its length")
        return value.octets

    return Kind(name, size, read, write)


def _read_bits(cursor: Cursor) -> Value:
    length = cursor.length()
    return BitString(length, cursor.take((length + 7) // 8))


def _write_bits(value: Value) -> bytes:
    if not isinstance(value, BitString) or len(value.octets) != (value.length + 7) // 8:
        raise StateError("unbuildable", "bit-string holds no bits of its length")
    return encode_length(value.length) + value.octets


def _write_boolean(value: Value) -> bytes:
    if not isinstance(value, bool):
        raise StateError("unbuildable", "boolean holds neither true nor false")
    return b"\x01" if value else b"\x00"


KINDS: dict[int, Kind] = {
    Tag.NULL_DATA: Kind("null-data", 0, lambda cursor: None, lambda value: b""),
    Tag.BOOLEAN: Kind("boolean", 1, lambda cursor: cursor.u8() != 0, _write_boolean),
    Tag.BIT_STRING: Kind("bit-string", None, _read_bits, _write_bits),
    Tag.DOUBLE_LONG: _integer("double-long", 4, signed=True),
    Tag.DOUBLE_LONG_UNSIGNED: _integer("double-long-unsigned", 4, signed=False),
    Tag.FLOATING_POINT: _float("floating-point", 4),
    Tag.OCTET_STRING: _octets("octet-string"),
    Tag.VISIBLE_STRING: _string("visible-string", "latin-1", "strict"),
    Tag.UTF8_STRING: _string("utf8-string", "utf-8", "surrogateescape"),
    Tag.BCD: _integer("bcd", 1, signed=False),
    Tag.INTEGER: _integer("integer", 1, signed=True),
    Tag.LONG: _integer("long", 2, signed=True),
    Tag.UNSIGNED: _integer("unsigned", 1, signed=False),
    Tag.LONG_UNSIGNED: _integer("long-unsigned", 2, signed=False),
    Tag.LONG64: _integer("long64", 8, signed=True),
    Tag.LONG64_UNSIGNED: _integer("long64-unsigned", 8, signed=False),
    Tag.ENUM: _integer("enum", 1, signed=False),
    Tag.FLOAT32: _float("float32", 4),
    Tag.FLOAT64: _float("float64", 8),
    Tag.DATE_TIME: _octets("date-time", 12),
    Tag.DATE: _octets("date", 5),
    Tag.TIME: _octets("time", 4),
    Tag.DELTA_INTEGER: _integer("delta-integer", 1, signed=True),
    Tag.DELTA_LONG: _integer("delta-long", 2, signed=True),
    Tag.DELTA_DOUBLE_LONG: _integer("delta-double-long", 4, signed=True),
    Tag.DELTA_UNSIGNED: _integer("delta-unsigned", 1, signed=False),
    Tag.DELTA_LONG_UNSIGNED: _integer("delta-long-unsigned", 2, signed=False),
    Tag.DELTA_DOUBLE_LONG_UNSIGNED: _integer("delta-double-long-unsigned", 4, signed=False),
    Tag.DONT_CARE: Kind("dont-care", 0, lambda cursor: None, lambda value: b""),
}
"""Every type but the containers and compact arrays."""

CONTAINERS = (Tag.ARRAY, Tag.STRUCTURE)
