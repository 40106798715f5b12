"""One line to one meter: drain, arm the timer, deliver.

:class:`Conversation` joins a sans-IO session to an asyncio transport and walks a *plan* through it. A plan is a generator
that yields operations and is sent the event that answers each; what it returns is the result of the conversation. The plan
may fail on its own account (a buffer that makes no sense): the association is released all the same, and the failure is
reported afterwards. There is one timer: it is armed for the earliest deadline and looks again when it fires, so that the
usual message costs no re-arming; only a deadline that comes nearer arms it anew.

Bytes are taken from the line in small pieces (:data:`READ_BYTES`), so that what a peer can make us hold does not depend on how
much of it the system has gathered for us.
"""

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Final, Generic, Self, TypeVar, cast

from kwartier.collect.tape import Tape
from kwartier.cosem.allowed import check
from kwartier.cosem.asking import Interrupted
from kwartier.dlms.events import (
    Answer,
    Associated,
    AssociationRefused,
    CountersNeeded,
    Event,
    ExceptionReceived,
    ListAnswer,
    Notification,
    Operation,
    Refusal,
    Released,
)
from kwartier.dlms.protection import CounterRange
from kwartier.dlms.session import LEAVING, ClientSession
from kwartier.errors import KwartierError, LinkLost

READ_BYTES: Final = 4096
"""How much is taken from the line at once: the usual answer of a day, and no more than a session may hold."""

Result = TypeVar("Result")
Reply = Answer | ListAnswer | Refusal | ExceptionReceived
Plan = Generator[Operation, Reply, Result]
"""What is to be done with a meter: yields operations, is sent their answers, returns the result."""
_ANSWERS: Final = (Answer, ListAnswer, Refusal)
Reserve = Callable[[int], CounterRange]
"""Durably reserve at least so many invocation counters more. May block: it is called on a thread."""


@dataclass(slots=True, kw_only=True)
class Traffic:
    """What a conversation cost on the line."""

    bytes_sent: int = 0
    bytes_received: int = 0
    messages_sent: int = 0

    def __iadd__(self, other: "Traffic") -> Self:
        self.bytes_sent += other.bytes_sent
        self.bytes_received += other.bytes_received
        self.messages_sent += other.messages_sent
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The meter said no before anything was asked: the association was refused, or an exception came instead."""

    event: AssociationRefused | ExceptionReceived


class Conversation(asyncio.BufferedProtocol, Generic[Result]):
    """Drives ``session`` through ``plan`` on the transport that it is connected to. Await :attr:`done`.

    ``done`` becomes the plan's result, or a :class:`Refused`, or raises the :class:`KwartierError` that ended it. The
    transport is closed by then. ``tape``: where what goes over the line is kept, if this visit is traced.
    """

    __slots__ = (
        "_armed_s",
        "_buffer",
        "_deadline_s",
        "_failure",
        "_loop",
        "_outcome",
        "_plan",
        "_reserve",
        "_session",
        "_tape",
        "_timer",
        "_transport",
        "done",
        "notifications",
        "salvaged",
        "traffic",
    )

    def __init__(
        self,
        session: ClientSession,
        plan: Plan[Result],
        *,
        loop: asyncio.AbstractEventLoop,
        deadline_s: float,
        reserve: Reserve | None = None,
        tape: Tape | None = None,
    ) -> None:
        self._session = session
        self._tape = tape
        self._plan = plan
        self._loop = loop
        self._deadline_s = deadline_s
        self._reserve = reserve
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed_s = deadline_s
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._outcome: Result | Refused | None = None
        self._failure: KwartierError | None = None
        self.done: asyncio.Future[Result | Refused] = loop.create_future()
        self.traffic = Traffic()
        self.notifications: list[bytes] = []
        self.salvaged: Result | None = None
        """What the plan made of what had come, where the conversation failed in the middle."""

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The line is open: start talking."""
        self._transport = cast("asyncio.Transport", transport)
        if self.done.done():  # whoever wanted it has gone while it was being opened
            self._transport.abort()
            return
        try:
            self._session.open(self._loop.time())
        except KwartierError as error:
            self._end(error)
            return
        self._drain()
        self._arm()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes are to be put; what was there before is with the session by then."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came in."""
        if self.done.done():
            return
        self.traffic.bytes_received += nbytes
        if self._tape is not None:
            self._tape.received(bytes(self._buffer[:nbytes]))
        try:
            self._deliver(self._session.receive(bytes(self._buffer[:nbytes]), self._loop.time()))
        except KwartierError as error:
            self._end(self._failure or error)
            return
        self._drain()
        self._arm_sooner()

    def eof_received(self) -> bool:
        """The meter will send nothing more."""
        self._lost()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The line is gone; by a mistake of our own, if it is no error of the system."""
        if exc is not None and not isinstance(exc, OSError):
            self._end(exc)
        self._lost()

    def abandon(self) -> None:
        """Whoever awaited :attr:`done` has gone: close the line, if it is still open."""
        # Cancelling who awaits :attr:`done` cancels that too, and the line is then still open.
        if self.done.cancelled() or not self.done.done():
            self.done.cancel()
            self._close(at_once=True)

    # The three steps.

    def _deliver(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, _ANSWERS):
                self._advance(event)
            elif isinstance(event, Associated):
                self._advance(None)
            elif isinstance(event, ExceptionReceived):
                if event.operation is None:
                    self._outcome = Refused(event=event)
                else:
                    self._advance(event)
            elif isinstance(event, AssociationRefused):
                self._outcome = Refused(event=event)
            elif isinstance(event, Notification):
                self.notifications.append(event.apdu)
            elif isinstance(event, CountersNeeded):
                self._ask_for_counters(event.at_least)
            elif isinstance(event, Released):
                self._end(self._failure)

    def _advance(self, reply: Reply | None) -> None:
        """Give the plan its answer and ask what it wants next, until something goes on the line."""
        session, now = self._session, self._loop.time()
        while True:
            try:
                operation = next(self._plan) if reply is None else self._plan.send(reply)
                check(operation)
            except StopIteration as stop:
                self._outcome = stop.value
                self._deliver(session.release(now))
                return
            except KwartierError as error:
                self._failure = error
                self._deliver(session.release(now))
                return
            events = session.ask(operation, now)
            if not events or not isinstance(events[0], Refusal):
                self._deliver(events)
                return
            reply = events[0]

    def _ask_for_counters(self, at_least: int) -> None:
        if self._reserve is None:
            raise LinkLost("counters-spent-early", "the reserved invocation counters are spent before the plan is done")
        pending = self._loop.run_in_executor(None, self._reserve, at_least)
        pending.add_done_callback(self._counters_reserved)

    def _counters_reserved(self, pending: "asyncio.Future[CounterRange]") -> None:
        if pending.cancelled():
            return
        failure = pending.exception()
        if self.done.done():
            return
        if failure is not None:
            self._end(failure)
            return
        try:
            self._session.add_counters(pending.result(), self._loop.time())
        except KwartierError as error:
            self._end(error)
            return
        self._drain()
        self._arm_sooner()

    def _drain(self) -> None:
        if self._transport is None or self.done.done():
            return
        data = self._session.data_to_send()
        if data:
            self.traffic.messages_sent += 1
            self.traffic.bytes_sent += len(data)
            if self._tape is not None:
                self._tape.sent(data)
            self._transport.write(data)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._session.deadline
        self._armed_s = self._deadline_s if deadline is None else min(deadline, self._deadline_s)
        self._timer = self._loop.call_at(self._armed_s, self._on_timer)

    def _arm_sooner(self) -> None:
        """Arm again where something is due before the timer looks: a pause of the link, or the end of a frame."""
        deadline = self._session.deadline
        if deadline is not None and deadline < self._armed_s and not self.done.done():
            self._arm()

    def _on_timer(self) -> None:
        if self.done.done():
            return
        now = self._loop.time()
        if now >= self._deadline_s:
            state = self._session.state
            so_far = f"{state.value}, {self.traffic.bytes_received} bytes received"
            up = LinkLost("total-deadline", f"the visit's time was up while {so_far}")
            # What was read stands, also when the meter is slow to let us go.
            self._end(self._failure if state in LEAVING else up)
            return
        deadline = self._session.deadline
        if deadline is not None and now >= deadline:
            try:
                self._deliver(self._session.handle_timer(now))
            except KwartierError as error:
                self._end(self._failure or error)
                return
            self._drain()
        if not self.done.done():
            self._arm()

    def _lost(self) -> None:
        if self.done.done():
            return
        try:
            self._deliver(self._session.eof())
        except KwartierError as error:
            self._end(self._failure or error)

    def _end(self, error: BaseException | None) -> None:
        """Close the line and settle :attr:`done`; the first ending counts."""
        if self.done.done():
            return
        if isinstance(error, KwartierError):
            self._salvage()
        self._close(at_once=error is not None)
        if error is not None:
            self.done.set_exception(error)
        elif self._outcome is None:
            self.done.set_exception(LinkLost("peer-closed", "the association ended before anything was read"))
        else:
            self.done.set_result(self._outcome)

    def _salvage(self) -> None:
        """Tell the plan that nothing more comes, and keep what it gives back."""
        try:
            self._plan.throw(Interrupted(self._session.partial))
        except StopIteration as stop:
            self.salvaged = stop.value
        except (Interrupted, KwartierError):
            return

    def _close(self, *, at_once: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._plan.close()
        if self._transport is None:
            return
        data = b"" if at_once else self._session.data_to_send()
        if data:
            if self._tape is not None:
                self._tape.sent(data)
            self._transport.write(data)
        if at_once:
            self._transport.abort()
        else:
            self._transport.close()
