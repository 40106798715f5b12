"""Any bytes as an APDU: a message or a typed error; and a message survives building and parsing again."""

from kwartier.dlms import registry
from kwartier.errors import KwartierError


def one(data: bytes) -> None:
    try:
        message = registry.parse(data)
    except KwartierError:
        return
    assert registry.parse(registry.build(message)) == message
