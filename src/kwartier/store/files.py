"""The Parquet files under the table: written whole and on the disk before anything points to them, encrypted if there are keys.

A file is encrypted under a key of its own, and its place in the folder is bound to it: a wrong key, a changed byte and a file
that was put in another's place are refused alike.
"""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import pyarrow
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.parquet import encryption

from kwartier.disk import sync_folder
from kwartier.errors import SecurityError, StateError
from kwartier.store.rows import Integers
from kwartier.store.schema import RAW, TableKind

ZSTD_LEVEL = 3
AT_ONCE = 100
"""Row groups of which a few columns are read at once; with all columns these would be some 400 MB."""


class FileKeys(Protocol):
    """Where the key of a file comes from; ``kwartier.keys`` has one."""

    def file_key(self, day: date, path: str, *, new: bool) -> bytes:
        """The key of the file at ``path`` among those of a local day; ``new``: there may be none yet."""
        ...


class Files:
    """The files in one folder, by their paths in it: ``day=2026-03-29/9f3c….parquet``."""

    __slots__ = ("_keys", "_kind", "root")

    def __init__(self, root: Path, keys: FileKeys | None, kind: TableKind = RAW) -> None:
        self.root = root
        self._keys = keys
        self._kind = kind

    def write(self, path: str, pieces: Iterable[pyarrow.Table], row_group: int | None = None) -> int:
        """Write ``pieces`` (at least one) to ``path`` and return its size in bytes."""
        row_group = row_group or self._kind.row_group
        whole = self.root / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        try:
            size = self._write(whole, path, pieces, row_group)
        except BaseException:
            whole.unlink(missing_ok=True)
            raise
        sync_folder(whole.parent)
        sync_folder(self.root)
        return size

    def _write(self, whole: Path, path: str, pieces: Iterable[pyarrow.Table], row_group: int) -> int:
        with whole.open("xb") as out, ThreadPoolExecutor(1) as beside:
            writer: pq.ParquetWriter | None = None
            written: Future[None] | None = None
            # While one piece is compressed the next one is made.
            for piece in pieces:
                writer = writer or self._writer(path, out, piece.schema)
                if written is not None:
                    written.result()
                written = beside.submit(writer.write_table, piece, row_group_size=row_group)
            if writer is None or written is None:
                raise ValueError("a file of no pieces")
            written.result()
            writer.close()
            out.flush()
            os.fsync(out.fileno())
            return out.tell()

    def _writer(self, path: str, out: BinaryIO, schema: pyarrow.Schema) -> pq.ParquetWriter:
        return pq.ParquetWriter(
            out,
            schema,
            compression="zstd",
            compression_level=ZSTD_LEVEL,
            data_page_size=self._kind.page_bytes,
            use_dictionary=list(self._kind.dictionary),  # type: ignore[arg-type]  # the stubs know no list of columns here
            column_encoding=dict.fromkeys(self._kind.split, "BYTE_STREAM_SPLIT"),
            write_statistics=["id"],
            encryption_properties=self._encryption(path),
        )

    def read(self, path: str, columns: list[str] | None = None) -> pyarrow.Table:
        """Some columns of one file. Raises ``SecurityError`` sealed-file, ``StateError`` broken-file."""
        with self._refused(path):
            return self._open(path).read(columns=columns)

    def open(self, path: str) -> "Opened":
        """A file to read row groups of. Raises as :meth:`read`."""
        with self._refused(path):
            return Opened(self._open(path), self._refused(path))

    def pieces(self, path: str) -> Iterator[pyarrow.Table]:
        """A file in row groups."""
        file = self.open(path)
        for group in range(len(file.rows)):
            yield file.read(group)

    def find(self, path: str, lowest: int, highest: int, columns: list[str] | None = None) -> pyarrow.Table | None:
        """The row groups of a file that may hold ids from ``lowest`` to ``highest``, as its footer says."""
        with self._refused(path):
            file = self._open(path)
            groups = [
                group
                for group, (least, most) in enumerate(_spans(file))
                if least is None or most is None or (least <= highest and most >= lowest)
            ]
            return file.read_row_groups(groups, columns=columns) if groups else None

    def among(self, path: str, ids: Integers, columns: list[str] | None = None) -> Iterator[pyarrow.Table]:
        """The rows of a file that are of some ids (ascending), a row group at a time, or several where columns are few."""
        wanted, at_once = pyarrow.array(ids), 1 if columns is None else AT_ONCE
        with self._refused(path):
            file = self._open(path)
            groups = [group for group, span in enumerate(_spans(file)) if _may_be_in(ids, *span)]
            for first in range(0, len(groups), at_once):
                table = file.read_row_groups(groups[first : first + at_once], columns=columns)
                found = table.filter(pc.is_in(table["id"], value_set=wanted))
                if found.num_rows:
                    yield found

    def keys_of(self, paths: Iterable[str]) -> dict[str, bytes] | None:
        """The key of each of some files, by their places in the store; None where nothing is encrypted."""
        if self._keys is None:
            return None
        places = {self._place(path): day_of(path) for path in paths}
        return {place: self._keys.file_key(day, place, new=False) for place, day in places.items()}

    def remove(self, path: str) -> None:
        """Remove a file that nothing points to."""
        (self.root / path).unlink(missing_ok=True)

    def _open(self, path: str) -> pq.ParquetFile:
        return pq.ParquetFile(self.root / path, decryption_properties=self._decryption(path))

    def _encryption(self, path: str) -> Any:  # noqa: ANN401 - pyarrow's stubs do not know these
        if self._keys is None:
            return None
        place = self._place(path)
        key = self._keys.file_key(day_of(path), place, new=True)
        make = encryption.create_encryption_properties  # type: ignore[attr-defined]  # nor these
        return make(key, aad_prefix=place.encode(), store_aad_prefix=False)

    def _decryption(self, path: str) -> Any:  # noqa: ANN401 - pyarrow's stubs do not know these
        if self._keys is None:
            return None
        place = self._place(path)
        key = self._keys.file_key(day_of(path), place, new=False)
        make = encryption.create_decryption_properties  # type: ignore[attr-defined]  # nor these
        return make(key, aad_prefix=place.encode())

    def _place(self, path: str) -> str:
        """What the key of a file is bound to: a file of one table is none of another."""
        return f"{self._kind.below}/{path}" if self._kind.below else path

    def _refused(self, path: str) -> "Refused":
        return Refused(path, encrypted=self._keys is not None)


class Opened:
    """A file that was opened once, for whoever reads many of its row groups; used by one thread at a time."""

    __slots__ = ("_file", "_refused", "rows")

    def __init__(self, file: pq.ParquetFile, refused: "Refused") -> None:
        self._file = file
        self._refused = refused
        self.rows = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
        """How many rows each row group has."""

    def read(self, group: int, columns: list[str] | None = None, *, threads: bool = True) -> pyarrow.Table:
        """Some columns of a row group; ``threads``: columns may be read side by side."""
        with self._refused:
            return self._file.read_row_group(group, columns=columns, use_threads=threads)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class Refused:
    """What the library says of a file that does not open, in our words: its own text may show what is in the file."""

    __slots__ = ("_encrypted", "_path")

    def __init__(self, path: str, *, encrypted: bool) -> None:
        self._path = path
        self._encrypted = encrypted

    def __enter__(self) -> None:
        """Nothing yet."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Turn the library's errors into ours."""
        if isinstance(error, FileNotFoundError):
            raise StateError("lost-file", f"the table names {self._path}, which is not there") from None
        if isinstance(error, (OSError, pyarrow.ArrowException)):
            if self._encrypted:
                raise SecurityError("sealed-file", f"{self._path} does not open under its key") from None
            raise StateError("broken-file", f"{self._path} is not a whole file of readings") from None


def _spans(file: pq.ParquetFile) -> Iterator[tuple[int | None, int | None]]:
    """The lowest and the highest id of each row group, as far as the footer has them."""
    column = file.schema_arrow.get_field_index("id")
    for group in range(file.metadata.num_row_groups):
        known = file.metadata.row_group(group).column(column).statistics
        yield (None, None) if known is None else (known.min, known.max)


def _may_be_in(ids: Integers, least: int | None, most: int | None) -> bool:
    """Whether some of these ids (ascending) lie in a span; None: it has no known end."""
    first = 0 if least is None else np.searchsorted(ids, least)
    last = len(ids) if most is None else np.searchsorted(ids, most, side="right")
    return bool(first < last)


def day_of(path: str) -> date:
    """The local day of a file, from its path; of one that holds days of a month, the first of that month."""
    kind, _, value = path.split("/", 1)[0].partition("=")
    return date.fromisoformat(value if kind == "day" else f"{value}-01")
