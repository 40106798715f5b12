"""Many visits at once: slots that are taken and given back, and a desk that is asked in batches.

The engine holds no list of meters. It has a few visits at hand that may begin, starts one whenever a slot is free, gathers how
they ended, and hands that back in batches. The desk's paper work is done beside: while a batch is stored and the next visits
are prepared, others run. First tries and retries have slots of their own, so
that a night of failures does not starve those that were not tried yet. When our own system can open no further line, the
engine opens fewer and the visit is made a little later: no meter pays for that.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

from kwartier.collect.claims import Wanted
from kwartier.collect.lease import NONE_SHUT, Job, Shut
from kwartier.collect.limits import UNBOUNDED, Bounds, Limits, Waiting, group_of
from kwartier.collect.outcome import Again, Done, Outcomes, Task
from kwartier.collect.retries import MAX_KEPT, Retries
from kwartier.collect.transports import OUT_OF_LINES
from kwartier.errors import KwartierError, Retry

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
IDLE_LOOK_S = 3.0
"""How soon, while nothing at all is going on."""
LOOK_PART = 10
"""The desk is asked again after so many times as long as it took to look: what is silent lies in its way."""
RENEW_S = 5.0
AWAY_S, MAX_AWAY_S = 0.5, 10.0
"""How long a database or a disk that is away is left alone before it is tried again: at first, and at most."""
OUT_OF_OURS = frozenset({OUT_OF_LINES, "database-away", "no-database"})
"""Errors of visits that say nothing of the meter: such a visit is made again, and no try is counted."""


class PaperWork(Protocol):
    """What the engine asks of a desk; each may block."""

    def take(self, first: int, again: int, shut: Shut = NONE_SHUT, shut_again: Shut = NONE_SHUT) -> list[Task]:
        """Visits that may begin now; for a first try of what is not ``shut``, for another of what is not ``shut_again``."""
        ...

    def prepare(self, wanted: Sequence[Again]) -> list[Task]:
        """Visits of meters that this process has already."""
        ...

    def settle(self, batch: Sequence[Done]) -> Outcomes:
        """Write down and store how visits ended."""
        ...

    def give_back(self, jobs: Sequence[Job], unasked: Sequence[Wanted] = (), later: Sequence[Again] = ()) -> None:
        """Meters that this process will not visit any more."""
        ...

    def look(self) -> tuple[float | None, int]:
        """When the next meter may be tried, and how many are leased by whomever."""
        ...

    def renew(self) -> frozenset[str]:
        """This process is still there; the leases that others have taken from it."""
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
    away: str = ""
    """The code of what is away, so that no visit begins: the database, or room on the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many visits may be open at once: for first tries, and for others."""

    first: int
    again: int


class Engine:
    """Runs the visits of one process until nothing is left to do.

    ``wall`` gives UTC seconds; ``waits`` says whether it is in doubt, so that no visit may begin, and raises when it was for
    too long.
    """

    def __init__(
        self,
        desk: PaperWork,
        visit: Callable[[Task], Awaitable[Done]],
        *,
        room: Room,
        office: Office,
        wall: Callable[[], float],
        until: float | None = None,
        stored_after_s: float = STORED_AFTER_S,
        bounds: Bounds = UNBOUNDED,
        waits: Callable[[], bool] = lambda: False,
        progress: Callable[[Tally], None] = lambda tally: None,
    ) -> None:
        self._desk = desk
        self._visit = visit
        self._room = room
        self._office = office
        self._wall = wall
        self._until = until
        self._stored_after_s = stored_after_s
        self._waits = waits
        self._progress = progress
        self.tally = Tally()
        self._open_first = 0
        self._open_again = 0
        self._most = room.first + room.again
        self.limits = Limits(bounds)
        self._first = Waiting(self.limits)
        self._again = Waiting(self.limits)
        self._is_turn_of_again = False
        self._opened = 0
        self._given_up: list[Task] = []
        self._unbegun: list[Task] = []
        """Visits that are on their way back to the desk."""
        self._later = Retries()
        self._ended: list[Done] = []
        self._batches: deque[list[Done]] = deque()
        self._piece = self._failing = ""
        """Which piece of paper work was begun last, and which one could not be done."""
        self._pause_s = AWAY_S
        self._next_work_s = 0.0
        self._oldest_s = 0.0
        self._next_renewal_s = 0.0
        self._next_look_s = 0.0
        self._next_end_s = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._lag_s = 0.0
        self._changed = asyncio.Event()
        self._draining = False
        self._is_stopped = False
        self._broken: BaseException | None = None

    # What others tell it.

    def drain(self) -> None:
        """Begin nothing more; what is open ends by itself, is stored, and the rest is given back."""
        self._draining = True
        self._changed.set()

    def stop(self) -> None:
        """Break off what is open, too, and wait for no database."""
        self._is_stopped = True
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
                try:
                    if await self._works(loop.time()):
                        continue
                    if await self._is_over():
                        break
                except KwartierError as error:
                    self._wait_for(error)
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

    async def _works(self, now_s: float) -> bool:
        """Do a piece of paper work, if it can be done; whether there was any.

        While the database or the disk is away no visit begins, what is open ends, and what ended waits. The same piece is
        tried again until it can be done.
        """
        if now_s < self._next_work_s:
            return False
        worked = await self._paper_work(now_s)
        if self._piece == self._failing or not worked:
            self.tally.away, self._failing, self._pause_s = "", "", AWAY_S
        return worked

    def _wait_for(self, error: KwartierError) -> None:
        """Try again later, if that may help; raises ``error`` if not."""
        if error.retry is not Retry.LATER:
            raise error
        self.tally.away, self._failing = error.code, self._piece
        self._next_work_s = asyncio.get_running_loop().time() + self._pause_s
        self._pause_s = min(2 * self._pause_s, MAX_AWAY_S)
        # Whoever is away for longer than a lease holds has none: that is asked first.
        self._next_renewal_s = 0.0
        self._progress(self.tally)

    async def _paper_work(self, now_s: float) -> bool:
        """One piece of what has to be written down, the most urgent first; whether there was any."""
        if now_s >= self._next_renewal_s:
            self._piece = "renew"
            if lost := await self._office(self._desk.renew):
                await self._drop(lost)
            self._next_renewal_s = now_s + RENEW_S
        elif self._opened < self.limits.opened:
            self._opened = self.limits.opened
            await self._let_go(self._first.surplus() + self._again.surplus())
        elif self._has_to_store(now_s):
            await self._store()
        elif ready := self._later.due(self._wall(), min(self._slots_again, LEASED_AT_ONCE)):
            self._piece = "prepare"
            self.tally.waiting = len(self._later)
            try:
                tasks = await self._office(lambda: self._desk.prepare(ready))
            except KwartierError:
                for again in ready:
                    self._later.put(again)
                raise
            await self._let_go([task for task in tasks if not self._again.put(task)])
        elif spare := self._later.beyond(MAX_KEPT):
            self._piece = "give back"
            await self._office(lambda: self._desk.give_back([], [], spare))
            self._later.cut(MAX_KEPT)
        elif now_s >= self._next_look_s and not self._is_full and self._is_short:
            await self._take(now_s)
        else:
            return False
        return True

    async def _drop(self, lost: frozenset[str]) -> None:
        """Meters whose lease was taken over are somebody else's; visits to them that are open end by themselves."""
        self._later.drop(lost)
        await self._let_go(self._first.drop(lost) + self._again.drop(lost))

    async def _let_go(self, tasks: list[Task]) -> None:
        """Visits that are not made after all: whoever has room for these meters takes them."""
        self._unbegun += tasks
        if going := list(self._unbegun):
            self._piece = "give back"
            await self._office(lambda: self._desk.give_back([one.job for one in going], [one.claim for one in going]))
            del self._unbegun[:]

    @property
    def _is_full(self) -> bool:
        """Whether so much waits to be stored that no other visit may begin."""
        return len(self._ended) + sum(map(len, self._batches)) >= MAX_UNSTORED

    @property
    def _is_short(self) -> bool:
        """Whether there will soon be slots with nothing to do: what is leased ahead is begun while the desk looks for more."""
        return self._first.ready <= min(self._room.first, LEASED_AT_ONCE) // 2

    async def _take(self, now_s: float) -> None:
        self._piece = "take"
        first = min(self._room.first, LEASED_AT_ONCE)
        again = self._later.allowed(min(self._slots_again, LEASED_AT_ONCE))
        shut, shut_again = self._first.crowded(), self._again.crowded()
        taken = await self._office(lambda: self._desk.take(first, again, shut, shut_again))
        firsts = sum(not task.tries for task in taken)
        others = len(taken) - firsts
        is_all = firsts < first and self._open_first <= self._room.first // 2
        self._later.taken(firsts, others, is_all=is_all)
        spare = [task for task in taken if not (self._again if task.tries else self._first).put(task)]
        if spare or len(taken) < first:
            took_s = asyncio.get_running_loop().time() - now_s
            is_more = 0 < again <= others  # as many other tries as were asked for: there will be more of them
            pause_s = 0.0 if is_more else LOOK_S if taken or self._open else IDLE_LOOK_S
            self._next_look_s = now_s + max(pause_s, LOOK_PART * took_s)
        await self._let_go(spare)

    @property
    def _open(self) -> int:
        return self._open_first + self._open_again

    @property
    def _slots_again(self) -> int:
        return max(0, self._room.again - self._open_again - self._again.ready)

    def _fill(self) -> None:
        """Begin what may be begun."""
        if self._draining or self._lag_s > LAG_S or self.tally.away or self._is_full or self._is_in_doubt():
            return
        now_s = asyncio.get_running_loop().time()
        while self._open < self._most and self.limits.any_s(now_s) <= now_s:
            task = self._next(now_s)
            if task is None:
                return
            self._start(task, now_s)

    def _next(self, now_s: float) -> Task | None:
        """The next visit: first tries and others take turns, so that neither spends all of what the limits allow."""
        for is_again in (self._is_turn_of_again, not self._is_turn_of_again):
            has_slot = self._open_again < self._room.again if is_again else self._open_first < self._room.first
            task = (self._again if is_again else self._first).next(now_s) if has_slot else None
            if task is not None:
                self._is_turn_of_again = not is_again
                return task
        return None

    def _is_in_doubt(self) -> bool:
        try:
            return self._waits()
        except KwartierError as error:
            self._broken = self._broken or error
            self.drain()
            return True

    def _start(self, task: Task, began_s: float) -> None:
        first = task.tries == 0
        self._open_first += first
        self._open_again += not first
        self.tally.open = self._open
        self.tally.most_open = max(self.tally.most_open, self._open)
        running = asyncio.get_running_loop().create_task(self._slot(task, first, began_s))
        self._tasks.add(running)
        running.add_done_callback(self._tasks.discard)

    async def _slot(self, task: Task, first: bool, began_s: float) -> None:
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
            self._took_back(task, done, began_s)
            self._fill()
            if not self._open or self._is_short or len(self._ended) >= STORED_AT_ONCE:
                self._changed.set()

    def _took_back(self, task: Task, done: Done | None, began_s: float) -> None:
        now_s = asyncio.get_running_loop().time()
        error = None if done is None else done.visit.error
        ours = done is None or (error is not None and error.code in OUT_OF_OURS and not done.asked)
        answered = done is not None and (error is None or done.visit.traffic.bytes_received > 0)
        self.limits.end(task, answered=None if ours else answered, began_s=began_s, now_s=now_s)
        self._first.ended(task)
        self._again.ended(task)
        if done is None:
            self._given_up.append(task)
        elif ours:
            self._most = max(1, min(self._most, self._open))
            (self._first if task.tries == 0 else self._again).put(task)
        else:
            self._most = min(self._most + 1, self._room.first + self._room.again)
            if not self._ended:
                self._oldest_s = now_s
            self.tally.tries += 1
            # Where nothing at all is heard, it is no meter's fault, and none is held against it.
            is_tried = answered or not self.limits.is_broken(group_of(task))
            self._ended.append(done if is_tried else replace(done, counts=False))

    # Storing.

    def _has_to_store(self, now_s: float) -> bool:
        waited = now_s - self._oldest_s >= self._stored_after_s
        # In a window, visits come one by one: storing each alone would make a file of each.
        is_idle = not self._open and self._until is None
        some = bool(self._ended) and (waited or is_idle or len(self._ended) >= STORED_AT_ONCE)
        return some or bool(self._batches)

    async def _store(self) -> None:
        """Store what has ended, a batch at a time; a batch stays the same until it is stored."""
        self._piece = "store"
        while self._ended or self._batches:
            if not self._batches:
                self._batches.append(self._next_batch())
                self._oldest_s = asyncio.get_running_loop().time()
            outcomes = await self._office(partial(self._desk.settle, self._batches[0]))
            self._batches.popleft()
            self.tally.stored += outcomes.stored
            self.tally.refused += outcomes.refused
            self.tally.failed += outcomes.failed
            for again in outcomes.again:
                self._later.put(again)
            self.tally.waiting = len(self._later)
            self._progress(self.tally)
            if len(self._ended) < STORED_AT_ONCE:
                return

    def _next_batch(self) -> list[Done]:
        """What ended first, each meter once: of two visits to one, the second has to find what the first has stored."""
        batch: dict[str, Done] = {}
        rest: list[Done] = []
        for done in self._ended:
            is_fresh = len(batch) < STORED_AT_ONCE and done.task.meter.meter not in batch
            if is_fresh:
                batch[done.task.meter.meter] = done
            else:
                rest.append(done)
        self._ended = rest
        return list(batch.values())

    # Ending.

    async def _is_over(self) -> bool:
        """Whether nothing is left that this process could still do."""
        now_s = asyncio.get_running_loop().time()
        busy = self._open or self._ended or self._batches or self._later or self._first or self._again
        if busy or now_s < self._next_end_s:
            return False
        self._next_end_s = now_s + IDLE_LOOK_S
        self._piece = "look"
        at, leased = await self._office(self._desk.look)
        return at is None and not leased

    async def _leave(self) -> None:
        """Let what is open end, store it, and give back what was not begun; with the database away, wait for it."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        while True:
            try:
                await self._hand_back()
                break
            except KwartierError as error:
                if self._is_stopped:
                    raise
                self._wait_for(error)
                await asyncio.sleep(self._next_work_s - asyncio.get_running_loop().time())
        self.tally.away = ""
        self._progress(self.tally)

    async def _hand_back(self) -> None:
        while self._ended or self._batches:
            await self._store()
        not_begun = [*self._first, *self._again, *self._given_up, *self._unbegun]
        jobs, claims = [task.job for task in not_begun], [task.claim for task in not_begun]
        later = self._later.beyond(0)
        await self._office(lambda: self._desk.give_back(jobs, claims, later))
        self._later.cut(0)
        self._first.clear()
        self._again.clear()
        self._given_up.clear()
        self._unbegun.clear()

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
        is_idle = not (self._open or self._ended or self._first or self._again)
        try:
            await asyncio.wait_for(self._changed.wait(), LOOK_S if is_idle else BEAT_S)
        except TimeoutError:
            return
