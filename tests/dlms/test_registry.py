"""Every message: vectors from the standard, identity both ways, and what the table refuses."""

import contextlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.dlms import registry, services
from kwartier.dlms.association import NO_SOURCE, SERVICE_PROVIDER, SERVICE_USER, Aare, Aarq, Rlre, Rlrq
from kwartier.dlms.codes import APDU_CHOICE, APDU_TAG
from kwartier.errors import StateError, WireError

VECTORS = Path(__file__).parents[1] / "vectors"
FILES = ("apdu_green_book.toml", "apdu_constructed.toml", "association_green_book.toml")
ROWS = [row for file in FILES for row in tomllib.loads((VECTORS / file).read_text("utf-8"))["apdu"]]


def unhex(text: str) -> bytes:
    return bytes.fromhex(re.sub(r"\s|0x", "", text))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_vector_parses_to_its_fields_and_builds_back(row: dict[str, Any]) -> None:
    apdu = unhex(row["hex"])
    message = registry.parse(apdu)
    assert registry.service_name(message) == row["service"]
    assert registry.apdu_name(apdu).startswith(row["service"])
    for attribute, expected in row["fields"].items():
        is_hex = isinstance(expected, str) and expected.startswith("0x")
        assert getattr(message, attribute) == (unhex(expected) if is_hex else expected), attribute
    assert registry.build(message) == apdu


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_vector_cut_short_or_with_a_tail_is_refused(row: dict[str, Any]) -> None:
    apdu = unhex(row["hex"])
    # Where a prefix is a message of its own: the value of a get-response is not walked, and two meters' habits are allowed.
    whole = {"D8 01 06 80000001": {3}, "C7 01 C1 00 00": {4}, "C7 01 C1 00 01 00 09 02 CAFE": {4}}
    whole["C7 01 C1 00 01 01 03"] = {4}
    unwalked = apdu[:2] == b"\xc4\x01" and apdu[3] == 0
    for size in range(len(apdu)):
        if size in whole.get(row["hex"], ()) or (unwalked and size > 4):
            continue
        with pytest.raises(WireError):
            registry.parse(apdu[:size])
    if not unwalked and row["hex"] not in {"D8 01 06", "C7 01 C1 00"}:
        with pytest.raises(WireError):
            registry.parse(apdu + b"\x00")


u8 = st.integers(0, 0xFF)
u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFF_FFFF)
i32 = st.integers(-(2**31), 2**31 - 1)
obis = st.binary(min_size=6, max_size=6)
raw = st.binary(max_size=300)
# A-XDR values of a few shapes, put together without the codec under test elsewhere.
value = st.one_of(
    st.just(b"\x00"),
    st.binary(min_size=4, max_size=4).map(lambda b: b"\x06" + b),
    st.binary(max_size=120).map(lambda b: bytes((0x09, len(b))) + b),
    st.lists(st.binary(min_size=2, max_size=2), max_size=9).map(
        lambda items: bytes((0x01, len(items))) + b"".join(b"\x12" + item for item in items)
    ),
)
access = st.none() | st.tuples(u8, value).map(lambda pair: bytes((pair[0],)) + pair[1])
time = st.just(b"") | st.binary(min_size=12, max_size=12)
attribute = st.builds(services.Attribute, class_id=u16, obis=obis, attribute=u8, access=access)
Outcome = tuple[bytes | None, int | None]
outcome: st.SearchStrategy[Outcome] = st.tuples(value, st.none()) | st.tuples(st.none(), u8)
optional_bytes = st.none() | raw
optional_int = st.none() | i32
arc = st.integers(0, 0x7F)


def requirements(mechanism: int | None, contrary: bool) -> bool | None:
    return (mechanism is None) if contrary else None


def get_response(invoke: int, result: Outcome) -> services.GetResponseNormal:
    return services.GetResponseNormal(invoke_id_and_priority=invoke, data=result[0], result=result[1])


def action_response(invoke: int, result: int, returned: Outcome) -> services.ActionResponseNormal:
    return services.ActionResponseNormal(
        invoke_id_and_priority=invoke, result=result, value=returned[0], value_result=returned[1]
    )


def exception(state: int, service: int, counter: int | None) -> services.ExceptionResponse:
    counter = counter if service == 6 else None
    return services.ExceptionResponse(state_error=state, service_error=service, invocation_counter=counter)


def get_block(invoke: int, last: bool, number: int, result: Outcome) -> services.GetResponseBlock:
    return services.GetResponseBlock(
        invoke_id_and_priority=invoke, last_block=last, block_number=number, raw=result[0], result=result[1]
    )


MESSAGES: dict[type[registry.Apdu], st.SearchStrategy[Any]] = {
    services.GetRequestNormal: st.builds(
        services.GetRequestNormal, invoke_id_and_priority=u8, class_id=u16, obis=obis, attribute=u8, access=access
    ),
    services.GetRequestNext: st.builds(services.GetRequestNext, invoke_id_and_priority=u8, block_number=u32),
    services.GetRequestWithList: st.builds(
        services.GetRequestWithList, invoke_id_and_priority=u8, items=st.lists(attribute, max_size=5).map(tuple)
    ),
    services.GetResponseNormal: st.builds(get_response, u8, outcome),
    services.GetResponseBlock: st.builds(get_block, u8, st.booleans(), u32, outcome),
    services.GetResponseWithList: st.builds(
        services.GetResponseWithList, invoke_id_and_priority=u8, results=st.lists(value | u8, max_size=5).map(tuple)
    ),
    services.SetRequestNormal: st.builds(
        services.SetRequestNormal,
        invoke_id_and_priority=u8,
        class_id=u16,
        obis=obis,
        attribute=u8,
        access=access,
        value=value,
    ),
    services.SetResponseNormal: st.builds(services.SetResponseNormal, invoke_id_and_priority=u8, result=u8),
    services.ActionRequestNormal: st.builds(
        services.ActionRequestNormal,
        invoke_id_and_priority=u8,
        class_id=u16,
        obis=obis,
        method=u8,
        value=st.none() | value,
    ),
    services.ActionResponseNormal: st.builds(action_response, u8, u8, st.just((None, None)) | outcome),
    services.DataNotification: st.builds(
        services.DataNotification, long_invoke_id_and_priority=u32, date_time=time, body=value
    ),
    services.EventNotification: st.builds(
        services.EventNotification, time=st.none() | time, class_id=u16, obis=obis, attribute=u8, value=value
    ),
    services.ExceptionResponse: st.builds(exception, u8, u8 | st.just(6), st.none() | u32),
    services.ConfirmedServiceError: st.builds(services.ConfirmedServiceError, service=u8, choice=u8, value=u8),
    services.InitiateRequest: st.builds(
        services.InitiateRequest,
        conformance=st.integers(0, 0xFF_FFFF),
        max_pdu=u16,
        dedicated_key=st.none() | st.binary(min_size=16, max_size=16),
        response_allowed=st.booleans(),
        quality_of_service=st.none() | st.integers(-128, 127),
        version=u8,
    ),
    services.InitiateResponse: st.builds(
        services.InitiateResponse,
        conformance=st.integers(0, 0xFF_FFFF),
        max_pdu=u16,
        version=u8,
        vaa_name=u16,
        quality_of_service=st.none() | st.integers(-128, 127),
    ),
    Aarq: st.builds(
        lambda contrary, mechanism, **fields: Aarq(
            mechanism=mechanism, acse_requirements=requirements(mechanism, contrary), **fields
        ),
        st.booleans(),
        st.none() | arc,
        application_context=arc,
        calling_title=optional_bytes,
        calling_authentication_value=optional_bytes,
        user_information=optional_bytes,
        calling_ae_qualifier=optional_bytes,
        calling_ap_invocation_id=optional_int,
        calling_ae_invocation_id=optional_int,
        called_title=optional_bytes,
        called_ae_qualifier=optional_bytes,
        called_ap_invocation_id=optional_int,
        called_ae_invocation_id=optional_int,
        protocol_version=st.none() | st.just(b"\x07\x80"),
        implementation_information=optional_bytes,
    ),
    Aare: st.builds(
        lambda contrary, mechanism, diagnostic, **fields: Aare(
            mechanism=mechanism,
            acse_requirements=requirements(mechanism, contrary),
            diagnostic_source=diagnostic[0],
            diagnostic=diagnostic[1],
            **fields,
        ),
        st.booleans(),
        st.none() | arc,
        st.just((NO_SOURCE, 0)) | st.tuples(st.sampled_from((SERVICE_USER, SERVICE_PROVIDER)), i32),
        result=i32,
        application_context=st.none() | arc,
        responding_title=optional_bytes,
        responding_authentication_value=optional_bytes,
        user_information=optional_bytes,
        responding_ae_qualifier=optional_bytes,
        responding_ap_invocation_id=optional_int,
        responding_ae_invocation_id=optional_int,
        protocol_version=st.none() | st.just(b"\x07\x80"),
        implementation_information=optional_bytes,
    ),
    Rlrq: st.builds(Rlrq, reason=optional_int, user_information=optional_bytes),
    Rlre: st.builds(Rlre, reason=optional_int, user_information=optional_bytes),
}


@pytest.mark.parametrize("row", registry.ROWS, ids=lambda row: row.name)
def test_parsing_what_was_built_gives_the_message_back(row: registry.Row) -> None:
    @given(MESSAGES[row.type])
    def check(message: registry.Apdu) -> None:
        apdu = registry.build(message)
        assert apdu.startswith(row.head)
        assert registry.parse(apdu) == message
        assert registry.service_name(message) == row.name
        assert registry.sender(message) == row.sender

    check()


@given(st.sampled_from(registry.ROWS), st.binary(max_size=80))
def test_any_bytes_are_a_message_or_a_wire_error(row: registry.Row, tail: bytes) -> None:
    try:
        message = registry.parse(row.head + tail)
    except WireError:
        return
    assert registry.parse(registry.build(message)) == message


@given(st.data(), st.sampled_from(registry.ROWS))
def test_a_damaged_message_is_a_message_or_a_wire_error(data: st.DataObject, row: registry.Row) -> None:
    apdu = bytearray(registry.build(data.draw(MESSAGES[row.type])))
    at = data.draw(st.integers(0, len(apdu) - 1))
    apdu[at] = data.draw(u8)
    with contextlib.suppress(WireError):
        registry.parse(bytes(apdu))


def test_every_row_stands_once_under_its_green_book_name() -> None:
    assert len({row.head for row in registry.ROWS}) == len(registry.ROWS) == len({row.type for row in registry.ROWS})
    for row in registry.ROWS:
        book = APDU_TAG[row.head[0]] if len(row.head) == 1 else APDU_CHOICE[(row.head[0], row.head[1])]
        assert row.name == book


@pytest.mark.parametrize(
    ("apdu", "says"),
    [
        ("05 01 02 FA00", "read-request"),
        ("18 00 01", "information-report-request"),
        ("C1 04 C1", "set-request-with-list"),
        ("C3 06 C1", "action-request-with-pblock"),
        ("C7 03 C1", "action-response-with-list"),
        ("C8 10 30", "glo-get-request"),
        ("D4 10 30", "ded-get-response"),
        ("DB 08", "general-glo-ciphering"),
        ("E0 80", "general-block-transfer"),
        ("D9 00", "access-request"),
        ("C0 09 C1", "get-request (tag 0xC0) has no form 9"),
        ("AB CD", "no APDU has tag 0xAB"),
    ],
)
def test_what_is_not_implemented_is_refused_by_name(apdu: str, says: str) -> None:
    with pytest.raises(WireError, match=re.escape(says)) as caught:
        registry.parse(bytes.fromhex(apdu))
    assert caught.value.code == "unsupported-apdu"


@pytest.mark.parametrize("apdu", [b"", b"\xc0", b"\x60", b"\x0f"])
def test_an_apdu_that_ends_after_its_tag_is_truncated(apdu: bytes) -> None:
    with pytest.raises(WireError) as caught:
        registry.parse(apdu)
    assert caught.value.code == "truncated"


def test_names_of_ciphered_tags_follow_from_those_of_the_plain_ones() -> None:
    named = {0x21: "glo-initiate-request", 0x48: "ded-initiate-response", 0xCF: "glo-action-response"}
    named |= {0x2E: "glo-confirmed-service-error", 0xD7: "ded-action-response", 0xCA: "glo-event-notification-request"}
    for tag, expected in named.items():
        assert registry.apdu_name(bytes((tag,))) == expected
    assert registry.apdu_name(b"\xab") == "unknown (171)"
    assert registry.apdu_name(b"") == "nothing"


@pytest.mark.parametrize(
    "message",
    [
        services.GetRequestNormal(invoke_id_and_priority=256, class_id=1, obis=bytes(6), attribute=1),
        services.GetRequestNormal(invoke_id_and_priority=1, class_id=0x10000, obis=bytes(6), attribute=1),
        services.GetRequestNormal(invoke_id_and_priority=1, class_id=1, obis=bytes(5), attribute=1),
        services.GetRequestNext(invoke_id_and_priority=1, block_number=2**32),
        services.GetResponseNormal(invoke_id_and_priority=1),
        services.GetResponseNormal(invoke_id_and_priority=1, data=b"\x00", result=1),
        services.ActionResponseNormal(invoke_id_and_priority=1, result=0, value=b"\x00", value_result=1),
        services.DataNotification(long_invoke_id_and_priority=1, date_time=b"1234", body=b"\x00"),
        services.InitiateRequest(conformance=1 << 24, max_pdu=0),
        Aarq(application_context=1, calling_ae_invocation_id=2**40),
    ],
)
def test_a_field_that_does_not_fit_is_our_mistake(message: registry.Apdu) -> None:
    with pytest.raises(StateError) as caught:
        registry.build(message)
    assert caught.value.code == "unbuildable"


def test_no_repr_shows_a_key_a_password_or_a_reading() -> None:
    secret = b"SECRETSECRET1234"
    shown = [
        Aarq(application_context=1, calling_authentication_value=secret, user_information=secret),
        Aare(result=0, application_context=1, responding_authentication_value=secret, user_information=secret),
        Rlrq(user_information=secret),
        services.InitiateRequest(conformance=0, max_pdu=0, dedicated_key=secret),
        services.GetResponseNormal(invoke_id_and_priority=1, data=secret),
        services.GetResponseBlock(invoke_id_and_priority=1, last_block=True, block_number=1, raw=secret),
        services.GetResponseWithList(invoke_id_and_priority=1, results=(secret,)),
        services.SetRequestNormal(invoke_id_and_priority=1, class_id=1, obis=bytes(6), attribute=2, value=secret),
        services.ActionRequestNormal(invoke_id_and_priority=1, class_id=1, obis=bytes(6), method=2, value=secret),
        services.ActionResponseNormal(invoke_id_and_priority=1, result=0, value=secret),
        services.DataNotification(long_invoke_id_and_priority=1, body=secret),
        services.EventNotification(class_id=1, obis=bytes(6), attribute=2, value=secret),
    ]
    for message in shown:
        assert "SECRET" not in repr(message)
