"""``kwartier simulate fleet``: a process that listens, writes its files, says so and stays quiet until it is told to end."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kwartier.fleet.ean import read_ean
from kwartier.service.rehearsal import nights
from kwartier.service.rehearsal.nights import Outcome, Script, rehearse
from kwartier.simulate import truth
from tests.cli.command import run
from tests.conftest import ROOT
from tests.service.rehearsal.test_nights import SHORT_MINUTES
from tests.simulate.visiting import rows

READY_S = 60.0


def started(out: Path, *words: str) -> tuple[subprocess.Popen[str], str]:
    """The command as a process of its own, and the line that it says first."""
    command = [sys.executable, "-m", "kwartier", "simulate", "fleet", "--out", str(out), *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    return process, process.stdout.readline()


def ended(process: subprocess.Popen[str], how: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
    process.send_signal(how)
    out, err = process.communicate(timeout=READY_S)
    return process.returncode, out, err


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_says_ready_after_its_last_file_and_ends_quietly(tmp_path: Path, how: signal.Signals) -> None:
    out = tmp_path / "new" / "fleet"
    process, line = started(out, "--meters", "5", "--seed", "3", "--faults", "none")
    assert line == "READY 5\n"
    assert sorted(one.name for one in out.iterdir()) == ["fleet.csv", "keys.csv", "modules.csv", "truth.json"]
    assert ended(process, how) == (0, "", "")
    fleet, keys, modules = (rows(out / name) for name in ("fleet.csv", "keys.csv", "modules.csv"))
    names = ["noord-000001", "zuid-000002", "noord-000003", "zuid-000004", "noord-000005"]
    assert [row["meter"] for row in fleet] == [row["meter"] for row in keys] == names
    assert all(read_ean(row["ean"]).startswith("20") for row in fleet)
    assert {row["origin"] for row in keys} == {"operator"}
    assert [(row["meter"], row["kind"]) for row in modules[:2]] == [(names[0], "metering"), (names[0], "communication")]
    assert {row["supplier"] for row in modules} == {"Noord", "Zuid"}
    assert all(
        row[name] for row in fleet for name in ("brp", "grid_area", "supplier", "cell", "transformer", "capacity")
    )
    assert stat.S_IMODE((out / "keys.csv").stat().st_mode) == 0o600
    found = truth.load(out)
    assert list(found.meters()) == names
    assert [found.ean(name) for name in names] == [row["ean"] for row in fleet]


def test_the_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    words = ("--meters", "40", "--seed", "9", "--delivery", "--clock", "2026-03-06T00:30+01:00")
    for name in ("one", "two"):
        process, line = started(tmp_path / name, *words)
        assert line == "READY 40\n"
        assert ended(process)[0] == 0
    one, two = tmp_path / "one", tmp_path / "two"
    for name in ("keys.csv", "modules.csv", "truth.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    without_port = [[{**row, "port": ""} for row in rows(folder / "fleet.csv")] for folder in (one, two)]
    assert without_port[0] == without_port[1]
    assert {row["origin"] for row in rows(one / "keys.csv")} == {"delivery"}
    clock = truth.load(one).clock
    assert clock is not None
    assert clock.isoformat() == "2026-03-06T00:30:00+01:00"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--clock", "now"), "--clock"),
        (("--clock", "2026-03-06T00:30"), "offset"),
        (("--latency", "pigeon"), "lte-m"),
        (("--faults", "nowhere.toml"), "nowhere.toml"),
    ],
)
def test_wrong_usage_is_said_in_a_sentence(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    process, line = started(tmp_path, "--meters", "2", *words)
    assert line == ""
    code, _, err = ended(process)
    assert code == 2
    assert said in err
    assert not list(tmp_path.iterdir())


def test_a_rehearsed_night_is_told_step_by_step_and_as_a_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def sooner(script: Script, *, show: Callable[[str], None]) -> Outcome:
        return rehearse(replace(script, window_minutes=SHORT_MINUTES), show=show)

    monkeypatch.setattr(nights, "rehearse", sooner)
    words = ("simulate", "night", "--seed", "11", "--meters", "64", "--days", "1", "--json", "--steps")
    ran = run(*words, capsys=capsys, monkeypatch=monkeypatch)
    table = json.loads(ran.out)
    assert (ran.code, table["broken"], table["meter_nights"]) == (0, [], 64)
    assert ran.err.count("\n") == table["steps"] > 100
