"""Killed while writing a file, committing or rewriting, the table is whole, and what was said to be stored is there."""

import multiprocessing
import os
import random
import signal
from datetime import date, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from kwartier.store import Store
from kwartier.store.reader import Reader
from kwartier.store.retention import vacuum
from kwartier.store.rewrite import Rewriter
from tests.store.entries import entry, readings
from tests.store.test_reader import Keys

DAYS = [date(2026, 11, 1) + timedelta(days=number) for number in range(3)]
LATER = date(2027, 1, 20)
METERS = 40
SEED = 20_261_101
PATIENCE_S = 60.0


def work(folder: Path, first: int, told: Connection) -> None:
    """Store batch after batch, each with a row a day, rewrite after every third, and say what is stored."""
    store, rewriter = Store(folder, Keys()), Rewriter(folder, Keys())
    for number in range(first, first + 10_000):
        told.send(("begun", number))
        entries = [
            entry(METERS * number + meter, readings(DAYS[0], DAYS[-1] + timedelta(days=1), first_wh=number))
            for meter in range(METERS)
        ]
        store.append(f"batch-{number}", entries)
        told.send(("stored", number))
        if number % 3 == 2:
            rewriter.rewrite(LATER)


def killed_once(folder: Path, first: int, chance: random.Random) -> tuple[set[int], int]:
    """A process that is killed after some messages and some milliseconds; what it said is stored, and the last it began."""
    context = multiprocessing.get_context("spawn")
    heard, told = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(folder, first, told))
    process.start()
    told.close()
    stored: set[int] = set()
    last = first - 1
    for _ in range(chance.randrange(1, 9)):
        assert heard.poll(PATIENCE_S)
        kind, number = heard.recv()
        last = max(last, number)
        stored |= {number} if kind == "stored" else set()
    # The process works on while this waits: no message comes within so little time, or one does and is heard.
    while heard.poll(chance.random() * 0.05):
        kind, number = heard.recv()
        last = max(last, number)
        stored |= {number} if kind == "stored" else set()
        if chance.random() < 0.3:
            break
    assert process.pid is not None
    process.kill()
    process.join(PATIENCE_S)
    assert process.exitcode == -signal.SIGKILL
    while heard.poll():
        try:
            kind, number = heard.recv()
        except EOFError:
            break
        last = max(last, number)
        stored |= {number} if kind == "stored" else set()
    return stored, last


def there(folder: Path) -> dict[int, set[int]]:
    """The batches that the store has of each day, each whole and once."""
    found: dict[int, set[int]] = {}
    for place, day in enumerate(DAYS):
        ids = [identity for stack in Reader(folder, Keys()).scan(day) for identity in stack.ids.tolist()]
        assert len(ids) == len(set(ids)) == len(Reader(folder, Keys()).ids(day))
        looked_up = [
            identity
            for stack in Reader(folder, Keys()).look_up(ids, day, day + timedelta(days=1))
            for identity in stack.ids.tolist()
        ]
        assert sorted(looked_up) == sorted(ids)
        batches = {identity // METERS for identity in ids}
        assert len(ids) == METERS * len(batches)
        found[place] = batches
    return found


def survives(folder: Path, kills: int) -> None:
    chance = random.Random(SEED)
    stored: set[int] = set()
    first = 0
    for _ in range(kills):
        said, last = killed_once(folder, first, chance)
        stored |= said
        found = there(folder)
        assert found[0] == found[1] == found[2], "a batch is there on all of its days or on none"
        assert stored <= found[0] <= set(range(last + 1))
        first = last  # the batch that was cut off is brought again, under its name
    Store(folder, Keys()).append(f"batch-{first}", [])
    before = there(folder)
    Rewriter(folder, Keys()).rewrite(LATER)
    vacuum(folder, Keys(), lambda: 4e9)
    assert there(folder) == before
    files = list(folder.rglob("day=*/*.parquet"))
    assert len(files) == len(DAYS), "what killed processes left is cleared away"


def test_a_store_that_is_killed_is_whole(tmp_path: Path) -> None:
    survives(tmp_path, 10)


@pytest.mark.long
def test_a_store_that_is_killed_often_is_whole(tmp_path: Path) -> None:
    survives(tmp_path, 100)


# A loss of power: what was not yet told to be stored may be there in part.


@pytest.mark.parametrize("left", [0.0, 0.1, 0.5, 0.99, None])
def test_a_last_entry_of_which_a_part_is_left_is_as_if_it_had_never_been(tmp_path: Path, left: float | None) -> None:
    store = Store(tmp_path)
    for number in range(3):
        store.append(f"{number}", [entry(number, readings(DAYS[0], DAYS[1]))])
    last = max((tmp_path / "raw" / "_delta_log").glob("*.json"))
    octets = last.read_bytes()
    if left is None:
        last.unlink()
    else:
        last.write_bytes(octets[: int(len(octets) * left)])
    after = Store(tmp_path)
    assert [after.has(f"{number}") for number in range(3)] == [True, True, False]
    assert sorted(Reader(tmp_path).ids(DAYS[0]).tolist()) == [0, 1]
    assert after.append("2", [entry(2, readings(DAYS[0], DAYS[1]))]).new == 1
    assert sorted(Reader(tmp_path).ids(DAYS[0]).tolist()) == [0, 1, 2]


def test_a_commit_is_on_the_disk_before_it_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").resolve().name)
        sync(descriptor)

    store = Store(tmp_path)
    monkeypatch.setattr(os, "fsync", noted)
    store.append("a", [entry(1, readings(DAYS[0], DAYS[1]))])
    (file,) = (tmp_path / "raw" / f"day={DAYS[0]}").glob("*.parquet")
    entries = sorted((tmp_path / "raw" / "_delta_log").glob("*.json"))
    # The file, then the entry that points to it, then the names of both.
    assert synced.index(file.name) < synced.index(entries[-1].name)
    assert {f"day={DAYS[0]}", "_delta_log"} <= set(synced)


# A forked process.


def forked(folder: Path, told: Connection) -> None:
    try:
        Store(folder)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        told.send(getattr(error, "code", repr(error)))
    else:
        told.send("opened")


def test_a_forked_process_is_refused_instead_of_crashing(tmp_path: Path) -> None:
    script = multiprocessing.get_context("spawn")
    heard, told = script.Pipe(duplex=False)
    process = script.Process(target=open_and_fork, args=(tmp_path, told))
    process.start()
    assert heard.poll(PATIENCE_S)
    assert heard.recv() == "forked-store"
    process.join(PATIENCE_S)


def open_and_fork(folder: Path, told: Connection) -> None:
    """Open the table, then fork as a library might, and open it there again."""
    Store(folder)
    child = multiprocessing.get_context("fork").Process(target=forked, args=(folder, told))
    child.start()
    child.join(PATIENCE_S)


# The same batch from two processes.


def bring(folder: Path, told: Connection) -> None:
    store = Store(folder)
    told.send(store.append("same", [entry(meter, readings(DAYS[0], DAYS[1])) for meter in range(METERS)]).new)


def test_the_same_batch_from_two_processes_at_once_is_there_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    Store(tmp_path)
    pipes, processes = [], []
    for _ in range(2):
        heard, told = context.Pipe(duplex=False)
        processes.append(context.Process(target=bring, args=(tmp_path, told)))
        pipes.append(heard)
    for process in processes:
        process.start()
    new = []
    for pipe in pipes:
        assert pipe.poll(PATIENCE_S)
        new.append(pipe.recv())
    for process in processes:
        process.join(PATIENCE_S)
    assert sorted(new) == [0, METERS]
    assert len(Reader(tmp_path).ids(DAYS[0])) == METERS
