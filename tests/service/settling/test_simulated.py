"""Settled against the truth of a simulated fleet: the residual is what nobody read or metered, to the watt-hour."""

import csv
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from kwartier.clock import quarter_ends
from kwartier.database import writing
from kwartier.dlms.hdlc import Address
from kwartier.gate.ids import Ids
from kwartier.market.market import Market
from kwartier.model import STATE, Quality, Volumes
from kwartier.service.home import Home
from kwartier.service.validating.runs import Runs
from kwartier.settle.tables import Energy, Part
from kwartier.simulate.fleet import Place, fleet_lines, write_lines
from kwartier.simulate.market import FRACTIONS, INFEED, LOSSES, MARKET, balance, supplies, write_market, year_fractions
from kwartier.simulate.market import truth_volumes as truth_of
from kwartier.simulate.truth import Truth
from kwartier.simulate.world import World
from tests.service.settling.village import DAY, ONE_DAY, empty
from tests.store.entries import ZONE, entry, readings

COUNT, UNREAD, HOLES, GUESSED = 60, {3, 11, 20}, {5}, {7, 8, 30}
GAP = slice(20, 61)
GUESS_WH = 77
WHOLE = 10**12
Flow = dict[tuple[str, str], Energy]


@pytest.mark.parametrize("day", [DAY, date(2026, 3, 29)])
def test_the_residual_is_what_is_known_to_be_left(tmp_path: Path, day: date) -> None:
    truth = Truth(World(seed=4, count=COUNT), None)
    with empty(tmp_path, day, settings=("residual_share_bp = 10000",)) as here:
        installed(here.home, tmp_path, truth, day)
        volumes = measured(here.home, truth, day)
        done = here.settle()
        left = {(one.grid_area, one.direction): one.energy_wh for one in done.settled.sums if one.part is Part.RESIDUAL}
        expected = known_to_be_left(tmp_path / "market" / MARKET, truth, day, volumes)
    assert {one.state.value for one in done.settled.areas} == {"settled"}
    assert sum(one.unread for one in done.settled.areas) == len(UNREAD | HOLES)
    assert left.keys() == expected.keys()
    for key, energy_wh in expected.items():
        assert left[key].tolist() == energy_wh.tolist()
    assert any(energy_wh.any() for (_, direction), energy_wh in left.items() if direction == "export")


def installed(home: Home, folder: Path, truth: Truth, day: date) -> None:
    place = Place(host="127.0.0.1", port=4059, address=Address(1))
    write_lines(folder / "fleet.csv", fleet_lines((truth.world.who(number), place) for number in range(COUNT)))
    home.registry.import_file(folder / "fleet.csv", at=0)
    write_market(truth, day, day + ONE_DAY, folder / "market")
    for name in (MARKET, INFEED, LOSSES, FRACTIONS):
        Market(home.engine).import_file(folder / "market" / name, at=0, actor="test")


def measured(home: Home, truth: Truth, day: date) -> Mapping[str, Mapping[str, Energy]]:
    """Readings and volumes of the meters that are read; by connection what counts of it, nothing of those with a hole."""
    times, world = quarter_ends(day, day + ONE_DAY, ZONE), truth.world
    found, entries, ids = truth_of(truth, day), [], {}
    for number in sorted(set(range(COUNT)) - UNREAD):
        who = world.who(number)
        with writing(home.engine) as connection:
            (identity,) = Ids(home.engine).ids_of(connection, [(who.ean, who.meter, day.year)]).values()
        sent = readings(day, day + ONE_DAY)
        for way, column in zip(("import", "export"), world.household(number).registers(times), strict=True):
            sent.registers[f"{way}_wh"][:] = column
        entries.append(entry(identity, sent))
        ids[identity] = number
    home.open_store().append("night", entries)
    order, shape = sorted(ids), (len(ids), len(times) - 1)
    energy_wh, quality = {}, {}
    for way in ("import", "export"):
        rows = [found[world.who(ids[one]).ean][way] for one in order]
        energy_wh[f"{way}_wh"], quality[f"{way}_wh"] = np.array(rows, np.int32), np.zeros(shape, np.uint8)
    for row, identity in enumerate(order):
        if ids[identity] in HOLES:
            quality["import_wh"][row, GAP], energy_wh["import_wh"][row, GAP] = Quality.MISSING, 0
        if ids[identity] in GUESSED:
            for volumes_wh in energy_wh.values():
                volumes_wh[row, GAP] = GUESS_WH
            for grades in quality.values():
                grades[row, GAP] = Quality.ESTIMATED
    state = dict.fromkeys(STATE, np.ones(len(order), np.int64))
    runs = Runs(home.engine)
    run = runs.begin(day, actor="test", rules="2026", raw_version=1, market_revision=4, at=0)
    made = Volumes(day=day, ids=np.array(order, np.int64), energy_wh=energy_wh, quality=quality, state=state)
    version = home.open_validated().append(run, day, [made])
    runs.finish(run, checks=[], counts={"rows": len(order), "findings": 0, "substitutes": 0}, version=version, at=0)
    return {
        world.who(ids[one]).ean: {way: energy_wh[f"{way}_wh"][row].astype(np.int64) for way in ("import", "export")}
        for row, one in enumerate(order)
        if ids[one] not in HOLES
    }


def known_to_be_left(market: Path, truth: Truth, day: date, volumes: Mapping[str, Mapping[str, Energy]]) -> Flow:
    """What nobody meters, what was used by profile beyond what the profile gives, and by how much estimates are wrong."""
    left = {key: energy_wh.copy() for key, energy_wh in balance(truth, day, day + ONE_DAY).unmetered.items()}
    used, cells = truth_of(truth, day), dict[tuple[str, ...], list[int]]()
    years = {row["ean"]: row for row in csv.DictReader(market.read_text().splitlines())}
    for one in supplies(truth):
        is_read = one.method != "PRF" and one.ean in volumes
        for way in ("import", "export"):
            left[one.grid_area, way] += used[one.ean][way] - (volumes[one.ean][way] if is_read else 0)
            if not is_read:
                year_wh = int(years[one.ean]["year_volume_wh" if way == "import" else "year_export_wh"])
                name = (one.grid_area, way, one.profile, one.brp, one.supplier, one.method)
                cells.setdefault(name, []).append(year_wh)
    for (area, way, profile, *_), several in cells.items():
        left[area, way] -= np.array(spread(sum(several), parts_of(truth, area, profile, day)[way]), np.int64)
    return left


def parts_of(truth: Truth, area: str, profile: str, day: date) -> dict[str, list[int]]:
    ends = quarter_ends(date(day.year, 1, 1), day + ONE_DAY, ZONE)
    first = int(np.searchsorted(ends, quarter_ends(day, day + ONE_DAY, ZONE)[0]))
    found = year_fractions(truth, area, profile, day.year)
    return {way: column[first : len(ends) - 1].tolist() for way, column in found.items()}


def spread(year_wh: int, parts: list[int]) -> list[int]:
    """Each quarter cut to whole Wh; what the day is short of then goes to those that were cut most."""
    exact = [year_wh * part for part in parts]
    found = [one // WHOLE for one in exact]
    short = (2 * sum(exact) + WHOLE) // (2 * WHOLE) - sum(found)
    for place in sorted(range(len(parts)), key=lambda one: (-(exact[one] % WHOLE), one))[:short]:
        found[place] += 1
    return found
