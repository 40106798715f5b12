"""The one place where errors become a sentence and an exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kwartier import __version__
from kwartier.errors import (
    Denied,
    InputError,
    KwartierError,
    LinkLost,
    SecurityError,
    StateError,
    WireError,
    explanations,
)
from tests.cli.command import Ran, run
from tests.conftest import skip_unless


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> "type[Failing]":
    Failing.context = (monkeypatch, capsys, tmp_path)
    return Failing


class Failing:
    """``kwartier init``, which raises what it is told to."""

    context: tuple[pytest.MonkeyPatch, pytest.CaptureFixture[str], Path]

    @classmethod
    def with_error(cls, error: BaseException) -> Ran:
        monkeypatch, capsys, folder = cls.context

        def fail(_path: Path) -> list[str]:
            raise error

        monkeypatch.setattr("kwartier.service.home.create_home", fail)
        return run("init", "--home", str(folder / "home"), capsys=capsys, monkeypatch=monkeypatch)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("bad-settings", "it"), 2),
        (SecurityError("bad-tag", "it"), 1),
        (WireError("truncated", "it"), 1),
        (LinkLost("peer-closed", "it"), 1),
        (StateError("no-keys", "it"), 1),
        (Denied("no-row-of-this-name", "it"), 1),
    ],
)
def test_an_error_is_one_sentence_and_its_exit_code(error: KwartierError, code: int, failing: type[Failing]) -> None:
    ran = failing.with_error(error)
    assert (ran.code, ran.out) == (code, "")
    assert ran.err == f"kwartier: {error.sentence()}\n"
    assert ran.err.endswith(f"[{error.code}]\n")


def test_a_mistake_of_ours_is_a_sentence_without_a_traceback_and_without_values(
    failing: type[Failing], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KWARTIER_DEBUG", raising=False)
    ran = failing.with_error(ValueError("SECRET"))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("\n") == 1
    assert "ValueError in test_main.py, line " in ran.err
    assert explanations()["internal-error"].advice in ran.err
    assert "SECRET" not in ran.err
    assert "Traceback" not in ran.err


def test_bytes_that_are_no_text_are_wrong_usage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = run("fleet", "show", os.fsdecode(b"caf\xe9"), capsys=capsys, monkeypatch=monkeypatch)
    assert ran.code == 2
    assert "caf\\udce9" in ran.err
    assert "[bad-argument]" in ran.err


def test_a_traceback_is_shown_to_who_asks_for_it(failing: type[Failing], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KWARTIER_DEBUG", "1")
    ran = failing.with_error(ValueError("why"))
    assert ran.code == 1
    assert "Traceback" in ran.err


def test_an_interruption_has_the_shells_code_and_no_traceback(failing: type[Failing]) -> None:
    ran = failing.with_error(KeyboardInterrupt())
    assert ran.code == 130
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "words", [("nosuch",), ("fleet", "nosuch"), ("init", "--nosuch"), ("fleet", "show"), ("keys", "import")]
)
def test_wrong_usage_is_two(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = run(*words, capsys=capsys, monkeypatch=monkeypatch)
    assert (ran.code, ran.out) == (2, "")
    assert "Usage" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("fleet", "--help"), ("doctor", "-h")])
def test_help_is_there_wherever_it_is_asked_for(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = run(*words, capsys=capsys, monkeypatch=monkeypatch)
    assert "Usage" in ran.out + ran.err
    assert ran.code == (0 if words else 2)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    ran = run("--version", capsys=capsys, monkeypatch=monkeypatch)
    assert (ran.code, ran.out) == (0, f"kwartier {__version__}\n")


def test_the_homes_on_the_command_line_come_before_the_environment_and_the_last_one_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment, before, after = (tmp_path / name for name in ("environment", "before", "after"))
    monkeypatch.setenv("KWARTIER_HOME", str(environment))
    run("--home", str(before), "init", capsys=capsys, monkeypatch=monkeypatch)
    assert [one.name for one in tmp_path.iterdir()] == ["before"]
    run("--home", str(environment), "init", "--home", str(after), capsys=capsys, monkeypatch=monkeypatch)
    assert {one.name for one in tmp_path.iterdir()} == {"before", "after"}


def test_the_home_before_one_command_is_not_remembered_for_the_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KWARTIER_HOME", str(tmp_path / "own"))
    run("--home", str(tmp_path / "other"), "init", capsys=capsys, monkeypatch=monkeypatch)
    ran = run("init", capsys=capsys, monkeypatch=monkeypatch)
    assert str(tmp_path / "own") in ran.err


def test_a_reader_that_leaves_early_is_no_error_to_speak_of(tmp_path: Path) -> None:
    """``kwartier ... | head -0``: nothing on stderr, whatever was still to be written."""
    environment = {**os.environ, "KWARTIER_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-m", "kwartier", "init"], env=environment, check=True, capture_output=True)
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "kwartier", "fleet", "list", "--json"],
            env=environment,
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.stderr == ""
    assert done.returncode in (0, 1)


def test_the_demonstration_too_takes_the_home_that_stands_before_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KWARTIER_HOME", raising=False)
    words = ("--home", str(tmp_path / "home"), "demo", "--meters", "1", "--no-serve", "--households", "absent")
    ran = run(*words, capsys=capsys, monkeypatch=monkeypatch)
    assert ran.code == 0, ran.err
    assert (tmp_path / "home" / "kwartier.toml").exists()


def test_output_that_finds_no_room_is_said_and_no_mistake_of_ours() -> None:
    full = Path("/dev/full")
    skip_unless(full.exists(), "there is no /dev/full here")
    with full.open("w") as out:
        words = [sys.executable, "-m", "kwartier", "decode", "7EA00703037382F67E", "--json"]
        ran = subprocess.run(words, stdout=out, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert ran.returncode == 1
    assert "[no-space]" in ran.stderr
    assert ran.stderr.count("\n") == 1
