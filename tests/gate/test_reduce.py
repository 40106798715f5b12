"""Readings cut down: no channel too many, and nothing between the midnights where only days are shown."""

from datetime import date, timedelta

import numpy as np
import pytest

from kwartier.gate.purposes import Resolution
from kwartier.gate.reduce import reduced, reduced_stack
from kwartier.model import Beside, Stack
from tests.store.entries import ZONE, readings

ONE_DAY = timedelta(days=1)
DAYS = {date(2026, 3, 29): 92, date(2026, 10, 25): 100, date(2026, 2, 10): 96}
BESIDE = Beside(time=7, registers={"import_wh": 1, "export_wh": 2}, status=0, clock_status=0)


@pytest.mark.parametrize(("day", "quarters"), DAYS.items())
def test_of_days_only_the_registers_at_midnight_are_left(day: date, quarters: int) -> None:
    whole = readings(day - ONE_DAY, day + 2 * ONE_DAY)
    found = reduced(whole, Resolution.DAY, ("import_wh",), ZONE)
    assert found.registers.keys() == found.missing.keys() == {"import_wh"}
    places = [0, 96, 96 + quarters, 192 + quarters]
    assert found.times.tolist() == whole.times[places].tolist()
    assert found.registers["import_wh"].tolist() == whole.registers["import_wh"][places].tolist()
    assert len(found.status) == len(found.clock_status) == len(found.times) == 4
    assert found.beside == ()


def test_of_quarters_everything_is_left_but_other_channels() -> None:
    whole = readings(date(2026, 2, 10), date(2026, 2, 11))
    found = reduced(whole, Resolution.QUARTER, ("export_wh",), ZONE)
    assert found.registers.keys() == {"export_wh"}
    assert found.times.tolist() == whole.times.tolist()


def test_where_no_consumption_is_shown_there_is_no_register() -> None:
    found = reduced(readings(date(2026, 2, 10), date(2026, 2, 11)), Resolution.NONE, (), ZONE)
    assert (found.registers, found.missing, found.beside) == ({}, {}, ())


@pytest.mark.parametrize("quarters", DAYS.values())
def test_a_stack_is_cut_down_alike(quarters: int) -> None:
    column = np.arange(2 * (quarters + 1), dtype=np.int64).reshape(2, -1)
    octets = np.zeros((2, quarters + 1), np.uint8)
    stack = Stack(
        day=date(2026, 2, 10),
        ids=np.array([1, 2], np.int64),
        registers={"import_wh": column, "export_wh": column},
        missing={"import_wh": octets, "export_wh": octets},
        status=octets,
        clock_status=octets,
        versions=np.ones(2, np.int64),
        known_at=np.ones(2, np.int64),
        beside={1: (BESIDE,)},
    )
    found = reduced_stack(stack, Resolution.DAY, ("import_wh",))
    assert found.registers.keys() == {"import_wh"}
    assert found.registers["import_wh"].tolist() == column[:, [0, quarters]].tolist()
    assert found.status.shape == found.missing["import_wh"].shape == (2, 2)
    assert found.beside == {}
    quarters_of = reduced_stack(stack, Resolution.QUARTER, ("import_wh",))
    assert quarters_of.registers["import_wh"].tolist() == column.tolist()
    assert quarters_of.beside[1][0].registers == {"import_wh": 1}
