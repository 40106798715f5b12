"""``kwartier gate`` and ``kwartier sums`` as they are typed: why not, use cases, mandates, and what takes two."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.command import Ran, run
from tests.fleet.test_registry import ean, row, write
from tests.living import new_home

TODAY = datetime.now(UTC).date()
CASE = """id = "voltage-north"
title = "Voltage in the north"
problem = "Voltage leaves its band."
necessity = "Without it nobody knows why."
subsidiarity = "Nothing else tells."
proportionality = "Sums are enough."
assessor = "privacy experts"
dpia = "DPIA-7"
channels = ["import_wh"]
resolution = "day"
area = ""
valid_from = 2026-01-01
valid_to = {end}
"""
Command = Callable[..., Ran]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Commands in a home with one connection."""
    home = tmp_path / "home"
    new_home(home)
    monkeypatch.setenv("KWARTIER_HOME", str(home))

    def ran(*words: object) -> Ran:
        return run(*map(str, words), capsys=capsys, monkeypatch=monkeypatch)

    assert ran("fleet", "import", write(tmp_path / "fleet.csv", row("A"))).code == 0
    return ran


def test_each_rule_is_told_with_its_article_and_the_exit_code_says_whether(command: Command) -> None:
    ran = command("gate", "explain", "settlement")
    assert ran.code == 0
    assert "granted" in ran.err
    assert "wrong-role" in ran.out
    ran = command("gate", "explain", "statistics", "--connection", ean(1), "--json")
    assert ran.code == 1
    told = json.loads(ran.out)
    assert (told["allowed"], told["rule"], told["steps"][-1]["rule"]) == (False, "only-sums", "only-sums")
    assert command("gate", "explain", "curiosity").code == 1
    assert "not-read-out" in command("gate", "explain", "settlement", "--from-meter", "--json").out


def test_a_use_case_is_registered_whole_listed_and_ended(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    path.write_text(CASE.format(end=TODAY + timedelta(days=30)))
    assert command("gate", "use-case", path).code == 0
    (listed,) = json.loads(command("gate", "use-cases", "--json").out)
    assert (listed["id"], listed["channels"], listed["ended"]) == ("voltage-north", ["import_wh"], False)
    assert command("gate", "explain", "grid-operation", "--use-case", "voltage-north").code == 1, "it goes down to days"
    day = ("--use-case", "voltage-north", "--resolution", "day")
    assert "export_wh" in command("gate", "explain", "grid-operation", *day).err
    assert command("gate", "use-case", "--end", "voltage-north").code == 0
    assert "is over" in command("gate", "explain", "grid-operation", *day).err
    for text, code in (("nonsense", "unreadable-file"), (CASE.format(end=TODAY) + 'more = "x"\n', "bad-use-case")):
        path.write_text(text)
        ran = command("gate", "use-case", path)
        assert (ran.code, ran.out) == (2, "")
        assert f"[{code}]" in ran.err


def test_a_mandate_is_given_for_a_connection_that_there_is_and_withdrawn(command: Command) -> None:
    ran = command("gate", "mandate", ean(1), "--holder", "oidc:desk:7")
    assert ran.code == 0
    assert command("gate", "mandate", ean(1), "--withdraw", ran.out.strip()).code == 0
    assert "[bad-mandate]" in command("gate", "mandate", ean(1), "--withdraw", ran.out.strip()).err
    assert "[unknown-connection]" in command("gate", "mandate", ean(9), "--holder", "oidc:desk:7").err
    assert "[bad-mandate]" in command("gate", "mandate", ean(1)).err


def test_what_takes_two_is_asked_for_and_nobody_approves_of_their_own(command: Command) -> None:
    words = ("fraud-case", "--connection", ean(1), "--from", TODAY - timedelta(days=3), "--to", TODAY)
    ran = command("gate", "ask", *words, "--reason", "seal broken")
    assert ran.code == 0
    name = ran.out.strip()
    (pending,) = json.loads(command("access", "pending", "--json").out)
    assert (pending["id"], "seal broken" in pending["text"]) == (name, True)
    assert "[same-actor]" in command("access", "approve", name).err
    ran = command("gate", "explain", *words, "--approval", name)
    assert (ran.code, "nobody else has approved" in ran.err) == (1, True)


def test_sums_are_shown_for_a_purpose_only(command: Command) -> None:
    words = ("sums", "--date", TODAY - timedelta(days=1), "--by", "grid_area")
    assert "[no-purpose]" in command(*words).err
    assert "[only-sums]" in command(*words, "--purpose", "validation").err
    ran = command(*words, "--purpose", "settlement", "--json")
    assert ran.code == 0
    assert [one["connections"] for one in json.loads(ran.out)["sums"]] == [1, 1]
