"""BER as far as ACSE needs it: tag, definite length, content (ISO/IEC 8825-1).

Tags of one byte and lengths of up to four bytes; the indefinite form is refused.
"""

from kwartier.dlms.cursor import Cursor, encode_length
from kwartier.errors import WireError

MULTI_BYTE_TAG = 0x1F
SHORT_FORM = 0x80
"""Lengths below it take one byte."""


def read_tlv(cursor: Cursor) -> tuple[int, bytes]:
    """The next tag and its content; :class:`WireError` where the content does not fit the window."""
    data, at, end = cursor.data, cursor.at, cursor.end
    # The short form, which is all but always there, in one step.
    if at + 2 <= end:
        tag, size = data[at], data[at + 1]
        stop = at + 2 + size
        if size < SHORT_FORM and stop <= end and tag & MULTI_BYTE_TAG != MULTI_BYTE_TAG:
            cursor.at = stop
            return tag, data[at + 2 : stop]
    tag = cursor.u8()
    if tag & MULTI_BYTE_TAG == MULTI_BYTE_TAG:
        raise WireError("bad-ber", f"a tag of several bytes (0x{tag:02X}) at offset {cursor.at - 1}")
    return tag, cursor.take(cursor.length())


def tlv(tag: int, content: bytes) -> bytes:
    """``content`` under ``tag``, with the shortest length."""
    size = len(content)
    if size < SHORT_FORM:
        return bytes((tag, size)) + content
    return bytes((tag,)) + encode_length(size) + content
