"""Files of rows: CSV or Parquet with named columns, every cell checked, nothing believed before all of it is good.

A reader is a table of :class:`Column`: a name, how its text becomes a value, and what an empty cell means. A bad row names
file, line, column and reason. Either every row is good, or the file is refused as a whole - unless the caller asked to skip
bad rows, in which case they come back as they were, to be written aside. A file of refused rows can be corrected and read
again: the three columns that say what was wrong are passed over.

A file is worked on in chunks, column by column: a text that stands in a column many times is checked once, so that a
million rows take seconds. What is said of a bad row does not depend on that.
"""

import csv
import gc
import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from kwartier.disk import PRIVATE_FILE
from kwartier.errors import InputError

if TYPE_CHECKING:
    import pyarrow

MAX_CELL = 256
"""Characters in one cell."""
MAX_SHOWN = 20
"""Bad rows that an error names; the rest is counted."""
MAX_LINE = 1 << 20
"""Characters in one line of a CSV file."""
MAX_ROWS = 20_000_000
"""Rows in one file: more than any nation has meters."""
CHUNK = 10_000
"""Rows that are checked together."""
MAX_CACHED = 50_000
"""Texts of one column whose values are remembered from chunk to chunk."""
MAX_NAME = 64
REQUIRED = object()
SURPLUS = "surplus"
"""Where the cells of a refused row stand that no column is for."""
REFUSAL = ("line", "column", "reason")
"""What stands before the cells of a refused row."""
PASSED_OVER = (*REFUSAL, SURPLUS)
"""Columns of refused rows that a file may have when it is corrected and comes again."""
_NAME = re.compile(r"[A-Za-z0-9._:/-]+")
_COLUMN_NAME = re.compile(r"[A-Za-z_ -]{1,24}")
"""What an unknown column may look like to be named in an error: a key or a password in the first line does not."""

Value = str | int | bytes | None
Row = dict[str, Value]
Problem = tuple[str, str]
"""The column, and the reason why a row is refused."""
Check = Callable[[Sequence[int], Mapping[str, Sequence[Value]]], Mapping[int, Problem]]
"""Lines and columns of a chunk -> by place in it, why a row does not go with itself or the rows before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. ``read`` turns text into a value or raises ``ValueError`` with the reason; ``default`` serves when empty.

    ``secret``: the text never appears in an error.
    """

    name: str
    read: Callable[[str], Value] = str
    default: object = REQUIRED
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A refused row: where, why, and - unless it holds secrets - what."""

    line: int
    column: str
    reason: str
    cells: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What a file held: good rows with their line numbers, and bad ones."""

    good: list[tuple[int, Row]] = field(repr=False)
    bad: list[BadRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Good rows in columns, and the line of each."""

    lines: list[int]
    columns: Mapping[str, Sequence[Value]] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunks:
    """What a file held, in columns: good rows by chunks in the order of the file, and bad ones."""

    good: list[Chunk] = field(repr=False)
    bad: list[BadRow]


def read(path: Path, columns: Sequence[Column], *, unique: str, skip_bad: bool = False) -> Rows:
    """The rows of ``path`` (CSV, or Parquet by its ending); no two with the same ``unique`` column.

    Raises ``InputError``: ``unreadable-file``, ``bad-header``, and ``bad-rows`` unless ``skip_bad``.
    """
    found = read_columns(path, columns, unique=(unique,), skip_bad=skip_bad)
    names = [column.name for column in columns]
    good: list[tuple[int, Row]] = []
    for chunk in found.good:
        for line, *values in zip(chunk.lines, *(chunk.columns[name] for name in names), strict=True):
            good.append((line, dict(zip(names, values, strict=True))))
    return Rows(good=good, bad=found.bad)


def read_columns(
    path: Path,
    columns: Sequence[Column],
    *,
    unique: Sequence[str],
    check: Check | None = None,
    skip_bad: bool = False,
) -> Chunks:
    """The same in columns; no two rows agree in all of the ``unique`` ones. ``check`` is asked about rows good so far."""
    readers = [_Reader(column) for column in columns]
    good: list[Chunk] = []
    bad: list[BadRow] = []
    seen: dict[object, int] = {}
    with closing(_raw_chunks(path, columns)) as chunks:
        for raw in chunks:
            bad += raw.misfits
            values, problems = _values(raw, readers)
            _find_twins(raw.lines, [values[name] for name in unique], unique[-1], seen, problems)
            sound = _without(values, raw.lines, problems)
            if check is not None and sound.lines:
                refused = check(sound.lines, sound.columns)
                if refused:
                    places = [place for place in range(len(raw.lines)) if place not in problems]
                    problems.update({places[place]: problem for place, problem in refused.items()})
                    sound = _without(values, raw.lines, problems)
            bad += [
                BadRow(line=raw.lines[place], column=column, reason=reason, cells=raw.cells(place))
                for place, (column, reason) in problems.items()
            ]
            if sound.lines:
                good.append(sound)
    bad.sort(key=lambda one: one.line)
    if bad and not skip_bad:
        raise InputError("bad-rows", describe(path, bad))
    return Chunks(good=good, bad=bad)


def header(path: Path) -> list[str]:
    """The names in the first line of ``path``; empty where there is none. ``InputError`` unreadable-file."""
    with closing(_cells(path)) as rows:
        return [name.strip() for name in next(rows, (1, []))[1]]


@contextmanager
def paused_collection() -> Iterator[None]:
    """Millions of rows make millions of objects, none of them in a cycle: looking for cycles among them is put off."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def write_parquet(table: "pyarrow.Table", out: "pyarrow.NativeFile") -> None:
    """A table as a Parquet file that any reader reads."""
    from pyarrow import parquet

    parquet.write_table(table, out, compression="zstd")


def describe(path: Path, bad: Sequence[BadRow]) -> str:
    """Bad rows in words, the first of them by name."""
    shown = "; ".join(f"line {one.line}, column {one.column}: {one.reason}" for one in bad[:MAX_SHOWN])
    more = f"; and {len(bad) - MAX_SHOWN} more" if len(bad) > MAX_SHOWN else ""
    return f"{path.name}: {len(bad)} bad row{'s' if len(bad) > 1 else ''}: {shown}{more}"


def write_refused(path: Path, bad: Sequence[BadRow], *, beside: Path) -> None:
    """Write refused rows to ``path`` as CSV: line, column and reason before the cells as they were.

    ``beside`` is the file that they come from, which is not written over. ``InputError`` unwritable-file.
    """
    names = sorted(dict.fromkeys(name for one in bad for name in one.cells), key=SURPLUS.__eq__)
    try:
        if path.exists() and path.samefile(beside):
            raise InputError("unwritable-file", f"{path} is the file that is being imported")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow([*REFUSAL, *names])
            for one in bad:
                writer.writerow([one.line, one.column, one.reason, *(one.cells.get(name, "") for name in names)])
    except OSError as error:
        raise InputError("unwritable-file", f"{path} cannot be written: {error.strerror}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _RawChunk:
    """Rows as they stand in the file, which fit under its header, and those between them that do not."""

    header: Sequence[str]
    lines: list[int]
    rows: list[list[str]] = field(repr=False)
    misfits: list[BadRow]

    def cells(self, place: int) -> dict[str, str]:
        """One row by the names of its columns."""
        named = zip(self.header, self.rows[place], strict=True)
        return {name: text for name, text in named if name not in PASSED_OVER}


class _Reader:
    """One column at work: every text of it is read once, as long as it is remembered."""

    __slots__ = ("column", "reasons", "values")

    def __init__(self, column: Column) -> None:
        self.column = column
        self.values: dict[str, Value] = {}
        self.reasons: dict[str, str] = {}

    def read(self, texts: Sequence[str], problems: dict[int, Problem]) -> list[Value]:
        """The values of ``texts``; what is wrong is added to ``problems`` of rows that had none."""
        values, distinct = self.values, set(texts)
        if len(values) > MAX_CACHED:
            values.clear()
            self.reasons.clear()
        for text in distinct.difference(values):
            values[text], reason = _read_cell(text, self.column)
            if reason is not None:
                self.reasons[text] = reason
        if self.reasons and not distinct.isdisjoint(self.reasons):
            for place, text in enumerate(texts):
                if text in self.reasons:
                    problems.setdefault(place, (self.column.name, self.reasons[text]))
        return [values[text] for text in texts]


def _read_cell(cell: str, column: Column) -> tuple[Value, str | None]:
    """The value of a cell, or None and the reason why it has none."""
    text = cell.strip()
    if len(text) > MAX_CELL:
        return None, f"longer than {MAX_CELL} characters"
    if not text.isprintable():
        return None, "holds characters that cannot be shown"
    if not text:
        if column.default is REQUIRED:
            return None, "empty"
        return (column.default if isinstance(column.default, str | int | bytes) else None), None
    try:
        return column.read(text), None
    except ValueError as error:
        return None, str(error) if column.secret else f"'{text[:40]}' {error}"


def _values(raw: _RawChunk, readers: Sequence[_Reader]) -> tuple[dict[str, list[Value]], dict[int, Problem]]:
    """The values by columns, and by place the first thing that is wrong with a row."""
    problems: dict[int, Problem] = {}
    by_name = dict(zip(raw.header, zip(*raw.rows, strict=True), strict=True)) if raw.rows else {}
    empty = ("",) * len(raw.rows)
    return {one.column.name: one.read(by_name.get(one.column.name, empty), problems) for one in readers}, problems


def _find_twins(
    lines: Sequence[int],
    columns: Sequence[Sequence[Value]],
    named: str,
    seen: dict[object, int],
    problems: dict[int, Problem],
) -> None:
    """Rows whose key was there before are a problem of the column ``named``."""
    keys: Iterable[object] = columns[0] if len(columns) == 1 else zip(*columns, strict=True)
    for place, key in enumerate(keys):
        if place not in problems and seen.setdefault(key, lines[place]) != lines[place]:
            problems[place] = (named, f"the same as in line {seen[key]}")


def _without(values: Mapping[str, Sequence[Value]], lines: list[int], problems: Mapping[int, Problem]) -> Chunk:
    if not problems:
        return Chunk(lines=lines, columns=values)
    kept = [place for place in range(len(lines)) if place not in problems]
    columns = {name: [column[place] for place in kept] for name, column in values.items()}
    return Chunk(lines=[lines[place] for place in kept], columns=columns)


def _raw_chunks(path: Path, columns: Sequence[Column]) -> Generator[_RawChunk]:
    """The rows under the header, some thousand at a time, without those that hold nothing."""
    with closing(_cells(path)) as rows:
        first = next(rows, None)
        if first is None:
            raise InputError("bad-header", f"{path.name} is empty; its first line names the columns")
        header = [name.strip() for name in first[1]]
        _check_header(f"{path.name}, line {first[0]}", header, columns)
        chunk = _RawChunk(header=header, lines=[], rows=[], misfits=[])
        for count, (line, cells) in enumerate(rows):
            if count == MAX_ROWS:
                raise InputError("unreadable-file", f"{path.name} has more than {MAX_ROWS} rows")
            if not any(cells):
                continue
            if len(cells) != len(header):
                chunk.misfits.append(_misfit(line, cells, header))
                continue
            chunk.lines.append(line)
            chunk.rows.append(cells)
            if len(chunk.rows) == CHUNK:
                yield chunk
                chunk = _RawChunk(header=header, lines=[], rows=[], misfits=[])
        yield chunk


def _misfit(line: int, cells: Sequence[str], header: Sequence[str]) -> BadRow:
    """A row that is shorter or longer than the header."""
    where = header[len(cells)] if len(cells) < len(header) else header[-1]
    named = zip_longest(header, cells[: len(header)], fillvalue="")
    kept = {name: text for name, text in named if name not in PASSED_OVER}
    if len(cells) > len(header):
        kept[SURPLUS] = ",".join(cells[len(header) :])
    return BadRow(line=line, column=where, reason=f"{len(cells)} cells under {len(header)} columns", cells=kept)


def _check_header(where: str, header: Sequence[str], columns: Sequence[Column]) -> None:
    known = [column.name for column in columns]
    needed = [column.name for column in columns if column.default is REQUIRED]
    unknown = [place for place, name in enumerate(header) if name not in known and name not in PASSED_OVER]
    missing = [name for name in needed if name not in header]
    if unknown:
        name = header[unknown[0]]
        what = f"column {unknown[0] + 1} has a name that is not known"
        if _COLUMN_NAME.fullmatch(name):
            what = f"there is no column '{name}'"
        separator = next((one for one in ";\t|" if len(header) == 1 and one in name), None)
        if separator is not None:
            what = f"the columns are parted by {separator!r} and not by ','"
    elif missing:
        what = f"column '{missing[0]}' is missing"
    elif len(set(header)) != len(header):
        what = f"column '{next(name for name in header if header.count(name) > 1)}' is there twice"
    else:
        return
    raise InputError("bad-header", f"{where}: {what}; known are {', '.join(known)}; needed are {', '.join(needed)}")


def _cells(path: Path) -> Generator[tuple[int, list[str]]]:
    return _parquet_cells(path) if path.suffix.lower() == ".parquet" else _csv_cells(path)


def _csv_cells(path: Path) -> Generator[tuple[int, list[str]]]:
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(iter(lambda: lines.readline(MAX_LINE), ""), strict=True)
            for cells in reader:
                yield line, cells
                line = reader.line_num + 1
    except UnicodeDecodeError:
        raise InputError("unreadable-file", f"{path.name} is not UTF-8 text") from None
    except csv.Error as error:
        raise InputError("unreadable-file", f"{path.name}, line {line}: {error}") from None
    except OSError as error:
        raise InputError("unreadable-file", f"{path}: {error.strerror}") from None


def _parquet_cells(path: Path) -> Generator[tuple[int, list[str]]]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            yield 1, list(table.schema_arrow.names)
            line = 1
            for batch in table.iter_batches():
                for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    line += 1
                    yield line, [_text(cell) for cell in cells]
    except FileNotFoundError:
        raise InputError("unreadable-file", f"{path}: no such file") from None
    except (OSError, pyarrow.ArrowException):
        raise InputError("unreadable-file", f"{path.name} is no Parquet file that can be read") from None


def _text(cell: object) -> str:
    """A cell of Parquet as it would stand in a CSV file: bytes in hex."""
    if isinstance(cell, bytes):
        return cell.hex()
    return "" if cell is None else str(cell)


# How cells read.


def day(text: str) -> Value:
    """A local day as its ISO text, which sorts and compares as days do."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError("is no day such as 2026-01-31") from None


def is_name(text: str) -> bool:
    """Whether a meter may have this name."""
    return len(text) <= MAX_NAME and _NAME.fullmatch(text) is not None


def name(text: str) -> Value:
    """The name of a meter."""
    if not is_name(text):
        raise ValueError(f"is not 1 to {MAX_NAME} letters, digits and . _ : / -")
    return text


def words(length: int) -> Callable[[str], Value]:
    """Free text of at most ``length`` characters."""

    def check(text: str) -> Value:
        if len(text) > length:
            raise ValueError(f"is longer than {length} characters")
        return text

    return check


def whole(low: int, high: int) -> Callable[[str], Value]:
    """A whole number from ``low`` to ``high``."""

    def check(text: str) -> Value:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise ValueError(f"is no whole number from {low} to {high}")
        return int(text)

    return check


def hexadecimal(*lengths: int) -> Callable[[str], Value]:
    """Bytes in hex, of one of ``lengths`` bytes (none given: any)."""

    def check(text: str) -> Value:
        try:
            value = bytes.fromhex(text) if " " not in text else b""
        except ValueError:
            value = b""
        if not value or (lengths and len(value) not in lengths):
            raise ValueError(f"is not {' or '.join(str(2 * length) for length in lengths) or 'whole'} hex digits")
        return value

    return check


def one_of(*choices: str) -> Callable[[str], Value]:
    """One word of a list."""

    def check(text: str) -> Value:
        if text not in choices:
            raise ValueError(f"is none of {', '.join(choices)}")
        return text

    return check
