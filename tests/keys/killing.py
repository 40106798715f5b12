"""Processes that are killed in the middle of what they do, and a check of what they had sent by then.

Workers run a given function for ever. :func:`kill_many` lets several of them work at once, kills one after another with
SIGKILL at instants drawn from a seed, and starts another in the place of each. What a worker sends is out of its hands
at once: a record appended to a file by one ``write``, or bytes that another process received.
"""

import multiprocessing
import os
import signal
import struct
from collections import Counter
from collections.abc import Callable, Generator
from multiprocessing.connection import wait
from pathlib import Path
from random import Random
from typing import Protocol, TypeVar

from kwartier.database import open_engine
from kwartier.dlms.protection import CounterRange
from kwartier.keys.counters import CounterKey, Counters

KEYS = tuple(
    CounterKey(ek_fingerprint=one * 32, title=title)
    for one in "ab"
    for title in ("4b57540000000001", "4b57540000000002")
)
"""Two encryption keys under two system titles."""
RECORD = struct.Struct(">B7xQ")
"""16 bytes, so that none lies on two pages of a file: between two pages even one write can be cut off by a kill."""
MAX_TAKEN = 8
JOIN_S = 60.0
JITTER_S = 0.01
MAX_LOOKS = 20_000
"""How often it is looked whether enough was sent; some minutes."""

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.keys.killing", "kwartier.service.home", "kwartier.service.reading"])

_Use = TypeVar("_Use")


class Source(Protocol):
    """Gives out counters, and is told when they were sent."""

    def reserve(self, key: CounterKey, count: int) -> CounterRange:
        """``count`` counters."""
        ...

    def sent(self, key: CounterKey, stop: int) -> None:
        """All up to ``stop`` were sent."""
        ...


class Honest:
    """The program's own counters."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def reserve(self, key: CounterKey, count: int) -> CounterRange:
        return self._counters.reserve(key, count)

    def sent(self, key: CounterKey, stop: int) -> None:
        """Nothing is to be done afterwards: that is the point."""


class RecordsAfterSending:
    """Broken on purpose: takes the next counters, and writes down that they are used when they have been sent."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def reserve(self, key: CounterKey, count: int) -> CounterRange:
        first = self._counters.next_of(key)
        return CounterRange(first, first + count)

    def sent(self, key: CounterKey, stop: int) -> None:
        self._counters.raise_to(key, stop)


class RemembersInMemory:
    """Broken on purpose: counts in memory and writes it down now and then."""

    EVERY = 100

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._next = {key: counters.next_of(key) for key in KEYS}

    def reserve(self, key: CounterKey, count: int) -> CounterRange:
        first = self._next[key]
        self._next[key] += count
        return CounterRange(first, first + count)

    def sent(self, key: CounterKey, stop: int) -> None:
        if stop % self.EVERY < MAX_TAKEN:
            self._counters.raise_to(key, stop)


SOURCES: dict[str, Callable[[Counters], Source]] = {
    "honest": Honest,
    "records after sending": RecordsAfterSending,
    "remembers in memory": RemembersInMemory,
}


def take_and_send(place: int, url: str, log: Path, source_name: str) -> None:
    """A worker: takes counters and sends each at once, for ever."""
    engine = open_engine(url)
    source = SOURCES[source_name](Counters(engine))
    random = Random(f"{os.getpid()}/{place}")
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    while True:
        number = random.randrange(len(KEYS))
        taken = source.reserve(KEYS[number], random.randint(1, MAX_TAKEN))
        last = -1
        while taken.left:
            last = taken.take()
            os.write(out, RECORD.pack(number, last))
        source.sent(KEYS[number], last + 1)


def sent(log: Path) -> list[tuple[int, int]]:
    """Every (number of the key, counter) that was sent, in order."""
    octets = log.read_bytes()
    assert len(octets) % RECORD.size == 0, "a record is written by one call, or not at all"
    return list(RECORD.iter_unpack(octets))


def repeated(uses: list[_Use]) -> list[_Use]:
    """Every use that happened more than once: there must be none."""
    return [use for use, times in Counter(uses).items() if times > 1]


def kill_many(
    worker: Callable[..., None],
    arguments: tuple[object, ...],
    *,
    progress: Callable[[], int],
    most: int,
    kills: int,
    workers: int,
    seed: int,
) -> Generator[int, None, None]:
    """Run ``workers`` processes, kill one ``kills`` times, and start another in its place; after each, its number.

    The next one is killed when ``progress`` - how much was sent so far - has grown by a number of 0 to ``most``, and up
    to :data:`JITTER_S` later: so that kills hit all of the work, on a fast machine and on a busy one. A worker that
    ends by itself is an error of its own.
    """
    random = Random(seed)
    running = [_start(worker, place, arguments) for place in range(workers)]
    try:
        for number in range(kills):
            goal = progress() + random.randint(0, most)
            for _ in range(MAX_LOOKS):
                gone = wait([process.sentinel for process in running], random.uniform(0, JITTER_S))
                assert not gone, f"a worker ended by itself before kill {number}, seed {seed}"
                if progress() >= goal:
                    break
            else:
                raise AssertionError(f"nothing was sent any more before kill {number}, seed {seed}")
            place = random.randrange(workers)
            _kill(running[place])
            running[place] = _start(worker, place, arguments)
            yield number + 1
    finally:
        for process in running:
            _kill(process)


def _start(
    worker: Callable[..., None], place: int, arguments: tuple[object, ...]
) -> "multiprocessing.process.BaseProcess":
    process = _context.Process(target=worker, args=(place, *arguments), daemon=True)
    process.start()
    return process


def _kill(process: "multiprocessing.process.BaseProcess") -> None:
    if process.pid is not None and process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
    process.join(JOIN_S)
