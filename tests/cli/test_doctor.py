"""``kwartier doctor``."""

import json
from pathlib import Path

import pytest

from tests.cli.command import run
from tests.living import new_home


def test_a_home_that_is_well_gives_zero_and_one_line_a_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    new_home(tmp_path / "home")
    words = ("--home", str(tmp_path / "home"), "doctor")
    ran = run(*words, "--json", capsys=capsys, monkeypatch=monkeypatch)
    assert (ran.code, ran.err) == (0, "")
    checks = json.loads(ran.out)["checks"]
    assert all(set(check) == {"name", "state", "detail", "advice", "count"} for check in checks)
    assert {"keys of origin delivery": 0}.items() <= {check["name"]: check["count"] for check in checks}.items()
    ran = run(*words, capsys=capsys, monkeypatch=monkeypatch)
    assert ran.code == 0
    assert [line.split()[0] for line in ran.out.splitlines()] == [check["state"] for check in checks]


def test_a_home_that_fails_gives_one_and_says_what_to_do_on_stdout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    new_home(tmp_path / "home")
    (tmp_path / "home" / "master.key").chmod(0o644)
    words = ("doctor", "--home", str(tmp_path / "home"))
    ran = run(*words, capsys=capsys, monkeypatch=monkeypatch)
    assert (ran.code, ran.err) == (1, "")
    assert "[open-master-key]" in ran.out
    assert "chmod 600" in ran.out
    ran = run(*words, "--json", capsys=capsys, monkeypatch=monkeypatch)
    assert ran.code == 1
    assert [one["name"] for one in json.loads(ran.out)["checks"] if one["state"] == "fail"] == ["master key"]


def test_a_path_with_brackets_is_printed_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "[red]home[/]"
    new_home(home)
    ran = run("doctor", "--home", str(home), capsys=capsys, monkeypatch=monkeypatch)
    assert str(home) in ran.out
