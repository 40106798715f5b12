"""A backup is a folder with one consistent state of an installation, taken while a night runs, and a way back from it.

Tables are files of columns, so that a backup goes from SQLite to PostgreSQL and back. The manifest says what has to be there
and comes last: a folder without one is no backup. What is restored has to be safe although time went on: every invocation
counter moves ahead of anything that may have been sent since, and on the local day of the restore nobody is read, because
nobody knows who was.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, insert, literal, select, update

from kwartier import tablefile
from kwartier.clock import local_day
from kwartier.database import open_engine, revision, snapshot, sqlite_url, upgrade, writing
from kwartier.disk import PRIVATE_FILE, PRIVATE_FOLDER, sync_folder, write_once
from kwartier.errors import InputError, StateError
from kwartier.gate.members import FOLDER as MEMBERS
from kwartier.keys.vault import FILE_NAME as KEY_FILE
from kwartier.service import settings as settings_file
from kwartier.service.auditing import back_up, bring_back, log_folder
from kwartier.service.home import COMPANIONS, DATABASE_FILE, STORE, Home, store_folder, vault_folder
from kwartier.store import copying
from kwartier.store.schema import KINDS, RAW, VALIDATED, TableKind
from kwartier.tables import counters, day_keys, metadata, meter_keys, requests, restores, validation_runs, visits
from kwartier.who.pairs import void

MANIFEST: Final = "manifest.json"
TABLES: Final = "tables"
FORMAT = 1
RESTORE_JUMP = 1_000_000
"""A visit is given 16 counters and a meter six visits a day at the most: this is enough for decades."""
READ_BYTES = 1 << 20
MAX_MANIFEST_BYTES = 1 << 28
MAX_TRIES = 5
TIMEZONE = "Europe/Amsterdam"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds. ``made_at``: UTC seconds of the state that it is; ``store_version``: -1: nothing was stored yet."""

    format: int
    made_at: int
    schema: str
    store_version: int
    rows: dict[str, int]
    files: dict[str, str]
    """Name below the folder -> SHA-256."""
    validated_version: int = copying.NOTHING


# Making one.


def create(home: Home, target: Path, *, wall: Callable[[], float], with_key: bool = True) -> Manifest:
    """Back ``home`` up into ``target``, which must not be there. Raises ``InputError`` bad-backup, ``StateError`` lost-file."""
    if target.exists():
        raise InputError("bad-backup", f"{target} is there already: a backup goes into a folder of its own")
    target.mkdir(mode=PRIVATE_FOLDER, parents=True)
    for attempt in range(MAX_TRIES):
        before = {kind: copying.newest(home.store_folder, kind) for kind in KINDS}
        made_at = int(wall())
        rows = _dump(home.engine, target / TABLES)
        try:
            copied = {kind: _copy_store(home, target, version, kind) for kind, version in before.items()}
            break
        except StateError:
            # A file went away while we copied: the table has moved on so far that both have to be taken anew.
            if attempt + 1 == MAX_TRIES:
                raise
            shutil.rmtree(target / TABLES)
            shutil.rmtree(target / STORE)
    _copy_private(home.path / settings_file.FILE_NAME, target / settings_file.FILE_NAME)
    if home.companion_folder.exists():
        shutil.copytree(home.companion_folder, target / COMPANIONS)
    if log_folder(home.path).exists():
        home.log.opened().checkpoint()  # what is copied of the log is signed
    back_up(home.path, target)
    if (home.store_folder / MEMBERS).exists():
        shutil.copytree(home.store_folder / MEMBERS, target / STORE / MEMBERS, ignore=shutil.ignore_patterns(".*"))
    key = home.vault_folder / KEY_FILE
    if with_key and key.exists():
        _copy_private(key, target / KEY_FILE)
    schema = revision(home.engine)
    manifest = Manifest(
        format=FORMAT,
        made_at=made_at,
        schema=schema or "",
        store_version=copied[RAW],
        validated_version=copied[VALIDATED],
        rows=rows,
        files={str(path.relative_to(target)): _digest(path) for path in _files(target)},
    )
    _sync(target)
    write_once(target / MANIFEST, json.dumps(asdict(manifest), indent=1))
    return manifest


def _dump(engine: Engine, folder: Path) -> dict[str, int]:
    """Every table as it was at one moment, a file each; how many rows."""
    folder.mkdir(mode=PRIVATE_FOLDER)
    with snapshot(engine) as connection:
        return tablefile.dump(connection, metadata, folder)


def _copy_store(home: Home, target: Path, version: int, kind: TableKind = RAW) -> int:
    """Copy what of a table fits to the dump, which was made after ``version`` was the newest; the version copied."""
    (target / STORE).mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    if copying.newest(home.store_folder, kind) == copying.NOTHING:
        return copying.NOTHING
    later = list(copying.commits_after(home.store_folder, version, kind))
    wanted = {name for one in later for name in one.batches}
    noted: set[str] = set()
    for table in (visits, requests) if wanted else ():  # a correction is stored under the name of the request
        noted |= wanted.intersection(tablefile.column(target / TABLES, table, "id"))
    runs = set(tablefile.column(target / TABLES, validation_runs, "run")) if any(one.runs for one in later) else set()
    days = set(tablefile.column(target / TABLES, day_keys, "day"))

    def is_known(one: copying.Commit) -> bool:
        is_noted = noted.issuperset(one.batches) and runs.issuperset(map(str, one.runs))
        return is_noted and (home.day_keys is None or days.issuperset(one.days))

    version = copying.consistent(version, later, is_known)
    if version != copying.NOTHING:
        copying.copy(home.store_folder, target / STORE, version, kind)
    return version


def _copy_private(source: Path, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as out:
        out.write(source.read_bytes())


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sync(folder: Path) -> None:
    for path in _files(folder):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    for path in sorted(one for one in folder.rglob("*") if one.is_dir()):
        sync_folder(path)
    sync_folder(folder)


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while octets := file.read(READ_BYTES):
            found.update(octets)
    return found.hexdigest()


# Looking at one.


def check(folder: Path) -> Manifest:
    """The manifest of a whole backup. Raises ``InputError`` bad-backup, naming what is not as it was made."""
    try:
        with (folder / MANIFEST).open(encoding="utf-8") as file:
            manifest = Manifest(**json.loads(file.read(MAX_MANIFEST_BYTES)))
    except FileNotFoundError:
        raise InputError("bad-backup", f"there is no {folder / MANIFEST}: it was not finished") from None
    except (OSError, ValueError, TypeError):
        raise InputError("bad-backup", f"{folder / MANIFEST} is no manifest") from None
    if manifest.format != FORMAT:
        raise InputError("bad-backup", f"{folder} has format {manifest.format!r}, and {FORMAT} is known here")
    there = {str(path.relative_to(folder)): path for path in _files(folder)}
    del there[MANIFEST]
    for name in sorted(manifest.files.keys() | there.keys()):
        if name not in there:
            raise InputError("bad-backup", f"{folder}: {name} is missing")
        if name not in manifest.files:
            raise InputError("bad-backup", f"{folder}: {name} does not belong to it")
        if _digest(there[name]) != manifest.files[name]:
            raise InputError("bad-backup", f"{folder}: {name} is not as it was made")
    return manifest


# Going back to one.


def restore(folder: Path, home: Path, *, wall: Callable[[], float], database: str | None = None) -> Manifest:
    """Make ``home``, which must not be there, from a backup. ``database``: an address in place of the one that it had.

    The settings come last, so that a restore which is broken off leaves no installation. Raises ``InputError``.
    """
    manifest = check(folder)
    if home.exists() and any(home.iterdir()):
        raise InputError("bad-home", f"{home} is not empty: a backup is restored into a folder of its own")
    settings = settings_file.load(folder)
    home.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    store = store_folder(home, settings)
    if store.exists():
        raise InputError("bad-home", f"{store} is there already: move it away, or change `store` in the backup")
    address = settings.database if database is None else database
    if not address:
        (home / DATABASE_FILE).touch(mode=PRIVATE_FILE)
    engine = open_engine(address or sqlite_url(home / DATABASE_FILE))
    try:
        if revision(engine) is not None:
            raise InputError("bad-home", "the database is not empty: a backup is restored into one of its own")
        shutil.copytree(folder / STORE, store)
        upgrade(engine, manifest.schema)
        with writing(engine) as connection:
            tablefile.load(connection, metadata, folder / TABLES)
        upgrade(engine)
        with writing(engine) as connection:
            _move_on(connection, settings.own_title.hex(), manifest.made_at, int(wall()))
    finally:
        engine.dispose()
    if (folder / COMPANIONS).exists():
        shutil.copytree(folder / COMPANIONS, home / COMPANIONS)
    bring_back(folder, home)
    key = vault_folder(home, settings) / KEY_FILE
    if (folder / KEY_FILE).exists() and not key.exists():
        _copy_private(folder / KEY_FILE, key)
    _sync(home)
    text_of = (folder / settings_file.FILE_NAME).read_text("utf-8")
    if database is not None:
        text_of = settings_file.with_database(text_of, database)
    write_once(home / settings_file.FILE_NAME, text_of)
    return manifest


def _move_on(connection: Connection, title: str, made_at: int, now: int) -> None:
    """What has to be different after a restore."""
    connection.execute(update(counters).values(next=counters.c.next + RESTORE_JUMP))
    # A key that was not used before the backup may have been used after it.
    unused = (
        select(meter_keys.c.ek_fingerprint)
        .distinct()
        .where(
            ~select(counters.c.next)
            .where(counters.c.ek_fingerprint == meter_keys.c.ek_fingerprint, counters.c.title == title)
            .exists()
        )
    )
    rows = select(unused.subquery().c.ek_fingerprint, literal(title), literal(RESTORE_JUMP))
    connection.execute(insert(counters).from_select(["ek_fingerprint", "title", "next"], rows))
    void(connection, at=now)
    closed: date = local_day(now, TIMEZONE)
    connection.execute(insert(restores), [{"at": now, "backup_at": made_at, "closed_through": closed}])
