"""Two cores back to back: our client and our server with nothing but bytes between them, whole or one at a time."""

from dataclasses import dataclass, field
from typing import Any

from kwartier.dlms import axdr
from kwartier.dlms.events import Event
from kwartier.dlms.handshake import AssociationParameters
from kwartier.dlms.link import Link
from kwartier.dlms.protection import CounterRange, SessionKeys
from kwartier.dlms.server import AssociationPoint, ServerSession
from kwartier.dlms.session import ClientSession
from kwartier.dlms.wrapper import WrapperLink

EK = bytes(range(16))
AK = bytes(range(0xD0, 0xE0))
OWN_TITLE = bytes.fromhex("4B57540000000001")
METER_TITLE = bytes.fromhex("4B414D0000000002")
CLIENT_CHALLENGE = b"CCCCCCCCCCCCCCCC"
METER_CHALLENGE = b"MMMMMMMMMMMMMMMM"
KEYS = SessionKeys(ek=EK, ak=AK)
MAX_EXCHANGES = 10_000

CLOCK = bytes((0, 0, 1, 0, 0, 255))
PROFILE = bytes((1, 0, 99, 1, 0, 255))


class Objects:
    """A few attributes, and a record of what was written and invoked."""

    def __init__(self, long_value: bytes = b"") -> None:
        self.values: dict[tuple[int, bytes, int], bytes] = {
            (8, CLOCK, 2): axdr.encode(axdr.octets(bytes(12))),
            (7, PROFILE, 2): long_value or axdr.encode(axdr.array(*(axdr.u32(i) for i in range(400)))),
        }
        self.calls: list[tuple[object, ...]] = []

    def get(self, class_id: int, obis: bytes, attribute: int, access: bytes | None) -> bytes | int:
        self.calls.append(("get", class_id, obis, attribute, access))
        return self.values.get((class_id, obis, attribute), 4)

    def set(self, class_id: int, obis: bytes, attribute: int, access: bytes | None, value: bytes) -> int:
        self.calls.append(("set", class_id, obis, attribute, value))
        self.values[class_id, obis, attribute] = value
        return 0

    def act(self, class_id: int, obis: bytes, method: int, value: bytes | None) -> tuple[int, bytes | None]:
        self.calls.append(("act", class_id, obis, method, value))
        return (0, value) if method == 1 else (3, None)


@dataclass
class Pair:
    """A client and a meter. ``step`` is how many bytes are handed over at once (0: all)."""

    client: ClientSession
    server: ServerSession
    objects: Objects
    point: AssociationPoint
    step: int = 0
    now: float = 0.0
    to_server: list[bytes] = field(default_factory=list)
    to_client: list[bytes] = field(default_factory=list)

    def run(self) -> list[Event]:
        """Carry bytes both ways until neither side has any more."""
        events: list[Event] = []
        for _ in range(MAX_EXCHANGES):
            up = self.client.data_to_send()
            if up:
                self.to_server.append(up)
                for piece in self._pieces(up):
                    self.server.receive(piece, self.now)
            down = self.server.data_to_send()
            if down:
                self.to_client.append(down)
                for piece in self._pieces(down):
                    events += self.client.receive(piece, self.now)
            if not up and not down:
                return events
        raise AssertionError("the two never stop talking")

    def _pieces(self, data: bytes) -> list[bytes]:
        step = self.step or len(data)
        return [data[at : at + step] for at in range(0, len(data), step)]


def make_pair(
    *,
    links: tuple[Link, Link] | None = None,
    step: int = 0,
    objects: Objects | None = None,
    point: AssociationPoint | None = None,
    keys: SessionKeys | None = KEYS,
    counters: CounterRange | None = None,
    **parameters: Any,  # noqa: ANN401 - whatever AssociationParameters takes
) -> Pair:
    """A client at address 1 and a meter at logical device 1 that share their keys, unless told otherwise."""
    objects = objects or Objects()
    point = point or AssociationPoint(keys=KEYS)
    client_link, server_link = links or (
        WrapperLink(source=1, destination=1),
        WrapperLink(source=1, destination=None),
    )
    settings: dict[str, Any] = {"own_title": OWN_TITLE, "peer_title": METER_TITLE, **parameters}
    client = ClientSession(
        AssociationParameters(**settings),
        client_link,
        keys=keys,
        counters=counters or CounterRange(100, 200),
        challenge=CLIENT_CHALLENGE,
    )
    server = ServerSession(
        own_title=METER_TITLE,
        points={1: point},
        link=server_link,
        counters=CounterRange(1, 1000),
        challenge=METER_CHALLENGE,
        handler=objects,
    )
    return Pair(client, server, objects, point, step)
