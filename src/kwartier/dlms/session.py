"""The reading side of a conversation with one meter: bytes and ``now`` in; events, bytes and a deadline out.

The client holds a link, a handshake with the protection that it leaves behind, and the state table of
:mod:`kwartier.dlms.states`. One request is outstanding at a time. Whoever drives it calls, in a loop, ``receive`` or
``handle_timer``, then sends ``data_to_send`` and waits until ``deadline``. A method that raises leaves the session dead; its
link is then only good for closing.
"""

from kwartier.dlms import registry, services
from kwartier.dlms.association import Aare, Rlre
from kwartier.dlms.conformance import conformance_names
from kwartier.dlms.events import (
    Associated,
    AssociationRefused,
    CountersNeeded,
    Event,
    Notification,
    Operation,
    Refusal,
    Released,
)
from kwartier.dlms.exchange import GETS, INVOKE_ID_MASK, Exchange, exception_event, needed_conformance
from kwartier.dlms.gbt import TAG as GBT_TAG
from kwartier.dlms.gbt import Receiver
from kwartier.dlms.handshake import AssociationParameters, Handshake, Release
from kwartier.dlms.link import Link, LinkState
from kwartier.dlms.protection import CIPHERED_TAGS, CounterRange, SessionKeys
from kwartier.dlms.states import ClientState, Trigger, client_step
from kwartier.errors import KwartierError, LinkLost, StateError, WireError

MAX_NOTIFICATIONS = 64
MAX_NOTIFICATION_BYTES = 1 << 14
"""Pushed messages, and the bytes of all of them, that a session takes in before it calls the meter a babbler."""
APDU_OVERHEAD_BYTES = 1024
"""What headers, protection and an AARE may add to the value that a request can legitimately bring."""
NOT_NEGOTIATED = -1
"""The ``result`` of a refusal that no meter sent: the service was not negotiated."""
LEAVING = (ClientState.RELEASING, ClientState.UNLINKING)
_PUSHED = (services.DataNotification, services.EventNotification)


class ClientSession:
    """One association as the client. See the module for how to drive it."""

    def __init__(
        self,
        parameters: AssociationParameters,
        link: Link,
        *,
        keys: SessionKeys | None = None,
        counters: CounterRange | None = None,
        challenge: bytes = b"",
    ) -> None:
        self.parameters = parameters
        self.state = ClientState.IDLE
        self._link = link
        self._handshake = Handshake(parameters, keys=keys, counters=counters, challenge=challenge)
        self._exchange: Exchange | None = None
        self._invoke_id = 0
        self._gbt: Receiver | None = None
        self._parked: bytes | None = None
        self._clean = False
        self._notifications = 0
        self._notification_bytes = 0
        self._progress = 0
        self._response_deadline: float | None = None

    def __repr__(self) -> str:
        return f"<ClientSession {self.state.value}>"

    # What is asked of it.

    def open(self, now: float) -> None:
        """Open the link and, once it is up, associate."""
        self._step(Trigger.OPEN)
        self._response_deadline = now + self.parameters.response_timeout_s
        self._link.max_apdu = APDU_OVERHEAD_BYTES
        self._link.connect(now)
        if self._link.state is LinkState.UP:
            self._associate(now)

    def ask(self, operation: Operation, now: float) -> list[Event]:
        """Send a request; its answer comes as an event of a later call.

        What was not negotiated is refused here and now, as a :class:`Refusal` with result :data:`NOT_NEGOTIATED`.
        """
        refusal = self._not_negotiated(operation)
        if refusal is not None:
            return [refusal]
        self._step(Trigger.ASK)
        self._invoke_id = (self._invoke_id + 1) & INVOKE_ID_MASK
        self._exchange = Exchange(operation, self._invoke_id)
        limit = operation.max_bytes if isinstance(operation, GETS) else 0
        self._link.max_apdu = limit + APDU_OVERHEAD_BYTES
        return self._transmit(self._exchange.request(), now)

    def release(self, now: float) -> list[Event]:
        """Take leave: RLRQ in the form of the parameters, then the link."""
        self._step(Trigger.RELEASE)
        if self.parameters.release is Release.NONE:
            return self._released(now, clean=True)
        self._send(self._handshake.rlrq(), now)
        return []

    def add_counters(self, counters: CounterRange, now: float) -> None:
        """Go on after :class:`CountersNeeded` with another durably reserved range."""
        protection = self._handshake.protection
        if protection is None or self._parked is None:
            raise StateError("counters-not-needed", "counters were given to a session that did not ask for any")
        protection.add_counters(counters)
        apdu, self._parked = self._parked, None
        self._transmit(apdu, now)

    @property
    def peer_counter(self) -> int:
        """The highest invocation counter verified from the meter under its encryption key; -1: none."""
        protection = self._handshake.protection
        return -1 if protection is None else protection.peer_counter

    @property
    def partial(self) -> tuple[bytes, ...]:
        """The blocks that came, verified, of the value that was outstanding when the conversation failed."""
        return () if self._exchange is None else self._exchange.partial

    # What the driver moves.

    def data_to_send(self) -> bytes:
        """The bytes that are to be sent now; they are handed out once."""
        return self._link.data_to_send()

    @property
    def deadline(self) -> float | None:
        """When :meth:`handle_timer` wants to be called, in the seconds of ``now``; None: never."""
        own, link = self._response_deadline, self._link.deadline
        if own is None or link is None:
            return link if own is None else own
        return min(own, link)

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take bytes from the line; raises a :class:`KwartierError` when the conversation cannot go on.

        Once leave is taken nothing that the peer says can spoil what was read: nonsense then ends the association, uncleanly.
        """
        events: list[Event] = []
        try:
            apdus = self._link.receive(data, now)
            if self._link.progress != self._progress:
                self._progress = self._link.progress
                if self._response_deadline is not None:
                    self._response_deadline = now + self.parameters.response_timeout_s
            for apdu in apdus:
                self._on_apdu(apdu, now, events)
            if self.state is ClientState.LINKING and self._link.state is LinkState.UP:
                self._associate(now)
            elif self.state is ClientState.UNLINKING and self._link.state is LinkState.CLOSED:
                events.append(self._unlinked())
        except KwartierError:
            if self.state in LEAVING:
                return events + self._left()
            self._fail()
            raise
        return events

    def handle_timer(self, now: float) -> list[Event]:
        """The deadline may have passed: give up on what was awaited, or let the link try again."""
        leaving = self.state in LEAVING
        try:
            if self._link.deadline is not None and now >= self._link.deadline:
                self._link.handle_timer(now)
        except LinkLost:
            if leaving:
                return self._left()
            self._fail()
            raise
        if self._response_deadline is None or now < self._response_deadline:
            return []
        if self.state is ClientState.RELEASING:
            return self._released(now, clean=False)
        if leaving:
            return self._left()
        waiting = self.state.value
        self._fail()
        raise LinkLost("response-timeout", f"no answer within {self.parameters.response_timeout_s:g} s while {waiting}")

    def eof(self) -> list[Event]:
        """The peer closed the line."""
        if self.state in LEAVING:
            return self._left()
        if self.state is ClientState.CLOSED:
            return []
        waiting = self.state.value
        self._fail()
        raise LinkLost("peer-closed", f"the meter closed the line while {waiting}")

    # Sending.

    def _step(self, trigger: Trigger) -> None:
        self.state = client_step(self.state, trigger)

    def _fail(self) -> None:
        self.state = ClientState.FAILED
        self._response_deadline = None

    def _associate(self, now: float) -> None:
        self._step(Trigger.LINK_UP)
        self._send(self._handshake.aarq(), now)

    def _send(self, apdu: bytes, now: float) -> None:
        self._link.send(apdu, now)
        self._response_deadline = now + self.parameters.response_timeout_s

    def _transmit(self, apdu: bytes, now: float) -> list[Event]:
        protection = self._handshake.protection
        if protection is not None:
            if not protection.counters_left:
                self._parked = apdu
                self._response_deadline = None
                return [CountersNeeded(at_least=1)]
            apdu = protection.protect(apdu)
        limit = self._handshake.server_max_pdu
        if limit and len(apdu) > limit:
            self._fail()
            raise StateError("request-too-long", f"a request of {len(apdu)} bytes, and the meter accepts {limit}")
        self._send(apdu, now)
        return []

    def _not_negotiated(self, operation: Operation) -> Refusal | None:
        missing = needed_conformance(operation) & ~self._handshake.conformance
        if not missing or self.state is not ClientState.READY:
            return None
        names = ", ".join(conformance_names(missing))
        return Refusal(operation=operation, result=NOT_NEGOTIATED, result_name=f"not negotiated: {names}")

    # Receiving.

    def _on_apdu(self, apdu: bytes, now: float, events: list[Event]) -> None:
        if apdu and apdu[0] == GBT_TAG:
            apdu = self._reassemble(apdu, now)
            if not apdu:
                return
        if not apdu:
            raise WireError("truncated", "an empty APDU")
        state = self.state
        if state is ClientState.ASSOCIATING:
            self._on_association(apdu, now, events)
            return
        if state is ClientState.RELEASING and apdu[0] not in CIPHERED_TAGS:
            self._on_release(apdu, now, events)
            return
        outer_counter = self.peer_counter
        plain = self._handshake.plain(apdu)
        message = registry.parse(plain)
        if isinstance(message, _PUSHED):
            self._on_notification(plain, events)
        elif state is ClientState.ASKING and self._exchange is not None:
            self._on_answer(message, now, events)
        elif state is ClientState.PROVING:
            self._on_proof(message, outer_counter, now, events)
        else:
            raise WireError("peer-out-of-turn", f"{registry.service_name(message)} while {state.value}")

    def _reassemble(self, apdu: bytes, now: float) -> bytes:
        """The APDU that a general block transfer carried, or nothing while blocks are missing."""
        if self._gbt is None:
            self._gbt = Receiver(max_bytes=self._link.max_apdu)
        whole, acknowledgement = self._gbt.feed(apdu)
        if acknowledgement is not None:
            self._send(acknowledgement, now)
        if whole is None:
            return b""
        self._gbt = None
        return whole

    def _on_association(self, apdu: bytes, now: float, events: list[Event]) -> None:
        message = registry.parse(apdu)
        if isinstance(message, (services.ExceptionResponse, services.ConfirmedServiceError)):
            events.append(exception_event(message, None))
            self._step(Trigger.REFUSED)
            events.extend(self._unlink(now))
            return
        if not isinstance(message, Aare):
            raise WireError("peer-out-of-turn", f"{registry.service_name(message)} while the AARE was awaited")
        if message.result != 0:
            events.append(
                AssociationRefused(
                    result=message.result, diagnostic=message.diagnostic, diagnostic_name=message.diagnostic_name
                )
            )
            self._step(Trigger.REFUSED)
            events.extend(self._unlink(now))
            return
        proof = self._handshake.accept(message)
        if proof is not None:
            self._step(Trigger.CHALLENGED)
            self._send(proof, now)
            return
        self._step(Trigger.ACCEPTED)
        events.append(self._associated())

    def _on_proof(self, message: registry.Apdu, outer_counter: int, now: float, events: list[Event]) -> None:
        if isinstance(message, (services.ExceptionResponse, services.ConfirmedServiceError)):
            events.append(exception_event(message, None))
            self._step(Trigger.REFUSED)
            events.extend(self._unlink(now))
            return
        if not isinstance(message, services.ActionResponseNormal):
            raise WireError("peer-out-of-turn", f"{registry.service_name(message)} while the proof was awaited")
        self._handshake.prove(message, outer_counter=outer_counter)
        self._step(Trigger.PROVED)
        events.append(self._associated())

    def _associated(self) -> Associated:
        handshake = self._handshake
        handshake.complete()
        self._response_deadline = None
        return Associated(
            server_title=self.parameters.peer_title,
            conformance=handshake.conformance,
            max_pdu=handshake.server_max_pdu,
        )

    def _on_answer(self, message: registry.Apdu, now: float, events: list[Event]) -> None:
        exchange = self._exchange
        if exchange is None:
            raise StateError("out-of-turn", "an answer and nothing outstanding")
        event = exchange.feed(message)
        if event is None:
            self._step(Trigger.BLOCK)
            events.extend(self._transmit(exchange.next_block(), now))
            return
        self._step(Trigger.ANSWERED)
        self._exchange = None
        self._response_deadline = None
        events.append(event)

    def _on_notification(self, plain: bytes, events: list[Event]) -> None:
        self._notifications += 1
        self._notification_bytes += len(plain)
        if self._notifications > MAX_NOTIFICATIONS or self._notification_bytes > MAX_NOTIFICATION_BYTES:
            raise WireError(
                "too-many-notifications",
                f"{self._notifications} pushed messages of {self._notification_bytes} bytes in one session",
            )
        events.append(Notification(apdu=plain))

    # Leaving.

    def _on_release(self, apdu: bytes, now: float, events: list[Event]) -> None:
        message = registry.parse(apdu)
        if not isinstance(message, Rlre | services.ExceptionResponse):
            raise WireError("peer-out-of-turn", f"{registry.service_name(message)} while the RLRE was awaited")
        clean = isinstance(message, Rlre)
        if isinstance(message, Rlre) and message.user_information and self._handshake.protection is not None:
            self._handshake.plain(message.user_information)
        events.extend(self._released(now, clean=clean))

    def _released(self, now: float, *, clean: bool) -> list[Event]:
        self._step(Trigger.RELEASED)
        self._clean = clean
        return self._unlink(now)

    def _unlink(self, now: float) -> list[Event]:
        self._link.disconnect(now)
        self._response_deadline = now + self.parameters.response_timeout_s
        return [self._unlinked()] if self._link.state is LinkState.CLOSED else []

    def _left(self) -> list[Event]:
        if self.state is ClientState.RELEASING:
            self._step(Trigger.RELEASED)
        return [self._unlinked()]

    def _unlinked(self) -> Released:
        self._step(Trigger.LINK_DOWN)
        self._response_deadline = None
        return Released(clean=self._clean)
