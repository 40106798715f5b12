"""Erased rows are in no file any more, and every other row is bit for bit what it was, whenever the process is lost."""

import multiprocessing
import os
import shutil
import signal
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet as pq
import pytest

from kwartier.errors import StateError
from kwartier.store import Store
from kwartier.store import erase as room
from kwartier.store.erase import Doomed, Eraser, Step
from kwartier.store.files import Files
from kwartier.store.log import Log
from kwartier.store.months import Months
from kwartier.store.pins import Pins
from kwartier.store.reader import Reader
from kwartier.store.rewrite import Rewriter
from kwartier.store.turn import alone
from kwartier.store.versions import with_day
from tests.store.entries import entry, readings
from tests.store.test_reader import Keys

FIRST = date(2026, 11, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(6)]
LATER = date(2027, 1, 20)
IDS = [-(1 << 62), -5, 0, 3, 1 << 40, 1 << 62]
DOOMED = [Doomed(3, DAYS[1], DAYS[5]), Doomed(-5, DAYS[2], DAYS[3])]
PATIENCE_S = 60.0


def filled(folder: Path, keys: Keys | None = None, *, rewritten: bool = True) -> None:
    """Each day with a version of each id and a second one of an id: a copy of what is stored once, beside ``folder``."""
    first = folder.parent / f"filled-{keys is not None}-{rewritten}"
    if not first.exists():
        _fill(first.with_suffix(".part"), keys, rewritten=rewritten).rename(first)
    shutil.copytree(first, folder, dirs_exist_ok=True)


def _fill(folder: Path, keys: Keys | None, *, rewritten: bool) -> Path:
    store = Store(folder, keys)
    for number, day in enumerate(DAYS):
        for place, identity in enumerate(IDS):
            found = readings(day, day + timedelta(days=1), first_wh=10_000 * place, step_wh=number + 2)
            store.append(f"{day}-{place}", [entry(identity, found)])
        store.append(
            f"{day}-again", [entry(3, readings(day, day + timedelta(days=1), first_wh=number, missing=(4, 5)))]
        )
    if rewritten:
        Rewriter(folder, keys).rewrite(LATER)
    return folder


def every_row(folder: Path, keys: Keys | None = None) -> pyarrow.Table:
    """The table as it is, every version and column, in the order of days, ids and versions."""
    log = Log(folder, encrypted=keys is not None)
    log.refresh()
    files = Files(log.root, keys)
    found = [with_day(files.read(path), day) for day, paths in log.days().items() for path in paths]
    return (
        pyarrow.concat_tables(found).combine_chunks().sort_by([(one, "ascending") for one in ("day", "id", "version")])
    )


def others(rows: pyarrow.Table, doomed: Sequence[Doomed] = DOOMED) -> pyarrow.Table:
    gone = [
        any(one.id == identity and str(one.start) <= str(day) < str(one.end) for one in doomed)
        for identity, day in zip(rows["id"].to_pylist(), rows["day"].to_pylist(), strict=True)
    ]
    return rows.filter(pyarrow.array(~np.array(gone)))


@pytest.mark.parametrize("rewritten", [False, True])
@pytest.mark.parametrize("keys", [None, Keys()])
def test_erased_rows_go_and_the_others_are_what_they_were(tmp_path: Path, keys: Keys | None, rewritten: bool) -> None:
    filled(tmp_path, keys, rewritten=rewritten)
    before = every_row(tmp_path, keys)
    eraser = Eraser(tmp_path, keys)
    assert eraser.count(DOOMED) == dict(zip(DOOMED, (8, 1), strict=True))
    assert eraser.erase(DOOMED) == (4 if rewritten else 9)
    assert every_row(tmp_path, keys).equals(others(before))
    assert eraser.count(DOOMED) == dict.fromkeys(DOOMED, 0)
    assert eraser.left(DOOMED), "files from before are still on the disk"
    eraser.purge(DAYS, now=0)
    assert eraser.left(DOOMED) == []
    assert eraser.erase(DOOMED) == 0
    # Whoever looks sees the same by look-up and by scan, also after the next rewrite.
    for _ in range(2):
        for day in DAYS:
            scanned = {identity for stack in Reader(tmp_path, keys).scan(day) for identity in stack.ids.tolist()}
            span = (day, day + timedelta(days=1))
            looked = {i for stack in Reader(tmp_path, keys).look_up(IDS, *span) for i in stack.ids.tolist()}
            assert scanned == looked
            assert (3 in scanned) == (day in (DAYS[0], DAYS[5]))
        Rewriter(tmp_path, keys).rewrite(LATER)


def test_a_file_of_nothing_else_goes_without_another_in_its_place(tmp_path: Path) -> None:
    Store(tmp_path).append("a", [entry(3, readings(FIRST, DAYS[1]))])
    eraser = Eraser(tmp_path)
    assert eraser.erase([Doomed(3, FIRST, DAYS[1])]) == 1
    assert eraser.purge([FIRST], now=0).files == 1
    assert not list(tmp_path.rglob("*.parquet"))


def test_what_is_pinned_stays_on_the_disk_and_out_of_sight(tmp_path: Path) -> None:
    filled(tmp_path)
    log = Log(tmp_path, encrypted=False)
    log.refresh()
    Pins(tmp_path).hold("settlement", log.version, now=0, seconds=100)
    eraser = Eraser(tmp_path)
    eraser.erase(DOOMED)
    eraser.purge(DAYS, now=99)
    assert len(eraser.left(DOOMED)) == 4
    assert 3 not in Reader(tmp_path).ids(DAYS[1])
    eraser.purge(DAYS, now=100)
    assert eraser.left(DOOMED) == []


def test_a_file_that_is_about_to_be_stored_is_left_alone_and_seen(tmp_path: Path) -> None:
    filled(tmp_path)
    eraser = Eraser(tmp_path)
    eraser.erase(DOOMED)
    rows = Store(tmp_path / "other")
    rows.append("b", [entry(3, readings(DAYS[1], DAYS[2]))])
    (source,) = (tmp_path / "other").rglob("*.parquet")
    coming = tmp_path / "raw" / f"day={DAYS[1]}" / "coming.parquet"
    coming.write_bytes(source.read_bytes())
    half = coming.with_name("half.parquet")
    half.write_bytes(coming.read_bytes()[:500])
    eraser.purge(DAYS, now=0)
    assert eraser.left(DOOMED) == [f"day={DAYS[1]}/coming.parquet", f"day={DAYS[1]}/half.parquet"]


def test_when_others_keep_changing_the_day_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path)
    monkeypatch.setattr(Rewriter, "replace", lambda *words, **more: False)
    before = len(list(tmp_path.rglob("day=*/*.parquet")))
    with pytest.raises(StateError) as busy:
        Eraser(tmp_path).erase(DOOMED)
    assert busy.value.code == "store-busy"
    assert len(list(tmp_path.rglob("day=*/*.parquet"))) == before, "what was made for nothing is cleared away"
    assert room.MAX_TRIES == 20


def test_an_append_passes_beside_an_erasure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path)
    before = others(every_row(tmp_path))
    store = Store(tmp_path)
    found = readings(DAYS[1], DAYS[2])
    left = [Step.WRITTEN]

    def reached(step: Step) -> None:
        if step in left:
            left.remove(step)
            store.append("beside", [entry(99, found)])

    Eraser(tmp_path, reached=reached).erase(DOOMED)
    after = every_row(tmp_path)
    assert after.filter(pyarrow.array(after["id"].to_numpy() != 99)).equals(before)
    assert 99 in after["id"].to_pylist()


def doomed_process(folder: Path, step: str, times: int) -> None:
    """Erase, and end by SIGKILL where a step is reached for the n-th time."""
    left = times

    def reached(one: Step) -> None:
        nonlocal left
        left -= one == step
        if one == step and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    eraser = Eraser(folder, Keys(), reached)
    eraser.erase(DOOMED)
    eraser.purge(DAYS, now=0)


@pytest.mark.parametrize("step", list(Step))
def test_a_process_that_is_killed_leaves_what_the_next_one_ends(tmp_path: Path, step: Step) -> None:
    filled(tmp_path, Keys())
    before = others(every_row(tmp_path, Keys()))
    context = multiprocessing.get_context("spawn")
    kills = 0
    for times in (1, 2, 2):
        process = context.Process(target=doomed_process, args=(tmp_path, step, times))
        process.start()
        process.join(PATIENCE_S)
        assert process.exitcode in (0, -signal.SIGKILL)
        kills += process.exitcode != 0
        assert others(every_row(tmp_path, Keys())).equals(before), "at every moment the others are whole"
        for day in DAYS:
            list(Reader(tmp_path, Keys()).look_up(IDS, day, day + timedelta(days=1)))
    assert kills >= 1
    eraser = Eraser(tmp_path, Keys())
    eraser.erase(DOOMED)
    eraser.purge(DAYS, now=0)
    assert eraser.left(DOOMED) == []
    assert every_row(tmp_path, Keys()).equals(before)


def test_who_takes_files_out_does_so_alone(tmp_path: Path) -> None:
    with alone(tmp_path):
        with pytest.raises(StateError) as refused, alone(tmp_path):
            pass
        assert refused.value.code == "tidying"
    with alone(tmp_path):
        pass


def test_files_say_what_they_are_made_of(tmp_path: Path) -> None:
    """A day that was one file in the order of ids still is, so that nothing has to be made again."""
    filled(tmp_path)
    Eraser(tmp_path).erase(DOOMED)
    log = Log(tmp_path, encrypted=False)
    log.refresh()
    (path,) = log.paths(DAYS[1])
    ids = pq.read_table(tmp_path / "raw" / path, columns=["id"])["id"].to_numpy()
    assert (np.diff(ids) >= 0).all()
    assert Rewriter(tmp_path).rewrite(LATER).days == 0


@pytest.mark.parametrize("keys", [None, Keys()])
def test_a_segment_that_still_holds_what_a_day_was_before_goes_too(tmp_path: Path, keys: Keys | None) -> None:
    days = [date(2026, 12, 1) + timedelta(days=number) for number in range(10)]
    store, rewriter = Store(tmp_path, keys), Rewriter(tmp_path, keys)

    def add(name: str, day: date, first_wh: int) -> None:
        whole = readings(day, day + timedelta(days=1), first_wh=first_wh)
        store.append(f"{name} {day}", [entry(identity, whole) for identity in (1, 2)])

    for day in days[:5]:
        add("night", day, 1)
    assert rewriter.rewrite(date(2026, 12, 20)).segmented == 5
    add("late", days[2], 7)
    for day in days[5:]:
        add("night", day, 1)
    assert rewriter.rewrite(date(2026, 12, 20)).segmented == 6
    months, eraser = Months(tmp_path, keys), Eraser(tmp_path, keys)
    assert len(months.page(days[0]).parts) == 2
    doomed = [Doomed(1, days[2], days[3])]
    eraser.erase(doomed)
    eraser.purge([days[2]], now=0)
    assert eraser.left(doomed) == []
    found = {i for stack in Reader(tmp_path, keys).look_up([1, 2], days[2], days[3]) for i in stack.ids.tolist()}
    assert found == {2}
