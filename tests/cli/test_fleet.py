"""``kwartier fleet``."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kwartier.cli.fleet import app as fleet_commands
from kwartier.fleet.visits import VisitRecord
from kwartier.service.home import open_home
from tests.cli.command import Ran, run
from tests.fleet.test_registry import ean, row, write
from tests.living import new_home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "home"
    monkeypatch.setenv("KWARTIER_HOME", str(path))
    new_home(path)
    return path


class Command:
    """``kwartier fleet ...``"""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def __call__(self, *words: object) -> Ran:
        return run("fleet", *(str(word) for word in words), capsys=self._capsys, monkeypatch=self._monkeypatch)


@pytest.fixture
def fleet(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(capsys, monkeypatch)


def test_an_empty_fleet_lists_no_meters(fleet: Command) -> None:
    ran = fleet("list", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out) == {"meters": []}


def test_what_is_imported_is_listed_as_the_interface_says(fleet: Command, tmp_path: Path) -> None:
    ran = fleet("import", write(tmp_path / "fleet.csv", row("B", ean=ean(2)), row("A")))
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "fleet.csv: 2 new, 0 updated, 0 unchanged, 0 refused\n"
    ran = fleet("list", "--json")
    assert ran.out == json.dumps({"meters": [{"meter": "A", "ean": ean(1)}, {"meter": "B", "ean": ean(2)}]}) + "\n"


def test_the_table_for_people_holds_every_meter_on_one_line(fleet: Command, tmp_path: Path) -> None:
    long = "m" * 64
    fleet("import", write(tmp_path / "fleet.csv", row(long, host="h" * 200), row("A", host="[fe80::1]")))
    lines = fleet("list").out.splitlines()
    assert lines[0].split() == ["meter", "ean", "address", "companion"]
    assert lines[1].split() == ["A", ean(1), "fe80::1:4059", "smr-5.5"]
    assert lines[2].split() == [long, ean(1), "h" * 200 + ":4059", "smr-5.5"]
    assert len(lines) == 3


def test_one_meter_is_shown_with_its_keys_and_visits_but_no_key(fleet: Command, home: Path, tmp_path: Path) -> None:
    fleet("import", write(tmp_path / "fleet.csv", row("A", capacity="3x25A")))
    keys = tmp_path / "keys.csv"
    keys.write_text(f"meter,kek,ak,ek,origin\nA,{'11' * 16},{'22' * 16},{'33' * 16},operator\n")
    started = datetime(2026, 3, 6, 3, tzinfo=UTC)
    with open_home(home) as opened:
        opened.keyring.import_file(keys, at=1_772_600_000, actor="os:test", own_title=opened.settings.own_title)
        for number in range(7):
            opened.visits.record(
                VisitRecord(
                    meter="A",
                    date=started.date(),
                    started=started + timedelta(hours=number),
                    ended=started + timedelta(hours=number, seconds=1),
                    outcome="done",
                    purpose="validation",
                    reason="",
                    actor="os:test",
                )
            )
    shown = json.loads(fleet("show", "A", "--json").out)
    assert shown["meter"] == "A"
    assert shown["system_title"] == "4B414D0000000002"
    assert (shown["capacity"], shown["physical_address"], shown["keys"]) == ("3x25A", None, "operator")
    assert shown["key_changes"] == [{"at": "2026-03-04T04:53:20+00:00", "action": "imported", "actor": "os:test"}]
    assert [visit["started"][11:13] for visit in shown["visits"]] == ["09", "08", "07", "06", "05"]
    text = fleet("show", "A").out
    assert "operator" in text
    assert "3x25A" in text
    assert not any(key in text + json.dumps(shown) for key in ("1" * 32, "2" * 32, "3" * 32))


def test_a_meter_that_is_not_there_is_wrong_input(fleet: Command) -> None:
    ran = fleet("show", "nobody")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("kwartier: there is no meter 'nobody' in the fleet: ")
    assert "kwartier fleet list" in ran.err
    assert ran.err.endswith("[unknown-meter]\n")


def test_a_bad_row_is_named_and_nothing_is_imported(fleet: Command, tmp_path: Path) -> None:
    ran = fleet("import", write(tmp_path / "fleet.csv", row("A"), row("B", port=0)))
    assert (ran.code, ran.out) == (2, "")
    assert "fleet.csv: 1 bad row: line 3, column port: '0' is no whole number from 1 to 65535" in ran.err
    assert "--skip-bad" in ran.err
    assert json.loads(fleet("list", "--json").out) == {"meters": []}


@pytest.mark.parametrize("named", [True, False])
def test_bad_rows_can_be_skipped_and_are_written_aside(named: bool, fleet: Command, tmp_path: Path) -> None:
    path = write(tmp_path / "fleet.csv", row("A"), row("B", port=0))
    aside = tmp_path / ("aside.csv" if named else "fleet.csv.refused.csv")
    ran = fleet("import", path, "--skip-bad", *(("--refused", aside) if named else ()))
    assert ran.code == 0
    assert "1 new, 0 updated, 0 unchanged, 1 refused" in ran.err
    assert str(aside) in ran.err
    assert "B" in aside.read_text()
    assert [one["meter"] for one in json.loads(fleet("list", "--json").out)["meters"]] == ["A"]


def test_a_file_that_is_not_there_is_wrong_input(fleet: Command, tmp_path: Path) -> None:
    ran = fleet("import", tmp_path / "nothing.csv")
    assert ran.code == 2
    assert "nothing.csv: No such file or directory" in ran.err


@pytest.mark.parametrize("words", [("list",), ("show", "A"), ("import", "x.csv")])
def test_without_an_installation_the_way_to_one_is_said(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = run("--home", str(tmp_path / "none"), "fleet", *words, capsys=capsys, monkeypatch=monkeypatch)
    assert ran.code == 2
    assert "kwartier init" in ran.err
    assert "[no-home]" in ran.err
    assert not (tmp_path / "none").exists()


def test_what_happens_to_a_fleet_is_recorded_and_shown_by_day(fleet: Command, tmp_path: Path) -> None:
    fleet("import", write(tmp_path / "fleet.csv", row("A", supplier="S1"), row("B", ean=ean(2))))
    module = {"meter": "A", "kind": "metering", "type": "t", "supplier": "Alpha", "installed": "2026-01-01"}
    assert fleet("import-modules", write(tmp_path / "modules.csv", module)).code == 0
    assert json.loads(fleet("suppliers", "--json").out) == {
        "suppliers": [{"supplier": "Alpha", "kind": "metering", "modules": 1}]
    }
    new = write(tmp_path / "new.csv", row("N"))
    registers = ("--closing-import", 123456, "--opening-import", 7)
    words = ("--old", "A", "--new", "N", "--new-file", new, "--on", "2026-03-20", "--at", "12:30")
    assert fleet("exchange", ean(1), *words, *registers).code == 0
    assert fleet("move", "B", "--to", ean(1), "--on", "2026-04-01").code == 0
    assert fleet("switch", ean(1), "--supplier", "S2", "--on", "2026-05-01").code == 0

    def on(day: str) -> list[str]:
        return [one["meter"] for one in json.loads(fleet("list", "--on", day, "--json").out)["meters"]]

    assert (on("2026-03-19"), on("2026-03-20"), on("2026-03-21")) == (["A", "B"], ["A", "B", "N"], ["B", "N"])
    shown = json.loads(fleet("show", "A", "--json").out)
    assert [(one["thing"], one["from"], one["to"]) for one in shown["history"]] == [
        ("meter", None, "2026-03-21"),
        ("module", "2026-01-01", None),
    ]
    shown = json.loads(fleet("show", ean(1), "--json", "--on", "2026-05-01").out)
    assert [one["facts"].get("supplier") for one in shown["history"]] == ["S2", None, None]
    assert "123456" not in fleet("show", "A").out + json.dumps(shown)
    assert fleet("show", "A", "--known", "2020-01-01").code == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("list", "--on", "yesterday"), "bad-day"),
        (("move", "A", "--to", "1", "--on", "2026-13-01"), "bad-day"),
        (("move", "A", "--to", "1", "--on", "2026-01-01"), "unknown-connection"),
        (("switch", "1", "--on", "2026-01-01"), "nothing-to-do"),
    ],
)
def test_a_change_that_makes_no_sense_is_wrong_input(words: tuple[str, ...], code: str, fleet: Command) -> None:
    ran = fleet(*words)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.endswith(f"[{code}]\n")


def test_no_command_reaches_what_another_grid_operator_has(
    fleet: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row("A", dso="north"), row("T", ean=ean(2), dso="south")]
    fleet("import", write(tmp_path / "fleet.csv", *rows))
    module = write(tmp_path / "modules.csv", {"meter": "T", "kind": "metering", "type": "t", "supplier": "s"})
    fleet("import-modules", module)
    new = write(tmp_path / "new.csv", row("N", ean=ean(2)))
    everything = fleet("show", "T", "--json").out
    monkeypatch.setenv("KWARTIER_DSO", "north")
    exchange = ("--old", "T", "--new", "N", "--new-file", new, "--on", "2026-03-20")
    attempts: dict[str, tuple[object, ...]] = {
        "import": (write(tmp_path / "theirs.csv", row("T", ean=ean(2))),),
        "import-modules": (module,),
        "exchange": (ean(2), *exchange, "--closing-import", 1, "--opening-import", 1),
        "move": ("A", "--to", ean(2), "--on", "2026-03-20"),
        "switch": (ean(2), "--brp", "b", "--on", "2026-03-20"),
        "readout": (ean(2), "opted-out", "--on", "2026-03-20"),
        "show": ("T",),
        "list": ("--json",),
        "suppliers": ("--json",),
    }
    assert set(attempts) == {str(one.name) for one in fleet_commands.registered_commands}
    for command, words in attempts.items():
        ran = fleet(command, *words)
        assert (ran.code == 0) == (command in ("list", "suppliers")), command
        assert '"T"' not in ran.out
        assert '"s"' not in ran.out
    monkeypatch.delenv("KWARTIER_DSO")
    assert fleet("show", "T", "--json").out == everything


# Who is read from afar.


def test_a_connection_that_opts_out_is_listed_until_it_comes_back(fleet: Command, tmp_path: Path) -> None:
    fleet("import", write(tmp_path / "fleet.csv", row("A")))
    assert "is opted-out from 2026-03-20 on" in fleet("readout", ean(1), "opted-out", "--on", "2026-03-20").err
    assert "was opted-out already" in fleet("readout", ean(1), "opted-out", "--on", "2026-03-21").err
    listed = json.loads(fleet("readout", "--on", "2026-03-22", "--json").out)
    assert listed == {"not_read": [{"ean": ean(1), "readout": "opted-out"}]}
    assert json.loads(fleet("readout", "--on", "2026-03-19", "--json").out) == {"not_read": []}
    back = tmp_path / "readouts.csv"
    back.write_text(f"ean,readout,valid_from\n{ean(1)},remote,2026-04-01\n")
    assert "1 changed" in fleet("readout", "--file", back).err
    assert json.loads(fleet("readout", "--on", "2026-04-01", "--json").out) == {"not_read": []}


def test_connections_are_shown_to_the_role_registry_alone(
    fleet: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet("import", write(tmp_path / "fleet.csv", row("A")))
    assert ean(1) in fleet("list").out
    with (Path(os.environ["KWARTIER_HOME"]) / "kwartier.toml").open("a") as out:
        out.write('[roles]\n"os:*" = ["operator"]\n')
    ran = fleet("list", "--json")
    assert (json.loads(ran.out), ean(1) in ran.err) == ({"meters": [{"meter": "A", "ean": ""}]}, False)
    assert "role registry" in ran.err
    for words in (("show", ean(1)), ("readout", ean(1), "opted-out")):
        ran = fleet(*words)
        assert (ran.code, ran.out) == (1, "")
        assert "[no-role]" in ran.err
