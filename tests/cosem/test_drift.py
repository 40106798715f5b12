"""What a meter's clock says, and how far it is from ours."""

from dataclasses import replace

import pytest

from kwartier.cosem import companion as companions
from kwartier.cosem.companion import Companion
from kwartier.cosem.drift import clock_time, read_drift
from kwartier.cosem.quirks import Quirk
from kwartier.dlms import axdr
from kwartier.dlms.axdr import Data, Tag
from kwartier.dlms.events import Answer, Get, Refusal
from kwartier.dlms.stamps import NO_DEVIATION, DateTime
from kwartier.errors import WireError
from tests.cosem.buffers import AMSTERDAM, utc

COMPANION = companions.load("smr-5.5")
MOMENT = utc(2026, 7, 1, 10, 0, 30)
STAMP = DateTime.of_utc(MOMENT, 7200, daylight_saving=True)


def quirky(*quirks: Quirk) -> Companion:
    return replace(COMPANION, quirks=frozenset(quirks))


def written(stamp: DateTime) -> bytes:
    return axdr.encode(axdr.octets(stamp.encode()))


def test_both_ways_of_writing_a_time() -> None:
    assert clock_time(written(STAMP), COMPANION, AMSTERDAM) == MOMENT
    assert clock_time(axdr.encode(Data(Tag.DATE_TIME, STAMP.encode())), COMPANION, AMSTERDAM) == MOMENT


@pytest.mark.parametrize(("hundredths", "more"), [(0, 0.0), (50, 0.5), (99, 0.99), (100, 0.0), (0xFF, 0.0)])
def test_hundredths_count_where_they_are_specified(hundredths: int, more: float) -> None:
    stamp = replace(STAMP, hundredths=hundredths)
    assert clock_time(written(stamp), COMPANION, AMSTERDAM) == pytest.approx(MOMENT + more, rel=0, abs=0.001)


def test_seconds_that_are_not_specified_are_none() -> None:
    assert clock_time(written(replace(STAMP, second=0xFF)), COMPANION, AMSTERDAM) == MOMENT - 30


@pytest.mark.parametrize("tail", [b"\x00", b"\x00\x00", bytes(10)])
def test_a_stray_tail_is_passed_over_only_where_the_companion_knows_of_it(tail: bytes) -> None:
    assert clock_time(written(STAMP) + tail, quirky(Quirk.TRAILING_BYTES_ON_CLOCK), AMSTERDAM) == MOMENT
    with pytest.raises(WireError) as caught:
        clock_time(written(STAMP) + tail, COMPANION, AMSTERDAM)
    assert caught.value.code == "bad-date-time"


def test_the_opposite_sign_is_a_quirk() -> None:
    stamp = replace(STAMP, deviation_min=120)
    assert clock_time(written(stamp), quirky(Quirk.DEVIATION_SIGN_REVERSED), AMSTERDAM) == MOMENT


@pytest.mark.parametrize(
    ("shown", "status", "moment"),
    [
        ((2026, 7, 1, 12, 0), 0x80, (2026, 7, 1, 10)),
        ((2026, 1, 1, 12, 0), 0x00, (2026, 1, 1, 11)),
        ((2026, 10, 25, 2, 30), 0x80, (2026, 10, 25, 0, 30)),
        ((2026, 10, 25, 2, 30), 0x00, (2026, 10, 25, 1, 30)),
        ((2026, 10, 25, 1, 30), 0xFF, (2026, 10, 24, 23, 30)),
        ((2026, 10, 25, 2, 0), 0x00, (2026, 10, 25, 1)),
        ((2026, 10, 25, 3, 0), 0x00, (2026, 10, 25, 2)),
        ((2026, 3, 29, 3, 0), 0x80, (2026, 3, 29, 1)),
    ],
)
def test_without_a_deviation_the_time_is_local(shown: tuple[int, ...], status: int, moment: tuple[int, ...]) -> None:
    year, month, day, hour, minute = shown
    stamp = DateTime(
        year=year, month=month, day=day, hour=hour, minute=minute, second=0, hundredths=0, clock_status=status
    )
    assert stamp.deviation_min == NO_DEVIATION
    assert clock_time(written(stamp), COMPANION, AMSTERDAM) == utc(*moment)


def test_in_the_repeated_hour_a_clock_that_says_neither_has_no_time_and_no_drift() -> None:
    stamp = DateTime(year=2026, month=10, day=25, hour=2, minute=30, second=0, hundredths=0)
    assert clock_time(written(stamp), COMPANION, AMSTERDAM) is None
    plan = read_drift(COMPANION, AMSTERDAM, lambda: float(MOMENT))
    with pytest.raises(StopIteration) as done:
        plan.send(Answer(operation=next(plan), value=written(stamp)))
    assert done.value.value is None


@pytest.mark.parametrize(
    "stamp",
    [
        replace(STAMP, year=0xFFFF),
        replace(STAMP, year=1900, deviation_min=NO_DEVIATION),
        replace(STAMP, month=13),
        replace(STAMP, deviation_min=2000),
        DateTime(year=2026, month=3, day=29, hour=2, minute=30, second=0),
    ],
    ids=str,
)
def test_a_time_that_is_none_is_refused(stamp: DateTime) -> None:
    with pytest.raises(WireError) as caught:
        clock_time(written(stamp), COMPANION, AMSTERDAM)
    assert caught.value.code == "bad-date-time"


@pytest.mark.parametrize("value", [b"", b"\x00", b"\x09\x0b" + bytes(11), b"\x06\x00\x00\x00\x01", written(STAMP)[:-1]])
def test_what_is_no_date_time_is_refused(value: bytes) -> None:
    for companion in (COMPANION, quirky(Quirk.TRAILING_BYTES_ON_CLOCK)):
        with pytest.raises(WireError) as caught:
            clock_time(value, companion, AMSTERDAM)
        assert caught.value.code == "bad-date-time"


def test_the_drift_is_taken_at_the_middle_of_the_round_trip() -> None:
    times = iter([MOMENT - 4.0, MOMENT + 2.0])
    plan = read_drift(COMPANION, AMSTERDAM, lambda: next(times))
    ask = next(plan)
    assert isinstance(ask, Get)
    assert (ask.class_id, ask.obis, ask.attribute) == (8, bytes((0, 0, 1, 0, 0, 255)), 2)
    with pytest.raises(StopIteration) as done:
        plan.send(Answer(operation=ask, value=written(STAMP)))
    assert done.value.value == pytest.approx(1.0)


def test_a_meter_that_does_not_tell_the_time_has_no_drift() -> None:
    plan = read_drift(COMPANION, AMSTERDAM, lambda: float(MOMENT))
    ask = next(plan)
    with pytest.raises(StopIteration) as done:
        plan.send(Refusal(operation=ask, result=3, result_name="read-write-denied"))
    assert done.value.value is None
