"""What people paste and keep in files, as the bytes of a capture.

Bytes are recognised by what they are: a P1 telegram begins with ``/``; text of nothing but hex digits, blanks, the
usual separators and comments is hexadecimal; anything that is no text is a capture as it stands. Text that is neither
is an error with the place of the first character that is no hex digit.
"""

import re

from kwartier.decode.p1 import is_telegram
from kwartier.errors import InputError

MAX_INPUT_BYTES = 4 << 20
"""A capture, as text or as it stands. The longest message that is taken is a quarter of it, and hex doubles it."""
_COMMENT = re.compile(r"(?:#|//|;)[^\r\n]*")
_FILLER = re.compile(r"\b0[xX]|[\s:,\-]")
_NO_HEX = re.compile(r"[^0-9A-Fa-f\s:,\-]")
_TEXT = bytes(range(0x20, 0x7F)) + b"\r\n\t\f"
_MARK = b"\xef\xbb\xbf"
"""What some editors put before a text."""


def hex_of(text: str) -> bytes | None:
    """The bytes that ``text`` spells in hex, blanks, separators, ``0x`` and comments left out; None: it spells none."""
    digits = _FILLER.sub("", _COMMENT.sub("", text))
    try:
        return bytes.fromhex(digits) if digits.isascii() and digits else None
    except ValueError:
        return None


def capture_of(content: bytes, name: str) -> bytes:
    """The capture in the ``content`` of a file; :class:`InputError` where it is a text that holds none."""
    if len(content) > MAX_INPUT_BYTES:
        raise InputError("capture-too-long", f"{name} holds more than {MAX_INPUT_BYTES} bytes")
    content = content.removeprefix(_MARK)
    if is_telegram(content):
        return content
    if content.translate(None, _TEXT):
        return content
    text = content.decode("ascii")
    found = hex_of(text)
    if found is not None:
        return found
    raise InputError("bad-hex", f"{name}: {why_no_hex(text)}")


def why_no_hex(text: str) -> str:
    """Where ``text`` stops being hexadecimal."""
    digits = 0
    for number, line in enumerate(text.splitlines(), 1):
        bare = _COMMENT.sub("", line)
        wrong = _NO_HEX.search(re.sub(r"\b0[xX]", "  ", bare))
        if wrong:
            return f"line {number}, column {wrong.start() + 1}: {wrong[0]!r} is no hex digit"
        digits += len(_FILLER.sub("", bare))
    return f"{digits} hex digits, which are no whole bytes" if digits else "there is nothing to decode"
