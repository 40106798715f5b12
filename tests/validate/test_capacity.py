"""What connections carry, and that the limit of 120 % is the one that was computed elsewhere, to the watt-hour."""

import pytest

from kwartier.errors import InputError
from kwartier.validate.capacity import capacity_wh


@pytest.mark.parametrize(
    ("text", "limit_wh"), [("1x35A", 2415), ("1x40A", 2760), ("3x25A", 5175), ("3x35A", 7245), ("3x80A", 16_560)]
)
def test_limits_are_those_of_the_domain(text: str, limit_wh: int) -> None:
    carried = capacity_wh(text)
    assert 100 * limit_wh >= 120 * carried > 100 * (limit_wh - 1)


def test_leaving_away_half_a_watt_hour_moves_no_limit() -> None:
    for phases in (1, 2, 3):
        for ampere in range(1, 1000):
            exact = 120 * phases * ampere * 230  # four hundredths of a Wh
            assert -(-120 * capacity_wh(f"{phases}x{ampere}A") // 100) == -(-exact // 400)


def test_no_capacity_is_not_known() -> None:
    assert capacity_wh("") == 0


@pytest.mark.parametrize("text", ["3x25", "4x25A", "x25A", "3x0A", "3X25A", " 3x25A", "3x12345A", "drie"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(InputError) as refused:
        capacity_wh(text)
    assert refused.value.code == "bad-capacity"
