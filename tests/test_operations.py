"""What the page for operators and the units say exists, and the backup script does what it says."""

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kwartier.service.alerting.conditions import meanings
from kwartier.service.night_control import KILLED_S
from kwartier.service.settings import Settings, defaults
from kwartier.web.serving import LAST_S
from tests.cli.command import run
from tests.conftest import ROOT, skip_unless
from tests.living import new_home

PAGE = ROOT / "docs" / "operations.md"
UNITS = ROOT / "docs" / "systemd"
INSTALLED = "/opt/kwartier/bin/"
SERVICES = sorted(UNITS.glob("*.service"))
TIMERS = sorted(UNITS.glob("*.timer"))
HARDENED = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "CapabilityBoundingSet": "",
    "LoadCredential": "master.key:/etc/kwartier/master.key",
    "User": "kwartier",
    "UMask": "0077",
    "LimitCORE": "0",
}
WITNESS, PROGRAM = "kwartier-witness", "kwartier"
SCRIPT_S = 60
LATELY = ("2026-03-01", "2026-03-02")
PUBLISHED = (
    ("2026-02-01", "published", "2020-01-01T00:00:00Z"),
    ("2026-02-02", "held", "2100-01-01T00:00:00Z"),
    *((day, "published", "2100-01-01T00:00:00Z") for day in (*LATELY, LATELY[0])),
)
"""Versions, some made long ago and some just now: the days of the latter are told, each once."""


def written(page: Path) -> Iterator[str]:
    """Every command of ours that a page names: in its consoles, and in the middle of a sentence."""
    text = page.read_text("utf-8")
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        yield from re.findall(r"^\$ (?:\w+=\S+ )*kwartier (.*)$", block, re.MULTILINE)
    yield from re.findall(r"`kwartier ([^`]*)`", text)
    yield from re.findall(r"kwartier-with-key ([^`]*)`", text)


Complaint = Callable[[str], str]


@pytest.fixture
def complaint(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Complaint:
    """What the program says of a command and its options when it is only asked what they mean; empty: it knows them."""

    def ask(line: str) -> str:
        ran = run(*shlex.split(line), "--help", capsys=capsys, monkeypatch=monkeypatch)
        if ran.code:
            return ran.err
        return f"`{line}` is no whole command" if "COMMAND [ARGS]" in ran.out else ""

    return ask


def unit(path: Path) -> dict[str, dict[str, str]]:
    """The sections of a unit."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # keys of units have capitals
    parser.read_string(path.read_text("utf-8"))
    return {name: dict(parser[name]) for name in parser.sections()}


def test_every_command_of_the_page_exists_with_its_options(complaint: Complaint) -> None:
    lines = sorted(set(written(PAGE)))
    assert len(lines) > 10
    assert [f"{line}: {said}" for line in lines if (said := complaint(line))] == []


@pytest.mark.parametrize("line", ["night start", "night run --quickly", "nights", "night"])
def test_a_command_that_does_not_exist_is_found(complaint: Complaint, line: str) -> None:
    assert complaint(line)


def test_every_setting_of_the_page_exists() -> None:
    text = PAGE.read_text("utf-8")
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)*) = ", text))
    assert len(named) > 3
    assert named <= set(Settings.model_fields)


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_a_unit_runs_a_command_that_exists_and_has_no_right_that_it_does_not_need(
    complaint: Complaint, path: Path
) -> None:
    service = unit(path)["Service"]
    program, *words = shlex.split(service["ExecStart"])
    assert program.startswith(INSTALLED)
    name = program.removeprefix(INSTALLED)
    assert name == PROGRAM or os.access(UNITS / name, os.X_OK)
    if name == "kwartier-with-key":
        assert complaint(shlex.join(words)) == ""
    if path.stem == WITNESS:  # it has no key of the installation, and no clock to ask
        assert service["User"] == WITNESS
        others = {key: value for key, value in HARDENED.items() if key not in ("LoadCredential", "User")}
        assert {key: service.get(key) for key in HARDENED} == {**others, "LoadCredential": None, "User": WITNESS}
        return
    assert {key: service.get(key) for key in HARDENED} == HARDENED
    assert "ProtectClock" not in service
    assert "adjtimex" in service["SystemCallFilter"]


def test_a_night_has_the_time_to_end_and_the_files_to_open() -> None:
    service, settings = unit(UNITS / "kwartier-night.service")["Service"], defaults()
    assert int(service["TimeoutStopSec"]) >= settings.visit_deadline_s + 60
    assert int(service["LimitNOFILE"]) >= 2 * settings.open_visits
    assert service["KillMode"] == "mixed"


def test_the_console_has_the_time_to_end_and_a_night_of_its_own_the_files_to_open() -> None:
    service = unit(UNITS / "kwartier-serve.service")["Service"]
    assert int(service["TimeoutStopSec"]) > max(LAST_S, KILLED_S) + 5
    assert service["LimitNOFILE"] == unit(UNITS / "kwartier-night.service")["Service"]["LimitNOFILE"]
    assert (service["KillMode"], service["Restart"]) == ("mixed", "on-failure")


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_the_page_has_a_row_for_each_unit(path: Path) -> None:
    assert f"| `{path.stem}` |" in PAGE.read_text("utf-8")


@pytest.mark.parametrize("path", TIMERS, ids=lambda path: path.stem)
def test_a_timer_starts_a_unit_by_the_clocks_at_the_connections(path: Path) -> None:
    assert path.with_suffix(".service").exists()
    assert unit(path)["Timer"]["OnCalendar"].endswith(" Europe/Amsterdam")


def test_the_units_are_what_the_service_manager_understands(tmp_path: Path) -> None:
    skip_unless(shutil.which("systemd-analyze") is not None, "systemd-analyze is not installed")
    for path in (*SERVICES, *TIMERS):
        text = path.read_text("utf-8").replace(f"{INSTALLED}{PROGRAM} ", f"{sys.executable} ")
        text = text.replace(INSTALLED, f"{UNITS}/")
        (tmp_path / path.name).write_text(text, "utf-8")
    words = ["systemd-analyze", "verify", "--man=no", "--generators=no", *map(str, sorted(tmp_path.iterdir()))]
    found = subprocess.run(words, check=False, capture_output=True, text=True, timeout=SCRIPT_S)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_the_backup_script_makes_a_backup_with_the_key_elsewhere_and_drops_old_ones(tmp_path: Path) -> None:
    home, credentials, backups = tmp_path / "home", tmp_path / "credentials", tmp_path / "backups"
    new_home(home)
    credentials.mkdir()
    (home / "master.key").rename(credentials / "master.key")
    old, other = backups / "2020-01-01-073000", backups / "readme"
    for folder in (old, other, backups / "unfinished"):
        folder.mkdir(parents=True)
    for folder in (old, other):
        os.utime(folder, (0, 0))
    program = tmp_path / "kwartier"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kwartier "$@"\n', "utf-8")
    program.chmod(0o700)
    environment = {
        **os.environ,
        "KWARTIER": f"{program}",
        "KWARTIER_HOME": f"{home}",
        "CREDENTIALS_DIRECTORY": f"{credentials}",
    }
    for _ in range(2):  # also where one was broken off before
        words = [f"{UNITS / 'kwartier-backup'}", f"{backups}", "14"]
        ran = subprocess.run(words, check=False, capture_output=True, text=True, timeout=SCRIPT_S, env=environment)
        assert ran.returncode == 0, ran.stderr
        made = [one for one in backups.iterdir() if one not in {old, other}]
        assert len(made) == 1
        assert (made[0] / "manifest.json").exists()
        assert not (made[0] / "master.key").exists()
        assert not old.exists()
        assert other.exists()
        made[0].rename(backups / "unfinished")


@pytest.mark.parametrize(("falls_short", "code"), [("", 0), ("settle run", 1), ("export validated", 1)])
def test_the_daily_script_tells_what_was_published_lately_whatever_else_falls_short(
    tmp_path: Path, falls_short: str, code: int
) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "master.key").write_text("00" * 32, "utf-8")
    lines = ["date version name state made", *(f"{day} 1 D+1 {state} {made}" for day, state, made in PUBLISHED)]
    (tmp_path / "versions").write_text("\n".join(lines) + "\n", "utf-8")
    program = tmp_path / "kwartier"
    program.write_text(
        f'''#!/bin/sh
echo "$*" >> {tmp_path}/asked
test "$1 $2" = "settle versions" && cat {tmp_path}/versions
test "$1 $2" != "{falls_short}"
''',
        "utf-8",
    )
    program.chmod(0o700)
    environment = {**os.environ, "KWARTIER": f"{program}", "CREDENTIALS_DIRECTORY": f"{tmp_path / 'credentials'}"}
    words = [f"{UNITS / 'kwartier-settle'}", "2"]
    ran = subprocess.run(words, check=False, capture_output=True, text=True, timeout=SCRIPT_S, env=environment)
    assert (ran.returncode, ran.stderr) == (code, "")
    asked = [line.partition(" --reason")[0] for line in (tmp_path / "asked").read_text("utf-8").splitlines()]
    told = [f"export {kind} --date {day}" for day in LATELY for kind in ("validated", "aggregated", "account")]
    assert asked == ["validate run", "settle run", "settle versions", *told]


def test_each_alert_has_a_place_in_the_runbook_that_says_what_to_look_at_what_to_do_and_when_it_ends() -> None:
    _, _, runbook = PAGE.read_text("utf-8").partition("\n## Runbook\n")
    places = dict(re.findall(r"^### (\S+)\n(.*?)(?=^### |\Z)", runbook, re.DOTALL | re.MULTILINE))
    assert set(places) == set(meanings())
    for code, text in places.items():
        assert all(f"\n*{part}*" in text for part in ("Look", "Do", "Ends")), code
