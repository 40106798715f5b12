"""Forgetting: days that are kept no longer, and files that nothing points to.

A day goes as a whole, in one commit, with its copies in segments and with its key: without the key what may still lie in a
backup cannot be read. Rows that a hold keeps stay alone in their day, under its key, until the hold ends. Before anything goes
it is noted what will, and the note stays until somebody has written down that it went: so what was dropped is proved also when
the process that dropped it is not there any more.
"""

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

import numpy as np

from kwartier.disk import PRIVATE_FOLDER, write_whole
from kwartier.store.erase import Eraser, Reached, onward
from kwartier.store.files import FileKeys, Files
from kwartier.store.log import Log
from kwartier.store.months import Months
from kwartier.store.pins import Pins
from kwartier.store.rows import Integers
from kwartier.store.schema import KINDS, RAW, TableKind

GRACE_S = 86_400
"""A file that nothing points to is removed when it is older than this: it may be part of a commit that is being made."""
NOTES = "dropping"
Held = Callable[[date], Collection[int]]
"""The ids of which nothing may be deleted of a local day."""


def nothing_held(day: date) -> Collection[int]:
    """Nobody asked for anything to be kept."""
    return ()


class Forgetting(FileKeys, Protocol):
    """Keys of which those of a day can be forgotten."""

    def forget(self, day: date) -> None:
        """Delete the key of a day."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """Files and bytes that were removed."""

    files: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """What went of a local day: rows, how many ids they were of, and a digest of these; and how many ids a hold kept."""

    note: str
    """The name of the note: the same drop told twice has the same one."""
    table: str
    day: date
    rows: int
    ids: int
    digest: str
    """SHA-256 over the ids, ascending, each as eight bytes, the highest first."""
    kept: int
    is_over: bool
    """Whether nothing of the day is in any table any more."""
    key_forgotten: bool


class _Table:
    """What is at work in one table."""

    __slots__ = ("eraser", "files", "kind", "log")

    def __init__(self, folder: Path, keys: FileKeys | None, reached: Reached, kind: TableKind) -> None:
        self.kind = kind
        self.log = Log(folder, encrypted=keys is not None, kind=kind)
        self.files = Files(self.log.root, keys, kind)
        self.eraser = Eraser(folder, keys, reached, kind)


class Retention:
    """Drops days of the tables under ``folder``; used by one thread at a time, alone (see :mod:`kwartier.store.turn`)."""

    def __init__(self, folder: Path, keys: Forgetting | None, reached: Reached = onward) -> None:
        self._keys = keys
        self._tables = {kind.folder: _Table(folder, keys, reached, kind) for kind in KINDS}
        self._notes = folder / NOTES

    def drop(self, before: date, held: Held = nothing_held) -> int:
        """Take every local day before ``before`` out of the tables, but for what is held; how many days there were."""
        dropped = {day for table in self._tables.values() for day in self._drop(table, before, held)}
        return len(dropped)

    def _drop(self, table: _Table, before: date, held: Held) -> list[date]:
        table.log.refresh()
        dropped = []
        for day, paths in sorted(table.log.days().items()):
            if day >= before:
                continue
            ids = np.concatenate([table.files.read(path, ["id"])["id"].to_numpy() for path in paths])
            kept = np.intersect1d(ids, np.array(sorted(held(day)), np.int64))
            going = ids[~np.isin(ids, kept)]
            if len(going):
                self._note(table, day, paths, going, len(kept))
                table.eraser.narrow(day, kept)
                dropped.append(day)
        return dropped

    def proofs(self, now: float) -> list[Dropped]:
        """Remove what was dropped from the disk, with the keys; what is gone by now and was not written down yet.

        A day of which a pin needs a file at ``now`` (UTC s), or beside which somebody is writing, is told another time.
        """
        found = []
        for path in sorted(self._notes.glob("*.json")):
            note = json.loads(path.read_bytes())
            day, table = date.fromisoformat(note["day"]), self._tables[note.get("table", RAW.folder)]
            alive = self._alive(day)
            if set(note["paths"]) <= alive[table.kind.folder]:
                path.unlink()  # it was never carried out; if it still has to be, there is another note
                continue
            is_over = not any(alive.values())
            if is_over and self._keys is not None:
                for one in self._tables.values():
                    one.eraser.drop_copies(day)
                self._keys.forget(day)
            table.eraser.purge([day], now=now)
            if not table.eraser.beside(day):
                found.append(
                    Dropped(
                        note=path.stem,
                        table=table.kind.folder,
                        day=day,
                        rows=note["rows"],
                        ids=note["ids"],
                        digest=note["digest"],
                        kept=note["kept"],
                        is_over=is_over,
                        key_forgotten=is_over and self._keys is not None,
                    )
                )
        return found

    def recorded(self, one: Dropped) -> None:
        """It is written down elsewhere that this went: the note is needed no longer."""
        (self._notes / f"{one.note}.json").unlink(missing_ok=True)

    def _alive(self, day: date) -> dict[str, set[str]]:
        """The files that each table has of a day."""
        for table in self._tables.values():
            table.log.refresh()
        return {name: set(table.log.paths(day)) for name, table in self._tables.items()}

    def _note(self, table: _Table, day: date, paths: list[str], going: Integers, kept: int) -> None:
        unique = np.unique(going)
        note = {
            "table": table.kind.folder,
            "day": f"{day}",
            "paths": paths,
            "rows": len(going),
            "ids": len(unique),
            "digest": hashlib.sha256(unique.astype(">i8").tobytes()).hexdigest(),
            "kept": kept,
        }
        self._notes.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        write_whole(self._notes / f"{day}.{secrets.token_hex(8)}.json", json.dumps(note).encode())


def is_dropping(folder: Path, day: date) -> bool:
    """Whether there is a note that some of a day of the tables under ``folder`` goes, or went and is not proved yet."""
    return any((folder / NOTES).glob(f"{day}.*.json"))


def vacuum(folder: Path, keys: FileKeys | None, wall: Callable[[], float] = time.time) -> Forgotten:
    """Remove files that neither a table nor a pin needs and that are older than :data:`GRACE_S`. ``wall``: UTC seconds."""
    places = []
    for kind in KINDS:
        months = Months(folder, keys, kind)
        places.append((months.files.root, "month", months.used()))
        log = Log(folder, encrypted=keys is not None, kind=kind)
        log.refresh()
        known = {path for paths in log.days().values() for path in paths}
        places.append((log.root, "day", known | Pins(folder, kind).needed(wall())))
    removed, size = 0, 0
    for root, name, used in places:
        for path in root.glob(f"{name}=*/*.parquet"):
            seen = path.stat()
            if f"{path.parent.name}/{path.name}" not in used and wall() - seen.st_mtime > GRACE_S:
                path.unlink()
                removed, size = removed + 1, size + seen.st_size
    return Forgotten(files=removed, bytes=size)
