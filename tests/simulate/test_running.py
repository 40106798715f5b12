"""A fleet in one process: told apart by logical device, every fault as a client sees it, and little kept of who is idle."""

import asyncio
import gc
import tracemalloc
from collections import Counter
from datetime import UTC, date, datetime
from typing import cast

import numpy as np
import pytest

from kwartier.collect.visit import Visit
from kwartier.cosem.reading import Outcome
from kwartier.errors import InputError
from kwartier.simulate import faults
from kwartier.simulate import running as running_module
from kwartier.simulate.faults import Fault, FaultTable
from kwartier.simulate.fleet import fleet_lines, key_lines
from kwartier.simulate.latency import LATENCIES, Latency, latency_of
from kwartier.simulate.running import LISTENER_METERS, PROFILE_READS, FleetLine, Running
from kwartier.simulate.trouble import CALM, Trouble
from kwartier.simulate.truth import Truth
from kwartier.simulate.world import SUPPLIERS, World
from tests.simulate.visiting import Street, visit_many

NOW = datetime(2026, 3, 6, 3, 0, tzinfo=UTC).timestamp()
DAY = date(2026, 3, 5)
MAX_IDLE_BYTES = 4096
IDLE_METERS = 5_000


def street_of(running: Running) -> Street:
    def table(lines: list[str]) -> list[dict[str, str]]:
        header = lines[0].split(",")
        return [dict(zip(header, line.split(","), strict=True)) for line in lines[1:]]

    who = [running.world.who(index) for index in range(running.world.count)]
    return Street(table(list(fleet_lines(running.places()))), table(list(key_lines(who, "operator"))))


def with_fault(name: str, count: int = 2, attempts: int = 1) -> World:
    return World(seed=4, count=count, faults=FaultTable([Fault(name=name, rate=1.0, attempts=attempts)]))


def equals(truth: Truth, name: str, visit: Visit[Outcome]) -> bool:
    """Whether a visit brought every quarter that the truth says can be had, as it says."""
    assert visit.result is not None, visit.error
    readings = visit.result.readings
    wanted = truth.obtainable(name, DAY)
    there = truth.registers(name, readings.times)
    return all(
        np.array_equal(readings.missing[channel] == 0, wanted)
        and np.array_equal(column[wanted], there[channel][wanted])
        for channel, column in readings.registers.items()
    )


def visits(
    world: World, *, times: int = 1, has_clocks: bool = True, day: date = DAY
) -> list[dict[str, Visit[Outcome]]]:
    """Each meter of a world, visited some times."""

    async def run() -> list[dict[str, Visit[Outcome]]]:
        running = Running(world, now=lambda: NOW, has_clocks=has_clocks)
        await running.listen()
        street = street_of(running)
        try:
            return [await visit_many(street, list(street.fleet), day, now=NOW) for _ in range(times)]
        finally:
            running.close()
            await asyncio.sleep(0)

    return asyncio.run(run())


def test_meters_at_one_port_are_told_apart_and_every_register_is_the_truth() -> None:
    world = World(seed=4, count=60)
    (found,) = visits(world)
    truth = Truth(world, None)
    assert sorted(found) == sorted(truth.meters())
    assert {visit.outcome for visit in found.values()} == {"done"}
    assert all(equals(truth, name, visit) for name, visit in found.items())


def test_without_a_clock_any_day_can_be_read() -> None:
    world = World(seed=4, count=2)
    (found,) = visits(world, has_clocks=False, day=date(2024, 10, 27))
    for visit in found.values():
        assert visit.result is not None
        assert len(visit.result.readings.times) == 101
        assert not any(column.any() for column in visit.result.readings.missing.values())


def test_with_a_clock_the_buffer_ends_and_clocks_are_off_by_seconds() -> None:
    world = World(seed=4, count=40)
    (old,) = visits(world, day=date(2026, 2, 20))
    for visit in old.values():
        assert visit.result is not None
        assert all(column.all() for column in visit.result.readings.missing.values())
    (found,) = visits(world)
    drifts = {visit.result.drift_s for visit in found.values() if visit.result is not None}
    assert len(drifts) > 8


async def troubled(
    trouble: Trouble, then: Trouble = CALM
) -> tuple[dict[str, Visit[Outcome]], dict[str, Visit[Outcome]]]:
    """Each of four meters visited while there is trouble, and when it is over."""
    running = Running(World(seed=4, count=4), now=lambda: NOW, has_clocks=True)
    await running.listen()
    street = street_of(running)
    try:
        running.trouble = trouble
        during = await visit_many(street, list(street.fleet), DAY, now=NOW, deadline_s=0.5)
        running.trouble = then
        return during, await visit_many(street, list(street.fleet), DAY, now=NOW)
    finally:
        running.close()
        await asyncio.sleep(0)


def test_a_cell_that_is_down_and_a_silent_supplier_are_so_until_they_are_mended() -> None:
    cell = World(seed=4, count=4).who(0).cell
    for trouble in (Trouble(cells=frozenset({cell})), Trouble(suppliers=frozenset({"Noord"}))):
        during, after = asyncio.run(troubled(trouble))
        assert {name for name, visit in during.items() if visit.outcome != "done"} == {"noord-000001", "noord-000003"}
        assert {visit.outcome for visit in after.values()} == {"done"}


def test_a_counter_that_comes_again_is_noticed_at_as_many_meters_as_it_was_said_of() -> None:
    during, after = asyncio.run(troubled(Trouble(repeats=2)))
    assert sorted(visit.outcome for visit in during.values()).count("done") == 2
    assert {visit.outcome for visit in during.values()} == {"done", "replayed"}
    assert {visit.outcome for visit in after.values()} == {"done"}


def test_a_repeat_waits_for_a_meter_that_answers() -> None:
    trouble = Trouble(suppliers=frozenset({"Noord", "Zuid"}), repeats=1)
    during, after = asyncio.run(troubled(trouble, then=Trouble(repeats=1)))
    assert "replayed" not in {visit.outcome for visit in during.values()}
    assert sorted(visit.outcome for visit in after.values()) == ["done", "done", "done", "replayed"]


def test_a_fleet_goes_by_the_clock_that_it_was_told() -> None:
    running = Running(World(seed=4, count=1), now=lambda: NOW)
    assert running.now() == NOW
    running.trouble = Trouble(ahead_s=-86_400.0)
    assert running.now() == NOW - 86_400


def test_the_fourth_association_of_a_day_that_wants_rows_is_refused() -> None:
    found = visits(World(seed=4, count=2), times=PROFILE_READS + 1)
    for name in found[0]:
        assert [one[name].outcome for one in found] == [*["done"] * PROFILE_READS, "profile-refused"]


def test_there_are_enough_places_for_a_large_fleet() -> None:
    async def run() -> int:
        running = Running(World(seed=1, count=4 * LISTENER_METERS + 1), now=lambda: NOW)
        await running.listen()
        places = {(place.host, place.port, place.address.upper) for _, place in running.places()}
        assert len(places) == running.world.count
        running.close()
        return running.listeners

    assert asyncio.run(run()) == 3 * len(SUPPLIERS)


def test_an_idle_meter_takes_little_memory() -> None:
    async def run() -> int:
        gc.collect()
        tracemalloc.start()
        running = Running(World(seed=1, count=IDLE_METERS), now=lambda: NOW)
        await running.listen()
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        running.close()
        return held

    assert asyncio.run(run()) / IDLE_METERS <= MAX_IDLE_BYTES


# Faults, as a client sees them.

SEEN = {
    "cell-outage": {"peer-closed"},
    "garbage": {"peer-closed", "bad-wrapper"},
    "mid-block-drop": {"peer-closed"},
    "wrong-key": {"association-refused"},
    "replayed-counter": {"replayed"},
    "lowered-counter": {"replayed"},
}


@pytest.mark.parametrize("name", sorted(SEEN))
def test_a_fault_that_passes_is_gone_at_the_next_attempt(name: str) -> None:
    world = with_fault(name)
    first, second = visits(world, times=2)
    assert {visit.outcome for visit in first.values()} <= SEEN[name]
    truth = Truth(world, None)
    assert all(equals(truth, meter, visit) for meter, visit in second.items())
    assert all(truth.obtainable(meter, DAY).all() for meter in truth.meters())


def test_a_line_that_is_never_answered_ends_some_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_module, "HALF_OPEN_S", 0.05)
    first, second = visits(with_fault("half-open"), times=2)
    assert {visit.outcome for visit in first.values()} == {"peer-closed"}
    assert {visit.outcome for visit in second.values()} == {"done"}


def test_a_slow_meter_is_slow_in_every_answer_and_no_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_module, "SLOW_S", 0.02)
    late: list[FleetLine] = []
    answer = FleetLine._late

    def count(line: FleetLine) -> None:
        late.append(line)
        answer(line)

    monkeypatch.setattr(FleetLine, "_late", count)
    first, second = visits(with_fault("slow"), times=2)
    assert {visit.outcome for visit in (*first.values(), *second.values())} == {"done"}
    # AARE, proof, clock, rows and release of both meters, in the first visits only; over HDLC the link has answers of its own.
    assert 10 <= len(late) < 20


def test_a_round_trip_takes_what_is_drawn_for_it() -> None:
    async def run() -> list[str]:
        quick = Latency(median_s=0.002, spread=0.5, floor_s=0.001)
        running = Running(World(seed=4, count=4), now=lambda: NOW, latency=quick)
        await running.listen()
        try:
            found = await visit_many(street_of(running), list(Truth(running.world, None).meters()), DAY, now=NOW)
        finally:
            running.close()
        return [visit.outcome for visit in found.values()]

    assert asyncio.run(run()) == ["done"] * 4


def test_a_slow_line_keeps_the_order_of_what_is_said() -> None:
    """However long each answer takes: a later one that is quicker waits for its turn."""

    class Sent(asyncio.Transport):
        def __init__(self) -> None:
            super().__init__()
            self.octets: list[bytes] = []

        def write(self, data: bytes | bytearray | memoryview) -> None:
            self.octets.append(bytes(data))

        def is_closing(self) -> bool:
            return False

    class Falling:
        def draw_s(self, seed: int, *names: object) -> float:
            return 0.2 / int(str(names[-1]))

    async def talk() -> list[bytes]:
        running = Running(World(seed=4, count=4), now=lambda: NOW, latency=cast("Latency", Falling()))
        line = FleetLine(running, 0)
        sent = Sent()
        line.transport = sent
        said = [bytes((number,)) for number in range(1, 9)]
        for octets in said:
            line.answer(octets)
        while len(sent.octets) < len(said):
            await asyncio.sleep(0.01)
        assert sent.octets == said
        return sent.octets

    assert len(asyncio.run(asyncio.wait_for(talk(), 10))) == 8


def test_a_latency_in_seconds_is_the_same_for_each_answer() -> None:
    latency = latency_of("0.25s")
    assert latency is not None
    assert {latency.draw_s(1, number) for number in range(100)} == {0.25}
    assert latency_of("lte-m") is LATENCIES["lte-m"]
    assert latency_of("none") is None


@pytest.mark.parametrize("text", ["0s", "20.001s", "1", "-1s", "1e3s", "pigeon", ""])
def test_a_latency_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="lte-m") as caught:
        latency_of(text)
    assert caught.value.code == "bad-argument"


@pytest.mark.parametrize("name", sorted(set(LATENCIES) - {"none"}))
def test_latencies_have_their_median_and_a_long_tail(name: str) -> None:
    latency = LATENCIES[name]
    assert latency is not None
    drawn = np.array([latency.draw_s(1, number) for number in range(4000)])
    assert drawn.min() >= latency.floor_s
    assert abs(np.median(drawn) / latency.median_s - 1) < 0.1
    assert np.quantile(drawn, 0.99) > 2.5 * latency.median_s
    assert [latency.draw_s(1, number) for number in range(5)] == drawn[:5].tolist()


@pytest.mark.parametrize("name", ["unreachable", "wrong-key", "hostile", "garbage"])
def test_a_fault_of_the_whole_night_lets_nothing_through(name: str) -> None:
    world = with_fault(name, attempts=0)
    found = visits(world, times=3)
    outcomes = Counter(visit.outcome for one in found for visit in one.values())
    assert "done" not in outcomes
    assert all(visit.result is None for one in found for visit in one.values())
    truth = Truth(world, None)
    assert not any(truth.obtainable(meter, DAY).any() for meter in truth.meters())


@pytest.mark.parametrize("name", faults.VALUE_FAULTS)
def test_a_fault_of_the_values_is_read_as_it_is(name: str) -> None:
    world = with_fault(name, count=6)
    (found,) = visits(world)
    truth = Truth(world, None)
    assert all(equals(truth, meter, visit) for meter, visit in found.items())
    plain = Truth(World(seed=4, count=6), None)
    sound = [equals(plain, meter, visit) for meter, visit in found.items()]
    assert all(sound) if name in ("clock-jump", "null-clocks") else not any(sound)
    if name == "clock-jump":
        assert all(abs((one.result and one.result.drift_s) or 0) > 60 for one in found.values())


def test_a_fleet_of_the_default_mix_has_about_three_faults_in_a_hundred() -> None:
    world = World(seed=7, count=4000, faults=faults.load(faults.DEFAULT))
    found = Counter(fault.name for fault in map(world.fault, map(world.who, range(world.count))) if fault is not None)
    assert 0.015 < found.total() / world.count < 0.06
    assert len(found) >= 12
