"""``kwartier validate``: what it prints, what it draws, and that volumes are agreed on by two."""

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from kwartier.clock import quarter_ends
from kwartier.model import Quality
from kwartier.service.home import open_home
from kwartier.service.two import pairs_of
from kwartier.who.actor import Actor
from tests.cli.command import Command
from tests.service.validating.a_street import ONE_DAY, ZONE, Street, a_street, ean
from tests.somebody import TESTER

DAY = date(2025, 11, 19)
PIET = Actor(name="os:piet", roles=TESTER.roles, via="os")


@pytest.fixture
def kwartier(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(capsys, monkeypatch)


@pytest.fixture
def street(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Street]:
    """Three meters, of which one was not read and one has a hole of half an hour."""
    with a_street(tmp_path) as found:
        monkeypatch.setenv("KWARTIER_HOME", str(found.home.path))
        found.read(DAY, 0)
        found.read(DAY, 1, missing=(40,))
        yield found


def test_a_run_tells_what_each_rule_said(street: Street, kwartier: Command) -> None:
    ran = kwartier("validate", "run", "--date", DAY)
    assert ran.code == 0
    codes = [line.split()[0] for line in ran.out.splitlines()[1:]]
    assert [code.partition("-")[0] for code in codes] == [f"V{number}" for number in range(1, 19)]
    (completeness,) = [line.split() for line in ran.out.splitlines() if "V6-" in line]
    assert completeness == ["V6-completeness", "3", "0", "2", "0"]
    assert "run 1 by rules 2026-1: 3 of 3 meters, quarters: 380 measured, 4 calculated, 192 missing" in ran.err
    assert kwartier("validate", "run", "--date", DAY).err.endswith("there is nothing new to be validated\n")


def test_a_run_as_json(street: Street, kwartier: Command) -> None:
    (told,) = json.loads(kwartier("validate", "run", "--date", DAY, "--json").out)["runs"]
    assert (told["date"], told["run"], told["meters"], told["substitutes"]) == (f"{DAY}", 1, 3, 2)
    assert told["quarters"]["calculated"] == 4
    assert json.loads(kwartier("validate", "run", "--date", DAY, "--json").out) == {"runs": []}
    (listed,) = json.loads(kwartier("validate", "runs", "--json").out)["runs"]
    assert (listed["day"], listed["rows"]) == (f"{DAY}", 3)
    assert f"{DAY}" in kwartier("validate", "runs").out


def test_findings_and_substitutes_name_connections_and_no_volume(street: Street, kwartier: Command) -> None:
    kwartier("validate", "run", "--date", DAY)
    ran = kwartier("validate", "findings", "--date", DAY)
    found = [line.split() for line in ran.out.splitlines()]
    assert [ean(1), "m1", "V6-completeness", "fail", "import_wh", "09:45+0100", "10:15+0100"] in found
    assert [ean(1), "m1", "E2", "calculated", "V6", "import_wh", "09:45+0100", "10:15+0100"] in found
    told = json.loads(kwartier("validate", "findings", "--date", DAY, "--json").out)
    assert {one["meter"] for one in told["findings"]} == {"m1", "m2"}
    assert [(one["first"], one["last"]) for one in told["substitutes"]] == [(39, 40), (39, 40)]
    assert {one["inputs"]["energy"] for one in told["substitutes"]} == {"registers"}
    assert "energy_wh" not in json.dumps(told)


def test_findings_by_rule_and_by_method(street: Street, kwartier: Command) -> None:
    kwartier("validate", "run", "--date", DAY)
    told = json.loads(kwartier("validate", "findings", "--date", DAY, "--rule", "V8", "--json").out)
    assert told["findings"] == told["substitutes"] == []
    told = json.loads(kwartier("validate", "findings", "--date", DAY, "--method", "E2", "--json").out)
    assert (len(told["findings"]), len(told["substitutes"])) == (0, 2)
    assert kwartier("validate", "findings", "--date", DAY, "--rule", "V8").err == f"nothing was found on {DAY}\n"
    ran = kwartier("validate", "findings", "--date", DAY, "--limit", "1")
    assert "of which 1 are shown" in ran.err


def test_a_day_that_was_never_validated_is_named(street: Street, kwartier: Command) -> None:
    for command in ("findings", "curve"):
        ran = kwartier("validate", command, "--date", DAY)
        assert ran.code == 1
        assert f"{DAY} was never validated" in ran.err
        assert "kwartier validate run" in ran.err
    assert kwartier("validate", "coverage", "--from", DAY, "--to", DAY + ONE_DAY).code == 1


def test_pictures_in_the_terminal_and_in_files(street: Street, kwartier: Command, tmp_path: Path) -> None:
    kwartier("validate", "run", "--date", DAY)
    ran = kwartier("validate", "coverage", "--from", DAY - timedelta(days=3), "--to", DAY + ONE_DAY)
    assert (ran.code, ran.out.count(f"{DAY}")) == (0, 1)
    assert "missing 96" in ran.out
    curve = kwartier("validate", "curve", "--date", DAY)
    assert "all connections" in curve.out
    one = kwartier("validate", "curve", "--date", DAY, "--ean", ean(1))
    assert "one connection" in one.out
    assert "missing import 0 quarters" in one.out
    for name, first in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.html", b"<!doctype html>")):
        ran = kwartier("validate", "curve", "--date", DAY, "--out", tmp_path / name)
        assert (ran.code, ran.out) == (0, "")
        assert (tmp_path / name).read_bytes().lower().startswith(first.lower())
    assert kwartier("validate", "curve", "--date", DAY, "--out", tmp_path / "a.bmp").code == 2


def by_hand(folder: Path, *cells: str) -> Path:
    """A file about two quarters of meter m2, from 10:00 on."""
    times = quarter_ends(DAY, DAY + ONE_DAY, ZONE)
    stamps = [datetime.fromtimestamp(int(one), ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%MZ") for one in times[41:43]]
    lines = [
        f"{ean(2)},m2,import_wh,{stamp},{wh},both saw the display" for stamp, wh in zip(stamps, (70, 80), strict=True)
    ]
    path = folder / "agreed.csv"
    path.write_text("\n".join(["ean,meter,channel,quarter,energy_wh,reason", *lines, *cells]) + "\n")
    return path


def test_volumes_are_agreed_on_by_two_and_stand_until_they_are_replaced(
    street: Street, kwartier: Command, tmp_path: Path
) -> None:
    kwartier("validate", "run", "--date", DAY)
    file = by_hand(tmp_path)
    ran = kwartier("validate", "manual", file)
    assert ran.code == 0
    name = ran.err.split()[3].rstrip(":")
    assert street.volumes(DAY)["m2"].kinds() == {Quality.MISSING}, "asking is not doing"
    assert "not-approved" in kwartier("validate", "manual", file, "--approval", name).err
    with open_home(street.home.path) as home:
        pairs_of(home.engine, home.settings).approve(name, PIET, at=int(datetime.now().timestamp()))
    ran = kwartier("validate", "manual", file, "--approval", name)
    assert (ran.code, "1 of 3 meters" in ran.err) == (0, True)
    row = street.volumes(DAY)["m2"]
    assert (row.wh()[40:42], row.qualities()[40:42]) == ([70, 80], [Quality.ESTIMATED] * 2)
    assert row.qualities().count(Quality.MISSING) == 94
    assert kwartier("validate", "manual", file, "--approval", name).code == 1, "it serves once"
    kwartier("validate", "run", "--date", DAY, "--whole")
    again = street.volumes(DAY)["m2"]
    assert again.wh()[40:42] == [70, 80], "and it holds when the day is looked at again"
    told = json.loads(kwartier("validate", "findings", "--date", DAY, "--method", "E8", "--json").out)
    assert [one["inputs"]["reason"] for one in told["substitutes"]] == ["both saw the display"]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (f"{ean(2)},m2,import_wh,2025-11-21T10:00Z,1,why", "2 local days"),
        (f"{ean(2)},m2,import_wh,2025-11-19T12:00Z,-1,why", "energy_wh"),
        (f"{ean(2)},m2,gas,2025-11-19T12:00Z,1,why", "channel"),
    ],
)
def test_a_file_that_cannot_be_agreed_on_is_refused(
    cells: str, said: str, street: Street, kwartier: Command, tmp_path: Path
) -> None:
    ran = kwartier("validate", "manual", by_hand(tmp_path, cells))
    assert ran.code == 2
    assert said in ran.err


def test_another_file_than_the_one_that_was_approved_is_not_taken(
    street: Street, kwartier: Command, tmp_path: Path
) -> None:
    kwartier("validate", "run", "--date", DAY)
    name = kwartier("validate", "manual", by_hand(tmp_path)).err.split()[3].rstrip(":")
    with open_home(street.home.path) as home:
        pairs_of(home.engine, home.settings).approve(name, PIET, at=int(datetime.now().timestamp()))
    file = by_hand(tmp_path, f"{ean(2)},m2,export_wh,2025-11-19T12:00Z,1,more")
    assert "other-operation" in kwartier("validate", "manual", file, "--approval", name).err
    assert street.volumes(DAY)["m2"].kinds() == {Quality.MISSING}
