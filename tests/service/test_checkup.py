"""What `doctor` finds."""

import csv
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from kwartier.keys.counters import WARN_COUNTER, CounterKey
from kwartier.keys.vault import ENVIRONMENT, FILE_NAME
from kwartier.service.checkup import FAIL, OK, WARN, Check, checkup
from kwartier.service.files import MOST_KEPT_BYTES, room_for
from kwartier.service.home import DATABASE_FILE, open_home
from tests.audit.test_witness import serving
from tests.fleet.test_registry import row
from tests.fleet.test_registry import write as write_rows
from tests.living import new_home

KEYS = {"kek": "11" * 16, "ak": "22" * 16}


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (ENVIRONMENT, "KWARTIER_HOME", "KWARTIER_DATABASE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    new_home(path)
    return path


def states(path: Path) -> dict[str, str]:
    return {check.name: check.state for check in checkup(path)}


def check(path: Path, name: str) -> Check:
    found = [one for one in checkup(path) if one.name == name]
    assert len(found) == 1, f"one line for {name}"
    return found[0]


def test_a_new_home_is_well_in_every_respect(home: Path) -> None:
    names = [
        "home",
        "master key",
        "settings",
        "database",
        "title",
        "disk",
        "encryption",
        "audit log",
        "companions",
        "meters",
        "meters without keys",
    ]
    names += ["keys of origin delivery", "counters near their end", "open files", "time zones", "system clock"]
    found = states(home)
    assert list(found) == names
    for name in ("disk", "open files", "system clock"):
        found.pop(name)  # depends on the machine
    assert set(found.values()) == {OK}


def test_a_folder_without_an_installation_fails_and_says_what_to_do(tmp_path: Path) -> None:
    found = check(tmp_path / "nothing", "home")
    assert found.state == FAIL
    assert "kwartier init" in found.advice


def test_a_home_that_others_can_enter_is_warned_of(home: Path) -> None:
    home.chmod(0o755)
    found = check(home, "home")
    assert found.state == WARN
    assert "chmod" in found.advice


def test_a_master_key_that_others_can_read_fails(home: Path) -> None:
    (home / FILE_NAME).chmod(0o644)
    found = check(home, "master key")
    assert found.state == FAIL
    assert "0644" in found.detail
    assert "chmod 600" in found.advice


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lambda home: (home / FILE_NAME).unlink(), "master key"),
        (lambda home: (home / FILE_NAME).write_text("nonsense"), "master key"),
        (lambda home: (home / FILE_NAME).write_text("ab" * 32), "master key"),
        (lambda home: (home / DATABASE_FILE).unlink(), "database"),
        (lambda home: (home / DATABASE_FILE).write_bytes(b"nonsense" * 1000), "database"),
        (lambda home: (home / "kwartier.toml").write_text("x = 1"), "settings"),
        (lambda home: (home / "kwartier.toml").unlink(), "home"),
    ],
    ids=["no key", "bad key", "wrong key", "no database", "bad database", "bad settings", "no settings"],
)
def test_what_keeps_a_home_from_opening_is_the_check_that_fails(
    spoil: Callable[[Path], object], name: str, home: Path
) -> None:
    spoil(home)
    found = check(home, name)
    assert found.state == FAIL
    assert found.advice
    assert [one for one, state in states(home).items() if state == FAIL] == [name]


def test_a_master_key_from_the_environment_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, "ab" * 32)
    new_home(tmp_path / "home")
    found = check(tmp_path / "home", "master key")
    assert (found.state, found.detail) == (OK, f"from {ENVIRONMENT}")


def test_keys_are_counted_by_where_they_come_from(home: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.csv"
    with keys.open("w", newline="") as out:
        writer = csv.DictWriter(out, ["meter", "kek", "ak", "ek", "origin", "counter"])
        writer.writeheader()
        for number, origin in enumerate(("delivery", "", "operator")):
            writer.writerow({**KEYS, "meter": f"M{number}", "ek": f"{number:032x}", "origin": origin, "counter": 5})
        writer.writerow({**KEYS, "meter": "M9", "ek": "99" * 16, "counter": WARN_COUNTER})
    with open_home(home) as opened:
        opened.registry.import_file(write_rows(tmp_path / "fleet.csv", *(row(f"M{n}") for n in range(5))), at=0)
        opened.keyring.import_file(keys, at=0, actor="os:test", own_title=opened.settings.own_title)
    for name, count, state in (
        ("meters", 5, OK),
        ("meters without keys", 2, WARN),
        ("keys of origin delivery", 2, WARN),
        ("counters near their end", 1, WARN),
    ):
        found = check(home, name)
        assert (found.count, found.detail, found.state) == (count, str(count), state)


def test_a_companion_of_the_installation_that_cannot_be_used_fails(home: Path) -> None:
    (home / "companions").mkdir()
    (home / "companions" / "own.toml").write_text("nonsense")
    found = check(home, "companions")
    assert found.state == FAIL
    assert "own" in found.detail


@pytest.mark.parametrize(("hard", "state"), [(100, WARN), (20_000, OK), (resource.RLIM_INFINITY, OK)])
def test_too_few_open_files_are_warned_of(hard: int, state: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kwartier.service.files.resource.getrlimit", lambda _which: (100, hard))
    assert check(home, "open files").state == state


def test_a_home_that_shares_a_database_and_not_its_title_is_warned_of(home: Path) -> None:
    assert check(home, "title").state == OK
    with open_home(home) as opened:
        opened.keyring.counters.reserve(CounterKey(ek_fingerprint="00" * 16, title="4b57540000000001"), 1)
    found = check(home, "title")
    assert (found.state, "4b57540000000001" in found.detail) == (WARN, True)
    assert "kwartier.toml" in found.advice


@pytest.mark.parametrize(("free", "state"), [(60, OK), (50, WARN), (0, WARN)])
def test_a_disk_that_is_nearly_full_is_warned_of(
    home: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    usage = SimpleNamespace(total=1_000, used=0, free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert check(home, "disk").state == state


def test_of_a_large_disk_no_more_is_kept_than_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = SimpleNamespace(total=1 << 50, used=0, free=MOST_KEPT_BYTES + 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert room_for(tmp_path / "not" / "there").is_enough


def test_a_log_without_a_witness_or_whose_witness_is_away_is_warned_of(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_home(home) as opened:
        opened.log.append([b"one"])
        key = opened.log.opened().key
    assert "without a witness" in check(home, "audit log").detail
    with serving(tmp_path / "witness", key) as (witness, address):
        monkeypatch.setenv("KWARTIER_AUDIT_WITNESS", address)
        monkeypatch.setenv("KWARTIER_AUDIT_WITNESS_KEY", str(witness.key))
        found = check(home, "audit log")
        assert (found.state, "is not signed by" in found.detail) == (WARN, True), "that one is older than the witness"
        with open_home(home) as opened:
            opened.log.append([b"two"])
        found = check(home, "audit log")
        assert (found.state, witness.key.name in found.detail) == (OK, True)
    with open_home(home) as opened:
        opened.log.append([b"three"])
    assert check(home, "audit log").state == WARN
    monkeypatch.setenv("KWARTIER_AUDIT_WITNESS_KEY", "")
    assert check(home, "audit log").state == FAIL


def test_readings_that_lie_open_are_warned_of_with_who_decided_it(home: Path) -> None:
    with (home / "kwartier.toml").open("a") as out:
        out.write('encryption = "none"\nencryption_decision = "the board, 2026-11-26"\n')
    found = check(home, "encryption")
    assert (found.state, "the board, 2026-11-26" in found.detail) == (WARN, True)
