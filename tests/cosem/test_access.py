"""Selective access: what is asked for comes back from its bytes, and anything else is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwartier.cosem import access
from kwartier.cosem.access import MAX_ACCESS_BYTES, MAX_COLUMNS, CaptureObject, Entries, Range
from kwartier.dlms import axdr
from kwartier.dlms.axdr import Data, Tag
from kwartier.dlms.obis import obis
from kwartier.errors import WireError

OBJECTS = st.builds(
    CaptureObject,
    class_id=st.integers(0, 0xFFFF),
    obis=st.binary(min_size=6, max_size=6),
    attribute=st.integers(-128, 127),
    data_index=st.integers(0, 0xFFFF),
)
STAMPS = st.binary(min_size=12, max_size=12)
RANGES = st.builds(Range, by=OBJECTS, start=STAMPS, end=STAMPS, columns=st.lists(OBJECTS, max_size=4).map(tuple))
U32, U16 = st.integers(0, 0xFFFF_FFFF), st.integers(0, 0xFFFF)
ENTRIES = st.builds(Entries, first=U32, last=U32, first_column=U16, last_column=U16)
CLOCK = CaptureObject(class_id=8, obis=obis("0-0:1.0.0"), attribute=2)


@given(RANGES | ENTRIES)
@settings(derandomize=True, max_examples=200)
def test_an_access_comes_back(asked: Range | Entries) -> None:
    assert access.parse(access.encode(asked)) == asked


def test_a_range_stands_on_the_wire_as_the_standard_says() -> None:
    # Blue Book 4.3.6: selector 1, restricting object, from, to, selected values; by hand.
    start, end = bytes.fromhex("07EA03040300000000FFC400"), bytes.fromhex("07EA03050400000000FFC400")
    expected = (
        "01 0204"
        " 0204 120008 09060000010000FF 0F02 120000"
        " 090C07EA03040300000000FFC400"
        " 090C07EA03050400000000FFC400"
        " 0100"
    )
    assert access.encode(Range(by=CLOCK, start=start, end=end)) == bytes.fromhex(expected.replace(" ", ""))


def test_entries_stand_on_the_wire_as_the_standard_says() -> None:
    # Blue Book 4.3.6: selector 2, from and to entry, from and to column; by hand.
    expected = "02 0204 0600000001 0600000060 120001 120000"
    assert access.encode(Entries(first=1, last=96)) == bytes.fromhex(expected.replace(" ", ""))


def test_a_date_time_with_its_own_tag_is_taken_too() -> None:
    stamp = Data(Tag.DATE_TIME, bytes(12))
    parameters = axdr.structure(access.object_data(CLOCK), stamp, stamp, axdr.array())
    assert access.parse(b"\x01" + axdr.encode(parameters)) == Range(by=CLOCK, start=bytes(12), end=bytes(12))


STAMP = axdr.octets(bytes(12))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x01",
        bytes(MAX_ACCESS_BYTES + 1),
        b"\x03" + axdr.encode(axdr.structure(*[axdr.u8(0)] * 4)),
        b"\x00" + axdr.encode(axdr.structure(*[axdr.u8(0)] * 4)),
        b"\x02" + axdr.encode(axdr.structure(*[axdr.u8(0)] * 3)),
        b"\x02" + axdr.encode(axdr.structure(axdr.u8(1), axdr.u8(1), axdr.u32(0x10000), axdr.u8(0))),
        b"\x02" + axdr.encode(axdr.structure(axdr.u64(2**32), axdr.u8(1), axdr.u8(1), axdr.u8(0))),
        b"\x02" + axdr.encode(axdr.structure(*[axdr.i8(-1)] * 4)),
        b"\x02" + axdr.encode(axdr.structure(*[Data(Tag.BOOLEAN, True)] * 4)),
        b"\x02" + axdr.encode(axdr.array(*[axdr.u8(0)] * 4)),
        b"\x01" + axdr.encode(axdr.structure(axdr.u8(1), STAMP, STAMP, axdr.array())),
        b"\x01" + axdr.encode(axdr.structure(access.object_data(CLOCK), axdr.u32(1), STAMP, axdr.array())),
        b"\x01" + axdr.encode(axdr.structure(access.object_data(CLOCK), STAMP, axdr.octets(b""), axdr.array())),
        b"\x01" + axdr.encode(axdr.structure(access.object_data(CLOCK), STAMP, STAMP, axdr.structure())),
        b"\x01" + axdr.encode(axdr.structure(access.object_data(CLOCK), STAMP, STAMP, axdr.array(axdr.u8(1)))),
        b"\x02" + axdr.encode(axdr.structure(*[axdr.u8(0)] * 4)) + b"\x00",
    ],
)
def test_anything_else_is_refused(octets: bytes) -> None:
    with pytest.raises(WireError):
        access.parse(octets)


def test_columns_are_bounded() -> None:
    columns = axdr.array(*[access.object_data(CLOCK)] * (MAX_COLUMNS + 1))
    with pytest.raises(WireError) as caught:
        access.parse(b"\x01" + axdr.encode(axdr.structure(access.object_data(CLOCK), STAMP, STAMP, columns)))
    assert caught.value.code == "bad-capture-object"


@given(st.binary(max_size=60))
@settings(derandomize=True, max_examples=300)
def test_any_bytes_are_an_access_or_a_typed_error(octets: bytes) -> None:
    try:
        asked = access.parse(octets)
    except WireError:
        return
    assert access.parse(access.encode(asked)) == asked


@pytest.mark.parametrize(
    "data",
    [
        axdr.NULL,
        axdr.structure(),
        axdr.structure(axdr.u16(8), axdr.octets(bytes(5)), axdr.i8(2), axdr.u16(0)),
        axdr.structure(axdr.u16(8), axdr.octets(bytes(6)), Data(Tag.BOOLEAN, True), axdr.u16(0)),
        axdr.array(axdr.u16(8), axdr.octets(bytes(6)), axdr.i8(2), axdr.u16(0)),
        axdr.structure(axdr.u32(0x10000), axdr.octets(bytes(6)), axdr.i8(2), axdr.u16(0)),
        axdr.structure(axdr.u16(8), axdr.octets(bytes(6)), axdr.u8(128), axdr.u16(0)),
        axdr.structure(axdr.u16(8), axdr.octets(bytes(6)), axdr.i8(2), axdr.i8(-1)),
        axdr.structure(axdr.octets(b"8"), axdr.octets(bytes(6)), axdr.i8(2), axdr.u16(0)),
    ],
)
def test_what_is_no_capture_object_is_refused(data: Data) -> None:
    with pytest.raises(WireError) as caught:
        access.object_of(data)
    assert caught.value.code == "bad-capture-object"


def test_a_capture_object_prints_as_people_write_it() -> None:
    assert str(CLOCK) == "0.0.1.0.0.255/8/2"
    assert str(CaptureObject(class_id=7, obis=CLOCK.obis, attribute=2, data_index=3)) == "0.0.1.0.0.255/7/2[3]"
