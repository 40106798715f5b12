"""What people paste: hex in its many dresses, telegrams, and bytes as they stand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.decode.text import MAX_INPUT_BYTES, capture_of, hex_of
from kwartier.errors import InputError

BYTES = bytes.fromhex("7EA0CF02")


@pytest.mark.parametrize(
    "text",
    [
        "7EA0CF02",
        "7e a0 cf 02",
        "7E:A0:CF:02",
        "7e-a0-cf-02",
        "0x7E, 0xA0, 0xCF, 0x02",
        "0x7EA0CF02",
        "7E A0 # the flag and the format\n\tCF 02 // two more\r\n; nothing here\n",
    ],
)
def test_hex_in_its_many_dresses(text: str) -> None:
    assert hex_of(text) == BYTES
    assert capture_of(text.encode(), "file") == BYTES
    assert capture_of(b"\xef\xbb\xbf" + text.encode(), "file") == BYTES


@pytest.mark.parametrize("text", ["", "   ", "7E A", "7EG0", "7e a0 zz", "# nothing", "\u0667\u0661"])
def test_what_spells_no_whole_bytes_is_no_hex(text: str) -> None:
    assert hex_of(text) is None


def test_where_a_text_stops_being_hex_is_told() -> None:
    with pytest.raises(InputError) as refused:
        capture_of(b"7E A0\n  CF 0z\n", "capture.txt")
    assert refused.value.code == "bad-hex"
    assert "capture.txt" in refused.value.detail
    assert "line 2, column 7" in refused.value.detail
    with pytest.raises(InputError, match="5 hex digits"):
        capture_of(b"7E A0 C", "stdin")


def test_bytes_that_are_no_text_are_a_capture_as_they_stand() -> None:
    assert capture_of(BYTES, "file") == BYTES
    assert capture_of(b"\x00", "file") == b"\x00"


def test_a_telegram_is_kept_byte_for_byte() -> None:
    content = b"\r\n/KWA5 test\r\n\r\n1-0:1.8.1(1*kWh)\r\n!\r\n"
    assert capture_of(content, "file") == content


def test_a_comment_in_front_of_hex_is_no_telegram() -> None:
    assert capture_of(b"// pushed by the meter\n7EA0CF02\n", "file") == BYTES


def test_more_than_the_bound_is_refused_before_it_is_looked_at() -> None:
    with pytest.raises(InputError) as refused:
        capture_of(bytes(MAX_INPUT_BYTES + 1), "file")
    assert refused.value.code == "capture-too-long"


@given(st.binary(min_size=1, max_size=60), st.sampled_from(["", " ", ":", "\n", ", ", "-"]), st.booleans())
def test_any_bytes_written_as_hex_come_back(data: bytes, between: str, upper: bool) -> None:
    text = (
        data.hex(between[:1]) if len(between) == 1 and between.isprintable() else between.join(f"{o:02x}" for o in data)
    )
    assert hex_of(text.upper() if upper else text) == data


@given(st.binary(max_size=200))
def test_any_file_is_a_capture_or_an_input_error(content: bytes) -> None:
    if any(octet >= 0x7F for octet in content.removeprefix(b"\xef\xbb\xbf")):
        assert capture_of(content, "file") == content.removeprefix(b"\xef\xbb\xbf")
        return
    try:
        found = capture_of(content, "file")
    except InputError:
        return
    assert len(found) <= len(content)
