"""From a buffer to columns: the fast path for even rows and the exact one say the same, or both refuse."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwartier.cosem.even import read_even
from kwartier.cosem.exact import read_exact
from kwartier.cosem.layout import CLOCK, IGNORED, STATUS
from kwartier.cosem.profile import read_rows
from kwartier.cosem.rows import INTEGERS, MAX_ROWS, Rows
from kwartier.dlms import axdr
from kwartier.dlms.axdr import CompactArray, Data, Tag
from kwartier.errors import WireError

IMPORT, EXPORT = "import_wh", "export_wh"
PLAIN = (CLOCK, STATUS, IMPORT, EXPORT)
STAMP = bytes.fromhex("07EA0304030F1E0000FFC400")

POSITIVE = {
    Tag.DOUBLE_LONG: 2**31 - 1,
    Tag.DOUBLE_LONG_UNSIGNED: 2**32 - 1,
    Tag.INTEGER: 127,
    Tag.LONG: 2**15 - 1,
    Tag.UNSIGNED: 255,
    Tag.LONG_UNSIGNED: 65535,
    Tag.LONG64: 2**63 - 1,
    Tag.LONG64_UNSIGNED: 2**63 - 1,
}
DROPPED = (
    st.integers(0, 255).map(axdr.u8)
    | st.binary(min_size=4, max_size=4).map(lambda octets: Data(Tag.FLOAT32, axdr.Float(octets)))
    | st.binary(max_size=5).map(axdr.octets)
    | st.just(axdr.NULL)
    | st.just(axdr.structure(axdr.u8(1), axdr.array(axdr.u16(2))))
    | st.booleans().map(lambda flag: Data(Tag.BOOLEAN, flag))
)


def test_every_integer_type_is_tried_here() -> None:
    assert set(POSITIVE) == set(INTEGERS)


@st.composite
def buffers(draw: st.DrawFn) -> tuple[bytes, tuple[str, ...], list[tuple[Data, ...]]]:
    """A buffer, its roles and its rows. Mostly even; now and then a row differs."""
    extra = draw(st.integers(0, 2))
    roles = tuple(draw(st.permutations([*PLAIN[: draw(st.integers(2, 4))], *[IGNORED] * extra])))
    uneven = draw(st.booleans())
    types = {role: draw(st.sampled_from(sorted(POSITIVE))) for role in roles}
    clock_tag = draw(st.sampled_from((Tag.OCTET_STRING, Tag.DATE_TIME)))
    status_tag = draw(st.sampled_from((Tag.UNSIGNED, Tag.ENUM, Tag.LONG_UNSIGNED)))
    dropped = [draw(DROPPED) for _ in roles]
    rows = []
    for number in range(draw(st.integers(0, 5))):
        row = []
        for place, role in enumerate(roles):
            odd = uneven and number > 0 and draw(st.integers(0, 4)) == 0
            if role == CLOCK:
                row.append(axdr.NULL if odd else Data(clock_tag, draw(st.binary(min_size=12, max_size=12))))
            elif role == STATUS:
                row.append(axdr.NULL if odd else Data(status_tag, draw(st.integers(0, 255))))
            elif role == IGNORED:
                row.append(draw(DROPPED) if odd else dropped[place])
            else:
                tag = draw(st.sampled_from((*sorted(POSITIVE), Tag.NULL_DATA))) if odd else types[role]
                row.append(Data(tag, None if tag == Tag.NULL_DATA else draw(st.integers(0, POSITIVE[tag]))))
        rows.append(tuple(row))
    return axdr.encode(axdr.array(*(axdr.structure(*row) for row in rows))), roles, rows


def _same(one: Rows, other: Rows) -> None:
    assert one.size == other.size
    assert one.clock == other.clock
    for mine, theirs in ((one.stamped, other.stamped), (one.status, other.status)):
        assert (mine is None) == (theirs is None)
        assert mine is None or theirs is None or mine.tolist() == theirs.tolist()
    assert set(one.registers) == set(other.registers)
    for name, column in one.registers.items():
        assert column.dtype == np.int64
        assert np.array_equal(column, other.registers[name])
    assert set(one.absent) == set(other.absent)
    for name, flags in one.absent.items():
        assert np.array_equal(flags, other.absent[name])


@given(buffers())
@settings(derandomize=True, max_examples=400)
def test_both_paths_give_what_the_rows_hold(made: tuple[bytes, tuple[str, ...], list[tuple[Data, ...]]]) -> None:
    buffer, roles, rows = made
    exact = read_exact(buffer, (roles,))
    even = read_even(buffer, (roles,))
    if even is not None:
        _same(even, exact)
    assert exact.size == len(rows)
    for role in set(roles) & {IMPORT, EXPORT} if rows else ():
        column = [row[roles.index(role)].value for row in rows]
        absent = exact.absent.get(role)
        assert [value is None for value in column] == (absent.tolist() if absent is not None else [False] * len(rows))
        assert [value or 0 for value in column] == exact.registers[role].tolist()
    stamps = [row[roles.index(CLOCK)].value for row in rows]
    assert exact.clock == b"".join(one for one in stamps if isinstance(one, bytes))


@given(buffers(), st.data())
@settings(derandomize=True, max_examples=500)
def test_both_paths_agree_on_damaged_buffers(
    made: tuple[bytes, tuple[str, ...], list[tuple[Data, ...]]], draw: st.DataObject
) -> None:
    buffer, roles, _ = made
    damaged = bytearray(buffer)
    for _ in range(draw.draw(st.integers(1, 2))):
        damaged[draw.draw(st.integers(0, len(damaged) - 1))] = draw.draw(st.integers(0, 255))
    cut = bytes(damaged[: draw.draw(st.integers(1, len(damaged)))] if draw.draw(st.booleans()) else damaged)
    _agree(cut, roles)


def _agree(buffer: bytes, roles: tuple[str, ...]) -> None:
    try:
        even = read_even(buffer, (roles,))
    except WireError:
        with pytest.raises(WireError):
            read_exact(buffer, (roles,))
        return
    if even is not None:
        _same(even, read_exact(buffer, (roles,)))


def _compact(rows: list[tuple[Data, ...]]) -> bytes:
    description = bytes((Tag.STRUCTURE, len(rows[0]))) + bytes(member.tag for member in rows[0])
    elements = tuple(axdr.structure(*row) for row in rows)
    return axdr.encode(Data(Tag.COMPACT_ARRAY, CompactArray(description, elements)))


@given(buffers(), st.data())
@settings(derandomize=True, max_examples=300)
def test_both_paths_agree_on_compact_arrays(
    made: tuple[bytes, tuple[str, ...], list[tuple[Data, ...]]], draw: st.DataObject
) -> None:
    _, roles, rows = made
    kinds = {tuple(member.tag for member in row) for row in rows}
    if len(kinds) != 1 or {Tag.STRUCTURE, Tag.ARRAY} & set(next(iter(kinds))):
        return
    buffer = _compact(rows)
    even, exact = read_even(buffer, (roles,)), read_exact(buffer, (roles,))
    if even is not None:
        _same(even, exact)
    _same(exact, read_exact(axdr.encode(axdr.array(*(axdr.structure(*row) for row in rows))), (roles,)))
    damaged = bytearray(buffer)
    damaged[draw.draw(st.integers(0, len(damaged) - 1))] = draw.draw(st.integers(0, 255))
    _agree(bytes(damaged), roles)


def row(number: int, **other: Data) -> tuple[Data, ...]:
    values = {
        "clock": axdr.octets(STAMP),
        "status": axdr.u8(number),
        "import_wh": axdr.u32(1000 + number),
        "export_wh": axdr.u32(5),
        **other,
    }
    return tuple(values[name] for name in ("clock", "status", "import_wh", "export_wh"))


def buffer_of(*rows: tuple[Data, ...]) -> bytes:
    return axdr.encode(axdr.array(*(axdr.structure(*one) for one in rows)))


def test_the_usual_buffer_takes_the_fast_path_tagged_and_compact() -> None:
    rows = [row(number) for number in range(96)]
    for buffer in (buffer_of(*rows), _compact(rows)):
        even = read_even(buffer, (PLAIN,))
        assert even is not None
        assert even.registers[IMPORT].tolist() == list(range(1000, 1096))
        assert even.stamped is None
        assert not even.absent


@pytest.mark.parametrize("count", [0, 1, 127, 128, 129, 256, MAX_ROWS])
def test_counts_of_one_two_and_three_bytes(count: int) -> None:
    buffer = buffer_of(*(row(number % 250) for number in range(count)))
    rows = read_rows(buffer, (PLAIN,))
    assert rows.size == count
    _same(rows, read_exact(buffer, (PLAIN,)))


def test_more_rows_than_any_buffer_are_refused() -> None:
    rows = [row(0)] * (MAX_ROWS + 1)
    for buffer in (buffer_of(*rows), _compact(rows)):
        for read in (read_even, read_exact):
            with pytest.raises(WireError) as caught:
                read(buffer, (PLAIN,))
            assert caught.value.code == "too-many-rows"


@pytest.mark.parametrize("tag", [Tag.INTEGER, Tag.LONG, Tag.DOUBLE_LONG, Tag.LONG64])
def test_a_register_below_zero_is_refused_by_both(tag: int) -> None:
    buffer = buffer_of(row(0), row(1))
    bad = buffer_of(row(0, import_wh=Data(tag, 5)), row(1, import_wh=Data(tag, -1)))
    assert read_rows(buffer, (PLAIN,)).size == 2
    for read in (read_even, read_exact):
        with pytest.raises(WireError) as caught:
            read(bad, (PLAIN,))
        assert caught.value.code == "bad-register"


def test_a_register_beyond_63_bits_is_refused_by_both() -> None:
    good = buffer_of(row(0, import_wh=Data(Tag.LONG64_UNSIGNED, 2**63 - 1)))
    assert read_rows(good, (PLAIN,)).registers[IMPORT].tolist() == [2**63 - 1]
    bad = buffer_of(row(0, import_wh=Data(Tag.LONG64_UNSIGNED, 2**63)))
    for read in (read_even, read_exact):
        with pytest.raises(WireError) as caught:
            read(bad, (PLAIN,))
        assert caught.value.code == "bad-register"


def test_a_null_stamp_counts_from_the_row_before_and_the_first_row_must_have_one() -> None:
    rows = read_rows(buffer_of(row(0), row(1, clock=axdr.NULL), row(2), row(3, clock=axdr.NULL)), (PLAIN,))
    assert rows.stamped is not None
    assert rows.stamped.tolist() == [0, 2]
    assert rows.clock == STAMP * 2
    with pytest.raises(WireError) as caught:
        read_rows(buffer_of(row(0, clock=axdr.NULL), row(1)), (PLAIN,))
    assert caught.value.code == "no-first-stamp"


def test_a_null_status_is_the_one_before_and_a_null_register_is_no_value() -> None:
    rows = read_rows(buffer_of(row(8), row(1, status=axdr.NULL), row(2, export_wh=axdr.NULL)), (PLAIN,))
    assert rows.status is not None
    assert rows.status.tolist() == [8, 8, 2]
    assert rows.absent[EXPORT].tolist() == [False, False, True]
    assert rows.registers[EXPORT].tolist() == [5, 5, 0]
    assert IMPORT not in rows.absent


def test_delta_types_add_to_the_row_before() -> None:
    delta = Data(Tag.DELTA_LONG_UNSIGNED, 40)
    back = Data(Tag.DELTA_INTEGER, -2)
    rows = read_rows(buffer_of(row(0), row(1, import_wh=delta), row(2, import_wh=back)), (PLAIN,))
    assert rows.registers[IMPORT].tolist() == [1000, 1040, 1038]


@pytest.mark.parametrize(
    "rows",
    [
        [row(0, import_wh=Data(Tag.DELTA_UNSIGNED, 1))],
        [row(0), row(1, import_wh=axdr.NULL), row(2, import_wh=Data(Tag.DELTA_UNSIGNED, 1))],
        [row(0, import_wh=axdr.u8(3)), row(1, import_wh=Data(Tag.DELTA_INTEGER, -4))],
    ],
    ids=["nothing before", "null before", "below zero"],
)
def test_a_difference_needs_a_value_before_it(rows: list[tuple[Data, ...]]) -> None:
    with pytest.raises(WireError) as caught:
        read_rows(buffer_of(*rows), (PLAIN,))
    assert caught.value.code == "bad-register"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"clock": axdr.u32(5)}, "bad-stamp"),
        ({"clock": axdr.octets(bytes(11))}, "bad-stamp"),
        ({"clock": Data(Tag.DATE, bytes(5))}, "bad-stamp"),
        ({"status": Data(Tag.LONG, -1)}, "bad-status"),
        ({"status": axdr.u16(256)}, "bad-status"),
        ({"status": axdr.octets(b"\x01")}, "bad-status"),
        ({"import_wh": axdr.octets(b"\x01")}, "bad-register"),
        ({"import_wh": Data(Tag.FLOAT32, axdr.Float(bytes(4)))}, "bad-register"),
        ({"import_wh": Data(Tag.BOOLEAN, True)}, "bad-register"),
        ({"import_wh": axdr.structure(axdr.u32(1))}, "bad-row"),
    ],
    ids=str,
)
def test_a_value_that_its_column_cannot_hold_is_refused(change: dict[str, Data], code: str) -> None:
    for rows in ([row(0, **change)], [row(0), row(1, **change)]):
        with pytest.raises(WireError) as caught:
            read_rows(buffer_of(*rows), (PLAIN,))
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("buffer", "code"),
    [
        (b"", "bad-buffer"),
        (b"\x00", "bad-buffer"),
        (b"\x02\x00", "bad-buffer"),
        (b"\x01\x01\x01\x04" + bytes(8), "bad-row"),
        (b"\x01\x01\x11\x04", "bad-row"),
        (axdr.encode(axdr.array(axdr.structure(axdr.octets(STAMP), axdr.u8(0)))), "bad-row"),
        (buffer_of(row(0)) + b"\x00", "trailing-bytes"),
        (b"\x01\x00" + buffer_of(row(0))[2:], "trailing-bytes"),
        (b"\x01\x02" + buffer_of(row(0))[2:], "truncated"),
        (b"\x01\x84\xff\xff\xff\xff", "too-many-rows"),
        (axdr.encode(axdr.array(axdr.structure(*row(0)), axdr.structure(*row(1)[:3]))), "bad-row"),
    ],
)
def test_a_buffer_that_is_none_is_refused(buffer: bytes, code: str) -> None:
    with pytest.raises(WireError) as caught:
        read_rows(buffer, (PLAIN,))
    assert caught.value.code == code


def test_the_number_of_columns_picks_the_shape() -> None:
    whole = (CLOCK, STATUS, IGNORED, IMPORT, EXPORT)
    asked = (CLOCK, IMPORT, EXPORT)
    stamp = axdr.octets(STAMP)
    three = axdr.encode(axdr.array(axdr.structure(stamp, axdr.u32(1), axdr.u32(2))))
    five = axdr.encode(axdr.array(axdr.structure(stamp, axdr.u8(8), axdr.u16(9), axdr.u32(1), axdr.u32(2))))
    for buffer in (three, five):
        for read in (read_even, read_exact):
            rows = read(buffer, (asked, whole))
            assert rows is not None
            assert rows.registers[IMPORT].tolist() == [1]
            assert rows.registers[EXPORT].tolist() == [2]


def test_a_dropped_column_may_hold_anything_and_is_not_kept() -> None:
    roles = (CLOCK, IGNORED, IMPORT)
    deep = axdr.array(*[axdr.octets(bytes(100))] * 200)
    buffer = axdr.encode(axdr.array(*(axdr.structure(axdr.octets(STAMP), deep, axdr.u32(n)) for n in range(5))))
    tracemalloc.start()
    try:
        rows = read_rows(buffer, (roles,))
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024
    finally:
        tracemalloc.stop()
    assert rows.registers[IMPORT].tolist() == [0, 1, 2, 3, 4]


def test_a_row_of_lies_is_refused_without_holding_it() -> None:
    wide = b"\x01\x01\x02\x82\x40\x00" + bytes(0x4000)
    tracemalloc.start()
    try:
        with pytest.raises(WireError) as caught:
            read_rows(wide, (PLAIN,))
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024
    finally:
        tracemalloc.stop()
    assert caught.value.code == "bad-row"


def test_the_repr_shows_no_value() -> None:
    assert repr(read_rows(buffer_of(row(0)), (PLAIN,))) == "<Rows 1: import_wh, export_wh>"
