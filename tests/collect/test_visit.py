"""A visit over real sockets: its record, its one recovery, its deadlines, and that leave is always taken."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from kwartier.collect.line import Plan
from kwartier.collect.visit import Visit
from kwartier.cosem.companion import Companion
from kwartier.dlms import axdr, registry
from kwartier.dlms.association import Aare
from kwartier.dlms.events import Get
from kwartier.dlms.server import AssociationPoint
from kwartier.errors import InputError, WireError
from tests.collect.hostile import CASES, Case
from tests.collect.peers import Meter, Spoil, Twist
from tests.collect.real import DEADLINE_S, SMR, Counters, jump, listening, registered, the_clock, visitor
from tests.dlms.pairs import CLOCK, KEYS, METER_TITLE, Objects

EXPECTED = 5000
"""The highest counter that the meter of these tests has seen."""
REJECTED = 13
MARGIN_S = 0.5
AARQ, RLRQ = b"\x60", b"\x62"


class Recovering:
    """A meter that has seen higher counters than we remember; its public client tells which."""

    def __init__(
        self,
        *,
        tells: int | None = EXPECTED,
        rejects: int | None = REJECTED,
        highest: int = EXPECTED,
        public: bool = True,
    ) -> None:
        self.objects = Objects()
        if tells is not None:
            self.objects.values[1, SMR.counter_obis, 2] = axdr.encode(axdr.u32(tells))
        self.point = AssociationPoint(keys=KEYS, peer_counter=highest)
        self.public = AssociationPoint(mechanism=0, security_control=0) if public else None
        self.rejects = rejects
        self.heard: list[bytes] = []

    def __call__(self) -> Meter:
        return Meter("wrapper", self.objects, twist=self._twist, point=self.point, public=self.public)

    def _twist(self, _session: object, request: bytes, honest: bytes) -> tuple[bytes, ...]:
        self.heard.append(request)
        if self.rejects is None or request[:1] != AARQ or honest[:1] != b"\xd8":
            return (honest,)
        rejection = Aare(application_context=3, result=1, diagnostic_source=1, diagnostic=self.rejects)
        return (registry.build(rejection),)

    @property
    def associations(self) -> int:
        return sum(apdu[:1] == AARQ for apdu in self.heard)


def visits(
    meters: Callable[[], Meter],
    counters: Counters | None = None,
    *,
    plan: Callable[[], Plan[object]] = the_clock,
    transport: str = "wrapper",
    deadline_s: float = DEADLINE_S,
    companion: Companion = SMR,
) -> Visit[object]:
    async def main() -> Visit[object]:
        async with listening(meters) as port:
            one = registered(port, transport)
            return await visitor(one, counters, deadline_s=deadline_s, companion=companion).visit(plan)

    return jump(main)


def meters(spoil: Spoil | None = None, twist: Twist | None = None, transport: str = "wrapper") -> Callable[[], Meter]:
    return lambda: Meter(transport, Objects(), spoil=spoil, twist=twist)


def took_s(done: Visit[object]) -> float:
    return (done.ended - done.started).total_seconds()


def code(done: Visit[object]) -> str:
    assert (done.error is None) == (done.outcome == "done")
    return done.outcome


@pytest.mark.parametrize("transport", ["wrapper", "hdlc"])
def test_an_honest_meter_is_read_and_the_record_says_so(transport: str) -> None:
    counters = Counters()
    done = visits(meters(transport=transport), counters, transport=transport)
    assert (code(done), done.result, done.attempts) == ("done", Objects().values[8, CLOCK, 2], 1)
    assert done.meter == "m-1"
    assert done.findings == ()
    assert done.traffic.bytes_sent > 100 < done.traffic.bytes_received
    assert counters.peer_counter > 0
    assert counters.reserved == [(100, 132)]


def heard_by(plan: Callable[[], Plan[object]]) -> tuple[Visit[object], list[bytes]]:
    meter = Recovering(highest=-1)
    return visits(meter, plan=plan), meter.heard


def failing() -> Plan[object]:
    yield Get(class_id=8, obis=CLOCK, attribute=2)
    raise WireError("bad-buffer", "the plan makes nothing of this")


def failing_at_once() -> Plan[object]:
    if METER_TITLE:
        raise InputError("bad-day", "this plan never asks anything")
    yield Get(class_id=8, obis=CLOCK, attribute=2)
    return None


@pytest.mark.parametrize(
    ("plan", "expected"), [(the_clock, "done"), (failing, "bad-buffer"), (failing_at_once, "bad-day")]
)
def test_leave_is_taken_also_when_the_plan_fails(plan: Callable[[], Plan[object]], expected: str) -> None:
    done, heard = heard_by(plan)
    assert code(done) == expected
    assert heard[-1][:1] == RLRQ


def test_what_was_read_stands_when_the_meter_answers_the_release_with_nonsense_or_not_at_all() -> None:
    def nonsense(_session: object, request: bytes, honest: bytes) -> tuple[bytes, ...]:
        return (b"\x61\x00",) if request[:1] == RLRQ else (honest,)

    def silent(_session: object, request: bytes, honest: bytes) -> tuple[bytes, ...]:
        return () if request[:1] == RLRQ else (honest,)

    for twist in (nonsense, silent):
        for deadline_s in (DEADLINE_S, 2.0):
            done = visits(meters(twist=twist), deadline_s=deadline_s)
            assert (code(done), done.result) == ("done", Objects().values[8, CLOCK, 2])
            assert took_s(done) <= deadline_s


def test_a_mistake_of_a_plan_is_not_reported_as_a_fault_of_the_meter() -> None:
    def wrong() -> Plan[object]:
        yield Get(class_id=8, obis=CLOCK, attribute=2)
        raise ZeroDivisionError

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        async with listening(meters()) as port:
            with pytest.raises(ZeroDivisionError):
                await visitor(registered(port)).visit(wrong)

    jump(main)


# The one recovery.


def test_a_stale_counter_is_recovered_once_after_the_pause_and_leaves_a_finding() -> None:
    meter = Recovering()
    counters = Counters(max_jump=EXPECTED)
    done = visits(meter, counters)
    assert (code(done), done.attempts) == ("done", 2)
    assert [one.code for one in done.findings] == ["counter-recovered"]
    assert SMR.recovery_pause_s <= took_s(done) <= SMR.recovery_pause_s + MARGIN_S
    assert counters.reserved[1][0] == EXPECTED + 1
    assert meter.associations == 3


def test_a_meter_that_says_which_counter_it_expects_is_believed_where_its_public_client_is_told_nothing() -> None:
    meter = Recovering(tells=None, rejects=None)
    counters = Counters(max_jump=EXPECTED)
    done = visits(meter, counters)
    assert (code(done), done.attempts, meter.associations) == ("done", 2, 3)
    assert counters.reserved[1][0] == EXPECTED + 1


def test_a_second_refusal_is_the_end() -> None:
    meter = Recovering(tells=EXPECTED - 1000)
    done = visits(meter, Counters(max_jump=EXPECTED))
    assert (code(done), done.attempts, meter.associations) == ("association-refused", 2, 3)


def test_a_jump_beyond_the_limit_needs_an_operator() -> None:
    for tells in (EXPECTED, 0xFFFFFFFF):
        counters = Counters()
        done = visits(Recovering(tells=tells), counters)
        assert (code(done), done.attempts, counters.next) == ("counter-jump", 1, 132)
        assert done.findings == ()


@pytest.mark.parametrize(
    "tells",
    [None, 0],
    ids=["the public client is told nothing", "our counter is ahead already"],
)
def test_without_a_higher_counter_the_refusal_itself_is_reported(tells: int | None) -> None:
    done = visits(Recovering(tells=tells))
    assert (code(done), done.attempts) == ("association-refused", 1)
    assert took_s(done) < MARGIN_S


def test_a_meter_without_a_public_client_leaves_the_first_refusal_standing() -> None:
    done = visits(Recovering(public=False), Counters(max_jump=EXPECTED))
    assert (code(done), done.attempts) == ("association-refused", 1)


@pytest.mark.parametrize("diagnostic", [2, 3, 11, 12])
def test_a_refusal_that_no_counter_can_be_the_reason_of_ends_after_one_attempt_with_its_likely_cause(
    diagnostic: int,
) -> None:
    meter = Recovering(rejects=diagnostic)
    done = visits(meter, Counters(max_jump=EXPECTED))
    assert (code(done), done.attempts, meter.associations) == ("association-refused", 1, 1)
    assert done.error is not None
    assert "check `" in done.error.detail


def test_a_pause_longer_than_what_is_left_ends_in_time_and_the_counter_stays_moved() -> None:
    counters = Counters(max_jump=EXPECTED)
    done = visits(Recovering(), counters, deadline_s=SMR.recovery_pause_s - 1.0)
    assert (code(done), done.attempts) == ("total-deadline", 1)
    assert took_s(done) < SMR.recovery_pause_s
    assert counters.next == EXPECTED + 1
    assert [one.code for one in done.findings] == ["counter-recovered"]


def test_a_silent_public_client_cannot_stretch_the_visit() -> None:
    lines = 0
    recovering = Recovering()

    def meter() -> Meter:
        nonlocal lines
        lines += 1
        return recovering() if lines == 1 else Meter("wrapper", Objects(), spoil=lambda _turn, _data: iter(()))

    patient = replace(SMR, security=replace(SMR.security, response_timeout_s=600))
    done = visits(meter, Counters(max_jump=EXPECTED), companion=patient, deadline_s=30.0)
    assert code(done) == "association-refused"
    assert took_s(done) <= 30.0 + MARGIN_S


# Deadlines and hostile meters, over real sockets.


def test_each_phase_has_its_deadline_and_the_whole_has_one_too() -> None:
    silent = meters(spoil=lambda _turn, _data: iter(()))
    done = visits(silent)
    assert code(done) == "response-timeout"
    assert took_s(done) == pytest.approx(SMR.response_timeout_s, abs=MARGIN_S)
    patient = replace(SMR, security=replace(SMR.security, response_timeout_s=600))
    done = visits(silent, companion=patient)
    assert code(done) == "total-deadline"
    assert took_s(done) == pytest.approx(DEADLINE_S, abs=MARGIN_S)


@pytest.mark.parametrize(
    ("transport", "case"),
    [(transport, case) for case in CASES for transport in ("wrapper", "hdlc") if case.only in ("", transport)],
    ids=str,
)
def test_a_hostile_meter_never_makes_a_visit_raise_or_overrun(transport: str, case: Case) -> None:
    done = visits(meters(case.spoil, case.twist, transport), transport=transport)
    assert took_s(done) <= DEADLINE_S
    assert done.error is None or done.error.code == done.outcome


def test_a_transport_that_is_not_known_is_refused_before_anything_is_tried() -> None:
    with pytest.raises(InputError) as caught:
        visitor(registered(1, "pigeon"))
    assert caught.value.code == "unknown-transport"


def test_what_went_over_the_line_is_not_in_the_repr_of_the_record() -> None:
    done = visits(meters())
    assert "result" not in repr(done)
