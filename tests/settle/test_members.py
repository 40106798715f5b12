"""Who is settled how, and tables that are refused before anybody is."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pyarrow
import pytest

from kwartier.errors import StateError
from kwartier.settle.inputs import SUPPLIES, in_form
from kwartier.settle.members import Count, members
from kwartier.settle.partial import no_rows
from kwartier.settle.recipe import settled
from kwartier.settle.tables import AreaState, Group
from tests.settle.building import Day, given, meter, quarterly, settle, supply, table, times_of

DAY = date(2026, 11, 24)
ONE, TWO = "871999900000000011", "871999900000000028"


def a_day(**more: object) -> Day:
    ways = [{"grid_area": "A", "direction": one} for one in ("import", "export")]
    day = Day(
        day=DAY,
        meters=[meter(7, TWO, [1] * 96), meter(5, ONE, [1] * 96), meter(6, ONE, [1] * 96)],
        connections=[{"ean": ONE, "grid_area": "A"}, {"ean": TWO, "grid_area": "A"}],
        supplies=[supply(TWO, "A", "brp-1"), supply(ONE, "A", "brp-1", method="SMA")],
        infeed=[row for way in ways for row in quarterly(DAY, way, "energy_wh", [3] * 96)],
        losses=[row for way in ways for row in quarterly(DAY, way, "energy_wh", [0] * 96)],
    )
    return replace(day, **more)  # type: ignore[arg-type]  # the fields are named by the test


def test_ids_ascend_groups_are_in_order_and_meters_of_one_connection_share_its_number() -> None:
    who = members(given(a_day()))
    found = who.membership
    assert found.groups == (Group("A", "brp-1", "leverancier", "SMA"), Group("A", "brp-1", "leverancier", "cSMA"))
    assert found.ids.tolist() == [5, 6, 7]
    assert found.group.tolist() == [0, 0, 1]
    assert found.connection[0] == found.connection[1] != found.connection[2]
    assert [str(one.dtype) for one in (found.ids, found.group, found.connection)] == ["int64", "int32", "int64"]
    assert who.connections.tolist() == [1, 1]
    assert who.areas == {"A": Count(2, 0)}


def test_no_ean_is_in_what_goes_to_the_workers() -> None:
    found = members(given(a_day())).membership
    assert found.connection.max() < 2
    assert ONE not in repr(found)


def test_a_connection_without_fractions_that_has_no_volume_needs_none() -> None:
    day = a_day(meters=[meter(7, TWO, [1] * 96)])
    assert [(one.state, one.unread) for one in settle(day).areas] == [(AreaState.SETTLED, 1)]


def test_texts_in_a_dictionary_and_smaller_numbers_are_brought_into_form() -> None:
    found = table(a_day().supplies, SUPPLIES)
    coded = found.set_column(2, "brp", found["brp"].combine_chunks().dictionary_encode())
    small = coded.set_column(6, "year_import_wh", found["year_import_wh"].cast(pyarrow.int32()))
    more = small.append_column("revision", pyarrow.array([1, 1]))
    assert in_form(more, SUPPLIES, "supplies").schema == SUPPLIES


def refused(**changed: object) -> str:
    """What is said of a day with a table that is wrong."""
    with pytest.raises(StateError) as caught:
        members(given(a_day(**changed)))
    assert caught.value.code == "bad-table"
    assert ONE not in caught.value.detail
    return caught.value.detail


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ean": "87199990000000001X"}, "not made of digits"),
        ({"brp": None}, "without brp"),
        ({"year_import_wh": -1}, "year_import_wh is not from 0"),
        ({"year_export_wh": 10**15 + 1}, "year_export_wh is not from 0"),
    ],
)
def test_a_row_that_cannot_be_is_refused_without_naming_it(change: Mapping[str, object], said: str) -> None:
    assert said in refused(supplies=[{**supply(ONE, "A", "brp-1"), **change}, supply(TWO, "A", "brp-1")])


def test_a_column_that_is_not_there_or_of_another_type_is_refused() -> None:
    found = table(a_day().supplies, SUPPLIES)
    with pytest.raises(StateError, match="has no column brp, profile"):
        in_form(found.drop_columns(["brp", "profile"]), SUPPLIES, "supplies")
    texts = found.set_column(6, "year_import_wh", pyarrow.array(["0", "much"]))
    with pytest.raises(StateError, match="of another type") as caught:
        in_form(texts, SUPPLIES, "supplies")
    assert "much" not in str(caught.value)


def test_a_meter_at_a_connection_that_nobody_knows_is_refused() -> None:
    # What the registry knows and the market does not stops the area instead.
    assert "1 connections" in refused(meters=[meter(9, "871999900000000035", [1] * 96)])


def test_sums_of_another_shape_are_refused() -> None:
    taken = given(a_day())
    who = members(taken)
    fewer = replace(taken, times=times_of(date(2026, 3, 29)))
    made = settled(taken, who, None)
    assert made.areas[0].state is AreaState.SETTLED
    assert settled(fewer, who, None).areas[0].state is AreaState.STOPPED
    with pytest.raises(StateError, match="2 groups of 96 quarters"):
        settled(taken, who, no_rows(2, 92))


def test_a_quarter_that_is_there_twice_stops_the_area() -> None:
    day = a_day()
    settlement = settle(replace(day, infeed=[*day.infeed, day.infeed[0]]))
    assert [(one.code, one.reason) for one in settlement.areas] == [
        ("no-infeed", "infeed (import): 1 of them more than once")
    ]


def test_quarters_of_other_days_are_left_out() -> None:
    day = a_day()
    others = [
        row
        for other in (date(2026, 11, 23), date(2026, 11, 25))
        for row in quarterly(other, {"grid_area": "A", "direction": "import"}, "energy_wh", [999] * 96)
    ]
    assert settle(replace(day, infeed=[*others, *day.infeed])).areas == settle(day).areas


def test_every_reason_of_an_area_is_told() -> None:
    day = a_day(
        infeed=[], losses=[], connections=[*a_day().connections, {"ean": "871999900000000035", "grid_area": "A"}]
    )
    area = settle(day).areas[0]
    assert area.code == "no-market-data"
    assert area.reason == (
        "1 connections have no supply; infeed (import): none of 96 quarters; infeed (export): none of 96 quarters; "
        "losses (import): none of 96 quarters; losses (export): none of 96 quarters"
    )
