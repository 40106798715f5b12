"""The parts of a day's curve: what is known, what is not, and how numbers are said."""

from datetime import date

import numpy as np
import pytest

from kwartier.errors import InputError
from kwartier.export.pictures.coverage import Seen
from kwartier.export.pictures.day_curve import CHANNELS, curve_of
from kwartier.export.pictures.palette import WITH_ENERGY, Kind
from kwartier.export.pictures.words import in_kwh, readable, share, unit_of
from tests.export.pictures.volumes import BACK, FORWARD, PLAIN, TIMEZONE, curve, volumes


def test_every_quarter_is_split_by_how_it_came_about() -> None:
    found = curve("mce.", "mm-e")
    parts = {kind: found.energy_wh["import_wh"][kind][:4].tolist() for kind in WITH_ENERGY}
    assert parts == {
        Kind.MEASURED: [200, 100, 0, 0],
        Kind.CALCULATED: [0, 100, 0, 0],
        Kind.LATE: [0, 0, 0, 0],
        Kind.ESTIMATED: [0, 0, 100, 100],
    }
    assert found.missing["import_wh"][:4].tolist() == [0, 0, 0, 1]
    assert found.due["import_wh"][:4].tolist() == [2, 2, 1, 2]
    assert found.total_wh("import_wh").sum() == 24 * 600


def test_directions_are_counted_apart() -> None:
    found = curve("m", export=["e"])
    assert (
        found.energy_wh["import_wh"][Kind.MEASURED].sum() == found.energy_wh["export_wh"][Kind.ESTIMATED].sum() == 9600
    )
    assert all(map(found.has, CHANNELS))
    assert [curve("m").has(name) for name in CHANNELS] == [True, False]


def test_what_came_late_is_a_part_of_its_own() -> None:
    late = np.array([False, True])
    found = curve_of([Seen(volumes(PLAIN, ["m", "ce"]), late)], PLAIN, TIMEZONE)
    parts = {kind: int(found.energy_wh["import_wh"][kind].sum()) for kind in WITH_ENERGY}
    assert parts == {Kind.MEASURED: 9600, Kind.CALCULATED: 0, Kind.LATE: 4800, Kind.ESTIMATED: 4800}


@pytest.mark.parametrize(("day", "quarters"), [(FORWARD, 92), (PLAIN, 96), (BACK, 100)])
def test_a_day_is_as_long_as_it_is(day: date, quarters: int) -> None:
    assert curve("m", day=day).quarters == quarters


def test_sums_do_not_end_where_32_bits_do() -> None:
    found = curve_of([Seen(volumes(PLAIN, ["m"] * 3, energy_wh=2**30))], PLAIN, TIMEZONE)
    assert found.highest_wh("import_wh") == 3 * 2**30


def test_nothing_at_all_is_an_empty_day_of_the_right_length() -> None:
    found = curve_of([], BACK, TIMEZONE)
    assert found.quarters == 100
    assert not any(map(found.has, CHANNELS))


def test_volumes_of_another_day_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        curve_of([Seen(volumes(PLAIN, ["m"]))], BACK, TIMEZONE)
    assert caught.value.code == "bad-day"


def test_a_repr_shows_no_value() -> None:
    assert "100" not in repr(curve("m"))


def test_the_unit_leaves_two_to_five_figures_before_the_point() -> None:
    assert [unit_of(wh) for wh in (0, 100, 499, 500, 499_999, 500_000, 500_000_000)] == [
        ("W", 1),
        ("W", 1),
        ("W", 1),
        ("kW", 1000),
        ("kW", 1000),
        ("MW", 10**6),
        ("GW", 10**9),
    ]


def test_numbers_are_rounded_down() -> None:
    assert in_kwh(37_135_823) == "37\xa0135.823 kWh"
    assert [readable(wh) for wh in (0, 9_999_999, 37_135_823, 12_345_678_901)] == [
        "0.000 kWh",
        "9\xa0999.999 kWh",
        "37.135 MWh",
        "12.345 GWh",
    ]
    assert [share(*pair) for pair in ((0, 0), (0, 9), (1, 9999), (9999, 10000), (9, 9))] == [
        "–",
        "0.0 %",
        "< 0.1 %",
        "99.9 %",
        "100.0 %",
    ]
