"""The comparison sees what is wrong, doubled and lost, and excuses only what no one could have read."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from kwartier.clock import quarter_ends
from kwartier.gate.ids import Link
from kwartier.model import Missing
from kwartier.simulate import faults, truth
from kwartier.simulate.compare import Comparison, Stored, compare
from kwartier.simulate.truth import FILE, Truth
from kwartier.simulate.world import World

DAY = date(2026, 2, 10)
CHANNELS = ("import_wh", "export_wh")
PLACES = 97


def told(folder: Path, names: str = "none", count: int = 40) -> Truth:
    (folder / FILE).write_text(truth.dump(World(seed=5, count=count, faults=faults.load(names)), None))
    return truth.load(folder)


def read(of: Truth) -> Stored:
    """What a night without a mistake stores: everything that could be had."""
    times = quarter_ends(DAY, DAY + timedelta(days=1), of.timezone)
    names = [name for name in of.meters() if of.obtainable(name, DAY).any()]
    there = np.stack([of.obtainable(name, DAY) for name in names])
    gone = np.where(there, Missing.PRESENT, Missing.NOT_IN_BUFFER).astype(np.uint8)
    registers = {
        channel: np.where(there, np.stack([of.registers(name, times)[channel] for name in names]), 0)
        for channel in CHANNELS
    }
    return Stored(
        links=[Link(of.ean(name), name, DAY.year) for name in names],
        registers=registers,
        missing=dict.fromkeys(CHANNELS, gone),
        status=np.where(there, np.stack([of.status(name, times) for name in names]), 0).astype(np.uint8),
        versions=np.ones(len(names), np.int64),
    )


@pytest.fixture
def truthful(tmp_path: Path) -> tuple[Truth, Stored]:
    of = told(tmp_path)
    return of, read(of)


def test_a_night_without_a_mistake_is_clean(truthful: tuple[Truth, Stored]) -> None:
    of, stored = truthful
    assert compare(of, DAY, [stored], rows=40) == Comparison(compared=40 * PLACES * 2)


def test_faults_that_last_the_night_are_the_only_excuse(tmp_path: Path) -> None:
    of = told(tmp_path, "default", 400)
    found = compare(of, DAY, [read(of)], rows=len(read(of).links))
    kept = sum(int(of.obtainable(name, DAY).sum()) * 2 for name in of.meters())
    assert found == Comparison(compared=kept, unobtainable=400 * PLACES * 2 - kept)
    assert found.unobtainable > 0


def test_a_register_or_a_status_that_is_wrong_by_one_is_seen(truthful: tuple[Truth, Stored]) -> None:
    of, stored = truthful
    registers = {name: column.copy() for name, column in stored.registers.items()}
    registers["export_wh"][3, 7] += 1
    status = stored.status.copy()
    status[9, 96] ^= 1
    found = compare(of, DAY, [replace(stored, registers=registers, status=status)], rows=40)
    assert (found.wrong, found.doubled, found.lost) == (3, 0, 0)
    assert not found.is_clean


def test_a_quarter_may_say_that_its_clock_was_set_and_nothing_else_that_is_not_so(tmp_path: Path) -> None:
    (tmp_path / "faults.toml").write_text('[clock-jump]\nmeters = ["noord-000001"]\n')
    of = told(tmp_path, str(tmp_path / "faults.toml"))
    stored, adjusted = read(of), np.uint8(0x20)
    said = replace(stored, status=stored.status | adjusted)
    assert compare(of, DAY, [said], rows=len(stored.links)).wrong == 0
    for changed in (said.status ^ np.uint8(1), stored.status & ~adjusted):
        assert compare(of, DAY, [replace(stored, status=changed)], rows=len(stored.links)).wrong > 0


def test_readings_of_another_connection_are_wrong(truthful: tuple[Truth, Stored]) -> None:
    of, stored = truthful
    links = list(stored.links)
    links[0], links[1] = (
        Link(of.ean("zuid-000002"), "noord-000001", 2026),
        Link(of.ean("noord-000001"), "zuid-000002", 2026),
    )
    assert compare(of, DAY, [replace(stored, links=links)], rows=40).wrong == 2


def test_what_could_be_had_and_is_not_there_is_lost(truthful: tuple[Truth, Stored]) -> None:
    of, stored = truthful
    missing = {name: column.copy() for name, column in stored.missing.items()}
    missing["import_wh"][0, :4] = Missing.NOT_RECEIVED
    links = [*stored.links[:-1], Link("200000000000000004", "another", DAY.year)]
    found = compare(of, DAY, [replace(stored, links=links, missing=missing)], rows=40)
    assert (found.lost, found.wrong, found.unobtainable) == (4 + 2 * PLACES, 0, 0)


def test_a_channel_that_was_not_stored_at_all_is_lost(tmp_path: Path) -> None:
    of = told(tmp_path, "default", 400)
    stored = read(of)
    one = replace(
        stored,
        registers={"import_wh": stored.registers["import_wh"]},
        missing={"import_wh": stored.missing["import_wh"]},
    )
    kept, whole = compare(of, DAY, [one], rows=len(one.links)), compare(of, DAY, [stored], rows=len(one.links))
    assert (kept.compared, kept.lost) == (whole.compared // 2, whole.compared // 2)
    assert (kept.wrong, kept.unobtainable) == (0, whole.unobtainable)


def test_rows_that_are_there_twice_or_that_no_version_accounts_for_are_doubled(truthful: tuple[Truth, Stored]) -> None:
    of, stored = truthful
    assert compare(of, DAY, [stored, stored], rows=80).doubled == 40
    assert compare(of, DAY, [stored], rows=41).doubled == 1
