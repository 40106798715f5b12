"""Into the store: one commit a batch, and the same batch twice changes nothing.

Whether a row is there already, and as which version, is known from the ids and digests of its day, which are read once and then
kept. A row that is equal is left out; one that differs is a new version beside the old one.
"""

import errno
import secrets
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction

from kwartier.errors import Retry, StateError
from kwartier.store.encode import Entry, block, encode, pieces
from kwartier.store.files import FileKeys, Files
from kwartier.store.log import Log
from kwartier.store.rows import Integers

MAX_INDEXED_DAYS = 16
MAX_CHUNKS = 16
"""More sorted chunks of an index than this are merged into one."""
MAX_TRIES = 20
PREFIX = "batch/"
"""Before the name of a batch, where the log tells batches from rewrites."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""What the system says of a disk that is full, or of one that is full for us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """What a batch changed: rows that are new, rows that were there already, and (id, day) that got a new version."""

    new: int = 0
    same: int = 0
    superseded: tuple[tuple[int, date], ...] = ()


class Written(NamedTuple):
    """A file that is on the disk and not in the table yet."""

    day: date
    path: str
    rows: pyarrow.Table
    size: int


@dataclass(slots=True)
class _Day:
    """What the table holds for one day: sorted chunks of (ids, digests, versions), and the files they came from."""

    files: set[str] = field(default_factory=set)
    chunks: list[tuple[Integers, Integers, Integers]] = field(default_factory=list)

    def add(self, ids: Integers, digests: Integers, versions: Integers) -> None:
        self.chunks.append((ids, digests, versions))
        merged = [np.concatenate(column) for column in zip(*self.chunks, strict=True)] if self._is_full() else None
        if merged is not None:
            self.chunks = [(merged[0], merged[1], merged[2])]
        ids, digests, versions = self.chunks[-1]
        order = np.lexsort((versions, ids))
        self.chunks[-1] = (ids[order], digests[order], versions[order])

    def _is_full(self) -> bool:
        return len(self.chunks) > MAX_CHUNKS

    def latest(self, ids: Integers) -> tuple[Integers, Integers]:
        """Digest and version of the latest row of each id; version 0 where there is none."""
        digests, versions = np.zeros(len(ids), np.int64), np.zeros(len(ids), np.int64)
        for known, known_digests, known_versions in self.chunks:
            at = np.searchsorted(known, ids, side="right") - 1
            hit = (at >= 0) & (known[np.maximum(at, 0)] == ids)
            hit &= known_versions[np.maximum(at, 0)] > versions
            digests[hit], versions[hit] = known_digests[at[hit]], known_versions[at[hit]]
        return digests, versions


class Store:
    """The raw table in ``folder``; used by one thread at a time. ``keys`` None: nothing is encrypted."""

    def __init__(self, folder: Path, keys: FileKeys | None = None) -> None:
        self._log = Log(folder, encrypted=keys is not None)
        self._files = Files(self._log.root, keys)
        self._days: OrderedDict[date, _Day] = OrderedDict()

    def has(self, batch: str) -> bool:
        """Whether the batch is committed."""
        self._log.refresh()
        return self._log.transaction(_transaction(batch)) is not None

    def append(self, batch: str, entries: Sequence[Entry]) -> Appended:
        """Commit the entries as one batch; nothing changes when a batch of that name is there."""
        for _ in range(MAX_TRIES):
            if self.has(batch):
                return Appended()
            written: list[Written] = []
            try:
                return self._commit(batch, entries, written)
            except CommitFailedError:
                if self.has(batch):
                    return Appended()
            except (OSError, DeltaError) as error:
                # What was written stays: whether the commit was the last thing to succeed is asked when it is brought again.
                if is_full(error):
                    raise StateError("no-room", "the batch was not stored", retry=Retry.LATER) from None
                raise
            for one in written:
                self._files.remove(one.path)
        raise StateError("store-busy", f"the batch was not committed in {MAX_TRIES} tries")

    def _commit(self, batch: str, entries: Sequence[Entry], written: list[Written]) -> Appended:
        new, same, superseded = 0, 0, list[tuple[int, date]]()
        for (day, _length, kinds), group in pieces(entries).items():
            days = block(group, kinds)
            if days is None:
                continue
            rows = encode(batch, days)
            ids, digests = rows["id"].to_numpy(), rows["digest"].to_numpy()
            if len(np.unique(ids)) < len(ids):
                raise ValueError(f"a batch has two entries of one id for {day}")
            known, versions = self._index(day).latest(ids)
            is_same = (versions > 0) & (known == digests)
            same += int(is_same.sum())
            new += int((versions == 0).sum())
            superseded += [(int(i), day) for i in ids[(versions > 0) & ~is_same]]
            place = rows.schema.get_field_index("version")
            rows = rows.set_column(place, rows.schema.field(place), pyarrow.array((versions + 1).astype(np.int32)))
            rows = rows.filter(pyarrow.array(~is_same))
            if rows.num_rows:
                path = f"day={day}/{secrets.token_hex(16)}.parquet"
                written.append(Written(day, path, rows, self._files.write(path, [rows])))
        at_ms = int(time.time() * 1000)
        actions = [AddAction(one.path, one.size, {"day": str(one.day)}, at_ms, True, "{}") for one in written]
        self._log.commit(actions, transaction=_transaction(batch), version=1)
        for one in written:
            self._learn(self._index(one.day), one.path, one.rows)
        return Appended(new=new, same=same, superseded=tuple(superseded))

    def _index(self, day: date) -> _Day:
        """What is known of a day, with the files that came since the last look."""
        known = self._days.setdefault(day, _Day())
        self._days.move_to_end(day)
        while len(self._days) > MAX_INDEXED_DAYS:
            self._days.popitem(last=False)
        for path in self._log.paths(day):
            if path not in known.files:
                self._learn(known, path, self._files.read(path, ["id", "digest", "version"]))
        return known

    def _learn(self, known: _Day, path: str, rows: pyarrow.Table) -> None:
        if path not in known.files:
            known.files.add(path)
            known.add(*(rows[name].to_numpy().astype(np.int64) for name in ("id", "digest", "version")))


def is_full(error: Exception) -> bool:
    """Whether what failed did so for want of room."""
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return True
    # The library has no number for it, only the system's words.
    return any(f"os error {number}" in str(error) for number in NO_ROOM)


def _transaction(batch: str) -> str:
    return PREFIX + batch
