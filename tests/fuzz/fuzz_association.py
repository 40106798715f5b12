"""Any bytes as the content of an ACSE message, its outer length made right so that the fields are reached."""

from kwartier.dlms import registry
from kwartier.dlms.cursor import encode_length
from kwartier.errors import KwartierError

TAGS = b"\x60\x61\x62\x63"


def one(data: bytes) -> None:
    if not data:
        return
    content = data[1:]
    apdu = TAGS[data[0] % 4 : data[0] % 4 + 1] + encode_length(len(content)) + content
    try:
        message = registry.parse(apdu)
    except KwartierError:
        return
    assert registry.parse(registry.build(message)) == message
