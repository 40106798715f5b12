"""What is erased, dropped or copied goes for the readings and for what was made of them alike."""

import multiprocessing
import os
import signal
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pyarrow
import pytest

from kwartier.store import Store, Validated, copying
from kwartier.store.erase import Doomed, Eraser, Step
from kwartier.store.files import Files
from kwartier.store.log import Log
from kwartier.store.pins import Pins
from kwartier.store.reader import Reader
from kwartier.store.retention import Dropped, Retention, vacuum
from kwartier.store.rewrite import Rewriter
from kwartier.store.schema import KINDS, RAW, VALIDATED, TableKind
from kwartier.store.volumes_reader import VolumesReader
from tests.store.entries import entry, readings
from tests.store.test_reader import Keys
from tests.store.test_retention import Forgetting
from tests.store.volumes import rows, volumes

FIRST = date(2026, 11, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(3)]
LATER = date(2027, 1, 20)
IDS = range(-4, 5)
DOOMED = [Doomed(3, DAYS[1], DAYS[2]), Doomed(-2, DAYS[0], DAYS[2])]
ROWS = len(IDS) + len(IDS[::2])
"""Volumes of one day: of every id of one run, and of every second one of another."""


def filled(folder: Path, keys: Keys | None = None, *, rewritten: bool = False) -> Path:
    """Each day with readings and with volumes of two runs."""
    store, made = Store(folder, keys), Validated(folder, keys)
    for number, day in enumerate(DAYS):
        whole = readings(day, day + timedelta(days=1), first_wh=number)
        store.append(f"{day}", [entry(identity, whole) for identity in IDS])
        made.append(2 * number + 1, day, [volumes(day, IDS, seed=1)])
        made.append(2 * number + 2, day, [volumes(day, IDS[::2], seed=2)])
    if rewritten:
        for kind in KINDS:
            assert Rewriter(folder, keys, kind).rewrite(LATER).days == len(DAYS)
    return folder


def every_row(folder: Path, kind: TableKind, keys: Keys | None = None) -> dict[date, list[str]]:
    """Every row of a table, every version and run and every column."""
    log = Log(folder, encrypted=keys is not None, kind=kind)
    log.refresh()
    files = Files(log.root, keys, kind)
    found = {
        day: pyarrow.concat_tables([files.read(path) for path in paths]).to_pylist()
        for day, paths in log.days().items()
    }
    return {day: sorted(map(repr, several)) for day, several in sorted(found.items())}


def others(found: dict[date, list[str]], doomed: Sequence[Doomed] = DOOMED) -> dict[date, list[str]]:
    gone = {day: [f"{{'id': {one.id}, " for one in doomed if one.start <= day < one.end] for day in found}
    return {day: [row for row in several if not row.startswith(tuple(gone[day]))] for day, several in found.items()}


@pytest.mark.parametrize("keys", [None, Keys()])
@pytest.mark.parametrize("rewritten", [False, True])
def test_every_run_of_what_was_erased_goes_and_the_others_are_what_they_were(
    tmp_path: Path, keys: Keys | None, rewritten: bool
) -> None:
    filled(tmp_path, keys, rewritten=rewritten)
    before = every_row(tmp_path, VALIDATED, keys)
    eraser = Eraser(tmp_path, keys, kind=VALIDATED)
    assert eraser.count(DOOMED) == {DOOMED[0]: 1, DOOMED[1]: 4}
    assert eraser.erase(DOOMED) == (2 if rewritten else 4)
    assert every_row(tmp_path, VALIDATED, keys) == others(before)
    assert eraser.left(DOOMED), "files from before are still on the disk"
    assert eraser.purge(DAYS, now=0).files == (8 if rewritten else 4), "with what the rewrite had left"
    assert eraser.left(DOOMED) == []
    assert 3 in Reader(tmp_path, keys).ids(DAYS[1]), "the other table is another eraser's"
    reader = VolumesReader(tmp_path, keys)
    for day in DAYS:
        gone = {one.id for one in DOOMED if one.start <= day < one.end}
        for run in (None, 2 * DAYS.index(day) + 1):
            left = sorted(set(IDS) - gone)
            assert reader.heads(day, run).ids.tolist() == left
            assert sorted(identity for _, identity in rows(list(reader.scan(day, run)))) == left
            assert [i for one in reader.look_up(list(IDS), {day: run}) for i in one.ids] == left


def test_what_is_pinned_of_one_table_stays_in_that_one(tmp_path: Path) -> None:
    filled(tmp_path)
    Pins(tmp_path, VALIDATED).hold("job", VolumesReader(tmp_path).version, now=0, seconds=100)
    for kind in KINDS:
        eraser = Eraser(tmp_path, None, kind=kind)
        eraser.erase(DOOMED)
        eraser.purge(DAYS, now=99)
        assert bool(eraser.left(DOOMED)) == (kind is VALIDATED)
    assert vacuum(tmp_path, None, lambda: 99).files == 0
    eraser = Eraser(tmp_path, None, kind=VALIDATED)
    eraser.purge(DAYS, now=100)
    assert eraser.left(DOOMED) == []


def test_a_day_that_is_dropped_takes_its_volumes_along_and_each_table_is_proved(tmp_path: Path) -> None:
    keys = Forgetting()
    filled(tmp_path, keys)
    before = {kind.folder: every_row(tmp_path, kind, keys) for kind in KINDS}
    retention = Retention(tmp_path, keys)
    assert retention.drop(DAYS[1]) == 1
    for kind in KINDS:
        left = before[kind.folder]
        assert every_row(tmp_path, kind, keys) == {day: left[day] for day in DAYS[1:]}
    told = retention.proofs(0)
    assert sorted((one.table, one.rows, one.ids, one.kept, one.is_over, one.key_forgotten) for one in told) == [
        ("raw", len(IDS), len(IDS), 0, True, True),
        ("validated", ROWS, len(IDS), 0, True, True),
    ]
    assert len({one.digest for one in told}) == 1, "they are of the same ids"
    assert not list(tmp_path.rglob(f"day={FIRST}/*"))
    assert set(keys.forgotten) == {FIRST}
    for one in told:
        retention.recorded(one)
    assert retention.proofs(0) == []


def test_what_is_held_stays_in_both_and_so_does_the_key(tmp_path: Path) -> None:
    keys = Forgetting()
    filled(tmp_path, keys)
    retention = Retention(tmp_path, keys)
    assert retention.drop(DAYS[1], lambda day: {3, 4}) == 1
    told = retention.proofs(0)
    assert {(one.kept, one.is_over, one.key_forgotten) for one in told} == {(2, False, False)}
    assert sorted(Reader(tmp_path, keys).ids(FIRST).tolist()) == [3, 4]
    assert VolumesReader(tmp_path, keys).heads(FIRST).ids.tolist() == [3, 4]
    assert VolumesReader(tmp_path, keys).heads(FIRST).runs.tolist() == [1, 2], "each of its own run"
    assert keys.forgotten == []


def test_the_key_stays_while_one_table_needs_it(tmp_path: Path) -> None:
    """A connection that was never read has volumes and no reading; and a run may come late."""
    keys = Forgetting()
    filled(tmp_path, keys)
    retention = Retention(tmp_path, keys)
    retention.drop(DAYS[1])
    Validated(tmp_path, keys).append(99, FIRST, [volumes(FIRST, [7])])
    assert {(one.is_over, one.key_forgotten) for one in retention.proofs(0)} == {(False, False)}
    assert retention.drop(DAYS[1]) == 1
    last = [one for one in retention.proofs(0) if one.rows == 1]
    assert [(one.table, one.is_over) for one in last] == [("validated", True)]
    assert set(keys.forgotten) == {FIRST}


def test_a_note_from_before_there_were_two_tables_is_about_the_first(tmp_path: Path) -> None:
    filled(tmp_path)
    retention = Retention(tmp_path, None)
    retention.drop(DAYS[1])
    for path in (tmp_path / "dropping").iterdir():
        text = path.read_text()
        path.write_text(text.replace('"table": "raw", ', "")) if '"raw"' in text else path.unlink()
    assert '"table"' not in next((tmp_path / "dropping").iterdir()).read_text()
    (told,) = retention.proofs(0)
    assert (told.table, told.rows) == ("raw", len(IDS))


def dropping(folder: Path, times: int) -> None:
    """Drop a day, and end by SIGKILL where a table of it was narrowed for the n-th time."""
    left = times

    def reached(one: Step) -> None:
        nonlocal left
        left -= one is Step.REPLACED
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    Retention(folder, Keys(), reached).drop(DAYS[1])  # type: ignore[arg-type]  # it is killed before it forgets a key


@pytest.mark.parametrize("times", [1, 2])
def test_a_process_that_is_killed_between_the_tables_leaves_what_the_next_one_ends(tmp_path: Path, times: int) -> None:
    keys = Forgetting()
    filled(tmp_path, keys)
    process = multiprocessing.get_context("spawn").Process(target=dropping, args=(tmp_path, times))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    found: list[Dropped] = []
    retention = Retention(tmp_path, keys)
    found += retention.proofs(0)
    for one in found:
        retention.recorded(one)
    assert bool(keys.forgotten) == (times == 2), "not as long as there are volumes under it"
    retention.drop(DAYS[1])
    found += retention.proofs(0)
    assert sorted((one.table, one.rows) for one in found) == [("raw", len(IDS)), ("validated", ROWS)]
    assert set(keys.forgotten) == {FIRST}


def test_vacuum_removes_what_neither_table_needs(tmp_path: Path) -> None:
    filled(tmp_path, rewritten=True)
    before = {kind.folder: every_row(tmp_path, kind) for kind in KINDS}
    assert vacuum(tmp_path, None, lambda: 4e9).files == (1 + 2) * len(DAYS)
    assert {kind.folder: every_row(tmp_path, kind) for kind in KINDS} == before


def test_a_copy_goes_as_far_as_its_runs_are_known(tmp_path: Path) -> None:
    source, target = filled(tmp_path / "source"), tmp_path / "target"
    commits = list(copying.commits_after(source, copying.NOTHING, VALIDATED))
    assert [one.runs for one in commits] == [(), (1,), (2,), (3,), (4,), (5,), (6,)]
    assert {one.batches for one in commits} == {()}
    assert [one.runs for one in copying.commits_after(source, copying.NOTHING)] == [()] * 4
    version = copying.consistent(copying.NOTHING, commits, lambda one: {1, 2, 3}.issuperset(one.runs))
    assert copying.newest(source, VALIDATED) > version > copying.NOTHING
    copying.copy(source, target, version, VALIDATED)
    copied = VolumesReader(target)
    for day in DAYS:
        runs = {1, 2, 3}.intersection(VolumesReader(source).heads(day, 3).runs.tolist())
        assert set(copied.heads(day).runs.tolist()) == runs
        assert rows(list(copied.scan(day))) == rows(list(VolumesReader(source).scan(day, 3)))
    assert copying.newest(target, RAW) == copying.NOTHING
    # The number of a run that was left behind is given anew, and what it stores is stored.
    Validated(target).append(4, DAYS[1], [volumes(DAYS[1], [0], seed=44)])
    assert copied.heads(DAYS[1]).runs.tolist().count(4) == 1
