"""AARE: the meter accepts or rejects an association. Read with patience."""

from dataclasses import dataclass, field
from typing import Self

from kwartier.dlms.association.fields import (
    AUTHENTICATION_UNIT,
    CHARSTRING,
    CONTEXT_ARCS,
    INTEGER,
    MECHANISM_ARCS,
    NO_SOURCE,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SERVICE_PROVIDER,
    SERVICE_USER,
    put_field,
    put_integer,
    put_wrapped,
    take_arc,
    take_diagnostic,
    take_fields,
    take_inner,
    take_requirements,
    take_wrapped_integer,
)
from kwartier.dlms.ber import tlv
from kwartier.dlms.codes import ACSE_SERVICE_PROVIDER, ACSE_SERVICE_USER, ASSOCIATION_RESULT, MECHANISM, name
from kwartier.dlms.cursor import Cursor
from kwartier.errors import WireError

_FIELDS = {
    0x80: "protocol-version",
    0xA1: "application-context-name",
    0xA2: "result",
    0xA3: "result-source-diagnostic",
    0xA4: "responding-AP-title",
    0xA5: "responding-AE-qualifier",
    0xA6: "responding-AP-invocation-identifier",
    0xA7: "responding-AE-invocation-identifier",
    0x88: "responder-acse-requirements",
    0x89: "mechanism-name",
    0xAA: "responding-authentication-value",
    0x9D: "implementation-information",
    0xBD: "implementation-information",
    0xBE: "user-information",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Aare:
    """The meter accepts the association (``result`` 0) or rejects it, and says why.

    Other fields as in :class:`Aarq`; all that a meter may leave out is None. An empty ``responding_title`` is a title that
    was sent empty.
    """

    result: int
    diagnostic: int = 0
    diagnostic_source: int = SERVICE_USER
    application_context: int | None
    responding_title: bytes | None = None
    mechanism: int | None = None
    responding_authentication_value: bytes | None = field(default=None, repr=False)
    user_information: bytes | None = field(default=None, repr=False)
    acse_requirements: bool | None = None
    responding_ae_qualifier: bytes | None = None
    responding_ap_invocation_id: int | None = None
    responding_ae_invocation_id: int | None = None
    protocol_version: bytes | None = None
    implementation_information: bytes | None = None

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Read what follows the tag."""
        fields = take_fields(cursor, "AARE", _FIELDS, ordered=False)
        result = take_wrapped_integer(fields.get(0xA2))
        if result is None:
            raise WireError("bad-acse", "the AARE holds no result")
        source, diagnostic = take_diagnostic(fields.get(0xA3))
        mechanism = take_arc(fields.get(0x89), MECHANISM_ARCS)
        return cls(
            result=result,
            diagnostic=diagnostic,
            diagnostic_source=source,
            application_context=take_arc(take_inner(fields.get(0xA1), OBJECT_IDENTIFIER), CONTEXT_ARCS),
            # Some meters send no octet-string at all where others send an empty one.
            responding_title=b"" if fields.get(0xA4) == b"" else take_inner(fields.get(0xA4), OCTET_STRING),
            mechanism=mechanism,
            responding_authentication_value=take_inner(fields.get(0xAA), CHARSTRING),
            user_information=take_inner(fields.get(0xBE), OCTET_STRING),
            acse_requirements=take_requirements(fields.get(0x88), mechanism),
            responding_ae_qualifier=take_inner(fields.get(0xA5), OCTET_STRING),
            responding_ap_invocation_id=take_wrapped_integer(fields.get(0xA6)),
            responding_ae_invocation_id=take_wrapped_integer(fields.get(0xA7)),
            protocol_version=fields.get(0x80),
            implementation_information=fields.get(0x9D, fields.get(0xBD)),
        )

    def encode(self) -> bytes:
        """The whole APDU."""
        context = self.application_context
        source = self.diagnostic_source
        diagnostic = None if source == NO_SOURCE else put_wrapped(0xA0 | source, INTEGER, put_integer(self.diagnostic))
        content = (
            put_field(0x80, self.protocol_version),
            put_wrapped(0xA1, OBJECT_IDENTIFIER, None if context is None else CONTEXT_ARCS + bytes((context,))),
            put_wrapped(0xA2, INTEGER, put_integer(self.result)),
            put_field(0xA3, diagnostic),
            put_wrapped(0xA4, OCTET_STRING, self.responding_title),
            put_wrapped(0xA5, OCTET_STRING, self.responding_ae_qualifier),
            put_wrapped(0xA6, INTEGER, put_integer(self.responding_ap_invocation_id)),
            put_wrapped(0xA7, INTEGER, put_integer(self.responding_ae_invocation_id)),
            put_field(0x88, AUTHENTICATION_UNIT if self.authenticated else None),
            put_field(0x89, None if self.mechanism is None else MECHANISM_ARCS + bytes((self.mechanism,))),
            put_wrapped(0xAA, CHARSTRING, self.responding_authentication_value),
            put_field(0x9D, self.implementation_information),
            put_wrapped(0xBE, OCTET_STRING, self.user_information),
        )
        return tlv(0x61, b"".join(content))

    @property
    def authenticated(self) -> bool:
        """Whether the ACSE requirements confirm the authentication unit."""
        return self.mechanism is not None if self.acse_requirements is None else self.acse_requirements

    @property
    def result_name(self) -> str:
        """The result in words."""
        return name(ASSOCIATION_RESULT, self.result)

    @property
    def diagnostic_name(self) -> str:
        """The diagnostic in words: ``authentication-failure``, ...; ``not-given`` where the meter gave none."""
        if self.diagnostic_source == NO_SOURCE:
            return "not-given"
        table = ACSE_SERVICE_PROVIDER if self.diagnostic_source == SERVICE_PROVIDER else ACSE_SERVICE_USER
        return name(table, self.diagnostic)

    @property
    def mechanism_name(self) -> str:
        """The authentication mechanism in words; the lowest level where none is named."""
        return name(MECHANISM, self.mechanism or 0)
