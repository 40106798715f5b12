"""COSEM data: every type of the standard, as one table that works both ways (Green Book 9.5, Blue Book 4.1.5).

A value keeps its tag, so that what was decoded encodes to the same bytes: :class:`Data` is a tag and a plain Python value.
Peers choose lengths, counts and nesting, so reading walks an explicit stack, and depth, elements and bytes are bounded
before anything is allocated. Compact arrays are read into ordinary values but remember their type description.
"""

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple, Union

from kwartier.dlms.cursor import Cursor, encode_length
from kwartier.errors import StateError, WireError

MAX_DEPTH = 8
"""Arrays and structures within each other."""
MAX_ELEMENTS = 100_000
"""Values in one piece of data, the members of all its arrays and structures together."""
MAX_BYTES = 1 << 20
"""Bytes of one piece of data."""


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
        octets = value.encode(encoding, errors)
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
"""Every type but the containers, which the walks below take apart themselves."""

_CONTAINERS = (Tag.ARRAY, Tag.STRUCTURE)


class _Builder:
    """Puts values into the containers they belong to, and keeps the bounds."""

    __slots__ = ("_elements", "_open")

    def __init__(self) -> None:
        self._open: list[tuple[int, int, list[Data]]] = []
        self._elements = 0

    def add(self, data: Data) -> Data | None:
        """Put a finished value in its place: the whole, once nothing is open any more."""
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise WireError("too-many-elements", f"more than {MAX_ELEMENTS} values in one piece of data")
        while self._open:
            tag, count, items = self._open[-1]
            items.append(data)
            if len(items) < count:
                return None
            self._open.pop()
            data = Data(tag, tuple(items))
        return data

    def open(self, tag: int, count: int, at: int) -> Data | None:
        """Begin a container of ``count`` members."""
        if len(self._open) >= MAX_DEPTH:
            raise WireError("too-deep", f"more than {MAX_DEPTH} arrays and structures within each other at offset {at}")
        if count > MAX_ELEMENTS:
            raise WireError("too-many-elements", f"a container of {count} values at offset {at}")
        if count == 0:
            return self.add(Data(tag, ()))
        self._open.append((tag, count, []))
        return None


def read(cursor: Cursor) -> Data:
    """One value at the cursor; :class:`WireError` for an unknown tag, a lying length or a bound exceeded."""
    start = cursor.at
    builder = _Builder()
    while True:
        tag = cursor.u8()
        if tag in _CONTAINERS:
            count = cursor.length()
            if count > cursor.remaining:
                raise WireError(
                    "truncated", f"{count} members announced at offset {cursor.at}, {cursor.remaining} bytes left"
                )
            whole = builder.open(tag, count, cursor.at)
        elif tag == Tag.COMPACT_ARRAY:
            whole = builder.add(Data(tag, _read_compact(cursor)))
        else:
            whole = builder.add(Data(tag, _kind(tag, cursor.at - 1).read(cursor)))
        if cursor.at - start > MAX_BYTES:
            raise WireError("too-many-elements", f"more than {MAX_BYTES} bytes in one piece of data")
        if whole is not None:
            return whole


def decode(data: bytes) -> Data:
    """The one value that ``data`` is, with nothing behind it."""
    cursor = Cursor(data)
    value = read(cursor)
    cursor.expect_end()
    return value


def skip(cursor: Cursor) -> None:
    """Move past one value under the bounds of :func:`read`, keeping nothing of it."""
    open_members: list[int] = []
    elements = 0
    while True:
        tag = cursor.u8()
        if tag in _CONTAINERS:
            count = cursor.length()
            if count > cursor.remaining or len(open_members) >= MAX_DEPTH:
                raise WireError(
                    "truncated" if count > cursor.remaining else "too-deep", f"a container at offset {cursor.at}"
                )
            open_members.append(count + 1)
        elif tag == Tag.COMPACT_ARRAY:
            _read_compact(cursor)
        else:
            _kind(tag, cursor.at - 1).read(cursor)
        elements += 1
        if elements > MAX_ELEMENTS:
            raise WireError("too-many-elements", f"more than {MAX_ELEMENTS} values in one piece of data")
        while open_members:
            open_members[-1] -= 1
            if open_members[-1]:
                break
            open_members.pop()
        if not open_members:
            return


def _kind(tag: int, at: int) -> Kind:
    kind = KINDS.get(tag)
    if kind is None:
        raise WireError("bad-data-tag", f"no COSEM type has tag {tag} (offset {at})")
    return kind


# Compact arrays (Green Book 9.5: TypeDescription). A description is flattened into the steps that read one element: a tag,
# or a container with its number of members. Everything after that is a loop.

Step = tuple[int, int]


def _read_steps(cursor: Cursor) -> list[Step]:
    """The steps of the type description at the cursor."""
    done: list[list[Step]] = []
    pending: list[tuple[int, int, int]] = []  # (tag, members to come, repetitions of an array)
    while True:
        tag = cursor.u8()
        if tag in _CONTAINERS:
            if len(pending) >= MAX_DEPTH:
                raise WireError(
                    "too-deep", f"a type description nested more than {MAX_DEPTH} deep at offset {cursor.at}"
                )
            count = cursor.u16() if tag == Tag.ARRAY else cursor.length()
            if tag == Tag.STRUCTURE and count > cursor.remaining:
                raise WireError("truncated", f"a type description of {count} members at offset {cursor.at}")
            done.append([(tag, count)])
            if tag == Tag.ARRAY or count:
                pending.append((tag, 1 if tag == Tag.ARRAY else count, count))
                continue
        else:
            _kind(tag, cursor.at - 1)
            done.append([(tag, -1)])
        while pending:
            tag, members, count = pending.pop()
            steps = done.pop()
            repeated = steps * count if tag == Tag.ARRAY and len(steps) * count <= MAX_ELEMENTS else steps
            if tag == Tag.ARRAY and len(steps) * count > MAX_ELEMENTS:
                raise WireError("too-many-elements", f"a type description of more than {MAX_ELEMENTS} values")
            done[-1].extend(repeated)
            if members > 1:
                pending.append((tag, members - 1, count))
                break
        if not pending:
            return done[0]


def _read_compact(cursor: Cursor) -> CompactArray:
    start = cursor.at
    steps = _read_steps(cursor)
    description = cursor.data[start : cursor.at]
    contents = Cursor(cursor.take(cursor.length()))
    elements: list[Data] = []
    total = 0
    while contents.remaining:
        before = contents.at
        element = _read_element(contents, steps)
        total += len(steps)
        if contents.at == before or total > MAX_ELEMENTS:
            raise WireError("too-many-elements", "a compact array whose elements take no bytes, or too many of them")
        elements.append(element)
    return CompactArray(description, tuple(elements))


def _read_element(contents: Cursor, steps: list[Step]) -> Data:
    builder = _Builder()
    whole: Data | None = None
    for tag, count in steps:
        if tag in _CONTAINERS:
            whole = builder.open(tag, count, contents.at)
        else:
            whole = builder.add(Data(tag, KINDS[tag].read(contents)))
    if whole is None:
        raise WireError("truncated", "a type description that describes no whole value")
    return whole


# Writing.


def write(out: bytearray, data: Data) -> None:
    """Append ``data``; :class:`StateError` where a value does not fit its type."""
    todo = [data]
    while todo:
        tag, value = todo.pop()
        out.append(tag)
        if tag in _CONTAINERS:
            items = _members(value)
            out += encode_length(len(items))
            todo.extend(reversed(items))
        elif tag == Tag.COMPACT_ARRAY:
            _write_compact(out, value)
        else:
            out += _writable(tag).write(value)


def encode(data: Data) -> bytes:
    """The bytes of ``data``."""
    out = bytearray()
    write(out, data)
    return bytes(out)


def _writable(tag: int) -> Kind:
    kind = KINDS.get(tag)
    if kind is None:
        raise StateError("unbuildable", f"no COSEM type has tag {tag}")
    return kind


def _members(value: Value) -> tuple[Data, ...]:
    if not isinstance(value, tuple) or isinstance(value, BitString | CompactArray | Float):
        raise StateError("unbuildable", "an array or structure holds no members")
    return value


def _write_compact(out: bytearray, value: Value) -> None:
    if not isinstance(value, CompactArray):
        raise StateError("unbuildable", "compact-array holds no elements with a description")
    contents = bytearray()
    todo = list(reversed(value.elements))
    while todo:
        tag, inner = todo.pop()
        if tag in _CONTAINERS:
            todo.extend(reversed(_members(inner)))
        else:
            contents += _writable(tag).write(inner)
    out += value.description + encode_length(len(contents)) + contents


# Showing and making.

Plain = Union[None, bool, int, float, str, "list[Plain]"]


def plain(data: Data) -> Plain:
    """``data`` without its tags, for JSON: lists, numbers, text, ``null``; octet-strings and date-times as ``0x..``."""
    value = data.value
    if isinstance(value, bytes):
        return "0x" + value.hex().upper()
    if isinstance(value, BitString):
        bits = "".join(f"{octet:08b}" for octet in value.octets)[: value.length]
        return "0b" + bits
    if isinstance(value, Float):
        return value.number
    if isinstance(value, CompactArray):
        return [plain(element) for element in value.elements]
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return value


NULL = Data(Tag.NULL_DATA, None)


def array(*items: Data) -> Data:
    """An array."""
    return Data(Tag.ARRAY, items)


def structure(*items: Data) -> Data:
    """A structure."""
    return Data(Tag.STRUCTURE, items)


def octets(value: bytes) -> Data:
    """An octet-string."""
    return Data(Tag.OCTET_STRING, value)


def text(value: str) -> Data:
    """A visible-string."""
    return Data(Tag.VISIBLE_STRING, value)


def enum(value: int) -> Data:
    """An enum."""
    return Data(Tag.ENUM, value)


def i8(value: int) -> Data:
    """An integer of one byte."""
    return Data(Tag.INTEGER, value)


def u8(value: int) -> Data:
    """An unsigned of one byte."""
    return Data(Tag.UNSIGNED, value)


def u16(value: int) -> Data:
    """A long-unsigned of two bytes."""
    return Data(Tag.LONG_UNSIGNED, value)


def u32(value: int) -> Data:
    """A double-long-unsigned of four bytes."""
    return Data(Tag.DOUBLE_LONG_UNSIGNED, value)


def u64(value: int) -> Data:
    """A long64-unsigned of eight bytes."""
    return Data(Tag.LONG64_UNSIGNED, value)
