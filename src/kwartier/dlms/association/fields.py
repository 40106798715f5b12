"""The fields of an ACSE message: BER contents to values and back, each in one place (Green Book 9.4.2).

Everything that may be absent is None on both sides: a reader given None gives None, a writer given None writes nothing.
"""

from collections.abc import Mapping

from kwartier.dlms.ber import read_tlv, tlv
from kwartier.dlms.cursor import Cursor
from kwartier.errors import StateError, WireError

NO_SOURCE, SERVICE_USER, SERVICE_PROVIDER = 0, 1, 2
"""Where the diagnostic of an AARE comes from; ``NO_SOURCE`` where the meter gave none."""

# 2.16.756.5.8.1.x and 2.16.756.5.8.2.x without their last arc (Green Book 9.4.2.2.2 and 9.4.2.2.3).
CONTEXT_ARCS = b"\x60\x85\x74\x05\x08\x01"
MECHANISM_ARCS = b"\x60\x85\x74\x05\x08\x02"
OBJECT_IDENTIFIER = 0x06
OCTET_STRING = 0x04
INTEGER = 0x02
CHARSTRING = 0x80
"""The choice of an authentication value that DLMS uses (GraphicString)."""
AUTHENTICATION_UNIT = b"\x07\x80"
"""ACSE requirements as a bit string of one bit: the functional unit *authentication*."""
MAX_INTEGER_BYTES = 4


# Reading. Each takes the content of a field, or None where the field is absent, and gives None back then.


def take_fields(cursor: Cursor, what: str, known: Mapping[int, str], *, ordered: bool) -> dict[int, bytes]:
    """Tag -> content of every field; no field twice, and with ``ordered`` by ascending tag number."""
    length = cursor.length()
    if length != cursor.remaining:
        raise WireError("bad-length", f"{what} says it has {length} bytes, {cursor.remaining} are there")
    fields: dict[int, bytes] = {}
    last = -1
    end = cursor.end
    # A field comes at most once, so the table of known ones bounds the loop.
    while (start := cursor.at) < end:
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


def take_inner(content: bytes | None, tag: int) -> bytes | None:
    """The content of the one TLV with ``tag`` that a field holds."""
    if content is None:
        return None
    # The short form, which is all but always there, without a cursor.
    size = len(content) - 2
    if 0 <= size < 0x80 and content[0] == tag and content[1] == size:
        return content[2:]
    cursor = Cursor(content)
    found, inner = read_tlv(cursor)
    if found != tag:
        raise WireError("bad-acse", f"a field holds tag 0x{found:02X} where 0x{tag:02X} belongs")
    cursor.expect_end()
    return inner


def take_arc(identifier: bytes | None, arcs: bytes) -> int | None:
    """The last arc of an object identifier that must lie under ``arcs``."""
    if identifier is None:
        return None
    if len(identifier) != len(arcs) + 1 or identifier[:-1] != arcs or identifier[-1] > 0x7F:
        raise WireError("bad-acse", f"object identifier {identifier[:16].hex()} is not one of DLMS ({arcs.hex()}..)")
    return identifier[-1]


def take_integer(content: bytes | None) -> int | None:
    """An INTEGER of a few bytes, signed."""
    if content is None:
        return None
    if not 1 <= len(content) <= MAX_INTEGER_BYTES:
        raise WireError("bad-acse", f"an integer of {len(content)} bytes, 1 to {MAX_INTEGER_BYTES} are taken")
    return int.from_bytes(content, "big", signed=True)


def take_wrapped_integer(content: bytes | None) -> int | None:
    """An INTEGER with its tag."""
    return None if content is None else take_integer(take_inner(content, INTEGER))


def take_diagnostic(content: bytes | None) -> tuple[int, int]:
    """Source and value of a result-source-diagnostic."""
    if not content:
        return NO_SOURCE, 0
    source = content[0] & 0x1F
    if source not in (SERVICE_USER, SERVICE_PROVIDER):
        raise WireError("bad-acse", f"a diagnostic of source 0x{content[0]:02X}, 0xA1 or 0xA2 allowed")
    value = take_wrapped_integer(take_inner(content, 0xA0 | source))
    if value is None:
        raise WireError("bad-acse", "a diagnostic without a value")
    return source, value


def take_requirements(content: bytes | None, mechanism: int | None) -> bool | None:
    """What the ACSE requirements say, or None where that follows from the mechanism."""
    asked = False
    if content is not None:
        if len(content) < 2:
            raise WireError("bad-acse", "ACSE requirements without a bit")
        asked = content[1] & 0x80 != 0
    return None if asked == (mechanism is not None) else asked


# Writing. A field whose value is None is not there.


def put_field(tag: int, content: bytes | None) -> bytes:
    """A field whose content stands in it bare."""
    return b"" if content is None else tlv(tag, content)


def put_wrapped(tag: int, inner: int, content: bytes | None) -> bytes:
    """A field whose content has a tag of its own."""
    return b"" if content is None else tlv(tag, tlv(inner, content))


def put_integer(value: int | None) -> bytes | None:
    """An INTEGER in the shortest form, without its tag."""
    if value is None:
        return None
    size = (value + (value < 0)).bit_length() // 8 + 1
    if size > MAX_INTEGER_BYTES:
        raise StateError("unbuildable", f"an integer of {size} bytes in an ACSE field")
    return value.to_bytes(size, "big", signed=True)
