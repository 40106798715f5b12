"""The simulated meter: every attribute, a buffer as deep as its companion says, and nothing but the time that can be set."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType

import numpy as np
import pytest

from kwartier.cosem import access
from kwartier.cosem import companion as companions
from kwartier.cosem import layout as layouts
from kwartier.cosem.access import Entries, Range, objects_of
from kwartier.cosem.companion import Companion
from kwartier.cosem.layout import CLOCK, STATUS
from kwartier.cosem.profile import read_rows
from kwartier.cosem.quirks import Quirk
from kwartier.dlms import axdr
from kwartier.dlms.axdr import Tag
from kwartier.dlms.obis import obis
from kwartier.dlms.stamps import DateTime
from kwartier.simulate.household import seeded
from kwartier.simulate.meter import TYPE_UNMATCHED, SimulatedMeter

NAMES = companions.companions()
HOUSEHOLD = seeded(11)
NOW = datetime(2026, 7, 1, 10, 20, 30, tzinfo=UTC).timestamp()
LAST = int(NOW) // 900 * 900
DENIED, UNDEFINED, OTHER_REASON = 3, 4, 250
QUARTER, CLOCK_AT = obis("1-0:99.1.0"), obis("0-0:1.0.0")
ROLES = (CLOCK, STATUS, "import_wh", "export_wh")


def meter_of(companion: str | Companion = "smr-5.5", **settings: object) -> SimulatedMeter:
    made = companions.load(companion) if isinstance(companion, str) else companion
    given: dict[str, object] = {"now": lambda: NOW, **settings}
    return SimulatedMeter(made, HOUSEHOLD, **given)  # type: ignore[arg-type]  # each test gives what it is about


def quirky(*quirks: Quirk) -> Companion:
    return replace(companions.load("smr-5.5"), quirks=frozenset(quirks))


def value(meter: SimulatedMeter, class_id: int, code: bytes, attribute: int) -> axdr.Data:
    found = meter.get(class_id, code, attribute, None)
    assert isinstance(found, bytes), (class_id, attribute)
    return axdr.decode(found)


# Attributes.


@pytest.mark.parametrize("name", NAMES)
def test_every_object_tells_its_name_and_nothing_breaks_it(name: str) -> None:
    meter = meter_of(name)
    companion = companions.load(name)
    places = [(one.class_id, one.obis) for one in companion.objects.values()]
    places += [(7, one.obis) for one in companion.profiles.values()]
    for class_id, code in places:
        assert value(meter, class_id, code, 1) == axdr.octets(code)
        for attribute in (*range(-2, 20), 127):
            found = meter.get(class_id, code, attribute, None)
            if isinstance(found, bytes):
                axdr.decode(found)
            else:
                assert found in (DENIED, UNDEFINED)


@pytest.mark.parametrize("name", NAMES)
def test_the_quarter_profile_shows_what_the_companion_says(name: str) -> None:
    meter, companion = meter_of(name), companions.load(name)
    layout = layouts.of_companion(companion)
    assert objects_of(value(meter, 7, QUARTER, 3)) == layout.columns
    numbers = {attribute: value(meter, 7, QUARTER, attribute).value for attribute in (4, 5, 7, 8)}
    assert numbers == {4: 900, 5: 1, 7: 960, 8: 960}
    assert value(meter, 7, QUARTER, 6) == access.object_data(layout.columns[0])
    assert meter.get(7, QUARTER, 9, None) == UNDEFINED


def test_the_clock_shows_the_time_and_when_it_changes() -> None:
    meter = meter_of(clock_error_s=-7)
    stamp = value(meter, 8, CLOCK_AT, 2).value
    assert isinstance(stamp, bytes)
    shown = DateTime.decode(stamp)
    assert shown.utc_seconds() == int(NOW) - 7
    assert str(shown) == "2026-07-01 12:20:23+02:00"
    assert shown.clock_status == 0x80
    plain = {attribute: axdr.plain(value(meter, 8, CLOCK_AT, attribute)) for attribute in (3, 4, 7, 8, 9)}
    assert plain == {3: -60, 4: 0x80, 7: 60, 8: True, 9: 1}
    changes = [value(meter, 8, CLOCK_AT, attribute).value for attribute in (5, 6)]
    assert [str(DateTime.decode(one)) for one in changes if isinstance(one, bytes)] == [
        "2026-03-29 02:00:00",
        "2026-10-25 03:00:00",
    ]
    assert meter.get(8, CLOCK_AT, 10, None) == UNDEFINED


def test_a_clock_without_summer_time_says_so() -> None:
    meter = meter_of(timezone="UTC")
    plain = {attribute: axdr.plain(value(meter, 8, CLOCK_AT, attribute)) for attribute in (3, 4, 5, 7, 8)}
    assert plain == {3: 0, 4: 0, 5: "0xFFFFFFFFFFFFFFFFFF8000FF", 7: 0, 8: False}


def test_registers_stand_where_the_household_stands_at_the_last_quarter() -> None:
    meter = meter_of()
    truth = [int(register[0]) for register in HOUSEHOLD.registers(np.array([LAST]))]
    for code, expected in zip((obis("1-0:1.8.0"), obis("1-0:2.8.0")), truth, strict=True):
        assert value(meter, 3, code, 2) == axdr.u32(expected)
        assert value(meter, 3, code, 3) == axdr.structure(axdr.i8(0), axdr.enum(30))
        assert meter.get(3, code, 4, None) == UNDEFINED


def test_names_counter_and_status() -> None:
    meter = meter_of(name="KWT0000000000042", status=lambda stamp: 0x20)
    assert value(meter, 1, obis("0-0:42.0.0"), 2) == axdr.octets(b"KWT0000000000042")
    assert value(meter, 1, obis("0-0:43.1.0"), 2) == axdr.u32(0)
    meter.invocation_counter = lambda: 0xFFFF_FFFF
    assert value(meter, 1, obis("0-0:43.1.0"), 2) == axdr.u32(0xFFFF_FFFF)
    assert value(meter, 1, obis("0-0:96.10.2"), 2) == axdr.u8(0x28)


def test_an_object_that_it_does_not_have_is_undefined() -> None:
    meter = meter_of()
    assert meter.get(3, obis("1-0:32.7.0"), 2, None) == UNDEFINED
    assert meter.get(7, obis("1-0:99.1.7"), 2, None) == UNDEFINED
    # The right place under another class is another object.
    assert meter.get(4, obis("1-0:1.8.0"), 2, None) == UNDEFINED


def test_anybody_may_read_who_it_is_and_never_a_register() -> None:
    for name in NAMES:
        public = meter_of(name).public_attributes
        assert {class_id for class_id, _, _ in public} == {1, 8}
        assert (8, CLOCK_AT, 2) in public
        assert (1, obis("0-0:43.1.0"), 2) in public
        assert len(public) == 3


@pytest.mark.parametrize("name", NAMES)
def test_nothing_but_the_time_can_be_written_and_nothing_set_off(name: str) -> None:
    meter, companion = meter_of(name), companions.load(name)
    for one in companion.objects.values():
        for attribute in range(1, 12):
            no = TYPE_UNMATCHED if (one, attribute) == (companion.clock, 2) else DENIED
            assert meter.set(one.class_id, one.obis, attribute, None, axdr.encode(axdr.u8(1))) == no
            assert meter.act(one.class_id, one.obis, attribute, None) == (DENIED, None)
    for class_id in (68, 70, 71, 999):
        assert meter.set(class_id, obis("0-0:96.3.10"), 2, None, b"\x00") == UNDEFINED
        assert meter.act(class_id, obis("0-0:96.3.10"), 1, None) == (UNDEFINED, None)
    assert meter.set(7, QUARTER, 2, None, b"\x00") in (DENIED, UNDEFINED)
    assert meter.act(7, QUARTER, 1, axdr.encode(axdr.i8(0)))[0] in (DENIED, UNDEFINED)


# The buffer.


def stamps_of(buffer: bytes | int) -> list[int]:
    assert isinstance(buffer, bytes)
    clock = read_rows(buffer, (ROLES, (CLOCK, "import_wh"))).clock
    moments = [DateTime.decode(clock[at : at + 12]).utc_seconds() for at in range(0, len(clock), 12)]
    return [one for one in moments if one is not None]


def test_the_buffer_is_as_deep_as_the_companion_says_and_holds_the_truth() -> None:
    buffer = meter_of().get(7, QUARTER, 2, None)
    times = np.arange(-959, 1) * 900 + LAST
    assert stamps_of(buffer) == times.tolist()
    assert isinstance(buffer, bytes)
    rows = read_rows(buffer, (ROLES,))
    for name, truth in zip(("import_wh", "export_wh"), HOUSEHOLD.registers(times), strict=True):
        assert np.array_equal(rows.registers[name], truth)


def test_a_clock_that_is_ahead_has_captured_a_quarter_more() -> None:
    assert stamps_of(meter_of(clock_error_s=900).get(7, QUARTER, 2, None))[-1] == LAST + 900


def test_the_status_byte_goes_with_its_row() -> None:
    buffer = meter_of(status=lambda stamp: 0x80 if stamp == LAST else 0).get(7, QUARTER, 2, None)
    assert isinstance(buffer, bytes)
    status = read_rows(buffer, (ROLES,)).status
    assert status is not None
    assert status.tolist() == [0x08] * 959 + [0x88]


def by_range(first: int, last: int, **other: object) -> bytes:
    layout = layouts.of_companion(companions.load("smr-5.5"))
    stamp = {at: DateTime.of_utc(at, 7200, daylight_saving=True, **other).encode() for at in (first, last)}  # type: ignore[arg-type]  # deviation only
    return access.encode(Range(by=layout.columns[0], start=stamp[first], end=stamp[last]))


@pytest.mark.parametrize("deviation", [True, False])
def test_a_range_holds_both_its_ends(deviation: bool) -> None:
    asked = by_range(LAST - 3600, LAST - 900, deviation=deviation)
    assert stamps_of(meter_of().get(7, QUARTER, 2, asked)) == [LAST - 3600, LAST - 2700, LAST - 1800, LAST - 900]
    assert stamps_of(meter_of().get(7, QUARTER, 2, by_range(LAST - 1000, LAST - 950))) == []


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [(1, 2, [-959, -958]), (959, 0, [-1, 0]), (960, 960, [0]), (961, 970, []), (0, 1, [-959])],
)
def test_entries_count_from_one_and_zero_is_the_last(first: int, last: int, expected: list[int]) -> None:
    asked = access.encode(Entries(first=first, last=last))
    assert stamps_of(meter_of().get(7, QUARTER, 2, asked)) == [LAST + 900 * n for n in expected]


def test_columns_come_in_capture_order_unless_the_quirk_says_otherwise() -> None:
    columns = layouts.of_companion(companions.load("smr-5.5")).columns
    start, end = (DateTime.of_utc(at, 7200, daylight_saving=True).encode() for at in (LAST - 900, LAST))
    asked = access.encode(Range(by=columns[0], start=start, end=end, columns=(columns[2], columns[0])))
    for companion, order in ((quirky(), [0, 2]), (quirky(Quirk.COLUMNS_IN_REQUESTED_ORDER), [2, 0])):
        buffer = meter_of(companion).get(7, QUARTER, 2, asked)
        assert isinstance(buffer, bytes)
        tags = [member.tag for member in axdr.members(axdr.members(axdr.decode(buffer))[0])]
        assert tags == [{0: Tag.OCTET_STRING, 2: Tag.DOUBLE_LONG_UNSIGNED}[place] for place in order]
    stranger = replace(columns[1], data_index=3)
    unknown = access.encode(Range(by=columns[0], start=start, end=end, columns=(stranger,)))
    assert meter_of().get(7, QUARTER, 2, unknown) == OTHER_REASON


def test_an_access_that_is_none_is_refused() -> None:
    for asked in (b"", b"\x01", b"\x03\x00", b"\x01\x02\x00"):
        assert meter_of().get(7, QUARTER, 2, asked) == OTHER_REASON
    never = access.encode(
        Range(by=layouts.of_companion(companions.load("smr-5.5")).columns[0], start=b"\xff" * 12, end=b"\xff" * 12)
    )
    assert meter_of().get(7, QUARTER, 2, never) == OTHER_REASON


def refuses(quirk: Quirk, ask: Callable[[SimulatedMeter], bytes | int]) -> None:
    assert isinstance(ask(meter_of(quirky())), bytes)
    assert isinstance(ask(meter_of(quirky(quirk))), int)


def test_each_refusal_is_one() -> None:
    columns = layouts.of_companion(companions.load("smr-5.5")).columns
    start, end = (DateTime.of_utc(at, 7200, daylight_saving=True).encode() for at in (LAST - 900, LAST))
    chosen = access.encode(Range(by=columns[0], start=start, end=end, columns=columns[:1]))
    cases = {
        Quirk.REFUSES_RANGE: by_range(LAST - 900, LAST),
        Quirk.RANGE_WITHOUT_DEVIATION: by_range(LAST - 900, LAST),
        Quirk.RANGE_WITH_DEVIATION: by_range(LAST - 900, LAST, deviation=False),
        Quirk.REFUSES_ENTRY: access.encode(Entries(first=1, last=2)),
        Quirk.REFUSES_COLUMNS: chosen,
    }
    for quirk, asked in cases.items():
        refuses(quirk, partial(SimulatedMeter.get, class_id=7, obis=QUARTER, attribute=2, access=asked))
    some = access.encode(Entries(first=1, last=2, first_column=2, last_column=3))
    refuses(Quirk.REFUSES_COLUMNS, lambda meter: meter.get(7, QUARTER, 2, some))
    refuses(Quirk.REFUSES_SCALER, lambda meter: meter.get(3, obis("1-0:1.8.0"), 3, None))


def test_the_forms_of_a_buffer_hold_the_same() -> None:
    base = companions.load("smr-5.5")
    found = []
    for encoding in ("array", "null-compressed", "compact-array"):
        profiles = {**base.profiles, "quarter": replace(base.quarter, encoding=encoding)}
        meter = meter_of(replace(base, profiles=MappingProxyType(profiles)))
        buffer = meter.get(7, QUARTER, 2, by_range(LAST - 9000, LAST))
        assert isinstance(buffer, bytes)
        found.append(buffer)
        # A range in which nothing lies is an empty array in every form.
        assert meter.get(7, QUARTER, 2, by_range(LAST - 1000, LAST - 950)) == b"\x01\x00"
    assert found[2][0] == Tag.COMPACT_ARRAY
    assert len(found[0]) > len(found[2]) > len(found[1])
    registers = [read_rows(buffer, (ROLES,)).registers["import_wh"].tolist() for buffer in found]
    assert registers[0] == registers[1] == registers[2]


def test_the_opposite_sign_and_the_stray_tail() -> None:
    assert stamps_of(meter_of().get(7, QUARTER, 2, by_range(LAST, LAST))) == [LAST]
    meter = meter_of(quirky(Quirk.DEVIATION_SIGN_REVERSED, Quirk.TRAILING_BYTES_ON_CLOCK))
    clock = meter.get(8, CLOCK_AT, 2, None)
    assert isinstance(clock, bytes)
    assert len(clock) == 16
    shown = DateTime.decode(clock[2:14])
    assert shown.deviation_min == 120
    assert shown.utc_seconds(deviation_reversed=True) == int(NOW)
