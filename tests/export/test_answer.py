"""Answers come from outside: read with distrust, and refused without a trace of what they hold."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.errors import InputError
from kwartier.export.answer import MAX_BYTES, MAX_SAID, read_answer

IEC = "urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:8:1"


def written(
    message_id: str = "some-id",
    code: str = "A01",
    *,
    sender: str = "2900000000032",
    text: str = "",
    space: str = IEC,
    before: str = "",
) -> bytes:
    """An answer as recipients write it."""
    said = f"<text>{text}</text>" if text else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<Acknowledgement_MarketDocument xmlns="{space}">'
        "<mRID>their-own</mRID><createdDateTime>2026-11-27T10:00:00Z</createdDateTime>"
        f'<sender_MarketParticipant.mRID codingScheme="A10">{sender}</sender_MarketParticipant.mRID>'
        f"<received_MarketDocument.mRID>{message_id}</received_MarketDocument.mRID>"
        f"<Reason><code>{code}</code>{said}</Reason></Acknowledgement_MarketDocument>"
    ).encode()


def refused(octets: bytes) -> str:
    with pytest.raises(InputError) as caught:
        read_answer(octets)
    assert caught.value.code == "bad-answer"
    return caught.value.detail


@pytest.mark.parametrize("space", [IEC, IEC.replace("8:1", "7:0"), "urn:ediel.org:general:acknowledgement:0:1"])
@pytest.mark.parametrize(("code", "accepted"), [("A01", True), ("A02", False)])
def test_an_answer_says_yes_or_no(code: str, accepted: bool, space: str) -> None:
    answer = read_answer(written(code=code, text="party\x0a unknown", space=space))
    assert (answer.message_id, answer.sender, answer.accepted) == ("some-id", "2900000000032", accepted)
    assert answer.said == "party  unknown"


def test_what_it_says_is_kept_in_part() -> None:
    assert len(read_answer(written(code="A02", text="x" * 10_000)).said) == MAX_SAID


@pytest.mark.parametrize(
    "before",
    [
        '<!DOCTYPE a [<!ENTITY x "y">]>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE a [<!ENTITY a0 "ha"><!ENTITY a1 "&a0;&a0;"><!ENTITY a2 "&a1;&a1;">]>',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;]>',
    ],
)
def test_a_document_type_is_refused_before_it_is_parsed(before: str) -> None:
    assert refused(written("&x;", before=before)) == "it has a document type"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "cp037"])
def test_a_document_type_does_not_hide_in_another_encoding(encoding: str) -> None:
    text = written("&x;", before='<!DOCTYPE a [<!ENTITY x "y">]>').decode().replace("UTF-8", encoding)
    refused(text.encode(encoding))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x00" * 100,
        b"<a>",
        b"not XML",
        b"<Acknowledgement_MarketDocument/>",
        written(space="urn:other"),
        written("&unknown;"),
        written(""),
        written("x" * 65),
        written(sender=""),
        written(code="A03"),
        written().replace(b"</Reason>", b"</Reason><Reason><code>A02</code></Reason>"),
        written().replace(b"<Reason>", b"<received_MarketDocument.mRID>b</received_MarketDocument.mRID><Reason>"),
        written("x" * MAX_BYTES),
        b"<a>" * 2000 + b"</a>" * 2000,
        b"<a " + b" ".join(b'b%d="1"' % number for number in range(3000)) + b"/>",
    ],
)
def test_what_is_no_answer_is_refused(octets: bytes) -> None:
    refused(octets)


@given(st.binary(max_size=300))
def test_bytes_of_any_kind_are_refused_in_an_orderly_way(octets: bytes) -> None:
    refused(octets)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_an_answer_that_was_damaged_is_read_or_refused(place: int, octets: bytes) -> None:
    whole = written()
    with contextlib.suppress(InputError):
        read_answer(whole[:place] + octets + whole[place + len(octets) :])
