"""ACSE: strict with clients, patient with meters."""

import pytest

from kwartier.dlms import registry
from kwartier.dlms.association import NO_SOURCE, SERVICE_PROVIDER, Aare, Aarq, Rlre, Rlrq
from kwartier.errors import WireError

CONTEXT = "A109 0607 60857405080103"
RESULT = "A203 020100"
DIAGNOSTIC = "A305 A103 020100"
TITLE = "A40A 0408 4B57410000000001"
USER = "BE04 0402 0800"


def apdu(tag: int, *fields: str) -> bytes:
    content = bytes.fromhex("".join(fields))
    length = bytes((len(content),)) if len(content) < 0x80 else bytes((0x81, len(content)))
    return bytes((tag,)) + length + content


def aare(*fields: str) -> Aare:
    message = registry.parse(apdu(0x61, *fields))
    assert isinstance(message, Aare)
    return message


def aarq(*fields: str) -> Aarq:
    message = registry.parse(apdu(0x60, *fields))
    assert isinstance(message, Aarq)
    return message


def test_a_meter_may_order_its_fields_as_it_likes() -> None:
    assert aare(USER, DIAGNOSTIC, TITLE, CONTEXT, RESULT) == aare(CONTEXT, RESULT, DIAGNOSTIC, TITLE, USER)


def test_a_rejection_may_hold_nothing_but_its_result() -> None:
    message = aare("A203 020102")
    assert (message.result, message.result_name) == (2, "rejected-transient")
    assert (message.diagnostic_source, message.diagnostic_name) == (NO_SOURCE, "not-given")
    assert (message.application_context, message.responding_title, message.user_information) == (None, None, None)


def test_an_aare_without_result_is_refused() -> None:
    with pytest.raises(WireError) as caught:
        aare(CONTEXT, DIAGNOSTIC)
    assert caught.value.code == "bad-acse"


@pytest.mark.parametrize("title", ["A402 0400", "A400"])
def test_an_empty_system_title_is_not_an_absent_one(title: str) -> None:
    assert aare(CONTEXT, RESULT, DIAGNOSTIC, title).responding_title == b""
    assert aare(CONTEXT, RESULT, DIAGNOSTIC).responding_title is None


def test_diagnostics_are_named_by_their_source() -> None:
    user = aare(CONTEXT, "A203 020101", "A305 A103 02010D")
    assert user.diagnostic_name == "authentication-failure"
    provider = aare(CONTEXT, "A203 020101", "A305 A203 020102")
    assert (provider.diagnostic_source, provider.diagnostic_name) == (SERVICE_PROVIDER, "no-common-acse-version")
    assert aare(CONTEXT, "A203 020101", "A305 A103 020163").diagnostic_name == "unknown (99)"


def test_an_unknown_mechanism_or_context_survives_and_prints() -> None:
    message = aarq("A109 0607 60857405080109", "8A02 0780", "8B07 60857405080263")
    assert (message.application_context, message.application_context_name) == (9, "unknown (9)")
    assert (message.mechanism, message.mechanism_name) == (0x63, "unknown (99)")


@pytest.mark.parametrize("form", ["8802 0780", "8802 0680", "8803 0780 00"])
def test_a_functional_unit_is_read_from_its_first_bit(form: str) -> None:
    assert aare(CONTEXT, RESULT, DIAGNOSTIC, form).acse_requirements is True
    assert aare(CONTEXT, RESULT, DIAGNOSTIC, "8802 0700").acse_requirements is None


def test_a_mechanism_without_the_functional_unit_is_seen() -> None:
    message = aarq(CONTEXT, "8B07 60857405080205")
    assert message.acse_requirements is False
    assert not message.authenticated
    assert Aarq(application_context=1, mechanism=5).authenticated
    assert not Aarq(application_context=1).authenticated


@pytest.mark.parametrize(
    "fields",
    [
        (USER, CONTEXT),
        (CONTEXT, CONTEXT),
        (CONTEXT, "8B07 60857405080205", "8A02 0780"),
        (CONTEXT, "A203 020100", "A203 020100"),
        ("8A02 0780",),
        (CONTEXT, "9F01 00"),
        (CONTEXT, "9E01 00"),
    ],
    ids=["order", "twice", "order-of-authentication", "twice-later", "no-context", "unknown", "primitive"],
)
def test_a_client_is_held_to_the_order_and_the_fields_of_the_standard(fields: tuple[str, ...]) -> None:
    with pytest.raises(WireError):
        aarq(*fields)


@pytest.mark.parametrize(
    "field",
    [
        "A109 0607 60857405080203",
        "A109 0607 2A864886F70D01",
        "A10A 0608 6085740508010300",
        "A109 0407 60857405080103",
        "A10A 0607 60857405080103 00",
        "A10A 0609 60857405080103 00",
    ],
    ids=["mechanism", "foreign", "longer", "octets", "tail", "short"],
)
def test_an_object_identifier_of_another_tree_or_shape_is_refused(field: str) -> None:
    with pytest.raises(WireError):
        aare(field, RESULT, DIAGNOSTIC)


def test_an_authentication_value_is_a_character_string() -> None:
    assert aare(CONTEXT, RESULT, DIAGNOSTIC, "AA05 8003 414243").responding_authentication_value == b"ABC"
    with pytest.raises(WireError):
        aare(CONTEXT, RESULT, DIAGNOSTIC, "AA05 8103 004142")


def test_lengths_in_their_long_form_are_read() -> None:
    title = "A48109 0407 41424344454647"
    assert aare(CONTEXT, RESULT, DIAGNOSTIC, title).responding_title == b"ABCDEFG"
    long = bytes(range(256)) * 2
    message = Aarq(application_context=3, user_information=long)
    assert registry.parse(registry.build(message)) == message


def test_the_length_of_the_whole_must_be_exact() -> None:
    good = apdu(0x61, CONTEXT, RESULT, DIAGNOSTIC)
    for wrong in (good[:1] + bytes((good[1] + 1,)) + good[2:], good + b"\x00", good[:-1]):
        with pytest.raises(WireError):
            registry.parse(wrong)


def test_a_release_may_be_empty_and_reasons_have_names() -> None:
    assert registry.parse(b"\x62\x00") == Rlrq()
    assert registry.parse(b"\x63\x00") == Rlre()
    assert Rlre().reason_name == "not-given"
    assert registry.parse(apdu(0x62, "8001 01")) == Rlrq(reason=1)
    assert Rlrq(reason=1).reason_name == "urgent"
    assert Rlre(reason=1).reason_name == "not-finished"
    assert Rlre(reason=7).reason_name == "unknown (7)"


def test_a_meter_may_order_the_fields_of_a_release_as_it_likes_and_a_client_may_not() -> None:
    assert registry.parse(apdu(0x63, USER, "8001 00")) == Rlre(reason=0, user_information=b"\x08\x00")
    with pytest.raises(WireError):
        registry.parse(apdu(0x62, USER, "8001 00"))


@pytest.mark.parametrize("reason", ["8000", "8005 0000000000"])
def test_an_integer_has_one_to_four_bytes(reason: str) -> None:
    with pytest.raises(WireError):
        registry.parse(apdu(0x62, reason))
