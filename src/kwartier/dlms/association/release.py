"""RLRQ and RLRE: the client takes leave, and the meter confirms."""

from dataclasses import dataclass, field
from typing import Self

from kwartier.dlms.association.fields import (
    OCTET_STRING,
    put_field,
    put_integer,
    put_wrapped,
    take_fields,
    take_inner,
    take_integer,
)
from kwartier.dlms.ber import tlv
from kwartier.dlms.codes import RELEASE_REQUEST_REASON, RELEASE_RESPONSE_REASON, name
from kwartier.dlms.cursor import Cursor

_FIELDS = {0x80: "reason", 0xBE: "user-information"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rlrq:
    """The client takes leave. On a protected association the user information is a ciphered initiate-request."""

    reason: int | None = None
    user_information: bytes | None = field(default=None, repr=False)

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Read what follows the tag."""
        fields = take_fields(cursor, "RLRQ", _FIELDS, ordered=True)
        return cls(reason=take_integer(fields.get(0x80)), user_information=take_inner(fields.get(0xBE), OCTET_STRING))

    def encode(self) -> bytes:
        """The whole APDU."""
        content = put_field(0x80, put_integer(self.reason)) + put_wrapped(0xBE, OCTET_STRING, self.user_information)
        return tlv(0x62, content)

    @property
    def reason_name(self) -> str:
        """The reason in words; ``not-given`` where there is none."""
        return "not-given" if self.reason is None else name(RELEASE_REQUEST_REASON, self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rlre:
    """The meter confirms the leave; many send nothing but the tag."""

    reason: int | None = None
    user_information: bytes | None = field(default=None, repr=False)

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Read what follows the tag."""
        fields = take_fields(cursor, "RLRE", _FIELDS, ordered=False)
        return cls(reason=take_integer(fields.get(0x80)), user_information=take_inner(fields.get(0xBE), OCTET_STRING))

    def encode(self) -> bytes:
        """The whole APDU."""
        content = put_field(0x80, put_integer(self.reason)) + put_wrapped(0xBE, OCTET_STRING, self.user_information)
        return tlv(0x63, content)

    @property
    def reason_name(self) -> str:
        """The reason in words; ``not-given`` where there is none."""
        return "not-given" if self.reason is None else name(RELEASE_RESPONSE_REASON, self.reason)
