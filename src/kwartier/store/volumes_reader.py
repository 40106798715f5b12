"""Out of the validated table: of each id the row of the latest run, up to the run that somebody asks for.

The gate alone may import this: no value leaves the store but through a grant. What was settled from run 7 is settled again from
run 7, whatever runs came later: every run is kept, and the rows of a run are found wherever rewrites have put them.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow
import pyarrow.compute as pc

from kwartier.errors import InputError
from kwartier.model import STATE, Volumes
from kwartier.store.columns import rows_of, side_of
from kwartier.store.files import FileKeys, Files, Opened
from kwartier.store.log import Log
from kwartier.store.months import Months
from kwartier.store.pins import Pins
from kwartier.store.rows import Integers, Mask
from kwartier.store.schema import CHANNELS, QUALITIES, VALIDATED
from kwartier.store.versions import Picked, by_day, is_last

MAX_DAYS = 400
"""Local days in one look-up."""
FEW = 1_000
"""With more ids all days of them are not held at once: each day is read by itself."""
FEW_A_DAY = 20
"""With more ids for each day that is asked for, days are read quicker than segments: these are of many days."""
Runs = Mapping[date, int | None]
"""Local days, and the run of validation that each is asked for as of; None: the latest there is."""
MAX_OPEN = 8
"""Files that a worker keeps open: a day that was rewritten has one."""
WORK_COLUMNS = ["id", *CHANNELS, *QUALITIES.values()]


class Heads(NamedTuple):
    """Which ids a day has, ascending; whether no quarter of a row is missing; and the run that each row is of."""

    ids: Integers
    usable: Mask
    runs: Integers


class Piece(NamedTuple):
    """A row group of a file, and which of its rows count: a bit for each, the first one highest; None: all of them."""

    path: str
    group: int
    rows: bytes | None = None


class VolumesSource:
    """Reads pieces, in whatever process it has been sent to; its repr shows no key."""

    __slots__ = ("_files", "_keys", "_local", "_root")

    def __init__(self, root: Path, keys: Mapping[str, bytes] | None) -> None:
        self._root = root
        self._keys = keys
        self._files = Files(root, None if keys is None else _Given(keys), VALIDATED)
        self._local = threading.local()

    def __repr__(self) -> str:
        return f"VolumesSource({str(self._root)!r}, {'encrypted' if self._keys is not None else 'not encrypted'})"

    def __reduce__(self) -> "tuple[type[VolumesSource], tuple[Path, Mapping[str, bytes] | None]]":
        # What is open stays in the process that opened it.
        return type(self), (self._root, self._keys)

    def read(self, piece: Piece) -> pyarrow.Table:
        """The rows of a piece that count: id, energies and qualities. Raises ``SecurityError`` sealed-file, ``StateError``."""
        table = self._opened(piece.path).read(piece.group, WORK_COLUMNS, threads=False)
        if piece.rows is None:
            return table
        bits = np.unpackbits(np.frombuffer(piece.rows, np.uint8), count=table.num_rows)
        return table.filter(pyarrow.array(bits.astype(np.bool_)))

    def _opened(self, path: str) -> Opened:
        """A file as this thread has it open: reading its footer takes as long as reading some of its row groups."""
        if not hasattr(self._local, "files"):
            self._local.files = OrderedDict[str, Opened]()
        files: OrderedDict[str, Opened] = self._local.files
        found = files.get(path)
        if found is None:
            found = files[path] = self._files.open(path)
        files.move_to_end(path)
        while len(files) > MAX_OPEN:
            files.popitem(last=False)[1].close()
        return found


class _Given:
    """Keys of files that somebody handed over; its repr shows none."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = keys

    def file_key(self, day: date, path: str, *, new: bool) -> bytes:
        """The key of a file."""
        return self._keys[path]


class VolumesReader:
    """The volumes in ``folder``, as they are at the moment of each question. ``run`` None: the latest there is."""

    def __init__(self, folder: Path, keys: FileKeys | None = None) -> None:
        self._log = Log(folder, encrypted=keys is not None, kind=VALIDATED)
        self._files = Files(self._log.root, keys, VALIDATED)
        self._pins = Pins(folder, VALIDATED)
        self._months = Months(folder, keys, VALIDATED)

    @property
    def version(self) -> int:
        """The version of the table that the next question is answered from, at the least."""
        self._log.look()
        return self._log.version

    def held(self, name: str, *, now: float, seconds: int) -> AbstractContextManager[int]:
        """As :meth:`kwartier.store.pins.Pins.held`: every question until the block ends is about one version."""
        return self._pins.held(self._log, name, now=now, seconds=seconds)

    def steady(self) -> AbstractContextManager[int]:
        """Every question until the block ends is about one version, whose files may go meanwhile; the version."""
        return self._log.steady()

    def days(self, start: date, end: date) -> list[date]:
        """The local days from ``start`` to before ``end`` of which there is something."""
        self._log.look()
        return sorted(day for day in self._log.days() if start <= day < end)

    def heads(self, day: date, run: int | None = None) -> Heads:
        """What there is of a day, without any value."""
        rows = self._heads(day, run, ["usable"])
        return Heads(rows.ids, rows.columns["usable"].astype(np.bool_), rows.runs)

    def states(
        self, day: date, run: int | None = None, only: Integers | None = None
    ) -> tuple[Integers, Mapping[str, Integers]]:
        """The ids of a day, ascending, and what is kept of it for the next: the columns of :data:`~kwartier.model.STATE`.

        ``only`` (ascending), here and below: of no other ids.
        """
        rows = self._heads(day, run, list(STATE), only)
        return rows.ids, rows.columns

    def made_of(self, day: date, run: int | None = None) -> Picked:
        """The ids of a day, ascending, and of which version of the readings each row was made; 0: there was none."""
        rows = self._heads(day, run, ["raw_version"])
        return rows.ids, rows.columns["raw_version"]

    def scan(self, day: date, run: int | None = None, only: Integers | None = None) -> Iterator[Volumes]:
        """The volumes of a local day, a row group of the files at a time."""
        self._log.look()
        paths = self._log.paths(day)
        wanted = self._wanted(paths, run, only)
        for path in paths:
            first = 0
            for piece in self._files.pieces(path):
                chosen = wanted[path][first : first + piece.num_rows]
                first += piece.num_rows
                if chosen.any():
                    yield from decode(day, piece if chosen.all() else piece.filter(pyarrow.array(chosen)))

    def look_up(self, ids: Sequence[int], runs: Runs) -> Iterator[Volumes]:
        """The volumes of some ids for some local days, each as of a run, by day."""
        self._log.look()
        there, wanted = self._log.days(), np.unique(np.array(ids, np.int64))
        days = sorted(runs)[:MAX_DAYS]
        is_few = len(wanted) <= min(FEW, FEW_A_DAY * len(days))
        copied = self._copied(wanted, {day: runs[day] for day in days}) if is_few else {}
        for day in days:
            found = copied.get(day)
            if found is None:
                found = [table for path in there.get(day, ()) for table in self._files.among(path, wanted)]
            if found:
                table = pyarrow.concat_tables(found)
                latest = _latest(table["id"].to_numpy(), table["run"].to_numpy(), runs[day])
                yield from decode(day, table.filter(pyarrow.array(latest)))

    def qualities(self, ids: Sequence[int], day: date, quarters: int, run: int | None = None) -> Iterator[Volumes]:
        """How the quarters of some ids came about on a day, which has so many: no energy leaves the disk, and no state.

        Raises ``InputError`` bad-day.
        """
        self._log.look()
        wanted, columns = np.unique(np.array(ids, np.int64)), ["id", "run", *QUALITIES.values()]
        found = [one for path in self._log.paths(day) for one in self._files.among(path, wanted, columns)]
        if not found:
            return
        table = pyarrow.concat_tables(found)
        table = table.filter(pyarrow.array(_latest(table["id"].to_numpy(), table["run"].to_numpy(), run)))
        told = {size for name in QUALITIES.values() for size in pc.unique(pc.binary_length(table[name])).to_pylist()}
        if told - {None, quarters}:
            raise InputError("bad-day", f"what is stored of {day} has not {quarters} quarters")
        yield from decode(day, table, quarters)

    def _copied(self, wanted: Integers, runs: Runs) -> dict[date, list[pyarrow.Table]]:
        """The rows of those days whose segments have all that is asked for: nothing of a later run, which would hide it."""
        there, copied = self._log.days(), dict[date, list[pyarrow.Table]]()
        for segment in self._months.covering({day: there.get(day, ()) for day in runs}):
            tables = self._months.rows(segment, wanted)
            copied |= {} if tables is None else {day: [] for day in segment.days}
            for day, rows in chain.from_iterable(map(by_day, tables or ())):
                copied[day].append(rows)
        return {day: found for day, found in copied.items() if not any(_is_past(one, runs[day]) for one in found)}

    def work(
        self, day: date, run: int | None = None, only: Integers | None = None
    ) -> tuple[VolumesSource, list[Piece]]:
        """What an engine needs to go through a day: a source, and the row groups with the rows in them that count.

        A row group of which no row counts is left out, and one of which all do is read without looking at each.
        """
        self._log.look()
        paths = self._log.paths(day)
        wanted = self._wanted(paths, run, only)
        pieces: list[Piece] = []
        for path in paths:
            first = 0
            for group, count in enumerate(self._files.open(path).rows):
                chosen = wanted[path][first : first + count]
                first += count
                if chosen.any():
                    pieces.append(Piece(path, group, None if chosen.all() else np.packbits(chosen).tobytes()))
        keys = self._files.keys_of({piece.path for piece in pieces})
        return VolumesSource(self._log.root, keys), pieces

    def _wanted(self, paths: Sequence[str], run: int | None, only: Integers | None = None) -> dict[str, Mask]:
        """Which rows of each file count."""
        heads = [self._files.read(path, ["id", "run"]) for path in paths]
        ids = np.concatenate([head["id"].to_numpy() for head in heads] or [np.zeros(0, np.int64)])
        runs = np.concatenate([head["run"].to_numpy() for head in heads] or [np.zeros(0, np.int32)])
        wanted = _of(ids, _latest(ids, runs, run), only)
        edges = np.cumsum([head.num_rows for head in heads])[:-1]
        return dict(zip(paths, np.split(wanted, edges), strict=True)) if paths else {}

    def _heads(self, day: date, run: int | None, names: list[str], only: Integers | None = None) -> "_Rows":
        self._log.look()
        paths = self._log.paths(day)
        tables = [self._files.read(path, ["id", "run", *names]) for path in paths]
        if not tables:
            tables = [VALIDATED.columns.empty_table()]
        table = pyarrow.concat_tables([one.select(["id", "run", *names]) for one in tables])
        ids, runs = table["id"].to_numpy(), table["run"].to_numpy()
        rows = np.flatnonzero(_of(ids, _latest(ids, runs, run), only))
        rows = rows[np.argsort(ids[rows], kind="stable")]
        return _Rows(ids[rows], runs[rows].astype(np.int64), {name: np.asarray(table[name])[rows] for name in names})


class _Rows(NamedTuple):
    ids: Integers
    runs: Integers
    columns: Mapping[str, Integers]


def _latest(ids: Integers, runs: Integers, run: int | None) -> Mask:
    """Which rows are those of the latest run of their id, as of a run."""
    within = np.ones(len(ids), np.bool_) if run is None else runs <= run
    chosen = ids[within]
    if not (chosen[1:] > chosen[:-1]).all():  # an id twice, or files that are not in the order of ids
        within[within] = is_last(chosen, runs[within])
    return within


def _is_past(table: pyarrow.Table, run: int | None) -> bool:
    """Whether some rows are of a later run."""
    return run is not None and bool((table["run"].to_numpy() > run).any())


def _of(ids: Integers, wanted: Mask, only: Integers | None) -> Mask:
    """Those of the wanted rows that are of some ids."""
    if only is None or np.array_equal(ids[wanted], only):  # as it mostly is
        return wanted
    return wanted & np.isin(ids, only)


def decode(day: date, table: pyarrow.Table, quarters: int = 0) -> Iterator[Volumes]:
    """Rows, each the only one of its id, as volumes in the order of ids; days of unequal length come apart.

    Energies and states are as far as they were read; ``quarters``: of the day, for who reads no energy.
    """
    there = set(table.column_names)
    lengths = np.full(table.num_rows, quarters)
    if CHANNELS[0] in there:
        lengths = pc.list_value_length(table[CHANNELS[0]]).to_numpy()
    for length in np.unique(lengths).tolist():
        chosen = lengths == length
        rows = (table if chosen.all() else table.filter(pyarrow.array(chosen))).combine_chunks()
        ids = rows["id"].to_numpy()
        if not (ids[1:] > ids[:-1]).all():
            rows = rows.sort_by("id").combine_chunks()
            ids = rows["id"].to_numpy()
        count = len(ids)
        yield Volumes(
            day=day,
            ids=ids,
            energy_wh={name: rows_of(rows[name], count) for name in CHANNELS if name in there},
            quality={name: side_of(rows[column], count, length) for name, column in QUALITIES.items()},
            state={name: rows[name].to_numpy() for name in STATE if name in there},
        )
