"""``kwartier read`` as its user meets it."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kwartier.clock import local_day
from kwartier.service.home import Home
from kwartier.service.reading import Report, Request, read
from kwartier.simulate.fleet import SimulatedConnection
from tests.cli.command import Ran, run
from tests.living import fleet
from tests.somebody import TESTER

Command = Callable[..., Ran]

TIMEZONE = "Europe/Amsterdam"


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return lambda *words: run(*words, capsys=capsys, monkeypatch=monkeypatch)


@pytest.fixture
def living(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Home, list[SimulatedConnection]]]:
    monkeypatch.setenv("KWARTIER_HOME", str(tmp_path / "home"))
    with fleet(tmp_path / "home") as made:
        yield made


def truth(one: SimulatedConnection, table: dict[str, Any]) -> list[tuple[int, int]]:
    """The household's registers at the stamps of a printed table, opening first."""
    stamps = [int(datetime.fromisoformat(row["time"]).timestamp()) for row in (table["opening"], *table["rows"])]
    imported, exported = one.household.registers(np.array(stamps))
    return list(zip(imported.tolist(), exported.tolist(), strict=True))


@pytest.mark.parametrize("place", [0, 1])
def test_a_day_is_one_opening_and_its_quarters_equal_to_the_household(
    command: Command, living: tuple[Home, list[SimulatedConnection]], place: int
) -> None:
    one = living[1][place]
    ran = command("read", one.meter, "--from", "2026-03-04", "--to", "2026-03-05", "--json")
    assert ran.code == 0, ran.err
    table = json.loads(ran.out)
    assert table["meter"] == one.meter
    assert table["opening"]["time"] == "2026-03-03T23:00:00Z"
    assert [table["rows"][0]["time"], table["rows"][-1]["time"]] == ["2026-03-03T23:15:00Z", "2026-03-04T23:00:00Z"]
    assert len(table["rows"]) == 96
    rows = [(row["import_wh"], row["export_wh"]) for row in (table["opening"], *table["rows"])]
    assert rows == truth(one, table)
    assert {row["status"] for row in table["rows"]} == {0}
    visit = table["visit"]
    assert (visit["outcome"], visit["purpose"], visit["attempts"]) == ("done", "validation", 1)


def test_purpose_and_reason_are_recorded(command: Command, living: tuple[Home, list[SimulatedConnection]]) -> None:
    home, connections = living
    words = ("--purpose", "settlement", "--reason", "a dispute")
    assert command("read", connections[0].meter, "--from", "2026-03-04", *words, "--json").code == 0
    record = home.visits.of_meter(connections[0].meter)[0]
    assert (record.purpose, record.reason, record.outcome) == ("settlement", "a dispute", "done")
    assert record.actor.startswith("os:")


def test_the_second_visit_asks_for_nothing_but_clock_and_rows(
    living: tuple[Home, list[SimulatedConnection]],
) -> None:
    home, connections = living
    sent = [visit(home, connections[0].meter, days=days).visit.traffic.messages_sent for days in range(2)]
    # AARQ, proof, clock, rows, release
    assert sent[1] == 5
    assert sent[0] > sent[1]


def visit(home: Home, meter: str, *, days: int) -> Report:
    """A read so many days from now."""
    request = Request(meter=meter, start=date(2026, 3, 4), end=date(2026, 3, 5), actor=TESTER)
    return read(home, request, wall=lambda: time.time() + days * 86_400)


def test_a_connection_that_was_read_today_is_not_asked_again(
    command: Command, living: tuple[Home, list[SimulatedConnection]]
) -> None:
    home, connections = living
    one = connections[0]
    assert command("read", one.meter, "--from", "2026-03-04").code == 0
    for day in ("2026-03-04", "2026-03-03"):
        ran = command("read", one.meter, "--from", day, "--json")
        assert (ran.code, ran.out) == (1, "")
        assert "[already-read]" in ran.err
    claims = json.loads(command("night", "claims", "--json").out)
    assert (claims["visits_that_asked"], claims["refused"]) == (1, {"already-read": 2})
    words = ("--connection", one.ean, "--purpose", "customer", "--from", "2026-03-04", "--to", "2026-03-05")
    (stored,) = json.loads(command("readings", *words, "--format", "json").out)
    assert [(row["import_wh"], row["export_wh"]) for row in (stored["opening"], *stored["rows"])] == truth(one, stored)
    assert home.visits.of_meter(one.meter)[0].asked


def test_a_night_finds_what_was_read_by_hand(command: Command, living: tuple[Home, list[SimulatedConnection]]) -> None:
    assert command("read", living[1][0].meter, "--from", "2026-03-04").code == 0
    ran = command("night", "run", "--date", "2026-03-04", "--now", "--json")
    table = json.loads(ran.out)
    assert (ran.code, table["due"], table["read"]) == (0, 2, 2)
    claims = json.loads(command("night", "claims", "--json").out)
    assert (claims["visits_that_asked"], claims["refused"]) == (2, {})


def test_a_day_that_is_not_over_and_a_purpose_that_is_none_are_refused(
    command: Command, living: tuple[Home, list[SimulatedConnection]]
) -> None:
    name = living[1][0].meter
    ran = command("read", name, "--from", f"{local_day(int(time.time()), TIMEZONE)}")
    assert (ran.code, ran.out) == (2, "")
    assert "[day-not-over]" in ran.err
    ran = command("read", name, "--from", "2026-03-04", "--purpose", "curiosity")
    assert (ran.code, ran.out) == (1, "")
    assert "[unknown-purpose]" in ran.err
    assert living[0].visits.of_meter(name) == []


def test_a_stretch_that_reaches_beyond_the_buffer_says_so_row_by_row(
    command: Command, living: tuple[Home, list[SimulatedConnection]]
) -> None:
    ran = command("read", living[1][0].meter, "--from", "2026-02-23", "--to", "2026-02-26", "--json")
    table = json.loads(ran.out)
    assert len(table["rows"]) == 3 * 96
    missing = [row for row in table["rows"] if row["import_wh"] is None]
    assert missing
    assert all(row["status"] is None and row["export_wh"] is None and row["reason"] for row in missing)
    present = [row for row in table["rows"] if row["import_wh"] is not None]
    assert present
    assert not any("reason" in row for row in present)


def test_for_people_a_table_with_a_curve(command: Command, living: tuple[Home, list[SimulatedConnection]]) -> None:
    ran = command("read", living[1][1].meter, "--from", "2026-03-04")
    lines = ran.out.splitlines()
    assert ran.code == 0
    assert sum(" CET " in line for line in lines) == 97
    assert "2026-03-05 00:00 CET" in ran.out
    assert any(set(line) & set("▂▃▄▅▆▇█") and line.endswith("kWh") for line in lines)
    assert "assumption" in ran.err  # this one's companion is


def test_keys_that_the_supplier_knows_give_one_warning(
    command: Command, living: tuple[Home, list[SimulatedConnection]], tmp_path: Path
) -> None:
    name = living[1][0].meter
    keys = tmp_path / "home" / "keys.csv"
    keys.write_text(keys.read_text().replace(",operator", ",delivery"))
    assert command("keys", "import", str(keys)).code == 0
    ran = command("read", name, "--from", "2026-03-04", "--json")
    assert ran.err.count("origin delivery") == 1


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("nobody", "--from", "2026-03-04"), 2, "unknown-meter"),
        (("noord-000001", "--from", "2026-03-04", "--to", "2026-03-04"), 2, "bad-day"),
        (("noord-000001", "--from", "2026-03-05", "--to", "2026-03-04"), 2, "bad-day"),
        (("noord-000001", "--from", "2024-01-01", "--to", "2026-03-04"), 2, "bad-day"),
        (("noord-000001", "--from", "yesterday"), 2, "yesterday"),
        (("noord-000001",), 2, "--from"),
    ],
)
def test_wrong_usage_is_said_in_a_sentence(
    command: Command, living: tuple[Home, list[SimulatedConnection]], words: tuple[str, ...], code: int, error: str
) -> None:
    ran = command("read", *words)
    assert (ran.code, ran.out) == (code, "")
    assert error in ran.err
    assert "Traceback" not in ran.err


def test_wrong_keys_give_no_rows_one_sentence_and_a_record(
    command: Command, living: tuple[Home, list[SimulatedConnection]], tmp_path: Path
) -> None:
    home, connections = living
    keys = tmp_path / "home" / "keys.csv"
    lines = keys.read_text().splitlines()
    keys.write_text("\n".join([lines[0], lines[1].replace(connections[0].station.keys.ek.hex(), "00" * 16)]))
    assert command("keys", "import", str(keys)).code == 0
    ran = command("read", connections[0].meter, "--from", "2026-03-04", "--json")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("\n") == 1
    assert home.visits.of_meter(connections[0].meter)[0].outcome != "done"


def test_a_meter_that_is_away_is_an_ended_visit(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KWARTIER_HOME", str(tmp_path / "home"))
    with fleet(tmp_path / "home", 1) as (home, connections):
        name = connections[0].meter
        registered = home.registry.meter(name)
    ran = command("read", name, "--from", "2026-03-04", "--json")
    assert (ran.code, ran.out) == (1, "")
    assert "[connect-refused]" in ran.err
    assert str(registered.port) in ran.err


def test_without_keys_nothing_is_tried(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KWARTIER_HOME", str(tmp_path / "home"))
    fleet_file = tmp_path / "fleet.csv"
    fleet_file.write_text(
        "meter,ean,host,port,system_title,companion\nm1,200000000000000004,127.0.0.1,1,4B57540000000001,smr-5.5\n"
    )
    assert command("init").code == 0
    assert command("fleet", "import", str(fleet_file)).code == 0
    ran = command("read", "m1", "--from", "2026-03-04")
    assert (ran.code, ran.out) == (2, "")
    assert "[meter-without-keys]" in ran.err


def test_a_meter_whose_counter_went_back_is_refused_until_its_keys_come_again(
    command: Command, living: tuple[Home, list[SimulatedConnection]], tmp_path: Path
) -> None:
    home, connections = living
    one = connections[0]
    assert visit(home, one.meter, days=0).visit.error is None
    one.station.resume(0)
    report = visit(home, one.meter, days=1)
    assert report.visit.error is not None
    assert report.visit.error.code == "replayed"
    assert command("keys", "import", str(tmp_path / "home" / "keys.csv")).code == 0
    assert visit(home, one.meter, days=2).visit.error is None


def test_the_last_day_that_a_date_can_name_is_wrong_input(
    command: Command, living: tuple[Home, list[SimulatedConnection]]
) -> None:
    ran = command("read", living[1][0].meter, "--from", "9999-12-31")
    assert (ran.code, ran.out) == (2, "")
    assert "[bad-day]" in ran.err
