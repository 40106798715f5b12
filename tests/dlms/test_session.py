"""The conversation: two cores back to back, every refusal, and every way of being lied to."""

import pytest

from kwartier.dlms import axdr, registry, services
from kwartier.dlms.association import Aare, Aarq, Rlrq
from kwartier.dlms.events import (
    Act,
    Answer,
    Associated,
    AssociationRefused,
    CountersNeeded,
    Event,
    ExceptionReceived,
    Get,
    GetList,
    ListAnswer,
    Notification,
    Operation,
    Refusal,
    Released,
    Set,
)
from kwartier.dlms.handshake import Release
from kwartier.dlms.protection import CounterRange, SessionKeys, parse_ciphered
from kwartier.dlms.server import AssociationPoint
from kwartier.dlms.session import NOT_NEGOTIATED
from kwartier.dlms.states import ClientState
from kwartier.errors import KwartierError, LinkLost, SecurityError, StateError
from tests.dlms.pairs import AK, CLOCK, EK, KEYS, METER_CHALLENGE, PROFILE, Objects, Pair, make_pair

GET_CLOCK = Get(class_id=8, obis=CLOCK, attribute=2)
GET_PROFILE = Get(class_id=7, obis=PROFILE, attribute=2)


def associate(pair: Pair) -> list[object]:
    pair.client.open(pair.now)
    return list(pair.run())


def ask(pair: Pair, operation: Operation) -> Event:
    events = pair.client.ask(operation, pair.now) or pair.run()
    assert len(events) == 1
    return events[0]


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("general", [False, True])
@pytest.mark.parametrize("max_pdu", [128, 1024, 0xFFFF, 0])
@pytest.mark.parametrize("release", list(Release))
def test_a_whole_session(step: int, general: bool, max_pdu: int, release: Release) -> None:
    pair = make_pair(step=step, general=general, max_pdu=max_pdu, release=release)
    (associated,) = associate(pair)
    assert isinstance(associated, Associated)
    for operation in (GET_CLOCK, GET_PROFILE):
        answer = ask(pair, operation)
        assert isinstance(answer, Answer)
        assert answer.value == pair.objects.values[operation.class_id, operation.obis, 2]
    events = pair.client.release(pair.now) + pair.run()
    assert events == [Released(clean=True)]
    assert pair.client.state is ClientState.CLOSED
    assert pair.client.deadline is None


def test_a_round_trip_fewer_than_five_reads_a_value() -> None:
    pair = make_pair()
    associate(pair)
    ask(pair, GET_PROFILE)
    pair.client.release(pair.now)
    pair.run()
    assert len(pair.to_server) == 4


@pytest.mark.parametrize("control", [0x10, 0x30])
def test_each_policy(control: int) -> None:
    pair = make_pair(point=AssociationPoint(keys=KEYS, security_control=control), security_control=control)
    assert isinstance(associate(pair)[0], Associated)
    assert isinstance(ask(pair, GET_CLOCK), Answer)


def test_no_security_and_a_password() -> None:
    plain = make_pair(
        point=AssociationPoint(mechanism=0, security_control=0), mechanism=0, security_control=0, keys=None
    )
    assert isinstance(associate(plain)[0], Associated)
    assert isinstance(ask(plain, GET_CLOCK), Answer)
    keys = SessionKeys(ek=EK, ak=AK, lls=b"12345678")
    for control in (0, 0x30):
        point = AssociationPoint(mechanism=1, security_control=control, keys=keys)
        pair = make_pair(point=point, mechanism=1, security_control=control, keys=keys)
        assert isinstance(associate(pair)[0], Associated)
        assert isinstance(ask(pair, GET_CLOCK), Answer)
    wrong = make_pair(point=point, mechanism=1, security_control=0x30, keys=SessionKeys(ek=EK, ak=AK, lls=b"1234567x"))
    refused = associate(wrong)
    assert isinstance(refused[0], AssociationRefused)
    assert refused[0].diagnostic_name == "authentication-failure"
    assert refused[1] == Released(clean=False)


def test_a_dedicated_key_carries_everything_after_the_proofs() -> None:
    pair = make_pair(keys=SessionKeys(ek=EK, ak=AK, dedicated=bytes(range(16, 32))))
    associate(pair)
    assert isinstance(ask(pair, GET_CLOCK), Answer)
    assert pair.to_server[-1][8] == 0xD0
    assert pair.to_client[-1][8] == 0xD4
    assert pair.client.release(pair.now) + pair.run() == [Released(clean=True)]


def test_services_other_than_get() -> None:
    pair = make_pair(max_pdu=200)
    associate(pair)
    assert ask(pair, Set(class_id=1, obis=CLOCK, attribute=2, value=b"\x11\x07")) == Answer(
        operation=Set(class_id=1, obis=CLOCK, attribute=2, value=b"\x11\x07"), value=None
    )
    assert pair.objects.values[1, CLOCK, 2] == b"\x11\x07"
    act = Act(class_id=9, obis=CLOCK, method=1, value=b"\x11\x09")
    assert ask(pair, act) == Answer(operation=act, value=b"\x11\x09")
    refusal = ask(pair, Act(class_id=9, obis=CLOCK, method=2))
    assert isinstance(refusal, Refusal)
    assert refusal.result_name == "read-write-denied"
    listed = GetList(items=(GET_CLOCK, Get(class_id=1, obis=PROFILE, attribute=9), GET_PROFILE))
    answer = ask(pair, listed)
    assert isinstance(answer, ListAnswer)
    assert answer.results == (pair.objects.values[8, CLOCK, 2], 4, pair.objects.values[7, PROFILE, 2])


def test_a_meter_that_says_no_is_an_event_and_the_session_goes_on() -> None:
    pair = make_pair()
    associate(pair)
    refusal = ask(pair, Get(class_id=3, obis=PROFILE, attribute=2))
    assert isinstance(refusal, Refusal)
    assert (refusal.result, refusal.result_name) == (4, "object-undefined")
    assert isinstance(ask(pair, GET_CLOCK), Answer)


def test_what_was_not_negotiated_is_not_sent() -> None:
    point = AssociationPoint(keys=KEYS, conformance=1 << 4 | 1)
    pair = make_pair(point=point)
    associate(pair)
    refusal = ask(pair, Get(class_id=7, obis=PROFILE, attribute=2, access=b"\x01\x00"))
    assert isinstance(refusal, Refusal)
    assert (refusal.result, refusal.result_name) == (NOT_NEGOTIATED, "not negotiated: selective-access")
    assert isinstance(ask(pair, GET_CLOCK), Answer)


def test_every_computation_spends_one_counter_and_none_twice() -> None:
    pair = make_pair(max_pdu=256)
    associate(pair)
    ask(pair, GET_PROFILE)
    pair.client.release(pair.now)
    pair.run()
    seen = [parse_ciphered(data[8:]).invocation_counter for data in pair.to_server if data[8] not in (0x60, 0x62)]
    aarq, rlrq = registry.parse(pair.to_server[0][8:]), registry.parse(pair.to_server[-1][8:])
    for message in (aarq, rlrq):
        assert isinstance(message, Aarq | Rlrq)
        assert message.user_information is not None
        seen.append(parse_ciphered(message.user_information).invocation_counter)
    seen.append(101)  # inside pass 3: the proof of the keys
    assert sorted(seen) == list(range(100, 100 + len(seen)))


def test_spent_counters_are_asked_for_before_anything_is_sent() -> None:
    pair = make_pair(counters=CounterRange(10, 13))
    associate(pair)
    (needed,) = pair.client.ask(GET_CLOCK, pair.now)
    assert isinstance(needed, CountersNeeded)
    assert pair.client.data_to_send() == b""
    pair.client.add_counters(CounterRange(50, 60), pair.now)
    assert isinstance(pair.run()[0], Answer)


@pytest.mark.parametrize("form", ["clear", "protected"])
def test_a_meter_that_refuses_one_form_of_release_is_left_all_the_same(form: str) -> None:
    pair = make_pair(point=AssociationPoint(keys=KEYS, refuses_release=frozenset((form,))), release=Release(form))
    associate(pair)
    assert pair.client.release(pair.now) + pair.run() == [Released(clean=False)]
    other = Release.CLEAR if form == "protected" else Release.PROTECTED
    again = make_pair(point=AssociationPoint(keys=KEYS, refuses_release=frozenset((form,))), release=other)
    associate(again)
    assert again.client.release(again.now) + again.run() == [Released(clean=True)]


def test_a_silent_release_ends_at_the_deadline() -> None:
    pair = make_pair(response_timeout_s=5.0)
    associate(pair)
    pair.client.release(100.0)
    assert pair.client.deadline == 105.0
    assert pair.client.handle_timer(104.9) == []
    assert pair.client.handle_timer(105.0) == [Released(clean=False)]


def test_silence_is_a_lost_link() -> None:
    pair = make_pair(response_timeout_s=5.0)
    pair.client.open(0.0)
    with pytest.raises(LinkLost) as caught:
        pair.client.handle_timer(5.0)
    assert caught.value.code == "response-timeout"
    with pytest.raises(StateError):
        pair.client.ask(GET_CLOCK, 5.0)


def test_a_closed_line_is_a_lost_link() -> None:
    pair = make_pair()
    associate(pair)
    pair.client.ask(GET_CLOCK, pair.now)
    with pytest.raises(LinkLost, match="closed the line while asking"):
        pair.client.eof()


# Identity, keys and counters.


def test_another_title_in_the_aare_is_an_identity_error() -> None:
    pair = make_pair(peer_title=b"ANOTHER1")
    pair.client.open(0.0)
    with pytest.raises(SecurityError) as caught:
        pair.run()
    assert caught.value.code == "identity"


def test_an_empty_title_uses_the_registered_one() -> None:
    pair = make_pair(point=AssociationPoint(keys=KEYS, sends_title=False))
    assert isinstance(associate(pair)[0], Associated)


def test_a_meter_with_other_keys_refuses_and_says_so() -> None:
    pair = make_pair(point=AssociationPoint(keys=SessionKeys(ek=AK, ak=EK)))
    events = associate(pair)
    assert isinstance(events[0], ExceptionReceived)
    assert events[0].service_error == "deciphering-error"


def test_a_meter_that_has_seen_higher_counters_tells_which_it_expects() -> None:
    pair = make_pair(point=AssociationPoint(keys=KEYS, peer_counter=5000))
    events = associate(pair)
    assert isinstance(events[0], ExceptionReceived)
    assert (events[0].service_error, events[0].invocation_counter) == ("invocation-counter-error", 5001)


def test_counters_of_the_meter_must_have_grown_since_the_last_session() -> None:
    assert isinstance(associate(make_pair(peer_counter=0))[0], Associated)
    pair = make_pair(peer_counter=1)
    pair.client.open(0.0)
    with pytest.raises(SecurityError) as caught:
        pair.run()
    assert caught.value.code == "replayed"


def answer_of(pair: Pair) -> bytes:
    """What the meter says to what the client has just sent, not yet handed over."""
    pair.server.receive(pair.client.data_to_send(), pair.now)
    return pair.server.data_to_send()


def test_our_own_challenge_sent_back_is_refused() -> None:
    pair = make_pair()
    pair.client.open(0.0)
    aare = registry.parse(answer_of(pair)[8:])
    assert isinstance(aare, Aare)
    for value, code in ((b"C" * 16, "challenge-reflected"), (b"M" * 7, "bad-challenge"), (b"M" * 65, "bad-challenge")):
        pair = make_pair()
        pair.client.open(0.0)
        data = registry.build(
            Aare(
                application_context=aare.application_context,
                result=0,
                diagnostic=14,
                responding_title=aare.responding_title,
                mechanism=5,
                responding_authentication_value=value,
                user_information=aare.user_information,
            )
        )
        with pytest.raises(SecurityError) as caught:
            pair.client.receive(bytes((0, 1, 0, 1, 0, 1, 0, len(data))) + data, 0.0)
        assert caught.value.code == code


def test_an_accepting_aare_without_valid_terms_is_refused() -> None:
    pair = make_pair()
    pair.client.open(0.0)
    aare = answer_of(pair)
    with pytest.raises(SecurityError):
        pair.client.receive(aare[:-1] + bytes((aare[-1] ^ 1,)), 0.0)
    assert METER_CHALLENGE in aare


@pytest.mark.parametrize("stage", range(3))
def test_no_changed_bit_yields_a_value(stage: int) -> None:
    """Flip each bit of the meter's answers: no value and no association may come of it, only a typed error or nothing."""
    pair = make_pair(objects=Objects(b"\x06\x00\x01\xe2\x40"))
    pair.client.open(0.0)
    length = 400
    place = 0
    while place < length:
        pair = make_pair(objects=Objects(b"\x06\x00\x01\xe2\x40"))
        pair.client.open(0.0)
        answer = answer_of(pair)
        for _ in range(stage):
            events = pair.client.receive(answer, 0.0)
            if events and isinstance(events[0], Associated):
                pair.client.ask(GET_PROFILE, 0.0)
            answer = answer_of(pair)
        length = len(answer) * 8
        changed = bytearray(answer)
        changed[place // 8] ^= 1 << place % 8
        try:
            events = pair.client.receive(bytes(changed), 0.0)
        except KwartierError:
            events = []
        if stage:
            assert not any(isinstance(event, Answer | Associated) for event in events)
        place += 1


# Answers that do not belong to the question.


def serve(pair: Pair, message: registry.Apdu) -> list[object]:
    """Hand the client a message that the meter protected but that its own logic would never send."""
    pair.server.receive(pair.client.data_to_send(), pair.now)
    pair.server.data_to_send()
    apdu = pair.server._protect(registry.build(message))
    return list(pair.client.receive(b"\x00\x01\x00\x01\x00\x01" + len(apdu).to_bytes(2, "big") + apdu, pair.now))


def asked(operation: Operation = GET_CLOCK) -> Pair:
    pair = make_pair()
    associate(pair)
    pair.client.ask(operation, pair.now)
    return pair


def test_a_late_answer_never_satisfies_a_later_request() -> None:
    late = services.GetResponseNormal(invoke_id_and_priority=0xC2, data=b"\x11\x01", result=None)
    with pytest.raises(KwartierError) as caught:
        serve(asked(), late)
    assert caught.value.code == "wrong-answer"


@pytest.mark.parametrize(
    "message",
    [
        services.SetResponseNormal(invoke_id_and_priority=0xC1, result=0),
        services.ActionResponseNormal(invoke_id_and_priority=0xC1, result=0),
        services.GetResponseWithList(invoke_id_and_priority=0xC1, results=(b"\x00",)),
        services.GetRequestNormal(invoke_id_and_priority=0xC1, class_id=1, obis=CLOCK, attribute=2),
    ],
)
def test_an_answer_of_another_kind_is_refused(message: registry.Apdu) -> None:
    with pytest.raises(KwartierError) as caught:
        serve(asked(), message)
    assert caught.value.code == "wrong-answer"


def block(number: int, raw: bytes = bytes(40), *, last: bool = False) -> services.GetResponseBlock:
    return services.GetResponseBlock(
        invoke_id_and_priority=0xC1, last_block=last, block_number=number, raw=raw, result=None
    )


@pytest.mark.parametrize("numbers", [(2,), (0,), (1, 1), (1, 3), (1, 2, 2)])
def test_lost_and_repeated_blocks_yield_nothing(numbers: tuple[int, ...]) -> None:
    pair = asked(GET_PROFILE)
    with pytest.raises(KwartierError) as caught:
        for number in numbers:
            assert serve(pair, block(number, last=False)) == []
    assert caught.value.code == "lost-block"


def test_a_normal_answer_after_blocks_is_refused() -> None:
    pair = asked(GET_PROFILE)
    serve(pair, block(1))
    with pytest.raises(KwartierError):
        serve(pair, services.GetResponseNormal(invoke_id_and_priority=0xC1, data=b"\x00", result=None))


def test_endless_blocks_end() -> None:
    pair = asked(Get(class_id=7, obis=PROFILE, attribute=2, max_bytes=100))
    with pytest.raises(KwartierError) as caught:
        for number in range(1, 10):
            serve(pair, block(number))
    assert caught.value.code == "answer-too-long"
    tiny = asked(Get(class_id=7, obis=PROFILE, attribute=2, max_bytes=100))
    with pytest.raises(KwartierError) as caught:
        for number in range(1, 100):
            serve(tiny, block(number, b"\x00"))
    assert caught.value.code == "too-many-blocks"


def test_a_push_in_mid_session_is_an_event_of_its_own() -> None:
    pair = asked()
    pushed = services.EventNotification(time=None, class_id=1, obis=CLOCK, attribute=2, value=b"\x11\x01")
    (event,) = serve(pair, pushed)
    assert isinstance(event, Notification)
    assert event.apdu == registry.build(pushed)
    for _ in range(63):
        serve(pair, pushed)
    with pytest.raises(KwartierError) as caught:
        serve(pair, pushed)
    assert caught.value.code == "too-many-notifications"


def test_an_exception_answers_the_request() -> None:
    exception = services.ExceptionResponse(state_error=1, service_error=2)
    (event,) = serve(asked(), exception)
    assert isinstance(event, ExceptionReceived)
    assert (event.operation, event.service_error) == (GET_CLOCK, "service-not-supported")


def test_values_are_not_in_any_repr() -> None:
    answer = Answer(operation=GET_CLOCK, value=b"\x06\x00\x01\xe2\x40")
    assert "e2" not in repr(answer)
    assert axdr.decode(answer.value or b"").value == 123456
