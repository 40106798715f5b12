"""What a night's visit asks for, and what is left of it when the line breaks."""

from collections.abc import Generator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from kwartier.clock import quarter_ends
from kwartier.cosem import companion as companions
from kwartier.cosem.asking import Interrupted
from kwartier.cosem.harvest import Harvest, Stretch, read_stretches
from kwartier.cosem.layout import Asking, of_companion
from kwartier.cosem.partial import merged, salvaged, wanted_span, whole_rows
from kwartier.cosem.reading import frame_of
from kwartier.dlms import axdr
from kwartier.dlms.events import Answer, Get
from kwartier.model import Missing, Readings
from kwartier.simulate.household import seeded
from kwartier.simulate.meter import SimulatedMeter
from tests.cosem.asked import Asked, carry_out

AMSTERDAM = "Europe/Amsterdam"
DAY = date(2026, 3, 4)
NOW = datetime(2026, 3, 5, 1, 0, tzinfo=ZoneInfo(AMSTERDAM)).timestamp()
KINDS = ("smr-5.5", "modular-1", "dsmr-4.2.2")
HOUSEHOLD = seeded(11)


def days(first: date, count: int = 1, have: Readings | None = None) -> Stretch:
    return Stretch(start=first, end=first + timedelta(days=count), have=have)


def plan(
    name: str, *stretches: Stretch, now: float = NOW, told: list[str] | None = None
) -> Generator[Any, Any, Harvest]:
    companion = companions.load(name)
    return read_stretches(
        companion,
        meter="m-1",
        stretches=stretches,
        timezone=AMSTERDAM,
        now=lambda: now,
        capture_delay_s=60,
        before_rows=lambda: None if told is None else told.append("rows"),
        known=of_companion(companion).asked(Asking("range", False, companion.range_carries_deviation)),
    )


def meter(name: str, now: float = NOW, clock_error_s: int = 0) -> SimulatedMeter:
    return SimulatedMeter(companions.load(name), HOUSEHOLD, now=lambda: now, clock_error_s=clock_error_s)


def is_true(readings: Readings) -> bool:
    truth = dict(zip(("import_wh", "export_wh"), HOUSEHOLD.registers(readings.times), strict=True))
    return all(
        not readings.missing[name].any() and bool((readings.registers[name] == truth[name]).all()) for name in truth
    )


def broken_after(running: Generator[Any, Any, Harvest], objects: SimulatedMeter, part: float) -> Harvest:
    """Answer what is asked until the buffer comes, and break off when ``part`` of its bytes have."""
    question = next(running)
    while True:
        value = objects.get(question.class_id, question.obis, question.attribute, question.access)
        assert isinstance(value, bytes)
        if (question.class_id, question.attribute) == (7, 2):
            size = int(len(value) * part)
            with pytest.raises(StopIteration) as ended:
                running.throw(Interrupted((value[: size // 2], value[size // 2 : size])))
            found = ended.value.value
            assert isinstance(found, Harvest)
            return found
        question = running.send(Answer(operation=question, value=value))


@pytest.mark.parametrize("name", KINDS)
def test_each_stretch_is_one_question_after_one_look_at_the_clock(name: str) -> None:
    told: list[str] = []
    done: Asked = carry_out(plan(name, days(date(2026, 2, 26), 2), days(DAY), told=told), meter(name))
    assert [is_true(one) for one in done.result.readings] == [True, True]
    assert [one.start for one in done.result.readings] == [date(2026, 2, 26), DAY]
    assert (done.result.rest, done.result.too_early, told) == ((), False, ["rows"])
    assert [one.class_id for one in done.questions] == [8, 7, 7]
    assert abs(done.result.drift_s) < 1


def test_a_meter_whose_day_is_not_closed_is_not_asked_for_its_profile() -> None:
    told: list[str] = []
    behind = meter("smr-5.5", clock_error_s=-3_600)
    done: Asked = carry_out(plan("smr-5.5", days(DAY), told=told), behind)
    assert done.result.too_early
    assert done.result.rest == (days(DAY),)
    assert (told, done.buffers) == ([], [])


def test_the_capture_delay_counts_by_the_clock_of_the_meter() -> None:
    midnight = int(quarter_ends(DAY, DAY + timedelta(days=1), AMSTERDAM)[-1])
    for after_s, early in ((59, True), (60, False)):
        now = float(midnight + after_s)
        done: Asked = carry_out(plan("smr-5.5", days(DAY), now=now), meter("smr-5.5", now))
        assert done.result.too_early is early


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.97])
def test_what_came_before_a_break_is_kept_and_only_the_rest_is_asked_for(name: str, part: float) -> None:
    objects = meter(name)
    broken = broken_after(plan(name, days(DAY)), objects, part)
    assert broken.readings == ()
    (rest,) = broken.rest
    assert rest.have is not None
    came = int((rest.have.missing["import_wh"] == Missing.PRESENT).sum())
    assert 97 * (part - 0.1) < came < 97 * (part + 0.1)
    assert set(np.unique(rest.have.missing["import_wh"]).tolist()) == {Missing.PRESENT, Missing.NOT_RECEIVED}
    done: Asked = carry_out(plan(name, rest), objects)
    assert is_true(done.result.readings[0])
    asked = next(value for value in map(len, map(rows_of, done.answers)) if value)
    assert asked == 97 - came


def rows_of(value: bytes | int) -> tuple[axdr.Data, ...]:
    return axdr.members(axdr.decode(value)) if isinstance(value, bytes) and value[0] == axdr.Tag.ARRAY else ()


def test_a_break_in_the_second_stretch_keeps_the_first() -> None:
    objects = meter("smr-5.5")
    running = plan("smr-5.5", days(date(2026, 2, 26)), days(DAY))
    question: Get = next(running)
    buffers = 0
    while True:
        value = objects.get(question.class_id, question.obis, question.attribute, question.access)
        assert isinstance(value, bytes)
        buffers += question.class_id == 7
        if buffers == 2:
            break
        question = running.send(Answer(operation=question, value=value))
    with pytest.raises(StopIteration) as ended:
        running.throw(Interrupted(()))
    assert [one.start for one in ended.value.value.readings] == [date(2026, 2, 26)]
    assert ended.value.value.rest == (days(DAY),)


def test_a_break_before_any_row_leaves_all_of_it_to_be_asked() -> None:
    running = plan("smr-5.5", days(DAY))
    next(running)
    with pytest.raises(StopIteration) as ended:
        running.throw(Interrupted(()))
    assert ended.value.value == Harvest(rest=(days(DAY),), layout=ended.value.value.layout)


# Whole rows.


def test_only_rows_that_are_whole_are_kept_wherever_the_break_is() -> None:
    row = axdr.structure(axdr.octets(b"123456789012"), axdr.u8(1), axdr.u32(7))
    value = axdr.encode(axdr.array(*([row] * 5)))
    size = len(axdr.encode(row))
    for cut in range(len(value) + 1):
        kept = whole_rows(value[:cut])
        whole = max(0, (cut - 2) // size)
        assert kept == (axdr.encode(axdr.array(*([row] * whole))) if whole else None)


@pytest.mark.parametrize(
    "partial", [b"", b"\x01", b"\x02\x01\x00", b"\x01\x02", b"\x01\x84\xff\xff\xff\xff", b"\x13\x02"]
)
def test_what_is_no_array_of_rows_leaves_nothing(partial: bytes) -> None:
    assert whole_rows(partial) is None


def test_rows_that_make_no_sense_leave_nothing() -> None:
    companion = companions.load("smr-5.5")
    frame = frame_of(companion, "m-1", DAY, DAY + timedelta(days=1), AMSTERDAM, NOW)
    nonsense = axdr.encode(axdr.array(axdr.structure(axdr.u8(1)), axdr.structure(axdr.u8(1))))
    assert salvaged(nonsense, of_companion(companion), frame) is None


def test_merging_takes_from_either_side_what_is_there() -> None:
    whole = carry_out(plan("smr-5.5", days(DAY)), meter("smr-5.5")).result.readings[0]
    first, last = (broken(whole, slice(None, 40)), broken(whole, slice(30, None)))
    assert wanted_span(first) == (int(whole.times[40]), int(whole.times[-1]))
    assert wanted_span(whole) is None
    both = merged(first, last)
    assert is_true(both)
    assert both.status.tolist() == whole.status.tolist()


def broken(whole: Readings, kept: slice) -> Readings:
    from dataclasses import replace

    missing = {}
    for name in whole.missing:
        column = np.full(len(whole.times), Missing.NOT_RECEIVED, np.uint8)
        column[kept] = 0
        missing[name] = column
    registers = {name: np.where(missing[name] == 0, column, 0) for name, column in whole.registers.items()}
    return replace(whole, registers=registers, missing=missing)
