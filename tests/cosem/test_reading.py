"""The plan that reads quarters: what is asked, in which order, what a *no* leads to, and what is remembered."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from types import MappingProxyType

import numpy as np
import pytest

from kwartier.cosem import companion as companions
from kwartier.cosem import layout as layouts
from kwartier.cosem.access import CaptureObject, Entries, Range, object_data, parse
from kwartier.cosem.companion import Companion
from kwartier.cosem.layout import FIFO, IGNORED, LIFO, Asking, Layout
from kwartier.cosem.quirks import Quirk
from kwartier.cosem.reading import Outcome, read_quarters
from kwartier.dlms import axdr
from kwartier.dlms.events import ExceptionReceived, Get
from kwartier.dlms.stamps import NO_DEVIATION, DateTime
from kwartier.errors import InputError, WireError
from kwartier.model import Missing
from kwartier.simulate.household import seeded
from kwartier.simulate.meter import SimulatedMeter
from tests.cosem.asked import Asked, Objects, carry_out
from tests.cosem.buffers import AMSTERDAM, EXPORT, IMPORT, LAYOUT, Writing, utc

BASE = companions.load("smr-5.5")
DAY = date(2026, 3, 4)
NOW = float(utc(2026, 3, 6, 3))
HOUSEHOLD = seeded(7)
OTHER_REASON = 250
TEMPORARY = 2
DENIED = 3


def quirky(*quirks: Quirk, encoding: str = "array") -> Companion:
    profiles = dict(BASE.profiles)
    profiles["quarter"] = replace(BASE.quarter, encoding=encoding)
    return replace(BASE, quirks=frozenset(quirks), profiles=MappingProxyType(profiles))


def read(
    companion: Companion,
    *,
    meter: Objects | None = None,
    start: date = DAY,
    days: int = 1,
    now: float = NOW,
    known: Layout | None = None,
    clock: bool = False,
    told: Companion | None = None,
    intercept: Callable[[Get], bytes | int | None] = lambda one: None,
) -> Asked:
    """Read days of a simulated meter. ``told``: the companion that the reader goes by, where it is not the meter's."""
    plan = read_quarters(
        told or companion,
        meter="m-1",
        start=start,
        end=start + timedelta(days=days),
        timezone=AMSTERDAM,
        now=lambda: now,
        known=known,
        clock=clock,
    )
    meter = meter or SimulatedMeter(companion, HOUSEHOLD, now=lambda: now)
    return carry_out(plan, meter, intercept)


def check(outcome: Outcome) -> None:
    """Every register there, and what the household counted."""
    readings = outcome.readings
    truth = HOUSEHOLD.registers(readings.times)
    for name, expected in zip((IMPORT, EXPORT), truth, strict=True):
        assert not readings.missing[name].any()
        assert np.array_equal(readings.registers[name], expected)


# What is asked.


def test_a_new_meter_is_asked_what_its_profile_holds_and_a_known_one_only_for_rows() -> None:
    first = read(BASE)
    check(first.result)
    quarter = BASE.quarter.obis
    assert [(one.class_id, one.obis, one.attribute) for one in first.questions] == [
        (7, quarter, 3),
        (7, quarter, 4),
        (7, quarter, 5),
        (7, quarter, 8),
        (3, bytes((1, 0, 1, 8, 0, 255)), 3),
        (3, bytes((1, 0, 2, 8, 0, 255)), 3),
        (7, quarter, 2),
    ]
    again = read(BASE, known=first.result.layout)
    check(again.result)
    assert again.ways == ["range"]
    assert len(again.questions) == 1
    assert again.result.layout == first.result.layout
    assert first.result.layout.asking == Asking("range", columns=False, deviation=True)


def test_a_range_runs_from_the_opening_to_the_closing_by_the_clock_column() -> None:
    asked = read(BASE).selected()
    assert isinstance(asked, Range)
    assert asked.by == CaptureObject(class_id=8, obis=bytes((0, 0, 1, 0, 0, 255)), attribute=2)
    assert DateTime.decode(asked.start).utc_seconds() == utc(2026, 3, 3, 23)
    assert DateTime.decode(asked.end).utc_seconds() == utc(2026, 3, 4, 23)


@pytest.mark.parametrize("start", [date(2026, 3, 29), date(2026, 10, 25)])
def test_the_ends_of_a_range_carry_the_offset_of_their_own_moment(start: date) -> None:
    asked = read(BASE, start=start, now=float(utc(start.year, start.month, start.day) + 2 * 86400)).selected()
    assert isinstance(asked, Range)
    opening, closing = DateTime.decode(asked.start), DateTime.decode(asked.end)
    assert (opening.hour, closing.hour) == (0, 0)
    summer_first = start.month == 10
    assert (opening.deviation_min, closing.deviation_min) == ((-120, -60) if summer_first else (-60, -120))
    assert (opening.clock_status, closing.clock_status) == ((0x80, 0) if summer_first else (0, 0x80))


@pytest.mark.parametrize("days", [1, 9, 10])
def test_several_days_come_in_one_request(days: int) -> None:
    start = date(2026, 3, 6) - timedelta(days=days)
    done = read(BASE, start=start, days=days)
    assert len(done.buffers) == 1
    readings = done.result.readings
    assert len(readings.times) == 96 * days + 1
    if days < 10:
        check(done.result)
    else:
        # 960 rows at three in the morning: the oldest day's first hours have left the buffer.
        lost = readings.missing[IMPORT].tolist()
        assert set(lost) == {0, Missing.BEYOND_BUFFER}
        assert lost.index(0) == lost.count(Missing.BEYOND_BUFFER)


def test_too_many_days_and_none_are_refused_before_anything_is_asked() -> None:
    for days in (0, -1, 32):
        with pytest.raises(InputError) as caught:
            read(BASE, days=days)
        assert caught.value.code == "bad-day"


def test_the_clock_is_asked_for_where_it_is_wanted() -> None:
    meter = SimulatedMeter(BASE, HOUSEHOLD, now=lambda: NOW, clock_error_s=42)
    done = read(BASE, meter=meter, clock=True)
    assert (done.questions[0].class_id, done.questions[0].attribute) == (8, 2)
    assert done.result.drift_s == pytest.approx(42)
    assert read(BASE).result.drift_s is None


@pytest.mark.parametrize(
    "shown",
    [
        axdr.encode(axdr.octets(b"\xff" * 12)),
        axdr.encode(axdr.octets(Writing().stamp(int(NOW)).encode())) + b"\x00",
        axdr.encode(axdr.u32(5)),
    ],
    ids=["not set", "a tail that its companion does not know", "a number"],
)
def test_a_clock_that_shows_nonsense_is_a_finding_and_the_registers_are_read(shown: bytes) -> None:
    done = read(BASE, clock=True, intercept=lambda one: shown if one.class_id == 8 else None)
    check(done.result)
    assert done.result.drift_s is None
    assert [one.code for one in done.result.readings.findings] == ["clock-unreadable"]


# Each quirk by itself: the meter has it, the reader knows it, and in most cases need not.


@pytest.mark.parametrize("quirk", Quirk)
def test_a_meter_with_the_quirk_is_read(quirk: Quirk) -> None:
    done = read(quirky(quirk), clock=True)
    check(done.result)
    assert done.result.drift_s == pytest.approx(0)
    expected = ["layout-assumed"] * 2 if quirk is Quirk.REFUSES_SCALER else []
    assert [one.code for one in done.result.readings.findings] == expected


@pytest.mark.parametrize("encoding", ["array", "null-compressed", "compact-array"])
@pytest.mark.parametrize("start", [DAY, date(2026, 3, 29), date(2026, 10, 25)])
def test_a_meter_is_read_in_whatever_form_it_writes_its_buffer(encoding: str, start: date) -> None:
    now = float(utc(start.year, start.month, start.day) + 2 * 86400)
    for quirks in ((), (Quirk.REFUSES_RANGE,), (Quirk.REFUSES_RANGE, Quirk.REFUSES_ENTRY)):
        check(read(quirky(*quirks, encoding=encoding), start=start, now=now).result)


@pytest.mark.parametrize(
    ("quirks", "tried", "asking"),
    [
        ((Quirk.RANGE_WITHOUT_DEVIATION,), ["range", "range"], Asking("range", deviation=False)),
        ((Quirk.RANGE_WITH_DEVIATION,), ["range"], Asking("range", deviation=True)),
        ((Quirk.REFUSES_RANGE,), ["range", "range", "entry"], Asking("entry")),
        ((Quirk.REFUSES_RANGE, Quirk.REFUSES_ENTRY), ["range", "range", "entry", "whole"], Asking("whole")),
    ],
    ids=str,
)
def test_what_the_companion_does_not_know_is_found_out_and_remembered(
    quirks: tuple[Quirk, ...], tried: list[str], asking: Asking
) -> None:
    meter = quirky(*quirks)
    done = read(meter, told=BASE)
    check(done.result)
    assert done.ways == tried
    assert done.result.layout.asking == asking
    again = read(meter, told=BASE, known=done.result.layout)
    check(again.result)
    assert again.ways == tried[-1:]


@pytest.mark.parametrize("quirk", [Quirk.RANGE_WITHOUT_DEVIATION, Quirk.RANGE_WITH_DEVIATION])
def test_a_known_form_of_range_is_the_only_one_tried(quirk: Quirk) -> None:
    done = read(quirky(quirk))
    assert done.ways == ["range"]
    asked = done.selected()
    assert isinstance(asked, Range)
    given = DateTime.decode(asked.start).deviation_min != NO_DEVIATION
    assert given == (quirk is Quirk.RANGE_WITH_DEVIATION)


def test_a_range_to_a_meter_of_the_opposite_sign_is_written_its_way() -> None:
    asked = read(quirky(Quirk.DEVIATION_SIGN_REVERSED)).selected()
    assert isinstance(asked, Range)
    assert DateTime.decode(asked.start).deviation_min == 60


def test_a_passing_fault_does_not_replace_the_way_that_is_remembered() -> None:
    layout = read(BASE).result.layout

    def once(question: Get) -> int | None:
        return TEMPORARY if question.access is not None and question.access[0] == 1 else None

    done = read(BASE, known=layout, intercept=once)
    check(done.result)
    assert done.ways == ["range", "range", "entry"]
    assert done.result.layout.asking == layout.asking

    def always(question: Get) -> int | None:
        return DENIED if question.access is not None and question.access[0] == 1 else None

    assert read(BASE, known=layout, intercept=always).result.layout.asking == Asking("entry")


def test_a_meter_that_refuses_everything_is_an_error_that_names_the_refusal() -> None:
    def never(question: Get) -> int | None:
        return OTHER_REASON if (question.class_id, question.attribute) == (7, 2) else None

    with pytest.raises(WireError, match=r"attribute 2 of 1.0.99.1.0.255: result 250") as caught:
        read(BASE, intercept=never)
    assert caught.value.code == "profile-refused"


@pytest.mark.parametrize("fatal", [True, False])
def test_an_exception_ends_the_visit_where_nothing_more_can_be_answered(fatal: bool) -> None:
    plan = read_quarters(
        BASE,
        meter="m-1",
        start=DAY,
        end=DAY + timedelta(days=1),
        timezone=AMSTERDAM,
        now=lambda: NOW,
        known=layouts.of_companion(BASE),
    )
    question = next(plan)
    error = "deciphering-error" if fatal else "operation-not-possible"
    event = ExceptionReceived(operation=question, state_error="service-not-allowed", service_error=error)
    if fatal:
        with pytest.raises(WireError) as caught:
            plan.send(event)
        assert caught.value.code == "profile-refused"
    else:
        assert isinstance(plan.send(event), Get)


# Columns that nobody needs.

VOLTAGE = CaptureObject(class_id=3, obis=bytes((1, 0, 32, 7, 0, 255)), attribute=2)
TEXT = CaptureObject(class_id=1, obis=bytes((0, 0, 96, 13, 0, 255)), attribute=2)
CLOCK, STATUS, IMPORTED, EXPORTED = LAYOUT.columns
WIDE = (IMPORTED, VOLTAGE, CLOCK, STATUS, TEXT, EXPORTED)


class Wide:
    """A meter that captures more than is needed, its clock not first. ``refuses``: ``range``, ``columns`` or both."""

    def __init__(
        self, columns: tuple[CaptureObject, ...] = WIDE, *, refuses: str = "", requested_order: bool = False
    ) -> None:
        self.columns = columns
        self.refuses = refuses.split()
        self.requested_order = requested_order
        self.sent: list[int] = []

    def get(self, class_id: int, obis: bytes, attribute: int, access: bytes | None) -> bytes | int:
        if class_id == 3:
            return axdr.encode(axdr.structure(axdr.i8(0), axdr.enum(30)))
        if attribute == 3:
            return axdr.encode(axdr.array(*map(object_data, self.columns)))
        if attribute != 2:
            return axdr.encode(axdr.u32({4: 900, 5: 1, 7: 960, 8: 960}[attribute]))
        times = np.arange(-959, 1) * 900 + int(NOW) // 900 * 900
        places = list(range(len(self.columns)))
        if access is not None:
            asked = parse(access)
            if isinstance(asked, Range):
                if "range" in self.refuses or (asked.columns and "columns" in self.refuses):
                    return OTHER_REASON
                low, high = (DateTime.decode(one).utc_seconds() for one in (asked.start, asked.end))
                assert low is not None
                assert high is not None
                times = times[(times >= low) & (times <= high)]
                if asked.columns:
                    order = [self.columns.index(one) for one in asked.columns]
                    places = order if self.requested_order else sorted(order)
            else:
                times = times[asked.first - 1 : asked.last]
                places = places[asked.first_column - 1 : asked.last_column or None]
        self.sent = places
        return axdr.encode(axdr.array(*(self._row(int(at), places) for at in times)))

    def _row(self, at: int, places: list[int]) -> axdr.Data:
        imported, exported = (int(one[0]) for one in HOUSEHOLD.registers(np.array([at])))
        cells = {
            CLOCK: axdr.octets(Writing().stamp(at).encode()),
            STATUS: axdr.u8(0),
            IMPORTED: axdr.u32(imported),
            EXPORTED: axdr.u32(exported),
            VOLTAGE: axdr.u16(230),
            TEXT: axdr.octets(b"L2"),
        }
        return axdr.structure(*(cells[self.columns[place]] for place in places))


def test_only_the_needed_columns_are_asked_for_in_capture_order() -> None:
    for requested_order in (False, True):
        meter = Wide(requested_order=requested_order)
        done = read(BASE, meter=meter)
        check(done.result)
        assert done.ways == ["range+columns"]
        asked = done.selected()
        assert isinstance(asked, Range)
        assert asked.columns == (IMPORTED, CLOCK, STATUS, EXPORTED)
        assert asked.by == CLOCK
        assert meter.sent == [0, 2, 3, 5]
        assert done.result.layout.roles == (IMPORT, IGNORED, "clock", "status", IGNORED, EXPORT)


def test_a_meter_that_refuses_columns_sends_them_all_and_they_are_dropped() -> None:
    done = read(BASE, meter=Wide(refuses="columns"))
    check(done.result)
    assert done.ways == ["range+columns", "range"]
    assert done.result.layout.asking == Asking("range", columns=False, deviation=True)
    assert set(done.result.readings.registers) == {IMPORT, EXPORT}


def test_entries_are_asked_for_by_the_span_of_the_needed_columns() -> None:
    meter = Wide((TEXT, *WIDE), refuses="range")
    done = read(BASE, meter=meter)
    check(done.result)
    assert done.ways[-1] == "entry+columns"
    asked = done.selected()
    assert isinstance(asked, Entries)
    assert (asked.first_column, asked.last_column) == (2, 7)
    assert meter.sent == [1, 2, 3, 4, 5, 6]


def test_a_column_that_is_not_captured_is_a_finding() -> None:
    done = read(BASE, meter=Wide(WIDE[:4]))
    readings = done.result.readings
    assert [one.code for one in readings.findings] == ["channel-not-captured"]
    assert not readings.missing[IMPORT].any()
    assert set(readings.missing[EXPORT].tolist()) == {Missing.NOT_IN_BUFFER}


# By entry.


@pytest.mark.parametrize("sort_method", [FIFO, LIFO])
@pytest.mark.parametrize("days_ago", [1, 5, 9])
def test_entries_are_asked_for_where_the_quarters_should_lie(sort_method: int, days_ago: int) -> None:
    start = date(2026, 3, 6) - timedelta(days=days_ago)
    meter = Newest() if sort_method == LIFO else SimulatedMeter(BASE, HOUSEHOLD, now=lambda: NOW)
    told = quirky(Quirk.REFUSES_RANGE)
    done = read(told, meter=meter, start=start)
    check(done.result)
    assert done.ways == ["entry"]
    asked = done.selected()
    assert isinstance(asked, Entries)
    assert asked.last - asked.first + 1 <= 97 + 16
    assert any((one.class_id, one.attribute) == (7, 7) for one in done.questions)


class Newest(SimulatedMeter):
    """A buffer that begins with its newest row."""

    def __init__(self) -> None:
        super().__init__(BASE, HOUSEHOLD, now=lambda: NOW)

    def get(self, class_id: int, obis: bytes, attribute: int, access: bytes | None) -> bytes | int:
        return (
            axdr.encode(axdr.enum(LIFO))
            if (class_id, attribute) == (7, 5)
            else super().get(class_id, obis, attribute, access)
        )

    def _entries(self) -> np.ndarray:
        return super()._entries()[::-1]


def test_entries_that_lie_elsewhere_lead_to_all_of_them() -> None:
    """A hundred rows from outages have pushed the quarters back: the likely entries do not hold them all."""
    told = quirky(Quirk.REFUSES_RANGE)

    class Pushed(SimulatedMeter):
        def _entries(self) -> np.ndarray:
            held = super()._entries()
            outages = held[-1] - 450 + np.arange(100)
            return np.concatenate((held[100:-1], outages, held[-1:]))

    done = read(told, meter=Pushed(BASE, HOUSEHOLD, now=lambda: NOW))
    check(done.result)
    assert done.ways == ["entry", "entry"]
    everything = done.selected()
    assert isinstance(everything, Entries)
    assert (everything.first, everything.last) == (1, 960)


# Layouts.


def test_what_the_meter_does_not_tell_is_the_companions_and_a_finding_each_time() -> None:
    def silent(question: Get) -> int | None:
        return DENIED if question.class_id == 7 and question.attribute in (4, 5, 8) else None

    done = read(BASE, intercept=silent)
    check(done.result)
    reasons = [one.reason for one in done.result.readings.findings if one.code == "layout-assumed"]
    assert [reason.rpartition("its ")[2] for reason in reasons] == [
        "capture period",
        "sort method",
        "number of entries",
    ]
    again = read(BASE, known=done.result.layout)
    assert [one.code for one in again.result.readings.findings] == ["layout-assumed"] * 3


def test_a_meter_that_does_not_tell_its_columns_is_not_read() -> None:
    with pytest.raises(WireError, match="attribute 3 of") as caught:
        read(BASE, intercept=lambda one: DENIED if (one.class_id, one.attribute) == (7, 3) else None)
    assert caught.value.code == "profile-refused"


@pytest.mark.parametrize(
    ("scaler", "unit", "code"),
    [(-1, 30, "scaler-not-whole-wh"), (13, 30, "scaler-not-whole-wh"), (0, 27, "not-wh"), (0, 32, "not-wh")],
)
def test_a_register_that_is_not_whole_wh_is_refused(scaler: int, unit: int, code: str) -> None:
    value = axdr.encode(axdr.structure(axdr.i8(scaler), axdr.enum(unit)))
    with pytest.raises(WireError) as caught:
        read(BASE, intercept=lambda one: value if one.class_id == 3 else None)
    assert caught.value.code == code


def test_a_meter_that_counts_in_kwh_is_read_in_wh() -> None:
    columns = tuple(replace(one, scaler=3) if one.unit == 30 else one for one in BASE.quarter.columns)
    objects = {one.name: one for one in columns}
    kwh = replace(
        BASE,
        objects=MappingProxyType({**BASE.objects, **objects}),
        profiles=MappingProxyType({**BASE.profiles, "quarter": replace(BASE.quarter, columns=columns)}),
    )
    # The reader goes by what the meter says, whatever the companion expects.
    done = read(kwh, told=BASE)
    readings = done.result.readings
    assert dict(done.result.layout.multipliers) == {IMPORT: 1000, EXPORT: 1000}
    for name, truth in zip((IMPORT, EXPORT), HOUSEHOLD.registers(readings.times), strict=True):
        assert not readings.missing[name].any()
        assert np.array_equal(readings.registers[name], truth // 1000 * 1000)
    register = SimulatedMeter(kwh, HOUSEHOLD, now=lambda: NOW).get(3, IMPORTED.obis, 2, None)
    assert register == axdr.encode(axdr.u32(int(HOUSEHOLD.registers(np.array([int(NOW) // 900 * 900]))[0][0]) // 1000))


def test_another_capture_period_is_refused() -> None:
    with pytest.raises(WireError) as caught:
        read(BASE, intercept=lambda one: axdr.encode(axdr.u32(3600)) if one.attribute == 4 else None)
    assert caught.value.code == "wrong-period"
