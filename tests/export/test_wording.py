"""Words and numbers of messages: exact, and the same by the short way and the long one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.export.wording import minute, points, quantity


@pytest.mark.parametrize(
    ("energy_wh", "text"),
    [
        (0, "0.000"),
        (1, "0.001"),
        (999, "0.999"),
        (1000, "1.000"),
        (-1, "-0.001"),
        (-1001, "-1.001"),
        (2**62, "4611686018427387.904"),
    ],
)
def test_an_energy_has_three_decimals(energy_wh: int, text: str) -> None:
    assert quantity(energy_wh) == text


@given(st.integers(-(2**62), 2**62))
def test_no_digit_of_an_energy_is_lost(energy_wh: int) -> None:
    assert int(quantity(energy_wh).replace(".", "")) == energy_wh


def test_a_moment_is_told_in_utc() -> None:
    assert minute(1_795_648_500) == "2026-11-25T23:15Z"


@given(st.lists(st.tuples(st.integers(0, 10**9), st.sampled_from(["A03", "A04", "A06"])), min_size=1, max_size=100))
def test_points_read_the_same_by_template_and_one_by_one(day: list[tuple[int, str]]) -> None:
    energies, codes = [energy for energy, _ in day], [code for _, code in day]
    by_template = points(energies, codes)
    one_by_one = points([*energies, 7], [*codes, "A02"])
    last = f"<Point><position>{len(day) + 1}</position><quality>A02</quality></Point>"
    assert one_by_one == by_template + last
