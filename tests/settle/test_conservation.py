"""Every way in which a settlement goes wrong in silence is broken on purpose, and the area is held."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from kwartier.settle.conservation import CHECKS, Bounds, Evidence, conserved
from kwartier.settle.members import members
from kwartier.settle.recipe import residual, settled
from kwartier.settle.tables import AreaState, Membership, Part, Settled, Sum
from tests.settle.building import Day, Made, make, meter, quarterly, settle, summed, supply

DAY = date(2026, 11, 24)
QUARTERS = 96
FIRST, SECOND, THIRD, FOURTH, FIFTH = (f"87199990000000{number}" for number in ("0011", "0028", "0035", "0042", "0059"))
"""In area A: by readings under brp-1 and brp-2, and one by profile; in area B one by readings, one by profile."""


def boundary(area: str, direction: str, wh: int) -> list[dict[str, object]]:
    return quarterly(DAY, {"grid_area": area, "direction": direction}, "energy_wh", [wh] * QUARTERS)


def a_day(**more: object) -> Day:
    day = Day(
        day=DAY,
        meters=[
            meter(11, FIRST, [100] * QUARTERS, [7] * QUARTERS),
            meter(12, SECOND, [60] * QUARTERS, [3] * QUARTERS),
            meter(14, FOURTH, [50] * QUARTERS),
        ],
        connections=[
            {"ean": one, "grid_area": area}
            for one, area in zip((FIRST, SECOND, THIRD, FOURTH, FIFTH), "AAABB", strict=True)
        ],
        supplies=[
            supply(FIRST, "A", "brp-1"),
            supply(SECOND, "A", "brp-2"),
            supply(THIRD, "A", "brp-1", method="PRF", year_import_wh=1_000_000),
            supply(FOURTH, "B", "brp-1"),
            supply(FIFTH, "B", "brp-2", method="PRF", year_import_wh=1_000_000),
        ],
        infeed=[
            *boundary("A", "import", 200),
            *boundary("A", "export", 11),
            *boundary("B", "import", 90),
            *boundary("B", "export", 0),
        ],
        losses=[one for area in "AB" for way, wh in (("import", 2), ("export", 0)) for one in boundary(area, way, wh)],
        fractions=[
            one
            for area in "AB"
            for one in quarterly(
                DAY,
                {"grid_area": area, "profile": "E1A", "direction": "import"},
                "fraction_e12",
                [30_000_000] * QUARTERS,
            )
        ],
    )
    return replace(day, **more)  # type: ignore[arg-type]  # the fields are named by the test


def failed(settlement: Settled, area: str = "A") -> set[str]:
    """The checks that an area fails; it is held if there are any, and the other area never is."""
    states = {one.grid_area: one.state for one in settlement.areas}
    found = {one.code for one in settlement.checks if one.grid_area == area and not one.passed}
    assert states[area] is (AreaState.HELD if found else AreaState.SETTLED)
    other = "B" if area == "A" else "A"
    assert states[other] is AreaState.SETTLED
    return found


@pytest.fixture
def made() -> Made:
    return make(a_day())


def altered(made: Made, change: Callable[[Sum], Sum | None]) -> Settled:
    """The settlement of ``made`` with its sums of area A changed, or left out where nothing comes of them."""
    found = [change(one) if one.grid_area == "A" else one for one in made.evidence.settled.sums]
    return replace(made.evidence.settled, sums=tuple(one for one in found if one is not None))


def left_over_anew(made: Made, settlement: Settled) -> Settled:
    """The same with a residual that swallows whatever was changed."""
    kept = [one for one in settlement.sums if one.part is not Part.RESIDUAL]
    return replace(settlement, sums=(*kept, *residual(["A", "B"], kept)))


def test_what_was_made_by_the_recipe_passes_every_check(made: Made) -> None:
    settlement = conserved(made.evidence)
    assert failed(settlement) == set()
    assert [(one.grid_area, one.code) for one in settlement.checks] == [
        (area, code) for area in "AB" for code in sorted(CHECKS)
    ]


def test_a_lost_sum_is_found_although_the_residual_swallows_it(made: Made) -> None:
    lost = altered(made, lambda one: None if (one.part, one.brp) == (Part.METERED, "brp-2") else one)
    assert failed(made.again(lost)) == {"adds-up", "parties", "registers"}
    assert failed(made.again(left_over_anew(made, lost))) == {"parties", "registers"}


def test_a_group_that_no_row_was_summed_for_is_found(made: Made) -> None:
    partial = made.partial
    partial.energy_wh[0] = 0
    partial.rows[0] = 0
    settlement = settled(made.given, made.who, partial)
    assert failed(conserved(replace(made.evidence, settled=settlement, partial=partial))) == {"registers", "rows"}


def test_no_rows_at_all_are_found(made: Made) -> None:
    evidence = replace(made.evidence, settled=settled(made.given, made.who, None), partial=None)
    states = {one.grid_area: one.state for one in conserved(evidence).areas}
    assert states == {"A": AreaState.HELD, "B": AreaState.HELD}


def with_membership(made: Made, membership: Membership) -> Evidence:
    """What the recipe and the checks make of another membership."""
    partial = summed(membership, a_day().meters, QUARTERS)
    who = replace(made.who, membership=membership)
    return replace(made.evidence, settled=settled(made.given, who, partial), membership=membership, partial=partial)


def test_a_connection_that_is_counted_twice_is_found(made: Made) -> None:
    one = made.who.membership
    doubled = replace(
        one,
        ids=np.insert(one.ids, 0, one.ids[0]),
        group=np.insert(one.group, 0, one.group[0]),
        connection=np.insert(one.connection, 0, one.connection[0]),
    )
    assert failed(conserved(with_membership(made, doubled))) == {"counted-once", "registers", "rows"}


def test_a_connection_in_two_groups_is_found(made: Made) -> None:
    one = made.who.membership
    torn = replace(
        one,
        ids=np.insert(one.ids, 0, one.ids[0]),
        group=np.insert(one.group, 0, one.group[1]),
        connection=np.insert(one.connection, 0, one.connection[0]),
    )
    assert {"counted-once", "registers", "rows"} <= failed(conserved(with_membership(made, torn)))


def test_a_connection_that_is_counted_by_readings_and_by_profile_is_found(made: Made) -> None:
    twice = altered(
        made, lambda one: replace(one, connections=one.connections + 1) if one.part is Part.PROFILED else one
    )
    assert failed(made.again(twice)) == {"parties"}


def test_a_sum_under_the_wrong_party_is_found(made: Made) -> None:
    """Also where both parties have as many connections as they should: their volumes are not the registers'."""
    other = {"brp-1": "brp-2", "brp-2": "brp-1"}
    swapped = altered(made, lambda one: replace(one, brp=other[one.brp]) if one.part is Part.METERED else one)
    assert failed(made.again(swapped)) == {"registers"}
    moved = altered(made, lambda one: replace(one, brp="brp-1") if one.part is Part.METERED else one)
    assert failed(made.again(moved)) == {"parties", "registers"}
    profiled = altered(made, lambda one: replace(one, brp="brp-2") if one.part is Part.PROFILED else one)
    assert failed(made.again(profiled)) == {"parties"}


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Part.METERED, {"adds-up", "registers"}),
        (Part.PROFILED, {"adds-up", "profiles"}),
        (Part.INFEED, {"adds-up", "boundary", "residual"}),
        (Part.LOSS, {"adds-up", "boundary"}),
    ],
)
def test_swapped_directions_are_found(made: Made, part: Part, expected: set[str]) -> None:
    other = {"import": "export", "export": "import"}
    swapped = altered(made, lambda one: replace(one, direction=other[one.direction]) if one.part is part else one)
    assert failed(made.again(swapped)) - {"residual"} == expected - {"residual"}
    swallowed = failed(made.again(left_over_anew(made, swapped)))
    assert swallowed >= expected - {"adds-up", "residual"}


@pytest.mark.parametrize("part", [Part.METERED, Part.PROFILED, Part.LOSS, Part.INFEED, Part.RESIDUAL])
def test_a_watt_hour_in_one_quarter_is_found(made: Made, part: Part) -> None:
    bit = np.zeros(QUARTERS, np.int64)
    bit[17] = 1
    off = altered(made, lambda one: replace(one, energy_wh=one.energy_wh + bit) if one.part is part else one)
    assert "adds-up" in failed(made.again(off))


def test_a_watt_hour_that_a_meter_moved_and_no_sum_has_is_found() -> None:
    off = a_day()
    first, *others = off.meters
    assert failed(settle(replace(off, meters=[replace(first, moved_wh=(9_601, 672)), *others]))) == {"registers"}


def test_losses_in_another_quarter_than_they_were_imported_for_are_found(made: Made) -> None:
    shift = np.zeros(QUARTERS, np.int64)
    shift[[3, 4]] = (1, -1)
    off = altered(made, lambda one: replace(one, energy_wh=one.energy_wh + shift) if one.part is Part.LOSS else one)
    assert failed(made.again(left_over_anew(made, off))) == {"boundary"}


# In each quarter of area A 200 - 100 - 60 - 30 - 2 = 8 Wh are left of 200 Wh (import), and 11 - 7 - 3 = 1 Wh of 11 (export).


@pytest.mark.parametrize(
    ("share_bp", "floor_wh", "held"),
    [(400, 96, False), (399, 96, True), (400, 95, True), (0, 768, False), (0, 767, True), (910, 0, False)],
)
def test_a_residual_is_bounded_by_a_share_of_the_infeed_or_a_floor(share_bp: int, floor_wh: int, held: bool) -> None:
    bounds = Bounds(share_bp=share_bp, floor_wh=floor_wh)
    settlement = settle(a_day(bounds=bounds))
    assert [one.code for one in settlement.areas if one.grid_area == "A"] == ["residual" if held else ""]


def test_a_residual_that_is_as_often_above_as_below_does_not_cancel() -> None:
    way = [190, 210] * (QUARTERS // 2)
    infeed = quarterly(DAY, {"grid_area": "A", "direction": "import"}, "energy_wh", way)
    infeed += [*boundary("A", "export", 11), *boundary("B", "import", 90), *boundary("B", "export", 0)]
    # -2 and 18 Wh by turns: 960 Wh of 19 200.
    day = a_day(infeed=infeed, bounds=Bounds(share_bp=499, floor_wh=900))
    assert failed(settle(day)) == {"residual"}


def test_an_area_that_is_stopped_is_not_checked() -> None:
    settlement = settle(a_day(losses=[one for one in a_day().losses if one["grid_area"] == "A"]))
    assert {one.grid_area for one in settlement.checks} == {"A"}


def test_details_name_no_connection(made: Made) -> None:
    settlement = conserved(replace(made.evidence, bounds=Bounds(share_bp=0, floor_wh=0)))
    said = " ".join([*(one.detail for one in settlement.checks), *(one.reason for one in settlement.areas)])
    assert not any(ean in said for ean in (FIRST, SECOND, THIRD, FOURTH, FIFTH))


def test_the_second_path_does_not_stand_on_the_first(made: Made) -> None:
    """It is made from the tables: whatever membership the first path had, it is the same."""
    assert members(made.given).membership.groups == made.who.membership.groups
    second = made.evidence.second
    assert dict(second.supplied) == {("A", "brp-1"): 2, ("A", "brp-2"): 1, ("B", "brp-1"): 1, ("B", "brp-2"): 1}
    assert dict(second.read) == {("A", "brp-1"): 1, ("A", "brp-2"): 1, ("B", "brp-1"): 1}
    assert second.moved_wh["A", "brp-1", "export"] == 7 * QUARTERS
    assert second.profiled_e12["A", "import"] == 1_000_000 * 30_000_000 * QUARTERS
