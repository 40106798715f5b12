"""``kwartier demo``: something that lives, from nothing."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import run


def test_without_a_home_it_uses_one_for_the_time_being(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KWARTIER_HOME", raising=False)
    ran = run("demo", "--no-serve", "--households", "absent", capsys=capsys, monkeypatch=monkeypatch)
    assert ran.code == 0, ran.err
    assert ran.out.count("equal to what the household really used") == 3
    assert "Noord" in ran.out
    assert "Zuid" in ran.out
    assert "3 of 3 meters read" in ran.err


def test_the_home_that_it_is_given_stays_usable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "not" / "there" / "yet"
    monkeypatch.setenv("KWARTIER_HOME", str(home))
    for _ in range(2):  # again with the same meters, whose counters go on
        ran = run("demo", "--meters", "2", "--no-serve", "--seed", "7", capsys=capsys, monkeypatch=monkeypatch)
        assert ran.code == 0, ran.err
    listed = run("fleet", "list", "--json", capsys=capsys, monkeypatch=monkeypatch)
    assert '"meter": "noord-000001"' in listed.out
    assert run("doctor", capsys=capsys, monkeypatch=monkeypatch).code == 0


def test_a_terminal_that_knows_ascii_only_sees_question_marks_and_no_error(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "KWARTIER_HOME": str(tmp_path / "home")}
    words = [sys.executable, "-m", "kwartier", "demo", "--no-serve", "--meters", "1", "--households", "absent"]
    ran = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "equal to what the household really used" in ran.stdout


def test_a_port_that_is_taken_is_wrong_usage_and_no_mistake_of_ours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KWARTIER_HOME", str(tmp_path / "home"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = run("demo", "--no-serve", "--port", str(port), capsys=capsys, monkeypatch=monkeypatch)
    assert (ran.code, ran.out) == (2, "")
    assert f"port {port}" in ran.err
    assert "[port-in-use]" in ran.err
