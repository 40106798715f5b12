"""OBIS codes: six bytes on the wire, ``A-B:C.D.E.F`` or six dotted parts for people (IEC 62056-61)."""

import re

from kwartier.errors import InputError

OBIS_BYTES = 6
_FORM = re.compile(r"(\d{1,3})[-.](\d{1,3})[:.](\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:[.*](\d{1,3}))?")
MAX_TEXT = 24


def dotted(code: bytes) -> str:
    """``1.0.1.8.0.255``; bytes of another length come out as hex, since a peer may send any."""
    if len(code) != OBIS_BYTES:
        return "0x" + code.hex()
    return ".".join(map(str, code))


def obis(text: str) -> bytes:
    """Six bytes of ``1-0:1.8.0.255``, ``1.0.1.8.0.255`` or, with F = 255, ``1-0:1.8.0``."""
    match = _FORM.fullmatch(text) if len(text) <= MAX_TEXT else None
    parts = [255 if part is None else int(part) for part in match.groups()] if match else []
    if not parts or max(parts) > 255:
        raise InputError("bad-obis", f"'{text[:MAX_TEXT]}' is no OBIS code such as 1-0:1.8.0.255")
    return bytes(parts)
