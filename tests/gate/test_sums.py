"""Sums add up to the watt-hour, and show no group that is too small."""

import random
from collections.abc import Sequence
from datetime import date

import numpy as np
import pytest
from sqlalchemy import Engine

from kwartier.errors import Denied, InputError
from kwartier.gate.blocks import Blocks
from kwartier.gate.ids import Link
from kwartier.gate.places import places_of
from kwartier.gate.purposes import Resolution, purpose_of, purposes
from kwartier.gate.sums import Day, Sum, Sums, Terms, sums_of, terms_of
from kwartier.gate.suppression import BELOW, COMPLEMENTARY
from kwartier.model import Meter
from tests.gate.neighbourhood import CHANNELS, meter, stack_of
from tests.gate.test_grant import ean

DAY = date(2026, 11, 24)
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
QUARTERS = 96


@pytest.fixture
def blocks(engine: Engine) -> Blocks:
    return Blocks(engine, random.Random(1), wall=lambda: 0)


def terms(purpose: str, by: str, area: str = "", resolution: Resolution = Resolution.QUARTER) -> Terms:
    """As ``purpose`` allows, of meters that have one channel."""
    found = terms_of(purpose_of(purpose), by=by, area=area)
    return Terms(
        by=by,
        channels=CHANNELS,
        complete_in=CHANNELS,
        resolution=resolution,
        minimum=found.minimum,
        whole_blocks=found.whole_blocks,
        area=area,
    )


def fleet(*groups: tuple[int, str, str, str]) -> list[Meter]:
    """So many homes by (count, grid area, transformer, brp), each with one meter."""
    found: list[Meter] = []
    for count, grid_area, transformer, brp in groups:
        for _ in range(count):
            found.append(meter(ean(len(found)), f"m{len(found)}", grid_area, transformer, brp))
    return found


def read_of(meters: Sequence[Meter], uses: Sequence[Sequence[int]], missing: Sequence[Sequence[int]] = ()) -> Day:
    """What the store holds, in two pieces, the later homes first."""
    half = len(meters) // 2
    links = [Link(one.ean, one.meter, DAY.year) for one in meters]
    pieces = [slice(half, None), slice(0, half)]
    return [(stack_of(DAY, uses[piece], missing[piece]), links[piece]) for piece in pieces if links[piece]]


def summed(
    blocks: Blocks,
    asked: Terms,
    meters: Sequence[Meter],
    uses: Sequence[Sequence[int]],
    missing: Sequence[Sequence[int]] = (),
    day: date = DAY,
) -> Sums:
    return sums_of(day, lambda: read_of(meters, uses, missing), places=places_of(meters), terms=asked, blocks=blocks)


def import_wh(one: Sum) -> list[int]:
    assert one.energy_wh is not None
    return [int(value) for value in one.energy_wh["import_wh"]]


def some_use(count: int, quarters: int = QUARTERS) -> list[list[int]]:
    chance = random.Random(7)
    return [[chance.randrange(2000) for _ in range(quarters)] for _ in range(count)]


@pytest.mark.parametrize(("day", "quarters"), [(SPRING, 92), (DAY, 96), (AUTUMN, 100)])
def test_settlement_shows_every_party_its_sum_however_few_its_homes(blocks: Blocks, day: date, quarters: int) -> None:
    meters = fleet((1, "A", "", "P1"), (3, "A", "", "P2"), (2, "B", "", "P2"))
    uses = some_use(6, quarters)
    found = summed(blocks, terms("settlement", "brp"), meters, uses, day=day)
    assert [(one.group, one.connections, one.counted, one.withheld) for one in found.rows] == [
        ("P1", 1, 1, ""),
        ("P2", 5, 5, ""),
    ]
    assert import_wh(found.rows[0]) == uses[0]
    assert import_wh(found.rows[1]) == [sum(column) for column in zip(*uses[1:], strict=True)]
    assert import_wh(found.total) == [sum(column) for column in zip(*uses, strict=True)]
    assert len(import_wh(found.total)) == quarters


def test_the_sum_of_a_party_in_one_grid_area_is_of_its_homes_there(blocks: Blocks) -> None:
    meters = fleet((1, "A", "", "P1"), (3, "A", "", "P2"), (2, "B", "", "P2"))
    uses = some_use(6)
    found = summed(blocks, terms("settlement", "brp", area="B"), meters, uses)
    assert [(one.group, one.connections) for one in found.rows] == [("P2", 2)]
    assert import_wh(found.rows[0]) == import_wh(found.total) == [a + b for a, b in zip(*uses[4:], strict=True)]


def test_no_energy_is_taken_over_a_gap_or_where_a_register_starts_anew(blocks: Blocks) -> None:
    meters = fleet((2, "A", "", "P"))
    uses = [[5] * QUARTERS, [7] * QUARTERS]
    uses[1][3] = -900  # it starts anew in the fourth quarter
    found = summed(blocks, terms("settlement", "brp"), meters, uses, missing=[[10], []])
    expected = [12] * QUARTERS
    expected[9] = expected[10] = 7
    expected[3] = 5
    assert import_wh(found.rows[0]) == expected
    assert (found.rows[0].connections, found.rows[0].counted) == (2, 0)


def test_two_meters_that_one_home_had_in_a_day_are_one_home(blocks: Blocks) -> None:
    meters = [meter(ean(0), "old", "A", "", "P"), meter(ean(0), "new", "A", "", "P")]
    uses = [[5] * QUARTERS, [9] * QUARTERS]
    # Taken out and put in at the end of the fortieth quarter.
    missing = [list(range(41, QUARTERS + 1)), list(range(40))]
    found = summed(blocks, terms("settlement", "brp"), meters, uses, missing)
    assert import_wh(found.rows[0]) == [5] * 40 + [9] * 56
    assert (found.rows[0].connections, found.rows[0].counted) == (1, 1)
    # In the course of the forty-first quarter: neither has the whole of it.
    found = summed(blocks, terms("settlement", "brp"), meters, uses, [missing[0], list(range(41))])
    assert import_wh(found.rows[0]) == [5] * 40 + [0] + [9] * 55
    assert (found.rows[0].connections, found.rows[0].counted) == (1, 0)


def test_a_meter_that_is_not_at_the_connection_that_day_is_in_no_sum(blocks: Blocks) -> None:
    meters = fleet((2, "A", "", "P"))
    links = [Link(ean(0), "m0", 2026), Link(ean(1), "m9", 2026)]
    found = sums_of(
        DAY,
        lambda: [(stack_of(DAY, [[5] * QUARTERS, [7] * QUARTERS]), links)],
        places=places_of(meters),
        terms=terms("settlement", "brp"),
        blocks=blocks,
    )
    assert import_wh(found.total) == [5] * QUARTERS
    assert (found.total.connections, found.total.counted) == (2, 1)


def test_a_small_area_is_withheld_and_another_with_it(blocks: Blocks) -> None:
    meters = fleet((9, "A", "t1", ""), (12, "B", "t2", ""), (11, "B", "t3", ""), (40, "C", "t4", ""))
    uses = some_use(72)
    found = summed(blocks, terms("grid-operation", "grid_area"), meters, uses)
    assert [(one.group, one.counted, one.withheld) for one in found.rows] == [
        ("A", 9, BELOW),
        ("B", 23, COMPLEMENTARY),
        ("C", 40, ""),
    ]
    assert [one.energy_wh is None for one in found.rows] == [True, True, False]
    found = summed(blocks, terms("grid-operation", "transformer"), meters, uses)
    assert [(one.within, one.group, one.withheld) for one in found.rows] == [
        ("A", "t1", BELOW),
        ("B", "t2", ""),
        ("B", "t3", COMPLEMENTARY),
        ("C", "t4", ""),
    ]
    assert found.total.counted == 72
    assert not found.total.withheld


def test_what_is_withheld_is_the_same_for_whoever_asks_for_one_area(blocks: Blocks) -> None:
    meters = fleet((9, "A", "t1", ""), (12, "B", "t2", ""), (11, "B", "t3", ""), (40, "C", "t4", ""))
    uses = some_use(72)
    for by, count in (("grid_area", 1), ("transformer", 2)):
        found = summed(blocks, terms("grid-operation", by, area="B"), meters, uses)
        everything = summed(blocks, terms("grid-operation", by), meters, uses)
        assert len(found.rows) == count
        alike = [one for one in everything.rows if "B" in {one.group, one.within}]
        assert [(one.group, one.withheld) for one in found.rows] == [(one.group, one.withheld) for one in alike]
        assert (found.total.connections, found.total.withheld) == (23, COMPLEMENTARY)
    assert summed(blocks, terms("grid-operation", "grid_area", area="Z"), meters, uses).rows == ()


def test_with_a_minimum_a_home_with_a_hole_is_in_no_quarter_of_the_sum(blocks: Blocks) -> None:
    meters = fleet((11, "A", "", ""))
    found = summed(blocks, terms("grid-operation", "grid_area"), meters, [[1] * QUARTERS] * 11, [[5]] + [[]] * 10)
    assert import_wh(found.total) == [10] * QUARTERS
    assert (found.total.connections, found.total.counted) == (11, 10)
    found = summed(blocks, terms("grid-operation", "grid_area"), meters, [[1] * QUARTERS] * 11, [[5]] * 2 + [[]] * 9)
    assert (found.total.counted, found.total.withheld, found.total.energy_wh) == (9, BELOW, None)


@pytest.mark.parametrize(
    ("purpose", "by"), [("settlement", "brp"), ("grid-operation", "grid_area"), ("statistics", "transformer")]
)
def test_the_energy_of_a_day_is_that_of_its_quarters(blocks: Blocks, purpose: str, by: str) -> None:
    meters, uses = fleet((25, "A", "t", "P")), some_use(25)
    quarters = summed(blocks, terms(purpose, by), meters, uses, [[4], []] + [[]] * 23)
    whole = summed(blocks, terms(purpose, by, resolution=Resolution.DAY), meters, uses, [[4], []] + [[]] * 23)
    for fine, coarse in zip((*quarters.rows, quarters.total), (*whole.rows, whole.total), strict=True):
        assert import_wh(coarse) == [sum(import_wh(fine))]
        assert coarse.counted == fine.counted


def test_statistics_count_whole_blocks_and_say_how_many_homes_that_covers(blocks: Blocks) -> None:
    meters = fleet((25, "A", "t1", ""), (9, "A", "t2", ""), (10, "B", "t3", ""))
    uses = some_use(44)
    found = summed(blocks, terms("statistics", "grid_area"), meters, uses)
    assert [(one.group, one.connections, one.counted) for one in found.rows] == [("A", 34, 25), ("B", 10, 10)]
    assert import_wh(found.rows[0]) == np.sum(uses[:25], axis=0).tolist()
    # One home of t1 has a hole the next day: its block is out, and in again when it has none.
    sizes = {12: 13, 13: 12}
    found = summed(blocks, terms("statistics", "grid_area"), meters, uses, [[5]] + [[]] * 43)
    assert found.rows[0].counted in sizes
    assert summed(blocks, terms("statistics", "grid_area"), meters, uses).rows[0].counted == 25


def test_small_areas_are_withheld_in_statistics(blocks: Blocks) -> None:
    meters = fleet((9, "A", "t1", ""), (10, "A", "t2", ""))
    found = summed(blocks, terms("statistics", "transformer"), meters, some_use(19))
    assert [(one.group, one.connections, one.counted, one.withheld) for one in found.rows] == [
        ("t1", 9, 0, BELOW),
        ("t2", 10, 10, ""),
    ]
    assert found.rows[0].energy_wh is None


def test_simulated_homes_are_no_crowd_for_a_real_one_to_hide_in(blocks: Blocks) -> None:
    meters = [*fleet((12, "A", "t1", "")), *(meter(f"87{n:016d}", f"real{n}", "A", "t1") for n in range(9))]
    found = summed(blocks, terms("statistics", "grid_area"), meters, some_use(21))
    assert found.total.counted == 12


def test_nobody_at_all_has_no_sums(blocks: Blocks) -> None:
    for purpose in ("settlement", "grid-operation", "statistics"):
        found = summed(blocks, terms(purpose, "grid_area"), [], [])
        assert found.rows == ()
        assert found.total.connections == 0


def test_days_of_unequal_length_are_not_added_up(blocks: Blocks) -> None:
    meters = [meter(ean(0), "m0"), meter(ean(1), "m1", zone="America/Curacao")]
    with pytest.raises(InputError, match=f"{SPRING}") as caught:
        summed(blocks, terms("settlement", "brp"), meters, some_use(2), day=SPRING)
    assert caught.value.code == "mixed-days"


def test_no_purpose_with_a_minimum_sums_what_does_not_lie_inside_areas() -> None:
    for purpose in purposes().values():
        for by in purpose.groups:
            assert terms_of(purpose, by=by).minimum == purpose.minimum_group
    for name, by in (("statistics", "brp"), ("grid-operation", "supplier"), ("settlement", "ean"), ("settlement", "")):
        with pytest.raises(Denied) as caught:
            terms_of(purpose_of(name), by=by)
        assert caught.value.code == "out-of-scope"


def test_less_than_the_purpose_allows_is_of_the_same_homes() -> None:
    found = terms_of(purpose_of("statistics"), by="grid_area", channels=["export_wh"], resolution=Resolution.DAY)
    assert (found.channels, found.complete_in) == (("export_wh",), ("import_wh", "export_wh"))
    assert found.whole_blocks


def test_no_repr_shows_energy(blocks: Blocks) -> None:
    found = summed(blocks, terms("settlement", "brp"), fleet((1, "A", "", "P")), [[4321] * QUARTERS])
    assert "4321" not in repr(found)
