"""P1: the CRC over bytes as they came, what ends a telegram, and lines that are no objects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.decode import decode
from kwartier.decode.p1 import MAX_TELEGRAM_BYTES, crc16, moment, parse_telegram
from kwartier.errors import WireError
from tests.decode.building import telegram

CHECK_INPUT = b"123456789"
CHECK_VALUE = 0xBB3D
"""The published check value of CRC-16/ARC, which is this polynomial with this start."""


def code_of(data: bytes) -> str | None:
    error = decode(data).error
    return None if error is None else error.code


def test_the_crc_has_its_published_check_value() -> None:
    assert crc16(CHECK_INPUT) == CHECK_VALUE


def test_cr_lf_is_kept_and_counts() -> None:
    found = parse_telegram(telegram("1-0:1.8.1(000004.426*kWh)"))
    assert found.crc_valid is True
    assert found.line_ends_restored is False
    assert found.objects[-1] == ("1-0:1.8.1", ("000004.426*kWh",))


def test_a_telegram_that_lost_every_cr_is_summed_as_it_was_sent_and_says_so() -> None:
    found = parse_telegram(telegram("1-0:1.8.1(000004.426*kWh)").replace(b"\r", b""))
    assert found.crc_valid is True
    assert found.line_ends_restored is True


def test_a_telegram_that_lost_one_cr_is_damaged() -> None:
    assert code_of(telegram("1-0:1.8.1(000004.426*kWh)").replace(b"\r", b"", 1)) == "bad-p1-crc"


def test_any_changed_byte_is_found() -> None:
    good = telegram("1-0:1.8.1(000004.426*kWh)")
    for place in range(good.index(b"!")):
        bad = good[:place] + bytes((good[place] ^ 0x01,)) + good[place + 1 :]
        result = decode(bad)
        assert result.error is not None, place
        assert result.as_json()["body"] is None
        assert result.as_json()["message"] is None


@pytest.mark.parametrize("ending", ["!12G4\r\n", "!123\r\n", "!12345\r\n"])
def test_what_is_no_crc_of_four_digits_is_a_bad_one(ending: str) -> None:
    assert code_of(telegram("1-0:1.8.1(1*kWh)", crc=False)[:-3] + ending.encode()) == "bad-p1-crc"


def test_a_small_letter_in_the_crc_is_the_same_digit() -> None:
    good = telegram("1-0:1.8.1(000004.426*kWh)")
    assert code_of(good[:-6] + good[-6:].lower()) is None


def test_an_old_telegram_needs_no_crc_and_a_new_one_does() -> None:
    old = b"/KMP5 meter\r\n\r\n1-0:1.8.1(00185.000*kWh)\r\n!\r\n"
    assert code_of(old) is None
    assert code_of(telegram("1-0:1.8.1(1*kWh)", version="42", crc=False)) == "bad-p1-crc"


def test_a_telegram_without_its_end_is_cut_short() -> None:
    assert code_of(telegram("1-0:1.8.1(1*kWh)").split(b"!")[0]) == "truncated"
    assert code_of(b"/KWA5\r\n" + b"x" * MAX_TELEGRAM_BYTES + b"\r\n!\r\n") == "truncated"


def test_a_first_line_without_a_manufacturer_is_refused() -> None:
    assert code_of(b"/\r\n!\r\n") == "bad-p1"


def test_several_telegrams_in_a_row_are_several_messages() -> None:
    found = decode(telegram("1-0:1.8.1(1*kWh)") + b"\r\n" + telegram("1-0:1.8.1(2*kWh)"))
    assert found.error is None
    assert len(found.messages) == 2
    assert found.layers[1].offset == found.layers[0].length + 2
    assert found.as_json()["body"] == {"objects": [["1-3:0.2.8", ["50"]], ["1-0:1.8.1", ["2*kWh"]]]}


def test_a_code_that_is_built_otherwise_is_a_line_and_no_object() -> None:
    found = parse_telegram(telegram("1-0:72:32.0(00000)", "(00124.477)", "0-0:96.13.0()"))
    assert found.other_lines == ("1-0:72:32.0(00000)", "(00124.477)")
    assert found.objects[-1] == ("0-0:96.13.0", ("",))


def test_a_stamp_is_local_time_in_winter_or_summer() -> None:
    winter, summer = moment("181106140429W"), moment("210330192305S")
    assert winter is not None
    assert summer is not None
    assert winter.isoformat() == "2018-11-06T14:04:29+01:00"
    assert summer.isoformat() == "2021-03-30T19:23:05+02:00"
    assert moment("181306140429W") is None
    assert moment("000004.426*kWh") is None


values = st.text(st.characters(codec="latin-1", exclude_characters="()\r\n\x00"), max_size=20).map(
    lambda text: "".join(character for character in text if character.isprintable())
)
objects = st.lists(
    st.tuples(st.builds("{}-{}:{}.{}.{}".format, *[st.integers(0, 255)] * 5), st.lists(values, min_size=1, max_size=4)),
    max_size=8,
)


@given(objects)
def test_what_a_meter_writes_is_what_is_read(rows: list[tuple[str, list[str]]]) -> None:
    sent = telegram(*(code + "".join(f"({value})" for value in texts) for code, texts in rows))
    found = parse_telegram(sent)
    found.check()
    assert [(code, list(texts)) for code, texts in found.objects[1:]] == rows
    assert found.length == len(sent)


@given(st.binary(max_size=200))
def test_any_bytes_behind_a_slash_are_a_telegram_or_an_error(data: bytes) -> None:
    try:
        found = parse_telegram(b"/" + data)
    except WireError:
        return
    assert found.length <= len(data) + 1
    if found.crc is not None and not found.crc_valid:
        with pytest.raises(WireError, match="CRC"):
            found.check()
