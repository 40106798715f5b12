"""A conversation without a line: when its timer looks, what it takes from the line at once, and how it ends."""

import asyncio
from collections.abc import Iterator
from itertools import repeat

import pytest

from kwartier.collect.line import READ_BYTES, Conversation, Plan
from kwartier.dlms import registry, services
from kwartier.dlms.events import Answer, Get
from kwartier.dlms.handshake import AssociationParameters, Release
from kwartier.dlms.hdlc import Kind
from kwartier.dlms.hdlc_link import POLL_PAUSE_S
from kwartier.dlms.protection import CounterRange
from kwartier.dlms.session import ClientSession
from kwartier.errors import LinkLost, WireError
from tests.collect.hostile import FINAL, frame, of_requests
from tests.collect.peers import Meter, Said, StillLoop, converse, link_of
from tests.collect.real import the_clock
from tests.dlms.pairs import CLOCK, Objects

VALUE = Objects().values[8, CLOCK, 2]


def test_a_meter_that_asks_for_a_pause_is_asked_again_when_it_is_over_and_not_much_later() -> None:
    def resting(turn: int, data: bytes) -> Iterator[Said]:
        if turn == 3:  # the clock: nothing to say yet, and the answer when it is asked again
            held.append(data)
            yield 0.0, frame(Kind.RR | FINAL | 3 << 5)
        elif turn == 4:
            yield 0.0, held[0]
        else:
            yield 0.0, data

    held: list[bytes] = []
    done = converse(Meter("hdlc", Objects(), spoil=resting), "hdlc", the_clock)
    assert (done.error, done.result) == (None, VALUE)
    assert done.ended_s == POLL_PAUSE_S


def test_no_more_is_taken_from_the_line_at_once_than_a_session_may_hold() -> None:
    loop = StillLoop()
    talk = _talk(loop, the_clock())
    assert len(talk.get_buffer(-1)) == len(talk.get_buffer(1 << 20)) == READ_BYTES
    talk.abandon()
    loop.close()


def _talk(loop: StillLoop, plan: Plan[object]) -> Conversation[object]:
    session = ClientSession(
        AssociationParameters(mechanism=0, security_control=0, release=Release.CLEAR), link_of("wrapper")[0]
    )
    return Conversation(session, plan, loop=loop, deadline_s=60.0)


def test_the_error_of_the_plan_is_reported_and_not_what_the_meter_makes_of_the_release() -> None:
    def failing() -> Plan[object]:
        yield Get(class_id=8, obis=CLOCK, attribute=2)
        raise WireError("bad-buffer", "the plan makes nothing of this")

    def rude(turn: int, data: bytes) -> Iterator[Said]:
        return iter([(0.0, data)]) if turn < 3 else repeat((0.0, b"\xff" * 100), 3)

    done = converse(Meter("wrapper", Objects(), spoil=rude), "wrapper", failing)
    assert isinstance(done.error, WireError)
    assert done.error.code == "bad-buffer"


def test_a_plan_that_wants_more_counters_than_there_are_and_cannot_have_any_ends() -> None:
    done = converse(Meter("wrapper", Objects()), "wrapper", the_clock, counters=CounterRange(100, 103))
    assert isinstance(done.error, LinkLost)
    assert done.error.code == "counters-spent-early"


def test_a_pushed_message_is_kept_and_is_no_answer() -> None:
    push = services.EventNotification(time=None, class_id=1, obis=CLOCK, attribute=2, value=b"\x11\x01")
    twist = of_requests(lambda session, _invoke, _honest: [session.protect(registry.build(push))])

    done = converse(Meter("wrapper", Objects(), twist=twist), "wrapper", the_clock, response_timeout_s=2.0)
    assert done.notifications == 1
    assert isinstance(done.error, LinkLost)


def test_a_line_that_is_opened_after_everybody_left_is_closed_unused() -> None:
    class Line(asyncio.Transport):
        aborted = False

        def abort(self) -> None:
            self.aborted = True

    loop, line = StillLoop(), Line()
    talk = _talk(loop, the_clock())
    talk.abandon()
    talk.connection_made(line)
    assert line.aborted
    assert loop.next_timer() is None
    assert talk.traffic.bytes_sent == 0
    loop.close()


@pytest.mark.parametrize("transport", ["wrapper", "hdlc"])
def test_an_answer_is_what_the_plan_is_sent(transport: str) -> None:
    seen: list[object] = []

    def plan() -> Plan[object]:
        reply = yield Get(class_id=8, obis=CLOCK, attribute=2)
        seen.append(reply)
        return None

    converse(Meter(transport, Objects()), transport, plan)
    (answer,) = seen
    assert isinstance(answer, Answer)
    assert answer.value == VALUE
