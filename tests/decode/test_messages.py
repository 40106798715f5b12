"""Messages as fields and values: every kind that can be built decodes to what it was built from."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.decode import decode
from kwartier.decode.messages import text_or_hex
from kwartier.dlms import axdr, registry, services
from kwartier.dlms.association import Aare, Aarq
from kwartier.dlms.codes import APDU_TAG
from kwartier.dlms.obis import dotted
from tests.decode.building import START, reading
from tests.dlms.test_registry import MESSAGES

SAME_NAME = ("class_id", "attribute", "method", "block_number", "last_block", "max_pdu", "invoke_id_and_priority")


def message_of(data: bytes) -> dict[str, Any]:
    message = decode(data).as_json()["message"]
    assert isinstance(message, dict)
    return message


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_every_message_decodes_to_what_it_was_built_from(kind: type[registry.Apdu]) -> None:
    @given(MESSAGES[kind])
    def holds(built: registry.Apdu) -> None:
        if getattr(built, "user_information", None):
            # Random bytes are no user information; that they are refused is the hostile tests' matter.
            return
        found = decode(built.encode())
        assert found.error is None, found.error
        message = found.as_json()["message"]
        assert isinstance(message, dict)
        assert message["service"] == registry.service_name(built)
        for name in SAME_NAME:
            if hasattr(built, name):
                assert message[name] == getattr(built, name)
        obis = getattr(built, "obis", None)
        if obis is not None:
            assert message["obis"] == dotted(obis)
        for name in ("value", "data", "body"):
            value = getattr(built, name, None)
            if isinstance(value, bytes):
                assert found.as_json()["body"] == axdr.plain(axdr.decode(value))

    holds()


def test_a_request_names_class_and_attribute() -> None:
    message = message_of(bytes.fromhex("C001C1 0007 0100630100FF 02 01 02 0204 0600000001 0600000004 120001 120000"))
    assert message["service"] == "get-request-normal"
    assert (message["class_id"], message["class_name"]) == (7, "Profile generic")
    assert (message["attribute"], message["attribute_name"]) == (2, "buffer")
    assert message["obis"] == "1.0.99.1.0.255"
    assert (message["access_selector"], message["access_parameters"]) == (2, [1, 4, 1, 0])
    unknown = message_of(bytes.fromhex("C00181 7FFF 0100630100FF 02 00"))
    assert (unknown["class_name"], unknown["attribute_name"]) == ("class 32767", "attribute 2")


@pytest.mark.parametrize(
    ("text", "field", "expected", "code"),
    [
        ("C401C1 01 04", "result", "object-undefined", "0x04"),
        ("C401C1 01 4D", "result", "unknown (77)", "0x4D"),
        ("C401C1 00 00", "result", "success", "0x00"),
        ("C402C1 01 00000007 01 13", "result", "data-block-number-invalid", "0x13"),
        ("C501C1 03", "result", "read-write-denied", "0x03"),
        ("C701C1 0C 00", "result", "type-unmatched", "0x0C"),
        ("C701C1 00 01 01 03", "value_result", "read-write-denied", "0x03"),
        ("D8 01 06 80000001", "state_error", "service-not-allowed", "0x01"),
        ("D8 01 06 80000001", "service_error", "invocation-counter-error", "0x06"),
        ("0E 01 06 01", "failed_service", "initiate-error", "0x01"),
        ("0E 01 06 01", "error", "initiate: dlms-version-too-low", "0x0601"),
        ("62 03 80 01 00", "reason", "normal", "0x00"),
    ],
)
def test_an_error_is_told_by_name_and_in_hex(text: str, field: str, expected: str, code: str) -> None:
    message = message_of(bytes.fromhex(text))
    assert message[field] == expected
    assert message[f"{field}_hex"] == code


def test_results_of_a_list_are_null_where_one_was_refused() -> None:
    table = decode(bytes.fromhex("C403C1 02 00 06 0000002A 01 03")).as_json()
    assert table["body"] == [42, None]
    assert isinstance(table["message"], dict)
    assert table["message"]["results"] == ["success", "read-write-denied"]
    assert table["message"]["results_hex"] == ["0x00", "0x03"]


def test_a_refused_association_says_why_and_shows_the_service_error_inside() -> None:
    refusal = services.ConfirmedServiceError(service=1, choice=6, value=2).encode()
    apdu = Aare(result=1, diagnostic=1, application_context=1, user_information=refusal).encode()
    message = message_of(apdu)
    assert (message["result"], message["diagnostic"]) == ("rejected-permanent", "no-reason-given")
    assert message["error"] == "initiate: incompatible-conformance"
    assert message["service"] == "aare"


def test_a_challenge_that_is_no_text_is_hex() -> None:
    assert text_or_hex(b"K56iVagY") == "K56iVagY"
    assert text_or_hex(b"K56iVag\n") == "4B3536695661670A"
    assert text_or_hex(b"\xff" * 8) == "FF" * 8
    assert text_or_hex(b"") == ""
    aarq = Aarq(application_context=1, mechanism=5, calling_authentication_value=bytes(8)).encode()
    assert message_of(aarq)["calling_authentication_value"] == "00" * 8


def test_a_time_is_kept_as_bytes_and_told_in_words() -> None:
    body = axdr.encode(axdr.u8(1))
    apdu = services.DataNotification(long_invoke_id_and_priority=1, date_time=START, body=body).encode()
    message = message_of(apdu)
    assert message["date_time"] == "0x" + START.hex().upper()
    assert message["time"] == "2026-03-04 15:00:00+01:00"
    tagged = apdu[:5] + b"\x09" + apdu[5:]
    assert message_of(tagged) == message
    assert message_of(apdu[:5] + b"\x19" + apdu[6:]) == message


BODIES: list[tuple[str, object]] = [
    ("00", None),
    ("0202 0906 0100010800FF 0600000552", ["0x0100010800FF", 1362]),
    ("0102 0A03 414243 0A00", ["ABC", ""]),
    ("0103 0301 0300 0F80", [True, False, -128]),
    ("15 8000000000000001", 0x8000_0000_0000_0001),
    ("0403 A0", "0b101"),
    ("19 07EA0304030F0000FFFFC400", "0x07EA0304030F0000FFFFC400"),
    ("0C02 C3A9", "é"),
    ("0900", "0x"),
    ("16 05", 5),
    # Tag and length of these are a tab or a line feed and a slash, and no telegram.
    ("092F" + "4B" * 47, "0x" + "4B" * 47),
    ("0A2F" + "4B" * 47, "K" * 47),
    ("090A2F" + "4B" * 9, "0x2F" + "4B" * 9),
]


@pytest.mark.parametrize(("text", "expected"), BODIES)
def test_bare_data_is_its_value(text: str, expected: object) -> None:
    found = decode(bytes.fromhex(text))
    assert found.error is None
    assert [layer.kind for layer in found.layers] == ["data"]
    assert found.as_json()["body"] == expected


def test_what_is_not_implemented_is_named() -> None:
    for tag in (0xD9, 0xDA, 0xDD, 0xDF):
        found = decode(bytes((tag, 4)) + bytes(20))
        assert found.error is not None
        assert found.error.code == "unsupported-apdu"
        assert APDU_TAG[tag] in found.error.detail
    found = decode(bytes((0xC1, 4)) + bytes(20))
    assert found.error is not None
    assert "set-request-with-list" in found.error.detail


def test_a_request_for_several_attributes_shows_each() -> None:
    items = message_of(bytes.fromhex("C003C1 02 0008 0000010000FF 02 00 0003 0100010800FF 02 00"))["items"]
    assert [(item["class_id"], item["obis"], item["attribute"]) for item in items] == [
        (8, "0.0.1.0.0.255", 2),
        (3, "1.0.1.8.0.255", 2),
    ]


def test_a_profile_in_one_answer_is_a_list_of_rows() -> None:
    apdu = services.GetResponseNormal(invoke_id_and_priority=0xC1, data=reading()).encode()
    body = decode(apdu).as_json()["body"]
    assert isinstance(body, list)
    assert len(body) == 96
    assert body[95] == ["0x07EA030403172D00FFFFC400", 0, 1_002_375, 2_095]


@given(
    st.sampled_from(sorted(MESSAGES, key=lambda kind: kind.__name__)).flatmap(MESSAGES.__getitem__), st.integers(0, 300)
)
def test_a_message_cut_short_is_an_error_or_a_shorter_message(built: registry.Apdu, size: int) -> None:
    apdu = built.encode()[:size]
    if apdu:
        found = decode(apdu)
        assert found.error is None or found.as_json()["body"] is None
