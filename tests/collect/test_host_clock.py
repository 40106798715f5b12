"""The time of a host whose system clock is set, jumps, drifts and loses its source, and which sleeps."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.collect.engine import Engine, Room
from kwartier.collect.host_clock import FOLLOWED_PART, MAX_DEPARTURE_S, MAX_DOUBT_S, HostClock
from kwartier.errors import StateError
from kwartier.simulate.virtual.loop import VirtualLoop
from tests.collect.test_engine import FakeDesk, Visits, office

EPOCH_S = 1_780_000_000.0
LOOK_S = 0.1
SLACK_S = 1e-5


@dataclass(slots=True)
class Hardware:
    """The clocks of a host: true time, how far the system's clock is from it, and how long the steady one stood still."""

    true_s: float = 0.0
    ahead_s: float = 0.0
    asleep_s: float = 0.0
    has_source: bool = True

    def system(self) -> float:
        return EPOCH_S + self.true_s + self.ahead_s

    def steady(self) -> float:
        return self.true_s - self.asleep_s

    def clock(self) -> HostClock:
        return HostClock(system=self.system, steady=self.steady, synchronised=lambda: self.has_source)


def error_of(act: Callable[[], object]) -> StateError:
    with pytest.raises(StateError) as caught:
        act()
    return caught.value


jumps = st.floats(MAX_DEPARTURE_S + 0.01, 1e8) | st.floats(-1e8, -MAX_DEPARTURE_S - 0.01)


@given(jumps, st.lists(st.floats(0, 20), max_size=10))
def test_a_jump_forward_or_back_changes_no_time_and_is_not_trusted(jump_s: float, pauses: list[float]) -> None:
    hardware = Hardware()
    clock = hardware.clock()
    hardware.ahead_s = jump_s
    for pause_s in [0.0, *pauses]:
        hardware.true_s += pause_s
        assert clock.waits()
        assert clock.wall() == pytest.approx(EPOCH_S + hardware.true_s, abs=SLACK_S)
    assert error_of(clock.demand).code == "host-clock"


@given(jumps, st.floats(0, MAX_DOUBT_S - 1), st.floats(-1.9, 1.9))
def test_it_is_trusted_again_by_itself_once_both_clocks_agree(jump_s: float, pause_s: float, left_s: float) -> None:
    hardware = Hardware()
    clock = hardware.clock()
    hardware.ahead_s = jump_s
    assert clock.waits()
    hardware.true_s += pause_s
    hardware.ahead_s = left_s
    assert not clock.waits()
    clock.demand()
    hardware.ahead_s += jump_s
    hardware.true_s += MAX_DOUBT_S
    assert clock.waits()  # another doubt, which begins now


@given(jumps)
def test_a_doubt_ends_after_a_bounded_time(jump_s: float) -> None:
    hardware = Hardware()
    clock = hardware.clock()
    hardware.ahead_s = jump_s
    assert clock.waits()
    hardware.true_s += MAX_DOUBT_S - 1
    assert clock.waits()
    hardware.true_s += 1
    error = error_of(clock.waits)
    assert error.code == "host-clock"
    assert "from the time that was counted" in error.detail


@given(
    st.lists(
        st.tuples(st.floats(0, 3600), st.sampled_from(["slew", "step", "jump", "back", "look"]), st.floats(-1, 1)),
        max_size=40,
    )
)
def test_time_never_goes_back_and_never_runs_away(course: list[tuple[float, str, float]]) -> None:
    hardware = Hardware()
    clock = hardware.clock()
    before_s, began_s = clock.wall(), hardware.true_s
    for pause_s, what, part in course:
        hardware.true_s += pause_s
        hardware.ahead_s += {"slew": 0.05 * part * pause_s, "step": part, "jump": 1e6 * part}.get(what, 0.0)
        if what == "back":
            hardware.ahead_s = 0.0
        if what == "look":
            clock.trusted()
        now_s, passed_s = clock.wall(), hardware.true_s - began_s
        most_s, began_s = FOLLOWED_PART * passed_s, hardware.true_s
        assert passed_s - most_s - SLACK_S <= now_s - before_s <= passed_s + most_s + SLACK_S
        assert now_s >= before_s
        before_s = now_s


@given(st.floats(-0.08, 0.08), st.integers(1, 300))
def test_a_clock_that_is_slewed_is_followed(rate: float, looks: int) -> None:
    hardware = Hardware()
    clock = hardware.clock()
    for _ in range(looks):
        hardware.true_s += LOOK_S
        hardware.ahead_s += rate * LOOK_S
        assert clock.trusted()
    assert abs(clock.wall() - hardware.system()) < 2 * LOOK_S * FOLLOWED_PART


@given(st.floats(-MAX_DEPARTURE_S + 0.01, MAX_DEPARTURE_S - 0.01))
def test_a_small_step_is_followed_slowly_and_exactly(step_s: float) -> None:
    hardware = Hardware()
    clock = hardware.clock()
    hardware.ahead_s = step_s
    assert clock.trusted()
    hardware.true_s += abs(step_s) / FOLLOWED_PART / 2
    assert clock.wall() - EPOCH_S - hardware.true_s == pytest.approx(step_s / 2, abs=SLACK_S)
    hardware.true_s += abs(step_s) / FOLLOWED_PART
    assert clock.wall() == pytest.approx(hardware.system(), abs=SLACK_S)
    hardware.true_s += 10_000  # and not beyond
    assert clock.wall() == pytest.approx(hardware.system(), abs=SLACK_S)


@given(st.floats(MAX_DEPARTURE_S + 0.01, 1e7))
def test_a_host_that_slept_while_its_steady_clock_stood_still_is_not_trusted(asleep_s: float) -> None:
    hardware = Hardware()
    clock = hardware.clock()
    hardware.true_s += asleep_s
    hardware.asleep_s += asleep_s
    assert clock.waits()
    hardware.true_s += MAX_DOUBT_S
    assert error_of(clock.waits).code == "host-clock"


def test_a_host_that_slept_while_its_steady_clock_went_on_is_trusted() -> None:
    hardware = Hardware()
    clock = hardware.clock()
    hardware.true_s += 1e6
    assert not clock.waits()
    assert clock.wall() == hardware.system()


def test_a_clock_without_a_source_is_not_trusted_and_not_followed() -> None:
    hardware = Hardware()
    clock = hardware.clock()
    hardware.has_source, hardware.ahead_s = False, 1.0
    assert clock.waits()
    hardware.true_s += 60
    assert clock.wall() == EPOCH_S + 60
    assert "not synchronised" in error_of(clock.demand).detail
    hardware.has_source = True
    assert not clock.waits()


# In a night.


def night(act: Callable[[Hardware], None]) -> tuple[FakeDesk, Visits, StateError | None, float]:
    """A run in virtual time of visits that take a second; ``act`` is done to the hardware after ten seconds of it."""

    class Slow(Visits):
        async def __call__(self, one):  # type: ignore[no-untyped-def]  # as the one that it replaces
            await asyncio.sleep(1.0)
            return await super().__call__(one)

    desk, visits, hardware = FakeDesk(100), Slow(), Hardware()

    async def run() -> StateError | None:
        loop = asyncio.get_running_loop()
        clock = HostClock(
            system=lambda: EPOCH_S + loop.time() + hardware.ahead_s,
            steady=loop.time,
            synchronised=lambda: hardware.has_source,
        )
        loop.call_later(10.0, act, hardware)
        room = Room(first=4, again=1)
        engine = Engine(desk, visits, room=room, office=office, wall=clock.wall, waits=clock.waits)
        try:
            await engine.run()
        except StateError as error:
            return error
        return None

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        error = runner.run(run())
        return desk, visits, error, runner.get_loop().time()


def test_no_visit_begins_while_the_clock_is_in_doubt_and_they_go_on_by_themselves() -> None:
    def jump(hardware: Hardware) -> None:
        hardware.ahead_s = 3600.0
        asyncio.get_running_loop().call_later(200.0, setattr, hardware, "ahead_s", 0.0)

    desk, visits, error, took_s = night(jump)
    _, _, _, usual_s = night(lambda hardware: None)
    assert error is None
    assert sorted(map(int, visits.made)) == list(range(100))
    assert usual_s + 195 < took_s < usual_s + 205
    assert desk.returned == []


@pytest.mark.parametrize("what", ["jump", "lost"])
def test_a_night_whose_clock_stays_wrong_ends_with_the_rest_given_back(what: str) -> None:
    def spoil(hardware: Hardware) -> None:
        hardware.ahead_s, hardware.has_source = (-900.0, True) if what == "jump" else (0.0, False)

    desk, visits, error, took_s = night(spoil)
    assert error is not None
    assert error.code == "host-clock"
    assert 10 + MAX_DOUBT_S <= took_s < 20 + MAX_DOUBT_S
    assert 30 <= len(visits.made) <= 48
    assert sorted(desk.settled) == sorted(visits.made)
    assert sorted(map(int, [*desk.settled, *desk.returned])) == list(range(desk.given))
