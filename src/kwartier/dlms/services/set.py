"""SET: write one attribute (Green Book 9.3.7 and 9.5). Writing in blocks or by list has no place here yet."""

from dataclasses import dataclass, field
from typing import Self

from kwartier.dlms.cursor import Cursor
from kwartier.dlms.services.descriptor import put_descriptor, put_optional, take_access, take_descriptor, take_value


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRequestNormal:
    """Write ``value`` (A-XDR) to an attribute; ``access`` as in a get-request."""

    invoke_id_and_priority: int
    class_id: int
    obis: bytes
    attribute: int
    access: bytes | None = None
    value: bytes = field(repr=False)

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
            value=take_value(cursor),
        )

    def encode(self) -> bytes:
        """The whole APDU."""
        head = bytes((0xC1, 1, self.invoke_id_and_priority))
        descriptor = put_descriptor(self.class_id, self.obis, self.attribute)
        return b"".join((head, descriptor, put_optional(self.access), self.value))


@dataclass(frozen=True, slots=True, kw_only=True)
class SetResponseNormal:
    """What became of a set-request: a data-access-result, 0 for success."""

    invoke_id_and_priority: int
    result: int

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Read what follows tag and choice."""
        return cls(invoke_id_and_priority=cursor.u8(), result=cursor.u8())

    def encode(self) -> bytes:
        """The whole APDU."""
        return bytes((0xC5, 1, self.invoke_id_and_priority, self.result))
