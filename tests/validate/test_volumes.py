"""Volumes and what a day leaves behind, and how long that takes where nothing is missing."""

import time
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from kwartier.clock import quarter_ends
from kwartier.model import STATE, Quality, Registers, Volumes
from kwartier.validate.day import CHANNELS, Day
from kwartier.validate.usable import MAX_WH
from kwartier.validate.volumes import absent_stack, volumes, whole_day

ZONE = "Europe/Amsterdam"
DAY = date(2026, 11, 25)
TIMES = quarter_ends(DAY, DAY + timedelta(days=1), ZONE)
POWER_DOWN = 0x80


def a_day(count: int = 1, steps: int = 100, channels: tuple[str, ...] = CHANNELS) -> Day:
    """Meters that used the same in every quarter."""
    stack = absent_stack(DAY, np.arange(count), TIMES, channels)
    for channel in channels:
        stack.registers[channel][:] = 5000 + steps * np.arange(97)
        stack.missing[channel][:] = 0
    return Day(stack=stack, times=TIMES, around=whole_day(count, 96))


def after(day: Day, **past: int) -> Volumes:
    """The volumes of a day whose day before left this state, and zeros."""
    state = {name: np.full(len(day), past.get(name, 0), np.int64) for name in STATE}
    return volumes(replace(day, around=replace(day.around, state=state)), {})


def state_of(made: Volumes) -> dict[str, int]:
    return {name: int(column[0]) for name, column in made.state.items()}


def test_a_day_leaves_its_state() -> None:
    day = a_day()
    day.stack.versions[:] = 3
    found = state_of(after(day, raw_version=2, mean_import_wh=9000, mean_days=1, peak_import_wh=700, zero_days=3))
    assert tuple(found) == STATE
    assert found == {
        "last_import_wh": 5000 + 9600,
        "last_export_wh": 5000 + 9600,
        "total_import_wh": 9600,
        "total_export_wh": 9600,
        "mean_import_wh": 9300,
        "mean_export_wh": 4800,
        "peak_import_wh": 700,
        "peak_export_wh": 100,
        "last_import_at": int(TIMES[-1]),
        "last_export_at": int(TIMES[-1]),
        "mean_days": 2,
        "zero_days": 0,
        "eligible": 1,
        "raw_version": 3,
    }


def test_the_mean_moves_by_a_part_of_the_difference_to_the_nearest_watt_hour() -> None:
    assert state_of(after(a_day(), mean_import_wh=9600 - 13, mean_days=28))["mean_import_wh"] == 9600 - 13
    assert state_of(after(a_day(), mean_import_wh=9600 - 14, mean_days=28))["mean_import_wh"] == 9600 - 13
    assert state_of(after(a_day(), mean_import_wh=9600 + 15, mean_days=28))["mean_import_wh"] == 9600 + 14
    assert state_of(after(a_day(), mean_import_wh=9600 + 14, mean_days=28))["mean_import_wh"] == 9600 + 14
    assert state_of(after(a_day(), mean_days=28))["mean_days"] == 28


def test_a_day_that_is_not_eligible_carries_the_mean_forward() -> None:
    day = a_day()
    day.stack.missing["import_wh"][0, 50] = 1
    found = state_of(after(day, mean_import_wh=1, mean_export_wh=2, mean_days=5, zero_days=7))
    assert (found["mean_import_wh"], found["mean_export_wh"], found["mean_days"], found["eligible"]) == (1, 2, 5, 0)
    assert found["total_import_wh"] == 94 * 100


def test_days_on_which_the_power_failed_or_a_meter_was_exchanged_are_not_eligible() -> None:
    assert state_of(after(a_day()))["eligible"] == 1
    day = a_day()
    day.stack.status[0, 3] = POWER_DOWN
    assert state_of(after(day))["eligible"] == 0
    day = a_day()
    assert state_of(after(replace(day, around=replace(day.around, outages={0: ((3, 3),)}))))["eligible"] == 0
    assert state_of(after(replace(day, around=replace(day.around, exchanged=np.array([True])))))["eligible"] == 0
    assert state_of(after(replace(day, around=replace(day.around, last=np.array([95])))))["eligible"] == 0
    assert state_of(after(a_day(channels=())))["eligible"] == 0


def test_days_without_use_are_counted_where_everything_is_known() -> None:
    assert state_of(after(a_day(steps=0), zero_days=3))["zero_days"] == 4
    assert state_of(after(a_day(steps=1), zero_days=3))["zero_days"] == 0
    unsure = a_day(steps=0)
    unsure.stack.missing["export_wh"][0, 9] = 1
    assert state_of(after(unsure, zero_days=3))["zero_days"] == 3


def test_the_last_register_is_that_of_the_last_known_place_or_of_an_earlier_day() -> None:
    day = a_day()
    day.stack.missing["import_wh"][0, 90:] = 1
    day.stack.missing["export_wh"][0] = 1
    found = state_of(after(day, last_export_wh=44, last_export_at=55))
    assert (found["last_import_wh"], found["last_import_at"]) == (5000 + 8900, int(TIMES[89]))
    assert (found["last_export_wh"], found["last_export_at"]) == (44, 55)


def test_the_peak_is_of_measured_quarters_only() -> None:
    day = a_day()
    day.stack.registers["import_wh"][0, 50:] += 5000
    rejected = np.zeros((1, 96), np.bool_)
    rejected[0, 49] = True
    assert int(volumes(day, {}).state["peak_import_wh"][0]) == 5100
    assert int(volumes(day, {"import_wh": rejected}).state["peak_import_wh"][0]) == 100


@pytest.mark.parametrize("register", [4999, 5000 + MAX_WH + 1, 1 << 62, -(1 << 62)])
def test_what_is_no_energy_is_never_a_volume_whatever_the_rules_have_missed(register: int) -> None:
    day = a_day(steps=0)
    day.stack.registers["import_wh"][0, 50] = register
    made = volumes(day, {})
    assert made.energy_wh["import_wh"][0, 49:51].min() == 0
    assert Quality.MISSING in made.quality["import_wh"][0, 49:51]
    wrong = made.quality["import_wh"][0] == Quality.MISSING
    assert (made.energy_wh["import_wh"][0][wrong] == 0).all()


def test_a_meter_without_a_register_is_absent_there_and_eligible_all_the_same() -> None:
    made = volumes(a_day(channels=("import_wh",)), {})
    assert (made.quality["export_wh"] == Quality.ABSENT).all()
    assert not made.energy_wh["export_wh"].any()
    assert state_of(made)["eligible"] == 1


def test_quarters_before_a_meter_came_and_after_it_went_are_absent() -> None:
    day = a_day()
    day = replace(day, around=replace(day.around, first=np.array([4]), last=np.array([90])))
    rejected = np.ones((1, 96), np.bool_)
    made = volumes(day, {"import_wh": rejected})
    assert np.bincount(made.quality["export_wh"][0]).tolist() == [86, 0, 0, 0, 10]
    assert np.bincount(made.quality["import_wh"][0]).tolist() == [0, 0, 0, 86, 10]
    assert int(made.state["last_export_at"][0]) == int(TIMES[90])


def random_registers(count: int) -> Registers:
    return np.cumsum(np.random.default_rng(5).integers(0, 500, (count, 97)), axis=1)


def test_rows_without_gaps_take_no_time_each() -> None:
    """The bound is loose, a busy machine being no reason to fail; a look at each row by itself takes far more."""
    count = 20_000
    stack = absent_stack(DAY, np.arange(count), TIMES)
    registers = random_registers(count)
    for channel in CHANNELS:
        stack.registers[channel][:] = registers
        stack.missing[channel][:] = 0
    day = Day(stack=stack, times=TIMES, around=whole_day(count, 96))
    taken = []
    for _ in range(3):
        started = time.process_time()
        made = volumes(day, {})
        taken.append(time.process_time() - started)
    assert (made.energy_wh["import_wh"] == np.diff(registers)).all()
    assert min(taken) < 0.4
