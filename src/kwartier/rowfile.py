"""Files of rows: CSV or Parquet with named columns, every cell checked, nothing believed before all of it is good.

A reader is a table of :class:`Column`: a name, how its text becomes a value, and what an empty cell means. A bad row names
file, line, column and reason. Either every row is good, or the file is refused as a whole - unless the caller asked to skip
bad rows, in which case they come back as they were, to be written aside.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kwartier.errors import InputError

MAX_CELL = 256
"""Characters in one cell."""
MAX_SHOWN = 20
"""Bad rows that an error names; the rest is counted."""
REQUIRED = object()

Value = str | int | bytes | None
Row = dict[str, Value]


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
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What a file held: good rows with their line numbers, and bad ones."""

    good: list[tuple[int, Row]]
    bad: list[BadRow]


def read(path: Path, columns: Sequence[Column], *, unique: str, skip_bad: bool = False) -> Rows:
    """The rows of ``path`` (CSV, or Parquet by its ending); no two with the same ``unique`` column.

    Raises ``InputError``: ``unreadable-file``, ``bad-header``, and ``bad-rows`` unless ``skip_bad``.
    """
    good: list[tuple[int, Row]] = []
    bad: list[BadRow] = []
    seen: dict[Value, int] = {}
    for line, cells in _cells(path, columns):
        row, problem = _row(cells, columns)
        if problem is None and row[unique] in seen:
            problem = (unique, f"the same as in line {seen[row[unique]]}")
        if problem is None:
            seen[row[unique]] = line
            good.append((line, row))
        else:
            bad.append(BadRow(line=line, column=problem[0], reason=problem[1], cells=cells))
    if bad and not skip_bad:
        raise InputError("bad-rows", describe(path, bad))
    return Rows(good=good, bad=bad)


def describe(path: Path, bad: Sequence[BadRow]) -> str:
    """Bad rows in words, the first of them by name."""
    shown = "; ".join(f"line {one.line}, column {one.column}: {one.reason}" for one in bad[:MAX_SHOWN])
    more = f"; and {len(bad) - MAX_SHOWN} more" if len(bad) > MAX_SHOWN else ""
    return f"{path.name}: {len(bad)} bad row{'s' if len(bad) > 1 else ''}: {shown}{more}"


def write_refused(path: Path, bad: Sequence[BadRow]) -> None:
    """Write refused rows to ``path`` as CSV: line, column and reason before the cells as they were."""
    names = list(dict.fromkeys(name for one in bad for name in one.cells))
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["line", "column", "reason", *names])
        for one in bad:
            writer.writerow([one.line, one.column, one.reason, *(one.cells.get(name, "") for name in names)])


def _row(cells: Mapping[str, str], columns: Sequence[Column]) -> tuple[Row, tuple[str, str] | None]:
    row: Row = {}
    for column in columns:
        text = cells.get(column.name, "").strip()
        if len(text) > MAX_CELL:
            return row, (column.name, f"longer than {MAX_CELL} characters")
        if not text:
            if column.default is REQUIRED:
                return row, (column.name, "empty")
            row[column.name] = column.default if isinstance(column.default, str | int | bytes) else None
            continue
        try:
            row[column.name] = column.read(text)
        except ValueError as error:
            return row, (column.name, str(error) if column.secret else f"'{text[:40]}' {error}")
    return row, None


def _cells(path: Path, columns: Sequence[Column]) -> Iterator[tuple[int, dict[str, str]]]:
    known = {column.name for column in columns}
    needed = [column.name for column in columns if column.default is REQUIRED]
    rows = _parquet_cells(path) if path.suffix.lower() == ".parquet" else _csv_cells(path)
    try:
        header = next(rows)[1]
    except StopIteration:
        raise InputError("bad-header", f"{path.name} is empty; its first line names the columns") from None
    unknown = [name for name in header if name not in known]
    missing = [name for name in needed if name not in header]
    if unknown or missing or len(set(header)) != len(header):
        what = (
            f"unknown column {unknown[0]!r}"
            if unknown
            else f"no column {missing[0]!r}"
            if missing
            else "a column twice"
        )
        raise InputError("bad-header", f"{path.name}, line 1: {what}; known are {', '.join(sorted(known))}")
    for line, cells in rows:
        if not any(cells):
            continue
        if len(cells) != len(header):
            raise InputError("bad-header", f"{path.name}, line {line}: {len(cells)} cells under {len(header)} columns")
        yield line, dict(zip(header, cells, strict=True))


def _csv_cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, strict=True)
            for cells in reader:
                yield reader.line_num, cells
    except UnicodeDecodeError:
        raise InputError("unreadable-file", f"{path.name} is not UTF-8 text") from None
    except csv.Error as error:
        raise InputError("unreadable-file", f"{path.name}, line {reader.line_num}: {error}") from None
    except OSError as error:
        raise InputError("unreadable-file", f"{path}: {error.strerror}") from None


def _parquet_cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            yield 1, list(table.schema_arrow.names)
            line = 1
            for batch in table.iter_batches():
                for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    line += 1
                    yield line, ["" if cell is None else str(cell) for cell in cells]
    except OSError as error:
        raise InputError("unreadable-file", f"{path}: {error}") from None
    except pyarrow.ArrowException:
        raise InputError("unreadable-file", f"{path.name} is no Parquet file") from None


# How cells read.


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
