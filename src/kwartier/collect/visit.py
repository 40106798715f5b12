"""One bounded attempt to carry out a plan with one meter; it always leaves a record, also when it fails.

A visit reserves its invocation counters durably before the first byte, connects, associates, walks the plan and takes
leave, all under one total deadline. When the meter says that our counter is too low, or refuses the association, it may
recover **once**: the public client reads the counter that the meter expects, ours is raised to it, and after the pause that
the companion asks for the visit tries again. What the public client reads is authenticated by nobody, so it can only raise
our counter, by a bounded step, and is recorded as a finding. Every other refusal is reported after one attempt.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from kwartier.collect.line import Conversation, Plan, Refused, Traffic
from kwartier.collect.tape import Tape
from kwartier.collect.transports import TRANSPORTS
from kwartier.cosem.companion import Companion
from kwartier.dlms import axdr
from kwartier.dlms.events import Answer, AssociationRefused, Get
from kwartier.dlms.handshake import HLS_GMAC, NO_SECURITY, AssociationParameters, Release
from kwartier.dlms.protection import POLICIES, CounterRange, SessionKeys
from kwartier.dlms.session import ClientSession
from kwartier.errors import InputError, KwartierError, LinkLost, SecurityError, WireError
from kwartier.model import Finding, Meter

Result = TypeVar("Result")
Answered = TypeVar("Answered")

CHALLENGE_BYTES = 16
CONNECT_S = 20.0
"""How long opening a line may take: four tries of TCP, which are 1, 2, 4 and 8 seconds apart."""
RESERVED_COUNTERS = 32
"""Invocation counters reserved for a visit: more than the usual day takes; a longer plan asks for more."""
_NOT_THE_COUNTER = (2, 3, 11, 12)
"""Diagnostics of the ACSE service user that no counter can be the reason of."""

_LIKELY_CAUSES = {
    2: "the meter does not speak logical names with this ciphering to this client: check `policy`, `client` and `companion`",
    3: "the meter does not know our system title: check `client_system_title`",
    11: "the meter uses another authentication mechanism: check `mechanism`",
    12: "the meter wants an authentication mechanism: check `mechanism`",
    13: "the keys, the password, the counter or the policy are not what the meter expects: check `keys import` and `policy`",
    14: "the meter wants authentication: check `mechanism`",
}
"""Diagnostic of the ACSE service user -> what it usually comes from."""

_EXCEPTION_CAUSES = {
    "deciphering-error": "the keys are not what the meter expects: check `keys import` for this meter",
    "invocation-counter-error": "our invocation counter is behind what the meter has seen",
    "operation-not-possible": "the meter is busy or wants another association: check `client` and `policy`",
}
"""Service error of an exception-response -> what it usually comes from."""


class CounterSource(Protocol):
    """Where the invocation counters of one meter's encryption key live, shared by all that use the key."""

    @property
    def peer_counter(self) -> int:
        """The highest counter ever accepted from the meter; -1: none."""
        ...

    def reserve(self, count: int) -> CounterRange:
        """Durably reserve ``count`` counters that nobody else will get. May block."""
        ...

    def raise_to(self, counter: int) -> Finding | None:
        """Never use a counter below ``counter`` again; ``SecurityError`` when that jump is too large. None: no change."""
        ...

    def accepted(self, peer_counter: int) -> None:
        """Remember the highest counter verified from the meter."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who we are to this meter and how we prove it."""

    own_title: bytes
    keys: SessionKeys | None = field(default=None, repr=False)
    counters: CounterSource | None = field(default=None, repr=False)
    reserved: CounterRange | None = field(default=None, repr=False)
    """Counters that were durably reserved for this visit with those of others; None: the visit reserves its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit(Generic[Result]):
    """How a visit ended: with a ``result``, or with the ``error`` that says why not.

    A visit that was broken off has both where its plan made something of what had come.
    """

    meter: str
    started: datetime
    ended: datetime
    result: Result | None = field(repr=False)
    error: KwartierError | None
    attempts: int
    traffic: Traffic
    findings: tuple[Finding, ...]

    @property
    def outcome(self) -> str:
        """``done``, or the code of the error."""
        return "done" if self.error is None else self.error.code


class _Refusal(Exception):
    """The association was refused: what to say of it, and whether a stale counter can be the reason."""

    def __init__(self, error: KwartierError, *, expected: int | None, recoverable: bool) -> None:
        super().__init__(error.detail)
        self.error = error
        self.expected = expected
        self.recoverable = recoverable


class Visitor(Generic[Result]):
    """Carries out one visit. ``wall`` gives the time for the record; deadlines run on the loop's own clock.

    ``tape``: it is traced, and everything that goes over its lines is kept there.
    """

    def __init__(
        self,
        meter: Meter,
        companion: Companion,
        credentials: Credentials,
        *,
        deadline_s: float,
        wall: Callable[[], datetime],
        challenge: Callable[[int], bytes] = secrets.token_bytes,
        max_pdu: int = 0xFFFF,
        tape: Tape | None = None,
    ) -> None:
        transport = TRANSPORTS.get(meter.transport)
        if transport is None:
            raise InputError("unknown-transport", f"meter {meter.meter} has transport '{meter.transport}'")
        self._meter = meter
        self._companion = companion
        self._credentials = credentials
        self._reserved = credentials.reserved
        self._transport = transport()
        self._deadline_s = deadline_s
        self._wall = wall
        self._challenge = challenge
        self._max_pdu = max_pdu
        self._tape = tape
        self._traffic = Traffic()
        self._findings: list[Finding] = []
        self._attempts = 0
        self._salvaged: Result | None = None

    async def visit(self, plan: Callable[[], Plan[Result]]) -> Visit[Result]:
        """Carry out ``plan`` (called once per attempt). Never raises a :class:`KwartierError`: it is in the record."""
        started = self._wall()
        ends_at = asyncio.get_running_loop().time() + self._deadline_s
        result: Result | None = None
        error: KwartierError | None = None
        self._salvaged = None
        try:
            result = await self._with_recovery(plan, ends_at)
        except KwartierError as caught:
            result, error = self._salvaged, caught
        return Visit(
            meter=self._meter.meter,
            started=started,
            ended=self._wall(),
            result=result,
            error=error,
            attempts=self._attempts,
            traffic=self._traffic,
            findings=tuple(self._findings),
        )

    async def _with_recovery(self, plan: Callable[[], Plan[Result]], ends_at: float) -> Result:
        try:
            return await self._attempt(plan(), ends_at)
        except _Refusal as refusal:
            if not refusal.recoverable or not await self._recover(refusal, ends_at):
                raise refusal.error from None
        try:
            return await self._attempt(plan(), ends_at)
        except _Refusal as refusal:
            raise refusal.error from None

    async def _attempt(self, plan: Plan[Result], ends_at: float) -> Result:
        """One association under the meter's own parameters."""
        loop = asyncio.get_running_loop()
        self._attempts += 1
        credentials, source = self._credentials, self._credentials.counters
        counters, self._reserved = self._reserved, None
        if counters is None and source is not None:
            counters = await loop.run_in_executor(None, source.reserve, RESERVED_COUNTERS)
        session = ClientSession(
            self._parameters(-1 if source is None else source.peer_counter),
            self._transport.link(self._meter, self._meter.client),
            keys=credentials.keys,
            counters=counters,
            challenge=self._challenge(CHALLENGE_BYTES) if self._meter.mechanism == HLS_GMAC else b"",
        )
        reserve = None if source is None else source.reserve
        conversation = Conversation(session, plan, loop=loop, deadline_s=ends_at, reserve=reserve, tape=self._tape)
        try:
            outcome = await self._converse(conversation, ends_at)
        finally:
            self._salvaged = conversation.salvaged
            if source is not None and session.peer_counter >= 0:
                source.accepted(session.peer_counter)
        if isinstance(outcome, Refused):
            raise _refusal(outcome)
        return outcome

    async def _converse(self, conversation: Conversation[Answered], ends_at: float) -> Answered | Refused:
        loop = asyncio.get_running_loop()
        if self._tape is not None:
            self._tape.another_line(loop.time)
        try:
            connect_by = min(ends_at, loop.time() + CONNECT_S)
            await self._transport.connect(conversation, self._meter.host, self._meter.port, connect_by)
            return await conversation.done
        finally:
            conversation.abandon()
            self._traffic += conversation.traffic

    def _parameters(self, peer_counter: int) -> AssociationParameters:
        meter, companion = self._meter, self._companion
        return AssociationParameters(
            own_title=self._credentials.own_title,
            peer_title=meter.system_title,
            mechanism=meter.mechanism,
            security_control=POLICIES[meter.policy],
            general=companion.general_ciphering,
            max_pdu=self._max_pdu,
            release=Release(companion.release),
            response_timeout_s=companion.response_timeout_s,
            peer_counter=peer_counter,
        )

    # Recovery (DESIGN section 5): once, through the public client.

    async def _recover(self, refusal: _Refusal, ends_at: float) -> bool:
        """Whether our counter was behind and has been raised, so that another attempt makes sense."""
        source, companion = self._credentials.counters, self._companion
        if source is None or companion.counter_obis is None:
            return False
        try:
            expected = await self._read_counter(companion.counter_obis, ends_at) + 1
        except (KwartierError, _Refusal):
            # What the refusal itself said is as unproven as the public client's word, and better than nothing.
            if refusal.expected is None:
                return False
            expected = refusal.expected
        finding = await asyncio.get_running_loop().run_in_executor(None, source.raise_to, expected)
        if finding is None:
            return False
        self._findings.append(finding)
        left_s = ends_at - asyncio.get_running_loop().time()
        if companion.recovery_pause_s >= left_s:
            detail = f"{max(left_s, 0):.0f} s are left, and the meter needs a pause of {companion.recovery_pause_s} s"
            raise LinkLost("total-deadline", f"the counter was moved forward, but {detail} before it is tried again")
        await asyncio.sleep(companion.recovery_pause_s)
        return True

    async def _read_counter(self, obis: bytes, ends_at: float) -> int:
        session = ClientSession(
            AssociationParameters(
                mechanism=NO_SECURITY,
                security_control=0,
                release=Release.CLEAR,
                response_timeout_s=self._companion.response_timeout_s,
            ),
            self._transport.link(self._meter, self._companion.public_client),
        )
        loop = asyncio.get_running_loop()
        conversation = Conversation(session, _counter_plan(obis), loop=loop, deadline_s=ends_at, tape=self._tape)
        outcome = await self._converse(conversation, ends_at)
        if isinstance(outcome, Refused):
            raise _refusal(outcome)
        return outcome


def _refusal(refused: Refused) -> _Refusal:
    """What a refusal means, in one error, and whether a counter that fell behind can be its reason."""
    event = refused.event
    if isinstance(event, AssociationRefused):
        cause = _LIKELY_CAUSES.get(event.diagnostic, "check keys, client address and companion of this meter")
        detail = f"the meter refused the association with {event.diagnostic_name} ({event.diagnostic}): {cause}"
        error = SecurityError("association-refused", detail)
        return _Refusal(error, expected=None, recoverable=event.diagnostic not in _NOT_THE_COUNTER)
    cause = _EXCEPTION_CAUSES.get(event.service_error, "check keys, client address and companion of this meter")
    detail = f"the meter answered the association with {event.state_error}, {event.service_error}: {cause}"
    behind = event.service_error == "invocation-counter-error"
    error = SecurityError("counter-refused" if behind else "association-refused", detail)
    return _Refusal(error, expected=event.invocation_counter, recoverable=True)


def _counter_plan(obis: bytes) -> Plan[int]:
    reply = yield Get(class_id=1, obis=obis, attribute=2, max_bytes=64)
    if not isinstance(reply, Answer) or reply.value is None:
        raise WireError("no-counter", "the meter does not tell its invocation counter to the public client")
    data = axdr.decode(reply.value)
    if not isinstance(data.value, int) or isinstance(data.value, bool) or not 0 <= data.value <= 0xFFFFFFFF:
        raise WireError("no-counter", "what the meter tells the public client is no invocation counter")
    return data.value
