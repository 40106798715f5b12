"""Any bytes as a capture: a result or a typed error, printed both ways; and no value beside an error.

The first byte chooses how the rest begins and which keys there are, so that every kind of layer is reached.
"""

import json

from kwartier.decode import Keys, decode
from kwartier.decode.show import lines
from kwartier.errors import KwartierError

KEY = bytes(range(16))
TITLE = b"KWT\x00\x00\x00\x00\x01"
STARTS = (
    b"",
    b"\x7e\xa0",
    b"\x68\x20\x20\x68\x53\xff\x10\x01\x67",
    b"\x00\x01\x00\x01\x00\x10\x00",
    b"\xdb\x08" + TITLE,
    b"\xdc\x08" + TITLE,
    b"\xe0\x81\x00\x01\x00\x00",
    b"\xe6\xe7\x00",
    b"/KWT5\r\n",
    b"\x0f\x00\x00\x00\x00\x00",
    b"\xc4\x01\xc1\x00",
    b"\xc4\x02\xc1\x01\x00\x00\x00\x01\x00",
    b"\x60",
    b"\x61",
    b"\x01",
    b"\x02",
)
KEYS = (
    Keys(),
    Keys(ek=KEY, ak=KEY, dedicated=KEY, system_title=TITLE),
    Keys(ek=KEY, dedicated=KEY, system_title=TITLE, unverified=True),
    Keys(unverified=True),
)


def one(data: bytes) -> None:
    if not data:
        return
    capture = STARTS[data[0] % len(STARTS)] + data[1:]
    if not capture:
        return
    try:
        found = decode(capture, KEYS[data[0] >> 4 & 3])
    except KwartierError:
        return
    table = found.as_json()
    json.dumps(table)
    assert found.error is None or table["body"] is None
    for text in lines(found):
        assert text.isprintable()
    for layer in found.layers:
        assert 0 <= layer.offset <= len(capture)
