"""The tree for people: offsets, what values mean, and nothing that a terminal would act on."""

import pytest

from kwartier.decode import Keys, decode
from kwartier.decode.show import MAX_TEXT_SHOWN, leaf, lines, meaning
from kwartier.dlms import axdr
from kwartier.dlms.axdr import BitString, Data, Float, Tag
from kwartier.dlms.hdlc import Kind
from tests.decode.building import AK, EK, START, conversation, frames, get_response, line, protect, push, telegram

UNSPECIFIED = b"\xff" * 9 + b"\x80\x00\xff"


def tree(data: bytes, keys: Keys | None = None) -> str:
    return "\n".join(lines(decode(data, keys or Keys(ek=EK, ak=AK))))


PUSH_TREE = """\
      0  hdlc, 54 bytes
         ├─ frame UI  src 145  dst 1  control 0x13  poll_final yes  segmented no  src_logical 1  src_physical 17\
  hcs 0x35B8  fcs 0x88C3
         ├─ info E6E7000F000000070C07EA0304030F0000FFFFC400020309060000600100FF0A... (84 characters)
     12  └─ data-notification, 39 bytes
            ├─ invoke_id_and_priority: 7
            ├─ date_time: 0x07EA0304030F0000FFFFC400
            ├─ time: 2026-03-04 15:00:00+01:00
            └─ value
     30        └─ structure of 3 (octet-string 0x0000600100FF = 0.0.96.1.0.255 | visible-string "KWA1"\
 | double-long-unsigned 4711)
"""


def test_a_push_prints_as_a_tree_with_offsets() -> None:
    (frame,) = frames(push(), kind=Kind.UI)
    assert tree(frame.encode()) + "\n" == PUSH_TREE


def test_every_value_of_a_profile_has_the_offset_where_it_stands() -> None:
    sent = line(*frames(get_response(12), size=128))
    rows = [text for text in tree(sent).splitlines() if "structure of 4" in text]
    assert len(rows) == 12
    for row in rows:
        at = int(row[:7])
        assert sent[at : at + 2] == b"\x02\x04"
    assert "2026-03-04 02:45:00+01:00" in rows[-1]


def test_a_verified_a_sealed_and_an_unverified_message_look_different() -> None:
    sealed = protect(push())
    assert "tag verified" in tree(sealed)
    assert "not deciphered" in tree(sealed, Keys())
    loose = tree(sealed, Keys(ek=EK, unverified=True))
    assert "tag verified" not in loose
    assert loose.count("(unverified)") >= 4


def test_a_conversation_shows_each_message_under_its_frame() -> None:
    shown = tree(conversation()).splitlines()
    for name in ("aarq", "aare", "get-request-normal", "get-response-normal", "ded-get-request", "ded-get-response"):
        assert any(f"─ {name}, " in text for text in shown), name
    assert sum(text[9:].startswith("hdlc,") for text in shown) == 10


def test_the_error_ends_the_tree_without_values() -> None:
    (frame,) = frames(push())
    bad = line(frame) + line(frame)[:-3] + b"\x00\x00\x7e"
    shown = tree(bad)
    assert "error bad-fcs" in shown
    assert "KWA1" not in shown


def test_stamps_of_a_telegram_are_told_and_its_other_lines_kept_apart() -> None:
    shown = tree(telegram("0-0:1.0.0(260704120000S)", "(00124.477)"))
    assert "260704120000S = 2026-07-04 12:00:00+02:00" in shown
    assert "(00124.477)  (no object)" in shown


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (axdr.NULL, "null"),
        (axdr.octets(START), "octet-string 0x07EA0304030F0000FFFFC400 = 2026-03-04 15:00:00+01:00"),
        (axdr.octets(bytes(12)), "octet-string 0x000000000000000000000000"),
        (axdr.octets(b"\x01\x00\x01\x08\x00\xff"), "octet-string 0x0100010800FF = 1.0.1.8.0.255"),
        (axdr.octets(b"KFM1"), 'octet-string 0x4B464D31 = "KFM1"'),
        (axdr.octets(b""), "octet-string 0x"),
        (axdr.text("\x1b[2J"), 'visible-string "\\u001b[2J"'),
        (Data(Tag.DATE, b"\x07\xea\x03\x04\xff"), "date 0x07EA0304FF = 2026-03-04"),
        (Data(Tag.TIME, b"\x0f\x00\x00\xff"), "time 0x0F0000FF = 15:00:00"),
        (
            Data(Tag.DATE_TIME, UNSPECIFIED),
            "date-time 0xFFFFFFFFFFFFFFFFFF8000FF = ????-??-?? ??:??:??",
        ),
        (Data(Tag.BIT_STRING, BitString(3, b"\xa0")), "bit-string 0b101"),
        (Data(Tag.FLOAT32, Float(b"\x3f\x80\x00\x00")), "float32 1.0"),
        (Data(Tag.DONT_CARE, None), "dont-care"),
        (axdr.decode(bytes.fromhex("13 11 02 05 06")), "compact-array of 2: [5, 6]"),
    ],
)
def test_a_value_is_told_with_its_type_and_meaning(data: Data, expected: str) -> None:
    assert leaf(data) == expected


def test_a_long_text_is_shortened_and_says_how_long_it_is() -> None:
    shown = leaf(axdr.text("x" * 5000))
    assert len(shown) < 2 * MAX_TEXT_SHOWN
    assert "(5002 characters)" in shown


def test_bytes_that_are_a_date_of_no_living_meter_are_bytes() -> None:
    assert meaning(Tag.OCTET_STRING, bytes.fromhex("000101010101010101000000")) == ""
    assert meaning(Tag.OCTET_STRING, bytes.fromhex("07EA13040300000000FFC400")) == ""
