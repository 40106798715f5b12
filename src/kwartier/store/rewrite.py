"""Many small files of a day into one in the order of ids, and days into segments.

A rewrite takes files out of the table and puts their rows back in one commit. The library lets two rewrites of the same files
both succeed, which would double every row; so all rewrites and erasures carry one transaction name, of which two commits at
once conflict, and each checks on the committing handle that what it read is still there. Appends pass beside.
"""

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction

from kwartier.store.files import FileKeys, Files, day_of
from kwartier.store.log import Log
from kwartier.store.months import Months, Page, covered
from kwartier.store.rows import Integers
from kwartier.store.schema import RAW, TableKind
from kwartier.store.versions import latest, with_day

TRANSACTION = "rewrite"
SORTED = "sorted-"
"""How the names of rewritten files begin."""
PIECE_ROWS = 100_000
"""Rows in memory at once, about 1 kB each."""
MONTH_DAYS = 31
SEGMENT_DAYS = 5
"""With so many days of a month that no segment has, one is made of them; a month that is over comes into one as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """What a rewrite did: days that were made one file, and days that were brought into segments."""

    days: int = 0
    segmented: int = 0


class Rewriter:
    """Rewrites a table in ``folder``; used by one thread at a time."""

    def __init__(self, folder: Path, keys: FileKeys | None = None, kind: TableKind = RAW) -> None:
        self._kind = kind
        self._log = Log(folder, encrypted=keys is not None, kind=kind)
        self._files = Files(self._log.root, keys, kind)
        self._months = Months(folder, keys, kind)

    def rewrite(self, before: date, kept_from: date | None = None) -> Rewritten:
        """Rewrite what there is of the local days before ``before``.

        ``kept_from``: the first day that is kept. The rest of its month gets no segments: of that a day goes every night, and
        would take them along.
        """
        self._log.refresh()
        days = sorted(day for day in self._log.days() if day < before)
        made = sum(self.day(day) for day in days)
        going = None if kept_from is None or kept_from.day == 1 else kept_from.replace(day=1)
        segmented = sum(self._month(month, before) for month in _months(days) if month != going)
        return Rewritten(days=made, segmented=segmented)

    def day(self, day: date) -> bool:
        """Make one file of a day, whether that was needed and nobody else was quicker."""
        self._log.refresh()
        begun = self._log.transaction(TRANSACTION) or 0
        paths = self._log.paths(day)
        if not paths or is_sorted(paths):
            return False
        path = f"day={day}/{SORTED}{secrets.token_hex(12)}.parquet"
        size = self._files.write(path, self._by_id(paths, latest_only=False))
        if self.replace(paths, [(path, size)], begun=begun):
            return True
        self._files.remove(path)
        return False

    def replace(self, paths: Sequence[str], made: Sequence[tuple[str, int]], *, begun: int) -> bool:
        """Take files out and put others in, in one commit; False where they are gone, or another rewrite was made since."""
        self._log.refresh()
        days = {path: path.split("/", 1)[0].removeprefix("day=") for path in (*paths, *(one for one, _ in made))}
        alive = {path for day in set(days.values()) for path in self._log.paths(date.fromisoformat(day))}
        if not set(paths) <= alive or (self._log.transaction(TRANSACTION) or 0) != begun:
            return False
        at_ms = int(time.time() * 1000)
        actions: list[AddAction | RemoveAction] = [
            RemoveAction(path=path, deletion_timestamp=at_ms, data_change=False, partition_values={"day": days[path]})
            for path in paths
        ]
        actions += [AddAction(path, size, {"day": days[path]}, at_ms, False, "{}") for path, size in made]
        try:
            self._log.commit(actions, transaction=TRANSACTION, version=begun + 1)
        except CommitFailedError:
            return False
        return True

    def _month(self, month: date, before: date) -> int:
        """Bring days of a month into a segment if there are enough of them; how many."""
        self._log.refresh()
        page = self._months.page(month)
        whole = {
            day: paths[0]
            for day, paths in self._log.days().items()
            if day.replace(day=1) == month and day < before and is_sorted(paths)
        }
        wanted = {day: path for day, path in whole.items() if not covered(page, day, [path])}
        is_over = (before - month).days > MONTH_DAYS
        if is_over and (len(page.parts) != 1 or len(wanted) >= SEGMENT_DAYS):
            wanted = whole
        elif len(wanted) < SEGMENT_DAYS:
            return 0
        if not wanted:
            return 0
        name, parts = self._months.make(month, self._by_id(sorted(wanted.values()), latest_only=True))
        self._months.write(
            month,
            Page(
                made_of={**page.made_of, **wanted},
                segment={**page.segment, **dict.fromkeys(wanted, name)},
                parts={**page.parts, name: parts},
            ),
        )
        return len(wanted)

    def _by_id(self, paths: Sequence[str], *, latest_only: bool) -> Iterator[pyarrow.Table]:
        """The rows of some files in the order of ids, a stretch of ids at a time; with the day, if only the latest of each."""
        ids = np.sort(np.concatenate([self._files.read(path, ["id"])["id"].to_numpy() for path in paths]))
        for lowest, highest in stretches(ids):
            found = []
            for path in paths:
                table = self._files.find(path, lowest, highest)
                if table is None:
                    continue
                here = table["id"].to_numpy()
                table = table.filter(pyarrow.array((here >= lowest) & (here <= highest)))
                found.append(latest(with_day(table, day_of(path), self._kind), self._kind) if latest_only else table)
            order = "day" if latest_only else self._kind.newest
            yield pyarrow.concat_tables(found).sort_by([("id", "ascending"), (order, "ascending")])


def stretches(ids: Integers) -> Iterator[tuple[int, int]]:
    """Ids (ascending, some more than once) as stretches of about :data:`PIECE_ROWS` rows, none of them in two."""
    first = 0
    while first < len(ids):
        last = int(np.searchsorted(ids, ids[min(first + PIECE_ROWS, len(ids)) - 1], side="right"))
        yield int(ids[first]), int(ids[last - 1])
        first = last


def is_sorted(paths: Sequence[str]) -> bool:
    """Whether the files of a day are one that was rewritten."""
    return len(paths) == 1 and paths[0].split("/", 1)[1].startswith(SORTED)


def _months(days: Sequence[date]) -> list[date]:
    return sorted({day.replace(day=1) for day in days})
