"""Any bytes as a protected APDU: its header or a typed error; never a plaintext; and the peer's counter stays where it was."""

import pytest

from kwartier.dlms.protection import (
    AUTHENTICATED,
    ENCRYPTED,
    CounterRange,
    Protection,
    SessionKeys,
    open_unverified,
    open_verified,
    parse_ciphered,
)
from kwartier.errors import KwartierError

KEYS = SessionKeys(ek=bytes(range(16)), ak=bytes(range(16, 32)))
TITLE = b"KWT\x00\x00\x00\x00\x01"
HEADS = (b"", b"\xdb\x08" + TITLE, b"\xdb\x00", b"\xdc\x08" + TITLE, b"\xc8", b"\xcc", b"\xd4", b"\x28")


def one(data: bytes) -> None:
    if not data:
        return
    apdu = HEADS[data[0] % len(HEADS)] + data[1:]
    control = AUTHENTICATED | (ENCRYPTED if data[0] & 0x80 else 0)
    protection = Protection(
        control=control, own_title=TITLE, peer_title=TITLE, keys=KEYS, counters=CounterRange(0, 9), peer_counter=-1
    )
    if data[0] & 0x40:
        protection.use_dedicated(KEYS.ek)
    with pytest.raises(KwartierError):
        protection.unprotect(apdu)
    assert protection.peer_counter == -1
    try:
        message = parse_ciphered(apdu)
    except KwartierError:
        return
    assert apdu.endswith(message.body)
    with pytest.raises(KwartierError):
        open_verified(message, ek=KEYS.ek, ak=KEYS.ak, system_title=TITLE)
    try:
        assert len(open_unverified(message, ek=KEYS.ek, system_title=TITLE)) <= len(message.body)
    except KwartierError:
        return
