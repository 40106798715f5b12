"""``kwartier readings`` and ``simulate compare`` as their users meet them."""

import csv
import io
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kwartier.service.home import open_home
from kwartier.service.night import Request, run
from kwartier.simulate import truth
from tests.cli.command import Ran
from tests.cli.command import run as run_command
from tests.service.street import installed, street
from tests.somebody import TESTER

Command = Callable[..., Ran]
DAY = "2026-01-14"
PERIOD = ("--from", DAY, "--to", "2026-01-15")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return lambda *words: run_command(*words, capsys=capsys, monkeypatch=monkeypatch)


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A home in which one night of four meters is stored, and the folder of the fleet."""
    folder = tmp_path_factory.mktemp("read")
    with street(folder, 4, "--faults", "none") as fleet:
        home = installed(folder, fleet)
        request = Request(day=date.fromisoformat(DAY), workers=1, at_once=True, actor=TESTER)
        with open_home(home) as opened:
            run(opened, request, show=lambda progress: None, say=lambda text: None)
    return home, fleet


@pytest.fixture
def connection(read: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    monkeypatch.setenv("KWARTIER_HOME", str(read[0]))
    return "--connection", truth.load(read[1]).ean("noord-000001")


@pytest.mark.parametrize("purpose", [(), ("--purpose", "curiosity"), ("--purpose", "")])
def test_without_a_purpose_nothing_is_shown(
    command: Command, connection: tuple[str, str], purpose: tuple[str, ...]
) -> None:
    for form in ("table", "csv", "json", "parquet"):
        ran = command("readings", *connection, *PERIOD, "--format", form, *purpose)
        assert (ran.code, ran.out) == (1, "")
        assert "settlement" in ran.err


def test_a_day_as_json_and_csv_is_what_the_meter_counted(
    command: Command, connection: tuple[str, str], read: tuple[Path, Path]
) -> None:
    ran = command("readings", *connection, *PERIOD, "--purpose", "customer", "--format", "json")
    (found,) = json.loads(ran.out)
    assert (ran.code, found["meter"], found["versions"]) == (0, "noord-000001", {DAY: 1})
    assert len(found["rows"]) == 96
    ran = command("readings", *connection, *PERIOD, "--purpose", "customer", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert [int(row["import_wh"]) for row in rows] == [row["import_wh"] for row in (found["opening"], *found["rows"])]
    assert {row["version"] for row in rows} == {"1"}


def test_a_table_for_people_and_a_parquet_file(command: Command, connection: tuple[str, str], tmp_path: Path) -> None:
    ran = command("readings", *connection, *PERIOD, "--purpose", "customer")
    assert "2026-01-15 00:00 CET" in ran.out
    assert "1 of 1 days stored" in ran.err
    out = tmp_path / "out.parquet"
    ran = command("readings", *connection, *PERIOD, "--purpose", "customer", "--format", "parquet", "--out", f"{out}")
    assert (ran.code, ran.out) == (0, "")
    assert pq.ParquetFile(out).metadata.num_rows == 97


def test_days_of_which_nothing_is_stored_are_said(command: Command, connection: tuple[str, str]) -> None:
    words = ("--from", "2025-01-01", "--to", "2025-01-03", "--purpose", "customer")
    ran = command("readings", *connection, *words, "--format", "json")
    assert (ran.code, ran.out) == (0, "[]\n")
    assert "nothing is stored" in ran.err


def test_the_comparison_of_a_night_is_one_object(
    command: Command, read: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, fleet = read
    monkeypatch.setenv("KWARTIER_HOME", str(home))
    ran = command("simulate", "compare", "--truth", f"{fleet}", "--date", DAY, "--json")
    assert ran.code == 0
    assert json.loads(ran.out) == {
        "compared": 4 * 97 * 2,
        "wrong": 0,
        "doubled": 0,
        "lost": 0,
        "unobtainable": 0,
    }
    ran = command("simulate", "compare", "--truth", f"{fleet}", "--date", "2026-01-13", "--json")
    assert (ran.code, json.loads(ran.out)["lost"]) == (1, 4 * 97 * 2)


def test_upkeep_changes_no_reading_and_drops_what_is_too_old(
    command: Command, connection: tuple[str, str], read: tuple[Path, Path]
) -> None:
    words = ("readings", *connection, *PERIOD, "--purpose", "customer", "--format", "json")
    before = command(*words).out
    done = json.loads(command("store", "tidy", "--json").out)
    assert (done["rewritten_days"], done["dropped_days"]) == (1, 0)
    assert command(*words).out == before
    assert json.loads(command("store", "tidy", "--json").out)["rewritten_days"] == 0
    assert json.loads(command("store", "tidy", "--keep", "7", "--json").out)["dropped_days"] == 1
    assert command(*words).out == "[]\n"
