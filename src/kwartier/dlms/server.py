"""The meter's side of a conversation: the same tables, messages and protection, the other way round.

An :class:`AssociationPoint` is what a meter offers to one client address: its mechanism, its protection, its keys and the
highest invocation counter that it ever accepted, which outlives the session. What the attributes are is the business of a
:class:`Handler`. A meter answers in kind - general or service-specific ciphering, global or dedicated key, as it was asked
- and answers what it cannot accept with an exception-response, never with silence.
"""

from dataclasses import dataclass, field
from typing import Protocol

from cryptography.hazmat.primitives.constant_time import bytes_eq

from kwartier.dlms import registry, services
from kwartier.dlms.association import Aare, Aarq, Rlre, Rlrq
from kwartier.dlms.handshake import CHALLENGE_BYTES, HLS_GMAC, LLS, LN, LN_CIPHERED, NO_SECURITY, OCTETS_17
from kwartier.dlms.link import Link, LinkState
from kwartier.dlms.protection import CIPHERED_TAGS, CounterRange, Protection, SessionKeys
from kwartier.dlms.states import ServerState, Trigger, server_step
from kwartier.errors import KwartierError, SecurityError, WireError

HLS_REPLY = (15, bytes((0, 0, 40, 0, 0, 255)), 1)
"""reply_to_HLS_authentication of the current association (Blue Book 4.4.4): all that an unproved client may ask."""
BLOCK_OVERHEAD_BYTES = 48
"""Headers, title, security header and tag around the raw data of one block."""
SMALLEST_PDU_BYTES = 64
"""A client's limit below this is treated as this: no block would fit."""
MAX_REQUEST_BYTES = 1 << 16
NO_LIMIT = 1 << 31
"""Bytes of an answer: more than any has."""
READ_WRITE_DENIED = 3
BLOCK_NUMBER_INVALID = 19
NO_LONG_GET_IN_PROGRESS = 15

# Green Book 9.4.2: acse-service-user diagnostics
NO_DIAGNOSTIC = (1, 0)
CONTEXT_NOT_SUPPORTED = (1, 2)
MECHANISM_NOT_RECOGNISED = (1, 11)
MECHANISM_REQUIRED = (1, 12)
AUTHENTICATION_FAILURE = (1, 13)
AUTHENTICATION_REQUIRED = (1, 14)

# Green Book 9.4.5: exception-response
SERVICE_NOT_ALLOWED = (1, 1)
SERVICE_UNKNOWN = (2, 2)
DECIPHERING_ERROR = (1, 5)
COUNTER_ERROR = (1, 6)


class Handler(Protocol):
    """What a meter's objects answer. An ``int`` is a data-access-result or action-result other than 0 (success)."""

    def get(self, class_id: int, obis: bytes, attribute: int, access: bytes | None) -> bytes | int:
        """The A-XDR value of an attribute, or why not."""
        ...

    def set(self, class_id: int, obis: bytes, attribute: int, access: bytes | None, value: bytes) -> int:
        """Write an attribute; 0 when done."""
        ...

    def act(self, class_id: int, obis: bytes, method: int, value: bytes | None) -> tuple[int, bytes | None]:
        """Invoke a method; (0, its return value) when done."""
        ...


@dataclass(slots=True, kw_only=True)
class AssociationPoint:
    """What a meter offers to the client at one address. ``peer_counter`` moves, and outlives every session."""

    mechanism: int = HLS_GMAC
    security_control: int = 0x30
    keys: SessionKeys | None = field(default=None, repr=False)
    max_pdu: int = 0xFFFF
    answer_limit: int = NO_LIMIT
    """Answers longer than this go in blocks, however long a one the client takes."""
    conformance: int = 0xFFFFFF
    peer_counter: int = -1
    refuses_release: frozenset[str] = frozenset()
    """Forms of the RLRQ (``clear``, ``protected``) that this meter answers with an exception."""
    sends_title: bool = True
    only: frozenset[tuple[int, bytes, int]] | None = None
    """The (class, OBIS, attribute) that this client may read; None: whatever the handler has. With it, nothing else."""


class ServerSession:
    """One line of a meter. ``points`` is keyed by client address; ``counters`` are the meter's own."""

    def __init__(
        self,
        *,
        own_title: bytes,
        points: dict[int, AssociationPoint],
        link: Link,
        counters: CounterRange,
        challenge: bytes,
        handler: Handler,
    ) -> None:
        self.state = ServerState.UNLINKED
        self.associations = 0
        """How many were accepted on this line."""
        self._own_title = own_title
        self._points = points
        self._link = link
        self._counters = counters
        self._challenge = challenge
        self._client_challenge = b""
        self._handler = handler
        self._point = AssociationPoint()
        self._protection: Protection | None = None
        self._conformance = 0
        self._client_max_pdu = 0
        self._long_answer = b""
        self._long_at = 0
        self._long_block = 0
        link.max_apdu = MAX_REQUEST_BYTES

    def __repr__(self) -> str:
        return f"<ServerSession {self.state.value}>"

    @property
    def blocks_sent(self) -> int:
        """How many blocks of the last long answer have been sent."""
        return self._long_block

    @property
    def deadline(self) -> float | None:
        """When :meth:`handle_timer` wants to be called."""
        return self._link.deadline

    def data_to_send(self) -> bytes:
        """The bytes that are to be sent now; they are handed out once."""
        return self._link.data_to_send()

    def handle_timer(self, now: float) -> None:
        """Let the link try again; raises ``LinkLost`` when it gives up."""
        self._link.handle_timer(now)

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes from the line; what is to be said lies in :meth:`data_to_send` afterwards."""
        for apdu in self._link.receive(data, now):
            self._follow_link()
            answer = self._answer(apdu)
            if answer:
                self._link.send(answer, now)
        self._follow_link()

    def _follow_link(self) -> None:
        up = self._link.state is LinkState.UP
        if up and self.state is ServerState.UNLINKED:
            self._step(Trigger.LINK_UP)
        elif not up and self.state is not ServerState.UNLINKED:
            self._step(Trigger.LINK_DOWN)
            self._protection = None

    def _step(self, trigger: Trigger) -> None:
        self.state = server_step(self.state, trigger)

    # Dispatch.

    def _answer(self, apdu: bytes) -> bytes:
        try:
            if apdu[:1] == b"\x60":
                return self._on_aarq(apdu)
            if apdu[:1] == b"\x62":
                return self._on_rlrq(apdu)
            if self.state not in (ServerState.CHALLENGED, ServerState.ASSOCIATED):
                return _exception(SERVICE_NOT_ALLOWED)
            before = self._point.peer_counter
            message = registry.parse(self._plain(apdu))
        except SecurityError as error:
            return self._refuse_protection(error)
        except WireError:
            return _exception(SERVICE_UNKNOWN)
        if self.state is ServerState.CHALLENGED:
            return self._on_proof(message, before)
        self._step(Trigger.SERVE)
        return self._protect(registry.build(self._serve(message)))

    def _refuse_protection(self, error: SecurityError) -> bytes:
        if error.code == "replayed":
            expected = min(self._point.peer_counter + 1, 0xFFFFFFFF)
            return _exception(COUNTER_ERROR, expected)
        return _exception(DECIPHERING_ERROR)

    def _plain(self, apdu: bytes) -> bytes:
        protection = self._protection
        if protection is None:
            return apdu
        row = CIPHERED_TAGS.get(apdu[0]) if apdu else None
        if row is None:
            raise SecurityError("wrong-protection", "a request in the clear in a protected association")
        protection.family = row[1]
        protection.answer_in_kind(apdu)
        plain = protection.unprotect(apdu)
        self._point.peer_counter = protection.peer_counter
        return plain

    def _protect(self, apdu: bytes) -> bytes:
        return apdu if self._protection is None else self._protection.protect(apdu)

    # Associating.

    def _on_aarq(self, apdu: bytes) -> bytes:
        if self.state is ServerState.UNLINKED:
            self._step(Trigger.LINK_UP)
        aarq = registry.parse(apdu)
        point = self._points.get(self._link.client_address)
        if not isinstance(aarq, Aarq) or point is None:
            return self._reject(CONTEXT_NOT_SUPPORTED)
        self._point = point
        self._protection = None
        diagnostic = self._check_aarq(aarq, point)
        if diagnostic is not None:
            return self._reject(diagnostic)
        information = aarq.user_information or b""
        if point.security_control and point.keys is not None:
            self._protection = Protection(
                control=point.security_control,
                own_title=self._own_title,
                peer_title=aarq.calling_title or b"",
                keys=point.keys,
                counters=self._counters,
                peer_counter=point.peer_counter,
            )
            information = self._plain(information)
        request = registry.parse(information)
        if not isinstance(request, services.InitiateRequest):
            return self._reject(AUTHENTICATION_FAILURE)
        return self._accept(aarq, request)

    def _check_aarq(self, aarq: Aarq, point: AssociationPoint) -> tuple[int, int] | None:
        if aarq.application_context != (LN_CIPHERED if point.security_control else LN):
            return CONTEXT_NOT_SUPPORTED
        if point.security_control and len(aarq.calling_title or b"") != len(self._own_title):
            return AUTHENTICATION_FAILURE
        mechanism = aarq.mechanism or NO_SECURITY
        if mechanism != point.mechanism:
            return MECHANISM_REQUIRED if mechanism == NO_SECURITY else MECHANISM_NOT_RECOGNISED
        value = aarq.calling_authentication_value or b""
        if mechanism == LLS and not bytes_eq(value, (point.keys.lls if point.keys else None) or b""):
            return AUTHENTICATION_FAILURE
        if mechanism == HLS_GMAC and len(value) not in CHALLENGE_BYTES:
            return AUTHENTICATION_FAILURE
        return None

    def _accept(self, aarq: Aarq, request: services.InitiateRequest) -> bytes:
        point, protection = self._point, self._protection
        self.associations += 1
        self._conformance = request.conformance & point.conformance
        self._client_max_pdu = request.max_pdu
        self._long_answer = b""
        self._client_challenge = aarq.calling_authentication_value or b""
        proof_wanted = point.mechanism == HLS_GMAC
        self._step(Trigger.CHALLENGE if proof_wanted else Trigger.ASSOCIATE)
        information = self._protect(
            registry.build(services.InitiateResponse(conformance=self._conformance, max_pdu=point.max_pdu))
        )
        if protection is not None and request.dedicated_key is not None:
            protection.use_dedicated(request.dedicated_key)
        diagnostic = AUTHENTICATION_REQUIRED if proof_wanted else NO_DIAGNOSTIC
        title = None
        if protection is not None:
            title = self._own_title if point.sends_title else b""
        return registry.build(
            Aare(
                application_context=aarq.application_context,
                result=0,
                diagnostic_source=diagnostic[0],
                diagnostic=diagnostic[1],
                responding_title=title,
                mechanism=point.mechanism if proof_wanted else None,
                responding_authentication_value=self._challenge if proof_wanted else None,
                user_information=information,
            )
        )

    def _reject(self, diagnostic: tuple[int, int]) -> bytes:
        self._protection = None
        self._step(Trigger.REJECT)
        context = LN_CIPHERED if self._point.security_control else LN
        return registry.build(
            Aare(application_context=context, result=1, diagnostic_source=diagnostic[0], diagnostic=diagnostic[1])
        )

    def _on_proof(self, message: registry.Apdu, outer_counter: int) -> bytes:
        protection = self._protection
        if (
            protection is None
            or not isinstance(message, services.ActionRequestNormal)
            or (message.class_id, message.obis, message.method) != HLS_REPLY
        ):
            return _exception(SERVICE_NOT_ALLOWED)
        value = message.value or b""
        try:
            if not value.startswith(OCTETS_17):
                raise SecurityError("hls-failed", "the client's proof is not an octet-string of 17 bytes")
            protection.check_hls(value[2:], self._challenge, outer_counter=outer_counter)
        except KwartierError:
            self._step(Trigger.REJECT)
            return _exception(SERVICE_NOT_ALLOWED)
        self._step(Trigger.PROVED)
        answer = services.ActionResponseNormal(
            invoke_id_and_priority=message.invoke_id_and_priority,
            result=0,
            value=OCTETS_17 + protection.hls_value(self._client_challenge),
            value_result=None,
        )
        return protection.protect(registry.build(answer))

    def _on_rlrq(self, apdu: bytes) -> bytes:
        rlrq = registry.parse(apdu)
        if self.state not in (ServerState.CHALLENGED, ServerState.ASSOCIATED) or not isinstance(rlrq, Rlrq):
            return _exception(SERVICE_NOT_ALLOWED)
        form = "protected" if rlrq.user_information and self._protection is not None else "clear"
        if form in self._point.refuses_release:
            return _exception(SERVICE_NOT_ALLOWED)
        information = None
        if form == "protected":
            self._plain(rlrq.user_information or b"")
            information = self._protect(
                registry.build(services.InitiateResponse(conformance=self._conformance, max_pdu=self._point.max_pdu))
            )
        self._step(Trigger.RELEASE)
        self._protection = None
        return registry.build(Rlre(reason=0, user_information=information))

    # Serving.

    def _get(self, item: services.GetRequestNormal | services.Attribute) -> bytes | int:
        only = self._point.only
        if only is not None and (item.class_id, item.obis, item.attribute) not in only:
            return READ_WRITE_DENIED
        return self._handler.get(item.class_id, item.obis, item.attribute, item.access)

    def _serve(self, message: registry.Apdu) -> registry.Apdu:
        handler = self._handler
        if self._point.only is not None and isinstance(
            message, services.SetRequestNormal | services.ActionRequestNormal
        ):
            return services.ExceptionResponse(
                state_error=SERVICE_NOT_ALLOWED[0], service_error=SERVICE_NOT_ALLOWED[1], invocation_counter=None
            )
        if isinstance(message, services.GetRequestNormal):
            return self._get_response(message.invoke_id_and_priority, self._get(message))
        if isinstance(message, services.GetRequestNext):
            return self._next_block(message.invoke_id_and_priority, message.block_number)
        if isinstance(message, services.GetRequestWithList):
            results = tuple(self._get(item) for item in message.items)
            answer = services.GetResponseWithList(
                invoke_id_and_priority=message.invoke_id_and_priority, results=results
            )
            if self._fits(len(registry.build(answer))):
                return answer
            self._long_answer = registry.build(answer)[3:]
            self._long_at = self._long_block = 0
            return self._next_block(message.invoke_id_and_priority, 0)
        if isinstance(message, services.SetRequestNormal):
            result = handler.set(message.class_id, message.obis, message.attribute, message.access, message.value)
            return services.SetResponseNormal(invoke_id_and_priority=message.invoke_id_and_priority, result=result)
        if isinstance(message, services.ActionRequestNormal):
            result, value_bytes = handler.act(message.class_id, message.obis, message.method, message.value)
            return services.ActionResponseNormal(
                invoke_id_and_priority=message.invoke_id_and_priority,
                result=result,
                value=value_bytes,
                value_result=None,
            )
        return services.ExceptionResponse(
            state_error=SERVICE_UNKNOWN[0], service_error=SERVICE_UNKNOWN[1], invocation_counter=None
        )

    def _fits(self, length: int) -> bool:
        return length + BLOCK_OVERHEAD_BYTES <= self._limit()

    def _limit(self) -> int:
        """The longest answer that goes in one piece; a client that says 0 sets no limit."""
        theirs = max(self._client_max_pdu, SMALLEST_PDU_BYTES) if self._client_max_pdu else NO_LIMIT
        return min(theirs, max(self._point.answer_limit, SMALLEST_PDU_BYTES))

    def _get_response(self, invoke_id_and_priority: int, value: bytes | int) -> registry.Apdu:
        if isinstance(value, int):
            return services.GetResponseNormal(invoke_id_and_priority=invoke_id_and_priority, data=None, result=value)
        if self._fits(len(value)):
            return services.GetResponseNormal(invoke_id_and_priority=invoke_id_and_priority, data=value, result=None)
        self._long_answer = value
        self._long_at = self._long_block = 0
        return self._next_block(invoke_id_and_priority, 0)

    def _next_block(self, invoke_id_and_priority: int, received: int) -> services.GetResponseBlock:
        """The block after ``received``; a client that asks out of order, or for nothing, gets a refusal."""
        refusal = None
        if not self._long_answer:
            refusal = NO_LONG_GET_IN_PROGRESS
        elif received != self._long_block:
            refusal = BLOCK_NUMBER_INVALID
        if refusal is not None:
            self._long_answer = b""
            return services.GetResponseBlock(
                invoke_id_and_priority=invoke_id_and_priority,
                last_block=True,
                block_number=received,
                raw=None,
                result=refusal,
            )
        size = self._limit() - BLOCK_OVERHEAD_BYTES
        raw = self._long_answer[self._long_at : self._long_at + size]
        self._long_at += len(raw)
        self._long_block += 1
        last = self._long_at >= len(self._long_answer)
        if last:
            self._long_answer = b""
        return services.GetResponseBlock(
            invoke_id_and_priority=invoke_id_and_priority,
            last_block=last,
            block_number=self._long_block,
            raw=raw,
            result=None,
        )


def _exception(kind: tuple[int, int], invocation_counter: int | None = None) -> bytes:
    return registry.build(
        services.ExceptionResponse(state_error=kind[0], service_error=kind[1], invocation_counter=invocation_counter)
    )
