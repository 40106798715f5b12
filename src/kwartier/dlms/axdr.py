"""COSEM data on the wire: reading, passing over, writing and showing (Green Book 9.5, Blue Book 4.1.5).

What was decoded encodes to the same bytes, save for lengths that took more bytes than they need and a true that was not 1.
Peers choose lengths, counts and nesting, so reading walks an explicit stack, and depth, values and bytes are bounded before
anything is allocated. Compact arrays are read into ordinary values but remember their type description.
"""

from typing import Union

from kwartier.dlms import compact
from kwartier.dlms.cursor import Cursor, encode_length
from kwartier.dlms.datatypes import CONTAINERS, KINDS, BitString, CompactArray, Data, Float, Kind, Tag, Value
from kwartier.dlms.nesting import MAX_DEPTH, MAX_ELEMENTS, Nest
from kwartier.errors import StateError, WireError

__all__ = (
    "KINDS",
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_ELEMENTS",
    "NULL",
    "BitString",
    "CompactArray",
    "Data",
    "Float",
    "Kind",
    "Plain",
    "Tag",
    "Value",
    "array",
    "decode",
    "encode",
    "enum",
    "i8",
    "members",
    "octets",
    "plain",
    "read",
    "skip",
    "structure",
    "text",
    "u8",
    "u16",
    "u32",
    "u64",
    "write",
)

MAX_BYTES = 1 << 20
"""Bytes of one piece of data."""


def read(cursor: Cursor) -> Data:
    """One value at the cursor; :class:`WireError` for an unknown tag, a lying length or a bound exceeded."""
    return _walk(cursor, Nest())


def skip(cursor: Cursor) -> None:
    """Move past one value under the bounds of :func:`read`, keeping nothing of it."""
    _walk(cursor, Nest(keep=False))


def decode(data: bytes, *, most: int = MAX_ELEMENTS) -> Data:
    """The one value that ``data`` is, with nothing behind it; ``most``: how many values it may hold in all.

    A value takes some thirty times its bytes once it is read, so whoever knows what to expect of a peer says so.
    """
    cursor = Cursor(data)
    value = _walk(cursor, Nest(most=most))
    cursor.expect_end()
    return value


def _walk(cursor: Cursor, nest: Nest) -> Data:
    start = cursor.at
    while True:
        tag = cursor.u8()
        if tag in CONTAINERS:
            count = cursor.length()
            if count > cursor.remaining:
                raise WireError(
                    "truncated", f"{count} members announced at offset {cursor.at}, {cursor.remaining} bytes left"
                )
            whole = nest.open(tag, count, cursor.at)
        elif tag == Tag.COMPACT_ARRAY:
            whole = nest.add(_compact(cursor, nest))
        else:
            kind = KINDS.get(tag)
            if kind is None:
                raise WireError("bad-data-tag", f"no COSEM type has tag {tag} (offset {cursor.at - 1})")
            whole = nest.add(Data(tag, kind.read(cursor)))
        if cursor.at - start > MAX_BYTES:
            raise WireError("too-many-elements", f"more than {MAX_BYTES} bytes in one piece of data")
        if whole is not None:
            return whole


def _compact(cursor: Cursor, nest: Nest) -> Data:
    """The compact array behind the tag at the cursor. Its values count with those around it."""
    opened = compact.begin(cursor)
    elements: list[Data] = []
    for element in compact.elements(opened):
        nest.spend(len(opened.steps))
        if nest.keep:
            elements.append(element)
    return Data(Tag.COMPACT_ARRAY, CompactArray(opened.description, tuple(elements)))


def members(data: Data) -> tuple[Data, ...]:
    """The members of an array or structure; of anything else, none."""
    return _members(data.value) if data.tag in CONTAINERS else ()


# Writing.


def write(out: bytearray, data: Data) -> None:
    """Append ``data``; :class:`StateError` where a value does not fit its type."""
    todo = [data]
    while todo:
        tag, value = todo.pop()
        out.append(tag)
        if tag in CONTAINERS:
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
        if tag in CONTAINERS:
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
