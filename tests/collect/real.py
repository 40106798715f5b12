"""Visits over real sockets in one process: a loop whose clock jumps, meters that listen, and counters in memory.

The clock of :class:`JumpingLoop` stands still while anything is to be read or called, and jumps to the next timer when
nothing is: a visit that waits a minute takes a millisecond, and what happens when is decided by the timers alone.
"""

import asyncio
import selectors
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar, TypeVarTuple

from kwartier.collect.line import Plan
from kwartier.collect.visit import Credentials, Visitor
from kwartier.cosem import companion as companions
from kwartier.cosem.companion import Companion
from kwartier.dlms.events import Answer, Get
from kwartier.dlms.protection import CounterRange
from kwartier.errors import SecurityError, WireError
from kwartier.model import Finding
from kwartier.model import Meter as Registered
from tests.collect.peers import End, Meter
from tests.dlms.pairs import CLOCK, KEYS, METER_TITLE, OWN_TITLE

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

GRACE_S = 0.002
"""How long the jumping clock waits for bytes that are still under way on loopback."""
DEADLINE_S = 60.0
LARGEST_JUMP = 1000
EPOCH = datetime(2026, 3, 6, 3, 0, tzinfo=UTC)
SMR = companions.load("smr-5.5")


class _JumpingSelector(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        events = super().select(timeout if timeout is None else GRACE_S)
        if not events and timeout is not None:
            self.now += timeout
        return events


class JumpingLoop(asyncio.SelectorEventLoop):
    """See the module. What would run on a thread runs at once: threads know nothing of this clock."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self.complaints: list[str] = []
        self.set_exception_handler(lambda _, context: self.complaints.append(str(context)))

    def time(self) -> float:
        return self._jumping.now

    def run_in_executor(self, executor: Executor | None, func: Callable[[*_Ts], _T], *args: *_Ts) -> asyncio.Future[_T]:
        done: asyncio.Future[_T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - handed on to whoever awaits it
            done.set_exception(error)
        return done


def jump(main: Callable[[], Coroutine[object, object, _T]]) -> _T:
    """Run ``main`` on a loop whose clock jumps; whatever asyncio has to complain of is a failure."""
    loop = JumpingLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(main())
    assert loop.complaints == []
    return result


@asynccontextmanager
async def listening(meters: Callable[[], Meter]) -> AsyncIterator[int]:
    """A port at which each new line is answered by a new meter of ``meters``."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await _talk(meters(), reader, writer)
        finally:
            writer.transport.abort()
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


async def _talk(meter: Meter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    # Cancelled when the port closes; asyncio's own bookkeeping of streams does not expect that of a handler.
    with suppress(ConnectionError, asyncio.CancelledError):
        while data := await reader.read(1 << 16):
            for delay_s, what in meter.hear(data):
                if delay_s:
                    await asyncio.sleep(delay_s)
                if isinstance(what, End):
                    return
                writer.write(what)
                await writer.drain()


@dataclass(slots=True)
class Counters:
    """A counter source that remembers what was asked of it."""

    next: int = 100
    peer_counter: int = -1
    max_jump: int = LARGEST_JUMP
    reserved: list[tuple[int, int]] = field(default_factory=list)

    def reserve(self, count: int) -> CounterRange:
        start, self.next = self.next, self.next + count
        self.reserved.append((start, self.next))
        return CounterRange(start, self.next)

    def raise_to(self, counter: int) -> Finding | None:
        if counter <= self.next:
            return None
        if counter - self.next > self.max_jump:
            raise SecurityError("counter-jump", f"{counter - self.next} ahead")
        self.next = counter
        return Finding(code="counter-recovered", start=0, end=0, reason="moved forward")

    def accepted(self, peer_counter: int) -> None:
        self.peer_counter = max(self.peer_counter, peer_counter)


def registered(port: int, transport: str = "wrapper", host: str = "127.0.0.1") -> Registered:
    """A meter of the registry at ``port``."""
    return Registered(
        meter="m-1",
        ean="200000000000000000",
        host=host,
        port=port,
        system_title=METER_TITLE,
        companion="smr-5.5",
        transport=transport,
    )


def visitor(
    meter: Registered,
    counters: Counters | None = None,
    *,
    deadline_s: float = DEADLINE_S,
    companion: Companion = SMR,
    challenge: Callable[[int], bytes] = bytes,
) -> Visitor[object]:
    """A visitor of ``meter``, whose record says how much of the loop's time went by."""

    def wall() -> datetime:
        return EPOCH + timedelta(seconds=asyncio.get_running_loop().time())

    return Visitor(
        meter,
        companion,
        Credentials(own_title=OWN_TITLE, keys=KEYS, counters=counters or Counters()),
        deadline_s=deadline_s,
        wall=wall,
        challenge=challenge,
    )


def the_clock() -> Plan[object]:
    """One value, or the error of a plan that did not get it."""
    reply = yield Get(class_id=8, obis=CLOCK, attribute=2, max_bytes=64)
    if not isinstance(reply, Answer):
        raise WireError("profile-refused", "the meter refused its clock")
    return reply.value
