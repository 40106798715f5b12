"""``kwartier demo``: something that lives, from nothing."""

import json
import os
import re
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
    words = ("demo", "--no-serve", "--meters", "200", "--households", "absent")
    ran = run(*words, capsys=capsys, monkeypatch=monkeypatch)
    assert ran.code == 0, ran.err
    assert "every one is what the meter counted" in ran.out
    assert re.search(r"coverage of installed +9\d\.\d+%", ran.out)
    assert sum(set("▃▄▅▆▇") <= set(line) for line in ran.out.splitlines()) == 2
    assert re.search(r"19\d of 200 meters read", ran.err)
    assert re.search(r"validated: 19\d\d\d measured, ", ran.out)
    residual = [line.split() for line in ran.out.splitlines() if line.endswith("to the watt-hour")]
    assert [line[:2] for line in residual] == [
        ["GA-oost", "export"],
        ["GA-oost", "import"],
        ["GA-west", "export"],
        ["GA-west", "import"],
    ]
    assert "DIFFERS" not in ran.out
    assert re.search(r"version 1 \(D\+1\) is published; \d+ market messages in ", ran.err)


def test_the_home_that_it_is_given_stays_usable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "not" / "there" / "yet"
    monkeypatch.setenv("KWARTIER_HOME", str(home))
    words = ("demo", "--meters", "4", "--no-serve", "--seed", "7", "--faults", "none")
    for _ in range(2):  # the second time everything is there already, and no meter is asked
        ran = run(*words, capsys=capsys, monkeypatch=monkeypatch)
        assert ran.code == 0, ran.err
        assert "4 of 4 meters read" in ran.err
        assert "version 1 (D+1) is " in ran.err, "what is settled again from the same is no new version"
    claims = run("night", "claims", "--json", capsys=capsys, monkeypatch=monkeypatch)
    assert json.loads(claims.out)["visits_that_asked"] == 4
    listed = run("fleet", "list", "--json", capsys=capsys, monkeypatch=monkeypatch)
    assert '"meter": "noord-000001"' in listed.out
    assert run("doctor", capsys=capsys, monkeypatch=monkeypatch).code == 0


def test_a_terminal_that_knows_ascii_only_sees_question_marks_and_no_error(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "KWARTIER_HOME": str(tmp_path / "home")}
    words = [
        sys.executable,
        "-m",
        "kwartier",
        "demo",
        "--no-serve",
        "--meters",
        "1",
        "--households",
        "absent",
        "--faults",
        "none",
    ]
    ran = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "every one is what the meter counted" in ran.stdout


def test_a_port_that_is_taken_is_wrong_usage_and_no_mistake_of_ours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KWARTIER_HOME", str(tmp_path / "home"))
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = run(
            "demo", "--no-serve", "--meters", "2", "--meter-port", str(port), capsys=capsys, monkeypatch=monkeypatch
        )
    assert (ran.code, ran.out) == (2, "")
    assert f"port {port}" in ran.err
    assert "[port-in-use]" in ran.err
