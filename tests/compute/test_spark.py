"""A real cluster gives to the Wh what this host gives, whatever happens to it or to the files meanwhile."""

import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pyarrow
import pytest

from kwartier.clock import quarter_ends
from kwartier.compute.engine import Engine
from kwartier.compute.local import Local
from kwartier.compute.spark import Spark
from kwartier.errors import InputError, KwartierError, SecurityError, StateError
from kwartier.settle.kernel import SettleKernel
from kwartier.settle.partial import Partial
from kwartier.store import Validated
from kwartier.store import validated as room
from kwartier.store.erase import Doomed, Eraser
from kwartier.store.pins import Pins
from kwartier.store.retention import GRACE_S, vacuum
from kwartier.store.rewrite import Rewriter
from kwartier.store.schema import VALIDATED
from kwartier.store.volumes_reader import Piece, VolumesReader
from tests.compute.standalone import HERE, Cluster, free_port
from tests.compute.summing import Gated, membership, same, summed
from tests.store.entries import ZONE
from tests.store.test_reader import Keys
from tests.store.volumes import volumes

# pyspark leaves the sockets of a broadcast to whoever collects the garbage.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

SPRING, PLAIN, AUTUMN = date(2026, 3, 29), date(2026, 11, 24), date(2026, 10, 25)
LATER = date(2027, 6, 1)
IDS = range(-60, 60)
SUPERSEDED = range(-30, 10)
NOW = 4e9
"""UTC seconds: long after the files were written."""


@pytest.fixture(autouse=True)
def _small_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "VALIDATED", replace(VALIDATED, row_group=7))


def quarters_of(day: date) -> int:
    return len(quarter_ends(day, day + timedelta(days=1), ZONE)) - 1


def kernel_of(day: date) -> SettleKernel:
    return SettleKernel(membership(IDS), quarters_of(day))


def stored(folder: Path, days: Sequence[date], keys: Keys | None) -> VolumesReader:
    """Each day by a run, and a part of it by a second one."""
    store = Validated(folder, keys)
    for day in days:
        store.append(1, day, [volumes(day, IDS, seed=1)])
        store.append(2, day, [volumes(day, SUPERSEDED, seed=2)])
    return VolumesReader(folder, keys)


def by_hand(reader: VolumesReader, day: date, run: int | None) -> Partial:
    return summed(membership(IDS), list(reader.scan(day, run)), quarters_of(day))


@pytest.mark.parametrize(("encrypted", "rewritten"), [(True, False), (False, True)])
def test_days_of_92_96_and_100_quarters_with_superseded_rows(
    spark: Engine, tmp_path: Path, encrypted: bool, rewritten: bool
) -> None:
    keys = Keys() if encrypted else None
    reader = stored(tmp_path, (SPRING, PLAIN, AUTUMN), keys)
    if rewritten:
        Rewriter(tmp_path, keys, VALIDATED).rewrite(LATER)
    assert [quarters_of(day) for day in (SPRING, PLAIN, AUTUMN)] == [92, 96, 100]
    seen = []
    for day in (SPRING, PLAIN, AUTUMN):
        for run in (1, None):
            source, pieces = reader.work(day, run)
            assert rewritten or len(pieces) > 2, "there is something to spread"
            here = Local().run(source, pieces, kernel_of(day))
            assert here is not None
            assert same(here, by_hand(reader, day, run))
            assert same(spark.run(source, pieces, kernel_of(day)), here)
            seen.append(here.energy_wh.sum())
    assert len(set(seen)) == len(seen), "each run of each day is another sum"


def test_no_piece_gives_nothing(spark: Engine, tmp_path: Path) -> None:
    reader = stored(tmp_path, [PLAIN], Keys())
    source, pieces = reader.work(SPRING)
    assert pieces == []
    assert spark.run(source, pieces, kernel_of(SPRING)) is None


def test_a_home_that_was_erased_is_in_no_sum(spark: Engine, tmp_path: Path) -> None:
    reader = stored(tmp_path, [PLAIN], Keys())
    gone = Doomed(7, PLAIN, PLAIN + timedelta(days=1))
    before = spark.run(*reader.work(PLAIN), kernel_of(PLAIN))
    assert Eraser(tmp_path, Keys(), kind=VALIDATED).erase([gone]) > 0
    after = spark.run(*reader.work(PLAIN), kernel_of(PLAIN))
    assert before is not None
    assert after is not None
    assert before.rows.sum() == after.rows.sum() + 1
    assert same(after, by_hand(reader, PLAIN, None))
    assert same(after, Local().run(*reader.work(PLAIN), kernel_of(PLAIN)))


@contextmanager
def under_way(engine: Engine, source: Gated, pieces: Sequence[Piece]) -> Iterator[list[Partial | None]]:
    """A job that stands at the gate while the block runs; what came of it is in the list afterwards."""
    found: list[Partial | None] = []
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(engine.run, source, pieces, kernel_of(PLAIN))
        try:
            yield found
        finally:
            source.open()
        found.append(job.result())


def test_a_rewrite_and_a_vacuum_during_the_job_change_nothing(spark: Engine, cluster: Cluster, tmp_path: Path) -> None:
    store = tmp_path / "store"
    reader = stored(store, [PLAIN], Keys())
    (tmp_path / "gate").mkdir()
    want = by_hand(reader, PLAIN, None)
    with reader.held("job", now=NOW, seconds=60):
        source, pieces = reader.work(PLAIN)
        files = {piece.path for piece in pieces}
        gated = Gated(source, tmp_path / "gate")
        with under_way(spark, gated, pieces) as found:
            gated.reached(cluster.folder)
            Validated(store, Keys()).append(3, PLAIN, [volumes(PLAIN, IDS, seed=3)])
            assert Rewriter(store, Keys(), VALIDATED).rewrite(LATER).days == 1
            vacuum(store, Keys(), lambda: NOW + 59)
            assert all((store / "validated" / path).exists() for path in files), "a pin keeps them"
        assert same(found[0], want)
    assert not Pins(store, VALIDATED).standing(NOW)
    assert vacuum(store, Keys(), lambda: NOW + GRACE_S).files == len(files)
    with pytest.raises(StateError) as lost:
        spark.run(source, pieces, kernel_of(PLAIN))
    assert lost.value.code == "lost-file"


def test_a_worker_that_is_killed_in_mid_job_costs_time_and_nothing_else(
    spark: Engine, cluster: Cluster, tmp_path: Path
) -> None:
    reader = stored(tmp_path / "store", [PLAIN], Keys())
    (tmp_path / "gate").mkdir()
    source, pieces = reader.work(PLAIN)
    gated = Gated(source, tmp_path / "gate")
    try:
        with under_way(spark, gated, pieces) as found:
            gated.reached(cluster.folder / "worker-0")
            cluster.kill_worker("worker-0")
        assert same(found[0], by_hand(reader, PLAIN, None))
    finally:
        cluster.start_worker("worker-0")


class Failing:
    """Raises for some pieces, each with its own code."""

    def __init__(self, bad: Sequence[int]) -> None:
        self.bad = bad

    def read(self, piece: int) -> pyarrow.Table:
        if piece in self.bad:
            raise SecurityError("sealed-file", f"number {piece}")
        return pyarrow.table({"id": pyarrow.array([], pyarrow.int64())})


class Counting:
    """Counts pieces."""

    def map(self, rows: pyarrow.Table, onto: int | None = None) -> int:
        return (onto or 0) + 1

    def merge(self, one: int, other: int) -> int:
        return one + other


def test_the_error_of_a_piece_comes_back_as_it_was_raised(spark: Engine) -> None:
    assert spark.run(Failing(()), range(50), Counting()) == 50
    with pytest.raises(KwartierError) as refused:
        spark.run(Failing((41, 7, 12)), range(50), Counting())
    assert (type(refused.value), refused.value.code, refused.value.detail) == (SecurityError, "sealed-file", "number 7")


def test_the_secret_stands_on_no_command_line_and_no_key_in_a_log(
    spark: Engine, cluster: Cluster, tmp_path: Path
) -> None:
    reader = stored(tmp_path, [PLAIN], Keys())
    source, pieces = reader.work(PLAIN)
    assert spark.run(source, pieces, kernel_of(PLAIN)) is not None
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK)]
    assert any(b"CoarseGrainedExecutorBackend" in line for line in lines), "the executors are among them"
    assert not any(cluster.secret.encode() in line for line in lines)
    assert cluster.secret not in repr(spark)
    keys = {Keys().file_key(PLAIN, f"validated/{piece.path}", new=False) for piece in pieces}
    for path in cluster.folder.rglob("*"):
        if path.is_file() and path.name != "cluster.conf":
            written = path.read_bytes()
            assert cluster.secret.encode() not in written
            assert not any(key in written for key in keys)


def test_an_address_where_nobody_listens_is_said_at_once() -> None:
    engine = Spark(HERE, free_port(), secret="s" * 32)
    with pytest.raises(StateError) as refused:
        engine.run(Failing(()), range(2), Counting())
    assert refused.value.code == "no-spark-master"
    engine.close()


def test_without_pyspark_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(InputError) as refused:
        Spark(HERE, 7077, secret="s" * 32)
    assert refused.value.code == "no-pyspark"
