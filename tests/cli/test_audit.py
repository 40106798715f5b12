"""``kwartier audit``, as whoever checks a log uses it: with a home, with a copy and the keys alone, and with a witness."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kwartier.audit.note import VerifierKey
from kwartier.service.auditing import log_folder, log_of, log_signer
from kwartier.service.home import open_home
from tests.audit.making import records, second_opinion
from tests.cli.command import Ran, run
from tests.living import new_home

COMMAND_S = 60
Command = Callable[..., Ran]


@pytest.fixture
def audit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return lambda *words: run("audit", *map(str, words), capsys=capsys, monkeypatch=monkeypatch)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    new_home(tmp_path / "home")
    monkeypatch.setenv("KWARTIER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def append(home: Path, count: int) -> None:
    with open_home(home) as opened, log_of(opened.path, opened.vault, opened.settings) as log:
        log.append(records(count, log.size))


def key_of(home: Path) -> VerifierKey:
    with open_home(home) as opened:
        return log_signer(opened.path, opened.vault).verifier


@contextmanager
def witness(folder: Path, log: VerifierKey) -> Iterator[tuple[str, str]]:
    """A witness in a process of its own; its address and key."""
    words = ["--folder", str(folder), "--listen", "127.0.0.1:0", "--log-key", str(log)]
    command = [sys.executable, "-m", "kwartier", "audit", "witness", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        key = process.stdout.readline().strip()
        address = process.stderr.readline().removeprefix("listening on ").strip()
        try:
            yield address, key
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(COMMAND_S) == 0


def test_a_log_is_verified_with_its_home_and_as_a_copy_with_the_key_alone(
    home: Path, audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(home, 300)
    said = json.loads(audit("verify", "--json").out)
    assert (said["records"], said["covered"], said["seen"]) == (300, 300, None)
    assert "300" in audit("verify").out
    key = json.loads(audit("keys", "--json").out)["log"]
    assert key in audit("keys").out
    copy = shutil.copytree(log_folder(home), tmp_path / "copy")
    monkeypatch.setenv("KWARTIER_HOME", str(tmp_path / "nowhere"))
    assert audit("verify", copy, "--log-key", key).code == 0
    path = copy / "tile/entries/000"
    octets = bytearray(path.read_bytes())
    octets[9] ^= 1
    path.write_bytes(octets)
    ran = audit("verify", copy, "--log-key", key)
    assert (ran.code, ran.out) == (1, "")
    assert "tile/entries/000" in ran.err
    assert "record 0" in ran.err


def test_a_proof_is_checked_without_a_home(
    home: Path, audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(home, 20)
    key = key_of(home)
    file = tmp_path / "proof.tlog-proof"
    assert audit("prove", 7, "--out", file).code == 0
    assert audit("prove", 7).out == file.read_text()
    monkeypatch.setenv("KWARTIER_HOME", str(tmp_path / "nowhere"))
    ran = audit("check", file, "--log-key", key)
    assert (ran.code, ran.out) == (0, records(1, 7)[0].decode() + "\n")
    assert "record 7" in ran.err
    assert json.loads(audit("check", file, "--log-key", key, "--json").out)["index"] == 7
    assert second_opinion("proof", file, key).returncode == 0
    file.write_text(file.read_text().replace("index 7", "index 8"))
    ran = audit("check", file, "--log-key", key)
    assert (ran.code, ran.out) == (1, "")
    assert "[bad-proof]" in ran.err
    assert audit("check", tmp_path / "nothing", "--log-key", key).code == 2
    assert audit("check", file, "--log-key", "nonsense").code == 2


def test_a_checkpoint_is_made_and_printed(home: Path, audit: Command) -> None:
    append(home, 3)
    said = audit("checkpoint").out
    assert said.splitlines()[:2] == [key_of(home).name, "3"]
    assert said == (log_folder(home) / "checkpoint").read_text()


def test_what_is_not_there_is_said(home: Path, audit: Command, tmp_path: Path) -> None:
    assert "[no-audit-log]" in audit("verify").err
    append(home, 3)
    ran = audit("prove", 3)
    assert (ran.code, ran.out) == (2, "")
    assert "[not-covered]" in ran.err
    assert audit("prove", 1, "--out", tmp_path / "no" / "folder").code == 2
    assert audit("verify", "--witness", tmp_path / "nowhere").code == 2
    for listen in ("0.0.0.0:1", "here", "127.0.0.1:x", "127.0.0.1:99999"):
        words = ("witness", "--folder", tmp_path / "w", "--log-key", key_of(home), "--listen", listen)
        assert "[bad-witness]" in audit(*words).err


def test_a_witness_finds_a_log_that_was_cut_or_rewritten_with_its_key(
    home: Path, audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = key_of(home)
    state = tmp_path / "witness"
    with witness(state, log) as (address, key):
        monkeypatch.setenv("KWARTIER_AUDIT_WITNESS", address)
        monkeypatch.setenv("KWARTIER_AUDIT_WITNESS_KEY", key)
        append(home, 20)
        before = shutil.copytree(log_folder(home), tmp_path / "before")
        append(home, 20)
        assert json.loads(audit("verify", "--json").out)["seen"] == 40
        assert json.loads(audit("verify", "--json", "--witness", state).out)["seen"] == 40
        file = tmp_path / "proof"
        file.write_text(audit("prove", 33).out)
        assert audit("check", file, "--log-key", log, "--witness-key", key).code == 0
        assert "signed by a witness at 20" in audit("check", file, "--log-key", log, "--witness-key", key).err
        assert second_opinion("proof", file, log, VerifierKey.parse(key)).returncode == 0

        # Set back to an earlier state, in which every signature holds.
        shutil.rmtree(log_folder(home))
        shutil.copytree(before, log_folder(home))
        assert audit("verify", log_folder(home), "--log-key", log, "--witness-key", key).code == 0
        for words in ((), ("--witness", state)):
            ran = audit("verify", *words)
            assert (ran.code, ran.out) == (1, "")
            assert "[audit-cut]" in ran.err

        # Another history, by whoever has the key of the log.
        monkeypatch.delenv("KWARTIER_AUDIT_WITNESS")
        shutil.rmtree(log_folder(home))
        with open_home(home) as opened, log_of(opened.path, opened.vault, opened.settings) as other:
            other.append([*records(39), b"other"])
        assert "[not-cosigned]" in audit("verify").err
        monkeypatch.delenv("KWARTIER_AUDIT_WITNESS_KEY")
        assert audit("verify").code == 0
        assert "[audit-rewritten]" in audit("verify", "--witness", state).err
        monkeypatch.setenv("KWARTIER_AUDIT_WITNESS", address)
        monkeypatch.setenv("KWARTIER_AUDIT_WITNESS_KEY", key)
        assert "[audit-rewritten]" in audit("verify").err
        ran = audit("checkpoint")
        assert (ran.code, ran.out) == (1, "")
        assert "[audit-rewritten]" in ran.err


def test_a_witness_that_is_away_is_told_and_what_it_signed_before_holds(
    home: Path, audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with witness(tmp_path / "witness", key_of(home)) as (address, key):
        monkeypatch.setenv("KWARTIER_AUDIT_WITNESS", address)
        monkeypatch.setenv("KWARTIER_AUDIT_WITNESS_KEY", key)
        append(home, 3)
    ran = audit("verify")
    assert ran.code == 0
    assert "the witness was not asked" in ran.err
    append(home, 1)
    ran = audit("checkpoint")
    assert ran.code == 0
    assert "not signed by the witness" in ran.err
    assert "[not-cosigned]" in audit("verify").err
