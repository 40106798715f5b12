"""Any bytes as what a meter says at any point of a session, and as what a client says to a meter: a typed error at most.

The first byte chooses how far the session is and what frames the rest. The meter's protection is genuine where the third bit
says so, so that what lies behind it is reached.
"""

from kwartier.dlms.events import Answer, Get, Set
from kwartier.dlms.session import ClientSession
from kwartier.errors import KwartierError
from tests.dlms.pairs import CLOCK, Pair, make_pair

GETTING = Get(class_id=8, obis=CLOCK, attribute=2, max_bytes=200)
SETTING = Set(class_id=8, obis=CLOCK, attribute=2, value=b"\x00")


def one(data: bytes) -> None:
    if not data:
        return
    pair = make_pair()
    apdu = data[1:]
    _advance(pair, data[0] & 3, SETTING if data[0] & 4 else GETTING)
    if data[0] & 8 and apdu:
        apdu = pair.server._protect(apdu)
    framed = b"\x00\x01\x00\x01\x00\x01" + len(apdu).to_bytes(2, "big") + apdu if data[0] & 16 else data[1:]
    if data[0] & 32:
        _said(pair, framed)
    else:
        _heard(pair.client, framed, genuine=bool(data[0] & 8))


def _advance(pair: Pair, stage: int, operation: Get | Set) -> None:
    pair.client.open(0.0)
    for _ in range(min(stage, 2)):
        pair.server.receive(pair.client.data_to_send(), 0.0)
        pair.client.receive(pair.server.data_to_send(), 0.0)
    if stage == 3:
        pair.client.ask(operation, 0.0)
        pair.server.receive(pair.client.data_to_send(), 0.0)
        pair.server.data_to_send()


def _heard(client: ClientSession, data: bytes, *, genuine: bool) -> None:
    try:
        events = client.receive(data, 0.0)
    except KwartierError:
        return
    assert genuine or not any(isinstance(event, Answer) for event in events)
    client.data_to_send()
    if client.deadline is not None:
        try:
            client.handle_timer(client.deadline)
        except KwartierError:
            return


def _said(pair: Pair, data: bytes) -> None:
    try:
        pair.server.receive(data, 0.0)
    except KwartierError:
        return
    pair.server.data_to_send()
