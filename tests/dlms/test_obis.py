"""OBIS codes: six bytes, and the two ways in which people write them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwartier.dlms.obis import MAX_TEXT, dotted, obis
from kwartier.errors import InputError


@given(st.binary(min_size=6, max_size=6))
@settings(derandomize=True)
def test_both_ways_of_writing_come_back(code: bytes) -> None:
    assert obis(dotted(code)) == code
    a, b, c, d, e, f = code
    assert obis(f"{a}-{b}:{c}.{d}.{e}.{f}") == code
    assert obis(f"{a}-{b}:{c}.{d}.{e}*{f}") == code


def test_the_last_part_is_255_where_it_is_left_out() -> None:
    assert obis("1-0:1.8.0") == bytes((1, 0, 1, 8, 0, 255))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1-0:1.8",
        "1-0:1.8.256",
        "1-0:1.8.0.255.1",
        "1-0-1.8.0",
        "a-0:1.8.0",
        " 1-0:1.8.0",
        "1-0:1.8.0\n",
        "1" * 5000,
    ],
)
def test_anything_else_is_refused_and_quoted_within_bounds(text: str) -> None:
    with pytest.raises(InputError) as caught:
        obis(text)
    assert caught.value.code == "bad-obis"
    assert len(caught.value.detail) < MAX_TEXT + 80


@given(st.binary(max_size=12).filter(lambda code: len(code) != 6))
@settings(derandomize=True)
def test_a_code_of_another_length_prints_in_hex(code: bytes) -> None:
    assert dotted(code) == "0x" + code.hex()
