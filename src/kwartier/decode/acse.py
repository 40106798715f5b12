"""The fields of AARQ, AARE, RLRQ and RLRE, byte by byte (Green Book 9.4.2).

What is read is decided elsewhere; here is only where each field stands. A password, which low-level security sends in the
clear, is a secret; the challenges of high-level security are none.
"""

from typing import Final

from kwartier.decode.sheet import Role, Sheet
from kwartier.dlms.ber import read_tlv
from kwartier.dlms.cursor import Cursor
from kwartier.errors import WireError

AARQ: Final = 0x60
AARE: Final = 0x61
ACSE: Final = {AARQ: "AARQ", AARE: "AARE", 0x62: "RLRQ", 0x63: "RLRE"}
MECHANISM: Final = (0x8B, 0x89)
HIGH_LEVEL: Final = range(2, 8)
USER_INFORMATION: Final = 0xBE
_OF_AARQ = {
    0x80: ("protocol version", Role.STRUCTURE),
    0xA1: ("application context", Role.STRUCTURE),
    0xA2: ("called system title", Role.TITLE),
    0xA6: ("calling system title", Role.TITLE),
    0x8A: ("ACSE requirements", Role.STRUCTURE),
    0x8B: ("mechanism", Role.STRUCTURE),
    0xAC: ("calling authentication value", Role.SECRET),
    USER_INFORMATION: ("user information", Role.VALUE),
}
_OF_AARE = {
    0x80: ("protocol version", Role.STRUCTURE),
    0xA1: ("application context", Role.STRUCTURE),
    0xA2: ("result", Role.STRUCTURE),
    0xA3: ("diagnostic", Role.STRUCTURE),
    0xA4: ("responding system title", Role.TITLE),
    0x88: ("ACSE requirements", Role.STRUCTURE),
    0x89: ("mechanism", Role.STRUCTURE),
    0xAA: ("responding authentication value", Role.SECRET),
    USER_INFORMATION: ("user information", Role.VALUE),
}
_OF_RELEASE = {0x80: ("reason", Role.STRUCTURE), USER_INFORMATION: ("user information", Role.VALUE)}
_WITH_INNER = frozenset({Role.TITLE, Role.SECRET, Role.VALUE})
"""Fields of which the content has a tag and a length of its own."""


def acse(sheet: Sheet) -> None:
    """Name the fields of one message; where it stops making sense, the rest is a value."""
    tag = sheet.peek()
    fields = _OF_AARQ if tag == AARQ else _OF_AARE if tag == AARE else _OF_RELEASE
    sheet.take(1, "tag", text=ACSE[tag])
    if not _length(sheet):
        return
    high = _is_high_level(sheet)
    while sheet.left:
        number = sheet.peek()
        name, role = fields.get(number, (f"field 0x{number:02X}", Role.VALUE))
        if role is Role.SECRET and high:
            role = Role.CHALLENGE
        try:
            cursor = Cursor(sheet.data, sheet.at)
            _, content = read_tlv(cursor)
        except WireError:
            break
        sheet.take(cursor.at - sheet.at - len(content), f"{name}, tag and length")
        if role in _WITH_INNER or role is Role.CHALLENGE:
            inner = _inner(content)
            sheet.take(len(content) - inner, f"{name}, inner tag and length")
            sheet.take(inner, name, role)
        else:
            sheet.take(len(content), name, role)
    sheet.rest("not recognised")


def _length(sheet: Sheet) -> bool:
    cursor = Cursor(sheet.data, sheet.at)
    try:
        cursor.length()
    except WireError:
        sheet.rest("not recognised")
        return False
    sheet.take(cursor.at - sheet.at, "length")
    return True


def _inner(content: bytes) -> int:
    """How many bytes of a field lie behind the tag and length that it holds; all of them where there is no such tag."""
    cursor = Cursor(content)
    try:
        _, inner = read_tlv(cursor)
    except WireError:
        return len(content)
    return len(inner) if cursor.remaining == 0 else len(content)


def _is_high_level(sheet: Sheet) -> bool:
    """Whether the mechanism is one of those that send a challenge; where none is named, it is not."""
    cursor = Cursor(sheet.data, sheet.at)
    try:
        while cursor.remaining:
            tag, content = read_tlv(cursor)
            if tag in MECHANISM and content:
                return content[-1] in HIGH_LEVEL
    except WireError:
        return False
    return False
