"""What later days remember of days that were erased, and how they come to forget it.

The state that a day leaves (:data:`~kwartier.model.STATE`) has parts of the days before it: the largest quarter so far, a mean,
and after a day without readings the last register from before. Of ids of which something was erased the rows of later days are
written again without such parts, as if nothing had been known of the meter until then; volumes, qualities and all other rows
stay as they are, and copies of months that remember go. Each step may be the last one of its process, as in
:mod:`kwartier.store.erase`.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow

from kwartier.errors import SecurityError, StateError
from kwartier.store.erase import KEPT, MAX_TRIES, Reached, Step, onward
from kwartier.store.files import FileKeys, Files, day_of
from kwartier.store.log import Log
from kwartier.store.months import Months
from kwartier.store.rewrite import SORTED, TRANSACTION, Rewriter
from kwartier.store.rows import Integers, Mask
from kwartier.store.schema import CHANNELS, VALIDATED
from kwartier.store.versions import by_day

GATHERED = (*(f"{kind}_{channel}" for kind in ("mean", "peak") for channel in CHANNELS), "mean_days", "zero_days")
"""Columns in which the days before are together with the day itself."""
CARRIED = {f"last_{channel}": f"last_{channel.removesuffix('_wh')}_at" for channel in CHANNELS}
"""By the column of a register, when it was so."""
COLUMNS = ["id", *GATHERED, *CARRIED.values()]


class Later(NamedTuple):
    """Rows of one id from the local day ``since`` on, of a meter that was erased in some days before ``until`` (UTC s)."""

    id: int
    since: date
    until: int


class Memory:
    """The validated table under ``folder``; used by one thread at a time, alone (see :mod:`kwartier.store.turn`)."""

    def __init__(self, folder: Path, keys: FileKeys | None = None, reached: Reached = onward) -> None:
        self._log = Log(folder, encrypted=keys is not None, kind=VALIDATED)
        self._files = Files(self._log.root, keys, VALIDATED)
        self._months = Months(folder, keys, VALIDATED)
        self._rewriter = Rewriter(folder, keys, VALIDATED)
        self._reached = reached

    def forget(self, later: Sequence[Later]) -> int:
        """Write what remembers again; how many files were replaced. Raises ``StateError`` store-busy."""
        self._log.refresh()
        self._drop_copies(later)
        return sum(self._rewrite(day, known) for day in sorted(self._log.days()) if (known := _on(day, later)))

    def days(self, later: Sequence[Later]) -> list[date]:
        """The local days of which there are files on the disk that may remember."""
        found = (date.fromisoformat(path.name.removeprefix("day=")) for path in self._log.root.glob("day=*"))
        return sorted(day for day in found if _on(day, later))

    def left(self, later: Sequence[Later]) -> list[str]:
        """The files on the disk that the table has given up and that remember, or cannot be looked into."""
        self._log.refresh()
        found = []
        for day in self.days(later):
            alive, known = set(self._log.paths(day)), _on(day, later)
            for path in sorted((self._log.root / f"day={day}").glob("*.parquet")):
                name = f"{path.parent.name}/{path.name}"
                if name not in alive and _may(partial(self._remembers, name, known)):
                    found.append(name)
        copies = sorted(self._months.files.root.glob("month=*/*.parquet"))
        names = [f"{path.parent.name}/{path.name}" for path in copies]
        late = [name for name in names if _reaches(day_of(name), later)]
        return found + [name for name in late if _may(partial(self._copy_remembers, name, later))]

    def _drop_copies(self, later: Sequence[Later]) -> None:
        for month in (one for one in self._months.months() if _reaches(one, later)):
            parts = self._months.page(month).parts
            going = {name for name, files in parts.items() if any(self._goes(one.path, later) for one in files)}
            self._months.drop(month, going)
        self._reached(Step.COPIES_GONE)

    def _goes(self, path: str, later: Sequence[Later]) -> bool:
        """Whether a copy remembers, or is of no use to anybody because it cannot be read."""
        try:
            return self._copy_remembers(path, later)
        except (SecurityError, StateError):
            return True

    def _rewrite(self, day: date, known: Mapping[int, int]) -> int:
        for _ in range(MAX_TRIES):
            self._log.refresh()
            begun = self._log.transaction(TRANSACTION) or 0
            paths = [path for path in self._log.paths(day) if self._remembers(path, known)]
            if not paths:
                return 0
            made = [self._without(path, known) for path in paths]
            self._reached(Step.WRITTEN)
            if self._rewriter.replace(paths, made, begun=begun):
                self._reached(Step.REPLACED)
                return len(paths)
            for path, _ in made:
                self._files.remove(path)
        raise StateError("store-busy", f"the files of {day} were changed by others {MAX_TRIES} times")

    def _remembers(self, path: str, known: Mapping[int, int]) -> bool:
        tables = self._files.among(path, np.array(sorted(known), np.int64), COLUMNS)
        return any(bool(_remembering(table, known).any()) for table in tables)

    def _copy_remembers(self, path: str, later: Sequence[Later]) -> bool:
        ids = np.array(sorted({one.id for one in later}), np.int64)
        tables = self._months.files.among(path, ids, [*COLUMNS, "day"])
        rows_of_days = ((_on(day, later), rows) for day, rows in chain.from_iterable(map(by_day, tables)))
        return any(bool(_remembering(rows, known).any()) for known, rows in rows_of_days if known)

    def _without(self, path: str, known: Mapping[int, int]) -> tuple[str, int]:
        """The same rows in a new file, and its size."""
        folder, name = path.split("/", 1)
        fresh = f"{folder}/{SORTED if name.startswith(SORTED) else KEPT}{secrets.token_hex(12)}.parquet"
        return fresh, self._files.write(fresh, self._pieces(path, known))

    def _pieces(self, path: str, known: Mapping[int, int]) -> Iterator[pyarrow.Table]:
        for piece in self._files.pieces(path):
            yield _forgotten(piece, known) if _remembering(piece, known).any() else piece


def _may(remembers: Callable[[], bool]) -> bool:
    """Whether a file remembers, or cannot be looked into."""
    try:
        return remembers()
    except SecurityError as error:
        return error.code != "no-day-key"  # without its key nobody can look into it ever again
    except StateError as error:
        return error.code != "lost-file"


def _reaches(month: date, later: Sequence[Later]) -> bool:
    """Whether some of it is about days of a month that begins on this day."""
    return any(one.since.replace(day=1) <= month for one in later)


def _on(day: date, later: Sequence[Later]) -> dict[int, int]:
    """By id until when nothing may be remembered on a local day."""
    found: dict[int, int] = {}
    for one in later:
        if one.since <= day:
            found[one.id] = max(one.until, found.get(one.id, 0))
    return found


def _until(table: pyarrow.Table, known: Mapping[int, int]) -> Integers:
    """For each row the moment until which it may remember nothing; 0: it may remember everything."""
    ids, limits = np.array(sorted(known), np.int64), np.array([known[one] for one in sorted(known)], np.int64)
    here = table["id"].to_numpy()
    place = np.minimum(np.searchsorted(ids, here), len(ids) - 1)
    return np.where(ids[place] == here, limits[place], 0)


def _remembering(table: pyarrow.Table, known: Mapping[int, int]) -> Mask:
    until = _until(table, known)
    found: Mask = np.logical_or.reduce([table[name].to_numpy() != 0 for name in GATHERED])
    for at in CARRIED.values():
        found |= _is_before(table[at].to_numpy(), until)
    return found & (until > 0)


def _is_before(at: Integers, until: Integers) -> Mask:
    """Of which register the moment lies before the end of what was erased; 0 is no moment."""
    return np.asarray((at > 0) & (at <= until), np.bool_)


def _forgotten(table: pyarrow.Table, known: Mapping[int, int]) -> pyarrow.Table:
    until = _until(table, known)
    columns = {name: np.where(until > 0, 0, table[name].to_numpy()) for name in GATHERED}
    for register, at in CARRIED.items():
        gone = _is_before(table[at].to_numpy(), until)
        columns |= {name: np.where(gone, 0, table[name].to_numpy()) for name in (register, at)}
    for name, column in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), pyarrow.array(column))
    return table
