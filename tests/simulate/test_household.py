"""Drawn households: whole Wh, registers that only grow, the same from the same seed, shaped like recorded ones."""

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from kwartier.simulate.household import EPOCH_S, Drawn, seeded
from kwartier.simulate.recording import MAX_QUARTER_WH, QUARTERS, recorded
from tests.conftest import SHARED, skip_unless

YEAR = np.arange(QUARTERS + 1, dtype=np.int64) * 900 + EPOCH_S
RECORDINGS = SHARED / "data" / "households"
HOUSEHOLDS = 60

Days = npt.NDArray[np.int64]


def energies(household: Drawn) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    imported, exported = household.registers(YEAR)
    return np.diff(imported), np.diff(exported)


@given(st.integers(0, 2**64 - 1), st.sampled_from([None, True, False]))
@settings(max_examples=25)
def test_a_seed_makes_a_household_and_always_the_same(seed: int, solar: bool | None) -> None:
    one, again = seeded(seed, solar=solar), seeded(seed, solar=solar)
    for register, same, opening in zip(one.registers(YEAR), again.registers(YEAR), one.openings_wh, strict=True):
        assert register.dtype == np.int64
        assert register[0] == opening >= 0
        assert np.array_equal(register, same)
        energy = np.diff(register)
        assert energy.min() >= 0
        assert energy.max() <= MAX_QUARTER_WH


@given(st.integers(0, 2**32), st.lists(st.integers(-1000, 300_000), min_size=1, max_size=20))
@settings(max_examples=40)
def test_a_quarter_is_the_same_whatever_else_is_asked(seed: int, quarters: list[int]) -> None:
    household = seeded(seed)
    times = np.array(quarters, np.int64) * 900 + EPOCH_S
    together = household.registers(times)
    for place in range(len(times)):
        alone = household.registers(times[place : place + 1])
        assert [int(one[0]) for one in alone] == [int(one[place]) for one in together]


def test_no_two_seeds_make_the_same_household() -> None:
    seen = {tuple(np.concatenate(seeded(seed).registers(YEAR[:97])).tolist()) for seed in range(HOUSEHOLDS)}
    assert len(seen) == HOUSEHOLDS


def test_only_who_has_panels_feeds_in_by_day_and_most_in_summer() -> None:
    day, hour = np.arange(QUARTERS) // 96, np.arange(QUARTERS) % 96 / 4
    for seed in range(5):
        assert not energies(seeded(seed, solar=False))[1].any()
        exported = energies(seeded(seed, solar=True))[1]
        summer, winter = (day >= 152) & (day < 244), (day < 60) | (day >= 335)
        assert exported[summer].sum() > 3 * exported[winter].sum() > 0
        assert not exported[(hour < 2) | (hour > 22)].any()


def test_a_car_and_a_heat_pump_show() -> None:
    day, hour = np.arange(QUARTERS) // 96, np.arange(QUARTERS) % 96 / 4
    for seed in range(5):
        plain = energies(Drawn(seed, solar=False, car=False, heat_pump=False))[0]
        car = energies(Drawn(seed, solar=False, car=True, heat_pump=False))[0]
        pump = energies(Drawn(seed, solar=False, car=False, heat_pump=True))[0]
        night = (hour >= 17) | (hour < 5)
        assert (car - plain)[night].sum() > 0.8 * (car - plain).sum() > 500_000
        assert car.max() > 1.2 * plain.max() or car.max() > 1000
        assert pump[day < 60].sum() > 1.5 * plain[day < 60].sum()
        summer = (day > 170) & (day < 200)
        assert abs(int(pump[summer].sum()) - int(plain[summer].sum())) <= 1


def test_registers_go_on_from_year_to_year_and_before_the_first() -> None:
    household = seeded(3)
    times = np.arange(-96, 3 * QUARTERS, 97, dtype=np.int64) * 900 + EPOCH_S
    for register in household.registers(times):
        assert (np.diff(register) >= 0).all()


def test_the_repr_shows_no_energy() -> None:
    assert repr(seeded(1)) == "<Drawn>"


def test_the_year_starts_in_2020() -> None:
    assert datetime(2020, 1, 1, tzinfo=UTC).timestamp() == EPOCH_S


# Shapes.


def shape(energy: npt.NDArray[np.int64]) -> tuple[float, float, float, float]:
    """Night against day, evening against the whole day, load factor, and how much days differ."""
    quarters = energy[: len(energy) // 96 * 96].reshape(-1, 96).astype(np.float64)
    course, daily = quarters.mean(axis=0), quarters.sum(axis=1)
    night, evening = course[4:20].mean() / course[28:88].mean(), course[68:88].mean() / course.mean()
    return night, evening, quarters.mean() / quarters.max(), daily.std() / daily.mean()


def test_shapes_lie_around_those_of_a_recorded_household() -> None:
    skip_unless(RECORDINGS.is_dir(), "../shared/data/households is not here")
    real = shape(recorded(RECORDINGS / "household_15min_2024.csv").import_wh)
    drawn = np.array([shape(energies(seeded(seed, solar=False))[0]) for seed in range(HOUSEHOLDS)])
    for what, recorded_is, found in zip(("night", "evening", "load", "days"), real, drawn.T, strict=True):
        assert found.min() / 2 < recorded_is < found.max() * 2, (what, recorded_is, found.min(), found.max())


def test_a_year_and_its_days_are_those_of_households() -> None:
    yearly = np.array([energies(seeded(seed))[0].sum() for seed in range(HOUSEHOLDS)]) / 1e6
    assert 0.6 < yearly.min() < yearly.max() < 20.0
    assert 2.0 < np.median(yearly) < 5.0


def test_the_sun_makes_a_dip_at_midday_like_the_recorded_panels() -> None:
    skip_unless(RECORDINGS.is_dir(), "../shared/data/households is not here")

    def dip(imported: npt.NDArray[np.int64]) -> float:
        course = imported.reshape(-1, 96).mean(axis=0)
        return float(course[44:56].mean() / course[72:88].mean())

    count = 30 * 96
    real = dip(recorded(RECORDINGS / "household_pv_15min_2024-06.csv").import_wh[:count])
    june = 152 * 96
    drawn = [dip(energies(seeded(seed, solar=True))[0][june : june + count]) for seed in range(20)]
    plain = [dip(energies(seeded(seed, solar=False))[0][june : june + count]) for seed in range(20)]
    assert real < 0.5
    assert np.median(drawn) < 0.7 * np.median(plain)
