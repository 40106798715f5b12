"""``kwartier keys``."""

import json
from pathlib import Path

import pytest

from kwartier.service.home import open_home
from tests.cli.command import Command
from tests.fleet.test_registry import row, write
from tests.living import new_home

EK, AK, KEK = "11" * 16, "22" * 16, "33" * 16
FULL = {"meter": "A", "kek": KEK, "ak": AK, "ek": EK}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "home"
    monkeypatch.setenv("KWARTIER_HOME", str(path))
    new_home(path)
    return path


@pytest.fixture
def kwartier(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(capsys, monkeypatch)


def status(kwartier: Command) -> dict[str, int]:
    found: dict[str, int] = json.loads(kwartier("keys", "status", "--json").out)
    return found


@pytest.mark.parametrize("keys_first", [True, False])
def test_keys_may_come_before_or_after_their_meters(keys_first: bool, kwartier: Command, tmp_path: Path) -> None:
    commands = [
        ("keys", "import", write(tmp_path / "keys.csv", FULL)),
        ("fleet", "import", write(tmp_path / "fleet.csv", row("A"))),
    ]
    for command in commands if keys_first else commands[::-1]:
        assert kwartier(*command).code == 0
    found = status(kwartier)
    assert (found["meters"], found["with_keys"], found["delivery"], found["without_meter"]) == (1, 1, 1, 0)


def test_keys_that_are_replaced_are_counted_as_such(kwartier: Command, home: Path, tmp_path: Path) -> None:
    kwartier("keys", "import", write(tmp_path / "a.csv", FULL))
    ran = kwartier("keys", "import", write(tmp_path / "b.csv", FULL, {**FULL, "meter": "B"}))
    assert ran.err == "b.csv: 1 new, 1 replaced, 0 refused\n"
    with open_home(home) as opened:
        assert [event.action for event in opened.keyring.events_of("A")] == ["imported", "replaced"]
        assert opened.keyring.events_of("A")[0].actor.startswith("os:")


def test_a_bad_row_is_named_without_what_stands_in_it(kwartier: Command, tmp_path: Path) -> None:
    ran = kwartier("keys", "import", write(tmp_path / "keys.csv", FULL, {**FULL, "meter": "B", "ak": "5EC4E7"}))
    assert (ran.code, ran.out) == (2, "")
    assert "keys.csv: 1 bad row: line 3, column ak: is not 32 hex digits" in ran.err
    assert "5EC4E7" not in ran.err
    assert status(kwartier)["without_meter"] == 0


def test_refused_rows_are_kept_without_their_keys(kwartier: Command, tmp_path: Path) -> None:
    path = write(tmp_path / "keys.csv", FULL, {**FULL, "meter": "B", "ak": "5EC4E7"})
    ran = kwartier("keys", "import", path, "--skip-bad")
    assert ran.code == 0
    assert "1 new, 0 replaced, 1 refused" in ran.err
    aside = tmp_path / "keys.csv.refused.csv"
    assert f"refused rows are in {aside}, without their keys" in ran.err
    text = aside.read_text()
    assert "B" in text
    assert not any(secret in text for secret in ("5EC4E7", EK, AK, KEK))


def test_the_table_for_people_has_the_same_numbers(kwartier: Command, tmp_path: Path) -> None:
    kwartier("keys", "import", write(tmp_path / "keys.csv", FULL))
    lines = [line.split() for line in kwartier("keys", "status").out.splitlines()]
    assert {" ".join(words[:-1]): int(words[-1]) for words in lines} == {
        name.replace("_", " "): count for name, count in status(kwartier).items()
    }


def test_no_command_of_the_group_prints_a_key(kwartier: Command) -> None:
    """There are two, and neither has a way to: whoever adds one has to think about this line."""
    words = kwartier("keys", "--help").out.split()
    assert {"import", "status"} <= set(words)
    assert not {"show", "export", "dump", "print", "get"} & set(words)
