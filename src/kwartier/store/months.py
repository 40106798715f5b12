"""Segments: some days of a month in files sorted by id and day, so that a look-up of many days opens few files.

They are copies of the latest rows of a table, made for speed; the table stays the truth. A page for each month says which file
of which day a segment was made from. A day whose files are others by now is read from these: a segment is never wrong, only
unused.
"""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow
import pyarrow.compute as pc

from kwartier.disk import write_whole
from kwartier.errors import SecurityError, StateError
from kwartier.store.files import FileKeys, Files
from kwartier.store.rows import Integers
from kwartier.store.schema import RAW, TableKind

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

    made_of: Mapping[date, str] = field(default_factory=dict)
    """The file of the table that each day was taken from."""
    segment: Mapping[date, str] = field(default_factory=dict)
    """Where each day is."""
    parts: Mapping[str, list[Part]] = field(default_factory=dict)
    """The files of each segment."""


class Copied(NamedTuple):
    """The files of a segment, and the days that are to be read of it."""

    parts: Sequence[Part]
    days: list[date]


class Months:
    """The pages and segments of a table under ``folder``."""

    __slots__ = ("_files", "_pages")

    def __init__(self, folder: Path, keys: FileKeys | None, kind: TableKind = RAW) -> None:
        self._files = Files(folder / kind.segments, keys, kind)
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
            "days": {
                f"{day}": {"raw": page.made_of[day], "segment": page.segment[day]} for day in sorted(page.segment)
            },
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

    def covering(self, days: Mapping[date, Sequence[str]]) -> list[Copied]:
        """Of some days with their present files those that are in segments."""
        found: dict[str, Copied] = {}
        for day, paths in days.items():
            page = self.page(day)
            if covered(page, day, paths):
                name = page.segment[day]
                found.setdefault(name, Copied(page.parts[name], [])).days.append(day)
        return list(found.values())

    def rows(self, copied: Copied, ids: Integers) -> list[pyarrow.Table] | None:
        """The rows of some days of a segment that are of some ids (ascending).

        None: it cannot be read. It was dropped a moment ago, say, or it is under another key than a moment ago: whoever asks
        has to look at the days themselves.
        """
        try:
            return list(self._among(copied, ids))
        except (SecurityError, StateError):
            return None

    def _among(self, copied: Copied, ids: Integers) -> Iterator[pyarrow.Table]:
        wanted = pyarrow.array(copied.days, pyarrow.date32())
        for part in copied.parts:
            within = ids[np.searchsorted(ids, part.lowest) : np.searchsorted(ids, part.highest, side="right")]
            if len(within):
                for table in self._files.among(part.path, within):
                    yield table.filter(pc.is_in(table["day"], value_set=wanted))

    def forget(self, day: date) -> None:
        """All segments of the month go: its days are read from the table until a rewrite makes another.

        Any of them may hold rows of the day from before it changed, and all are under the key of the first day, which may go.
        """
        self.drop(day.replace(day=1), self.page(day).parts.keys())

    def drop(self, month: date, going: Set[str]) -> None:
        """Some segments of a month go."""
        if not going:
            return
        page = self.page(month)
        others = {one for one, segment in page.segment.items() if segment not in going}
        # The page first: whoever is stopped in between leaves files that no page names, and no page without its files.
        self.write(
            month,
            Page(
                made_of={one: page.made_of[one] for one in others},
                segment={one: page.segment[one] for one in others},
                parts={segment: parts for segment, parts in page.parts.items() if segment not in going},
            ),
        )
        for part in (one for segment in going for one in page.parts[segment]):
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
        made_of={day: row["raw"] for day, row in days.items()},
        segment={day: row["segment"] for day, row in days.items()},
        parts={
            name: [Part(path=one[0], lowest=one[1], highest=one[2]) for one in parts]
            for name, parts in table["segments"].items()
        },
    )


def covered(page: Page, day: date, paths: Sequence[str]) -> bool:
    """Whether the segment of a day was made from its present files."""
    return len(paths) == 1 and page.made_of.get(day) == paths[0]
