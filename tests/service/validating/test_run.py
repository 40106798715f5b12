"""Validation of days as an installation does it: from stored readings to volumes, runs and findings, night after night."""

from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from sqlalchemy import select

from kwartier.clock import midnight, quarter_ends
from kwartier.database import reading
from kwartier.errors import InputError
from kwartier.fleet.mutations import Exchange
from kwartier.fleet.readout import Mode
from kwartier.market.columns import Kind
from kwartier.market.market import Market
from kwartier.model import Missing, Quality
from kwartier.service.validating import run
from kwartier.service.validating.chosen import Again
from kwartier.service.validating.runs import Runs
from kwartier.store.validated import Validated
from kwartier.tables import accesses
from tests.service.validating.a_street import ALL_DAY, ONE_DAY, ZONE, a_street, ean, energy_wh, registers

DAY = date(2025, 11, 19)
"""A Wednesday."""
MEASURED, CALCULATED, ESTIMATED, MISSING, ABSENT = Quality


@pytest.fixture(params=[run.FEW, 0], ids=["looked up", "walked over"])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a later run is over is looked up one by one, or all of the day is walked over: the same comes of it."""
    monkeypatch.setattr(run, "FEW", request.param)


def days(count: int, first: date = DAY) -> list[date]:
    return [first + timedelta(days=number) for number in range(count)]


def differences(number: int, day: date, channel: str = "import_wh") -> list[int]:
    found = registers(number, quarter_ends(day, day + ONE_DAY, ZONE))[channel]
    return [int(one) for one in np.diff(found)]


def test_a_day_that_was_read_as_a_whole_is_measured(tmp_path: Path) -> None:
    with a_street(tmp_path) as street:
        street.read(DAY, 0, 1, 2)
        outcome = street.validate(DAY)
        assert outcome is not None
        assert (outcome.run.rows, outcome.run.changed, outcome.run.substitutes) == (3, 3, 0)
        assert {name: count for name, count in outcome.quarters.items() if count} == {"measured": 3 * 2 * 96}
        for number in range(3):
            row = street.volumes(DAY)[f"m{number}"]
            assert row.wh() == differences(number, DAY)
            assert row.wh("export_wh") == differences(number, DAY, "export_wh")
            assert row.kinds() == row.kinds("export_wh") == {MEASURED}
        assert street.validate(DAY) is None, "there is nothing new of it"
        assert street.due(DAY) == []


@pytest.mark.parametrize(("day", "quarters"), [(date(2025, 3, 30), 92), (date(2025, 10, 26), 100)])
def test_days_on_which_the_clocks_change(day: date, quarters: int, tmp_path: Path) -> None:
    with a_street(tmp_path, 1) as street:
        street.read(day, 0, missing=(20, 21))
        street.validate(day)
        row = street.volumes(day)["m0"]
        assert len(row.wh()) == quarters
        assert sum(row.wh()) == sum(differences(0, day))
        assert row.qualities().count(CALCULATED) == 3


def test_who_has_no_reading_has_a_row_and_who_is_not_read_from_afar_has_none(tmp_path: Path) -> None:
    with a_street(tmp_path) as street:
        street.home.registry.state_readout(ean(2), Mode.OPTED_OUT, on=date(2025, 1, 1), at=5)
        street.read(DAY, 0)
        street.validate(DAY)
        found = street.volumes(DAY)
        assert set(found) == {"m0", "m1"}
        assert found["m1"].kinds() == {MISSING}
        assert found["m1"].wh() == [0] * 96


def test_an_installation_without_meters_has_runs_too(tmp_path: Path) -> None:
    with a_street(tmp_path, 0) as street:
        outcome = street.validate(DAY)
        assert outcome is not None
        assert (outcome.run.rows, outcome.run.findings) == (0, 0)
        assert street.volumes(DAY) == {}


def test_a_gap_over_midnight_is_split_once_for_both_days(tmp_path: Path) -> None:
    past = days(23, DAY - timedelta(days=21))
    eve, day = past[21:]
    with a_street(tmp_path, 1) as street:
        for one in past[:21]:
            street.read(one, 0)
            street.validate(one)
        street.read(eve, 0, missing=range(90, ALL_DAY))
        street.due(eve)
        assert street.volumes(eve)["m0"].qualities()[89:] == [ESTIMATED] * 7, "its end is not known"
        street.read(day, 0, missing=range(9))
        outcomes = street.due(day)
        assert [(one.run.day, one.run.changed) for one in outcomes] == [(day, 1), (eve, 1)]
        before, after = street.volumes(eve)["m0"], street.volumes(day)["m0"]
        assert before.qualities()[88:] == [MEASURED, *[CALCULATED] * 7]
        assert after.qualities()[:10] == [*[CALCULATED] * 9, MEASURED]
        opens = midnight(day, ZONE)
        whole_wh = energy_wh(0, opens - 7 * 900, opens + 9 * 900)
        assert sum(before.wh()[89:] + after.wh()[:9]) == whole_wh


def test_an_hour_over_midnight_is_a_straight_line_on_both_sides(tmp_path: Path) -> None:
    eve, day = days(2)
    with a_street(tmp_path, 1) as street:
        street.read(eve, 0, missing=(95, 96))
        street.read(day, 0, missing=(0, 1))
        street.due(day)
        before, after = street.volumes(eve)["m0"], street.volumes(day)["m0"]
        opens = midnight(day, ZONE)
        split = before.wh()[94:] + after.wh()[:2]
        assert before.qualities()[94:] + after.qualities()[:2] == [CALCULATED] * 4
        assert sum(split) == energy_wh(0, opens - 1800, opens + 1800)
        assert max(split) - min(split) <= 1, "all alike, the rest to the earliest"


@pytest.mark.usefixtures("few")
def test_what_comes_late_takes_the_place_of_what_was_estimated(tmp_path: Path) -> None:
    with a_street(tmp_path, 2) as street:
        past = days(22, DAY - timedelta(days=21))
        for day in past[:-1]:
            street.read(day, 0, 1)
            street.validate(day)
        street.read(DAY, 0)
        street.due(DAY)
        first = Runs(street.home.engine).demand(DAY)
        guess = street.volumes(DAY)["m1"]
        assert guess.kinds() == {ESTIMATED}
        assert {one.method for one in Runs(street.home.engine).put(first)} == {"E3"}
        street.read(DAY, 1)
        (outcome,) = street.due(DAY)
        assert (outcome.run.rows, outcome.run.changed, outcome.run.substitutes) == (2, 1, 0)
        found = street.volumes(DAY)
        assert (found["m1"].wh(), found["m1"].kinds()) == (differences(1, DAY), {MEASURED})
        assert found["m0"].wh() == differences(0, DAY)
        runs = Runs(street.home.engine)
        assert runs.put(outcome.run) == []
        assert len(runs.put(first)) == 2, "what the first run put is kept as it was: a line for each direction"


@pytest.mark.usefixtures("few")
def test_days_between_are_calculated_when_their_end_has_come(tmp_path: Path) -> None:
    past = days(26, DAY - timedelta(days=21))
    with a_street(tmp_path, 2) as street:
        for day in past[:22]:
            street.read(day, 0, 1)
            street.validate(day)
        gone = past[22:25]
        for day in gone:
            street.read(day, 0)
            street.due(day)
            assert street.volumes(day)["m1"].kinds() == {ESTIMATED}
        last = past[25]
        street.read(last, 0, 1)
        outcomes = street.due(last)
        assert [(one.run.day, one.run.changed) for one in outcomes] == [(last, 2), *((day, 1) for day in gone)]
        found = [street.volumes(day)["m1"] for day in gone]
        assert {kind for row in found for kind in row.kinds()} == {CALCULATED}
        whole_wh = energy_wh(1, midnight(gone[0], ZONE), midnight(last, ZONE))
        assert sum(sum(row.wh()) for row in found) == whole_wh
        assert street.due(last) == [], "and that was all"


@pytest.mark.usefixtures("few")
def test_a_reading_that_contradicts_the_closing_of_the_day_before_has_it_looked_at_again(tmp_path: Path) -> None:
    eve, day = days(2)
    with a_street(tmp_path, 2) as street:
        street.read(eve, 0, 1)
        street.due(eve)
        street.read(day, 0)
        street.read(day, 1, change={0: 500})
        outcomes = street.due(day)
        assert [(one.run.day, one.run.changed) for one in outcomes] == [(day, 2), (eve, 1)]
        runs = Runs(street.home.engine)
        said = [one for one in runs.found(outcomes[1].run) if one.code == "V7-sum"]
        assert [(one.severity, one.channel) for one in said] == [("fail", "import_wh")]
        (check,) = [one for one in runs.checks(outcomes[0].run.run) if one.code == "V7-sum"]
        assert "2 openings held against the closing of the day before, 1 differ" in check.reason


@pytest.mark.usefixtures("few")
def test_over_new_year_a_meter_is_found_again_under_its_new_id(tmp_path: Path) -> None:
    eve, day = date(2025, 12, 31), date(2026, 1, 1)
    with a_street(tmp_path, 1) as street:
        street.read(eve, 0, missing=(95, 96))
        street.due(eve)
        street.read(day, 0, missing=(0, 1))
        outcomes = street.due(day)
        assert [one.run.day for one in outcomes] == [day, eve]
        before, after = street.volumes(eve)["m0"], street.volumes(day)["m0"]
        assert before.qualities()[94:] + after.qualities()[:2] == [CALCULATED] * 4
        opens = midnight(day, ZONE)
        assert sum(before.wh()[94:] + after.wh()[:2]) == energy_wh(0, opens - 1800, opens + 1800)


def test_like_days_of_last_year_lend_their_shape(tmp_path: Path) -> None:
    day = date(2026, 1, 7)
    with a_street(tmp_path, 2) as street:
        for one in days(21, day - timedelta(days=21)):
            street.read(one, 0, 1)
            street.validate(one)
        street.read(day, 0)
        street.due(day)
        last = Runs(street.home.engine).demand(day)
        assert street.volumes(day)["m1"].kinds() == {ESTIMATED}
        (put, _) = Runs(street.home.engine).put(last)
        assert put.method == "E3"
        assert "2025-12-31" in put.inputs


def test_an_exchange_leaves_no_watt_hour_out(tmp_path: Path) -> None:
    noon = int(datetime(DAY.year, DAY.month, DAY.day, 12, 5, tzinfo=ZoneInfo(ZONE)).timestamp())
    with a_street(tmp_path, 1) as street:
        new = "meter,ean,host,port,system_title,companion\n"
        (tmp_path / "new.csv").write_text(f"{new}m1,{ean(0)},127.0.0.1,4060,4B57540000000099,smr-5.5\n")
        closing, opening = 10_000_000, 77
        done = Exchange(
            ean=ean(0),
            old_meter="m0",
            new_meter="m1",
            moment=noon,
            closing_import_wh=energy_wh(0, midnight(DAY, ZONE), noon) + 1_000_000 * 2,
            opening_import_wh=opening,
        )
        assert closing
        street.home.registry.exchange(done, tmp_path / "new.csv", at=9)
        street.read(DAY, 0, missing=range(49, ALL_DAY))
        street.validate(DAY)
        found = street.volumes(DAY)
        assert set(found) == {"m0", "m1"}
        assert found["m0"].qualities()[48:] == [ABSENT] * 48
        assert found["m1"].qualities()[:48] == [ABSENT] * 48
        assert found["m0"].qualities()[:47] == [MEASURED] * 47


def test_nothing_is_told_from_registers_on_both_sides_of_a_new_metering_module(tmp_path: Path) -> None:
    first, second, third = days(3)
    with a_street(tmp_path, 1) as street:
        rows = ["meter,kind,serial,installed", "m0,metering,A,2024-01-01", f"m0,metering,B,{second}"]
        (tmp_path / "modules.csv").write_text("\n".join(rows) + "\n")
        street.home.registry.import_modules(tmp_path / "modules.csv", at=9)
        street.read(first, 0, missing=range(95, ALL_DAY))
        street.read(third, 0)
        street.due(third)
        assert street.volumes(first)["m0"].qualities()[94:] == [MISSING] * 2
        assert CALCULATED not in street.volumes(second)["m0"].kinds()


def test_power_that_was_not_there_is_no_volume(tmp_path: Path) -> None:
    with a_street(tmp_path, 1) as street:
        street.read(DAY, 0, missing=range(41, 50), marked=(50,))
        street.validate(DAY)
        last = Runs(street.home.engine).demand(DAY)
        row = street.volumes(DAY)["m0"]
        put = Runs(street.home.engine).put(last)
        found = [(one.channel, one.first, one.last) for one in put if one.method == "E7"]
        assert found == [("export_wh", 41, 48), ("import_wh", 41, 48)]
        assert row.wh()[41:49] == row.wh("export_wh")[41:49] == [0] * 8
        assert row.qualities()[40] == row.qualities()[49] == MISSING, (
            "there was some, and nothing tells how it was spread"
        )


@pytest.mark.parametrize("is_read", [True, False])
def test_a_profile_gives_what_nothing_else_does(is_read: bool, tmp_path: Path) -> None:
    with a_street(tmp_path, 1) as street:
        market, times = Market(street.home.engine), quarter_ends(DAY, DAY + ONE_DAY, ZONE)[1:]
        head = "ean,brp,supplier,grid_area,method,profile,year_volume_wh,year_export_wh,valid_from"
        (tmp_path / "market.csv").write_text(f"{head}\n{ean(0)},B1,S1,noord,SMA,E1A,3650000,0,2020-01-01\n")
        stamps = [datetime.fromtimestamp(int(one), ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%MZ") for one in times]
        lines = ["area,profile,quarter,direction,fraction,quality"]
        for place, stamp in enumerate(stamps):
            lines += [f"noord,E1A,{stamp},{way},0.0000{3 + place % 2},DYN" for way in ("import", "export")]
        (tmp_path / "fractions.csv").write_text("\n".join(lines) + "\n")
        for name in ("market", "fractions"):
            market.import_file(tmp_path / f"{name}.csv", kind=Kind(name), at=9, actor="os:test")
        if is_read:
            street.read(DAY, 0, missing=range(10, 40))
        street.validate(DAY)
        row = street.volumes(DAY)["m0"]
        if is_read:
            assert row.qualities()[9:40] == [CALCULATED] * 31
            assert sum(row.wh()) == sum(differences(0, DAY))
        else:
            assert row.kinds() == {ESTIMATED}
            assert sum(row.wh()) == round(3_650_000 * 0.000035 * 96)


def test_a_run_that_was_stopped_leaves_no_trace_in_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_street(tmp_path, 2) as street:
        street.read(DAY, 0)
        street.validate(DAY)
        street.read(DAY, 1)
        with monkeypatch.context() as patch:
            patch.setattr(Runs, "finish", _stopped)
            with pytest.raises(KeyboardInterrupt):
                street.due(DAY)
        assert street.volumes(DAY)["m1"].kinds() == {MISSING}
        (outcome,) = street.due(DAY)
        assert outcome.run.changed == 1
        assert street.volumes(DAY)["m1"].kinds() == {MEASURED}


def _stopped(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_all_of_a_day_can_be_looked_at_again(tmp_path: Path) -> None:
    with a_street(tmp_path, 2) as street:
        street.read(DAY, 0, 1)
        street.validate(DAY)
        outcome = street.validate(DAY, again=Again(whole=True))
        assert outcome is not None
        assert (outcome.run.changed, street.volumes(DAY)["m0"].wh()) == (2, differences(0, DAY))


def test_a_day_that_is_not_over_is_refused(tmp_path: Path) -> None:
    with a_street(tmp_path, 1) as street:
        with pytest.raises(InputError) as caught:
            street.validate(DAY, today=DAY)
        assert caught.value.code == "day-not-over"
        assert Runs(street.home.engine).days() == {}


def test_meters_of_two_time_zones_are_refused(tmp_path: Path) -> None:
    with a_street(tmp_path, 1, 'timezone = "Atlantic/Azores"') as street:
        with pytest.raises(InputError) as caught:
            street.validate(DAY)
        assert caught.value.code == "mixed-days"
        assert "1 meters are in another time zone" in caught.value.detail


def test_what_may_still_come_is_said_to_be_provisional(tmp_path: Path) -> None:
    with a_street(tmp_path, 1) as street:
        street.read(DAY, 0, missing=(50,), reason=Missing.NOT_RECEIVED)
        street.validate(DAY)
        last = Runs(street.home.engine).demand(DAY)
        assert all('"may_still_come":true' in one.inputs for one in Runs(street.home.engine).put(last))


def test_what_is_stored_is_encrypted_like_readings(tmp_path: Path) -> None:
    with a_street(tmp_path, 1) as street:
        street.read(DAY, 0)
        street.validate(DAY)
        assert Validated(street.home.store_folder, street.home.day_keys).has(1, DAY)
        for path in (street.home.store_folder / "validated").rglob("*.parquet"):
            assert path.read_bytes()[:4] == b"PARE"


def test_each_run_is_a_use_that_is_written_down(tmp_path: Path) -> None:
    with a_street(tmp_path, 1) as street:
        street.read(DAY, 0)
        street.validate(DAY)
        with reading(street.home.engine) as connection:
            (used,) = connection.execute(select(accesses)).mappings().all()
        assert (used["actor"], used["purpose"], used["reason"]) == ("os:test", "validation", "a test")
