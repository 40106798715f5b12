"""INITIATE: what client and server agree on inside the association's user information (Green Book 9.4.6 and 9.5).

The conformance block is written as BER inside A-XDR: tag [APPLICATION 31] (5F 1F), length 4, no unused bits, three bytes.
Older HDLC meters write the tag in one byte (5F).
"""

from dataclasses import dataclass, field
from typing import Self

from kwartier.dlms.cursor import Cursor, encode_length
from kwartier.dlms.services.descriptor import put_optional
from kwartier.errors import WireError

DLMS_VERSION = 6
LOGICAL_NAME_VAA = 0x0007
"""vaa-name of a server that is referenced by logical names; short-name servers give 0xFA00."""

_CONFORMANCE_HEAD = b"\x5f\x1f\x04\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class InitiateRequest:
    """What the client proposes. ``conformance`` is the 24-bit block, ``max_pdu`` the largest APDU it accepts (0: no limit).

    ``dedicated_key`` is a secret of this association: the request that carries it must be ciphered.
    """

    conformance: int
    max_pdu: int
    dedicated_key: bytes | None = field(default=None, repr=False)
    response_allowed: bool = True
    quality_of_service: int | None = None
    version: int = DLMS_VERSION

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Read what follows the tag."""
        key = cursor.take(cursor.length()) if cursor.u8() else None
        # response-allowed is DEFAULT TRUE: the presence byte 0 stands for TRUE, not for FALSE.
        allowed = cursor.u8() != 0 if cursor.u8() else True
        return cls(
            dedicated_key=key,
            response_allowed=allowed,
            quality_of_service=_take_quality(cursor),
            version=cursor.u8(),
            conformance=_take_conformance(cursor),
            max_pdu=cursor.u16(),
        )

    def encode(self) -> bytes:
        """The whole APDU."""
        key = self.dedicated_key
        return b"".join(
            (
                b"\x01",
                put_optional(None if key is None else encode_length(len(key)) + key),
                b"\x00" if self.response_allowed else b"\x01\x00",
                _put_quality(self.quality_of_service),
                bytes((self.version,)),
                _CONFORMANCE_HEAD,
                self.conformance.to_bytes(3, "big"),
                self.max_pdu.to_bytes(2, "big"),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InitiateResponse:
    """What the server settled on: the negotiated ``conformance`` and the largest APDU it accepts (0: no limit)."""

    conformance: int
    max_pdu: int
    version: int = DLMS_VERSION
    vaa_name: int = LOGICAL_NAME_VAA
    quality_of_service: int | None = None

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Read what follows the tag."""
        return cls(
            quality_of_service=_take_quality(cursor),
            version=cursor.u8(),
            conformance=_take_conformance(cursor),
            max_pdu=cursor.u16(),
            vaa_name=cursor.u16(),
        )

    def encode(self) -> bytes:
        """The whole APDU."""
        return b"".join(
            (
                b"\x08",
                _put_quality(self.quality_of_service),
                bytes((self.version,)),
                _CONFORMANCE_HEAD,
                self.conformance.to_bytes(3, "big"),
                self.max_pdu.to_bytes(2, "big"),
                self.vaa_name.to_bytes(2, "big"),
            )
        )


def _put_quality(quality: int | None) -> bytes:
    return put_optional(None if quality is None else quality.to_bytes(1, "big", signed=True))


def _take_quality(cursor: Cursor) -> int | None:
    return int.from_bytes(cursor.take(1), "big", signed=True) if cursor.u8() else None


def _take_conformance(cursor: Cursor) -> int:
    start = cursor.at
    head = cursor.take(2)
    if head == b"\x5f\x1f":
        head += cursor.take(1)
    if head not in (b"\x5f\x1f\x04", b"\x5f\x04") or cursor.u8() != 0:
        raise WireError("bad-conformance", f"no conformance block (5F 1F 04 00) at offset {start}")
    return int.from_bytes(cursor.take(3), "big")
