"""Any bytes behind the head of any xDLMS service: the first byte chooses which."""

from kwartier.dlms import registry
from kwartier.errors import KwartierError

HEADS = [row.head for row in registry.ROWS if not row.head.startswith((b"\x60", b"\x61", b"\x62", b"\x63"))]


def one(data: bytes) -> None:
    if not data:
        return
    try:
        message = registry.parse(HEADS[data[0] % len(HEADS)] + data[1:])
    except KwartierError:
        return
    repr(message)
    registry.apdu_name(registry.build(message))
