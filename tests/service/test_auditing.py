"""The audit log of a home: its key is sealed and stays the same, and the witness of the settings is the one that is asked."""

import shutil
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kwartier.audit.note import COSIGNATURE, Signer, new_key
from kwartier.audit.verify import verify
from kwartier.errors import InputError, KwartierError, SecurityError
from kwartier.service import backup
from kwartier.service.auditing import KEY_FILE, archives, log_folder, log_of, log_signer, witness_of
from kwartier.service.home import open_home
from kwartier.service.subject import logged
from tests.living import new_home

WITNESS = Signer(new_key("witness/one", COSIGNATURE)).verifier


@pytest.fixture
def home(tmp_path: Path) -> Path:
    new_home(tmp_path / "home")
    return tmp_path / "home"


def test_the_log_is_made_with_a_key_that_only_the_vault_opens(home: Path) -> None:
    with open_home(home) as opened:
        with log_of(opened.path, opened.vault, opened.settings) as log:
            assert log.append([b"one"]) == range(1)
            key = log.key
        assert verify(log_folder(home), key).covered == 1
        assert "PRIVATE" not in (home / KEY_FILE).read_text()
        assert stat.S_IMODE((home / KEY_FILE).stat().st_mode) == 0o600
        assert "vault=<" not in repr(opened)
    with open_home(home) as opened, log_of(opened.path, opened.vault, opened.settings) as log:
        assert log.key == key
        assert key.name.startswith("kwartier/")
        assert log.append([b"two"]) == range(1, 2)


def test_of_many_that_make_the_key_at_once_one_wins(home: Path) -> None:
    with open_home(home) as opened, ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: str(log_signer(opened.path, opened.vault).verifier), range(8)))
    assert len(keys) == 1


def test_a_key_that_was_changed_or_lost_is_not_made_anew(home: Path) -> None:
    with open_home(home) as opened:
        with log_of(opened.path, opened.vault, opened.settings):
            pass
        text = (home / KEY_FILE).read_text()
        for other in (text[:-5] + "AAA=\n", "not base64\n", ""):
            (home / KEY_FILE).write_text(other)
            with pytest.raises(SecurityError) as changed, log_of(opened.path, opened.vault, opened.settings):
                pass
            assert changed.value.code == "sealed-record"
        (home / KEY_FILE).unlink()
        with pytest.raises(InputError) as lost, log_of(opened.path, opened.vault, opened.settings):
            pass
        assert lost.value.code == "bad-audit-key"


@pytest.mark.parametrize(
    ("address", "key", "code"),
    [
        ("http://127.0.0.1:8547", "", "bad-witness"),
        ("http://192.0.2.7:8547", str(WITNESS), "bad-witness"),
        ("http://127.0.0.1:8547", "nonsense", "bad-audit-key"),
    ],
    ids=["no key", "far away", "no such key"],
)
def test_a_witness_that_cannot_be_asked_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, address: str, key: str, code: str
) -> None:
    monkeypatch.setenv("KWARTIER_AUDIT_WITNESS", address)
    monkeypatch.setenv("KWARTIER_AUDIT_WITNESS_KEY", key)
    with open_home(home) as opened, pytest.raises(KwartierError) as caught:
        witness_of(opened.settings)
    assert caught.value.code == code


def test_the_witness_of_the_settings_is_asked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_home(home) as opened:
        assert witness_of(opened.settings) is None
    monkeypatch.setenv("KWARTIER_AUDIT_WITNESS", "http://127.0.0.1:8547")
    monkeypatch.setenv("KWARTIER_AUDIT_WITNESS_KEY", str(WITNESS))
    with open_home(home) as opened:
        asked = witness_of(opened.settings)
    assert asked is not None
    assert asked.key == WITNESS


def test_a_restored_home_begins_a_log_of_its_own_and_keeps_the_one_before(home: Path, tmp_path: Path) -> None:
    with open_home(home) as opened:
        opened.log.append([b'{"n":1}'])
        first = opened.log.opened().key
        backup.create(opened, tmp_path / "backup", wall=time.time)
        opened.log.append([b'{"n":2}'])
    for number, place in enumerate(("one", "two")):
        backup.restore(tmp_path / "backup", tmp_path / place, wall=time.time)
        with open_home(tmp_path / place) as opened:
            assert len(archives(opened.path)) == number + 1
            assert opened.log.opened().key != first
            opened.log.append([b'{"n":3}'])
            told = [record["n"] for record in logged.records(opened)]
            assert told == [1, *[3] * (number + 1)], "what was used after the backup is in the log that was lost"
            assert verify(archives(opened.path)[0], first).covered == 1
            backup.create(opened, tmp_path / "again", wall=time.time)
        shutil.rmtree(tmp_path / "backup")
        (tmp_path / "again").rename(tmp_path / "backup")
