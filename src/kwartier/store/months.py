"""Segments: some days of a month in files sorted by id and day, so that a look-up of many days opens few files.

They are copies of the latest versions, made for speed; the raw table stays the truth. A page for each month says which raw file
of which day a segment was made from. A day whose raw files are others by now is read from these: a segment is never wrong,
only unused.
"""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow

from kwartier.disk import write_whole
from kwartier.store.files import FileKeys, Files
from kwartier.store.rows import Integers

MONTHS = "months"
ROW_GROUP = 1_000
FILE_ROWS = 100_000
"""Rows of one file: with more its footer alone would take longer to read than the rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file of a segment, and the ids in it."""

    path: str
    lowest: int
    highest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What there is of one month."""

    raw: Mapping[date, str] = field(default_factory=dict)
    """The raw file that each day was taken from."""
    segment: Mapping[date, str] = field(default_factory=dict)
    """Where each day is."""
    parts: Mapping[str, list[Part]] = field(default_factory=dict)
    """The files of each segment."""


class Months:
    """The pages and segments under ``folder``."""

    __slots__ = ("_files", "_pages")

    def __init__(self, folder: Path, keys: FileKeys | None) -> None:
        self._files = Files(folder / MONTHS, keys)
        self._pages: dict[date, tuple[tuple[int, int], Page]] = {}

    @property
    def files(self) -> Files:
        """The files of all segments."""
        return self._files

    def page(self, day: date) -> Page:
        """The page of the month that ``day`` is in; kept until its file changes."""
        month = day.replace(day=1)
        path = self._path(month)
        try:
            seen = path.stat()
        except FileNotFoundError:
            return Page()
        mark = (seen.st_mtime_ns, seen.st_ino)
        known = self._pages.get(month)
        if known is None or known[0] != mark:
            known = self._pages[month] = (mark, _read(path))
        return known[1]

    def months(self) -> list[date]:
        """The months that have a page."""
        return sorted(date.fromisoformat(f"{path.stem}-01") for path in self._files.root.glob("*.json"))

    def write(self, month: date, page: Page) -> None:
        """The page of a month, whole or not at all; segments that no day is in any more are not on it."""
        used = set(page.segment.values())
        table = {
            "days": {f"{day}": {"raw": page.raw[day], "segment": page.segment[day]} for day in sorted(page.segment)},
            "segments": {
                name: [[one.path, one.lowest, one.highest] for one in parts]
                for name, parts in page.parts.items()
                if name in used
            },
        }
        self._files.root.mkdir(parents=True, exist_ok=True)
        write_whole(self._path(month), json.dumps(table).encode())

    def make(self, month: date, pieces: Iterator[pyarrow.Table]) -> tuple[str, list[Part]]:
        """A segment of ``pieces``, which come in the order of ids; each has rows of ids that no other has."""
        name = secrets.token_hex(8)
        parts: list[Part] = []
        for piece in pieces:
            for first in range(0, piece.num_rows, FILE_ROWS):
                rows = piece.slice(first, FILE_ROWS)
                ids = rows["id"].to_numpy()
                path = f"month={month:%Y-%m}/{name}-{len(parts)}.parquet"
                self._files.write(path, [rows], ROW_GROUP)
                parts.append(Part(path=path, lowest=int(ids[0]), highest=int(ids[-1])))
        return name, parts

    def find(self, page: Page, segment: str, ids: Integers) -> list[pyarrow.Table]:
        """The row groups of a segment that may hold some of ``ids`` (ascending)."""
        found = []
        for part in page.parts[segment]:
            within = ids[np.searchsorted(ids, part.lowest) : np.searchsorted(ids, part.highest, side="right")]
            if len(within):
                table = self._files.find(part.path, int(within[0]), int(within[-1]))
                found += [] if table is None else [table]
        return found

    def forget(self, day: date) -> None:
        """The segment with the day goes: its other days are read from their raw files until a rewrite makes another."""
        page = self.page(day)
        name = page.segment.get(day)
        if name is None:
            return
        others = {one for one, segment in page.segment.items() if segment != name}
        # The page first: whoever is stopped in between leaves files that no page names, and no page without its files.
        self.write(
            day.replace(day=1),
            Page(
                raw={one: page.raw[one] for one in others},
                segment={one: page.segment[one] for one in others},
                parts={segment: parts for segment, parts in page.parts.items() if segment != name},
            ),
        )
        for part in page.parts[name]:
            self._files.remove(part.path)

    def used(self) -> set[str]:
        """Every file that some page names."""
        return {one.path for month in self.months() for parts in self.page(month).parts.values() for one in parts}

    def _path(self, month: date) -> Path:
        return self._files.root / f"{month:%Y-%m}.json"


def _read(path: Path) -> Page:
    table = json.loads(path.read_bytes())
    days = {date.fromisoformat(text): row for text, row in table["days"].items()}
    return Page(
        raw={day: row["raw"] for day, row in days.items()},
        segment={day: row["segment"] for day, row in days.items()},
        parts={
            name: [Part(path=one[0], lowest=one[1], highest=one[2]) for one in parts]
            for name, parts in table["segments"].items()
        },
    )


def covered(page: Page, day: date, raw: Sequence[str]) -> bool:
    """Whether the segment of a day was made from its present raw files."""
    return len(raw) == 1 and page.raw.get(day) == raw[0]
