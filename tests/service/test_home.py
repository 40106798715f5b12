"""A home: made by one or by two at once, and never made anew where its counters were lost."""

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kwartier.database import open_engine, sqlite_url
from kwartier.errors import KwartierError
from kwartier.keys.counters import CounterKey
from kwartier.keys.vault import ENVIRONMENT as KEY_ENVIRONMENT
from kwartier.keys.vault import FILE_NAME as KEY_FILE
from kwartier.service import settings
from kwartier.service.home import DATABASE_FILE, create_home, home_path, named_home, open_home
from tests.postgres import database

ALL = ["folder", "database", "master key", "settings"]
KEY = CounterKey(ek_fingerprint="a" * 32, title="4b57540000000001")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (KEY_ENVIRONMENT, "KWARTIER_HOME", "KWARTIER_DATABASE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    create_home(path)
    return path


def opening_fails(path: Path) -> str:
    with pytest.raises(KwartierError) as caught, open_home(path):
        raise AssertionError("it opened")
    return caught.value.code


def making_fails(path: Path) -> str:
    with pytest.raises(KwartierError) as caught:
        create_home(path)
    return caught.value.code


def contents(path: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in path.iterdir()}


def test_everything_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "some" / "home"
    assert create_home(path) == ALL
    before = contents(path)
    assert create_home(path) == []
    assert contents(path) == before
    assert sorted(before) == ["kwartier.db", "kwartier.toml", "master.key"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in path.iterdir()} == {0o600}


def test_a_folder_that_is_there_is_used(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("mine")
    assert create_home(tmp_path) == ALL[1:]
    assert (tmp_path / "note").read_text() == "mine"


@pytest.mark.parametrize(
    "missing", [["kwartier.toml"], ["kwartier.toml", KEY_FILE, DATABASE_FILE], ["kwartier.toml", DATABASE_FILE]]
)
def test_an_init_that_was_interrupted_can_be_finished(missing: list[str], home: Path) -> None:
    for name in missing:
        (home / name).unlink()
    assert "settings" in create_home(home)
    with open_home(home) as opened:
        assert opened.keyring.status().meters == 0


def test_many_that_make_the_same_home_at_once_get_one_home(tmp_path: Path) -> None:
    path = tmp_path / "home"
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(create_home, [path] * 6))
    for part in ("master key", "settings"):
        assert [one for parts in made for one in parts].count(part) == 1
    with open_home(path) as opened:
        opened.keyring.check()


def test_two_processes_that_make_the_same_home_at_once_get_one_home(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kwartier", "init", "--home", str(tmp_path / "home")]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=120)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], said
    assert sum("settings" in one for one in said) == 1
    with open_home(tmp_path / "home") as opened:
        opened.keyring.check()


def test_no_home_is_made_where_none_can_be(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    # Nobody, not even root, makes a folder in /proc: it stands for a disk that takes nothing.
    for path in (file, file / "home", Path("/proc/kwartier-home"), Path("/proc")):
        assert making_fails(path) in ("bad-home", "no-database"), path


def test_a_database_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / DATABASE_FILE).mkdir()
    assert making_fails(tmp_path) == "no-database"


def test_a_home_that_was_never_made_does_not_open(tmp_path: Path) -> None:
    assert opening_fails(tmp_path / "home") == "no-home"
    assert not (tmp_path / "home").exists()


def test_a_lost_database_is_not_replaced_by_an_empty_one(home: Path) -> None:
    """Its counters would begin again under the same title, and every number would be used twice."""
    with open_home(home) as opened:
        opened.keyring.counters.reserve(KEY, 100)
    (home / DATABASE_FILE).rename(home / "aside")
    assert opening_fails(home) == "lost-database"
    assert making_fails(home) == "lost-database"
    assert not (home / DATABASE_FILE).exists()
    (home / "aside").rename(home / DATABASE_FILE)
    with open_home(home) as opened:
        assert opened.keyring.counters.next_of(KEY) == 101


def test_an_empty_database_does_not_open(home: Path) -> None:
    (home / DATABASE_FILE).write_bytes(b"")
    assert opening_fails(home) == "no-home"


def test_a_lost_master_key_is_not_replaced_by_another(home: Path) -> None:
    text = (home / KEY_FILE).read_text()
    (home / KEY_FILE).unlink()
    assert opening_fails(home) == "no-master-key"
    assert making_fails(home) == "no-master-key"
    (home / "kwartier.toml").unlink()
    assert making_fails(home) == "no-master-key"
    assert not (home / KEY_FILE).exists()
    (home / KEY_FILE).write_text(text)
    (home / KEY_FILE).chmod(0o600)
    assert create_home(home) == ["settings"]


def test_another_master_key_is_refused_by_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_ENVIRONMENT, "ab" * 32)
    assert opening_fails(home) == "wrong-master-key"
    assert making_fails(home) == "wrong-master-key"


def test_a_master_key_in_the_environment_needs_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_ENVIRONMENT, "ab" * 32)
    path = tmp_path / "home"
    assert create_home(path) == ["folder", "database", "settings"]
    assert not (path / KEY_FILE).exists()
    with open_home(path) as opened:
        opened.keyring.check()
    monkeypatch.delenv(KEY_ENVIRONMENT)
    assert opening_fails(path) == "no-master-key"


def test_a_newer_database_is_refused(home: Path) -> None:
    engine = open_engine(sqlite_url(home / DATABASE_FILE))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    assert opening_fails(home) == making_fails(home) == "newer-database"


def test_two_homes_on_one_server_need_one_master_key_and_share_one_counter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KWARTIER_DATABASE", database("postgresql", tmp_path))
    first, second = tmp_path / "first", tmp_path / "second"
    assert create_home(first) == ALL
    assert not (first / DATABASE_FILE).exists()
    assert making_fails(second) == "no-master-key"
    (second / KEY_FILE).write_text((first / KEY_FILE).read_text())
    (second / KEY_FILE).chmod(0o600)
    create_home(second)
    assert settings.load(first).client_system_title != settings.load(second).client_system_title
    with open_home(first) as one, open_home(second) as other:
        assert one.keyring.counters.reserve(KEY, 5).take() == 1
        assert other.keyring.counters.reserve(KEY, 5).take() == 6


def test_the_folder_is_the_one_given_then_the_environments_then_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home_path(None) == tmp_path / ".kwartier"
    assert not named_home(None)
    monkeypatch.setenv("KWARTIER_HOME", "~/elsewhere")
    assert home_path(None) == tmp_path / "elsewhere"
    assert named_home(None)
    assert home_path(Path("~/here")) == tmp_path / "here"
