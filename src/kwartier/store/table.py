"""The raw table: one commit a batch, and the same batch twice changes nothing.

The library under it does not check an application's version by itself: the table is refreshed, the version read, and the
commit made on that same handle. It panics in a forked child, so a forked child is refused.
"""

import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pyarrow
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction

from kwartier.errors import StateError
from kwartier.store.encode import Entry, encode, pieces
from kwartier.store.files import read_columns, write_file
from kwartier.store.rows import Integers
from kwartier.store.schema import TABLE_SCHEMA

MAX_INDEXED_DAYS = 16
MAX_CHUNKS = 16
"""More sorted chunks of an index than this are merged into one."""
MAX_TRIES = 20

_forked: list[int] = []
os.register_at_fork(after_in_child=lambda: _forked.append(os.getpid()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """What a batch changed: rows that are new, rows that were there already, and (id, day) that got a new version."""

    new: int = 0
    same: int = 0
    superseded: tuple[tuple[int, date], ...] = ()


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
    """The raw table in ``folder``; used by one thread at a time."""

    def __init__(self, folder: Path, keys: None = None) -> None:
        if _forked:
            raise StateError("forked-store", "the store was opened in a forked process")
        self._root = folder / "raw"
        self._root.mkdir(parents=True, exist_ok=True)
        self._table = DeltaTable.create(
            self._root,
            Schema.from_arrow(TABLE_SCHEMA),
            mode="ignore",
            partition_by=["day"],
            configuration=CONFIGURATION,
        )
        self._days: OrderedDict[date, _Day] = OrderedDict()

    def has(self, batch: str) -> bool:
        """Whether the batch is committed."""
        self._refuse_fork()
        self._table.update_incremental()
        return self._table.transaction_version(f"batch/{batch}") is not None

    def append(self, batch: str, entries: Sequence[Entry]) -> Appended:
        """Commit the entries as one batch; nothing changes when a batch of that name is there."""
        for _ in range(MAX_TRIES):
            if self.has(batch):
                return Appended()
            written: list[tuple[date, str, pyarrow.Table]] = []
            try:
                return self._commit(batch, entries, written)
            except CommitFailedError:
                if self.has(batch):
                    return Appended()
                for _day, path, _rows in written:
                    (self._root / path).unlink(missing_ok=True)
        raise StateError("store-busy", f"the batch was not committed in {MAX_TRIES} tries")

    def _commit(self, batch: str, entries: Sequence[Entry], written: list[tuple[date, str, pyarrow.Table]]) -> Appended:
        new, same, superseded, actions = 0, 0, list[tuple[int, date]](), list[AddAction]()
        for (day, _length, kinds), group in pieces(entries).items():
            rows = encode(batch, group, kinds).sort_by("id")
            ids, digests = rows["id"].to_numpy(), rows["digest"].to_numpy()
            known, versions = self._index(day).latest(ids)
            is_same = (versions > 0) & (known == digests)
            same += int(is_same.sum())
            superseded += [(int(i), day) for i in ids[(versions > 0) & ~is_same]]
            rows = rows.set_column(
                rows.schema.get_field_index("version"), "version", pyarrow.array((versions + 1).astype(np.int32))
            )
            rows = rows.filter(pyarrow.array(~is_same))
            new += int((versions == 0).sum())
            if rows.num_rows:
                path = f"day={day}/{secrets.token_hex(16)}.parquet"
                written.append((day, path, rows))
                size = write_file(self._root / path, rows)
                actions.append(AddAction(path, size, {"day": str(day)}, int(time.time() * 1000), True, "{}"))
        self._table.create_write_transaction(
            list(actions),
            "append",
            Schema.from_arrow(TABLE_SCHEMA),
            ["day"],
            commit_properties=CommitProperties(app_transactions=[Transaction(f"batch/{batch}", 1)]),
        )
        for day, path, rows in written:
            self._learn(self._index(day), path, rows)
        return Appended(new=new, same=same, superseded=tuple(superseded))

    def _index(self, day: date) -> _Day:
        """What is known of a day, with the files that came since the last look."""
        known = self._days.setdefault(day, _Day())
        self._days.move_to_end(day)
        while len(self._days) > MAX_INDEXED_DAYS:
            self._days.popitem(last=False)
        for uri in self._table.file_uris(file_pruning_predicate=[("day", "=", str(day))]):
            path = f"day={day}/{unquote(uri).rsplit('/', 1)[1]}"
            if path not in known.files:
                self._learn(known, path, read_columns(self._root / path, ["id", "digest", "version"]))
        return known

    def _learn(self, known: _Day, path: str, rows: pyarrow.Table) -> None:
        if path not in known.files:
            known.files.add(path)
            known.add(*(rows[name].to_numpy().astype(np.int64) for name in ("id", "digest", "version")))

    def _refuse_fork(self) -> None:
        if _forked:
            raise StateError("forked-store", "the store was used in a forked process")


CONFIGURATION = {"delta.dataSkippingNumIndexedCols": "0", "delta.checkpointInterval": "100"}
