"""``kwartier demo``: something that lives, from nothing."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kwartier.collect.claims import Claims
from kwartier.collect.lease import Leases
from kwartier.service.home import create_home, open_home
from kwartier.service.night import yesterday
from tests.cli.command import run
from tests.service.test_night_control import until
from tests.web.test_serving import END_S, READY_S, signed_in


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


def test_the_console_is_there_while_the_night_runs_and_everything_ends_within_seconds(tmp_path: Path) -> None:
    environment = {**os.environ, "KWARTIER_HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path)}
    words = [sys.executable, "-m", "kwartier", "demo", "--port", "0", "--meters", "60", "--households", "absent"]
    with subprocess.Popen(
        words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        try:
            assert demo.stdout is not None
            assert demo.stderr is not None
            begun = time.monotonic()
            ready = re.fullmatch(r"READY http://127\.0\.0\.1:(\d+)/\n", demo.stdout.readline())
            assert ready is not None
            assert time.monotonic() - begun < READY_S
            port = int(ready[1])
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=READY_S)
            line.request("GET", "/")
            answer = line.getresponse()
            assert (answer.status, b"<main" in answer.read()) == (200, True)
            line.close()
            told = ""
            while "is under way" not in told:
                told = demo.stderr.readline()
                assert told, "it ended before the night began"
                for name, password in re.findall(r"^  (operator) +(\S+)", told):
                    cookie = signed_in(port, name, password)
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=READY_S)
            day = re.search(r"the night of (\d{4}-\d\d-\d\d) is under way", told)
            assert day is not None
            line.request("GET", f"/tonight/{day[1]}/events", headers={"cookie": cookie})
            stream = line.getresponse()
            assert stream.readline().startswith(b"retry:")
            family = descendants(demo.pid)
            assert len(family) >= 2, "the fleet, mostly the night and its workers, and what looks after them"
            asked = time.monotonic()
            demo.terminate()
            out, err = demo.communicate(timeout=END_S)
            assert time.monotonic() - asked < END_S
            assert (demo.returncode, "every one is what the meter counted" in out) == (0, True), err
            assert "Traceback" not in err
            until(lambda: not any(map(is_there, family)))
            assert time.monotonic() - asked < END_S
            stream.close()
            line.close()
        finally:
            demo.kill()
    left = {one.name for one in tmp_path.iterdir()} - {"home"}
    assert not left, "what was for the time being is gone"


def test_told_to_end_in_its_night_it_publishes_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "KWARTIER_HOME": str(tmp_path / "home")}
    words = [sys.executable, "-m", "kwartier", "demo", "--no-serve", "--meters", "300", "--households", "absent"]
    with subprocess.Popen(
        words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        try:
            assert demo.stderr is not None
            while "the night begins" not in (line := demo.stderr.readline()):
                assert line
            with open_home(tmp_path / "home") as home:
                until(
                    lambda: Leases(home.engine, Claims(home.engine)).held(
                        yesterday(time.time(), home.settings.timezone)
                    )
                )
            demo.terminate()
            out, err = demo.communicate(timeout=30)
        finally:
            demo.kill()
    assert (demo.returncode, out) == (1, "")
    assert "told to end before the day was read and settled" in err
    assert not (tmp_path / "home" / "outbox").exists()


def test_a_home_with_connections_that_may_be_somebodys_is_left_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    create_home(home)
    fleet = tmp_path / "fleet.csv"
    head = "ean,meter,system_title,host,port,companion,valid_from"
    fleet.write_text(f"{head}\n871687400001234500,m-1,4E52440000000001,127.0.0.1,4059,smr-5.5,2026-01-01\n", "utf-8")
    with open_home(home) as opened:
        opened.registry.import_file(fleet, at=int(time.time()))
    before = (home / "kwartier.toml").read_bytes()
    monkeypatch.setenv("KWARTIER_HOME", str(home))
    for more in ((), ("--no-serve",)):
        ran = run("demo", "--port", "0", "--meters", "2", *more, capsys=capsys, monkeypatch=monkeypatch)
        assert (ran.code, ran.out) == (2, "")
        assert "[real-home]" in ran.err
    assert (home / "kwartier.toml").read_bytes() == before


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(one) for task in tasks for one in task.read_text("ascii").split()]
    return [found for child in children for found in (child, *descendants(child))]


def is_there(pid: int) -> bool:
    """Whether a process is there, and not only what is left of it until somebody asks how it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
