"""Rows of some ids and days out of every file, and every other row as it was.

A file that holds such rows is written again without them and takes its place in one commit, under the name that all rewrites
share; segments with copies of them go. Then the old files go from the disk, unless a pinned version of the table needs them.
Each step may be the last one of its process: done again, all of it comes to the same. What is gone is not believed but looked
for, in every file on the disk whether the table names it or not.
"""

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow

from kwartier.errors import SecurityError, StateError
from kwartier.store.files import FileKeys, Files
from kwartier.store.log import Log
from kwartier.store.months import Months
from kwartier.store.pins import Pins
from kwartier.store.rewrite import SORTED, TRANSACTION, Rewriter
from kwartier.store.rows import Integers
from kwartier.store.schema import RAW, TableKind
from kwartier.store.versions import by_day

KEPT = "kept-"
"""How the names of files begin that hold what was left of others, unless they are in the order of ids."""
MAX_TRIES = 20
ONE_DAY = timedelta(days=1)


class Step(StrEnum):
    """What has just been done, in the order in which it is done for one day."""

    COPIES_GONE = "copies-gone"
    """No segment is named any more that has copies."""
    WRITTEN = "written"
    """What is left of the files is on the disk, and not in the table yet."""
    REPLACED = "replaced"
    """It is in the table, and the files from before are not."""
    UNLINKED = "unlinked"
    """The files from before are gone from the disk, as far as no pin needs them."""


Reached = Callable[[Step], None]
Stays = Callable[[Integers], npt.NDArray[np.bool_]]
"""Which of some ids stay."""


def onward(step: Step) -> None:
    """Nobody is watching."""


class Doomed(NamedTuple):
    """Rows of one id from the local day ``start`` up to ``end``."""

    id: int
    start: date
    end: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """Files and bytes that went from the disk."""

    files: int = 0
    bytes: int = 0


class Eraser:
    """Erases in a table under ``folder``; used by one thread at a time, alone (see :mod:`kwartier.store.turn`)."""

    def __init__(
        self, folder: Path, keys: FileKeys | None = None, reached: Reached = onward, kind: TableKind = RAW
    ) -> None:
        self._kind = kind
        self._log = Log(folder, encrypted=keys is not None, kind=kind)
        self._files = Files(self._log.root, keys, kind)
        self._months = Months(folder, keys, kind)
        self._pins = Pins(folder, kind)
        self._rewriter = Rewriter(folder, keys, kind)
        self._reached = reached

    def count(self, doomed: Sequence[Doomed]) -> dict[Doomed, int]:
        """How many rows of each the table holds, every version counted."""
        self._log.refresh()
        there = self._log.days()
        found = dict.fromkeys(doomed, 0)
        for day, ids in self._by_day(doomed, there).items():
            every = [self._ids_in(path, ids) for path in there[day]]
            for one in doomed:
                if one.start <= day < one.end:
                    found[one] += sum(int((here == one.id).sum()) for here in every)
        return found

    def erase(self, doomed: Sequence[Doomed]) -> int:
        """Take the rows out of the table and out of every copy; how many files were replaced. Raises ``StateError``."""
        self._log.refresh()
        return sum(
            self._rewrite(day, _without(ids), ids) for day, ids in self._by_day(doomed, self._log.days()).items()
        )

    def narrow(self, day: date, kept: Integers) -> int:
        """Take every row out of a local day but those of ``kept``; how many files were replaced. Raises ``StateError``."""
        return self._rewrite(day, _only(kept), None)

    def _rewrite(self, day: date, stays: Stays, ids: Integers | None) -> int:
        self._drop_copies(day, ids)
        self._reached(Step.COPIES_GONE)
        for _ in range(MAX_TRIES):
            self._log.refresh()
            begun = self._log.transaction(TRANSACTION) or 0
            paths = [path for path in self._log.paths(day) if not stays(self._ids_in(path, ids)).all()]
            if not paths:
                return 0
            made = [one for path in paths if (one := self._what_stays(path, stays)) is not None]
            self._reached(Step.WRITTEN)
            if self._rewriter.replace(paths, made, begun=begun):
                self._reached(Step.REPLACED)
                return len(paths)
            for path, _ in made:
                self._files.remove(path)
        raise StateError("store-busy", f"the files of {day} were changed by others {MAX_TRIES} times")

    def _what_stays(self, path: str, stays: Stays) -> tuple[str, int] | None:
        """A file with what stays of another, and its size; None where that is nothing."""
        if not stays(self._files.read(path, ["id"])["id"].to_numpy()).any():
            return None
        folder, name = path.split("/", 1)
        fresh = f"{folder}/{SORTED if name.startswith(SORTED) else KEPT}{secrets.token_hex(12)}.parquet"
        return fresh, self._files.write(fresh, self._pieces(path, stays))

    def _pieces(self, path: str, stays: Stays) -> Iterator[pyarrow.Table]:
        for piece in self._files.pieces(path):
            rows = piece.filter(pyarrow.array(stays(piece["id"].to_numpy())))
            if rows.num_rows:
                yield rows

    def drop_copies(self, day: date) -> None:
        """Take away the segments that may hold rows of a local day, or are under its key."""
        self._months.forget(day)

    def _drop_copies(self, day: date, ids: Integers | None) -> None:
        if ids is None:
            self.drop_copies(day)
            return
        # Also the segment of a day that has changed since, and is in another one now.
        parts, wanted = self._months.page(day).parts, {day: ids}
        going = {
            name for name, files in parts.items() if any(_holds(self._months.files, one.path, wanted) for one in files)
        }
        self._months.drop(day.replace(day=1), going)

    def _ids_in(self, path: str, ids: Integers | None) -> Integers:
        """The ids of a file, as far as they may be among ``ids``; all of them without."""
        if ids is None:
            return self._files.read(path, ["id"])["id"].to_numpy()
        table = self._files.find(path, int(ids[0]), int(ids[-1]), ["id"])
        return np.zeros(0, np.int64) if table is None else table["id"].to_numpy()

    # What was taken out of the table is still on the disk.

    def purge(self, days: Iterable[date], *, now: float) -> Removed:
        """Remove what the table has given up of these days, and segments that no page names, from the disk.

        What a pin needs at ``now`` (UTC s) stays. A file that the table has never named may be part of a commit that is
        being made: it is left alone, but for what one of us has left who was stopped: whoever rewrites is alone.
        """
        self._log.refresh()
        wanted = sorted(set(days))
        gone, needed = self._log.removed(), self._pins.needed(now)
        alive = {path for paths in self._log.days().values() for path in paths}
        total, size = 0, 0
        for path in self._on_disk(wanted):
            is_ours = path.split("/", 1)[1].startswith((SORTED, KEPT))
            if (path in gone or is_ours) and path not in alive and path not in needed:
                size += (self._log.root / path).stat().st_size
                self._files.remove(path)
                total += 1
        used = self._months.used()
        for path in self._copies_on_disk(wanted):
            if path not in used:
                size += (self._months.files.root / path).stat().st_size
                self._months.files.remove(path)
                total += 1
        self._reached(Step.UNLINKED)
        return Removed(files=total, bytes=size)

    def left(self, doomed: Sequence[Doomed]) -> list[str]:
        """The files on the disk that hold some of these rows, or that cannot be looked into; without any they are gone."""
        by_day = self._by_day(doomed, _days(doomed))
        found = [
            path
            for day, ids in by_day.items()
            for path in self._on_disk([day])
            if _holds(self._files, path, {day: ids}, has_days=False)
        ]
        by_month: dict[date, dict[date, Integers]] = defaultdict(dict)
        for day, ids in by_day.items():
            by_month[day.replace(day=1)][day] = ids
        for month, within in by_month.items():
            found += [path for path in self._copies_on_disk([month]) if _holds(self._months.files, path, within)]
        return found

    def beside(self, day: date) -> list[str]:
        """The files of a local day that are on the disk and not in the table."""
        self._log.refresh()
        alive = set(self._log.paths(day))
        return [path for path in self._on_disk([day]) if path not in alive]

    def _on_disk(self, days: Iterable[date]) -> list[str]:
        return [
            f"{path.parent.name}/{path.name}" for day in days for path in sorted(self._folder_of(day).glob("*.parquet"))
        ]

    def _copies_on_disk(self, days: Iterable[date]) -> list[str]:
        months = sorted({f"month={day:%Y-%m}" for day in days})
        root = self._months.files.root
        return [
            f"{path.parent.name}/{path.name}" for month in months for path in sorted((root / month).glob("*.parquet"))
        ]

    def _folder_of(self, day: date) -> Path:
        return self._log.root / f"day={day}"

    def _by_day(self, doomed: Sequence[Doomed], days: Iterable[date]) -> dict[date, Integers]:
        """The ids of each of ``days`` that has some, ascending."""
        found: dict[date, set[int]] = defaultdict(set)
        there = sorted(days)
        for one in doomed:
            for day in there:
                if one.start <= day < one.end:
                    found[day].add(one.id)
        return {day: np.array(sorted(ids), np.int64) for day, ids in sorted(found.items())}


def _holds(files: Files, path: str, ids: Mapping[date, Integers], *, has_days: bool = True) -> bool:
    """Whether a file has rows of some ids on their days; one that cannot be read may."""
    if not ids:
        return False
    every = np.unique(np.concatenate(list(ids.values())))
    try:
        found = list(files.among(path, every, ["id", "day"] if has_days else ["id"]))
    except SecurityError as error:
        return error.code != "no-day-key"  # without its key nobody can look into it ever again
    except StateError as error:
        return error.code != "lost-file"
    if not has_days:
        return bool(found)
    there = chain.from_iterable(map(by_day, found))
    return any(bool(np.isin(rows["id"].to_numpy(), ids[day]).any()) for day, rows in there if day in ids)


def _without(ids: Integers) -> Stays:
    return lambda here: ~np.isin(here, ids)


def _only(ids: Integers) -> Stays:
    return lambda here: np.isin(here, ids)


def _days(doomed: Sequence[Doomed]) -> set[date]:
    spans = {(one.start, one.end) for one in doomed}
    return {start + number * ONE_DAY for start, end in spans for number in range((end - start).days)}
