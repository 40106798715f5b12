"""Slots that are taken and given back, over a desk that is not there."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import TypeVar, cast

import pytest

from kwartier.collect import engine as room_of_engine
from kwartier.collect.claims import Wanted
from kwartier.collect.engine import Engine, PaperWork, Room, Tally
from kwartier.collect.lease import NONE_SHUT, Job, Shut
from kwartier.collect.line import Traffic
from kwartier.collect.outcome import Again, Done, Outcomes, Task
from kwartier.collect.transports import OUT_OF_LINES
from kwartier.collect.visit import Credentials, Visit
from kwartier.cosem import companion as companions
from kwartier.cosem.harvest import Harvest
from kwartier.errors import KwartierError, LinkLost, Retry, StateError
from kwartier.model import Meter
from kwartier.simulate.virtual.loop import VirtualLoop

Answer = TypeVar("Answer")
AT = datetime(2026, 3, 5, 1, tzinfo=UTC)
PATIENCE_S = 20.0


def task(name: str, tries: int = 0) -> Task:
    meter = Meter(meter=name, ean=f"E{name}", host="h", port=1, system_title=bytes(8), companion="smr-5.5")
    return Task(
        job=Job(name, meter.ean, meter.timezone, tries, "", 0),
        meter=meter,
        companion=companions.load("smr-5.5"),
        claim=Wanted(ean=meter.ean, date=date(2026, 3, 5), meter=name, visit=f"v-{name}"),
        stretches=(),
        credentials=Credentials(own_title=bytes(8)),
        layout=None,
        tries=tries,
    )


def done(one: Task, error: KwartierError | None = None) -> Done:
    visit = Visit(
        meter=one.meter.meter,
        started=AT,
        ended=AT,
        result=Harvest(),
        error=error,
        attempts=1,
        traffic=Traffic(),
        findings=(),
    )
    return Done(task=one, visit=visit, asked=error is None)


@dataclass
class FakeDesk:
    """Hands out meters by number; those in ``failing`` fail so many times before they succeed."""

    count: int
    failing: MappingProxyType[str, int] = field(default_factory=lambda: MappingProxyType({}))
    given: int = 0
    waiting: dict[str, int] = field(default_factory=dict)
    settled: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    asked_for: list[tuple[int, int]] = field(default_factory=list)

    def take(self, first: int, again: int, shut: Shut = NONE_SHUT, shut_again: Shut = NONE_SHUT) -> list[Task]:
        self.asked_for.append((first, again))
        most = min(first, self.count - self.given)
        names = [f"{number}" for number in range(self.given, self.given + most)]
        self.given += most
        return [task(name) for name in names]

    def prepare(self, wanted: Sequence[Again]) -> list[Task]:
        return [task(one.job.meter, one.tries) for one in wanted]

    def settle(self, batch: Sequence[Done]) -> Outcomes:
        self.sizes.append(len(batch))
        again = []
        for one in batch:
            name, tries = one.task.meter.meter, one.task.tries + 1
            if one.visit.error is not None:
                again.append(Again(at=0.0, job=one.task.job, stretches=(), tries=tries, code="x"))
            else:
                self.settled.append(name)
        return Outcomes(stored=len(batch) - len(again), again=tuple(again), refused=0, failed=0)

    def give_back(self, jobs: Sequence[Job], unasked: Sequence[Wanted] = (), later: Sequence[Again] = ()) -> None:
        self.returned += [job.meter for job in [*jobs, *(one.job for one in later)]]

    def look(self) -> tuple[float | None, int]:
        return (None if self.given >= self.count else 0.0), 0

    def renew(self) -> frozenset[str]:
        return frozenset()


async def at_once(work: Callable[[], Answer]) -> Answer:
    return work()


def office(work: Callable[[], Answer]) -> Awaitable[Answer]:
    return at_once(work)


@dataclass
class Visits:
    """Visits that take one turn of the loop, and count how many are open."""

    failing: dict[str, int] = field(default_factory=dict)
    open: int = 0
    most: int = 0
    most_again: int = 0
    again: int = 0
    limit: int | None = None
    """More than so many lines our own system does not open."""
    gate: asyncio.Event | None = None
    made: list[str] = field(default_factory=list)

    async def __call__(self, one: Task) -> Done:
        name = one.meter.meter
        if self.limit is not None and self.open >= self.limit:
            return done(one, LinkLost(OUT_OF_LINES, "spent"))
        self.made.append(name)
        self.open += 1
        self.again += one.tries > 0
        self.most, self.most_again = max(self.most, self.open), max(self.most_again, self.again)
        try:
            await asyncio.sleep(0)
            if self.gate is not None:
                await self.gate.wait()
        finally:
            self.open -= 1
            self.again -= one.tries > 0
        if self.failing.get(name, 0) > one.tries:
            return done(one, LinkLost("peer-closed", "gone"))
        return done(one)


def run(desk: FakeDesk, visits: Visits, room: Room = Room(first=8, again=2)) -> Tally:  # noqa: B008 - a frozen value
    engine = Engine(desk, visits, room=room, office=office, wall=lambda: 1.0)
    return asyncio.run(asyncio.wait_for(engine.run(), PATIENCE_S))


def test_every_meter_is_visited_once_and_no_more_are_open_than_there_are_slots() -> None:
    desk, visits = FakeDesk(300), Visits()
    tally = run(desk, visits)
    assert sorted(map(int, desk.settled)) == list(range(300))
    assert (tally.stored, tally.tries, tally.open) == (300, 300, 0)
    assert visits.most == 8 == tally.most_open
    assert desk.returned == []


def test_what_failed_is_tried_again_in_slots_of_its_own() -> None:
    desk, visits = FakeDesk(100), Visits(failing={f"{number}": 2 for number in range(0, 100, 3)})
    tally = run(desk, visits)
    assert sorted(map(int, desk.settled)) == list(range(100))
    assert tally.tries == 100 + 2 * 34
    assert visits.most_again <= 2


def test_lines_that_our_system_cannot_open_slow_it_down_and_fail_no_visit() -> None:
    desk, visits = FakeDesk(200), Visits(limit=3)
    tally = run(desk, visits, Room(first=40, again=10))
    assert sorted(map(int, desk.settled)) == list(range(200))
    assert (tally.stored, tally.tries) == (200, 200)
    assert visits.most == 3


class Fails:
    """A desk of which one kind of work fails for a while."""

    def __init__(self, desk: FakeDesk, kind: str, times: int, error: KwartierError) -> None:
        self.desk, self.kind, self.left, self.error = desk, kind, times, error
        self.failed = 0

    def __getattr__(self, name: str) -> Callable[..., object]:
        work: Callable[..., object] = getattr(self.desk, name)
        if name != self.kind:
            return work

        def fail(*words: object) -> object:
            if self.left:
                self.left -= 1
                self.failed += 1
                raise self.error
            return work(*words)

        return fail


def hours(desk: object, visits: Visits, room: Room, *, until: float | None = None) -> tuple[Tally, float, list[str]]:
    """A run in virtual time: how it ended, how long it took, and what was said to be away."""
    said: list[str] = []

    async def timed() -> tuple[Tally, float, list[str]]:
        loop = asyncio.get_running_loop()
        engine = Engine(
            cast("PaperWork", desk),
            visits,
            room=room,
            office=office,
            wall=loop.time,
            until=until,
            progress=lambda tally: said.append(tally.away),
        )
        return await engine.run(), loop.time(), said

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(timed())


AWAY = StateError("database-away", "gone", retry=Retry.LATER)


@pytest.mark.parametrize("kind", ["take", "prepare", "settle", "look", "renew", "give_back"])
def test_a_database_that_goes_away_and_comes_back_costs_time_and_nothing_else(kind: str) -> None:
    desk, visits = Fails(FakeDesk(30), kind, 6, AWAY), Visits(failing={"3": 1})
    tally, took_s, said = hours(desk, visits, Room(first=8, again=2))
    assert desk.failed == 6
    assert sorted(map(int, desk.desk.settled)) == list(range(30))
    assert (tally.stored, tally.away) == (30, "")
    assert "database-away" in said
    assert 15 < took_s < 60, "the pauses grow"


def test_while_the_database_is_away_no_visit_begins_and_what_was_read_is_kept() -> None:
    desk, visits = Fails(FakeDesk(500), "settle", 9, AWAY), Visits()
    tally, _, _ = hours(desk, visits, Room(first=8, again=2))
    assert desk.failed == 9
    assert tally.stored == 500
    assert len(visits.made) == 500, "nobody is visited twice"
    assert desk.desk.sizes[0] <= 40, "few began before it was noticed"


def test_an_error_that_time_does_not_heal_ends_the_run() -> None:
    desk = Fails(FakeDesk(5), "settle", 1, StateError("database-failed", "broken"))
    with pytest.raises(StateError) as caught:
        hours(desk, Visits(), Room(first=8, again=2))
    assert caught.value.code == "database-failed"


def test_who_is_told_to_stop_while_the_database_is_away_stops() -> None:
    async def stopped() -> None:
        desk = Fails(FakeDesk(5), "settle", 1_000, AWAY)
        engine = Engine(cast("PaperWork", desk), Visits(), room=Room(first=8, again=2), office=office, wall=lambda: 1.0)
        asyncio.get_running_loop().call_later(60, engine.stop)
        await engine.run()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner, pytest.raises(StateError) as caught:
        runner.run(stopped())
    assert caught.value.code == "database-away"


def test_meters_whose_lease_was_taken_over_are_let_go() -> None:
    class Robbed(FakeDesk):
        unasked: int = 0

        def renew(self) -> frozenset[str]:
            return frozenset({"lost"}) if self.given == 10 else frozenset()

        def take(self, first: int, again: int, shut: Shut = NONE_SHUT, shut_again: Shut = NONE_SHUT) -> list[Task]:
            if self.given > 10:
                return []
            lease = "kept" if self.given else "lost"
            return [replace(one, job=one.job._replace(lease=lease)) for one in super().take(10, again)]

        def give_back(self, jobs: Sequence[Job], unasked: Sequence[Wanted] = (), later: Sequence[Again] = ()) -> None:
            self.unasked += len(unasked)

    class Slow(Visits):
        async def __call__(self, one: Task) -> Done:
            self.made.append(one.meter.meter)
            await asyncio.sleep(7)
            return done(one)

    desk, visits = Robbed(20), Slow()
    tally, _, _ = hours(desk, visits, Room(first=2, again=1))
    assert visits.made == ["0", "1", *map(str, range(10, 20))]
    assert (tally.stored, desk.unasked) == (12, 8)


def test_two_visits_to_one_meter_are_stored_one_after_the_other() -> None:
    class Twice(FakeDesk):
        def take(self, first: int, again: int, shut: Shut = NONE_SHUT, shut_again: Shut = NONE_SHUT) -> list[Task]:
            return [one for name in super().take(first, again) for one in (name, name)]

    desk = Twice(20)
    hours(desk, Visits(), Room(first=40, again=2))
    assert sorted(map(int, desk.settled)) == sorted([*range(20), *range(20)])
    assert all(size <= 20 for size in desk.sizes)


def test_draining_lets_open_visits_end_stores_them_and_gives_the_rest_back() -> None:
    async def drained() -> tuple[FakeDesk, Visits, Tally]:
        desk, visits = FakeDesk(50), Visits(failing={"0": 9}, gate=asyncio.Event())
        engine = Engine(desk, visits, room=Room(first=8, again=2), office=office, wall=lambda: 1.0)
        running = asyncio.get_running_loop().create_task(engine.run())
        while visits.open < 8:
            await asyncio.sleep(0)
        engine.drain()
        assert visits.gate is not None
        visits.gate.set()
        return desk, visits, await asyncio.wait_for(running, PATIENCE_S)

    desk, visits, tally = asyncio.run(drained())
    assert sorted(map(int, visits.made)) == list(range(8))
    assert sorted(map(int, desk.settled)) == list(range(1, 8))
    assert tally.stored == 7
    # The one that failed, and those that were at hand and not begun.
    assert sorted(map(int, desk.returned)) == [0, *range(8, desk.given)]


def test_stopping_breaks_open_visits_off_and_gives_them_back() -> None:
    async def stopped() -> FakeDesk:
        desk, visits = FakeDesk(50), Visits(gate=asyncio.Event())
        engine = Engine(desk, visits, room=Room(first=8, again=2), office=office, wall=lambda: 1.0)
        running = asyncio.get_running_loop().create_task(engine.run())
        while visits.open < 8:
            await asyncio.sleep(0)
        engine.stop()
        await asyncio.wait_for(running, PATIENCE_S)
        assert visits.open == 0
        return desk

    desk = asyncio.run(stopped())
    assert desk.settled == []
    assert sorted(map(int, desk.returned)) == list(range(desk.given))


def test_a_mistake_of_ours_ends_the_run_and_is_not_lost_in_a_task() -> None:
    async def broken(one: Task) -> Done:
        raise ZeroDivisionError(one.meter.meter)

    engine = Engine(FakeDesk(5), broken, room=Room(first=2, again=1), office=office, wall=lambda: 1.0)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(asyncio.wait_for(engine.run(), PATIENCE_S))


def test_visits_are_stored_in_batches_and_none_begins_while_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_of_engine, "STORED_AT_ONCE", 10)
    monkeypatch.setattr(room_of_engine, "MAX_UNSTORED", 20)
    desk = FakeDesk(200)
    run(desk, Visits(), Room(first=100, again=10))
    assert max(desk.sizes) <= 10
    assert sum(desk.sizes) == 200


def test_it_ends_when_its_time_is_up() -> None:
    desk = FakeDesk(10_000)
    engine = Engine(desk, Visits(), room=Room(first=4, again=1), office=office, wall=lambda: 100.0, until=100.0)
    tally = asyncio.run(asyncio.wait_for(engine.run(), PATIENCE_S))
    assert tally.stored < 20


def test_other_tries_beyond_what_is_kept_at_hand_go_back_and_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A night in which everything fails once: no more than a few wait in the process, and none is forgotten."""
    monkeypatch.setattr(room_of_engine, "MAX_KEPT", 7)

    class Returns(FakeDesk):
        """Whatever comes back is handed out again, as another try."""

        def __init__(self, count: int) -> None:
            super().__init__(count)
            self.back: list[str] = []

        def give_back(self, jobs: Sequence[Job], unasked: Sequence[Wanted] = (), later: Sequence[Again] = ()) -> None:
            super().give_back(jobs, unasked, later)
            self.back += [one.job.meter for one in later]

        def take(self, first: int, again: int, shut: Shut = NONE_SHUT, shut_again: Shut = NONE_SHUT) -> list[Task]:
            come, self.back = self.back[:again], self.back[again:]
            return [task(name, 1) for name in come] + super().take(first, again)

        def look(self) -> tuple[float | None, int]:
            return (0.0 if self.back else super().look()[0]), 0

    desk, visits = Returns(200), Visits(failing={f"{number}": 1 for number in range(200)})
    tally = run(desk, visits, Room(first=8, again=60))
    assert tally.stored == 200
    assert sorted(map(int, desk.settled)) == list(range(200))
    assert len(desk.returned) > 100, "most did not wait here"
