"""Tables of the database as files of columns, one each, and back: SQLite and PostgreSQL take what the other gave.

Read and written in bounded pieces. Of readings there is nothing in the database, and so nothing here.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet as pq
from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Date,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    insert,
    select,
    text,
)

ROWS_AT_ONCE = 10_000


def dump(connection: Connection, metadata: MetaData, folder: Path) -> dict[str, int]:
    """Every table of ``metadata`` into ``folder``, as the connection sees it; how many rows each has."""
    counted: dict[str, int] = {}
    for table in metadata.sorted_tables:
        schema = _schema(table)
        found = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(select(table))
        counted[table.name] = 0
        with pq.ParquetWriter(_path(folder, table), schema, compression="zstd") as out:
            for page in found.mappings().partitions(ROWS_AT_ONCE):
                out.write_table(pyarrow.Table.from_pylist([dict(row) for row in page], schema))
                counted[table.name] += len(page)
    return counted


def load(connection: Connection, metadata: MetaData, folder: Path) -> None:
    """Put what is in ``folder`` into empty tables; one without a file, which an older schema did not have, stays empty."""
    for table in metadata.sorted_tables:
        path = _path(folder, table)
        if not path.exists():
            continue
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
                if batch.num_rows:
                    connection.execute(insert(table), batch.to_pylist())
        _continue_numbers(connection, table)


def column(folder: Path, table: Table, name: str) -> Iterator[str]:
    """One column of what was written of ``table``."""
    with pq.ParquetFile(_path(folder, table)) as file:
        for batch in file.iter_batches(columns=[name]):
            yield from map(str, batch.column(0).to_pylist())


def _path(folder: Path, table: Table) -> Path:
    return folder / f"{table.name}.parquet"


def _schema(table: Table) -> pyarrow.Schema:
    """The columns of a table, as a file has them."""
    kinds = (
        (Boolean, pyarrow.bool_()),
        (BigInteger, pyarrow.int64()),
        (Integer, pyarrow.int64()),
        (Date, pyarrow.date32()),
        (LargeBinary, pyarrow.binary()),
    )
    found = []
    for one in table.columns:
        kind = next((theirs for ours, theirs in kinds if isinstance(one.type, ours)), pyarrow.string())
        found.append(pyarrow.field(one.name, kind, nullable=bool(one.nullable)))
    return pyarrow.schema(found)


def _continue_numbers(connection: Connection, table: Table) -> None:
    """PostgreSQL counts on from what it has given out itself, not from what is there."""
    counted = table.autoincrement_column
    if connection.dialect.name == "postgresql" and counted is not None:
        sequence = f"pg_get_serial_sequence('{table.name}', '{counted.name}')"
        last = f"SELECT setval({sequence}, coalesce(max({counted.name}), 0) + 1) FROM {table.name}"
        connection.execute(text(last))
