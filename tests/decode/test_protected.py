"""What is ciphered: its header without keys, its contents with both, and never anything unverified without its mark."""

import pytest

from kwartier.decode import Decoded, Keys, decode
from kwartier.decode.show import UNVERIFIED, lines
from kwartier.dlms import services, wrapper
from kwartier.dlms.association import Aarq
from kwartier.dlms.protection import AUTHENTICATED
from kwartier.errors import InputError
from tests.decode.building import (
    AK,
    CLIENT_TITLE,
    DEDICATED,
    EK,
    METER_TITLE,
    aare,
    aarq,
    bus,
    conversation,
    encrypted_only,
    get_response,
    protect,
    push,
    telegram,
)

BOTH = Keys(ek=EK, ak=AK)
WRONG = bytes(16)


def body_of(data: bytes, keys: Keys) -> object:
    found = decode(data, keys)
    assert found.error is None, found.error
    return found.as_json()["body"]


def code_of(found: Decoded) -> str | None:
    assert found.error is None or found.as_json()["body"] is None
    return None if found.error is None else found.error.code


def asked(data: bytes, keys: Keys) -> str:
    with pytest.raises(InputError) as refused:
        decode(data, keys)
    return refused.value.code


PLAIN = body_of(push(), Keys())


@pytest.mark.parametrize("keys", [Keys(), Keys(ak=AK), Keys(dedicated=DEDICATED)])
def test_without_the_key_a_message_shows_its_header(keys: Keys) -> None:
    found = decode(protect(push()), keys)
    assert code_of(found) is None
    sealed = found.layers[0].fields
    assert sealed["apdu"] == "general-glo-ciphering"
    assert sealed["system_title"] == "4B464D1020000001"
    assert (sealed["security_control"], sealed["invocation_counter"]) == (0x30, 0x0123_4567)
    assert sealed["plain"] is None
    assert found.as_json()["message"] == {"service": "general-glo-ciphering", "ciphered": True}
    assert found.as_json()["body"] is None


def test_with_both_keys_the_tag_is_verified_and_the_plain_bytes_are_shown() -> None:
    found = decode(protect(push()), BOTH)
    assert code_of(found) is None
    assert found.layers[0].fields["plain"] == push().hex().upper()
    assert found.layers[0].fields["verified"] is True
    assert found.as_json()["body"] == PLAIN
    assert "unverified" not in found.as_json()


def test_deciphered_bytes_keep_their_offsets() -> None:
    sealed = wrapper.encode(1, 16, protect(get_response(2)))
    found = decode(sealed, BOTH)
    # Wrapper, tag, title with its length, length, header; the message begins where its ciphertext does.
    assert found.layers[-1].offset == 8 + 1 + 9 + 1 + 5


def test_a_changed_byte_anywhere_is_a_bad_tag_or_a_bad_header() -> None:
    sealed = protect(push())
    for place in range(len(sealed)):
        bad = sealed[:place] + bytes((sealed[place] ^ 1,)) + sealed[place + 1 :]
        found = decode(bad, BOTH)
        assert found.error is not None, place
        if place > 18:
            assert found.error.code == "bad-tag"


@pytest.mark.parametrize("keys", [Keys(ek=WRONG, ak=AK), Keys(ek=EK, ak=WRONG)])
def test_a_wrong_key_is_a_bad_tag(keys: Keys) -> None:
    assert code_of(decode(protect(push()), keys)) == "bad-tag"


def test_without_the_authentication_key_it_takes_a_word_and_every_value_is_marked() -> None:
    sealed = protect(push())
    assert asked(sealed, Keys(ek=EK)) == "needs-unverified"
    found = decode(sealed, Keys(ek=EK, unverified=True))
    table = found.as_json()
    assert table["body"] == PLAIN
    assert table["unverified"] is True
    assert isinstance(table["message"], dict)
    assert table["message"]["unverified"] is True
    assert found.layers[0].fields["verified"] is False
    shown = list(lines(found))
    values = [text for text in shown if "KWA1" in text or "4711" in text]
    assert values
    assert all(text.endswith(UNVERIFIED) for text in values)


def test_the_word_does_not_switch_verification_off() -> None:
    found = decode(protect(push()), Keys(ek=EK, ak=AK, unverified=True))
    assert "unverified" not in found.as_json()
    bad = protect(push())[:-1] + b"\x00"
    assert code_of(decode(bad, Keys(ek=EK, ak=AK, unverified=True))) == "bad-tag"


def test_a_message_that_has_no_tag_is_shown_only_with_that_word() -> None:
    assert code_of(decode(encrypted_only(push()), BOTH)) == "no-tag"
    assert body_of(encrypted_only(push()), Keys(ek=EK, ak=AK, unverified=True)) == PLAIN
    assert decode(encrypted_only(push()), Keys(ek=EK, unverified=True)).as_json()["unverified"] is True


def test_a_message_that_is_only_tagged_is_readable_and_marked_without_keys() -> None:
    tagged = protect(push(), control=AUTHENTICATED)
    assert body_of(tagged, BOTH) == PLAIN
    assert "unverified" not in decode(tagged, BOTH).as_json()
    assert decode(tagged).layers[0].fields["plain"] is None
    assert decode(tagged, Keys(unverified=True)).as_json()["unverified"] is True
    assert body_of(tagged, Keys(unverified=True)) == PLAIN


def test_a_message_that_does_not_name_its_sender_needs_a_title() -> None:
    sealed = protect(get_response(2), general=False)
    assert asked(sealed, BOTH) == "needs-system-title"
    assert body_of(sealed, Keys(ek=EK, ak=AK, system_title=METER_TITLE)) == body_of(get_response(2), Keys())
    assert code_of(decode(sealed, Keys(ek=EK, ak=AK, system_title=CLIENT_TITLE))) == "bad-tag"


def test_the_dedicated_key_is_taken_from_the_option() -> None:
    sealed = protect(push(), dedicated=True)
    assert decode(sealed, BOTH).layers[0].fields["plain"] is None
    assert body_of(sealed, Keys(ek=EK, ak=AK, dedicated=DEDICATED)) == PLAIN


def test_a_conversation_tells_titles_and_dedicated_key_to_its_own_later_messages() -> None:
    found = decode(conversation(), BOTH)
    assert code_of(found) is None
    said = [one.fields["service"] for one in found.messages]
    assert said == ["aarq", "aare", "get-request-normal", "get-response-normal"]
    assert found.as_json()["body"] == body_of(get_response(4), Keys())
    sealed = [layer.fields for layer in found.layers if layer.kind == "ciphered"]
    assert [one["apdu"] for one in sealed[2:]] == ["ded-get-request", "ded-get-response"]
    assert all(one["verified"] for one in sealed)


def test_user_information_is_shown_plain_with_its_fields_and_no_key_by_name() -> None:
    found = decode(aarq(), BOTH)
    message = found.as_json()["message"]
    assert isinstance(message, dict)
    assert message["user_information_plain"].startswith("0101")
    assert (message["conformance"], message["max_pdu"]) == ("00401D", 0xFFFF)
    assert message["calling_authentication_value"] == "CLIENT01"
    assert message["dedicated_key"] == "present"
    answer = decode(aare(), BOTH).as_json()["message"]
    assert isinstance(answer, dict)
    assert (answer["result"], answer["result_hex"]) == ("accepted", "0x00")
    assert (answer["diagnostic"], answer["diagnostic_hex"]) == ("authentication-required", "0x0E")
    assert answer["responding_authentication_value"] == "0001020304050607"
    assert (answer["conformance"], answer["max_pdu"], answer["vaa_name"]) == ("00401D", 1024, "0007")


def test_user_information_stays_closed_without_keys() -> None:
    found = decode(aarq())
    message = found.as_json()["message"]
    assert isinstance(message, dict)
    assert code_of(found) is None
    assert message["user_information_plain"] is None
    assert "conformance" not in message


def test_a_compressed_message_is_named_and_not_guessed_at() -> None:
    sealed = bytearray(protect(push()))
    sealed[11] |= 0x80
    assert code_of(decode(bytes(sealed), BOTH)) == "compressed"
    assert code_of(decode(bytes(sealed))) is None


def test_a_telegram_inside_ciphering_is_a_telegram() -> None:
    sent = telegram("1-0:1.8.1(000004.426*kWh)")
    found = decode(protect(sent), BOTH)
    assert [layer.kind for layer in found.layers] == ["ciphered", "p1"]
    assert found.as_json()["body"] == body_of(sent, Keys())


def test_the_smart_meter_p1_form_with_its_fixed_long_length_is_general_ciphering() -> None:
    sent = telegram("1-0:1.8.1(000004.426*kWh)")
    usual = protect(sent)
    assert usual[10] == len(usual) - 11
    fixed = usual[:10] + b"\x82" + (len(usual) - 11).to_bytes(2, "big") + usual[11:]
    assert body_of(fixed, BOTH) == body_of(sent, Keys())


def test_no_key_is_in_a_repr() -> None:
    shown = repr(Keys(ek=EK, ak=AK, dedicated=DEDICATED)) + repr(decode(aarq(), BOTH).messages[0].data)
    for key in (EK, AK, DEDICATED):
        assert key.hex() not in shown.lower()


def test_blocks_of_a_get_are_put_together_when_the_capture_holds_them_all() -> None:
    raw = get_response(6)[4:]
    parts = [raw[:50], raw[50:90], raw[90:]]
    sent = [
        services.GetResponseBlock(
            invoke_id_and_priority=0xC1, last_block=number == 3, block_number=number, raw=part
        ).encode()
        for number, part in enumerate(parts, 1)
    ]
    together = decode(b"".join(wrapper.encode(1, 16, one) for one in sent))
    assert together.as_json()["body"] == body_of(get_response(6), Keys())
    one = decode(sent[1]).as_json()
    assert isinstance(one["message"], dict)
    assert (one["message"]["block_number"], one["message"]["raw_data_length"]) == (2, 40)
    assert one["body"] is None
    gap = decode(wrapper.encode(1, 16, sent[0]) + wrapper.encode(1, 16, sent[2]))
    assert gap.as_json()["body"] is None


@pytest.mark.parametrize("apdu", [get_response(3), push()])
def test_a_tail_behind_a_value_is_shown_apart_where_the_message_is_known_to_be_whole(apdu: bytes) -> None:
    found = decode(protect(apdu + b"\x00\x07"), BOTH)
    table = found.as_json()
    assert found.error is None
    assert table["body"] == body_of(apdu, Keys())
    assert isinstance(table["message"], dict)
    assert table["message"]["tail"] == "0007"
    assert "2 bytes" in found.remarks[0]
    assert code_of(decode(apdu + b"\x00\x07")) == "trailing-bytes"
    assert code_of(decode(protect(apdu + b"\x00\x07"), Keys(ek=EK, unverified=True))) == "trailing-bytes"


def test_a_value_cut_short_is_shown_as_far_as_it_goes_where_the_message_is_known_to_be_whole() -> None:
    found = decode(protect(get_response(3)[:-2]), BOTH)
    table = found.as_json()
    assert isinstance(table["message"], dict)
    assert table["message"]["incomplete"] is True
    assert table["body"] == [*body_rows(2), body_rows(3)[2][:3]]
    assert code_of(decode(get_response(3)[:-2])) == "truncated"


def body_rows(count: int) -> list[list[object]]:
    rows = body_of(get_response(count), Keys())
    assert isinstance(rows, list)
    return rows


def test_a_message_that_names_no_sender_shows_the_title_it_was_opened_with() -> None:
    sealed = protect(get_response(1), general=False)
    assert decode(sealed).layers[0].fields["system_title"] is None
    found = decode(sealed, Keys(ek=EK, ak=AK, system_title=METER_TITLE))
    assert found.layers[0].fields["system_title"] == METER_TITLE.hex().upper()


def test_a_push_over_the_bus_that_names_another_suite_and_has_no_tag_is_read_unverified() -> None:
    # Austrian meters push like this: only enciphered, with the number of suite 1, whose cipher is that of suite 0.
    sent = bus(encrypted_only(push(), control=0x21), 30)
    found = decode(sent, Keys(ek=EK, unverified=True))
    assert found.error is None
    assert found.layers[-2].fields["suite"] == 1
    assert found.as_json()["body"] == PLAIN
    assert found.as_json()["unverified"] is True


def test_what_an_encrypted_p1_port_sends_in_a_row_is_told_apart() -> None:
    first, second = (telegram(f"1-0:1.8.1(00000{place}.426*kWh)") for place in (1, 2))
    sent = protect(first, counter=1) + protect(second, counter=2)
    found = decode(sent, BOTH)
    assert [layer.kind for layer in found.layers] == ["ciphered", "p1", "ciphered", "p1"]
    assert found.layers[2].offset == len(protect(first))
    assert [one.body for one in found.messages] == [body_of(first, Keys()), body_of(second, Keys())]
    assert code_of(decode(sent[:-1], BOTH)) == "bad-length"
    assert code_of(decode(sent + b"\x00\x00", BOTH)) == "trailing-bytes"


def test_blocks_of_which_one_is_unverified_make_no_verified_value() -> None:
    raw = get_response(6)[4:]
    first, last = (
        services.GetResponseBlock(invoke_id_and_priority=0xC1, last_block=end, block_number=number, raw=part).encode()
        for number, end, part in ((1, False, raw[:50]), (2, True, raw[50:]))
    )
    mixed = wrapper.encode(1, 16, encrypted_only(first)) + wrapper.encode(1, 16, protect(last))
    found = decode(mixed, Keys(ek=EK, ak=AK, unverified=True))
    assert found.as_json()["body"] == body_of(get_response(6), Keys())
    assert [one.unverified for one in found.messages] == [True, True]


def test_a_dedicated_key_that_no_tag_vouches_for_opens_nothing_where_tags_are_verified() -> None:
    proposed = services.InitiateRequest(conformance=1, max_pdu=0, dedicated_key=DEDICATED).encode()
    asked_for = Aarq(application_context=3, calling_title=METER_TITLE, user_information=encrypted_only(proposed))
    sent = wrapper.encode(1, 16, asked_for.encode()) + wrapper.encode(1, 16, protect(push(), dedicated=True))
    assert decode(sent, Keys(ek=EK, ak=AK, unverified=True)).layers[-1].fields["plain"] is None
    assert decode(sent, Keys(ek=EK, unverified=True)).as_json()["body"] == PLAIN
