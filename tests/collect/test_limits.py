"""What the radio bears: rates and bounds are kept, what is silent is left alone, and what comes back is caught up with."""

import asyncio
import bisect
import heapq
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TypeVar

import pytest

from kwartier.collect import engine
from kwartier.collect.breaker import FAILURES
from kwartier.collect.claims import Wanted
from kwartier.collect.due import OPEN
from kwartier.collect.engine import Engine, Room, Tally
from kwartier.collect.lease import NONE_SHUT, Job, Shut
from kwartier.collect.limits import PROBES_HELD, UNBOUNDED, Bounds, Limits, Rate, Waiting
from kwartier.collect.line import Traffic
from kwartier.collect.night_visit import LEAST_DEADLINE_S, deadline_of, pace_of
from kwartier.collect.outcome import Again, Done, Outcomes, Rules, Task, judge
from kwartier.collect.visit import Credentials, Visit
from kwartier.cosem import companion as companions
from kwartier.cosem.harvest import Harvest
from kwartier.errors import KwartierError, LinkLost, Retry, SecurityError, StateError
from kwartier.model import Meter
from kwartier.simulate.virtual.loop import VirtualLoop

Answer = TypeVar("Answer")
AT = datetime(2026, 3, 5, 1, tzinfo=UTC)
COMPANION = companions.load("smr-5.5")
HOUR_S = 3600.0
SILENT = LinkLost("connect-timeout", "nothing is heard")


def task(name: str, cell: str = "", kind: str = "", tries: int = 0, lease: str = "") -> Task:
    meter = Meter(meter=name, ean="E", host="h", port=1, system_title=bytes(8), companion="smr-5.5", cell=cell)
    return Task(
        job=Job(name, "E", meter.timezone, tries, "", 10**12, lease, kind),
        meter=meter,
        companion=COMPANION,
        claim=Wanted(ean="E", date=date(2026, 3, 5), meter=name, visit=f"v-{name}"),
        stretches=(),
        credentials=Credentials(own_title=bytes(8)),
        layout=None,
        tries=tries,
    )


def done(one: Task, error: KwartierError | None = None, *, heard: int = 0) -> Done:
    visit = Visit(
        meter=one.meter.meter,
        started=AT,
        ended=AT,
        result=Harvest() if error is None else None,
        error=error,
        attempts=1,
        traffic=Traffic(bytes_received=heard),
        findings=(),
    )
    return Done(task=one, visit=visit, asked=error is None)


# Parts.


def test_a_rate_is_kept_over_short_spans_and_does_not_save_up() -> None:
    rate, now_s, taken = Rate(50.0), 1_000.0, list[float]()
    while now_s < 1_010.0:
        now_s = max(now_s, rate.next_s(now_s))
        rate.take()
        taken.append(now_s)
    assert len(taken) == pytest.approx(500, abs=12)
    assert sum(one < 1_000.5 for one in taken) <= 36


def test_groups_take_turns_and_a_full_cell_holds_up_nobody() -> None:
    limits = Limits(Bounds(cell_open_visits=2))
    waiting = Waiting(limits)
    for number in range(50):
        waiting.put(task(f"a{number}", cell="a"))
    for number in range(3):
        waiting.put(task(f"b{number}", cell="b"))
    began = []
    while (one := waiting.next(0.0)) is not None:
        began.append(one.meter.meter)
    assert sorted(began) == ["a0", "a1", "b0", "b1"]
    assert waiting.ready == 0
    assert waiting.crowded() == Shut(cells=("a",)), "of the other cell, hardly any are at hand"
    limits.end(task("a0", cell="a"), answered=True, began_s=0.0, now_s=1.0)
    waiting.ended(task("a0", cell="a"))
    following = [waiting.next(1.0) for _ in range(2)]
    assert [one and one.meter.meter for one in following] == ["a2", None]
    assert len(waiting.clear()) == 48
    assert not waiting


def test_of_a_group_that_is_given_up_a_few_stay_at_hand() -> None:
    limits = Limits(Bounds(breaks=True))
    waiting = Waiting(limits)
    for number in range(100):
        waiting.put(task(f"a{number}", cell="a", lease="old" if number % 2 else "new"))
        waiting.put(task(f"b{number}", cell="b"))
    for number in range(FAILURES):
        limits.end(task(f"x{number}", cell="a"), answered=False, began_s=0.0, now_s=1.0)
    assert limits.opened == 1
    assert {one.meter.cell for one in waiting.surplus()} == {"a"}
    left = Counter(one.meter.cell for one in waiting)
    assert left["b"] == 100
    assert 0 < left["a"] < 20
    assert {one.job.lease for one in waiting.drop({"old"})} <= {"old"}


def test_a_quick_meter_is_given_less_time_and_a_second_try_all_there_is() -> None:
    assert deadline_of(task("a"), 120) == 120
    assert deadline_of(replace(task("a"), pace_s=2.0), 120) == LEAST_DEADLINE_S
    assert deadline_of(replace(task("a"), pace_s=12.0), 120) == 60
    assert deadline_of(replace(task("a"), pace_s=60.0), 120) == 120
    assert deadline_of(replace(task("a", tries=1), pace_s=2.0), 120) == 120
    failed = replace(task("a").claim, cause="connect-timeout")
    assert deadline_of(replace(task("a"), pace_s=2.0, claim=failed), 120) == 120, "it failed, and that did not count"
    assert deadline_of(replace(task("a"), pace_s=-5.0), 120) == LEAST_DEADLINE_S
    assert deadline_of(replace(task("a"), pace_s=1e9), 120) == 120


def test_a_pace_follows_the_visits_and_is_written_down_when_it_is_news() -> None:
    def took(seconds: float, pace_s: float | None, error: KwartierError | None = None) -> float | None:
        one = done(replace(task("a"), pace_s=pace_s), error)
        return pace_of(
            replace(one, visit=replace(one.visit, ended=datetime.fromtimestamp(AT.timestamp() + seconds, UTC)))
        )

    assert took(4.0, None) == 4.0
    assert took(4.4, 4.0) is None
    assert took(14.0, 4.0) == pytest.approx(7.0)
    assert took(0.9, 0.1) is None
    assert took(14.0, 4.0, SILENT) is None


# Nights, with the real engine in virtual time.


@pytest.fixture
def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine asks twice a second how late its loop is, not ten times: in virtual time it never is."""
    monkeypatch.setattr(engine, "BEAT_S", 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A due meter: from when on, and how often it was tried."""

    at_s: float
    name: str
    cell: str
    kind: str
    tries: int = 0


class Street:
    """A desk over rows in memory that judges as the real one does, and meters that are silent at times."""

    def __init__(self, rows: Sequence[Row], silent: Callable[[str, float], bool], *, visit_s: float = 3.0) -> None:
        self.queues: dict[str, deque[Row]] = {}
        for row in sorted(rows, key=lambda one: one.at_s):
            self.queues.setdefault(row.cell, deque()).append(row)
        self.silent = silent
        self.visit_s = visit_s
        self.rows = {row.name: row for row in rows}
        self.begun: list[tuple[float, str]] = []
        self.stored: dict[str, float] = {}
        self.over: Counter[str] = Counter()
        self.error: KwartierError | None = None
        self.dead = set[str]()
        self.leased = self.most_leased = self.takes = 0
        self.away = 0
        """How often nothing can be given back."""
        self.rules = Rules(
            day=date(2026, 3, 4),
            at_once=False,
            max_tries=6,
            backoff_s=30,
            max_backoff_s=900,
            purpose="",
            reason="",
            actor="",
        )

    def take(self, first: int, again: int, shut: Shut = NONE_SHUT, shut_again: Shut = NONE_SHUT) -> list[Task]:
        now_s, found = asyncio.get_running_loop().time(), list[Row]()
        heads = [(queue[0].at_s, cell) for cell, queue in self.queues.items() if queue and cell not in shut.cells]
        heapq.heapify(heads)
        while heads and heads[0][0] <= now_s and len(found) < first:
            _, cell = heapq.heappop(heads)
            queue = self.queues[cell]
            if queue[0].kind not in shut.kinds:
                found.append(queue.popleft())
                if queue:
                    heapq.heappush(heads, (queue[0].at_s, cell))
        self.takes += 1
        self.leased += len(found)
        self.most_leased = max(self.most_leased, self.leased)
        return [task(row.name, row.cell, row.kind, row.tries) for row in found]

    def prepare(self, wanted: Sequence[Again]) -> list[Task]:
        rows = [(one, self.rows[one.job.meter]) for one in wanted]
        return [task(row.name, row.cell, row.kind, one.tries) for one, row in rows]

    def settle(self, batch: Sequence[Done]) -> Outcomes:
        now_s, again = asyncio.get_running_loop().time(), list[Again]()
        for one in batch:
            if one.visit.error is None:
                self.stored[one.task.meter.meter] = now_s
                continue
            judged = judge(one, self.rules, now=now_s, chance=lambda: 0.5)
            if judged.again is not None:
                again.append(judged.again)
            elif judged.settled is not None and judged.settled.state in OPEN:
                self._queue(one.task.meter.meter, judged.settled.next_at, judged.done.task.tries)
            elif judged.settled is not None:
                self.over[judged.settled.state] += 1
        self.leased -= len(batch) - len(again)
        return Outcomes(stored=len(batch) - len(again), again=tuple(again), refused=0, failed=0)

    def give_back(self, jobs: Sequence[Job], unasked: Sequence[Wanted] = (), later: Sequence[Again] = ()) -> None:
        if self.away:
            self.away -= 1
            raise StateError("database-away", "it will be back", retry=Retry.LATER)
        self.leased -= len(jobs)
        for job in jobs:
            self._queue(job.meter, asyncio.get_running_loop().time(), job.attempts)
        self.leased -= len(later)
        for one in later:
            self._queue(one.job.meter, one.at, one.tries)

    def _queue(self, name: str, at_s: float, tries: int) -> None:
        row = replace(self.rows[name], at_s=at_s, tries=tries)
        bisect.insort(self.queues[row.cell], row, key=lambda one: one.at_s)

    def look(self) -> tuple[float | None, int]:
        return (0.0 if any(self.queues.values()) else None), 0

    def renew(self) -> frozenset[str]:
        return frozenset()

    async def visit(self, one: Task) -> Done:
        loop = asyncio.get_running_loop()
        self.begun.append((loop.time(), one.meter.meter))
        if self.silent(one.meter.cell, loop.time()) or one.meter.meter in self.dead:
            await asyncio.sleep(20)
            return done(one, SILENT)
        await asyncio.sleep(self.visit_s)
        return done(one, self.error, heard=100)

    def peak(self, since_s: float, span_s: float = 10.0) -> float:
        """The most visits that began in a second, over spans of ``span_s``."""
        bins = Counter(int(at_s // span_s) for at_s, _ in self.begun if at_s >= since_s)
        return max(bins.values()) / span_s


async def _at_once(work: Callable[[], Answer]) -> Answer:
    return work()


def office(work: Callable[[], Answer]) -> Awaitable[Answer]:
    """Done at once."""
    return _at_once(work)


def night(street: Street, bounds: Bounds, *, hours: float, room: Room, processes: int = 1) -> list[Tally]:
    """A night of ``hours``; how far the engine of each process came."""

    async def run() -> list[Tally]:
        loop, until = asyncio.get_running_loop(), hours * HOUR_S
        engines = [
            Engine(street, street.visit, room=room, office=office, wall=loop.time, until=until, bounds=bounds)
            for _ in range(processes)
        ]
        return await asyncio.gather(*(one.run() for one in engines))

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(run())


def returning(meters: int, bounds: Bounds) -> tuple[Street, int]:
    """A cell of ``meters`` that is silent for four of seven hours, beside as many meters in small cells."""
    spread_s = 5 * HOUR_S / meters
    big = [Row(at_s=number * spread_s, name=f"big-{number}", cell="big", kind="k") for number in range(meters)]
    small = [
        Row(at_s=number * spread_s, name=f"small-{number}", cell=f"cell-{number % 40}", kind="k")
        for number in range(meters)
    ]
    street = Street([*big, *small], lambda cell, now_s: cell == "big" and now_s < 4 * HOUR_S)
    night(street, bounds, hours=7, room=Room(first=400, again=100))
    return street, meters


def check_return(street: Street, meters: int) -> None:
    big = [at_s for name, at_s in street.stored.items() if name.startswith("big")]
    small = [at_s for name, at_s in street.stored.items() if name.startswith("small")]
    assert len(small) >= 0.99 * meters
    assert len(big) == meters, "no meter has spent its tries on a silent cell"
    assert max(big) <= 6 * HOUR_S
    probes = [at_s for at_s, name in street.begun if name.startswith("big") and at_s < 4 * HOUR_S]
    assert len(probes) < 400, "a silent cell is left alone"


@pytest.mark.usefixtures("calm")
def test_a_cell_that_returns_after_hours_is_caught_up_with_and_nobody_else_loses() -> None:
    check_return(*returning(5_000, Bounds(cell_visits_per_s=1, breaks=True)))


@pytest.mark.long
def test_a_cell_of_fifty_thousand_meters_that_returns_after_four_hours_is_caught_up_with_in_two() -> None:
    check_return(*returning(50_000, Bounds(cell_visits_per_s=10, breaks=True)))


@pytest.mark.usefixtures("calm")
def test_without_breakers_the_meters_of_a_silent_cell_spend_their_tries() -> None:
    street, meters = returning(2_000, UNBOUNDED)
    assert sum(name.startswith("big") for name in street.stored) < 0.7 * meters


@pytest.mark.parametrize(("rate", "most", "processes"), [(20.0, 24.0, 1), (20.0, 24.0, 4), (0.0, 1e9, 1)])
def test_a_national_return_keeps_to_the_rate(rate: float, most: float, processes: int) -> None:
    rows = [
        Row(at_s=number / 4, name=f"m-{number}", cell=f"cell-{number % 50}", kind=f"k{number % 2}")
        for number in range(14_400)
    ]
    street = Street(rows, lambda cell, now_s: now_s < HOUR_S)
    bounds = Bounds(visits_per_s=rate / processes, breaks=True)
    tallies = night(street, bounds, hours=6, room=Room(first=600, again=200), processes=processes)
    peak = street.peak(HOUR_S)
    assert len(street.stored) == 14_400
    assert peak <= most
    assert peak >= 19 if rate else peak > 24, "without a rate the return is a storm"
    assert max(one.most_open for one in tallies) <= 800


def test_wrong_keys_are_tried_once_and_open_no_breaker() -> None:
    rows = [Row(at_s=0, name=f"m-{number}", cell="a", kind="k") for number in range(1_000)]
    street = Street(rows, lambda cell, now_s: False)
    street.error = SecurityError("association-refused", "another key")
    night(street, Bounds(breaks=True, cell_visits_per_s=50), hours=1, room=Room(first=100, again=20))
    assert len(street.begun) == 1_000
    assert street.over == {"refused": 1_000}


def test_bounds_of_a_cell_are_kept() -> None:
    rows = [Row(at_s=0, name=f"m-{number}", cell=f"c{number % 2}", kind="k") for number in range(2_000)]
    street = Street(rows, lambda cell, now_s: False, visit_s=10.0)
    (tally,) = night(street, Bounds(cell_open_visits=30, cell_visits_per_s=5), hours=3, room=Room(first=500, again=20))
    assert len(street.stored) == 2_000
    assert tally.most_open <= 60
    assert street.peak(0) <= 2 * 5 * 1.2


@pytest.mark.usefixtures("calm")
def test_a_few_dead_meters_that_fail_together_stop_no_healthy_kind() -> None:
    rows = [Row(at_s=number // 200 * 2, name=f"m-{number}", cell="", kind="k") for number in range(6_000)]
    street = Street(rows, lambda cell, now_s: False)
    street.dead = {f"m-{number}" for number in range(40, 60)}
    night(street, Bounds(breaks=True), hours=2, room=Room(first=400, again=50))
    assert len(street.stored) == 5_980
    assert max(street.stored.values()) < 120
    assert street.over == {"failed": 20}, "each has spent its tries: nobody was given up"


@pytest.mark.usefixtures("calm")
def test_a_cell_that_returns_is_found_though_others_of_its_kind_stay_silent() -> None:
    rows = [Row(at_s=0, name=f"m-{number}", cell=f"c-{number % 30:02}", kind="k") for number in range(3_000)]
    street = Street(rows, lambda cell, now_s: cell < "c-25" or now_s < HOUR_S)
    night(street, Bounds(breaks=True), hours=3, room=Room(first=400, again=50))
    assert len(street.stored) == 500
    assert max(street.stored.values()) < 2 * HOUR_S


@pytest.mark.usefixtures("calm")
def test_of_hundreds_of_silent_cells_little_is_at_hand_and_the_others_are_read() -> None:
    silent = [
        Row(at_s=number % 500, name=f"s-{number}", cell=f"cell-{number % 500}", kind="") for number in range(20_000)
    ]
    healthy = [Row(at_s=number / 2, name=f"m-{number}", cell="z", kind="") for number in range(3_000)]
    street = Street([*silent, *healthy], lambda cell, now_s: cell != "z")
    night(street, Bounds(breaks=True), hours=0.5, room=Room(first=2_000, again=500))
    assert len(street.stored) == 3_000
    assert street.most_leased < 500 * (PROBES_HELD + FAILURES)


@pytest.mark.usefixtures("calm")
def test_a_night_of_which_only_silent_groups_are_left_ends_with_its_window_and_hands_all_of_it_back() -> None:
    rows = [Row(at_s=number % 2 * 600, name=f"m-{number}", cell=f"c{number % 2}", kind="") for number in range(900)]
    street = Street(rows, lambda cell, now_s: True)
    street.away = 1
    night(street, Bounds(breaks=True), hours=1, room=Room(first=100, again=20))
    assert street.away == 0
    assert street.leased == 0
    assert sum(map(len, street.queues.values())) + street.over.total() == 900
    assert street.takes <= HOUR_S
    assert len(street.begun) < 400
