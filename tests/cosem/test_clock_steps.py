"""Setting a meter's clock: no step crosses a quarter, each goes towards the time, and what cannot be done is said."""

from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import UTC, datetime
from math import ceil
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwartier.clock import QUARTER_S, is_summer
from kwartier.cosem import companion as companions
from kwartier.cosem.asking import Interrupted
from kwartier.cosem.clock_steps import (
    BROKEN,
    BROKEN_S,
    CORRECTED,
    GUARD_S,
    LEFT,
    MAX_DOUBT_S,
    SLACK_S,
    UNCONFIRMED,
    ClockPolicy,
    Correction,
    see_to_clock,
    step_of,
)
from kwartier.cosem.companion import Companion
from kwartier.cosem.quirks import Quirk
from kwartier.dlms import axdr
from kwartier.dlms.events import Answer, ExceptionReceived, Get, Operation, Refusal, Set
from kwartier.dlms.stamps import NO_DEVIATION, DateTime
from kwartier.simulate.household import seeded
from kwartier.simulate.meter import SimulatedMeter
from kwartier.simulate.timepiece import Timepiece

AMSTERDAM = "Europe/Amsterdam"
COMPANION = companions.load("smr-5.5")
HOUSEHOLD = seeded(11)
QUARTER = int(datetime(2026, 3, 5, 1, 30, tzinfo=UTC).timestamp())
MIDDLE = QUARTER + 400.0
POLICY = ClockPolicy(tolerance_s=10, step_s=30, trusted=lambda: True)
DENIED = 3
STEPPED_S = BROKEN_S - 2.0
"""The furthest that a clock can be off and be seen not to be broken, in whole seconds."""
Reply = Answer | Refusal | ExceptionReceived
Meddle = Callable[[Operation], "Reply | Interrupted | None"]


class Visits:
    """A meter with a clock, and the time: each question takes ``way_s`` to get there and as long to come back."""

    def __init__(
        self, *, at: float = MIDDLE, ahead_s: float = 0.0, way_s: float = 0.05, companion: Companion = COMPANION
    ) -> None:
        self.at = at
        self.way_s = way_s
        self.companion = companion
        self.timepiece = Timepiece(lambda: self.at, ahead_s)
        self.meter = SimulatedMeter(companion, HOUSEHOLD, now=lambda: self.at, timepiece=self.timepiece)
        self.asked: list[Operation] = []

    def see(self, policy: ClockPolicy | None = POLICY, meddle: Meddle = lambda asked: None) -> Correction | None:
        """See to its clock. ``meddle`` may answer in its place, or break the line."""
        return self.run(
            see_to_clock(self.companion, AMSTERDAM, lambda: self.at, self.timepiece.ahead_s, policy), meddle
        )

    def run(self, plan: Generator[Operation, Any, Correction | None], meddle: Meddle) -> Correction | None:
        try:
            operation = next(plan)
            while True:
                self.asked.append(operation)
                self.at += self.way_s
                reply = meddle(operation) or self.answer(operation)
                self.at += self.way_s
                operation = plan.throw(reply) if isinstance(reply, Interrupted) else plan.send(reply)
        except StopIteration as stop:
            return cast("Correction | None", stop.value)

    def answer(self, operation: Operation) -> Answer | Refusal:
        if isinstance(operation, Get):
            value = self.meter.get(operation.class_id, operation.obis, operation.attribute, operation.access)
            assert isinstance(value, bytes)
            return Answer(operation=operation, value=value)
        assert isinstance(operation, Set)
        result = self.meter.set(operation.class_id, operation.obis, operation.attribute, None, operation.value)
        if result:
            return Refusal(operation=operation, result=result, result_name=f"result {result}")
        return Answer(operation=operation, value=None)


def code_of(found: Correction | None) -> str:
    return "" if found is None else found.code


def phase(moment: float) -> float:
    return moment % QUARTER_S


# The step.


@given(
    shown=st.floats(0, 4_000_000_000),
    ahead=st.floats(-BROKEN_S, BROKEN_S),
    step=st.integers(1, 600),
    late=st.floats(0, 300),
    on_its_way=st.floats(0, 1),
)
def test_no_step_crosses_a_quarter_wherever_the_order_is_carried_out(
    shown: float, ahead: float, step: int, late: float, on_its_way: float
) -> None:
    moved_s = step_of(shown, ahead, step_s=step, late_s=late)
    assert abs(moved_s) <= min(step, abs(ahead))
    assert moved_s * ahead <= 0, "away from the time"
    if moved_s:
        before, after = shown + on_its_way * late, shown + moved_s
        assert before // QUARTER_S == after // QUARTER_S == shown // QUARTER_S
        for moment in (shown, before, after):
            assert GUARD_S - 0.01 <= phase(moment) <= QUARTER_S - GUARD_S + 0.01


@pytest.mark.parametrize(
    ("into_s", "ahead_s", "expected"),
    [
        (400, 100, -30),
        (400, -100, 30),
        (400, 12.7, -12),
        (25, 100, -15),
        (10, 100, 0),
        (9, -100, 0),
        (850, -100, 10),
        (859, -100, 1),
        (860, -100, 0),
        (860, 100, -30),
        (861, 100, 0),
    ],
)
def test_as_far_as_the_quarter_has_room(into_s: float, ahead_s: float, expected: int) -> None:
    assert step_of(QUARTER + into_s, ahead_s, step_s=30, late_s=30) == expected


# Visits.


@settings(deadline=None, max_examples=60)
@given(
    ahead=st.floats(-STEPPED_S, STEPPED_S),
    way=st.floats(0.0, MAX_DOUBT_S),
    tolerance=st.integers(3, 60),
    step=st.integers(5, 600),
    phases=st.lists(st.floats(0, QUARTER_S), min_size=1, max_size=12),
)
def test_visits_at_any_moments_never_set_a_clock_across_a_quarter(
    ahead: float, way: float, tolerance: int, step: int, phases: list[float]
) -> None:
    visits = Visits(ahead_s=ahead, way_s=way)
    policy = ClockPolicy(tolerance_s=tolerance, step_s=step, trusted=lambda: True)
    for number, into_s in enumerate(phases):
        visits.at = QUARTER + number * 86_400 + into_s
        before_s = visits.timepiece.ahead_s
        done = visits.see(policy)
        assert code_of(done) in ("", CORRECTED, LEFT)
        after_s = visits.timepiece.ahead_s
        assert abs(after_s) <= abs(before_s) + SLACK_S
        is_set = any(one.true >= visits.at - 7 * way for one in visits.timepiece.settings)
        assert (code_of(done) == CORRECTED) == is_set
    for one in visits.timepiece.settings:
        assert one.before // QUARTER_S == one.after // QUARTER_S
        assert one.quarter_end == (one.before // QUARTER_S + 1) * QUARTER_S


@settings(deadline=None, max_examples=60)
@given(
    ahead=st.floats(-900, 900),
    way=st.floats(0.0, 1.0),
    tolerance=st.integers(3, 60),
    step=st.integers(20, 300),
    parts=st.lists(st.floats(0, 1), min_size=60, max_size=60),
)
def test_a_clock_is_right_after_so_many_visits_as_it_takes_steps(
    ahead: float, way: float, tolerance: int, step: int, parts: list[float]
) -> None:
    visits = Visits(ahead_s=ahead, way_s=way)
    policy = ClockPolicy(tolerance_s=tolerance, step_s=step, trusted=lambda: True)
    # Each step may fall short by what a clock that shows whole seconds hides, and what the way there left unknown.
    short_s = SLACK_S + 2 * way
    most = ceil(abs(ahead) / (step - short_s))
    for number, part in enumerate(parts[:most]):
        # Where the clock has room for a whole step to either side; elsewhere a visit may do less, or nothing.
        into_s = step + GUARD_S + 1 + part * (QUARTER_S - 2 * step - GUARD_S - 50)
        visits.at = QUARTER + number * 86_400 + into_s - visits.timepiece.ahead_s
        if code_of(visits.see(policy)) != CORRECTED:
            break
    assert abs(visits.timepiece.ahead_s) <= tolerance + way + 1


def test_a_step_is_looked_at_again_and_leaves_a_mark_on_its_quarter() -> None:
    visits = Visits(ahead_s=100)
    done = visits.see()
    assert done is not None
    assert done.code == CORRECTED
    assert done.before_s == pytest.approx(100, abs=1)
    assert done.after_s == pytest.approx(70, abs=SLACK_S)
    assert [type(one) for one in visits.asked] == [Get, Set, Get]
    (one,) = visits.timepiece.settings
    assert (done.finding.start, done.finding.end) == (QUARTER, one.quarter_end)
    assert done.finding.reason.startswith("set from +")


@pytest.mark.parametrize("ahead_s", [0.0, 9.0, -9.0])
def test_within_the_tolerance_nothing_is_asked(ahead_s: float) -> None:
    visits = Visits(ahead_s=ahead_s)
    assert (visits.see(), visits.asked) == (None, [])


def test_without_a_policy_nothing_is_asked_and_only_a_broken_clock_is_told() -> None:
    visits = Visits(ahead_s=900)
    assert (visits.see(None), visits.asked) == (None, [])
    visits.timepiece.ahead_s = BROKEN_S + 1
    assert (code_of(visits.see(None)), visits.asked) == (BROKEN, [])


@pytest.mark.parametrize("ahead_s", [BROKEN_S + 1.0, -BROKEN_S - 1.0, 1e9, -1e9])
def test_a_clock_that_is_hours_off_is_not_mended_by_steps(ahead_s: float) -> None:
    visits = Visits(ahead_s=ahead_s)
    assert (code_of(visits.see()), visits.asked) == (BROKEN, [])


def test_nothing_is_set_by_a_clock_that_is_in_doubt() -> None:
    visits = Visits(ahead_s=100)
    done = visits.see(replace(POLICY, trusted=lambda: False))
    assert done is not None
    assert (done.code, visits.asked) == (LEFT, [])
    assert done.reason == "+100.0 s off: the clock of this host is in doubt"


def test_an_answer_that_was_long_on_its_way_is_no_measure() -> None:
    visits = Visits(ahead_s=100, way_s=MAX_DOUBT_S + 0.1)
    assert (code_of(visits.see()), len(visits.timepiece.settings)) == (LEFT, 0)
    visits = Visits(ahead_s=12, way_s=4.0)
    assert (code_of(visits.see()), len(visits.timepiece.settings)) == (LEFT, 0)


@pytest.mark.parametrize("into_s", [5.0, 895.0])
def test_where_no_step_fits_the_clock_is_left_and_that_is_said(into_s: float) -> None:
    visits = Visits(at=QUARTER + into_s - 100, ahead_s=100)
    done = visits.see()
    assert done is not None
    assert (done.code, done.quarter, len(visits.timepiece.settings)) == (LEFT, QUARTER, 0)
    assert "no step fits" in done.reason


# What meters say.


def instead_of_set(reply: Callable[[Set], "Reply | Interrupted"]) -> Meddle:
    return lambda asked: reply(asked) if isinstance(asked, Set) else None


@pytest.mark.parametrize(
    "reply",
    [
        lambda asked: Refusal(operation=asked, result=DENIED, result_name="read-write-denied"),
        lambda asked: Refusal(operation=asked, result=-1, result_name="not negotiated: set"),
        lambda asked: ExceptionReceived(
            operation=asked, state_error="service-not-allowed", service_error="operation-not-possible"
        ),
    ],
    ids=["denied", "not negotiated", "exception"],
)
def test_a_refusal_is_told_and_no_mark(reply: Callable[[Set], Reply]) -> None:
    visits = Visits(ahead_s=100)
    done = visits.see(meddle=instead_of_set(reply))
    assert done is not None
    assert (done.code, done.after_s, len(visits.asked)) == (LEFT, None, 2)
    assert "refuses to have its clock set" in done.reason


def test_a_line_that_breaks_over_it_leaves_a_mark_only_where_the_clock_may_have_been_set() -> None:
    for broken_at, expected in ((1, LEFT), (2, UNCONFIRMED), (3, UNCONFIRMED)):
        visits = Visits(ahead_s=100)

        def cut(_: Operation, at: int = broken_at, asked: list[Operation] = visits.asked) -> Interrupted | None:
            return Interrupted(()) if len(asked) == at else None

        assert code_of(visits.see(meddle=cut)) == expected


@pytest.mark.parametrize("broken_at", [1, 3])
def test_nonsense_in_place_of_a_time_fails_nothing(broken_at: int) -> None:
    visits = Visits(ahead_s=100)
    done = visits.see(
        meddle=lambda asked: Answer(operation=asked, value=b"\x00") if len(visits.asked) == broken_at else None
    )
    assert code_of(done) == (LEFT if broken_at == 1 else UNCONFIRMED)


def test_a_meter_that_takes_a_time_and_shows_another_is_not_believed() -> None:
    visits = Visits(ahead_s=100)
    done = visits.see(meddle=instead_of_set(lambda asked: Answer(operation=asked, value=None)))
    assert done is not None
    assert done.code == UNCONFIRMED
    assert done.after_s == pytest.approx(100, abs=1)


@pytest.mark.parametrize(
    "quirks",
    [(), (Quirk.DEVIATION_SIGN_REVERSED,), (Quirk.TRAILING_BYTES_ON_CLOCK,), (Quirk.RANGE_WITHOUT_DEVIATION,)],
    ids=lambda quirks: ", ".join(quirks) or "none",
)
@pytest.mark.parametrize("month", [1, 7])
@pytest.mark.parametrize("ahead_s", [100.0, -100.0])
def test_a_time_is_written_as_the_clock_writes_it(quirks: tuple[Quirk, ...], month: int, ahead_s: float) -> None:
    at = datetime(2026, month, 5, 1, 37, tzinfo=UTC).timestamp()
    visits = Visits(at=at, ahead_s=ahead_s, companion=replace(COMPANION, quirks=frozenset(quirks)))
    assert code_of(visits.see()) == CORRECTED
    assert abs(visits.timepiece.ahead_s) == pytest.approx(70, abs=SLACK_S)


WORDS = DateTime.of_utc(QUARTER + 500, 3600, daylight_saving=False)


def shows(stamp: DateTime, head: bytes = b"\x09\x0c") -> tuple[Correction | None, list[bytes]]:
    """What becomes of a clock that is 100 s ahead and shows ``stamp``, and what was written to it."""
    visits = Visits(ahead_s=100)
    written: list[bytes] = []

    def meddle(asked: Operation) -> Answer:
        if isinstance(asked, Set):
            written.append(asked.value)
        return Answer(operation=asked, value=None if isinstance(asked, Set) else head + stamp.encode())

    return visits.see(meddle=meddle), written


def test_only_minute_and_second_change_of_what_a_clock_shows() -> None:
    unspecified = replace(WORDS, deviation_min=NO_DEVIATION, clock_status=0xFF, weekday=0xFF, hundredths=0xFF)
    for head in (b"\x09\x0c", b"\x19"):
        for stamp in (WORDS, unspecified):
            _, (value,) = shows(stamp, head)
            assert value.startswith(head)
            said = DateTime.decode(value[len(head) :])
            assert replace(said, minute=stamp.minute, second=stamp.second) == stamp
            assert 60 * said.minute + said.second == pytest.approx(60 * stamp.minute + stamp.second - 30, abs=1)


@pytest.mark.parametrize(
    ("stamp", "expected", "reason"),
    [
        (replace(WORDS, second=0xFF), LEFT, "no seconds"),
        (replace(WORDS, deviation_min=-53), LEFT, "whole quarters"),
        (replace(WORDS, clock_status=0x01), BROKEN, "may be wrong"),
        (replace(WORDS, clock_status=0x02), BROKEN, "may be wrong"),
        (replace(WORDS, year=2027), BROKEN, "no drift"),
    ],
    ids=["no seconds", "an odd deviation", "invalid", "doubtful", "another year"],
)
def test_a_clock_that_says_something_odd_is_left_alone(stamp: DateTime, expected: str, reason: str) -> None:
    found, written = shows(stamp)
    assert found is not None
    assert (found.code, written) == (expected, [])
    assert reason in found.reason


@pytest.mark.parametrize("moment", ["2026-03-29T00:59", "2026-03-29T01:05", "2026-10-25T00:50", "2026-10-25T01:08"])
@pytest.mark.parametrize("ahead_s", [100.0, -100.0])
def test_around_the_changes_of_the_clocks(moment: str, ahead_s: float) -> None:
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
    visits = Visits(at=at, ahead_s=ahead_s)
    done = visits.see()
    if code_of(done) == CORRECTED:
        assert abs(visits.timepiece.ahead_s) < abs(ahead_s)
        (one,) = visits.timepiece.settings
        assert is_summer(AMSTERDAM, int(one.before)) == is_summer(AMSTERDAM, int(one.after))
    else:
        assert (code_of(done), len(visits.timepiece.settings)) == (LEFT, 0)


@given(
    told=st.lists(
        st.binary(max_size=64) | st.binary(min_size=12, max_size=12).map(lambda octets: b"\x09\x0c" + octets),
        min_size=2,
        max_size=2,
    )
)
def test_whatever_a_meter_says_nothing_is_raised_and_the_mark_lies_in_our_time(told: list[bytes]) -> None:
    for first in (told[0], b"\x09\x0c" + WORDS.encode()):
        visits, values = Visits(ahead_s=100), iter((first, told[1]))
        done = visits.see(
            meddle=lambda asked, values=values: Answer(  # type: ignore[misc]  # bound now
                operation=asked, value=None if isinstance(asked, Set) else next(values)
            )
        )
        assert done is None or abs(done.finding.start - MIDDLE) < BROKEN_S + QUARTER_S


# The simulated clock.


def test_a_simulated_clock_goes_on_from_where_it_was_set_and_its_quarter_says_so() -> None:
    visits = Visits(ahead_s=100)
    assert code_of(visits.see()) == CORRECTED
    visits.at = QUARTER + 2 * QUARTER_S
    assert visits.timepiece.ahead_s == pytest.approx(70, abs=1)
    value = visits.meter.get(7, COMPANION.quarter.obis, 2, None)
    assert isinstance(value, bytes)
    rows = [axdr.members(row) for row in axdr.members(axdr.decode(value))]
    stamps = [DateTime.decode(bytes(row[0].value)).utc_seconds() for row in rows]  # type: ignore[arg-type]  # a stamp is bytes
    adjusted = [stamp for stamp, row in zip(stamps, rows, strict=True) if int(str(row[1].value)) & 0x20]
    assert adjusted == [QUARTER + QUARTER_S]


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (axdr.encode(axdr.u8(1)), 12),
        (b"\x09\x0c" + bytes(11), 12),
        (b"\x09\x0c" + bytes(12), 250),
        (b"\x09\x0c" + b"\xff" * 12, 250),
        (b"\x09\x0c" + replace(WORDS, year=9999, month=12, day=31, deviation_min=NO_DEVIATION).encode(), 250),
        (b"\x09\x0c" + replace(WORDS, month=2, day=30).encode(), 250),
    ],
)
def test_a_simulated_clock_takes_no_nonsense(value: bytes, result: int) -> None:
    visits = Visits()
    assert visits.meter.set(8, COMPANION.clock.obis, 2, None, value) == result
    assert visits.timepiece.ahead_s == 0
