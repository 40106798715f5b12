"""An event loop whose time is not that of the world: with nothing to do, it jumps to the next timer.

Hours pass in seconds, and what happens follows from what was asked for and from nothing else: there are no threads, no sockets
and no signals.
"""

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar, TypeVarTuple

from kwartier.simulate.virtual.network import Network, Server

Answer = TypeVar("Answer")
Words = TypeVarTuple("Words")

RESOLUTION_S = 1e-6
"""Timers so near to each other are of one moment. It has to be more than what a float can tell apart after years of seconds:
a timer whose moment has come, and that is not seen to be due, is waited for in no time and for ever."""


class _Jump(selectors.SelectSelector):
    """Waits by moving the time on."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, wait_s: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Nothing ever comes from outside."""
        if wait_s is None:
            raise RuntimeError("everything waits, and nothing will happen any more")
        self.now_s += max(0.0, wait_s)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Seconds of :meth:`time` begin at 0. Lines are opened on :attr:`network`; what is meant for a thread is done at once."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)
        self._clock_resolution = RESOLUTION_S
        self.network = Network(self)

    def time(self) -> float:
        """Virtual seconds."""
        return self._jump.now_s

    def run_in_executor(  # no thread ever runs here, so the answer is there at once
        self, executor: Executor | None, func: Callable[[*Words], Answer], *args: *Words
    ) -> asyncio.Future[Answer]:
        """Do it now."""
        done: asyncio.Future[Answer] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever awaits it is told, as by a thread
            done.set_exception(error)
        return done

    async def create_connection(  # type: ignore[override]  # only what a transport of ours asks for
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], host: str, port: int
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """A line of the network in memory."""
        return await self.network.connect(protocol_factory, host, port)

    async def create_server(  # type: ignore[override]  # only what the simulated fleet asks for
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], host: str, port: int, *, backlog: int = 0
    ) -> Server:
        """Listen on the network in memory."""
        return self.network.listen(protocol_factory, host, port)
