"""From a fleet file and a store to sums: what a grant shows of one day, added up for three purposes."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete

from kwartier.database import writing
from kwartier.errors import Denied
from kwartier.fleet.registry import Registry
from kwartier.gate.ids import Ids
from kwartier.gate.permissions import register
from kwartier.gate.policy import Scope
from kwartier.gate.purposes import Resolution
from kwartier.gate.sums import Sum, Sums
from kwartier.gate.suppression import BELOW
from kwartier.store import Store
from kwartier.tables import reading_ids
from tests.gate.rooms import EVA, Remembered, gate_of
from tests.gate.test_grant import ean
from tests.gate.test_permissions import CASE
from tests.store.entries import CHANNELS, entry, readings

AUTUMN = date(2026, 10, 25)
QUARTERS = 100
HOMES = 35
HOLE = 3
"""The home that has a hole in its day."""


def place(number: int) -> tuple[str, str, str]:
    """Grid area, transformer and party: 14 homes at t1, 12 at t2, and 9 alone in their area."""
    if number < 26:
        return "A", "t1" if number < 14 else "t2", f"P{number % 2}"
    return "B", "t3", "P2"


@pytest.fixture
def folder(engine: Engine, tmp_path: Path) -> Path:
    """Home n uses n Wh in each quarter of a day of 100."""
    lines = ["meter,ean,host,port,system_title,companion,valid_from,grid_area,transformer,brp"]
    for number in range(HOMES):
        where = ",".join(place(number))
        lines.append(f"m{number},{ean(number)},127.0.0.1,4059,4B575400000001{number:02X},smr-5.5,2020-01-01,{where}")
    (tmp_path / "fleet.csv").write_text("\n".join(lines) + "\n")
    Registry(engine).import_file(tmp_path / "fleet.csv", at=0)
    with writing(engine) as connection:
        ids = Ids(engine).ids_of(connection, [(ean(number), f"m{number}", 2026) for number in range(HOMES)])
    after = AUTUMN + timedelta(days=1)
    found = []
    for link, identity in ids.items():
        number = int(link.meter[1:])
        missing = (50,) if number == HOLE else ()
        found.append(entry(identity, readings(AUTUMN, after, step_wh=number, missing=missing)))
    with writing(engine) as connection:
        register(connection, replace(CASE, area="", valid_from=AUTUMN), by="os:eva", at=1)
    Store(tmp_path / "store").append("night", sorted(found, key=lambda one: one.id))
    return tmp_path


def summed(engine: Engine, folder: Path, purpose: str, by: str, log: Remembered | None = None) -> Sums:
    scope = Scope(start=AUTUMN, end=AUTUMN + timedelta(days=1), by=by, use_case=CASE.id)
    gate = gate_of(engine, folder, log=log)
    return gate.open(actor=EVA, purpose=purpose, scope=scope).sums(AUTUMN)


def used_wh(one: Sum) -> int:
    """What is used in every quarter, by the one channel and the other."""
    assert one.energy_wh is not None
    assert set(one.energy_wh) == set(CHANNELS)
    (found,) = {value for column in one.energy_wh.values() for value in column.tolist()}
    assert all(len(column) == QUARTERS for column in one.energy_wh.values())
    return int(found)


def test_settlement_of_a_day_of_a_hundred_quarters_is_exact(engine: Engine, folder: Path) -> None:
    found = summed(engine, folder, "settlement", "brp")
    for one in found.rows:
        homes = [number for number in range(HOMES) if place(number)[2] == one.group]
        assert one.energy_wh is not None
        expected = [sum(homes)] * QUARTERS
        if HOLE in homes:
            expected[49] = expected[50] = sum(homes) - HOLE
        assert one.energy_wh["import_wh"].tolist() == expected
        assert (one.connections, one.counted) == (len(homes), len(homes) - (HOLE in homes))
    assert [one.group for one in found.rows] == ["P0", "P1", "P2"]


def test_a_small_area_is_not_shown_to_who_plans_the_grid(engine: Engine, folder: Path) -> None:
    found = summed(engine, folder, "grid-operation", "transformer")
    assert [(one.group, one.counted) for one in found.rows] == [("t1", 13), ("t2", 12), ("t3", 9)]
    assert [one.withheld for one in found.rows] == ["", "complementary", BELOW]
    assert used_wh(found.rows[0]) == sum(range(14)) - HOLE
    assert used_wh(found.total) == sum(range(HOMES)) - HOLE


def test_statistics_of_a_store_leave_out_who_has_left_with_their_block(engine: Engine, folder: Path) -> None:
    found = summed(engine, folder, "statistics", "transformer")
    assert [(one.group, one.connections, one.counted) for one in found.rows] == [
        ("t1", 14, 13),
        ("t2", 12, 12),
        ("t3", 9, 0),
    ]
    assert used_wh(found.rows[1]) == sum(range(14, 26))
    assert found.rows[2].withheld == BELOW
    with writing(engine) as connection:  # as an erasure does
        connection.execute(delete(reading_ids).where(reading_ids.c.ean == ean(20)))
    again = summed(engine, folder, "statistics", "transformer")
    assert [one.counted for one in again.rows] == [13, 0, 0]
    assert used_wh(again.total) == used_wh(found.rows[0])


def test_a_sum_is_written_down_as_what_it_is_and_shows_nobody(engine: Engine, folder: Path) -> None:
    log = Remembered()
    summed(engine, folder, "settlement", "brp", log)
    (record,) = log.told
    assert (record["kind"], record["by"], record["count"]) == ("bulk", "brp", HOMES)
    scope = Scope(start=AUTUMN, end=AUTUMN + timedelta(days=1))
    gate = gate_of(engine, folder, log=log)
    with pytest.raises(Denied) as caught:
        gate.open(actor=EVA, purpose="settlement", scope=replace(scope, by="brp")).day(AUTUMN)
    assert caught.value.code == "only-sums"
    with pytest.raises(Denied):
        gate.open(actor=EVA, purpose="settlement", scope=scope).sums(AUTUMN)


def test_an_area_and_a_coarser_look_change_nothing_of_who_is_counted(engine: Engine, folder: Path) -> None:
    whole = summed(engine, folder, "statistics", "transformer")
    scope = Scope(start=AUTUMN, end=AUTUMN + timedelta(days=1), by="transformer", area="A", channels=("import_wh",))
    days = replace(scope, resolution=Resolution.DAY)
    found = gate_of(engine, folder).open(actor=EVA, purpose="statistics", scope=days).sums(AUTUMN)
    assert [(one.group, one.counted) for one in found.rows] == [(one.group, one.counted) for one in whole.rows[:2]]
    assert found.rows[1].energy_wh is not None
    assert {name: column.tolist() for name, column in found.rows[1].energy_wh.items()} == {
        "import_wh": [sum(range(14, 26)) * QUARTERS]
    }
