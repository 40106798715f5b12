"""``kwartier init``."""

from pathlib import Path

import pytest

from tests.cli.command import run


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KWARTIER_MASTER_KEY", "KWARTIER_HOME", "KWARTIER_DATABASE"):
        monkeypatch.delenv(name, raising=False)


def contents(path: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in path.iterdir()}


def test_it_asks_nothing_and_says_what_it_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asks"))
    home = tmp_path / "home"
    ran = run("init", "--home", str(home), capsys=capsys, monkeypatch=monkeypatch)
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == f"{home}: made folder, database, master key, settings\n"


def test_running_it_again_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    run("init", "--home", str(home), capsys=capsys, monkeypatch=monkeypatch)
    before = contents(home)
    ran = run("init", "--home", str(home), capsys=capsys, monkeypatch=monkeypatch)
    assert ran.code == 0
    assert ran.err == f"{home}: everything is there already\n"
    assert contents(home) == before


def test_the_home_may_stand_before_or_after_the_command_or_in_the_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after, environment = (tmp_path / name for name in ("before", "after", "environment"))
    monkeypatch.setenv("KWARTIER_HOME", str(environment))
    for words in (("--home", str(before), "init"), ("init", "--home", str(after)), ("init",)):
        assert run(*words, capsys=capsys, monkeypatch=monkeypatch).code == 0
    assert all((home / "kwartier.toml").exists() for home in (before, after, environment))


def test_without_any_word_it_is_in_the_users_own_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run("init", capsys=capsys, monkeypatch=monkeypatch).code == 0
    assert (tmp_path / ".kwartier" / "kwartier.toml").exists()


@pytest.mark.parametrize("place", ["file", "file/home", "/proc/kwartier-home"])
def test_a_place_where_no_home_can_be_is_refused_in_one_sentence(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    ran = run("init", "--home", str(tmp_path / place), capsys=capsys, monkeypatch=monkeypatch)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1
    assert "[bad-home]" in ran.err
