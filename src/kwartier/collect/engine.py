"""Many visits at once: slots that are taken and given back, and a desk that is asked in batches.

The engine holds no list of meters. It has a few visits at hand that may begin, starts one whenever a slot is free, gathers how
they ended, and hands that back in batches. The desk's paper work is done beside: while a batch is stored and the next visits
are prepared, others run. First tries and retries have slots of their own, so
that a night of failures does not starve those that were not tried yet. When our own system can open no further line, the
engine opens fewer and the visit is made a little later: no meter pays for that.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from kwartier.collect.claims import Wanted
from kwartier.collect.lease import Job
from kwartier.collect.outcome import Again, Done, Outcomes, Task
from kwartier.collect.transports import OUT_OF_LINES

Answer = TypeVar("Answer")

LEASED_AT_ONCE = 500
"""Visits that are asked of the desk at once, so that a slot that becomes free has its next visit at hand."""
STORED_AT_ONCE = 5_000
"""Visits after whose end they are stored."""
STORED_AFTER_S = 3.0
"""How long a visit that ended may wait to be stored."""
MAX_UNSTORED = 2 * STORED_AT_ONCE
"""Visits that may have ended and wait: with more, no other begins."""
LAG_S = 0.25
"""With the loop this late, no further visit begins: those that are open come first."""
BEAT_S = 0.1
LOOK_S = 1.0
"""How soon the desk is asked for more where it had less than was asked for."""
RENEW_S = 60.0


class PaperWork(Protocol):
    """What the engine asks of a desk; each may block."""

    def take(self, first: int, again: int) -> list[Task]:
        """Visits that may begin now."""
        ...

    def prepare(self, wanted: Sequence[Again]) -> list[Task]:
        """Visits of meters that this process has already."""
        ...

    def settle(self, batch: Sequence[Done]) -> Outcomes:
        """Write down and store how visits ended."""
        ...

    def give_back(self, jobs: Sequence[Job], unasked: Sequence[Wanted] = ()) -> None:
        """Meters that this process will not visit any more."""
        ...

    def look(self) -> tuple[float | None, int]:
        """When the next meter may be tried, and how many are leased by whomever."""
        ...

    def renew(self) -> None:
        """This process is still there."""
        ...


class Office(Protocol):
    """Where the desk's work is done: on a thread in an installation, at once in a simulation."""

    def __call__(self, work: Callable[[], Answer]) -> Awaitable[Answer]:
        """Do it and wait for what it gives."""
        ...


@dataclass(slots=True, kw_only=True)
class Tally:
    """How far the engine is."""

    stored: int = 0
    refused: int = 0
    failed: int = 0
    tries: int = 0
    open: int = 0
    most_open: int = 0
    waiting: int = 0
    """Visits that will be tried again by this process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many visits may be open at once: for first tries, and for others."""

    first: int
    again: int


class Engine:
    """Runs the visits of one process until nothing is left to do. ``wall`` gives UTC seconds."""

    def __init__(
        self,
        desk: PaperWork,
        visit: Callable[[Task], Awaitable[Done]],
        *,
        room: Room,
        office: Office,
        wall: Callable[[], float],
        until: float | None = None,
        progress: Callable[[Tally], None] = lambda tally: None,
    ) -> None:
        self._desk = desk
        self._visit = visit
        self._room = room
        self._office = office
        self._wall = wall
        self._until = until
        self._progress = progress
        self.tally = Tally()
        self._open_first = 0
        self._open_again = 0
        self._most = room.first + room.again
        self._first: deque[Task] = deque()
        self._again: deque[Task] = deque()
        self._given_up: list[Task] = []
        self._later: list[tuple[float, int, Again]] = []
        self._numbers = 0
        self._ended: list[Done] = []
        self._oldest_s = 0.0
        self._next_renewal_s = 0.0
        self._next_look_s = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._lag_s = 0.0
        self._changed = asyncio.Event()
        self._draining = False
        self._broken: BaseException | None = None

    # What others tell it.

    def drain(self) -> None:
        """Begin nothing more; what is open ends by itself, is stored, and the rest is given back."""
        self._draining = True
        self._changed.set()

    def stop(self) -> None:
        """Break off what is open, too."""
        self.drain()
        for one in self._tasks:
            one.cancel()

    # The run.

    async def run(self) -> Tally:
        """Until every due meter is settled, or the night's time is up, or somebody says so."""
        loop = asyncio.get_running_loop()
        beat = loop.create_task(self._beat())
        try:
            while not self._draining and not (self._until is not None and self._wall() >= self._until):
                self._fill()
                self._changed.clear()
                if await self._paper_work(loop.time()):
                    continue
                if await self._is_over():
                    break
                await self._pause()
            self._draining = True
            await self._leave()
        finally:
            beat.cancel()
            for one in self._tasks:
                one.cancel()
        if self._broken is not None:
            raise self._broken
        return self.tally

    async def _paper_work(self, now_s: float) -> bool:
        """One piece of what has to be written down, the most urgent first; whether there was any."""
        if now_s >= self._next_renewal_s:
            self._next_renewal_s = now_s + RENEW_S
            await self._office(self._desk.renew)
        elif self._has_to_store(now_s):
            await self._store()
        elif ready := self._ready(self._room.again - self._open_again - len(self._again)):
            self._again.extend(await self._office(lambda: self._desk.prepare(ready)))
        elif now_s >= self._next_look_s and len(self._ended) < MAX_UNSTORED and self._is_short:
            await self._take(now_s)
        else:
            return False
        return True

    @property
    def _is_short(self) -> bool:
        """Whether there will soon be slots with nothing to do: what is leased ahead is begun while the desk looks for more."""
        return len(self._first) <= min(self._room.first, LEASED_AT_ONCE) // 2

    async def _take(self, now_s: float) -> None:
        first = min(self._room.first, LEASED_AT_ONCE)
        again = max(0, min(self._room.again - self._open_again - len(self._again), LEASED_AT_ONCE))
        taken = await self._office(lambda: self._desk.take(first, again))
        for task in taken:
            (self._again if task.tries else self._first).append(task)
        if len(taken) < first:
            self._next_look_s = now_s + LOOK_S

    @property
    def _open(self) -> int:
        return self._open_first + self._open_again

    def _ready(self, most: int) -> list[Again]:
        now = self._wall()
        ready: list[Again] = []
        while self._later and len(ready) < min(most, LEASED_AT_ONCE) and self._later[0][0] <= now:
            ready.append(heapq.heappop(self._later)[2])
        self.tally.waiting = len(self._later)
        return ready

    def _fill(self) -> None:
        """Begin what may be begun."""
        if self._draining or self._lag_s > LAG_S or len(self._ended) >= MAX_UNSTORED:
            return
        while self._again and self._open_again < self._room.again and self._open < self._most:
            self._start(self._again.popleft())
        while self._first and self._open_first < self._room.first and self._open < self._most:
            self._start(self._first.popleft())

    def _start(self, task: Task) -> None:
        first = task.tries == 0
        self._open_first += first
        self._open_again += not first
        self.tally.open = self._open
        self.tally.most_open = max(self.tally.most_open, self._open)
        running = asyncio.get_running_loop().create_task(self._slot(task, first))
        self._tasks.add(running)
        running.add_done_callback(self._tasks.discard)

    async def _slot(self, task: Task, first: bool) -> None:
        """One visit, and the slot it has: however it ends, the slot is given back."""
        done: Done | None = None
        try:
            done = await self._visit(task)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - a mistake of ours ends the run instead of being lost in a task
            self._broken = self._broken or error
            self._draining = True
        finally:
            self._open_first -= first
            self._open_again -= not first
            self.tally.open = self._open
            self._took_back(task, done)
            self._fill()
            if not self._open or self._is_short or len(self._ended) >= STORED_AT_ONCE:
                self._changed.set()

    def _took_back(self, task: Task, done: Done | None) -> None:
        if done is None:
            self._given_up.append(task)
        elif done.visit.error is not None and done.visit.error.code == OUT_OF_LINES:
            self._most = max(1, min(self._most, self._open))
            (self._first if task.tries == 0 else self._again).append(task)
        else:
            self._most = min(self._most + 1, self._room.first + self._room.again)
            if not self._ended:
                self._oldest_s = asyncio.get_running_loop().time()
            self.tally.tries += 1
            self._ended.append(done)

    # Storing.

    def _has_to_store(self, now_s: float) -> bool:
        waited = now_s - self._oldest_s >= STORED_AFTER_S
        return bool(self._ended) and (waited or not self._open or len(self._ended) >= STORED_AT_ONCE)

    async def _store(self) -> None:
        while self._ended:
            batch, self._ended = self._ended[:STORED_AT_ONCE], self._ended[STORED_AT_ONCE:]
            self._oldest_s = asyncio.get_running_loop().time()
            outcomes = await self._office(partial(self._desk.settle, batch))
            self.tally.stored += outcomes.stored
            self.tally.refused += outcomes.refused
            self.tally.failed += outcomes.failed
            for again in outcomes.again:
                self._numbers += 1
                heapq.heappush(self._later, (again.at, self._numbers, again))
            self._progress(self.tally)
            if len(self._ended) < STORED_AT_ONCE:
                return

    # Ending.

    async def _is_over(self) -> bool:
        """Whether nothing is left that this process could still do."""
        if self._open or self._ended or self._later or self._first or self._again:
            return False
        at, leased = await self._office(self._desk.look)
        return at is None and not leased

    async def _leave(self) -> None:
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        while self._ended:
            await self._store()
        not_begun = [*self._first, *self._again, *self._given_up]
        left = [again.job for _, _, again in self._later] + [task.job for task in not_begun]
        self._later.clear()
        self._first.clear()
        self._again.clear()
        if left:
            await self._office(lambda: self._desk.give_back(left, [task.claim for task in not_begun]))
        self._progress(self.tally)

    async def _beat(self) -> None:
        """Measure how late the loop is, begin what had to wait for it, and show how far we are."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + BEAT_S
            await asyncio.sleep(BEAT_S)
            self._lag_s = loop.time() - due
            self._fill()
            self._progress(self.tally)

    async def _pause(self) -> None:
        if self._draining:
            return
        try:
            await asyncio.wait_for(self._changed.wait(), BEAT_S)
        except TimeoutError:
            return
