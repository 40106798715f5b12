"""Layouts: what the columns are comes from the meter, and what is not whole Wh is refused."""

from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwartier.cosem import companion as companions
from kwartier.cosem import layout as layouts
from kwartier.cosem.access import MAX_COLUMNS, CaptureObject, object_data
from kwartier.cosem.layout import CLOCK, IGNORED, STATUS, Asking
from kwartier.dlms import axdr
from kwartier.dlms.axdr import Data, Tag
from kwartier.errors import InputError, WireError
from tests.cosem.buffers import EXPORT, IMPORT, LAYOUT

SMR = companions.load("smr-5.5")
CLOCK_COLUMN, STATUS_COLUMN, IMPORTED, EXPORTED = LAYOUT.columns


def column(class_id: int, obis: bytes, attribute: int = 2, data_index: int = 0) -> CaptureObject:
    return CaptureObject(class_id=class_id, obis=obis, attribute=attribute, data_index=data_index)


def test_columns_are_known_by_object_and_attribute_in_any_order() -> None:
    assert layouts.roles_of((EXPORTED, STATUS_COLUMN, IMPORTED, CLOCK_COLUMN), SMR) == (EXPORT, STATUS, IMPORT, CLOCK)


@pytest.mark.parametrize(
    "stranger",
    [
        column(3, bytes((1, 0, 32, 7, 0, 255))),
        column(3, IMPORTED.obis, 3),
        column(3, IMPORTED.obis, 2, 1),
        column(5, IMPORTED.obis),
        column(1, IMPORTED.obis),
        column(1, CLOCK_COLUMN.obis),
        column(3, STATUS_COLUMN.obis),
        column(8, CLOCK_COLUMN.obis, 4),
    ],
    ids=str,
)
def test_a_column_that_is_none_of_ours_is_dropped(stranger: CaptureObject) -> None:
    assert layouts.roles_of((CLOCK_COLUMN, stranger, EXPORTED), SMR) == (CLOCK, IGNORED, EXPORT)


def test_a_register_may_be_an_extended_one() -> None:
    assert layouts.roles_of((CLOCK_COLUMN, column(4, IMPORTED.obis)), SMR) == (CLOCK, IMPORT)


def test_a_profile_without_a_clock_or_with_one_object_twice_is_refused() -> None:
    for columns, code in (
        ((IMPORTED, EXPORTED), "no-clock-column"),
        ((CLOCK_COLUMN, IMPORTED, IMPORTED), "twice-captured"),
        ((CLOCK_COLUMN, CLOCK_COLUMN), "twice-captured"),
    ):
        with pytest.raises(WireError) as caught:
            layouts.roles_of(columns, SMR)
        assert caught.value.code == code


@pytest.mark.parametrize("scaler", range(13))
def test_a_scaler_of_whole_wh_is_a_number_of_wh(scaler: int) -> None:
    value = axdr.encode(axdr.structure(axdr.i8(scaler), axdr.enum(30)))
    assert layouts.scaler_unit(value, IMPORT) == 10**scaler


@pytest.mark.parametrize("scaler", [-128, -3, -1, 13, 127])
def test_a_scaler_that_leaves_parts_of_a_wh_is_refused(scaler: int) -> None:
    with pytest.raises(WireError, match="import_wh") as caught:
        layouts.scaler_unit(axdr.encode(axdr.structure(axdr.i8(scaler), axdr.enum(30))), IMPORT)
    assert caught.value.code == "scaler-not-whole-wh"


@pytest.mark.parametrize("unit", [0, 13, 27, 28, 29, 31, 32, 255])
def test_another_unit_is_refused_by_name(unit: int) -> None:
    with pytest.raises(WireError) as caught:
        layouts.scaler_unit(axdr.encode(axdr.structure(axdr.i8(0), axdr.enum(unit))), IMPORT)
    assert caught.value.code == "not-wh"


@pytest.mark.parametrize(
    "value",
    [
        axdr.u8(1),
        axdr.structure(axdr.i8(0)),
        axdr.array(axdr.i8(0), axdr.enum(30)),
        axdr.structure(axdr.NULL, axdr.enum(30)),
    ],
)
def test_a_scaler_unit_that_is_none_is_refused(value: Data) -> None:
    with pytest.raises(WireError) as caught:
        layouts.scaler_unit(axdr.encode(value), IMPORT)
    assert caught.value.code == "bad-attribute"


def test_the_scaler_of_a_demand_register_stands_elsewhere() -> None:
    assert [layouts.scaler_attribute(class_id) for class_id in (3, 4, 5)] == [3, 3, 4]


@pytest.mark.parametrize("value", [axdr.u32(900), axdr.u16(900), Data(Tag.LONG64_UNSIGNED, 900)])
def test_a_number_may_be_of_any_type(value: Data) -> None:
    assert layouts.whole_number(axdr.encode(value), "capture period") == 900


@pytest.mark.parametrize(
    "value", [Data(Tag.BOOLEAN, True), axdr.NULL, axdr.i8(-1), axdr.octets(b"9"), Data(Tag.LONG64_UNSIGNED, 2**32)]
)
def test_what_is_no_number_is_refused_by_name(value: Data) -> None:
    with pytest.raises(WireError, match="capture period") as caught:
        layouts.whole_number(axdr.encode(value), "capture period")
    assert caught.value.code == "bad-attribute"


def test_capture_objects_are_read_and_bounded() -> None:
    value = axdr.encode(axdr.array(*map(object_data, LAYOUT.columns)))
    assert layouts.capture_objects(value) == LAYOUT.columns
    for count in (0, MAX_COLUMNS + 1):
        with pytest.raises(WireError) as caught:
            layouts.capture_objects(axdr.encode(axdr.array(*[object_data(IMPORTED)] * count)))
        assert caught.value.code == "bad-capture-object"


def test_the_fingerprint_changes_with_the_meaning_and_with_nothing_else() -> None:
    whole = layouts.of_companion(SMR)
    assert whole.fingerprint == layouts.of_companion(companions.load("smr-5.0")).fingerprint
    assert whole.asked(Asking("entry")).fingerprint == whole.fingerprint
    changed = [
        replace(whole, columns=whole.columns[::-1]),
        replace(whole, roles=(CLOCK, IGNORED, *whole.roles[2:])),
        replace(whole, period_s=3600),
        replace(whole, entries=480),
        replace(whole, sort_method=2),
        replace(whole, multipliers=MappingProxyType({IMPORT: 10, EXPORT: 1})),
        replace(whole, assumed=("capture period",)),
    ]
    prints = {one.fingerprint for one in changed}
    assert len(prints) == len(changed)
    assert whole.fingerprint not in prints


ASKINGS = st.none() | st.builds(Asking, st.sampled_from(("range", "entry", "whole")), st.booleans(), st.booleans())


@given(ASKINGS, st.integers(1, 10_000), st.integers(1, 6), st.lists(st.text(max_size=20), max_size=4))
@settings(derandomize=True, max_examples=100)
def test_a_stored_layout_comes_back(asking: Asking | None, entries: int, sort_method: int, assumed: list[str]) -> None:
    layout = replace(LAYOUT, asking=asking, entries=entries, sort_method=sort_method, assumed=tuple(assumed))
    again = layouts.load(layout.dump())
    assert again == layout
    assert again.fingerprint == layout.fingerprint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        "x" * (1 << 17),
        LAYOUT.dump().replace('"clock"', '"import_wh"'),
        LAYOUT.dump().replace('"columns": [[', '"columns": [["x"], ['),
        LAYOUT.dump().replace('"import_wh": 1', '"other": 1'),
        LAYOUT.dump().replace('"roles": ["clock", ', '"roles": ["clock", "status", '),
        LAYOUT.dump().replace('"asking": null', '"asking": []'),
        "[" * 100_000,
    ],
    ids=lambda one: one[:40],
)
def test_a_stored_layout_that_does_not_read_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        layouts.load(text)
    assert caught.value.code == "bad-layout"
