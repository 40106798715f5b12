"""Facts about real meters and faults of other programs, each as a test with its sentence as the name.

Those that had a test of their own already, and where:
- the tags of answers are checked: ``test_session.test_no_changed_bit_yields_a_value``
- no nonce is used twice: ``test_session.test_every_computation_spends_one_counter_and_none_twice``
- the peer's counter moves only once its tag is verified: ``test_protection.test_a_forged_frame_does_not_move_the_counter``
- some meters send an empty system title: ``test_session.test_an_empty_title_uses_the_registered_one``
- a meter may refuse a clear release and accept a protected one, or the reverse:
  ``test_session.test_a_meter_that_refuses_one_form_of_release_is_left_all_the_same``
- a clock answer may carry a stray tail: ``test_services.test_a_get_response_hands_out_all_that_remains_without_walking_it``,
  and what becomes of it: ``tests/cosem/test_drift.py``
- no hammering after a lost release or a refusal: ``tests/collect/test_visit.py`` (one attempt, and one recovery)
- invocation counters above 2^31: ``test_protection.test_counters_must_grow_also_above_two_to_the_31``
- a tag without its key needs a loud mode: ``tests/decode/test_protected.py``
- push with and without the inner tag of its time:
  ``test_services.test_the_time_of_a_push_comes_with_and_without_its_inner_tag``
- lost and repeated blocks yield nothing: ``test_gbt.test_no_value_comes_of_a_lost_repeated_or_swapped_block``
- ranges with and without deviation, null-data in the clock column, the place of the sort column: ``tests/cosem``
- household data in no log: ``test_session.test_values_are_not_in_any_repr``
"""

import pytest

from kwartier.dlms import axdr
from kwartier.dlms.events import Answer
from kwartier.dlms.gbt import Block
from kwartier.dlms.hdlc import Address, BadFrame, Frame, FrameReader, check_sequence
from kwartier.dlms.protection import GENERAL_GLO
from tests.dlms.pairs import CLOCK, PROFILE, Objects, make_pair
from tests.dlms.test_hdlc_link import pair as links
from tests.dlms.test_session import GET_CLOCK, GET_PROFILE, ask, associate

GLO_GET_REQUEST, GLO_GET_RESPONSE = 0xC8, 0xCC
I_FRAME = 0x10


def test_check_sequence_is_crc_16_x25() -> None:
    assert check_sequence(b"123456789") == bytes.fromhex("6E90")


@pytest.mark.parametrize(("general", "tag"), [(False, GLO_GET_RESPONSE), (True, GENERAL_GLO)])
def test_a_meter_answers_in_kind(general: bool, tag: int) -> None:
    one = make_pair(general=general)
    associate(one)
    ask(one, GET_CLOCK)
    assert one.to_client[-1][8] == tag


def test_a_peer_may_change_from_glo_to_general_glo_in_mid_session() -> None:
    one = make_pair()
    associate(one)
    one.client.ask(GET_CLOCK, 0.0)
    request = one.client.data_to_send()
    assert request[8] == GLO_GET_REQUEST
    one.server.receive(request, 0.0)
    one.server.data_to_send()
    protection = one.server._protection
    assert protection is not None
    protection.general = True
    apdu = protection.protect(b"\xc4\x01\xc1\x00" + one.objects.values[8, CLOCK, 2])
    assert apdu[0] == GENERAL_GLO
    (answer,) = one.client.receive(b"\x00\x01\x00\x01\x00\x01" + len(apdu).to_bytes(2, "big") + apdu, 0.0)
    assert isinstance(answer, Answer)
    assert answer.value == one.objects.values[8, CLOCK, 2]


def test_hdlc_has_no_byte_stuffing_flags_and_escapes_inside_are_data() -> None:
    information = b"\x7e\x7d\x5e\x7e\x7e\x7d" * 9
    frame = Frame(destination=Address(1), source=Address(1), control=I_FRAME, information=information)
    assert frame.encode().count(b"\x7e\x7d\x5e") == 9
    for step in (1, 5, 1000):
        reader, data = FrameReader(), frame.encode() * 2
        found = [one for at in range(0, len(data), step) for one in reader.feed(data[at : at + step])]
        assert found == [frame, frame]


@pytest.mark.parametrize("server", [Address(1), Address(1, 17, 2), Address(0x3FFF, 0x3FFF, 4)])
def test_addresses_have_one_two_or_four_bytes_and_both_ends_may_differ(server: Address) -> None:
    for source, destination in ((Address(16), server), (server, Address(16))):
        frame = Frame(destination=destination, source=source, control=I_FRAME, information=b"abc")
        assert FrameReader().feed(frame.encode()) == [frame]


def test_a_corrupt_frame_is_an_event_at_once_and_not_a_wish_for_more_data() -> None:
    frame = Frame(destination=Address(1), source=Address(1), control=I_FRAME, information=bytes(50))
    for place in range(1, len(frame.encode()) - 1):
        damaged = bytearray(frame.encode())
        damaged[place] ^= 0x55
        found = FrameReader().feed(bytes(damaged) + frame.encode())
        assert found[-1:] == [frame], place
        assert all(isinstance(one, BadFrame) for one in found[:-1])


@pytest.mark.parametrize("max_pdu", range(64, 96))
def test_blocks_end_in_the_middle_of_an_element(max_pdu: int) -> None:
    value = axdr.encode(axdr.array(*(axdr.octets(bytes(11)) for _ in range(9))))
    one = make_pair(max_pdu=max_pdu + 48, objects=Objects(value))
    associate(one)
    answer = ask(one, GET_PROFILE)
    assert isinstance(answer, Answer)
    assert answer.value == one.objects.values[7, PROFILE, 2]


def test_streaming_gbt_comes_with_one_block_per_hdlc_frame() -> None:
    ours, theirs = links()
    ours.send(b"\xc0\x01", 0.0)
    theirs.receive(ours.data_to_send(), 0.0)
    blocks = [
        Block(last=number == 5, streaming=number < 5, window=0, number=number, acknowledged=0, data=bytes(60)).encode()
        for number in range(1, 6)
    ]
    for block in blocks:
        theirs.send(block, 0.0)
    found: list[bytes] = []
    for _ in range(20):
        found += ours.receive(theirs.data_to_send(), 0.0)
        theirs.receive(ours.data_to_send(), 0.0)
    assert found == blocks
