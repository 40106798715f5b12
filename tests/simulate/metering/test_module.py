"""The metering module: registers, status, what was captured, the power of the moment; it can reach nothing else."""

import ast
from datetime import date

import numpy as np

from kwartier.clock import quarter_ends
from kwartier.simulate.household import seeded
from kwartier.simulate.metering.module import OTHER_MODULE_WH, Disturbance, MeteringModule
from tests.conftest import ROOT

FOLDER = ROOT / "src" / "kwartier" / "simulate" / "metering"
ALLOWED = {
    "collections.abc",
    "dataclasses",
    "datetime",
    "numpy",
    "numpy.typing",
    "kwartier",
    "kwartier.simulate.household",
}
HOUSEHOLD = seeded(3, solar=True)
TIMES = quarter_ends(date(2026, 3, 28), date(2026, 3, 31), "Europe/Amsterdam")


def test_it_imports_nothing_that_talks_or_deciphers() -> None:
    imported = set()
    for path in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {one.name for one in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
                if node.module == "kwartier":
                    assert {one.name for one in node.names} == {"clock"}
    assert imported <= ALLOWED


def test_without_a_disturbance_it_counts_its_household() -> None:
    module = MeteringModule(HOUSEHOLD)
    registers = module.registers(TIMES)
    for name, truth in zip(("import_wh", "export_wh"), HOUSEHOLD.registers(TIMES), strict=True):
        assert np.array_equal(registers[name], truth)
    assert module.captured(TIMES).all()


def test_its_status_knows_summer_time_by_its_own_clock() -> None:
    status = MeteringModule(HOUSEHOLD).status(TIMES)
    change = 1_774_746_000  # 2026-03-29 01:00 UTC
    assert np.array_equal(status == 0x08, change <= TIMES)
    assert not MeteringModule(HOUSEHOLD, timezone="UTC").status(TIMES).any()


def test_two_modules_take_turns_and_each_counts_on_where_it_was() -> None:
    plain = MeteringModule(HOUSEHOLD).registers(TIMES)["import_wh"]
    found = MeteringModule(HOUSEHOLD, disturbance=Disturbance(exchanged_quarter=40)).registers(TIMES)["import_wh"]
    other = found - plain
    assert set(other.tolist()) == {0, OTHER_MODULE_WH}
    changes = np.flatnonzero(np.diff(other)) + 1
    assert (TIMES[changes] // 900 % 96 == 42).all()
    assert len(changes) >= 1


def test_a_reset_starts_from_nothing_once_a_day() -> None:
    found = MeteringModule(HOUSEHOLD, disturbance=Disturbance(reset_quarter=40)).registers(TIMES)["import_wh"]
    reset = TIMES // 900 % 96 == 41
    assert (found[reset] == 0).all()
    falls = np.diff(found) < 0
    assert falls.sum() == 3
    assert np.array_equal(np.flatnonzero(falls) + 1, np.flatnonzero(reset))
    truth = np.diff(HOUSEHOLD.registers(TIMES)[0])
    assert np.array_equal(np.diff(found)[~falls], truth[~falls])


def test_a_register_of_few_digits_rolls_over() -> None:
    found = MeteringModule(HOUSEHOLD, disturbance=Disturbance(modulus_wh=1000)).registers(TIMES)["import_wh"]
    truth = HOUSEHOLD.registers(TIMES)[0]
    assert found.max() < 1000
    assert np.array_equal(np.diff(found) % 1000, np.diff(truth) % 1000)
    assert (np.diff(found) < 0).any()


def test_missing_quarters_follow_each_other_and_wrap_over_midnight() -> None:
    module = MeteringModule(HOUSEHOLD, disturbance=Disturbance(missing_quarter=94, missing_count=4))
    captured = module.captured(TIMES)
    missing = TIMES[~captured] // 900 % 96
    assert set(missing.tolist()) == {95, 0, 1, 2}
    assert (~captured).sum() == 12


def test_a_clock_that_was_set_shows_in_the_status_of_one_quarter_a_day() -> None:
    status = MeteringModule(HOUSEHOLD, disturbance=Disturbance(adjusted_quarter=10)).status(TIMES)
    assert ((status & 0x20) != 0).sum() == 3
    assert set((TIMES[(status & 0x20) != 0] // 900 % 96).tolist()) == {11}


def test_power_is_the_mean_of_the_quarter_in_watts() -> None:
    start = int(TIMES[20])
    imported, exported = (int(one[1] - one[0]) for one in HOUSEHOLD.registers(np.array([start, start + 900])))
    for moment in (start, start + 1, start + 899.9):
        assert MeteringModule(HOUSEHOLD).power_w(moment) == (4 * imported, 4 * exported)
