"""Out of the store: the latest version of readings, as stacks of days of equal length.

The gate alone may import this: no value leaves the store but through a grant.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, timedelta
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.compute as pc

from kwartier.model import Beside, Missing, Stack
from kwartier.store.ahead import ahead
from kwartier.store.columns import side_of
from kwartier.store.files import FileKeys, Files
from kwartier.store.log import Log
from kwartier.store.months import Months
from kwartier.store.pins import Pins
from kwartier.store.rows import Bytes2, Integers, Mask, registers_of
from kwartier.store.schema import CHANNELS
from kwartier.store.versions import Picked, is_last, is_picked, latest, with_day

Column: TypeAlias = "pyarrow.ChunkedArray[Any] | pyarrow.ListArray[Any]"
EPOCH = date(1970, 1, 1)
MAX_DAYS = 400
"""Local days in one look-up."""


class Reader:
    """The readings in ``folder``, as they are at the moment of each question."""

    def __init__(self, folder: Path, keys: FileKeys | None = None) -> None:
        self._log = Log(folder, encrypted=keys is not None)
        self._pins = Pins(folder)
        self._files = Files(self._log.root, keys)
        self._months = Months(folder, keys)

    @property
    def version(self) -> int:
        """The version of the table that the next question is answered from, at the least."""
        self._log.look()
        return self._log.version

    def held(self, name: str, *, now: float, seconds: int) -> AbstractContextManager[int]:
        """As :meth:`kwartier.store.pins.Pins.held`: every question until the block ends is about one version."""
        return self._pins.held(self._log, name, now=now, seconds=seconds)

    def look_up(self, ids: Sequence[int], start: date, end: date) -> Iterator[Stack]:
        """The latest readings of some ids for the local days from ``start`` to before ``end``, by day."""
        if not ids or end <= start:
            return
        self._log.look()
        wanted = np.unique(np.array(ids, np.int64))
        there, days = self._log.days(), (start + timedelta(days=number) for number in range((end - start).days))
        paths = {day: there.get(day, []) for day in islice(days, MAX_DAYS)}
        found: list[pyarrow.Table] = []
        for copied in self._months.covering(paths):
            rows = self._months.rows(copied, wanted)
            if rows is not None:
                found += rows
                paths = {day: own for day, own in paths.items() if day not in copied.days}
        for day, own in paths.items():
            found += [with_day(table, day) for path in own for table in self._files.among(path, wanted)]
        yield from stacks(found)

    def scan(self, day: date, picked: Picked | None = None) -> Iterator[Stack]:
        """The latest readings of every id for one local day, or those that are picked, a row group of the files at a time."""
        self._log.look()
        paths = self._log.paths(day)
        heads = [self._files.read(path, ["id", "version"]) for path in paths]
        ids = np.concatenate([head["id"].to_numpy() for head in heads] or [np.zeros(0, np.int64)])
        versions = np.concatenate([head["version"].to_numpy() for head in heads] or [np.zeros(0, np.int32)])
        wanted = is_last(ids, versions) if picked is None else is_picked(ids, versions, picked)
        yield from ahead(self._chosen(paths, wanted, day))

    def _chosen(self, paths: Sequence[str], wanted: Mask, day: date) -> Iterator[Stack]:
        first = 0
        for path in paths:
            for piece in self._files.pieces(path):
                chosen = wanted[first : first + piece.num_rows]
                first += piece.num_rows
                if chosen.any():
                    some = piece if chosen.all() else piece.filter(pyarrow.array(chosen))
                    yield from stacks([with_day(some, day)])

    def versions(self, day: date) -> Picked:
        """The ids of a local day, ascending, and the latest version of each."""
        self._log.look()
        heads = [self._files.read(path, ["id", "version"]) for path in self._log.paths(day)]
        if not heads:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        ids = np.concatenate([head["id"].to_numpy() for head in heads])
        versions = np.concatenate([head["version"].to_numpy() for head in heads]).astype(np.int64)
        last = is_last(ids, versions)
        order = np.argsort(ids[last], kind="stable")
        return ids[last][order], versions[last][order]

    def ids(self, day: date) -> Integers:
        """The id of every row of a local day, every version counted."""
        self._log.look()
        found = [self._files.read(path, ["id"])["id"].to_numpy() for path in self._log.paths(day)]
        return np.concatenate(found) if found else np.zeros(0, np.int64)


def stacks(parts: Sequence[pyarrow.Table]) -> Iterator[Stack]:
    """Rows with their days, in the order of their commits, as stacks of the latest."""
    whole = [one for one in parts if one.num_rows]
    if not whole:
        return
    table = latest(pyarrow.concat_tables(whole))
    lengths = pc.binary_length(table["status"]).to_numpy()
    kinds = np.zeros(table.num_rows, np.int64)
    for place, name in enumerate(CHANNELS):
        kinds |= pc.is_valid(table[name]).to_numpy().astype(np.int64) << place
    found: list[Stack] = []
    for length in np.unique(lengths):
        for kind in np.unique(kinds):
            chosen = (lengths == length) & (kinds == kind)
            if chosen.any():
                rows = table if chosen.all() else table.filter(pyarrow.array(chosen))
                found += _decode(rows.combine_chunks(), int(length), int(kind))
    yield from sorted(found, key=lambda stack: stack.day)


def _decode(table: pyarrow.Table, length: int, kind: int) -> list[Stack]:
    """Rows of equal length and channels, in the order of days and ids: a stack a day."""
    count = table.num_rows
    registers: dict[str, Integers] = {}
    missing: dict[str, Bytes2] = {}
    bases = _bases(table)
    for place, name in enumerate(CHANNELS):
        if not kind >> place & 1:
            continue
        reasons = side_of(table[f"missing_{name}"], count, length)
        steps = _filled(pc.list_flatten(table[name])).reshape(count, length - 1)
        opening = np.asarray(_filled(table[f"opening_{name}"]), np.int64)
        found = registers_of(opening, steps, [base[1:] for base in bases if base[0] == place])
        if reasons.any():
            found[reasons != Missing.PRESENT] = 0
        registers[name] = found
        missing[name] = reasons
    status, clock_status = side_of(table["status"], count, length), side_of(table["clock_status"], count, length)
    ids, known_at = table["id"].to_numpy(), table["known_at"].to_numpy()
    versions = table["version"].to_numpy().astype(np.int64)
    numbers = table["day"].cast(pyarrow.int32()).to_numpy()
    beside = _beside(table)
    edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), count]
    return [
        Stack(
            day=EPOCH + timedelta(days=int(numbers[first])),
            ids=ids[first:last],
            registers={name: column[first:last] for name, column in registers.items()},
            missing={name: column[first:last] for name, column in missing.items()},
            status=status[first:last],
            clock_status=clock_status[first:last],
            versions=versions[first:last],
            known_at=known_at[first:last],
            beside={row - first: several for row, several in beside.items() if first <= row < last},
        )
        for first, last in pairwise(edges)
    ]


def _filled(column: Column) -> Integers | npt.NDArray[np.int32]:
    """Whole numbers as they are stored, 0 for null."""
    if column.null_count:
        column = pc.fill_null(column, 0)  # type: ignore[type-var, assignment]  # the stubs know no filling with a number
    return np.asarray(column.to_numpy())


def _beside(table: pyarrow.Table) -> dict[int, tuple[Beside, ...]]:
    column = table["beside"]
    if column.null_count == len(column):
        return {}
    rows = np.flatnonzero(pc.is_valid(column).to_numpy())
    several = column.take(pyarrow.array(rows, pyarrow.int64())).to_pylist()
    return {row: tuple(map(_as_it_came, found or ())) for row, found in zip(rows.tolist(), several, strict=True)}


def _as_it_came(row: Mapping[str, int | None]) -> Beside:
    return Beside(
        time=row["time"] or 0,
        registers={name: value for name in CHANNELS if (value := row[name]) is not None},
        status=row["status"] or 0,
        clock_status=row["clock_status"] or 0,
    )


def _bases(table: pyarrow.Table) -> list[tuple[int, int, int, int]]:
    """Where runs begin anew: (channel, row, place, register)."""
    column = table["bases"]
    if column.null_count == len(column):
        return []
    rows = np.flatnonzero(pc.is_valid(column).to_numpy())
    found = []
    for row, bases in zip(rows.tolist(), column.take(pyarrow.array(rows, pyarrow.int64())).to_pylist(), strict=True):
        found += [(base["channel"], row, base["place"], base["register"]) for base in bases or ()]
    return found
