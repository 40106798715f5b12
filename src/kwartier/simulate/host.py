"""Where simulated meters listen: each at a port of its own, in the server role of the same sessions that read them.

A :class:`Station` is one meter at one place: its objects, its keys, its associations, and what outlives a session - the
highest counter of every client and its own. :func:`serve` opens its port.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from kwartier.dlms.hdlc import Address
from kwartier.dlms.hdlc_link import HdlcLink
from kwartier.dlms.link import Link
from kwartier.dlms.protection import MAX_COUNTER, POLICIES, CounterRange, SessionKeys
from kwartier.dlms.server import AssociationPoint, ServerSession
from kwartier.dlms.wrapper import WrapperLink
from kwartier.errors import KwartierError
from kwartier.simulate.meter import SimulatedMeter

PUBLIC_CONFORMANCE = 0x001010
"""The public client may GET, also in blocks, and nothing else."""
FIRST_COUNTER = 1
MAX_IDLE_S = 120.0
"""A line on which nothing happens is closed, as a real meter's association times out."""


@dataclass(slots=True, kw_only=True)
class Station:
    """One simulated meter with what it needs to be visited. Its keys are not shown."""

    meter: SimulatedMeter
    system_title: bytes
    keys: SessionKeys = field(repr=False)
    challenge: Callable[[], bytes]
    transport: str = "wrapper"
    logical_device: int = 1
    address: Address = field(default_factory=lambda: Address(1))
    client: int = 1
    public_client: int = 16
    mechanism: int = 5
    policy: str = "authenticated+encrypted"
    max_pdu: int = 0xFFFF
    refuses_release: frozenset[str] = frozenset()
    sends_title: bool = True
    points: dict[int, AssociationPoint] = field(init=False)
    counters: CounterRange = field(init=False, repr=False)
    sessions: int = 0
    """How many lines it has answered."""

    def __post_init__(self) -> None:
        management = AssociationPoint(
            mechanism=self.mechanism,
            security_control=POLICIES[self.policy],
            keys=self.keys,
            max_pdu=self.max_pdu,
            refuses_release=self.refuses_release,
            sends_title=self.sends_title,
        )
        public = AssociationPoint(
            mechanism=0, security_control=0, conformance=PUBLIC_CONFORMANCE, only=self.meter.public_attributes
        )
        self.points = {self.client: management, self.public_client: public}
        self.counters = CounterRange(FIRST_COUNTER, MAX_COUNTER)
        self.meter.invocation_counter = lambda: max(0, management.peer_counter)

    def resume(self, highest: int) -> None:
        """Go on counting after ``highest``: a real meter remembers its counter, and one that is started again must be told."""
        self.counters = CounterRange(highest + 1, MAX_COUNTER)

    def link(self) -> Link:
        """A fresh framing for a new line."""
        if self.transport == "hdlc":
            return HdlcLink(client=False, client_address=None, server_address=self.address)
        return WrapperLink(source=self.logical_device, destination=None)

    def session(self) -> ServerSession:
        """A fresh session for a new line."""
        self.sessions += 1
        return ServerSession(
            own_title=self.system_title,
            points=self.points,
            link=self.link(),
            counters=self.counters,
            challenge=self.challenge(),
            handler=self.meter,
        )


class _Line(asyncio.Protocol):
    def __init__(self, station: Station) -> None:
        self._session = station.session()
        self._transport: asyncio.Transport | None = None
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio's and are no instances of them
        self._transport = cast("asyncio.Transport", transport)
        self._idle = asyncio.get_running_loop().call_later(MAX_IDLE_S, transport.close)

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        try:
            self._session.receive(data, asyncio.get_running_loop().time())
        except KwartierError:
            self._transport.abort()
            return
        answer = self._session.data_to_send()
        if answer:
            self._transport.write(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._idle is not None:
            self._idle.cancel()


async def serve(station: Station, host: str = "127.0.0.1", port: int = 0) -> asyncio.Server:
    """Open the station's port (0: any free one); the caller closes the server."""
    return await asyncio.get_running_loop().create_server(lambda: _Line(station), host, port)
