"""A consumer port over TCP: a telegram each second to whoever listens, and no ear for what they say."""

import asyncio
import time
from collections.abc import Callable
from typing import cast

from kwartier.simulate.p1 import ConsumerPort

MAX_READERS = 16
"""More than so many at once are turned away."""
MAX_WAITING_BYTES = 1 << 16
"""A reader that is so far behind is dropped: what it has not taken is old."""
PERIOD_S = 1.0


class P1Server:
    """One meter's consumer port at a TCP port. ``now`` gives UTC seconds."""

    def __init__(self, port: ConsumerPort, *, now: Callable[[], float] = time.time) -> None:
        self._port = port
        self._now = now
        self._readers: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    @property
    def readers(self) -> int:
        """How many listen."""
        return len(self._readers)

    async def listen(self, host: str, port: int) -> int:
        """Listen at ``port`` (0: any free one), and say which it is."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _Reader(self), host, port)
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    def send(self) -> None:
        """The telegram of this moment, to all."""
        octets = self._port.telegram(self._now())
        for reader in list(self._readers):
            if reader.get_write_buffer_size() > MAX_WAITING_BYTES:
                reader.abort()
            else:
                reader.write(octets)

    async def speak(self) -> None:
        """Send on each whole second, until it is cancelled."""
        while True:
            await asyncio.sleep(PERIOD_S - self._now() % PERIOD_S)
            self.send()

    def close(self) -> None:
        """Turn everybody away."""
        if self._server is not None:
            self._server.close()
        for reader in list(self._readers):
            reader.close()

    def came(self, reader: asyncio.Transport) -> None:
        """Somebody wants to listen."""
        if len(self._readers) >= MAX_READERS:
            reader.abort()
        else:
            self._readers.add(reader)

    def left(self, reader: asyncio.Transport) -> None:
        """Somebody does not listen any more."""
        self._readers.discard(reader)


class _Reader(asyncio.Protocol):
    """A line to one who listens."""

    def __init__(self, server: P1Server) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not every loop's transports are of the class that they fulfil.
        self._transport = cast("asyncio.Transport", transport)
        self._server.came(self._transport)

    def data_received(self, data: bytes) -> None:
        """The port only speaks."""

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._server.left(self._transport)
