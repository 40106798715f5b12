"""Into the validated table: what a run of validation made of the readings of a local day.

A run that was interrupted does its day again under the same number: what it has stored already is not stored twice. Runs are
kept beside each other, and the latest one counts; so what was settled from an earlier one can be settled again.
"""

import secrets
import time
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction

from kwartier.errors import Retry, StateError
from kwartier.model import STATE, Quality, Volumes
from kwartier.store.columns import Column, binary_of, lists_of
from kwartier.store.files import FileKeys, Files
from kwartier.store.log import Log
from kwartier.store.rows import Integers
from kwartier.store.schema import QUALITIES, VALIDATED
from kwartier.store.table import MAX_TRIES, is_full

PREFIX = "validated-"
"""Before the number of a run, where the log tells runs from rewrites."""


class Validated:
    """The validated table in ``folder``; used by one thread at a time. ``keys`` None: nothing is encrypted."""

    def __init__(self, folder: Path, keys: FileKeys | None = None) -> None:
        self._log = Log(folder, encrypted=keys is not None, kind=VALIDATED)
        self._files = Files(self._log.root, keys, VALIDATED)

    def has(self, run: int, day: date, part: int = 0) -> bool:
        """Whether a part of a run is committed."""
        self._log.refresh()
        return self._log.transaction(transaction(run, day, part)) is not None

    def append(self, run: int, day: date, pieces: Iterable[Volumes], part: int = 0) -> int:
        """Commit the volumes of a local day as those of a run; a version of the table that has them.

        Nothing changes, and ``pieces`` is not looked at, when the run has stored this part before. No id may come twice. What
        is in memory is one piece and one row group. Raises ``StateError`` no-room, store-busy.
        """
        if self.has(run, day, part):
            return self._log.version
        path = f"day={day}/{secrets.token_hex(16)}.parquet"
        try:
            actions = self._written(path, run, day, pieces)
            for _ in range(MAX_TRIES):
                try:
                    self._log.commit(actions, transaction=transaction(run, day, part), version=1)
                except CommitFailedError:
                    if not self.has(run, day, part):
                        continue
                    self._files.remove(path)
                self._log.refresh()
                return self._log.version
        except (OSError, DeltaError) as error:
            # What was written stays: whether the commit was the last thing to succeed is asked when it is brought again.
            if is_full(error):
                raise StateError("no-room", "the volumes were not stored", retry=Retry.LATER) from None
            raise
        self._files.remove(path)
        raise StateError("store-busy", f"the volumes of {day} were not committed in {MAX_TRIES} tries")

    def _written(self, path: str, run: int, day: date, pieces: Iterable[Volumes]) -> list[AddAction]:
        """The file, on the disk; none where there is nothing to store."""
        seen: list[Integers] = []
        tables = _encoded(run, day, pieces, seen)
        first = next(tables, None)
        if first is None:
            return []
        size = self._files.write(path, in_groups(_chained(first, tables), VALIDATED.row_group))
        ids = np.concatenate(seen)
        if len(np.unique(ids)) < len(ids):
            self._files.remove(path)
            raise ValueError(f"a run has two rows of one id for {day}")
        return [AddAction(path, size, {"day": f"{day}"}, int(time.time() * 1000), True, "{}")]


def transaction(run: int, day: date, part: int = 0) -> str:
    """What a part of a run is called in the log."""
    name = f"{PREFIX}{run}-{day}"
    return f"{name}-{part}" if part else name


def run_of(name: str) -> int:
    """The run of a transaction with such a name."""
    return int(name.removeprefix(PREFIX).split("-", 1)[0])


def _encoded(run: int, day: date, pieces: Iterable[Volumes], seen: list[Integers]) -> Iterator[pyarrow.Table]:
    for piece in pieces:
        if piece.day != day:
            raise ValueError(f"volumes of {piece.day} are none of {day}")
        if len(piece):
            seen.append(piece.ids)
            yield encode(run, piece)


def encode(run: int, volumes: Volumes) -> pyarrow.Table:
    """Volumes as the rows of a run."""
    count, schema = len(volumes), VALIDATED.columns
    columns: dict[str, Column] = {
        "id": pyarrow.array(volumes.ids),
        "run": pyarrow.array(np.full(count, run, np.int32)),
        **{name: pyarrow.array(np.asarray(volumes.state[name], np.int64)) for name in STATE},
    }
    usable = np.ones(count, np.bool_)
    for channel, name in QUALITIES.items():
        quality = volumes.quality[channel]
        usable &= (quality != Quality.MISSING).all(axis=1)
        columns[channel] = lists_of(volumes.energy_wh[channel], schema.field(channel).type)
        columns[name] = binary_of(quality, (quality == Quality.MEASURED).all(axis=1))
    columns["usable"] = pyarrow.array(usable)
    return pyarrow.table([columns[name] for name in schema.names], schema=schema)


def in_groups(tables: Iterable[pyarrow.Table], rows: int) -> Iterator[pyarrow.Table]:
    """The same rows in tables of ``rows`` each, but for the last."""
    waiting: list[pyarrow.Table] = []
    count = 0
    for table in tables:
        waiting.append(table)
        count += table.num_rows
        if count >= rows:
            whole = pyarrow.concat_tables(waiting)
            first = 0
            while count - first >= rows:
                yield whole.slice(first, rows)
                first += rows
            waiting, count = [whole.slice(first)], count - first
    if count:
        yield pyarrow.concat_tables(waiting)


def _chained(first: pyarrow.Table, others: Iterator[pyarrow.Table]) -> Iterator[pyarrow.Table]:
    yield first
    yield from others
