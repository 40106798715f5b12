"""What the market says of a simulated fleet: true to the households, whatever became of their meters, to the watt-hour."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from kwartier.clock import quarter_ends
from kwartier.dlms.hdlc import Address
from kwartier.errors import InputError
from kwartier.fleet.ean import read_ean
from kwartier.simulate import market
from kwartier.simulate.faults import Fault, FaultTable
from kwartier.simulate.fleet import Place, fleet_lines, write_lines
from kwartier.simulate.truth import Truth
from kwartier.simulate.world import World
from tests.conftest import SHARED, skip_unless
from tests.simulate.visiting import rows

SPRING, DAY, AUTUMN, LAST = date(2026, 3, 29), date(2026, 6, 3), date(2026, 10, 25), date(2026, 12, 31)
ONE_DAY = timedelta(days=1)
PLACE = Place(host="127.0.0.1", port=4059, address=Address(1))
FLEET = Truth(World(seed=4, count=150), None)


def times_of(start: date, end: date) -> list[str]:
    """The ends of the quarters as files have them."""
    ends = quarter_ends(start, end, "Europe/Amsterdam")[1:].tolist()
    return [datetime.fromtimestamp(one, UTC).isoformat(timespec="minutes").replace("+00:00", "Z") for one in ends]


def energies(path: Path) -> dict[tuple[str, str, str], int]:
    found = {(one["grid_area"], one["direction"], one["quarter"]): int(one["energy_wh"]) for one in rows(path)}
    assert len(found) == len(rows(path)), "no row is there twice"
    return found


def written(folder: Path, truth: Truth, start: date, end: date | None = None) -> Path:
    market.write_market(truth, start, end or start + ONE_DAY, folder)
    assert sorted(one.name for one in folder.iterdir()) == sorted(market.FILES)
    return folder


def test_every_connection_is_there_as_the_fleet_has_it(tmp_path: Path) -> None:
    write_lines(tmp_path / "fleet.csv", fleet_lines((FLEET.world.who(number), PLACE) for number in range(150)))
    folder = written(tmp_path / "market", FLEET, DAY)
    names = ("ean", "brp", "supplier", "grid_area")
    found = rows(folder / "market.csv")
    fleet = [tuple(row[name] for name in names) for row in rows(tmp_path / "fleet.csv")]
    assert [tuple(row[name] for name in names) for row in found] == fleet
    assert all(read_ean(row["ean"]) for row in found)
    assert {(row["valid_from"], row["valid_to"]) for row in found} == {("2026-01-01", "")}
    methods, profiles = (Counter(row[name] for row in found) for name in ("method", "profile"))
    assert methods.keys() == {"cSMA", "PRF"}
    assert 0 < methods["PRF"] < 15
    assert profiles.keys() == {"E1A", "E1B"}
    assert [(one.method, one.profile) for one in market.supplies(FLEET)] == [
        (row["method"], row["profile"]) for row in found
    ]
    year = quarter_ends(date(2026, 1, 1), date(2027, 1, 1), FLEET.timezone)[[0, -1]]
    for number, row in enumerate(found):
        used = [int(one[1] - one[0]) for one in FLEET.world.household(number).registers(year)]
        assert [int(row["year_volume_wh"]), int(row["year_export_wh"])] == used


@pytest.mark.parametrize(("day", "quarters"), [(SPRING, 92), (DAY, 96), (AUTUMN, 100)])
def test_what_flowed_in_was_used_or_lost_or_is_not_metered(day: date, quarters: int, tmp_path: Path) -> None:
    folder = written(tmp_path, FLEET, day)
    infeed, losses, unmetered = (energies(folder / f"{name}.csv") for name in ("infeed", "losses", "unmetered"))
    stamps = times_of(day, day + ONE_DAY)
    assert len(stamps) == quarters
    left = dict(infeed)
    assert infeed.keys() == losses.keys() == unmetered.keys()
    assert infeed.keys() == {
        (area, way, stamp) for area in ("GA-west", "GA-oost") for way in ("import", "export") for stamp in stamps
    }
    volumes = market.truth_volumes(FLEET, day)
    assert len(volumes) == 150
    for one in market.supplies(FLEET):
        for way, energy_wh in volumes[one.ean].items():
            assert energy_wh.dtype == np.int64
            assert (energy_wh >= 0).all()
            for stamp, value in zip(stamps, energy_wh.tolist(), strict=True):
                left[one.grid_area, way, stamp] -= value
    assert left == {key: losses[key] + unmetered[key] for key in left}
    assert {way for (_, way, _), value in left.items() if value} == {"import"}
    assert all(value > 0 for (_, way, _), value in losses.items() if way == "import")


def test_the_truth_is_what_was_used_and_not_what_a_meter_makes_of_it() -> None:
    broken = [Fault(name=name, rate=0.25) for name in ("reset", "rollover", "exchanged-meter", "missing-quarters")]
    faulty = Truth(World(seed=4, count=40, faults=FaultTable(broken)), None)
    sound = Truth(World(seed=4, count=40), None)
    said, used = market.truth_volumes(faulty, DAY), market.truth_volumes(sound, DAY)
    times = quarter_ends(DAY, DAY + ONE_DAY, sound.timezone)
    differing = 0
    for name in sound.meters():
        ean = sound.ean(name)
        registers = sound.registers(name, times)
        for way, channel in (("import", "import_wh"), ("export", "export_wh")):
            assert np.array_equal(said[ean][way], used[ean][way])
            assert np.array_equal(used[ean][way], np.diff(registers[channel]))
            differing += not np.array_equal(np.diff(faulty.registers(name, times)[channel]), used[ean][way])
    assert differing > 20
    one, other = (market.balance(truth, DAY, DAY + ONE_DAY).infeed for truth in (faulty, sound))
    assert all(np.array_equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("year", [2026, 2028])
@pytest.mark.parametrize("count", [1, 150])
def test_the_fractions_of_a_year_are_all_of_it(count: int, year: int) -> None:
    truth = Truth(World(seed=4, count=count), None)
    shapes = []
    for area in ("GA-west", "GA-oost"):
        for profile in market.PROFILES:
            for counted in market.year_fractions(truth, area, profile, year).values():
                assert len(counted) == 96 * (366 if year == 2028 else 365)
                assert counted.sum() == 10**12
                assert (counted >= 0).all()
                shapes.append(tuple(counted[:200].tolist()))
    assert len(set(shapes)) > 1


def test_fractions_are_rounded_by_the_largest_remainder_and_ties_go_to_the_earliest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(market, "WHOLE", 10)
    spread = market._spread
    assert spread(np.array([1, 1, 1], np.int64)).tolist() == [4, 3, 3]
    assert spread(np.array([0, 3, 2, 2], np.int64)).tolist() == [0, 4, 3, 3]
    assert spread(np.array([0, 0, 0, 0], np.int64)).tolist() == [3, 3, 2, 2]


def test_the_file_of_fractions_has_those_of_the_days(tmp_path: Path) -> None:
    found = rows(written(tmp_path, FLEET, DAY) / "fractions.csv")
    assert len(found) == 2 * 2 * 2 * 96
    assert {row["quality"] for row in found} == {"DYN"}
    ends = quarter_ends(date(2026, 1, 1), date(2027, 1, 1), FLEET.timezone)[1:].tolist()
    first = ends.index(int(quarter_ends(DAY, DAY + ONE_DAY, FLEET.timezone)[1]))
    wanted = market.year_fractions(FLEET, "GA-oost", "E1B", 2026)
    for way in ("import", "export"):
        of_it = [
            row for row in found if (row["grid_area"], row["profile"], row["direction"]) == ("GA-oost", "E1B", way)
        ]
        assert [row["quarter"] for row in of_it] == times_of(DAY, DAY + ONE_DAY)
        counted = [round(float(row["fraction"]) * 10**12) for row in of_it]
        assert counted == wanted[way][first : first + 96].tolist()


def test_days_on_both_sides_of_new_year_have_the_volumes_of_both(tmp_path: Path) -> None:
    folder = written(tmp_path, FLEET, LAST, LAST + 2 * ONE_DAY)
    periods = [(row["valid_from"], row["valid_to"]) for row in rows(folder / "market.csv")]
    assert periods == [("2026-01-01", "2027-01-01"), ("2027-01-01", "")] * 150
    stamps = times_of(LAST, LAST + 2 * ONE_DAY)
    assert {stamp for _, _, stamp in energies(folder / "infeed.csv")} == set(stamps)
    found = rows(folder / "fractions.csv")
    assert len(found) == 8 * len(stamps)
    apart = [rows(written(tmp_path / str(day), FLEET, day) / "fractions.csv") for day in (LAST, LAST + ONE_DAY)]
    by_key = [tuple(sorted(tuple(row.values()) for row in some)) for some in (found, apart[0] + apart[1])]
    assert by_key[0] == by_key[1]


def test_days_together_flow_as_days_alone() -> None:
    both = market.balance(FLEET, SPRING, SPRING + 2 * ONE_DAY)
    apart = [market.balance(FLEET, day, day + ONE_DAY) for day in (SPRING, SPRING + ONE_DAY)]
    assert np.array_equal(both.times, np.concatenate([one.times for one in apart]))
    for key, energy_wh in both.infeed.items():
        assert np.array_equal(energy_wh, np.concatenate([one.infeed[key] for one in apart]))


def test_street_lamps_burn_at_night() -> None:
    winter, summer = date(2026, 1, 10), date(2026, 6, 21)
    for day, least, most in ((winter, 14, 18), (summer, 6, 9)):
        times = quarter_ends(day, day + ONE_DAY, FLEET.timezone)[1:]
        lit = market.balance(FLEET, day, day + ONE_DAY).unmetered["GA-west", "import"]
        assert np.array_equal(lit > 0, market.is_dark(times) == 1)
        assert lit[0] > 0
        assert lit[-1] > 0
        assert lit[12 * 4] == 0
        assert least < (lit > 0).sum() / 4 < most


def test_a_fleet_of_recorded_households_has_a_market_too(tmp_path: Path) -> None:
    recordings = SHARED / "data" / "households"
    skip_unless(recordings.is_dir(), "no recorded households in ../shared")
    truth = Truth(World(seed=4, count=4, recordings=recordings), None)
    infeed = energies(written(tmp_path, truth, DAY) / "infeed.csv")
    assert len({area for area, _, _ in infeed}) == 2
    assert sum(infeed.values()) > 0


def test_how_far_it_is_is_told_and_the_last_is_all(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    market.write_market(FLEET, DAY, DAY + ONE_DAY, tmp_path, show=lambda done, count: told.append((done, count)))
    assert told == [(100, 150), (150, 150)]


def test_no_days_and_a_folder_that_is_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        market.write_market(FLEET, DAY, DAY, tmp_path)
    assert caught.value.code == "bad-day"
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as caught:
        market.write_market(FLEET, DAY, DAY + ONE_DAY, tmp_path / "file")
    assert caught.value.code == "unwritable-file"
