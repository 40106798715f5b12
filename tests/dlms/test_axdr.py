"""COSEM data: every type both ways, the bounds, and passing over what reading would have taken."""

import re
import struct
import tomllib
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gurux_dlms import GXByteBuffer
from gurux_dlms.internal._GXCommon import _GXCommon
from gurux_dlms.internal._GXDataInfo import _GXDataInfo
from hypothesis import given, settings
from hypothesis import strategies as st

from kwartier.dlms import axdr
from kwartier.dlms.axdr import BitString, CompactArray, Data, Float, Tag
from kwartier.dlms.compact import MAX_STEPS, VALUES_PER_BYTE
from kwartier.dlms.cursor import Cursor
from kwartier.errors import StateError, WireError

VECTORS = Path(__file__).parents[1] / "vectors" / "axdr.toml"
ROWS = tomllib.loads(VECTORS.read_text("utf-8"))["data"]
KIB = 1024


def unhex(text: str) -> bytes:
    return bytes.fromhex(re.sub(r"\s", "", text))


# Values of every type.

INTEGER_BITS = {
    Tag.DOUBLE_LONG: (32, True),
    Tag.DOUBLE_LONG_UNSIGNED: (32, False),
    Tag.BCD: (8, False),
    Tag.INTEGER: (8, True),
    Tag.LONG: (16, True),
    Tag.UNSIGNED: (8, False),
    Tag.LONG_UNSIGNED: (16, False),
    Tag.LONG64: (64, True),
    Tag.LONG64_UNSIGNED: (64, False),
    Tag.ENUM: (8, False),
    Tag.DELTA_INTEGER: (8, True),
    Tag.DELTA_LONG: (16, True),
    Tag.DELTA_DOUBLE_LONG: (32, True),
    Tag.DELTA_UNSIGNED: (8, False),
    Tag.DELTA_LONG_UNSIGNED: (16, False),
    Tag.DELTA_DOUBLE_LONG_UNSIGNED: (32, False),
}


def _range(bits: int, signed: bool) -> tuple[int, int]:
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


@st.composite
def bit_strings(draw: st.DrawFn) -> BitString:
    length = draw(st.integers(0, 200))
    size = (length + 7) // 8
    return BitString(length, draw(st.binary(min_size=size, max_size=size)))


def _fixed(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


VALUES: dict[int, st.SearchStrategy[Any]] = {
    Tag.NULL_DATA: st.none(),
    Tag.BOOLEAN: st.booleans(),
    Tag.BIT_STRING: bit_strings(),
    Tag.FLOATING_POINT: _fixed(4).map(Float),
    Tag.OCTET_STRING: st.binary(max_size=300),
    Tag.VISIBLE_STRING: st.binary(max_size=300).map(lambda octets: octets.decode("latin-1")),
    Tag.UTF8_STRING: st.binary(max_size=300).map(lambda octets: octets.decode("utf-8", "surrogateescape")),
    Tag.FLOAT32: _fixed(4).map(Float),
    Tag.FLOAT64: _fixed(8).map(Float),
    Tag.DATE_TIME: _fixed(12),
    Tag.DATE: _fixed(5),
    Tag.TIME: _fixed(4),
    Tag.DONT_CARE: st.none(),
    **{tag: st.integers(*_range(*bits)) for tag, bits in INTEGER_BITS.items()},
}


def _of(tag: int) -> st.SearchStrategy[Data]:
    return VALUES[tag].map(lambda value: Data(tag, value))


@st.composite
def compact_arrays(draw: st.DrawFn) -> Data:
    """Elements that all follow one description: simple types, a structure of them, or an array within."""
    tags = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4))
    form = draw(st.sampled_from(("simple", "structure", "array")))
    count = draw(st.integers(0, 4))
    if form == "simple":
        description, one = bytes((tags[0],)), _of(tags[0])
    elif form == "structure":
        description = bytes((Tag.STRUCTURE, len(tags), *tags))
        one = st.tuples(*map(_of, tags)).map(lambda members: Data(Tag.STRUCTURE, members))
    else:
        length = draw(st.integers(1, 3))
        description = bytes((Tag.ARRAY, 0, length, tags[0]))
        one = st.tuples(*[_of(tags[0])] * length).map(lambda members: Data(Tag.ARRAY, members))
    elements = draw(st.tuples(*[one] * count))
    contents = axdr.encode(Data(Tag.COMPACT_ARRAY, CompactArray(description, elements)))
    values = sum(1 if form == "simple" else 1 + len(element.value) for element in elements)
    # Elements that take hardly any bytes are refused; that has tests of its own.
    if values > VALUES_PER_BYTE * (len(contents) - len(description) - 2):
        elements = ()
    return Data(Tag.COMPACT_ARRAY, CompactArray(description, elements))


SIMPLE = st.sampled_from(sorted(VALUES)).flatmap(_of)


def _containers(inner: st.SearchStrategy[Data]) -> st.SearchStrategy[Data]:
    members = st.lists(inner, max_size=4).map(tuple)
    return st.builds(Data, st.sampled_from((Tag.ARRAY, Tag.STRUCTURE)), members)


def _depth(data: Data) -> int:
    members = axdr.members(data)
    return (1 + max(map(_depth, members), default=0)) if data.tag in (Tag.ARRAY, Tag.STRUCTURE) else 0


DATA = st.recursive(SIMPLE | compact_arrays(), _containers, max_leaves=12).filter(
    lambda data: _depth(data) <= axdr.MAX_DEPTH
)


# Both directions.


def test_every_type_of_the_table_is_generated_here() -> None:
    assert set(VALUES) == set(axdr.KINDS)
    assert set(axdr.KINDS) | {Tag.ARRAY, Tag.STRUCTURE, Tag.COMPACT_ARRAY} == set(Tag)


@given(DATA)
@settings(derandomize=True, max_examples=400)
def test_what_is_encoded_decodes_to_the_same(data: Data) -> None:
    octets = axdr.encode(data)
    assert axdr.decode(octets) == data
    cursor = Cursor(octets + b"\x00")
    axdr.skip(cursor)
    assert cursor.at == len(octets)


@pytest.mark.parametrize("tag", sorted(axdr.KINDS))
@given(draw=st.data())
@settings(derandomize=True, max_examples=25)
def test_each_type_survives_by_itself(tag: int, draw: st.DataObject) -> None:
    data = draw.draw(_of(tag))
    octets = axdr.encode(data)
    assert octets[0] == tag
    assert axdr.decode(octets) == data
    size = axdr.KINDS[tag].size
    assert size is None or len(octets) == 1 + size


@pytest.mark.parametrize(("tag", "bits"), INTEGER_BITS.items(), ids=lambda one: getattr(one, "name", ""))
def test_a_number_that_does_not_fit_is_refused_and_the_extremes_are_not(tag: int, bits: tuple[int, bool]) -> None:
    low, high = _range(*bits)
    for number in (low, high):
        assert axdr.decode(axdr.encode(Data(tag, number))).value == number
    for number in (low - 1, high + 1):
        with pytest.raises(StateError, match="does not fit") as caught:
            axdr.encode(Data(tag, number))
        assert caught.value.code == "unbuildable"


@pytest.mark.parametrize(
    "data",
    [
        Data(Tag.UNSIGNED, "1"),
        Data(Tag.BOOLEAN, 2),
        Data(Tag.OCTET_STRING, "text"),
        Data(Tag.DATE_TIME, bytes(11)),
        Data(Tag.DATE, bytes(6)),
        Data(Tag.TIME, bytes(3)),
        Data(Tag.VISIBLE_STRING, b"bytes"),
        Data(Tag.VISIBLE_STRING, "€"),
        Data(Tag.UTF8_STRING, "\ud800"),
        Data(Tag.BIT_STRING, BitString(9, b"\x00")),
        Data(Tag.BIT_STRING, b"\x00"),
        Data(Tag.FLOAT64, Float(bytes(4))),
        Data(Tag.FLOAT32, 3),
        Data(Tag.ARRAY, None),
        Data(Tag.STRUCTURE, BitString(8, b"\x00")),
        Data(Tag.COMPACT_ARRAY, ()),
        Data(8, None),
        Data(34, 0),
    ],
)
def test_a_value_that_is_not_of_its_type_is_refused(data: Data) -> None:
    with pytest.raises(StateError) as caught:
        axdr.encode(data)
    assert caught.value.code == "unbuildable"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_vector_decodes_shows_and_encodes_back(row: dict[str, Any]) -> None:
    octets = unhex(row["hex"])
    data = axdr.decode(octets)
    assert axdr.plain(data) == (None if row["plain"] == "null" else row["plain"])
    assert axdr.encode(data) == octets


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_vector_cut_short_or_with_a_tail_is_refused(row: dict[str, Any]) -> None:
    octets = unhex(row["hex"])
    for size in range(len(octets)):
        with pytest.raises(WireError):
            axdr.decode(octets[:size])
    with pytest.raises(WireError) as caught:
        axdr.decode(octets + b"\x00")
    assert caught.value.code == "trailing-bytes"


@pytest.mark.parametrize("row", [row for row in ROWS if row.get("gurux")], ids=lambda row: row["name"])
def test_a_foreign_decoder_reads_the_vector_to_the_same_value(row: dict[str, Any]) -> None:
    def bare(value: object) -> object:
        if isinstance(value, list):
            return [bare(one) for one in value]
        if isinstance(value, float):
            return float(value)
        return int(value) if isinstance(value, int) and not isinstance(value, bool) else value

    theirs = _GXCommon.getData(None, GXByteBuffer(unhex(row["hex"])), _GXDataInfo())
    assert bare(theirs) == (None if row["plain"] == "null" else row["plain"])


def test_a_nan_keeps_its_bytes_and_a_number_its_value() -> None:
    for octets in (b"\x7f\xc0\x00\x01", b"\xff\x80\x00\x01"):
        data = axdr.decode(b"\x17" + octets)
        assert axdr.encode(data)[1:] == octets
    assert Float(struct.pack(">d", 0.1)).number == 0.1


def test_text_that_is_no_text_survives_and_shows() -> None:
    for tag in (Tag.VISIBLE_STRING, Tag.UTF8_STRING):
        octets = bytes((tag, 3, 0xFF, 0x41, 0x80))
        data = axdr.decode(octets)
        assert axdr.encode(data) == octets
        shown = axdr.plain(data)
        assert isinstance(shown, str)
        assert "A" in shown
        shown.encode("utf-8")


def test_any_byte_but_zero_is_true_and_a_long_length_is_read() -> None:
    assert axdr.decode(b"\x03\x7f").value is True
    assert axdr.decode(b"\x09\x84\x00\x00\x00\x01\xaa").value == b"\xaa"
    assert axdr.decode(b"\x01\x82\x00\x01\x11\x05") == axdr.array(axdr.u8(5))


# Bounds.


def _nested(depth: int, tag: int = Tag.STRUCTURE) -> bytes:
    return bytes((tag, 1)) * depth + b"\x11\x01"


@pytest.mark.parametrize("tag", [Tag.ARRAY, Tag.STRUCTURE])
def test_eight_deep_is_read_and_nine_is_refused(tag: int) -> None:
    assert _depth(axdr.decode(_nested(8, tag))) == axdr.MAX_DEPTH
    for octets in (_nested(9, tag), _nested(100_000, tag)):
        for take in (axdr.read, axdr.skip):
            with pytest.raises(WireError) as caught:
                take(Cursor(octets))
            assert caught.value.code == "too-deep"


def test_a_description_nested_too_deep_is_refused() -> None:
    for inner, ok in ((8, True), (9, False), (50_000, False)):
        octets = b"\x13" + b"\x02\x01" * inner + b"\x11\x01\x07"
        if ok:
            assert axdr.encode(axdr.decode(octets)) == octets
        else:
            with pytest.raises(WireError) as caught:
                axdr.decode(octets)
            assert caught.value.code == "too-deep"


def test_a_count_that_the_bytes_cannot_hold_is_refused_before_anything_is_allocated() -> None:
    tracemalloc.start()
    try:
        for take in (axdr.read, axdr.skip):
            for octets in (b"\x01\x84\xff\xff\xff\xff\x00", b"\x09\x84\xff\xff\xff\xff", b"\x04\x84\xff\xff\xff\xff"):
                with pytest.raises(WireError) as caught:
                    take(Cursor(octets))
                assert caught.value.code == "truncated"
        assert tracemalloc.get_traced_memory()[1] < 64 * KIB
    finally:
        tracemalloc.stop()


def test_more_values_than_any_answer_are_refused() -> None:
    def array_of(count: int) -> bytes:
        return b"\x01\x83" + count.to_bytes(3, "big") + bytes(count)

    assert len(axdr.members(axdr.decode(array_of(axdr.MAX_ELEMENTS - 1)))) == axdr.MAX_ELEMENTS - 1
    half = array_of(axdr.MAX_ELEMENTS // 2)
    for octets in (array_of(axdr.MAX_ELEMENTS), array_of(axdr.MAX_ELEMENTS + 1), b"\x02\x02" + half + half):
        for take in (axdr.read, axdr.skip):
            with pytest.raises(WireError) as caught:
                take(Cursor(octets))
            assert caught.value.code == "too-many-elements"


def test_more_bytes_than_any_answer_are_refused() -> None:
    def octets(size: int) -> bytes:
        return b"\x09\x83" + size.to_bytes(3, "big") + bytes(size)

    axdr.decode(octets(axdr.MAX_BYTES - 5))
    for take in (axdr.read, axdr.skip):
        with pytest.raises(WireError) as caught:
            take(Cursor(octets(axdr.MAX_BYTES)))
        assert caught.value.code == "too-many-elements"


BOMBS = {
    "arrays of arrays in a description": b"\x13" + b"\x01\xff\xff" * 7 + b"\x11\x01\x00",
    "a structure of long arrays": b"\x13\x02\x7f" + b"\x01\xff\xff\x11" * 127 + b"\x01\x00",
    "null-data that takes no bytes": b"\x13\x02\x02\x11\x01\x03\xe8\x00" + b"\x82\x02\x00" + bytes(0x200),
    "elements of nothing": b"\x13\x00\x82\x40\x00" + bytes(0x4000),
    "an array of nothing": b"\x13\x01\x00\x00\x11\x01\x05",
    "many compact arrays": b"\x01\x82\x10\x00" + (b"\x13\x02\x02\x11\x01\x03\xe0\x00\x01\x07") * 0x1000,
}


@pytest.mark.parametrize("octets", BOMBS.values(), ids=BOMBS)
def test_a_few_bytes_do_not_become_many_values(octets: bytes) -> None:
    tracemalloc.start()
    try:
        for take in (axdr.read, axdr.skip):
            with pytest.raises(WireError) as caught:
                take(Cursor(octets))
            assert caught.value.code == "too-many-elements"
        assert tracemalloc.get_traced_memory()[1] < 256 * KIB
    finally:
        tracemalloc.stop()


def test_an_element_of_the_largest_size_is_read() -> None:
    members = MAX_STEPS - 1
    octets = b"\x13\x01" + members.to_bytes(2, "big") + b"\x11\x82" + members.to_bytes(2, "big") + bytes(members)
    assert axdr.encode(axdr.decode(octets)) == octets


@pytest.mark.parametrize("tag", [8, 11, 14, 34, 99, 254])
def test_an_unknown_tag_is_refused_with_its_place(tag: int) -> None:
    for octets in (bytes((tag, 0)), bytes((2, 2, 0, tag)), bytes((0x13, 2, 1, tag, 0))):
        with pytest.raises(WireError, match=f"tag {tag} ") as caught:
            axdr.decode(octets)
        assert caught.value.code == "bad-data-tag"


def test_a_compact_array_within_a_description_is_refused() -> None:
    with pytest.raises(WireError):
        axdr.decode(b"\x13\x13\x11\x01\x00")


# Passing over.


def _outcome(take: Callable[[Cursor], object], octets: bytes) -> tuple[str, int]:
    cursor = Cursor(octets)
    try:
        take(cursor)
    except WireError as error:
        return error.code, -1
    return "", cursor.at


@given(st.binary(max_size=80) | st.lists(st.sampled_from(range(0x16)), max_size=60).map(bytes))
@settings(derandomize=True, max_examples=1500)
def test_skip_agrees_with_read_on_any_bytes(octets: bytes) -> None:
    assert _outcome(axdr.skip, octets) == _outcome(axdr.read, octets)


@given(DATA, st.data())
@settings(derandomize=True, max_examples=200)
def test_skip_agrees_with_read_on_bytes_that_were_damaged(data: Data, draw: st.DataObject) -> None:
    octets = bytearray(axdr.encode(data))
    octets[draw.draw(st.integers(0, len(octets) - 1))] = draw.draw(st.integers(0, 255))
    damaged = bytes(octets[: draw.draw(st.integers(1, len(octets)))])
    assert _outcome(axdr.skip, damaged) == _outcome(axdr.read, damaged)


@given(st.binary(max_size=60))
@settings(derandomize=True, max_examples=500)
def test_what_decodes_from_any_bytes_is_stable(octets: bytes) -> None:
    try:
        data = axdr.decode(octets)
    except WireError:
        return
    assert axdr.decode(axdr.encode(data)) == data
    axdr.plain(data)
