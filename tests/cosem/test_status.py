"""Status bytes and units by name; what has none still prints."""

import pytest

from kwartier.cosem.status import CLOCK_TROUBLE, bit_names, clock_status_names, unit_name


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (0x00, ()),
        (0x01, ("invalid",)),
        (0x0F, ("invalid", "doubtful", "different-clock-base", "invalid-clock-status")),
        (0x80, ("daylight-saving",)),
        (0x30, ("bit 4", "bit 5")),
        (0xFF, ("not-specified",)),
    ],
)
def test_a_clock_status_says(value: int, names: tuple[str, ...]) -> None:
    # Blue Book 4.1.6.1, clock_status.
    assert clock_status_names(value) == names


def test_bits_0_to_3_are_the_trouble() -> None:
    assert CLOCK_TROUBLE == 0x0F


def test_bits_print_lowest_first_and_without_a_name_by_number() -> None:
    assert bit_names(0b1000_0101, {0: "a", 7: "b"}) == ("a", "bit 2", "b")
    assert bit_names(0, {0: "a"}) == ()


def test_units_by_name_and_by_number() -> None:
    assert (unit_name(30), unit_name(13), unit_name(77)) == ("Wh", "m3", "unit 77")
