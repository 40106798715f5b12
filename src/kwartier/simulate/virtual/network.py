"""A network in memory: lines between addresses that keep their order, take their time, and break when they are told to.

Each line belongs to the process that opened it (:data:`PROCESS`), so that a process can be killed as the system does it: its
own ends fall silent, and whoever is at the other end hears that the line was reset. What the weather does to a line - delays,
silence, cuts, flipped bits - is asked of :class:`Weather`, piece by piece.
"""

import asyncio
import errno
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from typing import NoReturn, Protocol

FIRST_PORT = 20_000
PROCESS: ContextVar[str] = ContextVar("process", default="")
"""Who opens a line: the name of a virtual process; empty: nobody that can be killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What becomes of one piece of data on its way. ``octets``: None: the line breaks here."""

    delay_s: float
    octets: bytes | None


class Weather(Protocol):
    """What lines go through."""

    def opens_after_s(self, host: str, port: int) -> float | None:
        """How long opening a line takes; None: nothing is ever heard of it."""
        ...

    def carry(self, octets: bytes, *, to_meter: bool) -> Piece:
        """One piece of data."""
        ...


class Calm:
    """Nothing happens to lines, in no time."""

    def opens_after_s(self, host: str, port: int) -> float | None:
        """At once."""
        return 0.0

    def carry(self, octets: bytes, *, to_meter: bool) -> Piece:
        """As it is."""
        return Piece(delay_s=0.0, octets=octets)


class Socket:
    """As much of a listening socket as is asked for."""

    def __init__(self, host: str, port: int) -> None:
        self._name = (host, port)

    def getsockname(self) -> tuple[str, int]:
        """Where it listens."""
        return self._name


class Server:
    """Somebody who listens."""

    def __init__(self, network: "Network", host: str, port: int) -> None:
        self._network = network
        self._name = (host, port)
        self.sockets = (Socket(host, port),)

    def close(self) -> None:
        """Listen no more."""
        self._network.forget(self._name)


class Network:
    """Who listens where, and the lines that are open."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._listening: dict[tuple[str, int], Callable[[], asyncio.BaseProtocol]] = {}
        self._ports = count(FIRST_PORT)
        self._open: dict[End, None] = {}
        self.weather: Weather = Calm()
        self.opened = 0

    def listen(self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int) -> Server:
        """Whoever connects to ``host`` and ``port`` (0: a free one) meets what ``factory`` makes."""
        name = (host, port or next(self._ports))
        if name in self._listening:
            raise OSError(errno.EADDRINUSE, "address in use")
        self._listening[name] = factory
        return Server(self, *name)

    def forget(self, name: tuple[str, int]) -> None:
        """Nobody listens there any more."""
        self._listening.pop(name, None)

    async def connect(
        self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """A line to whoever listens there."""
        delay_s = self.weather.opens_after_s(host, port)
        if delay_s is None:
            await self._loop.create_future()
        else:
            await asyncio.sleep(delay_s)
        there = self._listening.get((host, port))
        if there is None:
            raise OSError(errno.ECONNREFUSED, "connection refused")
        self.opened += 1
        near = End(self, self._loop, factory(), PROCESS.get())
        far = End(self, self._loop, there(), "")
        near.peer, far.peer = far, near
        self._open[near] = self._open[far] = None
        far.protocol.connection_made(far)
        near.protocol.connection_made(near)
        return near, near.protocol

    def closed(self, end: "End") -> None:
        """A line has one end less."""
        self._open.pop(end, None)

    def kill(self, process: str) -> int:
        """Everything that ``process`` had open is reset, and it hears nothing of that; how many lines."""
        lost = [end for end in self._open if end.process == process]
        for end in lost:
            end.die()
        return len(lost)


class End(asyncio.Transport):
    """One end of a line."""

    def __init__(
        self, network: Network, loop: asyncio.AbstractEventLoop, protocol: asyncio.BaseProtocol, process: str
    ) -> None:
        super().__init__()
        self._network = network
        self._loop = loop
        self.protocol = protocol
        self.process = process
        self.peer: End = self
        self._closing = False
        self._gone = False
        self._last_s = 0.0
        self._acts: deque[Callable[[], None]] = deque()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send; it arrives after what was sent before."""
        if self._closing:
            return
        piece = self._network.weather.carry(bytes(data), to_meter=bool(self.process))
        if piece.octets is None:
            self._at(piece.delay_s, self._cut)
            return
        octets = piece.octets
        self._at(piece.delay_s, lambda: self.peer.take(octets))

    def close(self) -> None:
        """Say goodbye after what was sent."""
        if not self._closing:
            self._closing = True
            self._at(0.0, self.peer.ended)
            self._loop.call_soon(self.lost, None)

    def abort(self) -> None:
        """Break the line."""
        self._closing = True
        self._at(0.0, lambda: self.peer.lost(ConnectionResetError(errno.ECONNRESET, "reset")))
        self._loop.call_soon(self.lost, None)

    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self._closing

    def die(self) -> None:
        """Whoever held this end is no more: it hears nothing, and the other end hears of it."""
        self._closing = self._gone = True
        self._network.closed(self)
        self._at(0.0, lambda: self.peer.lost(ConnectionResetError(errno.ECONNRESET, "reset")))

    def take(self, octets: bytes) -> None:
        """Octets from the other end."""
        protocol = self.protocol
        if self._closing:
            return
        if isinstance(protocol, asyncio.Protocol):
            protocol.data_received(octets)
            return
        if not isinstance(protocol, asyncio.BufferedProtocol):
            _unheard(protocol)
        while octets and not self._closing:
            room = memoryview(protocol.get_buffer(len(octets)))
            size = min(len(room), len(octets))
            room[:size] = octets[:size]
            octets = octets[size:]
            protocol.buffer_updated(size)

    def ended(self) -> None:
        """The other end will send nothing more."""
        protocol = self.protocol
        if not self._closing:
            if isinstance(protocol, (asyncio.Protocol, asyncio.BufferedProtocol)):
                protocol.eof_received()
            self._closing = True
            self.lost(None)

    def lost(self, error: OSError | None) -> None:
        """There is no line any more."""
        self._closing = True
        if not self._gone:
            self._gone = True
            self._network.closed(self)
            self.protocol.connection_lost(error)

    def _cut(self) -> None:
        reset = ConnectionResetError(errno.ECONNRESET, "reset")
        self.peer.lost(reset)
        self.lost(reset)

    def _at(self, delay_s: float, act: Callable[[], None]) -> None:
        # Timers of one moment run in any order: what is next is known here.
        self._acts.append(act)
        self._last_s = max(self._last_s, self._loop.time() + delay_s)
        self._loop.call_at(self._last_s, self._next)

    def _next(self) -> None:
        self._acts.popleft()()


def _unheard(protocol: asyncio.BaseProtocol) -> NoReturn:
    raise TypeError(f"{type(protocol).__name__} can take no data")
