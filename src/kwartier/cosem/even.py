"""Even rows: the same tags and lengths in each, so that the rows are one strided view.

Each tag is compared down all rows at once and no Python runs per value. Compact arrays of such rows are even too, only
without tags. ``None`` means that a buffer is not even, or that a column that is kept is written in a way for the exact path;
it never means that a buffer is wrong.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kwartier.cosem.layout import CLOCK, IGNORED, STATUS, Roles
from kwartier.cosem.rows import INTEGERS, STAMP_BYTES, Flags, Rows, check_count, shape_of
from kwartier.dlms.axdr import KINDS, Tag
from kwartier.dlms.cursor import Cursor
from kwartier.errors import WireError
from kwartier.model import Bytes8, Registers

Ints = npt.NDArray[np.int64]

MAX_SHAPES = 64
"""Kinds of even row that are remembered."""
_SURELY_POSITIVE = (">u1", ">u2", ">u4")
_STRINGS = (Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING)
SHORT = 0x80
"""Lengths from here on take more than one byte."""


class _Shape(NamedTuple):
    """Even rows: their length, the bytes that must be the same in all of them, and where the values stand."""

    row_bytes: int
    fixed_at: Ints
    fixed: bytes
    view: "np.dtype[np.void]"
    """The row as a structured type: a field for each column that is kept, named after its role."""
    checked: frozenset[str]
    """Channels whose type can hold what is below zero, or beyond 63 bits."""


def read_even(buffer: bytes, shapes: tuple[Roles, ...]) -> Rows | None:
    """The rows of ``buffer`` if they are even. Raises ``WireError`` for what no row may hold."""
    if not buffer:
        raise WireError("bad-buffer", "a buffer without a byte")
    if buffer[0] == Tag.COMPACT_ARRAY:
        return _read_compact(buffer, shapes)
    if buffer[0] != Tag.ARRAY:
        raise WireError("bad-buffer", f"tag {buffer[0]} where an array of rows belongs")
    cursor = Cursor(buffer, 1)
    count = check_count(cursor.length())
    start = cursor.at
    row_bytes, uneven = divmod(len(buffer) - start, count or 1)
    if not count or uneven or row_bytes < 2 or buffer[start] != Tag.STRUCTURE:
        return None
    kinds = _kinds(buffer, start + 2, start + row_bytes, buffer[start + 1])
    if kinds is None:
        return None
    shape = _shape(kinds, shape_of(len(kinds) // 2, shapes), True)
    if shape is None or shape.row_bytes != row_bytes:
        return None
    return _columns(buffer, start, count, shape)


def _kinds(buffer: bytes, at: int, stop: int, width: int) -> bytes | None:
    """The tag and length of each value of the tagged row at ``at``, two bytes a value; None if one is not simple."""
    kinds = bytearray()
    for _ in range(width):
        if at + 1 >= stop:
            return None
        tag = buffer[at]
        size = _SIZES.get(tag)
        if size is None:
            if tag not in _STRINGS:
                return None
            size = buffer[at + 1]
            if size >= SHORT:
                return None
            at += 1
        kinds.append(tag)
        kinds.append(size)
        at += 1 + size
    return bytes(kinds) if at == stop else None


_SIZES = {int(tag): kind.size for tag, kind in KINDS.items() if kind.size}


@lru_cache(maxsize=MAX_SHAPES)
def _shape(kinds: bytes, roles: Roles, tagged: bool) -> _Shape | None:
    """The shape of a row of ``kinds``; None where a column that is kept is written in a way for the exact path."""
    fixed: list[tuple[int, int]] = []
    kept: dict[str, tuple[str, int]] = {}
    at = 0
    if tagged:
        fixed += [(0, int(Tag.STRUCTURE)), (1, len(roles))]
        at = 2
    for role, tag, size in zip(roles, kinds[::2], kinds[1::2], strict=True):
        if tagged:
            fixed.append((at, tag))
            at += 1
        if tag in _STRINGS:
            fixed.append((at, size))
            at += 1
        if role != IGNORED:
            dtype = _dtype(role, tag, size)
            if dtype is None:
                return None
            kept[role] = (dtype, at)
        at += size
    view = np.dtype(
        {
            "names": list(kept),
            "formats": [dtype for dtype, _ in kept.values()],
            "offsets": [offset for _, offset in kept.values()],
            "itemsize": at,
        }
    )
    return _Shape(
        row_bytes=at,
        fixed_at=np.array([place for place, _ in fixed], np.int64),
        fixed=bytes(octet for _, octet in fixed),
        view=view,
        checked=frozenset(role for role, (dtype, _) in kept.items() if dtype not in _SURELY_POSITIVE),
    )


def _dtype(role: str, tag: int, size: int) -> str | None:
    if role == CLOCK:
        return "V12" if tag in (Tag.OCTET_STRING, Tag.DATE_TIME) and size == STAMP_BYTES else None
    if role == STATUS:
        return ">u1" if tag in (Tag.UNSIGNED, Tag.ENUM) else None
    return INTEGERS.get(tag)


def _columns(buffer: bytes, start: int, count: int, shape: _Shape) -> Rows | None:
    row_bytes = shape.row_bytes
    if len(shape.fixed):
        octets = np.ndarray((count, row_bytes), np.uint8, buffer, start)
        if octets.take(shape.fixed_at, 1).tobytes() != shape.fixed * count:
            return None
    view = np.ndarray((count,), shape.view, buffer, start)
    clock = b""
    status: Bytes8 | None = None
    registers: dict[str, Registers] = {}
    for role in shape.view.names or ():
        column = view[role]
        if role == CLOCK:
            clock = column.tobytes()
        elif role == STATUS:
            status = column.astype(np.uint8)
        else:
            values = column.astype(np.int64)
            # a long64-unsigned beyond 63 bits turns up below zero as well
            if role in shape.checked and bool((values < 0).any()):
                raise WireError("bad-register", f"a value of {role} is below zero or beyond 63 bits")
            registers[role] = values
    return Rows(count, clock, None, status, registers, _NONE_ABSENT)


_NONE_ABSENT: Mapping[str, Flags] = MappingProxyType({})


def _read_compact(buffer: bytes, shapes: tuple[Roles, ...]) -> Rows | None:
    """A compact array of structures of simple types (Green Book 9.5): rows without tags."""
    cursor = Cursor(buffer, 1)
    if cursor.u8() != Tag.STRUCTURE:
        return None
    tags = cursor.take(cursor.length())
    if any(tag not in _SIZES and tag not in _STRINGS for tag in tags):
        return None
    contents, start = cursor.length(), cursor.at
    if contents != len(buffer) - start:
        raise WireError("bad-buffer", f"a compact array of {contents} bytes, {len(buffer) - start} are there")
    if not contents:
        return None
    kinds = bytearray()
    at = start
    for tag in tags:
        size = _SIZES.get(tag)
        if size is None:
            if at >= len(buffer) or buffer[at] >= SHORT:
                return None
            size = buffer[at]
            at += 1
        kinds += bytes((tag, size))
        at += size
    shape = _shape(bytes(kinds), shape_of(len(tags), shapes), False)
    if shape is None or not shape.row_bytes or contents % shape.row_bytes:
        return None
    return _columns(buffer, start, check_count(contents // shape.row_bytes), shape)
