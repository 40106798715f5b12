"""ACTION: invoke a method of an object, and get what it returns (Green Book 9.3.8 and 9.5)."""

from dataclasses import dataclass, field
from typing import Self

from kwartier.dlms.cursor import Cursor
from kwartier.dlms.services.descriptor import put_descriptor, put_optional, require_one, take_descriptor, take_value
from kwartier.errors import WireError


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRequestNormal:
    """Invoke a method with ``value`` (A-XDR) as its parameter, or with none."""

    invoke_id_and_priority: int
    class_id: int
    obis: bytes
    method: int
    value: bytes | None = field(default=None, repr=False)

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Read what follows tag and choice."""
        invoke = cursor.u8()
        class_id, obis, method = take_descriptor(cursor)
        value = take_value(cursor) if cursor.u8() else None
        return cls(invoke_id_and_priority=invoke, class_id=class_id, obis=obis, method=method, value=value)

    def encode(self) -> bytes:
        """The whole APDU."""
        head = bytes((0xC3, 1, self.invoke_id_and_priority))
        return head + put_descriptor(self.class_id, self.obis, self.method) + put_optional(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionResponseNormal:
    """What became of an action-request: an action-result, 0 for success, and what the method returned.

    ``value`` (A-XDR) and ``value_result`` (a data-access-result) are both None where it returned nothing.
    """

    invoke_id_and_priority: int
    result: int
    value: bytes | None = field(default=None, repr=False)
    value_result: int | None = None

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Read what follows tag and choice. Some meters leave out the byte that says nothing was returned."""
        invoke = cursor.u8()
        result = cursor.u8()
        if not cursor.remaining or not cursor.u8():
            return cls(invoke_id_and_priority=invoke, result=result)
        choice = cursor.u8()
        if choice == 0:
            return cls(invoke_id_and_priority=invoke, result=result, value=take_value(cursor))
        if choice == 1:
            return cls(invoke_id_and_priority=invoke, result=result, value_result=cursor.u8())
        raise WireError("bad-choice", f"return parameters of kind {choice} at offset {cursor.at - 1}, 0 or 1 allowed")

    def encode(self) -> bytes:
        """The whole APDU."""
        head = bytes((0xC7, 1, self.invoke_id_and_priority, self.result))
        if self.value is None and self.value_result is None:
            return head + b"\x00"
        require_one(self.value, self.value_result)
        if self.value is not None:
            return b"".join((head, b"\x01\x00", self.value))
        return head + bytes((1, 1, self.value_result or 0))
