"""GET: read attributes, whole, block by block or several at once (Green Book 9.3.6 and 9.5).

A long answer comes in blocks which the client asks for one by one; a block may end in the middle of an element, so its raw
data means nothing before the last one is there.
"""

from dataclasses import dataclass, field
from typing import Self

from kwartier.dlms.cursor import Cursor, encode_length
from kwartier.dlms.services.descriptor import (
    Attribute,
    put_descriptor,
    put_optional,
    require_one,
    take_access,
    take_count,
    take_descriptor,
    take_value,
)
from kwartier.errors import StateError, WireError


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRequestNormal:
    """Ask for one attribute. ``access``: selector byte and A-XDR parameters of selective access, or None for all of it."""

    invoke_id_and_priority: int
    class_id: int
    obis: bytes
    attribute: int
    access: bytes | None = None

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Read what follows tag and choice."""
        invoke = cursor.u8()
        class_id, obis, attribute = take_descriptor(cursor)
        return cls(
            invoke_id_and_priority=invoke,
            class_id=class_id,
            obis=obis,
            attribute=attribute,
            access=take_access(cursor),
        )

    def encode(self) -> bytes:
        """The whole APDU."""
        head = bytes((0xC0, 1, self.invoke_id_and_priority))
        return head + put_descriptor(self.class_id, self.obis, self.attribute) + put_optional(self.access)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRequestNext:
    """Ask for the block after ``block_number``, the last one received."""

    invoke_id_and_priority: int
    block_number: int

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Read what follows tag and choice."""
        return cls(invoke_id_and_priority=cursor.u8(), block_number=cursor.u32())

    def encode(self) -> bytes:
        """The whole APDU."""
        return bytes((0xC0, 2, self.invoke_id_and_priority)) + self.block_number.to_bytes(4, "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRequestWithList:
    """Ask for several attributes in one message."""

    invoke_id_and_priority: int
    items: tuple[Attribute, ...]

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Read what follows tag and choice."""
        invoke = cursor.u8()
        items = []
        for _ in range(take_count(cursor)):
            class_id, obis, attribute = take_descriptor(cursor)
            items.append(Attribute(class_id=class_id, obis=obis, attribute=attribute, access=take_access(cursor)))
        return cls(invoke_id_and_priority=invoke, items=tuple(items))

    def encode(self) -> bytes:
        """The whole APDU."""
        parts = [bytes((0xC0, 3, self.invoke_id_and_priority)), encode_length(len(self.items))]
        for item in self.items:
            parts += (put_descriptor(item.class_id, item.obis, item.attribute), put_optional(item.access))
        return b"".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetResponseNormal:
    """The value of one attribute, or the data-access-result that says why there is none.

    ``data`` is everything that remains of the APDU: it is not walked here, because whoever decodes it walks it anyway and
    a profile buffer is long. That decoding is what finds a value cut short or a stray tail behind it.
    """

    invoke_id_and_priority: int
    data: bytes | None = field(default=None, repr=False)
    result: int | None = None

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Read what follows tag and choice."""
        invoke = cursor.u8()
        choice = cursor.u8()
        if choice == 0:
            cursor.peek()
            return cls(invoke_id_and_priority=invoke, data=cursor.rest())
        if choice == 1:
            return cls(invoke_id_and_priority=invoke, result=cursor.u8())
        raise WireError("bad-choice", f"get-data-result of kind {choice} at offset {cursor.at - 1}, 0 or 1 allowed")

    def encode(self) -> bytes:
        """The whole APDU."""
        require_one(self.data, self.result)
        head = bytes((0xC4, 1, self.invoke_id_and_priority))
        return head + _put_result(self.result if self.data is None else self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetResponseBlock:
    """One block of a long answer (get-response-with-datablock), or the data-access-result that ends it."""

    invoke_id_and_priority: int
    last_block: bool
    block_number: int
    raw: bytes | None = field(default=None, repr=False)
    result: int | None = None

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Read what follows tag and choice."""
        invoke = cursor.u8()
        last = cursor.u8() != 0
        number = cursor.u32()
        choice = cursor.u8()
        if choice > 1:
            raise WireError("bad-choice", f"data block of kind {choice} at offset {cursor.at - 1}, 0 or 1 allowed")
        raw = cursor.take(cursor.length()) if choice == 0 else None
        result = cursor.u8() if choice == 1 else None
        return cls(invoke_id_and_priority=invoke, last_block=last, block_number=number, raw=raw, result=result)

    def encode(self) -> bytes:
        """The whole APDU."""
        head = bytes((0xC4, 2, self.invoke_id_and_priority, self.last_block)) + self.block_number.to_bytes(4, "big")
        require_one(self.raw, self.result)
        if self.raw is not None:
            return b"".join((head, b"\x00", encode_length(len(self.raw)), self.raw))
        return head + _put_result(self.result)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetResponseWithList:
    """The answers to a get-request-with-list in its order: A-XDR bytes, or a data-access-result."""

    invoke_id_and_priority: int
    results: tuple[bytes | int, ...] = field(repr=False)

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Read what follows tag and choice."""
        return cls(invoke_id_and_priority=cursor.u8(), results=parse_results(cursor))

    def encode(self) -> bytes:
        """The whole APDU."""
        parts = [bytes((0xC4, 3, self.invoke_id_and_priority)), encode_length(len(self.results))]
        parts += (_put_result(result) for result in self.results)
        return b"".join(parts)


def parse_results(cursor: Cursor) -> tuple[bytes | int, ...]:
    """The results of a get-request-with-list up to the end: in one message, or put together from the blocks of several."""
    results: list[bytes | int] = []
    for _ in range(take_count(cursor)):
        choice = cursor.u8()
        if choice > 1:
            raise WireError("bad-choice", f"get-data-result of kind {choice} at offset {cursor.at - 1}, 0 or 1 allowed")
        results.append(cursor.u8() if choice else take_value(cursor))
    cursor.expect_end()
    return tuple(results)


def _put_result(result: bytes | int | None) -> bytes:
    if isinstance(result, bytes):
        return b"\x00" + result
    if result is None:
        raise StateError("unbuildable", "a result needs either a value or an error code")
    return bytes((1, result))
