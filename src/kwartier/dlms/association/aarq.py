"""AARQ: the client asks for an association. Read as strictly as the standard writes it."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Self

from kwartier.dlms.association.fields import (
    AUTHENTICATION_UNIT,
    CHARSTRING,
    CONTEXT_ARCS,
    INTEGER,
    MECHANISM_ARCS,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    put_field,
    put_integer,
    put_wrapped,
    take_arc,
    take_fields,
    take_inner,
    take_requirements,
    take_wrapped_integer,
)
from kwartier.dlms.ber import tlv
from kwartier.dlms.codes import APPLICATION_CONTEXT, MECHANISM, name
from kwartier.dlms.cursor import Cursor
from kwartier.errors import WireError

_FIELDS = {
    0x80: "protocol-version",
    0xA1: "application-context-name",
    0xA2: "called-AP-title",
    0xA3: "called-AE-qualifier",
    0xA4: "called-AP-invocation-identifier",
    0xA5: "called-AE-invocation-identifier",
    0xA6: "calling-AP-title",
    0xA7: "calling-AE-qualifier",
    0xA8: "calling-AP-invocation-identifier",
    0xA9: "calling-AE-invocation-identifier",
    0x8A: "sender-acse-requirements",
    0x8B: "mechanism-name",
    0xAC: "calling-authentication-value",
    0x9D: "implementation-information",
    0xBD: "implementation-information",
    0xBE: "user-information",
}
MAX_PARTIES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Aarq:
    """The client asks for an association. Titles and qualifiers are the bytes inside their octet-strings.

    ``acse_requirements`` is None where it follows from the mechanism (the authentication unit is asked for exactly when
    there is one), which is what a builder leaves it at; True or False where a peer said otherwise.
    """

    application_context: int
    calling_title: bytes | None = None
    mechanism: int | None = None
    calling_authentication_value: bytes | None = field(default=None, repr=False)
    user_information: bytes | None = field(default=None, repr=False)
    acse_requirements: bool | None = None
    calling_ae_qualifier: bytes | None = None
    calling_ap_invocation_id: int | None = None
    calling_ae_invocation_id: int | None = None
    """The user of the client, where the meter keeps a list of them (Blue Book 4.4.2)."""
    called_title: bytes | None = None
    called_ae_qualifier: bytes | None = None
    called_ap_invocation_id: int | None = None
    called_ae_invocation_id: int | None = None
    protocol_version: bytes | None = None
    """A bit string as it stands (first byte: unused bits); absent means version 1."""
    implementation_information: bytes | None = None

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Read what follows the tag."""
        fields = take_fields(cursor, "AARQ", _FIELDS, ordered=True)
        context = take_arc(take_inner(fields.get(0xA1), OBJECT_IDENTIFIER), CONTEXT_ARCS)
        if context is None:
            raise WireError("bad-acse", "the AARQ names no application context")
        mechanism = take_arc(fields.get(0x8B), MECHANISM_ARCS)
        return cls(
            application_context=context,
            calling_title=take_inner(fields.get(0xA6), OCTET_STRING),
            mechanism=mechanism,
            calling_authentication_value=take_inner(fields.get(0xAC), CHARSTRING),
            user_information=take_inner(fields.get(0xBE), OCTET_STRING),
            acse_requirements=take_requirements(fields.get(0x8A), mechanism),
            calling_ae_qualifier=take_inner(fields.get(0xA7), OCTET_STRING),
            calling_ap_invocation_id=take_wrapped_integer(fields.get(0xA8)),
            calling_ae_invocation_id=take_wrapped_integer(fields.get(0xA9)),
            called_title=take_inner(fields.get(0xA2), OCTET_STRING),
            called_ae_qualifier=take_inner(fields.get(0xA3), OCTET_STRING),
            called_ap_invocation_id=take_wrapped_integer(fields.get(0xA4)),
            called_ae_invocation_id=take_wrapped_integer(fields.get(0xA5)),
            protocol_version=fields.get(0x80),
            implementation_information=fields.get(0x9D, fields.get(0xBD)),
        )

    def encode(self) -> bytes:
        """The whole APDU."""
        content = (
            put_field(0x80, self.protocol_version),
            put_wrapped(0xA1, OBJECT_IDENTIFIER, CONTEXT_ARCS + bytes((self.application_context,))),
            _parties(
                self.called_title,
                self.called_ae_qualifier,
                self.called_ap_invocation_id,
                self.called_ae_invocation_id,
                self.calling_title,
                self.calling_ae_qualifier,
                self.calling_ap_invocation_id,
                self.calling_ae_invocation_id,
            ),
            put_field(0x8A, AUTHENTICATION_UNIT if self.authenticated else None),
            put_field(0x8B, None if self.mechanism is None else MECHANISM_ARCS + bytes((self.mechanism,))),
            put_wrapped(0xAC, CHARSTRING, self.calling_authentication_value),
            put_field(0x9D, self.implementation_information),
            put_wrapped(0xBE, OCTET_STRING, self.user_information),
        )
        return tlv(0x60, b"".join(content))

    @property
    def authenticated(self) -> bool:
        """Whether the ACSE requirements ask for the authentication unit."""
        return self.mechanism is not None if self.acse_requirements is None else self.acse_requirements

    @property
    def application_context_name(self) -> str:
        """The application context in words."""
        return name(APPLICATION_CONTEXT, self.application_context)

    @property
    def mechanism_name(self) -> str:
        """The authentication mechanism in words; the lowest level where none is named."""
        return name(MECHANISM, self.mechanism or 0)


@lru_cache(maxsize=MAX_PARTIES)
def _parties(
    called_title: bytes | None,
    called_ae_qualifier: bytes | None,
    called_ap_invocation_id: int | None,
    called_ae_invocation_id: int | None,
    calling_title: bytes | None,
    calling_ae_qualifier: bytes | None,
    calling_ap_invocation_id: int | None,
    calling_ae_invocation_id: int | None,
) -> bytes:
    """Who calls whom: the same for a whole fleet, so it is built once."""
    content = (
        put_wrapped(0xA2, OCTET_STRING, called_title),
        put_wrapped(0xA3, OCTET_STRING, called_ae_qualifier),
        put_wrapped(0xA4, INTEGER, put_integer(called_ap_invocation_id)),
        put_wrapped(0xA5, INTEGER, put_integer(called_ae_invocation_id)),
        put_wrapped(0xA6, OCTET_STRING, calling_title),
        put_wrapped(0xA7, OCTET_STRING, calling_ae_qualifier),
        put_wrapped(0xA8, INTEGER, put_integer(calling_ap_invocation_id)),
        put_wrapped(0xA9, INTEGER, put_integer(calling_ae_invocation_id)),
    )
    return b"".join(content)
