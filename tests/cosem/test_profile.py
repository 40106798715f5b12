"""From a buffer to readings: placed by stamp, never by position, and a reason for every quarter that is not there."""

from dataclasses import replace
from datetime import date, timedelta
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwartier.clock import quarter_ends
from kwartier.cosem.layout import CLOCK, IGNORED, LIFO, Layout
from kwartier.cosem.profile import readings_of, shapes_of
from kwartier.dlms import axdr
from kwartier.dlms.stamps import DateTime
from kwartier.errors import WireError
from kwartier.model import Missing, Readings
from tests.cosem.buffers import AMSTERDAM, EXPORT, IMPORT, LAYOUT, Row, Writing, frame_of, rows_of, utc

DAY = date(2026, 3, 4)
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
WRITINGS = {
    "deviation": Writing(),
    "deviation, clock status not specified": Writing(specified=False),
    "no deviation, bit 7": Writing(deviation=False, amr3=False),
    "no deviation, AMR bit 3": Writing(deviation=False, specified=False),
    "no deviation, order only": Writing(deviation=False, specified=False, amr3=False),
    "no deviation, bit 7 never set, AMR bit 3": Writing(deviation=False, bit7=False),
    "no deviation, neither bit ever set": Writing(deviation=False, bit7=False, amr3=False),
    "no deviation, null-compressed": Writing(deviation=False, nulls=True),
    "no deviation, null-compressed, no bit": Writing(deviation=False, nulls=True, bit7=False, amr3=False),
    "deviation, null-compressed": Writing(nulls=True),
    "no deviation, the change by its old name": Writing(deviation=False, old_name=True),
    "no deviation, old name, order only": Writing(deviation=False, old_name=True, bit7=False, amr3=False),
}


def times_of(day: date, days: int = 1) -> list[int]:
    return list(map(int, quarter_ends(day, day + timedelta(days=days), AMSTERDAM)))


def codes(readings: Readings) -> list[str]:
    return [finding.code for finding in readings.findings]


def whole(readings: Readings) -> bool:
    return not any(column.any() for column in readings.missing.values())


# Days of 92, 96 and 100 quarters.


@pytest.mark.parametrize("writing", WRITINGS.values(), ids=WRITINGS)
@pytest.mark.parametrize(("day", "quarters"), [(DAY, 96), (SPRING, 92), (AUTUMN, 100), (date(2027, 10, 31), 100)])
def test_a_whole_day_comes_back_however_its_clock_is_written(day: date, quarters: int, writing: Writing) -> None:
    rows = rows_of(times_of(day))
    readings = readings_of(writing.buffer(rows), LAYOUT, frame_of(day, day + timedelta(days=1)))
    assert len(readings.times) == quarters + 1
    assert whole(readings)
    assert not readings.findings
    assert readings.registers[IMPORT].tolist() == [row.import_wh for row in rows]
    assert readings.registers[EXPORT].tolist() == [row.export_wh for row in rows]
    assert readings.registers[IMPORT].dtype == np.int64
    assert readings.times.tolist() == [row.at for row in rows]


@given(
    st.sampled_from(sorted(WRITINGS)),
    st.sampled_from([DAY, SPRING, AUTUMN]),
    st.integers(1, 2),
    st.sampled_from([0, 1, 4]),
    st.integers(0, 60),
    st.integers(0, 60),
    st.booleans(),
)
@settings(derandomize=True, max_examples=25, deadline=None)
def test_the_position_of_a_row_says_nothing(
    name: str, day: date, days: int, before: int, ahead: int, behind: int, newest_first: bool
) -> None:
    writing = replace(WRITINGS[name], nulls=WRITINGS[name].nulls and not newest_first)
    first = day - timedelta(days=before)
    every = times_of(first, before + days + 1)
    rows = rows_of(every[min(ahead, 96 * before) :])[: -behind or None]
    if newest_first:
        rows.reverse()
    frame = frame_of(day, day + timedelta(days=days), now=float(every[-1]) + 3600)
    readings = readings_of(writing.buffer(rows), LAYOUT, frame)
    truth = {row.at: row.import_wh for row in rows}
    assert whole(readings)
    assert not readings.findings
    assert readings.registers[IMPORT].tolist() == [truth[at] for at in readings.times.tolist()]


def test_the_opening_is_the_row_at_local_midnight_and_the_last_row_is_stamped_the_day_after() -> None:
    readings = readings_of(Writing().buffer(rows_of(times_of(DAY))), LAYOUT, frame_of(DAY, DAY + timedelta(days=1)))
    assert readings.times[0] == utc(2026, 3, 3, 23)
    assert readings.times[-1] == utc(2026, 3, 4, 23)
    assert readings.registers[IMPORT][0] == 1000


# The repeated hour.


def repeated_hour(*, keep: slice) -> list[Row]:
    """The autumn day, of whose two times from 02:00 to 02:45 only some rows are there."""
    rows = rows_of(times_of(AUTUMN))
    double = [row for row in rows if utc(2026, 10, 25, 0) <= row.at < utc(2026, 10, 25, 2)]
    gone = {row.at for row in double} - {row.at for row in double[keep]}
    return [row for row in rows if row.at not in gone]


@pytest.mark.parametrize(
    "writing",
    [Writing(deviation=False, amr3=False), Writing(deviation=False, specified=False)],
    ids=["clock status", "AMR status"],
)
@pytest.mark.parametrize("keep", [slice(0, 4), slice(4, 8), slice(2, 3), slice(1, 6)], ids=str)
def test_a_bit_settles_the_repeated_hour_where_rows_are_lacking(writing: Writing, keep: slice) -> None:
    rows = repeated_hour(keep=keep)
    readings = readings_of(writing.buffer(rows), LAYOUT, frame_of(AUTUMN, AUTUMN + timedelta(days=1)))
    there = {row.at: row.import_wh for row in rows}
    missing = readings.missing[IMPORT]
    assert not readings.findings
    for place, at in enumerate(readings.times.tolist()):
        assert (missing[place] == 0) == (at in there)
        assert readings.registers[IMPORT][place] == there.get(at, 0)


@pytest.mark.parametrize("bits", [Writing(specified=False, amr3=False), Writing(bit7=False, amr3=False)])
def test_an_hour_that_nothing_settles_is_a_finding_and_no_guess(bits: Writing) -> None:
    writing = replace(bits, deviation=False)
    rows = repeated_hour(keep=slice(0, 4))
    readings = readings_of(writing.buffer(rows), LAYOUT, frame_of(AUTUMN, AUTUMN + timedelta(days=1)))
    assert codes(readings) == ["ambiguous-hour"]
    (finding,) = readings.findings
    assert (finding.start, finding.end) == (utc(2026, 10, 25, 0), utc(2026, 10, 25, 2))
    missing = dict(zip(readings.times.tolist(), readings.missing[IMPORT].tolist(), strict=True))
    for at, reason in missing.items():
        unsettled = utc(2026, 10, 25, 0) <= at <= utc(2026, 10, 25, 2)
        assert reason == (Missing.UNPLACEABLE if unsettled else Missing.PRESENT), at


def test_a_bit_that_is_wrong_about_other_rows_is_not_believed() -> None:
    # The clock status says summer all day long, also after the change: it cannot choose. The AMR status is right.
    rows = []
    for row in repeated_hour(keep=slice(4, 8)):
        stamp = replace(Writing(deviation=False).stamp(row.at), clock_status=0x80)
        rows.append(replace(row, stamp=stamp))
    frame = frame_of(AUTUMN, AUTUMN + timedelta(days=1))
    right = readings_of(Writing(deviation=False).buffer(rows), LAYOUT, frame)
    assert not right.findings
    assert right.missing[IMPORT].tolist().count(Missing.NOT_IN_BUFFER) == 4
    nothing = readings_of(Writing(deviation=False, amr3=False).buffer(rows), LAYOUT, frame)
    assert codes(nothing) == ["ambiguous-hour"]


def test_the_order_settles_what_only_one_order_allows() -> None:
    # 02:15 twice: the first is summer, the second winter. 02:30 after the second can be winter only.
    rows = repeated_hour(keep=slice(0, 8))
    wanted = {utc(2026, 10, 25, 0, 15), utc(2026, 10, 25, 1, 15), utc(2026, 10, 25, 1, 30)}
    hour = range(utc(2026, 10, 25, 0), utc(2026, 10, 25, 2))
    rows = [row for row in rows if row.at not in hour or row.at in wanted]
    writing = Writing(deviation=False, bit7=False, amr3=False)
    readings = readings_of(writing.buffer(rows), LAYOUT, frame_of(AUTUMN, AUTUMN + timedelta(days=1)))
    there = {
        at for at, gone in zip(readings.times.tolist(), readings.missing[IMPORT].tolist(), strict=True) if not gone
    }
    assert there == {row.at for row in rows}
    assert not readings.findings


def test_stamps_in_the_hour_that_is_skipped_are_a_finding() -> None:
    rows = rows_of(times_of(SPRING))
    ghost = DateTime(year=2026, month=3, day=29, weekday=7, hour=2, minute=30, second=0, hundredths=0, clock_status=0)
    at = next(place for place, row in enumerate(rows) if row.at == utc(2026, 3, 29, 1, 30))
    rows[at] = replace(rows[at], stamp=ghost)
    readings = readings_of(Writing(deviation=False).buffer(rows), LAYOUT, frame_of(SPRING, SPRING + timedelta(days=1)))
    assert codes(readings) == ["nonexistent-hour"]
    assert readings.missing[IMPORT][at] == Missing.UNPLACEABLE
    assert readings.missing[IMPORT].tolist().count(0) == 92


@pytest.mark.parametrize("writing", [Writing(nulls=True), Writing(nulls=True, deviation=False)], ids=str)
def test_one_stamp_days_before_the_window_is_enough(writing: Writing) -> None:
    rows = rows_of(times_of(AUTUMN - timedelta(days=9), 10))
    readings = readings_of(writing.buffer(rows), LAYOUT, frame_of(AUTUMN, AUTUMN + timedelta(days=1)))
    assert whole(readings)
    assert not readings.findings
    assert readings.registers[IMPORT].tolist() == [row.import_wh for row in rows[-101:]]


@pytest.mark.parametrize("writing", [Writing(nulls=True), Writing(nulls=True, deviation=False, bit7=False)], ids=str)
def test_null_stamps_count_backwards_where_the_newest_row_comes_first(writing: Writing) -> None:
    rows = rows_of(times_of(AUTUMN))[::-1]
    layout = replace(LAYOUT, sort_method=LIFO)
    # A stamp at the start and one in the middle, of the hour after the repeated one.
    rows[80] = replace(rows[80], stamp=writing.stamp(rows[80].at))
    readings = readings_of(writing.buffer(rows), layout, frame_of(AUTUMN, AUTUMN + timedelta(days=1)))
    assert whole(readings)
    assert not readings.findings
    assert readings.registers[IMPORT].tolist() == [row.import_wh for row in rows[::-1]]


# Deviations.


@pytest.mark.parametrize("day", [DAY, date(2026, 7, 1), AUTUMN])
def test_the_opposite_sign_is_read_with_its_quirk_and_refused_a_meaning_without(day: date) -> None:
    rows = rows_of(times_of(day))
    buffer = Writing(reversed_sign=True).buffer(rows)
    end = day + timedelta(days=1)
    right = readings_of(buffer, LAYOUT, frame_of(day, end, sign_reversed=True))
    assert whole(right)
    assert not right.findings
    assert right.registers[IMPORT].tolist() == [row.import_wh for row in rows]
    wrong = readings_of(buffer, LAYOUT, frame_of(day, end))
    assert codes(wrong) == ["deviation-sign"]
    assert set(wrong.missing[IMPORT].tolist()) == {Missing.UNPLACEABLE}
    assert not wrong.registers[IMPORT].any()
    # And the quirk on a meter that does not have it is as wrong.
    assert codes(readings_of(Writing().buffer(rows), LAYOUT, frame_of(day, end, sign_reversed=True))) == [
        "deviation-sign"
    ]


def test_a_clock_that_never_knows_summer_time_is_read_by_its_deviation() -> None:
    rows = rows_of(times_of(date(2026, 7, 1)))
    winter = [replace(row, stamp=DateTime.of_utc(row.at, 3600, daylight_saving=False)) for row in rows]
    readings = readings_of(Writing().buffer(winter), LAYOUT, frame_of(date(2026, 7, 1), date(2026, 7, 2)))
    assert whole(readings)
    assert not readings.findings


@pytest.mark.parametrize(
    "change",
    [
        {"month": 13},
        {"day": 31, "month": 2},
        {"hour": 24},
        {"year": 0xFFFF},
        {"minute": 0xFF},
        {"deviation_min": 900},
        {"year": 1900},
        {"second": 60},
    ],
    ids=str,
)
def test_a_stamp_that_names_no_moment_loses_its_row_only(change: dict[str, int]) -> None:
    rows = rows_of(times_of(DAY))
    rows[40] = replace(rows[40], stamp=replace(Writing().stamp(rows[40].at), **change))
    readings = readings_of(Writing().buffer(rows), LAYOUT, frame_of(DAY, DAY + timedelta(days=1)))
    assert codes(readings) == ["bad-stamp"]
    assert readings.missing[IMPORT].tolist() == [Missing.UNPLACEABLE if n == 40 else 0 for n in range(97)]
    assert readings.findings[0].start <= rows[40].at <= readings.findings[0].end


def test_seconds_that_are_not_specified_are_none() -> None:
    rows = [replace(row, stamp=replace(Writing().stamp(row.at), second=0xFF)) for row in rows_of(times_of(DAY))]
    readings = readings_of(Writing().buffer(rows), LAYOUT, frame_of(DAY, DAY + timedelta(days=1)))
    assert whole(readings)
    assert not readings.findings


# Gaps, duplicates, rows beside the grid, rows from another time.


def test_a_gap_is_missing_and_nothing_is_filled_in() -> None:
    rows = rows_of(times_of(DAY))
    del rows[10:20]
    readings = readings_of(Writing().buffer(rows), LAYOUT, frame_of(DAY, DAY + timedelta(days=1)))
    gone = range(10, 20)
    assert readings.missing[IMPORT].tolist() == [Missing.NOT_IN_BUFFER if n in gone else 0 for n in range(97)]
    assert [readings.registers[IMPORT][n] for n in (9, 10, 19, 20)] == [1063, 0, 0, 1140]
    assert readings.status[12] == 0
    assert readings.clock_status[12] == 0xFF


def test_an_empty_buffer_is_a_day_of_missing_quarters() -> None:
    readings = readings_of(b"\x01\x00", LAYOUT, frame_of(DAY, DAY + timedelta(days=1)))
    assert set(readings.missing[EXPORT].tolist()) == {Missing.NOT_IN_BUFFER}
    assert len(readings.missing[EXPORT]) == 97


def test_the_same_row_twice_is_remarked_and_a_different_one_is_a_conflict() -> None:
    rows = rows_of(times_of(DAY))
    same = readings_of(
        Writing().buffer([*rows[:30], rows[29], *rows[30:]]), LAYOUT, frame_of(DAY, DAY + timedelta(days=1))
    )
    assert codes(same) == ["duplicate-row"]
    assert whole(same)
    assert same.registers[IMPORT].tolist() == [row.import_wh for row in rows]
    other = replace(rows[29], export_wh=rows[29].export_wh + 1)
    conflict = readings_of(
        Writing().buffer([*rows[:30], other, *rows[30:]]), LAYOUT, frame_of(DAY, DAY + timedelta(days=1))
    )
    assert codes(conflict) == ["conflicting-rows"]
    assert (conflict.findings[0].start, conflict.findings[0].end) == (rows[29].at, rows[29].at)
    for name in (IMPORT, EXPORT):
        assert conflict.missing[name].tolist() == [Missing.CONFLICT if n == 29 else 0 for n in range(97)]
        assert conflict.registers[name][29] == 0


def test_rows_beside_the_grid_after_an_outage_are_remarked_and_kept_beside() -> None:
    rows = rows_of(times_of(DAY))
    outage = [Row(at=rows[50].at + 437, import_wh=1, amr=0x80), Row(at=rows[50].at + 612, import_wh=1, amr=0x80)]
    readings = readings_of(
        Writing().buffer([*rows[:51], *outage, *rows[51:]]), LAYOUT, frame_of(DAY, DAY + timedelta(days=1))
    )
    assert codes(readings) == ["off-grid"]
    assert (readings.findings[0].start, readings.findings[0].end) == (outage[0].at, outage[1].at)
    assert whole(readings)
    assert readings.registers[IMPORT].tolist() == [row.import_wh for row in rows]
    assert [(one.time, one.registers[IMPORT], one.status) for one in readings.beside] == [
        (row.at, row.import_wh, row.amr) for row in outage
    ]


def test_a_clock_that_was_set_leaves_its_rows_where_their_stamps_say() -> None:
    # The clock ran 20 minutes fast until it was set at 12:00: until then its rows stand beside the grid, 5 minutes off.
    rows = rows_of(times_of(DAY))
    fast = [replace(row, at=row.at + 300, amr=0x20) for row in rows[:48]]
    readings = readings_of(Writing().buffer([*fast, *rows[48:]]), LAYOUT, frame_of(DAY, DAY + timedelta(days=1)))
    assert codes(readings) == ["off-grid"]
    assert readings.missing[IMPORT].tolist() == [Missing.NOT_IN_BUFFER] * 48 + [0] * 49
    assert readings.registers[IMPORT][48:].tolist() == [row.import_wh for row in rows[48:]]


def test_a_clock_that_was_set_back_a_quarter_makes_two_rows_of_one_stamp() -> None:
    rows = rows_of(times_of(DAY))
    twice = replace(rows[49], at=rows[48].at)
    readings = readings_of(
        Writing().buffer([*rows[:49], twice, *rows[49:]]), LAYOUT, frame_of(DAY, DAY + timedelta(days=1))
    )
    assert codes(readings) == ["conflicting-rows"]
    assert readings.missing[IMPORT][48] == Missing.CONFLICT


def test_rows_stamped_later_than_now_are_remarked() -> None:
    rows = rows_of(times_of(DAY))
    readings = readings_of(
        Writing().buffer(rows), LAYOUT, frame_of(DAY, DAY + timedelta(days=1), now=float(rows[80].at + 10))
    )
    assert codes(readings) == ["future-row"]
    assert (readings.findings[0].start, readings.findings[0].end) == (rows[81].at, rows[96].at)


def test_quarters_that_have_not_ended_are_not_yet_there() -> None:
    rows = rows_of(times_of(DAY))
    now = float(rows[80].at + 10)
    readings = readings_of(Writing().buffer(rows[:81]), LAYOUT, frame_of(DAY, DAY + timedelta(days=1), now=now))
    assert readings.missing[IMPORT].tolist() == [0] * 81 + [Missing.NOT_YET] * 16
    assert not readings.findings


def test_quarters_older_than_the_buffer_reaches_say_so() -> None:
    rows = rows_of(times_of(DAY))
    small = replace(LAYOUT, entries=40)
    frame = frame_of(DAY, DAY + timedelta(days=1), now=float(rows[-1].at) + 5)
    readings = readings_of(Writing().buffer(rows[-40:]), small, frame)
    assert readings.missing[IMPORT].tolist() == [Missing.BEYOND_BUFFER] * 57 + [0] * 40
    lost = readings_of(Writing().buffer(rows[-38:]), small, frame)
    assert lost.missing[IMPORT].tolist() == [Missing.BEYOND_BUFFER] * 57 + [Missing.NOT_IN_BUFFER] * 2 + [0] * 38


def test_null_data_is_missing_for_its_own_channel_only() -> None:
    rows = rows_of(times_of(DAY))
    data = axdr.members(axdr.decode(Writing().buffer(rows)))
    holed = list(data)
    holed[5] = axdr.structure(*axdr.members(data[5])[:3], axdr.NULL)
    readings = readings_of(axdr.encode(axdr.array(*holed)), LAYOUT, frame_of(DAY, DAY + timedelta(days=1)))
    assert readings.missing[EXPORT].tolist() == [Missing.NULL_DATA if n == 5 else 0 for n in range(97)]
    assert not readings.missing[IMPORT].any()


def test_a_register_of_zero_and_one_that_is_not_there_are_different_rows() -> None:
    rows = rows_of(times_of(DAY), lambda n: n)
    data = axdr.members(axdr.decode(Writing().buffer(rows)))
    null = axdr.structure(*axdr.members(data[0])[:3], axdr.NULL)
    buffer = axdr.encode(axdr.array(data[0], null, *data[1:]))
    readings = readings_of(buffer, LAYOUT, frame_of(DAY, DAY + timedelta(days=1)))
    assert codes(readings) == ["conflicting-rows"]
    assert readings.missing[EXPORT].tolist() == [Missing.CONFLICT] + [0] * 96


# Status.


def test_both_statuses_stay_with_their_row() -> None:
    rows = [replace(row, amr=(n * 3) % 8) for n, row in enumerate(rows_of(times_of(DAY)))]
    marked = [
        replace(row, stamp=replace(Writing().stamp(row.at), clock_status=n % 2 * 2)) for n, row in enumerate(rows)
    ]
    for sent in (rows, marked):
        shuffled = [*sent[50:], *sent[:50]]
        readings = readings_of(Writing().buffer(shuffled), LAYOUT, frame_of(DAY, DAY + timedelta(days=1)))
        assert readings.status.tolist() == [row.amr for row in sent]
        wanted = [0 if row.stamp is None else row.stamp.clock_status for row in sent]
        assert readings.clock_status.tolist() == wanted


@pytest.mark.parametrize("bit", [0x01, 0x02, 0x04, 0x08])
def test_a_clock_status_that_doubts_its_stamp_is_remarked_and_the_row_is_kept(bit: int) -> None:
    rows = rows_of(times_of(DAY))
    rows[7] = replace(rows[7], stamp=replace(Writing().stamp(rows[7].at), clock_status=bit))
    readings = readings_of(Writing().buffer(rows), LAYOUT, frame_of(DAY, DAY + timedelta(days=1)))
    assert codes(readings) == ["clock-invalid"]
    assert (readings.findings[0].start, readings.findings[0].end) == (rows[7].at, rows[7].at)
    assert readings.clock_status[7] == bit
    assert whole(readings)


# Scale, columns, shapes.


def test_registers_are_whole_wh_by_their_multiplier_and_may_not_overflow() -> None:
    rows = rows_of(times_of(DAY))
    layout = replace(LAYOUT, multipliers=MappingProxyType({IMPORT: 1000, EXPORT: 1}))
    readings = readings_of(Writing().buffer(rows), layout, frame_of(DAY, DAY + timedelta(days=1)))
    assert readings.registers[IMPORT].tolist() == [1000 * row.import_wh for row in rows]
    assert readings.registers[EXPORT].tolist() == [row.export_wh for row in rows]
    huge = replace(LAYOUT, multipliers=MappingProxyType({IMPORT: 10**12, EXPORT: 1}))
    over = [replace(row, import_wh=10**7) for row in rows]
    with pytest.raises(WireError) as caught:
        readings_of(Writing().buffer(over), huge, frame_of(DAY, DAY + timedelta(days=1)))
    assert caught.value.code == "bad-register"


def test_a_profile_without_a_status_or_a_channel_still_reads() -> None:
    times = times_of(DAY)
    columns = (LAYOUT.columns[2], LAYOUT.columns[0])
    layout = Layout(
        columns=columns,
        roles=(IMPORT, CLOCK),
        period_s=900,
        entries=960,
        multipliers=MappingProxyType({IMPORT: 1}),
    )
    stamps = [axdr.octets(Writing().stamp(at).encode()) for at in times]
    buffer = axdr.encode(axdr.array(*(axdr.structure(axdr.u32(n), stamp) for n, stamp in enumerate(stamps))))
    readings = readings_of(buffer, layout, frame_of(DAY, DAY + timedelta(days=1)))
    assert readings.registers[IMPORT].tolist() == list(range(97))
    assert set(readings.missing[EXPORT].tolist()) == {Missing.NOT_IN_BUFFER}
    assert not readings.status.any()


def test_the_shapes_that_may_come_are_what_was_asked_for_and_everything() -> None:
    roles = (CLOCK, IGNORED, IMPORT)
    layout = replace(LAYOUT, columns=LAYOUT.columns[:3], roles=roles)
    assert shapes_of(layout) == (roles,)
    assert shapes_of(layout, (0, 1, 2)) == (roles,)
    assert shapes_of(layout, (0, 2)) == ((CLOCK, IMPORT), roles)


def test_the_repr_of_readings_and_findings_shows_no_register() -> None:
    readings = readings_of(
        Writing().buffer(rows_of(times_of(DAY), lambda n: 77_770_000 + n)),
        LAYOUT,
        frame_of(DAY, DAY + timedelta(days=1)),
    )
    assert "7777" not in repr(readings)
