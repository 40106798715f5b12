"""The log as a program uses it: what is appended is there, checkpoints come by themselves, and what cannot be is refused."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from kwartier.audit.checkpoint import Checkpoint
from kwartier.audit.log import CHECKPOINT_AFTER_S, MAX_APPEND, Log
from kwartier.audit.note import Signer, new_key
from kwartier.audit.proof import read_checkpoint
from kwartier.audit.tiles import MAX_RECORD_BYTES, Place, pack
from kwartier.audit.verify import verify
from kwartier.errors import InputError, KwartierError, SecurityError, StateError
from tests.audit.making import KEY, LOG, Timer, make_log, record, records, second_opinion

CHILD_S = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def code(act: Callable[[], object]) -> str:
    with pytest.raises(KwartierError) as caught:
        act()
    return caught.value.code


def test_a_fresh_log_has_a_checkpoint_over_nothing_and_is_private(folder: Path) -> None:
    with Log(folder, LOG, later=Timer()):
        assert files(folder) == {"checkpoint"}
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    found = verify(folder, KEY)
    assert (found.records, found.covered) == (0, 0)
    assert [one.name for one in folder.parent.iterdir()] == ["audit"]


def test_records_get_numbers_in_a_row_and_are_found_again(folder: Path) -> None:
    with Log(folder, LOG, later=Timer()) as log:
        assert log.append([record(0)]) == range(1)
        assert log.append([]) == range(1, 1)
        assert log.append(records(600, 1)) == range(1, 601)
        assert list(log.records(0, 601)) == records(601)
        assert list(log.records(250, 520)) == records(270, 250)
        assert code(lambda: list(log.records(0, 602))) == "not-covered"
    with Log(folder, LOG, later=Timer()) as log:
        assert log.size == 601
        assert log.append([record(601)]) == range(601, 602)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 513, 700])
def test_a_checkpoint_leaves_what_the_format_asks_for_and_nothing_else(folder: Path, size: int) -> None:
    make_log(folder, [size // 2, size])
    full, rest = divmod(size, 256)
    expected = {"checkpoint"} | {f"tile/{kind}/{n:03}" for kind in ("entries", "0") for n in range(full)}
    if rest:
        expected |= {f"tile/entries/{full:03}", f"tile/entries/{full:03}.p/{rest}", f"tile/0/{full:03}.p/{rest}"}
    if full:
        expected |= {f"tile/1/000.p/{full}"}
    assert files(folder) == expected
    assert {stat.S_IMODE((folder / one).stat().st_mode) for one in expected} == {0o600}
    assert second_opinion("folder", folder, KEY).stdout == f"{size}\n"


def test_a_tree_of_three_levels_is_the_same_in_one_piece_and_in_many(folder: Path) -> None:
    size = 256 * 256 + 3
    with Log(folder, LOG, later=Timer()) as log:
        log.append([b"one"] * 60_000)
        log.checkpoint()
        log.append([b"one"] * (size - 60_000))
    assert verify(folder, KEY).covered == size
    assert {"tile/1/000", "tile/2/000.p/1", "tile/0/256.p/3"} <= files(folder)
    again = folder.with_name("again")
    with Log(again, LOG, later=Timer()) as log:
        log.append([b"one"] * (size - 3))
        log.append([b"one"] * 3)
    assert read_checkpoint(again, KEY).root == read_checkpoint(folder, KEY).root


def test_records_of_a_size_that_is_not_taken_are_refused_and_nothing_is_kept(folder: Path) -> None:
    with Log(folder, LOG, later=Timer()) as log:
        for bad in ([b""], [b"a", bytes(MAX_RECORD_BYTES + 1)], [b"a"] * (MAX_APPEND + 1)):
            assert code(partial(log.append, bad)) == "bad-record"
        assert log.size == 0
        log.append([bytes([1]) * MAX_RECORD_BYTES])


def test_a_checkpoint_comes_by_itself_after_the_first_record_and_not_before_the_next(folder: Path) -> None:
    timer = Timer()
    with Log(folder, LOG, later=timer) as log:
        assert timer.armed == []
        log.append([record(0)])
        log.append([record(1)])
        assert [after_s for after_s, _ in timer.armed] == [CHECKPOINT_AFTER_S]
        timer.ring()
        assert read_checkpoint(folder, KEY).size == 2
        assert timer.armed == []
        log.append([record(2)])
        assert len(timer.armed) == 1
    assert timer.armed == []
    assert read_checkpoint(folder, KEY).size == 3


def test_the_real_timer_makes_a_checkpoint_in_an_idle_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kwartier.audit.log.CHECKPOINT_AFTER_S", 0.0)
    done = threading.Event()
    with Log(folder, LOG) as log:
        plain = log._make

        def make() -> Checkpoint:
            made = plain()
            done.set()
            return made

        monkeypatch.setattr(log, "_make", make)
        log.append([record(0)])
        assert done.wait(CHILD_S)
        assert read_checkpoint(folder, KEY).size == 1


def test_what_a_process_left_without_a_checkpoint_is_covered_by_the_next(folder: Path) -> None:
    timer = Timer()
    left = Log(folder, LOG, later=Timer())
    left.append(records(3))
    with Log(folder, LOG, later=timer) as log:
        assert [after_s for after_s, _ in timer.armed] == [0.0]
        timer.ring()
        assert (log.size, read_checkpoint(folder, KEY).size) == (3, 3)
    left.close()


def test_a_closed_log_takes_nothing_and_may_be_closed_again(folder: Path) -> None:
    log = Log(folder, LOG, later=Timer())
    log.close()
    log.close()
    assert code(lambda: log.append([b"a"])) == "audit-closed"
    assert code(log.checkpoint) == "audit-closed"


def test_whoever_appends_while_the_log_is_closed_is_told_whether_it_was_written(folder: Path) -> None:
    log = Log(folder, LOG, later=Timer())
    told: list[int] = []

    def work() -> None:
        with pytest.raises(StateError, match="is closed"):
            while True:
                told.extend(log.append([b"a"]))

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(work) for _ in range(4)]
        while len(told) < 20:
            pass
        log.close()
        for one in running:
            one.result()
    found = verify(folder, KEY)
    assert sorted(told) == list(range(found.records))


def test_the_log_of_another_key_is_not_opened(folder: Path) -> None:
    make_log(folder, [3])
    with pytest.raises(SecurityError):
        Log(folder, Signer(new_key(KEY.name)), later=Timer())
    with pytest.raises(SecurityError):
        Log(folder, Signer(new_key("kwartier/other")), later=Timer())


@pytest.mark.parametrize("cut", range(1, len(pack([record(3)]))))
def test_a_torn_record_is_cut_off_by_the_next_writer(folder: Path, cut: int) -> None:
    make_log(folder, [3])
    with (folder / "tile/entries/000").open("ab") as bundle:
        bundle.write(pack([record(3)])[:cut])
    found = verify(folder, KEY)
    assert (found.records, found.unfinished_bytes) == (3, cut)
    with Log(folder, LOG, later=Timer()) as log:
        assert log.append([b"after"]) == range(3, 4)
    assert verify(folder, KEY).unfinished_bytes == 0


def test_a_torn_record_is_cut_off_by_a_writer_that_was_there_before(folder: Path) -> None:
    with Log(folder, LOG, later=Timer()) as log:
        log.append(records(3))
        with (folder / "tile/entries/000").open("ab") as bundle:
            bundle.write(pack([b"by another"]) + b"\x00\x08half")
        assert log.append([b"after"]) == range(4, 5)
        assert list(log.records(3, 5)) == [b"by another", b"after"]


def test_a_log_whose_signed_records_are_gone_is_not_opened_and_not_continued(folder: Path) -> None:
    make_log(folder, [5])
    log = Log(folder, LOG, later=Timer())
    bundle = folder / "tile/entries/000"
    bundle.write_bytes(bundle.read_bytes()[:-3])
    assert code(lambda: log.append([b"a"])) == "audit-changed"
    assert code(lambda: Log(folder, LOG, later=Timer())) == "audit-changed"
    bundle.unlink()
    assert code(lambda: Log(folder, LOG, later=Timer())) == "audit-changed"
    assert code(lambda: log.append([b"a"])) == "audit-changed"


def test_a_record_that_was_changed_is_never_signed_and_then_nothing_is_appended(folder: Path) -> None:
    make_log(folder, [5])
    timer = Timer()
    log = Log(folder, LOG, later=timer)
    bundle = folder / "tile/entries/000"
    octets = bytearray(bundle.read_bytes())
    octets[5] ^= 1
    bundle.write_bytes(octets)
    log.append([b"a"])
    timer.ring()
    assert "record 0" in log.trouble
    assert code(lambda: log.append([b"a"])) == "audit-changed"
    log.close()
    assert read_checkpoint(folder, KEY).size == 5


def test_a_disk_that_takes_nothing_is_said_to_all_and_the_log_goes_on_when_it_does(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Log(folder, LOG, later=Timer()) as log:
        log.append(records(2))
        with monkeypatch.context() as broken:

            def fail(_descriptor: int) -> None:
                raise OSError(28, "No space left on device")

            broken.setattr("kwartier.audit.tail.os.fdatasync", fail)
            assert code(lambda: log.append(records(300, 2))) == "audit-failed"
            broken.setattr("kwartier.audit.publish.os.fsync", fail)
            assert code(log.checkpoint) == "audit-failed"
        assert log.append([record(2)]) == range(2, 3)
    found = verify(folder, KEY)
    assert (found.covered, found.unfinished_bytes) == (3, 0)


def test_one_flush_is_for_all_that_wait(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the first is flushed seven others come; they are written together, with one flush."""
    plain, flushes = os.fdatasync, 0
    begun, enough = threading.Event(), threading.Event()

    def slow(descriptor: int) -> None:
        nonlocal flushes
        flushes += 1
        begun.set()
        assert enough.wait(CHILD_S)
        plain(descriptor)

    with Log(folder, LOG, later=Timer()) as log, ThreadPoolExecutor(8) as pool, monkeypatch.context() as slowly:
        slowly.setattr("kwartier.audit.tail.os.fdatasync", slow)
        first = pool.submit(log.append, [b"first"])
        assert begun.wait(CHILD_S)
        others = [pool.submit(log.append, [f"other {one}".encode()]) for one in range(7)]
        while len(log._queue) < 7:
            pass
        enough.set()
        assert first.result() == range(1)
        assert {one.result()[0] for one in others} == set(range(1, 8))
        assert flushes == 2


def test_a_record_costs_one_flush_and_nothing_else_of_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    with Log(folder, LOG, later=Timer()) as log:
        log.append([record(0)])
        for name in ("fdatasync", "fsync", "open", "mkdir", "rename", "replace", "ftruncate"):
            monkeypatch.setattr(os, name, lambda *_, name=name: asked.append(name))
        log.append(records(3, 1))
        monkeypatch.undo()
        assert asked == ["fdatasync"]


def test_many_threads_lose_nothing_and_mix_nothing_up(folder: Path) -> None:
    timer = Timer()
    with Log(folder, LOG, later=timer) as log, ThreadPoolExecutor(8) as pool:

        def work(thread: int) -> list[tuple[range, list[bytes]]]:
            done = []
            for turn in range(20):
                mine = [f"{thread}/{turn}/{one}".encode() for one in range(1 + (thread + turn) % 4)]
                done.append((log.append(mine), mine))
                if turn % 7 == thread % 7:
                    log.checkpoint()
            return done

        told = [one for done in pool.map(work, range(8)) for one in done]
        for numbers, mine in told:
            assert list(log.records(numbers.start, numbers.stop)) == mine
        assert sorted(number for numbers, _ in told for number in numbers) == list(range(log.size))
    assert verify(folder, KEY).covered == sum(len(mine) for _, mine in told)


PROCESS = """
import sys
from functools import partial
from pathlib import Path
from kwartier.audit.checkpoint import Checkpoint
from kwartier.audit.log import Log
from tests.audit.making import LOG, Timer
with Log(Path(sys.argv[1]), LOG, later=Timer()) as log:
    for turn in range(40):
        numbers = log.append([f"{sys.argv[2]}/{turn}/{one}".encode() for one in range(3)])
        print(turn, numbers.start, flush=True)
        if turn % 9 == int(sys.argv[2]):
            log.checkpoint()
"""


def test_several_processes_append_and_make_checkpoints_at_once(folder: Path) -> None:
    command = [sys.executable, "-c", PROCESS, str(folder)]
    running = [subprocess.Popen([*command, f"{one}"], stdout=subprocess.PIPE, text=True) for one in range(3)]
    told = [(one, process.communicate(timeout=CHILD_S)[0]) for one, process in enumerate(running)]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert verify(folder, KEY).covered == 3 * 40 * 3
    with Log(folder, LOG, later=Timer()) as log:
        for one, said in told:
            for line in said.splitlines():
                turn, first = map(int, line.split())
                assert list(log.records(first, first + 3)) == [f"{one}/{turn}/{n}".encode() for n in range(3)]


def test_a_forked_process_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Log(folder, LOG, later=Timer()) as log:
        with monkeypatch.context() as forked:
            forked.setattr("kwartier.audit.log.os.getpid", lambda: 1)
            assert code(lambda: log.append([b"a"])) == "forked-log"
            log.close()
        log.append([b"a"])


def test_an_interrupt_in_the_middle_of_a_commit_leaves_nobody_waiting(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Log(folder, LOG, later=Timer()) as log:
        with monkeypatch.context() as interrupted:

            def interrupt(_descriptor: int) -> None:
                raise KeyboardInterrupt

            interrupted.setattr("kwartier.audit.tail.os.fdatasync", interrupt)
            with pytest.raises(KeyboardInterrupt):
                log.append([b"a"])
        assert log.append([b"b"]) == range(1)


def test_a_proof_is_for_what_a_checkpoint_covers(folder: Path) -> None:
    with Log(folder, LOG, later=Timer()) as log:
        log.append(records(2))
        assert code(lambda: log.prove(0)) == "not-covered"
        log.checkpoint()
        assert log.prove(1).record == record(1)
        for index in (-1, 2):
            with pytest.raises(InputError):
                log.prove(index)


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises((StateError, InputError, OSError)):
        Log(tmp_path / "file" / "audit", LOG, later=Timer())


def test_the_place_of_the_first_torn_record_is_named(folder: Path) -> None:
    make_log(folder, [300])
    bundle = folder / str(Place(level=-1, index=1))
    bundle.write_bytes(bundle.read_bytes()[:-1])
    with pytest.raises(SecurityError) as caught:
        Log(folder, LOG, later=Timer())
    assert "tile/entries/001" in caught.value.detail
    assert "record 299" in caught.value.detail
