"""Nobody else on the machine reads a file of an installation, and no reader of Parquet gets a value without the keys.

Everything is done by the program's own commands under a umask that would let everybody read: made, imported, a night, readings
looked at, tidied. Then each file and folder is looked at, and somebody else tries to open each, also when the folders
above have been opened to them.
"""

import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from sqlalchemy import text

from kwartier.database import writing
from kwartier.service.home import open_home
from tests.conftest import skip_unless
from tests.service.street import installed, street

DAY = "2026-01-14"
NOBODY = 65_534
OTHERS = stat.S_IRWXG | stat.S_IRWXO
PATIENCE_S = 120.0
TRY = """
import os, sys
number = int(sys.argv[1])
os.setgroups([]); os.setgid(number); os.setuid(number)
for path in sys.stdin.read().splitlines():
    try:
        os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1)
    except PermissionError:
        continue
    except FileNotFoundError:
        continue
    print(path)
"""


@contextmanager
def generous() -> Iterator[None]:
    """What is made is for all to read, unless whoever makes it says otherwise."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def kwartier(home: Path, *words: str) -> str:
    command = [sys.executable, "-m", "kwartier", "--home", f"{home}", *words]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE_S)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def lived_in(folder: Path) -> Path:
    """A home that was made, has seen a night and is tidy, all by commands."""
    home = folder / "home"
    with street(folder, 4, "--faults", "none") as fleet:
        kwartier(home, "init")
        kwartier(home, "fleet", "import", f"{fleet / 'fleet.csv'}")
        kwartier(home, "keys", "import", f"{fleet / 'keys.csv'}")
        kwartier(home, "night", "run", "--date", DAY, "--now", "--workers", "2")
        found = json.loads(kwartier(home, "night", "status", "--date", DAY, "--json"))
        assert found["read"] == 4
    kwartier(home, "store", "tidy")
    return home


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home in a folder that everybody may enter: what keeps others out is the home alone."""
    with generous(), tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield lived_in(Path(name))


def everything(home: Path) -> list[Path]:
    return [home, *sorted(home.rglob("*"))]


def test_no_file_is_open_to_others_and_nobody_else_reads_one(home: Path) -> None:
    with open_home(home) as opened, writing(opened.engine) as connection:
        # The files that a database keeps beside it while it is open.
        connection.execute(text("UPDATE visit SET reason = reason"))
        found = everything(home)
        names = {path.name for path in found}
        assert {"kwartier.db", "kwartier.db-wal", "master.key", "_delta_log"} <= names
        assert sum(path.suffix == ".parquet" for path in found) > 1
        open_to_others = {f"{path.relative_to(home)}": oct(path.lstat().st_mode & OTHERS) for path in found}
        assert {name for name, mode in open_to_others.items() if mode != "0o0"} == set()
    skip_unless(os.geteuid() == 0, "only root can become somebody else: the files were looked at, and not tried")
    beside = home.parent / "for-all.txt"
    beside.write_text("for all\n")
    beside.chmod(0o644)
    assert read_by_another([beside, *everything(home)]) == [beside]
    # Somebody opens the folders: their files still let nobody in.
    folders = [path for path in everything(home) if path.is_dir()]
    for path in folders:
        path.chmod(0o755)
    assert [path for path in read_by_another(everything(home)) if path.is_file()] == []
    for path in folders:
        path.chmod(0o700)


def read_by_another(paths: list[Path]) -> list[Path]:
    """Which of them somebody without any rights can read or list."""
    ran = subprocess.run(
        [sys.executable, "-c", TRY, f"{NOBODY}"],
        check=True,
        input="\n".join(map(str, paths)),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    return [Path(line) for line in ran.stdout.splitlines()]


READERS: dict[str, Callable[[Path], object]] = {
    "metadata": pq.read_metadata,
    "schema": pq.read_schema,
    "table": pq.read_table,
    "file": lambda path: pq.ParquetFile(path).read(),
}


def test_without_the_keys_no_reader_gets_a_value(home: Path) -> None:
    files = sorted((home / "store").rglob("*.parquet"))
    assert len(files) > 1
    for path in files:
        assert path.read_bytes()[:4] == b"PARE", "the footer is encrypted, too"
        for name, reader in READERS.items():
            with pytest.raises((OSError, ValueError)):
                reader(path)
            assert name
    table = DeltaTable(home / "store" / "raw")
    assert table.file_uris(), "the list of files is for all, and names no meter"
    with pytest.raises((OSError, ValueError)):
        table.to_pyarrow_table()
    for entry in (home / "store" / "raw" / "_delta_log").glob("*.json"):
        for line in entry.read_text("utf-8").splitlines():
            assert not json.loads(line).get("add", {}).get("stats", "").strip("{}")


def test_the_readers_read_what_an_installation_chose_not_to_encrypt(tmp_path: Path) -> None:
    """The control: with other files each of them gets every value."""
    with street(tmp_path, 4, "--faults", "none") as fleet:
        home = installed(tmp_path, fleet, 'encryption = "none"\nencryption_decision = "a test"')
        kwartier(home, "night", "run", "--date", DAY, "--now")
    files = sorted((home / "store").rglob("*.parquet"))
    for path in files:
        for reader in READERS.values():
            assert reader(path) is not None
    rows = DeltaTable(home / "store" / "raw").to_pyarrow_table()
    assert len(rows) == 4
    assert all(value is not None for value in rows.column("opening_import_wh").to_pylist())
