"""BER as far as ACSE needs it: tag, definite length, content (ISO/IEC 8825-1).

Tags of one byte and lengths of up to four bytes; the indefinite form is refused.
"""

from kwartier.dlms.cursor import Cursor, encode_length
from kwartier.errors import WireError

MULTI_BYTE_TAG = 0x1F


def read_tlv(cursor: Cursor) -> tuple[int, bytes]:
    """The next tag and its content; :class:`WireError` where the content does not fit the window."""
    tag = cursor.u8()
    if tag & MULTI_BYTE_TAG == MULTI_BYTE_TAG:
        raise WireError("bad-ber", f"a tag of several bytes (0x{tag:02X}) at offset {cursor.at - 1}")
    return tag, cursor.take(cursor.length())


def tlv(tag: int, content: bytes) -> bytes:
    """``content`` under ``tag``, with the shortest length."""
    return bytes((tag,)) + encode_length(len(content)) + content
