"""The table itself: which files are in it, and commits. Delta Lake keeps the log; what it does not check is checked here.

The library does not look at an application's version by itself: a handle is refreshed, the version read, and the commit made
on that same handle. It panics in a forked child, so a forked child is refused.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from itertools import count
from pathlib import Path
from urllib.parse import unquote

from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, RemoveAction

from kwartier.disk import sync_folder
from kwartier.errors import StateError
from kwartier.store.schema import RAW, TableKind

LOG = "_delta_log"
ENCRYPTION = "kwartier.encryption"
ENCRYPTED, NOT_ENCRYPTED = "aes-gcm", "none"
CONFIGURATION = {"delta.dataSkippingNumIndexedCols": "0", "delta.checkpointInterval": "100"}

SETTLED_NS = 1_000_000_000
"""A log that was changed longer ago than this has not changed since it was read, however coarse the file system's clock."""
_used_in: set[int] = set()
"""The process in which the library's threads run, once they do."""


class Log:
    """The log of a table under ``folder``; used by one thread at a time."""

    __slots__ = ("_known", "_schema", "_seen_ns", "_table", "root", "stays", "version")

    def __init__(self, folder: Path, *, encrypted: bool, kind: TableKind = RAW) -> None:
        _refuse_fork()
        _used_in.add(os.getpid())
        said = ENCRYPTED if encrypted else NOT_ENCRYPTED
        self.root = folder / kind.folder
        self.root.mkdir(parents=True, exist_ok=True)
        _mend(self.root / LOG)
        self._schema = Schema.from_arrow(kind.table)
        self._table = self._opened(said)
        self.version = self._table.version()
        """As it was last seen."""
        self.stays = False
        """Whether a look is at the same version again, whatever was committed since."""
        self._seen_ns = 0
        self._known: tuple[int, dict[date, list[str]]] = (-1, {})
        found = self._table.metadata().configuration.get(ENCRYPTION)
        if found != said:
            raise StateError("other-encryption", f"the readings in {self.root} have encryption {found!r}, not {said!r}")

    def _opened(self, encryption: str) -> DeltaTable:
        # Made where it is there already, it would be loaded twice: a look at a table costs what its log is long.
        if any((self.root / LOG).glob("*.json")):
            return DeltaTable(self.root)
        return DeltaTable.create(
            self.root,
            self._schema,
            mode="ignore",
            partition_by=["day"],
            configuration={**CONFIGURATION, ENCRYPTION: encryption},
            raise_if_key_not_exists=False,
        )

    def refresh(self) -> None:
        """See what others committed."""
        _refuse_fork()
        self._table.update_incremental()
        self.version = self._table.version()

    def look(self) -> None:
        """See what others committed, where a look a moment ago is as good: for readers, and never before a commit."""
        if self.stays:
            return
        changed_ns = (self.root / LOG).stat().st_mtime_ns
        is_settled = time.time_ns() - changed_ns > SETTLED_NS
        if changed_ns != self._seen_ns or not is_settled:
            self.refresh()
            self._seen_ns = changed_ns

    @contextmanager
    def steady(self) -> Iterator[int]:
        """Every look until the block ends is at one version, which is as new as a look at its beginning has it."""
        self.look()
        before, self.stays = self.stays, True
        try:
            yield self.version
        finally:
            self.stays = before

    def transaction(self, name: str) -> int | None:
        """The version of an application's transaction; None where there was none."""
        return self._table.transaction_version(name)

    def paths(self, day: date) -> list[str]:
        """The files of a local day, as they are named below the root."""
        uris = self._table.file_uris(file_pruning_predicate=[("day", "=", str(day))])
        return [f"day={day}/{unquote(uri).rsplit('/', 1)[1]}" for uri in uris]

    def days(self) -> dict[date, list[str]]:
        """The files of every local day; remembered until the table changes."""
        if self._known[0] != self._table.version():
            found: dict[date, list[str]] = {}
            for uri in self._table.file_uris():
                path = "/".join(unquote(uri).rsplit("/", 2)[1:])
                found.setdefault(date.fromisoformat(path[len("day=") :].split("/")[0]), []).append(path)
            self._known = (self._table.version(), found)
        return self._known[1]

    def removed(self) -> set[str]:
        """Every file that a commit took out, as far back as there are entries."""
        found = set()
        for path in sorted((self.root / LOG).glob("*.json")):
            try:
                lines = path.read_bytes().splitlines()
            except FileNotFoundError:  # the library clears away entries that a checkpoint has made dispensable
                continue
            actions = (json.loads(line) for line in lines)
            found |= {unquote(one["remove"]["path"]) for one in actions if "remove" in one}
        return found

    def commit(self, actions: Sequence[AddAction | RemoveAction], *, transaction: str, version: int) -> None:
        """Commit on this handle as it is. Raises ``CommitFailedError`` when another was first."""
        _refuse_fork()
        properties = CommitProperties(app_transactions=[Transaction(transaction, version)])
        before = self._table.version()
        self._table.create_write_transaction(
            list(actions), "append", self._schema, ["day"], commit_properties=properties
        )
        self._sync(before + 1)

    def _sync(self, first: int) -> None:
        """What was committed survives the loss of power: the library leaves that to chance."""
        # Ours is among those that came since the handle was refreshed.
        for number in count(first):
            try:
                descriptor = os.open(self.root / LOG / f"{number:020d}.json", os.O_RDONLY)
            except FileNotFoundError:
                break
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(self.root / LOG)


def paths_at(folder: Path, version: int, kind: TableKind) -> set[str]:
    """The files that a version of a table under ``folder`` names; none where that version is not there any more."""
    try:
        table = DeltaTable(folder / kind.folder, version=version)
    except DeltaError:
        return set()
    return {"/".join(unquote(uri).rsplit("/", 2)[1:]) for uri in table.file_uris()}


def _mend(folder: Path) -> None:
    """Take away a last entry of which a loss of power left a part: whoever made it was not told that it is stored."""
    last = max(folder.glob("*.json"), default=None, key=lambda path: path.name)
    if last is None:
        return
    try:
        for line in last.read_bytes().splitlines():
            json.loads(line)
    except ValueError:
        last.unlink(missing_ok=True)
        sync_folder(folder)
    except FileNotFoundError:
        return


def _refuse_fork() -> None:
    if _used_in - {os.getpid()}:
        raise StateError("forked-store", "the store was used in a forked process")
