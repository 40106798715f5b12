"""A process is killed at any moment: what it was told is there stays, and the log is whole at once and goes on."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kwartier.audit.log import Log
from kwartier.audit.verify import verify
from tests.audit.making import KEY, LOG, Timer, records

CHILD_S = 60
PROCESS = """
import sys, threading
from pathlib import Path
from kwartier.audit.log import Log
from tests.audit.making import LOG, Timer
log = Log(Path(sys.argv[1]), LOG, later=Timer())
def work(thread):
    turn = 0
    while True:
        mine = [f"{sys.argv[2]}/{thread}/{turn}/{one}".encode() * (1 + turn % 50) for one in range(1 + turn % 40)]
        numbers = log.append(mine)
        sys.stdout.write(f"{thread} {turn} {numbers.start}\\n")
        sys.stdout.flush()
        turn += 1
        if thread == 0:
            log.checkpoint()
for thread in range(3):
    threading.Thread(target=work, args=(thread,)).start()
"""
"""Appends with three threads and makes checkpoints for ever."""


def killed(folder: Path, life: int, lines: int) -> dict[int, bytes]:
    """Run until it has said so many lines, and kill it; what it was told is there."""
    command = [sys.executable, "-c", PROCESS, str(folder), f"{life}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        said += process.stdout.readlines()
    told: dict[int, bytes] = {}
    for line in said:
        if line.endswith("\n"):
            thread, turn, first = map(int, line.split())
            for one in range(1 + turn % 40):
                told[first + one] = f"{life}/{thread}/{turn}/{one}".encode() * (1 + turn % 50)
    return told


def survives(folder: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    told: dict[int, bytes] = {}
    for life in range(kills):
        told |= killed(folder, life, chance.randrange(1, 120))
        found = verify(folder, KEY)
        assert found.records > max(told)
    with Log(folder, LOG, later=Timer()) as log:
        there = dict(enumerate(log.records(0, log.size)))
        assert {number: there[number] for number in told} == told
    found = verify(folder, KEY)
    assert (found.covered, found.unfinished_bytes) == (found.records, 0)


def test_ten_kills_lose_nothing_that_was_told(tmp_path: Path) -> None:
    survives(tmp_path / "audit", 10, seed=20_260_304)


@pytest.mark.long
def test_a_hundred_kills_lose_nothing_that_was_told(tmp_path: Path) -> None:
    survives(tmp_path / "audit", 100, seed=20_260_305)


# Killed at each single thing that is asked of the disk.

WRITES = "pwrite"
MOST_STEPS = 500


def doomed(folder: Path, step: int, pipe: int) -> None:
    """Append and make checkpoints, and die in the middle of the ``step``-th thing that is asked of the disk."""
    asked = 0

    def dying(act: Callable[..., object], name: str) -> Callable[..., object]:
        def maybe(*given: object, **more: object) -> object:
            nonlocal asked
            asked += 1
            if asked == step:
                if name == WRITES and isinstance(given[1], bytes):
                    act(given[0], given[1][: step % 7], given[2])
                os.kill(os.getpid(), signal.SIGKILL)
            return act(*given, **more)

        return maybe

    # The process ends with it: nothing has to be put back.
    for owner, names in ((os, (WRITES, "fdatasync", "fsync")), (Path, ("replace", "rename", "unlink"))):
        for name in names:
            setattr(owner, name, dying(getattr(owner, name), name))
    log = Log(folder, LOG, later=Timer())
    for count in (3, 400):
        log.append(records(count, log.size))
        os.write(pipe, f"{log.size}\n".encode())
        log.checkpoint()
    log.close()
    os.write(pipe, b"end\n")


def killed_at_steps(folders: Path, every: int) -> int:
    """Kill a process at every so many steps; how many steps there are."""
    for step in range(1, MOST_STEPS, every):
        folder = folders / f"{step}" / "audit"
        folder.parent.mkdir()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                doomed(folder, step, writing)
            finally:
                os._exit(1)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            said = pipe.read().split()
        _, ended = os.waitpid(child, 0)
        if said[-1:] == ["end"]:
            return step
        assert os.WIFSIGNALED(ended), "it ended otherwise than by the kill"
        whole_and_goes_on(folder, int(said[-1]) if said else 0)
    raise AssertionError("it never ends")


def whole_and_goes_on(folder: Path, told: int) -> None:
    where = str(folder)
    if folder.exists():
        assert verify(folder, KEY).records >= told, where
    with Log(folder, LOG, later=Timer()) as log:
        assert log.size >= told, where
        assert list(log.records(0, log.size)) == records(log.size), where
        log.append(records(300, log.size))
    found = verify(folder, KEY)
    assert (found.covered, found.unfinished_bytes) == (log.size, 0), where
    assert [one.name for one in folder.parent.iterdir()] == ["audit"], where


def test_a_kill_at_some_steps_leaves_a_log_that_is_whole_and_goes_on(tmp_path: Path) -> None:
    assert killed_at_steps(tmp_path, 5) > 40


@pytest.mark.long
def test_a_kill_at_each_step_leaves_a_log_that_is_whole_and_goes_on(tmp_path: Path) -> None:
    assert killed_at_steps(tmp_path, 1) > 40
