"""A copy of a table as it was after one of its commits, while others go on writing.

Files of readings are never changed, and those that a rewrite has replaced stay for a day: so a copy is the log up to a commit
and the files that it names. Segments of months are not copied; they are made again from the tables.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from deltalake import DeltaTable

from kwartier.errors import StateError
from kwartier.store.log import LOG
from kwartier.store.schema import RAW, TableKind
from kwartier.store.table import PREFIX
from kwartier.store.validated import PREFIX as RUN_PREFIX
from kwartier.store.validated import run_of

LAST_CHECKPOINT = "_last_checkpoint"
NOTHING = -1
"""The newest version of a table that is not there."""


def newest(folder: Path, kind: TableKind = RAW) -> int:
    """The newest version of a table under ``folder``."""
    return max((int(path.stem) for path in _entries(folder, kind)), default=NOTHING)


class Commit(NamedTuple):
    """A version of a table: what was appended by it, none by a rewrite, and the local days of its new files."""

    version: int
    batches: tuple[str, ...]
    """Names of batches, of the raw table."""
    days: frozenset[str]
    runs: tuple[int, ...] = ()
    """Numbers of runs, of the validated one."""


def commits_after(folder: Path, version: int, kind: TableKind = RAW) -> Iterator[Commit]:
    """Each later version, in order."""
    for path in sorted(_entries(folder, kind)):
        if int(path.stem) > version:
            actions = [json.loads(line) for line in path.read_bytes().splitlines()]
            names = [one["txn"]["appId"] for one in actions if "txn" in one]
            batches = tuple(name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))
            runs = tuple(run_of(name) for name in names if name.startswith(RUN_PREFIX))
            days = frozenset(one["add"]["partitionValues"]["day"] for one in actions if "add" in one)
            yield Commit(int(path.stem), batches, days, runs)


def consistent(version: int, later: Iterable[Commit], is_known: Callable[[Commit], bool]) -> int:
    """How far the log goes that fits to a database which was looked at after ``version`` was the newest.

    A batch is noted in the database before it is appended and called stored afterwards. So whatever the database calls stored
    was appended before any batch that it has not noted, and the log may be cut there. The same goes for a run of validation
    - whose number would be given to another one, if its rows came along without it - and for the key of a day, which is kept
    between the two: a file without its key is none.
    """
    for one in later:
        if not is_known(one):
            break
        version = one.version
    return version


def copy(folder: Path, target: Path, version: int, kind: TableKind = RAW) -> None:
    """Copy a table as it was after ``version`` to the folder ``target``. Raises ``StateError`` lost-file."""
    root, there = folder / kind.folder, target / kind.folder
    (there / LOG).mkdir(parents=True)
    try:
        for path in (root / LOG).iterdir():
            number = path.name.split(".", 1)[0]
            if number.isdigit() and int(number) <= version:
                shutil.copyfile(path, there / LOG / path.name)
        told = root / LOG / LAST_CHECKPOINT
        if told.exists() and json.loads(told.read_bytes())["version"] <= version:
            shutil.copyfile(told, there / LOG / LAST_CHECKPOINT)
        for uri in DeltaTable(root, version=version).file_uris():
            name = Path("/".join(unquote(uri).rsplit("/", 2)[1:]))
            (there / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(root / name, there / name)
    except FileNotFoundError as error:
        raise StateError("lost-file", f"the table names {Path(error.filename).name}, which is not there") from None


def _entries(folder: Path, kind: TableKind) -> Iterator[Path]:
    return (path for path in (folder / kind.folder / LOG).glob("*.json") if path.stem.isdigit())
