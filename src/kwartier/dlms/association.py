"""Opening and closing an association: AARQ and AARE, RLRQ and RLRE.

These four are BER (Green Book 9.4.2), since most of their fields may be absent. What the two sides say about xDLMS - the
initiate-request and its response, ciphered or not - travels inside as user information and stays raw bytes here.

What a client sends is read as strictly as the standard writes it: fields in their order, each at most once. Meters are met
with more patience: their AARE may put fields in any order and leave out all but the result, because a rejection often does.
Secrets never reach a repr: with low-level security the authentication value *is* the password.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from kwartier.dlms.ber import read_tlv, tlv
from kwartier.dlms.codes import (
    ACSE_SERVICE_PROVIDER,
    ACSE_SERVICE_USER,
    APPLICATION_CONTEXT,
    ASSOCIATION_RESULT,
    MECHANISM,
    RELEASE_REQUEST_REASON,
    RELEASE_RESPONSE_REASON,
    name,
)
from kwartier.dlms.cursor import Cursor
from kwartier.errors import StateError, WireError

NO_SOURCE, SERVICE_USER, SERVICE_PROVIDER = 0, 1, 2
"""Where the diagnostic of an AARE comes from; ``NO_SOURCE`` where the meter gave none."""

# 2.16.756.5.8.1.x and 2.16.756.5.8.2.x without their last arc (Green Book 9.4.2.2.2 and 9.4.2.2.3).
_CONTEXT_ARCS = b"\x60\x85\x74\x05\x08\x01"
_MECHANISM_ARCS = b"\x60\x85\x74\x05\x08\x02"
_OBJECT_IDENTIFIER = 0x06
_OCTET_STRING = 0x04
_INTEGER = 0x02
_CHARSTRING = 0x80
"""The choice of an authentication value that DLMS uses (GraphicString)."""
_AUTHENTICATION_UNIT = b"\x07\x80"
"""ACSE requirements as a bit string of one bit: the functional unit *authentication*."""
MAX_INTEGER_BYTES = 4

_AARQ_FIELDS = {
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
_AARE_FIELDS = {
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
_RELEASE_FIELDS = {0x80: "reason", 0xBE: "user-information"}


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
        fields = _fields(cursor, "AARQ", _AARQ_FIELDS, ordered=True)
        context = _arc(_inner(fields.get(0xA1), _OBJECT_IDENTIFIER), _CONTEXT_ARCS)
        if context is None:
            raise WireError("bad-acse", "the AARQ names no application context")
        mechanism = _arc(fields.get(0x8B), _MECHANISM_ARCS)
        return cls(
            application_context=context,
            calling_title=_inner(fields.get(0xA6), _OCTET_STRING),
            mechanism=mechanism,
            calling_authentication_value=_inner(fields.get(0xAC), _CHARSTRING),
            user_information=_inner(fields.get(0xBE), _OCTET_STRING),
            acse_requirements=_requirements(fields.get(0x8A), mechanism),
            calling_ae_qualifier=_inner(fields.get(0xA7), _OCTET_STRING),
            calling_ap_invocation_id=_explicit_integer(fields.get(0xA8)),
            calling_ae_invocation_id=_explicit_integer(fields.get(0xA9)),
            called_title=_inner(fields.get(0xA2), _OCTET_STRING),
            called_ae_qualifier=_inner(fields.get(0xA3), _OCTET_STRING),
            called_ap_invocation_id=_explicit_integer(fields.get(0xA4)),
            called_ae_invocation_id=_explicit_integer(fields.get(0xA5)),
            protocol_version=fields.get(0x80),
            implementation_information=fields.get(0x9D, fields.get(0xBD)),
        )

    def encode(self) -> bytes:
        """The whole APDU."""
        content = (
            _field(0x80, self.protocol_version),
            _wrapped(0xA1, _OBJECT_IDENTIFIER, _CONTEXT_ARCS + bytes((self.application_context,))),
            _wrapped(0xA2, _OCTET_STRING, self.called_title),
            _wrapped(0xA3, _OCTET_STRING, self.called_ae_qualifier),
            _wrapped(0xA4, _INTEGER, _integer(self.called_ap_invocation_id)),
            _wrapped(0xA5, _INTEGER, _integer(self.called_ae_invocation_id)),
            _wrapped(0xA6, _OCTET_STRING, self.calling_title),
            _wrapped(0xA7, _OCTET_STRING, self.calling_ae_qualifier),
            _wrapped(0xA8, _INTEGER, _integer(self.calling_ap_invocation_id)),
            _wrapped(0xA9, _INTEGER, _integer(self.calling_ae_invocation_id)),
            _field(0x8A, _AUTHENTICATION_UNIT if self.authenticated else None),
            _field(0x8B, None if self.mechanism is None else _MECHANISM_ARCS + bytes((self.mechanism,))),
            _wrapped(0xAC, _CHARSTRING, self.calling_authentication_value),
            _field(0x9D, self.implementation_information),
            _wrapped(0xBE, _OCTET_STRING, self.user_information),
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
        fields = _fields(cursor, "AARE", _AARE_FIELDS, ordered=False)
        result = _explicit_integer(fields.get(0xA2))
        if result is None:
            raise WireError("bad-acse", "the AARE holds no result")
        source, diagnostic = _diagnostic(fields.get(0xA3))
        mechanism = _arc(fields.get(0x89), _MECHANISM_ARCS)
        return cls(
            result=result,
            diagnostic=diagnostic,
            diagnostic_source=source,
            application_context=_arc(_inner(fields.get(0xA1), _OBJECT_IDENTIFIER), _CONTEXT_ARCS),
            responding_title=_inner(fields.get(0xA4), _OCTET_STRING),
            mechanism=mechanism,
            responding_authentication_value=_inner(fields.get(0xAA), _CHARSTRING),
            user_information=_inner(fields.get(0xBE), _OCTET_STRING),
            acse_requirements=_requirements(fields.get(0x88), mechanism),
            responding_ae_qualifier=_inner(fields.get(0xA5), _OCTET_STRING),
            responding_ap_invocation_id=_explicit_integer(fields.get(0xA6)),
            responding_ae_invocation_id=_explicit_integer(fields.get(0xA7)),
            protocol_version=fields.get(0x80),
            implementation_information=fields.get(0x9D, fields.get(0xBD)),
        )

    def encode(self) -> bytes:
        """The whole APDU."""
        context = self.application_context
        source = self.diagnostic_source
        content = (
            _field(0x80, self.protocol_version),
            _wrapped(0xA1, _OBJECT_IDENTIFIER, None if context is None else _CONTEXT_ARCS + bytes((context,))),
            _wrapped(0xA2, _INTEGER, _integer(self.result)),
            b"" if source == NO_SOURCE else tlv(0xA3, _wrapped(0xA0 | source, _INTEGER, _integer(self.diagnostic))),
            _wrapped(0xA4, _OCTET_STRING, self.responding_title),
            _wrapped(0xA5, _OCTET_STRING, self.responding_ae_qualifier),
            _wrapped(0xA6, _INTEGER, _integer(self.responding_ap_invocation_id)),
            _wrapped(0xA7, _INTEGER, _integer(self.responding_ae_invocation_id)),
            _field(0x88, _AUTHENTICATION_UNIT if self.authenticated else None),
            _field(0x89, None if self.mechanism is None else _MECHANISM_ARCS + bytes((self.mechanism,))),
            _wrapped(0xAA, _CHARSTRING, self.responding_authentication_value),
            _field(0x9D, self.implementation_information),
            _wrapped(0xBE, _OCTET_STRING, self.user_information),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Rlrq:
    """The client takes leave. On a protected association the user information is a ciphered initiate-request."""

    reason: int | None = None
    user_information: bytes | None = field(default=None, repr=False)

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Read what follows the tag."""
        fields = _fields(cursor, "RLRQ", _RELEASE_FIELDS, ordered=True)
        return cls(reason=_plain_integer(fields.get(0x80)), user_information=_inner(fields.get(0xBE), _OCTET_STRING))

    def encode(self) -> bytes:
        """The whole APDU."""
        content = _field(0x80, _integer(self.reason)) + _wrapped(0xBE, _OCTET_STRING, self.user_information)
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
        fields = _fields(cursor, "RLRE", _RELEASE_FIELDS, ordered=False)
        return cls(reason=_plain_integer(fields.get(0x80)), user_information=_inner(fields.get(0xBE), _OCTET_STRING))

    def encode(self) -> bytes:
        """The whole APDU."""
        content = _field(0x80, _integer(self.reason)) + _wrapped(0xBE, _OCTET_STRING, self.user_information)
        return tlv(0x63, content)

    @property
    def reason_name(self) -> str:
        """The reason in words; ``not-given`` where there is none."""
        return "not-given" if self.reason is None else name(RELEASE_RESPONSE_REASON, self.reason)


# Reading. Each takes the content of a field, or None where the field is absent, and gives None back then.


def _fields(cursor: Cursor, what: str, known: Mapping[int, str], *, ordered: bool) -> dict[int, bytes]:
    """Tag -> content of every field; no field twice, and with ``ordered`` by ascending tag number."""
    length = cursor.length()
    if length != cursor.remaining:
        raise WireError("bad-length", f"{what} says it has {length} bytes, {cursor.remaining} are there")
    fields: dict[int, bytes] = {}
    last = -1
    while cursor.at < cursor.end:
        start = cursor.at
        tag, content = read_tlv(cursor)
        if tag not in known:
            raise WireError("bad-acse", f"{what} has no field 0x{tag:02X} (offset {start})")
        if tag in fields:
            raise WireError("bad-acse", f"{what} holds {known[tag]} twice (offset {start})")
        number = tag & 0x1F
        if ordered and number <= last:
            raise WireError("bad-acse", f"{what} holds {known[tag]} out of order (offset {start})")
        last = number
        fields[tag] = content
    return fields


def _inner(content: bytes | None, tag: int) -> bytes | None:
    """The content of the one TLV with ``tag`` that a field holds; a field of no bytes at all counts as an empty one."""
    if not content:
        return content
    # The short form, which is all but always there, without a cursor.
    if content[0] == tag and len(content) < 0x82 and len(content) >= 2 and content[1] == len(content) - 2:
        return content[2:]
    cursor = Cursor(content)
    found, inner = read_tlv(cursor)
    if found != tag:
        raise WireError("bad-acse", f"a field holds tag 0x{found:02X} where 0x{tag:02X} belongs")
    cursor.expect_end()
    return inner


def _arc(identifier: bytes | None, arcs: bytes) -> int | None:
    """The last arc of an object identifier that must lie under ``arcs``."""
    if identifier is None:
        return None
    if len(identifier) != len(arcs) + 1 or identifier[:-1] != arcs or identifier[-1] > 0x7F:
        raise WireError("bad-acse", f"object identifier {identifier[:16].hex()} is not one of DLMS ({arcs.hex()}..)")
    return identifier[-1]


def _plain_integer(content: bytes | None) -> int | None:
    if content is None:
        return None
    if not 1 <= len(content) <= MAX_INTEGER_BYTES:
        raise WireError("bad-acse", f"an integer of {len(content)} bytes, 1 to {MAX_INTEGER_BYTES} are taken")
    return int.from_bytes(content, "big", signed=True)


def _explicit_integer(content: bytes | None) -> int | None:
    return None if content is None else _plain_integer(_inner(content, _INTEGER))


def _diagnostic(content: bytes | None) -> tuple[int, int]:
    """Source and value of a result-source-diagnostic."""
    if not content:
        return NO_SOURCE, 0
    source = content[0] & 0x1F
    if source not in (SERVICE_USER, SERVICE_PROVIDER):
        raise WireError("bad-acse", f"a diagnostic of source 0x{content[0]:02X}, 0xA1 or 0xA2 allowed")
    value = _explicit_integer(_inner(content, 0xA0 | source))
    if value is None:
        raise WireError("bad-acse", "a diagnostic without a value")
    return source, value


def _requirements(content: bytes | None, mechanism: int | None) -> bool | None:
    """What the ACSE requirements say, or None where that follows from the mechanism."""
    asked = False
    if content is not None:
        if len(content) < 2:
            raise WireError("bad-acse", "ACSE requirements without a bit")
        asked = content[1] & 0x80 != 0
    return None if asked == (mechanism is not None) else asked


# Writing. A field whose value is None is not there.


def _field(tag: int, content: bytes | None) -> bytes:
    return b"" if content is None else tlv(tag, content)


def _wrapped(tag: int, inner: int, content: bytes | None) -> bytes:
    return b"" if content is None else tlv(tag, tlv(inner, content))


def _integer(value: int | None) -> bytes | None:
    if value is None:
        return None
    size = (value + (value < 0)).bit_length() // 8 + 1
    if size > MAX_INTEGER_BYTES:
        raise StateError("unbuildable", f"an integer of {size} bytes in an ACSE field")
    return value.to_bytes(size, "big", signed=True)
