"""What others make of the same file and the same groups: run in an environment of their own, one answer a line.

Told ``duckdb`` or ``chdb``, a file of volumes, one with the group of each id, and where to leave the sums of the first answer.
Each line on stdin is a question; the answer is how many seconds it took, and of CPU.
"""

import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow
from pyarrow.compute import list_flatten

THREADS = 2
Sums = npt.NDArray[np.int64]
"""Axes group, channel, quarter."""


def duckdb(volumes: str, groups: str) -> tuple[Callable[[], object], Callable[[object], Sums]]:
    """Lists are unnested, and the rows of that are grouped."""
    connection = import_module("duckdb").connect()
    connection.execute(f"SET threads = {THREADS}")
    connection.execute(f"CREATE TABLE member AS SELECT * FROM read_parquet('{groups}')")
    asked = f"""
        SELECT place, quarter, sum(import_wh) AS import_wh, sum(export_wh) AS export_wh FROM (
            SELECT place, generate_subscripts(import_wh, 1) AS quarter,
                unnest(import_wh) AS import_wh, unnest(export_wh) AS export_wh
            FROM read_parquet('{volumes}') JOIN member USING (id)
        ) GROUP BY place, quarter ORDER BY place, quarter"""

    def sums(found: object) -> Sums:
        rows = dict(found) if isinstance(found, dict) else {}
        quarters = int(rows["quarter"].max())
        both = [np.asarray(rows[name], np.int64).reshape(-1, quarters) for name in ("import_wh", "export_wh")]
        return np.stack(both, axis=1)

    return lambda: connection.execute(asked).fetchnumpy(), sums


def chdb(volumes: str, groups: str) -> tuple[Callable[[], object], Callable[[object], Sums]]:
    """Arrays are summed place by place, which it has a function for."""
    session = import_module("chdb.session").Session()
    session.query("CREATE DATABASE bench")
    session.query("CREATE TABLE bench.member (id Int64, place Int32) ENGINE = Memory")
    session.query(f"INSERT INTO bench.member SELECT * FROM file('{groups}', Parquet)")
    asked = f"""
        SELECT place, sumForEach(import_wh) AS import_wh, sumForEach(export_wh) AS export_wh
        FROM file('{volumes}', Parquet) AS volumes JOIN bench.member AS member ON volumes.id = member.id
        GROUP BY place ORDER BY place SETTINGS max_threads = {THREADS}"""

    def sums(found: object) -> Sums:
        table = pyarrow.ipc.open_file(pyarrow.py_buffer(found.bytes())).read_all()  # type: ignore[attr-defined]  # chdb's
        count = table.num_rows
        both = [np.asarray(list_flatten(table[name])).reshape(count, -1) for name in ("import_wh", "export_wh")]
        return np.stack(both, axis=1)

    return lambda: session.query(asked, "Arrow"), sums


def main() -> None:
    """Answer until there are no more questions."""
    name, volumes, groups, left = sys.argv[1:5]
    ask, sums = {"duckdb": duckdb, "chdb": chdb}[name](volumes, groups)
    for _ in sys.stdin:
        begun, begun_cpu = time.perf_counter(), time.process_time()
        found = ask()
        print(time.perf_counter() - begun, time.process_time() - begun_cpu, flush=True)
        if not Path(left).exists():
            whole = Path(left).with_suffix(".part.npy")  # who asks may look while this is written
            np.save(whole, sums(found))
            whole.rename(left)


if __name__ == "__main__":
    main()
