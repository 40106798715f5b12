"""Meters that mean harm, and a way to talk to them without a line or a clock.

A :class:`Meter` is our own server session with two places to lie at: ``twist`` replaces the APDUs of an answer, before they
are framed, and ``spoil`` replaces the bytes. :func:`converse` drives a conversation through such a meter on a loop whose time
stands still until somebody waits, and books what our side of it held and how long it computed.
"""

import asyncio
import time
import tracemalloc
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain
from typing import Any, TypeVar, TypeVarTuple

from kwartier.collect.line import Conversation, Plan, Refused
from kwartier.dlms.events import Get, GetList, Operation
from kwartier.dlms.handshake import AssociationParameters
from kwartier.dlms.hdlc import Address
from kwartier.dlms.hdlc_link import HdlcLink
from kwartier.dlms.link import Link
from kwartier.dlms.protection import CounterRange
from kwartier.dlms.server import AssociationPoint, Handler, ServerSession
from kwartier.dlms.session import ClientSession
from kwartier.dlms.wrapper import WrapperLink
from kwartier.errors import KwartierError
from tests.dlms.pairs import CLIENT_CHALLENGE, KEYS, METER_CHALLENGE, METER_TITLE, OWN_TITLE

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

DEADLINE_S = 60.0
MAX_STEPS = 400_000
"""Pieces that a peer may say before a conversation is called endless."""


class End(Enum):
    """How a line ends from the other side."""

    EOF = "eof"
    RESET = "reset"


Said = tuple[float, bytes | End]
"""So many seconds later, these bytes or this end."""
Spoil = Callable[[int, bytes], Iterator[Said]]
"""The number of the answer (from 0) and its bytes -> what is said instead."""
Twist = Callable[["TwistedSession", bytes, bytes], Iterable[bytes]]
"""The session, the request as it came and the honest answer -> the APDUs that are sent instead."""


class TwistedSession(ServerSession):
    """A meter's session that may say something else than it should."""

    twist: Twist | None = None
    asked = 0
    """Requests so far, and the answer to the first: notes for who lies."""
    first_answer = b""

    def _answer(self, apdu: bytes) -> bytes:
        honest = super()._answer(apdu)
        if self.twist is None:
            return honest
        for lie in self.twist(self, apdu, honest):
            self._link.send(lie, 0.0)
        return b""

    def protect(self, apdu: bytes) -> bytes:
        """Protected as an answer of this association would be."""
        return self._protect(apdu)


def link_of(transport: str) -> tuple[Link, Link]:
    """The client's and the meter's link of a transport."""
    if transport == "hdlc":
        return (
            HdlcLink(client=True, client_address=1, server_address=Address(1)),
            HdlcLink(client=False, client_address=None, server_address=Address(1)),
        )
    return WrapperLink(source=1, destination=1), WrapperLink(source=1, destination=None)


class Meter:
    """A meter on one line."""

    def __init__(
        self,
        transport: str,
        handler: Handler,
        *,
        twist: Twist | None = None,
        spoil: Spoil | None = None,
        max_pdu: int = 0xFFFF,
        point: AssociationPoint | None = None,
        public: AssociationPoint | None = None,
    ) -> None:
        points = {1: point or AssociationPoint(keys=KEYS, max_pdu=max_pdu)}
        if public is not None:
            points[16] = public
        self.session = TwistedSession(
            own_title=METER_TITLE,
            points=points,
            link=link_of(transport)[1],
            counters=CounterRange(1, 1_000_000),
            challenge=METER_CHALLENGE,
            handler=handler,
        )
        self.session.twist = twist
        self._spoil = spoil
        self._turn = 0

    def hear(self, data: bytes) -> Iterator[Said]:
        """What the meter says once it has heard ``data``."""
        try:
            self.session.receive(data, 0.0)
        except KwartierError:
            if self._spoil is None:
                yield 0.0, End.RESET
                return
        answer = self.session.data_to_send()
        if self._spoil is None:
            yield 0.0, answer
            return
        turn = self._turn
        self._turn += 1
        yield from self._spoil(turn, answer)


class StillLoop(asyncio.SelectorEventLoop):
    """A loop that nobody runs: its time is moved by hand, and its timers are called by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._timers: list[asyncio.TimerHandle] = []

    def time(self) -> float:
        return self.now

    def call_at(
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._timers = [one for one in self._timers if not one.cancelled()]
        self._timers.append(handle)
        return handle

    def run_in_executor(self, executor: Executor | None, func: Callable[[*_Ts], _T], *args: *_Ts) -> asyncio.Future[_T]:
        done: asyncio.Future[_T] = self.create_future()
        done.set_result(func(*args))
        return done

    def next_timer(self) -> asyncio.TimerHandle | None:
        """The timer that is due first."""
        live = [one for one in self._timers if not one.cancelled()]
        return min(live, key=lambda one: one.when(), default=None)

    def fire(self, handle: asyncio.TimerHandle) -> None:
        """Move the time to a timer and call it."""
        self.now = max(self.now, handle.when())
        self._timers.remove(handle)
        handle._run()


class _Line(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self._sent: list[bytes] = []
        self.closed = False
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._sent.append(bytes(data))

    def take(self) -> bytes:
        sent, self._sent = b"".join(self._sent), []
        return sent

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True


@dataclass(slots=True)
class Ledger:
    """What the calls into our side cost: seconds of computing, and bytes that were held at the worst moment."""

    cpu_s: float = 0.0
    held_bytes: int = 0
    peak_bytes: int = 0
    largest_asked_bytes: int = 0
    """The most that one request of the plan could legitimately bring."""

    @contextmanager
    def booking(self) -> Iterator[None]:
        before = 0
        tracing = tracemalloc.is_tracing()
        if tracing:
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
        began = time.thread_time()
        try:
            yield
        finally:
            self.cpu_s += time.thread_time() - began
            if tracing:
                after, peak = tracemalloc.get_traced_memory()
                self.peak_bytes = max(self.peak_bytes, self.held_bytes + peak - before)
                self.held_bytes += after - before


@dataclass(slots=True, kw_only=True)
class Outcome:
    """How a conversation ended, on the line's own clock."""

    result: object = None
    error: BaseException | None = None
    ended_s: float = 0.0
    ledger: Ledger = field(default_factory=Ledger)
    aborted: bool = False
    notifications: int = 0


def _watched(plan: Plan[object], ledger: Ledger) -> Generator[Operation, Any, object]:
    reply = None
    while True:
        try:
            operation = next(plan) if reply is None else plan.send(reply)
        except StopIteration as stop:
            return stop.value
        if isinstance(operation, Get | GetList):
            ledger.largest_asked_bytes = max(ledger.largest_asked_bytes, operation.max_bytes)
        reply = yield operation


def converse(
    meter: Meter,
    transport: str,
    plan: Callable[[], Plan[object]],
    *,
    response_timeout_s: float = 15.0,
    max_pdu: int = 0xFFFF,
    counters: CounterRange | None = None,
) -> Outcome:
    """Carry out ``plan`` with ``meter`` and see how it ends."""
    loop, line, ledger = StillLoop(), _Line(), Ledger()
    try:
        with ledger.booking():
            session = ClientSession(
                AssociationParameters(
                    own_title=OWN_TITLE,
                    peer_title=METER_TITLE,
                    response_timeout_s=response_timeout_s,
                    max_pdu=max_pdu,
                ),
                link_of(transport)[0],
                keys=KEYS,
                counters=counters or CounterRange(100, 100_000),
                challenge=CLIENT_CHALLENGE,
            )
            talk: Conversation[object] = Conversation(
                session, _watched(plan(), ledger), loop=loop, deadline_s=DEADLINE_S
            )
            talk.connection_made(line)
        _play(loop, line, talk, meter, ledger)
        error = talk.done.exception()
        return Outcome(
            result=None if error else talk.done.result(),
            error=error,
            ended_s=loop.now,
            ledger=ledger,
            aborted=line.aborted,
            notifications=len(talk.notifications),
        )
    finally:
        loop.close()


def _play(loop: StillLoop, line: _Line, talk: Conversation[object], meter: Meter, ledger: Ledger) -> None:
    said: Iterator[Said] = iter(())
    waiting: tuple[float, bytes | End] | None = None
    for _ in range(MAX_STEPS):
        if talk.done.done():
            return
        sent = line.take()
        if sent:
            said = chain(said, meter.hear(sent))
        if waiting is None:
            following = next(said, None)
            waiting = None if following is None else (loop.now + following[0], following[1])
        timer = loop.next_timer()
        if waiting is None or (timer is not None and timer.when() <= waiting[0]):
            assert timer is not None, "nobody will ever wake this conversation"
            with ledger.booking():
                loop.fire(timer)
            continue
        loop.now, what = waiting
        waiting = None
        if isinstance(what, bytes):
            _deliver(talk, what, ledger)
        else:
            with ledger.booking():
                if what is End.EOF:
                    talk.eof_received()
                talk.connection_lost(ConnectionResetError() if what is End.RESET else None)
    raise AssertionError("the two never stop talking")


def _deliver(talk: Conversation[object], data: bytes, ledger: Ledger) -> None:
    at = 0
    while at < len(data):
        with ledger.booking():
            buffer = talk.get_buffer(-1)
            piece = data[at : at + len(buffer)]
            buffer[: len(piece)] = piece
            at += len(piece)
            talk.buffer_updated(len(piece))


def refused(outcome: Outcome) -> bool:
    """Whether the meter was taken at its word when it said no."""
    return isinstance(outcome.result, Refused)
