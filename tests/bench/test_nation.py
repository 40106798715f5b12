"""What is multiplied for a nation is multiplied rightly, and its page says what was measured."""

import tomllib
from dataclasses import replace

import pytest

from bench.leak import MB, slope
from bench.nation import MEASURED, Constants, Table, constants_of, course, size_of
from bench.nights import Sample
from kwartier.service.settings import defaults
from tests.conftest import ROOT

TABLE: Table = tomllib.loads(MEASURED.read_text("utf-8"))
METERS = 60_000


def constants() -> Constants:
    return constants_of(TABLE)


def test_an_undisturbed_night_of_a_small_fleet_ends_when_first_tries_do() -> None:
    found = course(METERS, 1, 0, constants(), defaults())
    assert found.left == 0
    assert 4.4 * 3600 < found.ended_s < 4.7 * 3600


def test_as_many_are_open_as_the_law_says() -> None:
    slow = replace(constants(), messages=100.0, failing_part=0.0, lte_m_part=1.0)
    found = course(METERS, 1, 0, slow, defaults())
    a_visit_s = 100 * 0.15 * 1.133  # a log-normal of spread 0.5 has a mean of exp(0.125) times its median
    law = METERS / (0.75 * 6 * 3600) * a_visit_s
    assert law < found.most_open < law + 5 * law**0.5


def test_after_an_outage_the_cores_are_what_bounds_the_rate() -> None:
    dear = replace(constants(), visit_cpu_us=200_000.0)
    found = course(METERS, 1, 4 * 3600, dear, defaults())
    assert found.most_a_s == pytest.approx(5)
    assert found.left == pytest.approx(METERS - 2 * 3600 * 5, rel=0.1)
    assert found.busy_part <= 1


def test_a_large_cell_keeps_its_bound_and_ends_late() -> None:
    one_cell = replace(constants(), cell_meters=float(METERS))
    settings = defaults().model_copy(update={"cell_visits_per_s": 4.0})
    found = course(METERS, 8, 0, one_cell, settings)
    assert found.most_a_s <= 4
    assert found.ended_s > METERS / 4


def test_what_piles_up_grows_with_the_fleet() -> None:
    small, large = (size_of(meters, constants(), defaults()) for meters in (1_000, 10_000))
    for name in (
        "planned_s",
        "core_hours",
        "server_core_hours",
        "tidied_s",
        "registry_gb",
        "store_gb",
        "database_gb",
    ):
        assert getattr(large, name) == pytest.approx(10 * getattr(small, name))


def test_the_page_was_made_from_these_numbers() -> None:
    page = (ROOT / "docs" / "sizing.md").read_text("utf-8")
    for part in ("measured", "assumed"):
        for name, row in TABLE[part].items():
            assert f"| {name} | {row['value']} |" in page, f"{name}: run `make docs`"


def test_a_slope_is_bytes_a_visit_and_heeds_no_outlier() -> None:
    memory_mb = [100.0, 100.0 + 10, 100.0 + 20, 400.0, 100.0 + 40, 100.0 + 50, 100.0 + 60]
    samples = [
        Sample(at_s=0.0, visits=MB * number, open=0, memory_mb=mb, files=0) for number, mb in enumerate(memory_mb)
    ]
    assert slope(samples) == pytest.approx(10)
