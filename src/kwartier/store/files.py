"""One Parquet file: written whole and on the disk before anything points to it."""

import os
from pathlib import Path

import pyarrow
import pyarrow.parquet as pq

from kwartier.disk import sync_folder
from kwartier.store.schema import CHANNELS

ROW_GROUP = 1000
ZSTD_LEVEL = 3
SPLIT = {f"{channel}.list.element": "BYTE_STREAM_SPLIT" for channel in CHANNELS}
WITH_DICTIONARY = ["status", "clock_status", "batch", *(f"missing_{channel}" for channel in CHANNELS)]


def write_file(path: Path, table: pyarrow.Table) -> int:
    """Write ``table`` to ``path`` and return its size in bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as out:
        pq.write_table(
            table,
            out,
            row_group_size=ROW_GROUP * 5,
            compression="zstd",
            compression_level=ZSTD_LEVEL,
            use_dictionary=WITH_DICTIONARY,  # type: ignore[arg-type]  # the stubs know no list of columns here
            column_encoding=SPLIT,
            write_statistics=["id"],
        )
        out.flush()
        os.fsync(out.fileno())
        size = out.tell()
    sync_folder(path.parent)
    sync_folder(path.parent.parent)
    return size


def read_columns(path: Path, columns: list[str]) -> pyarrow.Table:
    """Some columns of one file."""
    return pq.ParquetFile(path).read(columns=columns)
