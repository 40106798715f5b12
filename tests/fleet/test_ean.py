"""EAN-18: the last digit checks the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.fleet.ean import EAN_DIGITS, check_digit, read_ean

# GS1 General Specifications, 7.9.1: check digit 9 for the seventeen digits 37610425002123456.
SSCC = "376104250021234569"
bodies = st.text("0123456789", min_size=EAN_DIGITS - 1, max_size=EAN_DIGITS - 1)


def refusal(text: str) -> str:
    with pytest.raises(ValueError, match=r"^(has|is) ") as caught:
        read_ean(text)
    return str(caught.value)


def test_the_example_of_the_standard_is_an_ean() -> None:
    assert read_ean(SSCC) == SSCC


@given(body=bodies)
def test_a_number_with_its_check_digit_is_read_as_it_is(body: str) -> None:
    ean = body + str(check_digit(body))
    assert read_ean(ean) == ean


@given(body=bodies, place=st.integers(0, EAN_DIGITS - 1), step=st.integers(1, 9))
def test_any_single_wrong_digit_is_found(body: str, place: int, step: int) -> None:
    digits = [int(one) for one in body + str(check_digit(body))]
    digits[place] = (digits[place] + step) % 10
    assert "check digit" in refusal("".join(map(str, digits)))


def test_a_wrong_check_digit_is_said_with_the_right_one() -> None:
    assert refusal(SSCC[:-1] + "0") == "has check digit 0, 9 belongs there"


@pytest.mark.parametrize("text", ["", SSCC[:-1], SSCC + "0", SSCC[:-1] + "x", "\u0661" * 18, " " * 18, "-" + SSCC[1:]])
def test_what_is_not_eighteen_digits_is_no_ean(text: str) -> None:
    assert refusal(text) == "is not 18 digits"
