"""The kernel sums exactly what is in the lists: sliced or in chunks, by numpy or as machine code, all at once or in parts."""

import pickle
from collections.abc import Sequence
from datetime import date
from itertools import pairwise

import numpy as np
import pyarrow
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from kwartier.errors import StateError
from kwartier.model import Quality
from kwartier.settle import adding as room
from kwartier.settle.adding import COMPILED_FROM, add, adding, compiled
from kwartier.settle.kernel import QUALITIES, SettleKernel
from kwartier.settle.partial import CHANNELS, Partial, no_rows
from kwartier.settle.tables import Energy, Group, Membership
from kwartier.store import schema
from kwartier.store.validated import encode
from tests.compute.summing import GROUPS, membership, same, summed
from tests.store.volumes import volumes

SPRING, PLAIN, AUTUMN = date(2026, 3, 29), date(2026, 11, 24), date(2026, 10, 25)
SEED = 20_261_128
MOST, LEAST = 2**31 - 1, -(2**31)
LIST = pyarrow.list_(pyarrow.field("element", pyarrow.int32(), nullable=False))


def table(
    ids: Sequence[int],
    energy_wh: Sequence[Sequence[Sequence[int]]],
    quality: Sequence[Sequence[bytes | None]] | None = None,
) -> pyarrow.Table:
    """``energy_wh`` and ``quality`` by channel and row."""
    said = quality or [[None] * len(ids)] * 2
    return pyarrow.table(
        [
            pyarrow.array(ids, pyarrow.int64()),
            *(pyarrow.array(list(map(list, rows)), LIST) for rows in energy_wh),
            *(pyarrow.array(list(rows), pyarrow.binary()) for rows in said),
        ],
        schema=pyarrow.schema(
            [
                pyarrow.field("id", pyarrow.int64(), nullable=False),
                *(pyarrow.field(name, LIST, nullable=False) for name in CHANNELS),
                *(pyarrow.field(name, pyarrow.binary()) for name in QUALITIES.values()),
            ]
        ),
    )


def two_groups(ids: Sequence[int], group: Sequence[int]) -> Membership:
    groups = (Group("A", "X", "S", "SMA"), Group("A", "Y", "S", "SMA"))
    connection = np.arange(len(ids))
    return Membership(
        groups=groups, ids=np.array(ids, np.int64), group=np.array(group, np.int32), connection=connection
    )


def test_sums_by_hand() -> None:
    kernel = SettleKernel(two_groups([1, 2, 4], [0, 1, 0]), 3)
    found = kernel.map(
        table(
            [1, 2, 3, 4],
            [
                [[1, 2, 3], [10, 20, 30], [100, 200, 300], [MOST, MOST, MOST]],
                [[0, 0, 7], [0, 0, 0], [9, 9, 9], [1, 1, 1]],
            ],
            [
                [bytes([1, 2, 0]), None, bytes([3, 3, 3]), bytes([0, 4, 2])],
                [None, bytes([4, 4, 4]), None, bytes([1, 1, 1])],
            ],
        )
    )
    assert found.rows.tolist() == [2, 1]
    assert found.energy_wh.tolist() == [
        [[MOST + 1, MOST + 2, MOST + 3], [1, 1, 8]],
        [[10, 20, 30], [0, 0, 0]],
    ]
    assert found.calculated_wh.tolist() == [[[1, 0, 0], [1, 1, 1]], [[0, 0, 0], [0, 0, 0]]]
    assert found.estimated_wh.tolist() == [[[0, 2, MOST], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]]


@pytest.mark.parametrize("machine_code", [False, True])
def test_sums_beyond_32_bits_are_exact(machine_code: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "COMPILED_FROM", 0 if machine_code else 10**9)
    count = 5_000
    rows = np.full((count, 4), MOST, np.int32)
    rows.flags.writeable = False
    found = no_rows(2, 4)
    adding(count)(rows, np.ones(count, np.int32), found.energy_wh, 1)
    assert found.energy_wh[1, 1].tolist() == [count * MOST] * 4
    assert int(found.energy_wh.sum()) == 4 * count * MOST


@seed(SEED)
@settings(max_examples=60)
@given(data=st.data())
def test_both_forms_add_alike(data: st.DataObject) -> None:
    count, quarters = data.draw(st.integers(0, 30)), data.draw(st.integers(1, 5))
    values = data.draw(st.lists(st.integers(LEAST, MOST), min_size=count * quarters, max_size=count * quarters))
    group = np.array(data.draw(st.lists(st.integers(-2, 4), min_size=count, max_size=count)), np.int32)
    rows = np.array(values, np.int32).reshape(count, quarters)
    rows.flags.writeable = False
    by_numpy, by_machine, by_hand = (np.full((5, 2, quarters), 3, np.int64) for _ in range(3))
    for row, place in enumerate(group.tolist()):
        if place >= 0:
            for quarter in range(quarters):
                by_hand[place, 1, quarter] += int(rows[row, quarter])
    add(rows, group, by_numpy, 1)
    compiled()(rows, group, by_machine, 1)
    assert by_numpy.tolist() == by_machine.tolist() == by_hand.tolist()


@pytest.mark.parametrize("day", [SPRING, PLAIN, AUTUMN])
@pytest.mark.parametrize("machine_code", [False, True])
def test_what_validation_writes_is_summed_as_one_would_by_hand(
    day: date, machine_code: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "COMPILED_FROM", 0 if machine_code else 10**9)
    whole = volumes(day, range(-25, 25), seed=4)
    who, quarters = membership(range(-40, 40)), whole.energy_wh["import_wh"].shape[1]
    assert same(SettleKernel(who, quarters).map(encode(1, whole)), summed(who, [whole], quarters))


@seed(SEED)
@settings(max_examples=40)
@given(edges=st.lists(st.integers(0, 50), max_size=5), keep=st.lists(st.booleans(), min_size=50, max_size=50))
def test_slices_chunks_and_filters_are_summed_where_they_lie(edges: list[int], keep: list[bool]) -> None:
    whole = encode(1, volumes(PLAIN, range(50), seed=5))
    kernel = SettleKernel(membership(range(50)), 96)
    wanted = kernel.map(whole)
    cuts = [0, *sorted(edges), 50]
    parts = [whole.slice(first, last - first) for first, last in pairwise(cuts)]
    assert same(kernel.map(pyarrow.concat_tables(parts)), wanted)
    so_far: Partial | None = None
    for part in parts:
        so_far = kernel.map(part, so_far)
    assert same(so_far, wanted)
    mask = pyarrow.array(keep)
    left, right = whole.filter(mask), whole.filter(pyarrow.array([not one for one in keep]))
    assert same(kernel.merge(kernel.map(left), kernel.map(right)), wanted)


def test_the_lists_are_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encode(1, volumes(PLAIN, range(50), seed=6, measured=True)).slice(10, 20)
    seen: list[int] = []

    def watching(rows: room.Rows, group: room.Groups, onto: Energy, channel: int) -> None:
        seen.append(rows.ctypes.data)
        add(rows, group, onto, channel)

    kernel = SettleKernel(membership(range(50)), 96)
    monkeypatch.setattr(kernel, "_add", watching)
    kernel.map(whole)
    places = []
    for name in CHANNELS:
        (chunk,) = whole[name].chunks
        values = chunk.buffers()[3]
        assert values is not None
        places.append(values.address + chunk.offset * 96 * 4)
    assert seen == places


def test_it_says_the_same_after_a_journey() -> None:
    kernel = SettleKernel(membership(range(50)), 96)
    arrived = pickle.loads(pickle.dumps(kernel))  # noqa: S301 - what was pickled on the line itself
    whole = encode(1, volumes(PLAIN, range(50), seed=7))
    assert same(arrived.map(whole), kernel.map(whole))


def test_nobody_and_nothing() -> None:
    nobody = Membership(
        groups=(), ids=np.zeros(0, np.int64), group=np.zeros(0, np.int32), connection=np.zeros(0, np.int64)
    )
    whole = encode(1, volumes(PLAIN, range(50), seed=8))
    assert SettleKernel(nobody, 96).map(whole).energy_wh.shape == (0, 2, 96)
    found = SettleKernel(membership(range(50)), 96).map(whole.slice(0, 0))
    assert found.energy_wh.shape == (len(GROUPS), 2, 96)
    assert not found.energy_wh.any()
    assert not found.rows.any()


def test_small_fleets_wait_for_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def never() -> room.Add:
        raise AssertionError("a thousand meters are summed before a compiler is loaded")

    monkeypatch.setattr(room, "compiled", never)
    assert adding(1_000) is add
    with pytest.raises(AssertionError):
        adding(COMPILED_FROM)


def test_columns_are_those_of_the_store() -> None:
    assert schema.QUALITIES == QUALITIES
    assert schema.CHANNELS == CHANNELS


GOOD = table([1], [[[1, 2, 3]], [[4, 5, 6]]])


def with_column(name: str, column: "pyarrow.Array[pyarrow.Scalar[pyarrow.DataType]]") -> pyarrow.Table:
    return GOOD.set_column(GOOD.column_names.index(name), name, column)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (with_column("import_wh", pyarrow.array([[1, 2]], LIST)), "quarters"),
        (with_column("import_wh", pyarrow.array([[1, 2, 3, 4]], LIST)), "quarters"),
        (with_column("export_wh", pyarrow.array([None], LIST)), "no volumes"),
        (with_column("import_wh", pyarrow.array([[1, 2, 3]], pyarrow.list_(pyarrow.int32()))), "int32"),
        (with_column("import_wh", pyarrow.array([[1, 2, 3]], pyarrow.list_(pyarrow.int64()))), "int32"),
        (with_column("import_wh", pyarrow.array([[1.5, 2, 3]], pyarrow.list_(pyarrow.float64()))), "int32"),
        (with_column("quality_import", pyarrow.array([b"\x00\x00"])), "quality"),
        (with_column("quality_import", pyarrow.array(["\x00\x00\x00"])), "binary"),
        (with_column("quality_export", pyarrow.array([bytes([0, Quality.MISSING, 0])])), "missing"),
        (with_column("quality_export", pyarrow.array([bytes([0, len(Quality), 0])])), "nobody knows"),
        (with_column("quality_export", pyarrow.array([bytes([0, 255, 0])])), "nobody knows"),
    ],
)
def test_what_is_of_another_form_is_refused(bad: pyarrow.Table, why: str) -> None:
    kernel = SettleKernel(two_groups([1], [0]), 3)
    assert kernel.map(GOOD).rows.tolist() == [1, 0]
    with pytest.raises(StateError, match=why) as refused:
        kernel.map(bad)
    assert refused.value.code == "bad-table"
