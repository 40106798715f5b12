"""Where simulated meters listen, in the server role of the same sessions that read them.

A :class:`Station` is one meter at one place: its objects, its keys, its associations, and what outlives a session - the
highest counter of every client, its own, and how often somebody read what its household used today. :func:`serve` opens a
port for one of them.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from kwartier import clock
from kwartier.dlms.hdlc import Address
from kwartier.dlms.hdlc_link import HdlcLink
from kwartier.dlms.link import Link
from kwartier.dlms.protection import MAX_COUNTER, POLICIES, CounterRange, SessionKeys
from kwartier.dlms.server import NO_LIMIT, AssociationPoint, Handler, ServerSession
from kwartier.dlms.wrapper import WrapperLink
from kwartier.errors import KwartierError
from kwartier.simulate.meter import READ_WRITE_DENIED, SimulatedMeter

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
    answer_limit: int = NO_LIMIT
    """Its answers are cut into blocks of this size, however large a one the client takes."""
    max_profile_reads: int | None = None
    """So many associations a local day may read personal data; in the next they are refused. None: any number."""
    read_day: int = 0
    reads: int = 0
    """How many associations have read personal data on the day with the ordinal ``read_day``."""
    refuses_release: frozenset[str] = frozenset()
    sends_title: bool = True
    points: dict[int, AssociationPoint] = field(init=False)
    counters: CounterRange = field(init=False, repr=False)
    handler: Handler | None = field(default=None, repr=False)
    """Who answers in the meter's place; None: the meter."""
    sessions: int = 0
    """How many lines it has answered."""

    def __post_init__(self) -> None:
        management = AssociationPoint(
            mechanism=self.mechanism,
            security_control=POLICIES[self.policy],
            keys=self.keys,
            max_pdu=self.max_pdu,
            answer_limit=self.answer_limit,
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

    @property
    def next_counter(self) -> int:
        """The invocation counter that it would use next."""
        return MAX_COUNTER - self.counters.left

    def link(self) -> Link:
        """A fresh framing for a new line."""
        if self.transport == "hdlc":
            return HdlcLink(client=False, client_address=None, server_address=self.address)
        return WrapperLink(source=self.logical_device, destination=None)

    def session(self) -> ServerSession:
        """A fresh session for a new line."""
        self.sessions += 1
        guard = None if self.max_profile_reads is None else Guard(self)
        session = ServerSession(
            own_title=self.system_title,
            points=self.points,
            link=self.link(),
            counters=self.counters,
            challenge=self.challenge(),
            handler=guard or self.handler or self.meter,
        )
        if guard is not None:
            guard.association = lambda: session.associations
        return session

    def may_read(self) -> bool:
        """Whether one more association may read personal data today; it is counted."""
        day = clock.local_day(int(self.meter.clock_s), self.meter.timezone).toordinal()
        if day != self.read_day:
            self.read_day, self.reads = day, 0
        if self.max_profile_reads is not None and self.reads >= self.max_profile_reads:
            return False
        self.reads += 1
        return True


class Guard:
    """Stands before the objects of a meter and counts who reads personal data: once for each association."""

    __slots__ = ("_counted", "_refused", "_station", "association")

    def __init__(self, station: Station) -> None:
        self._station = station
        self._counted = 0
        self._refused = False
        self.association: Callable[[], int] = lambda: 1
        """The number of the association on this line, from 1."""

    def get(self, class_id: int, obis: bytes, attribute: int, access: bytes | None) -> bytes | int:
        """As the meter, or a refusal."""
        meter = self._station.meter
        if meter.is_personal(class_id, obis, attribute):
            number = self.association()
            if number != self._counted:
                self._counted, self._refused = number, not self._station.may_read()
            if self._refused:
                return READ_WRITE_DENIED
        return (self._station.handler or meter).get(class_id, obis, attribute, access)

    def set(self, class_id: int, obis: bytes, attribute: int, access: bytes | None, value: bytes) -> int:
        """As the meter."""
        return (self._station.handler or self._station.meter).set(class_id, obis, attribute, access, value)

    def act(self, class_id: int, obis: bytes, method: int, value: bytes | None) -> tuple[int, bytes | None]:
        """As the meter."""
        return (self._station.handler or self._station.meter).act(class_id, obis, method, value)


class Line(asyncio.Protocol):
    """One line of one meter. ``session`` may come later, for who has to hear first which meter is meant."""

    def __init__(self, session: ServerSession | None) -> None:
        self.session = session
        self.transport: asyncio.Transport | None = None
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The line is open."""
        # uvloop's transports have the methods of asyncio's and are no instances of them
        self.transport = cast("asyncio.Transport", transport)
        self._idle = asyncio.get_running_loop().call_later(MAX_IDLE_S, transport.close)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client: answered at once."""
        if self.transport is None or self.session is None:
            return
        try:
            self.session.receive(data, asyncio.get_running_loop().time())
        except KwartierError:
            self.transport.abort()
            return
        answer = self.session.data_to_send()
        if answer:
            self.answer(answer)

    def answer(self, octets: bytes) -> None:
        """Send one answer."""
        if self.transport is not None:
            self.transport.write(octets)

    def connection_lost(self, exc: Exception | None) -> None:
        """The line is gone."""
        if self._idle is not None:
            self._idle.cancel()


async def serve(station: Station, host: str = "127.0.0.1", port: int = 0) -> asyncio.Server:
    """Open the station's port (0: any free one); the caller closes the server."""
    return await asyncio.get_running_loop().create_server(lambda: Line(station.session()), host, port)
