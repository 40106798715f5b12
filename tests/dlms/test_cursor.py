"""The cursor: nothing is read that is not there, and a window is read to its end."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwartier.dlms.cursor import Cursor, encode_length
from kwartier.errors import WireError


@given(st.integers(0, 0xFFFF_FFFF))
@settings(derandomize=True)
def test_a_length_comes_back_in_its_shortest_form(length: int) -> None:
    octets = encode_length(length)
    cursor = Cursor(octets)
    assert cursor.length() == length
    assert cursor.remaining == 0
    assert len(octets) == (1 if length < 0x80 else 1 + (length.bit_length() + 7) // 8)


@pytest.mark.parametrize("octets", ["80", "85 0000000001", "88 0000000000000001", "FF"])
def test_the_indefinite_form_and_more_than_four_bytes_of_length_are_refused(octets: str) -> None:
    with pytest.raises(WireError) as caught:
        Cursor(bytes.fromhex(octets)).length()
    assert caught.value.code == "bad-length"


@pytest.mark.parametrize("octets", ["", "81", "82 01", "84 000000"])
def test_a_length_that_is_not_all_there_is_truncated(octets: str) -> None:
    with pytest.raises(WireError) as caught:
        Cursor(bytes.fromhex(octets)).length()
    assert caught.value.code == "truncated"


def test_numbers_are_big_endian_and_the_place_moves_on() -> None:
    cursor = Cursor(bytes.fromhex("01 0203 04050607 08"))
    assert (cursor.u8(), cursor.u16(), cursor.u32()) == (1, 0x0203, 0x04050607)
    assert (cursor.at, cursor.remaining, cursor.peek()) == (7, 1, 8)
    assert cursor.rest() == b"\x08"


@pytest.mark.parametrize("read", [Cursor.u8, Cursor.peek, Cursor.u16, Cursor.u32, lambda c: c.take(2), Cursor.length])
def test_a_read_past_the_end_fails_and_moves_nothing(read: Callable[[Cursor], object]) -> None:
    cursor = Cursor(b"\xff", 1)
    with pytest.raises(WireError) as caught:
        read(cursor)
    assert caught.value.code == "truncated"
    assert cursor.at == 1


def test_a_negative_length_is_refused() -> None:
    with pytest.raises(WireError):
        Cursor(b"abc").take(-1)
    with pytest.raises(WireError), Cursor(b"abc").restrict(-1):
        pass


def test_a_window_fails_past_its_end_and_with_bytes_left_and_gives_the_outer_one_back() -> None:
    cursor = Cursor(b"abcdef")
    with cursor.restrict(3):
        assert cursor.take(3) == b"abc"
        with pytest.raises(WireError):
            cursor.u8()
    assert cursor.remaining == 3
    with pytest.raises(WireError) as caught, cursor.restrict(2):
        cursor.u8()
    assert caught.value.code == "trailing-bytes"
    assert cursor.end == 6
    with pytest.raises(WireError) as caught, cursor.restrict(3):
        pass
    assert caught.value.code == "truncated"


def test_an_error_inside_a_window_is_not_hidden_by_what_it_leaves_unread() -> None:
    cursor = Cursor(b"\x80abc")
    with pytest.raises(WireError) as caught, cursor.restrict(3):
        cursor.length()
    assert caught.value.code == "bad-length"


def test_it_begins_and_ends_where_it_is_told() -> None:
    cursor = Cursor(b"abcdef", 2, 4)
    assert cursor.rest() == b"cd"
    with pytest.raises(WireError):
        cursor.u8()
    cursor.expect_end()


def test_its_repr_shows_no_bytes() -> None:
    assert repr(Cursor(b"secret")) == "<Cursor at 0 of 6>"
