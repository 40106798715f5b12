"""The outline and the codec see the same value."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.decode import outline
from kwartier.dlms import axdr
from kwartier.dlms.axdr import Data, Tag
from kwartier.errors import WireError
from tests.decode.building import reading

leaves = st.one_of(
    st.builds(axdr.u32, st.integers(0, 2**32 - 1)),
    st.builds(axdr.octets, st.binary(max_size=20)),
    st.builds(axdr.text, st.text(st.characters(codec="latin-1"), max_size=10)),
    st.just(axdr.NULL),
)
containers = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4).flatmap(
        lambda items: st.sampled_from([axdr.array(*items), axdr.structure(*items)])
    ),
    max_leaves=12,
)


def depth(data: Data) -> int:
    if data.tag not in (Tag.ARRAY, Tag.STRUCTURE):
        return 0
    return 1 + max((depth(one) for one in axdr.members(data)), default=0)


@given(containers.filter(lambda data: depth(data) <= axdr.MAX_DEPTH))
def test_the_whole_part_of_a_whole_value_is_that_value(data: Data) -> None:
    encoded = axdr.encode(data)
    assert outline.whole_part(encoded) == axdr.plain(data)
    rows = list(outline.items(encoded))
    assert [encoded[row.at] for row in rows] == [row.tag for row in rows]
    assert all(row.members is None or row.tag in (Tag.ARRAY, Tag.STRUCTURE) for row in rows)


def test_the_whole_part_of_a_cut_value_grows_with_it_and_invents_nothing() -> None:
    encoded = reading(3)
    whole: Any = outline.whole_part(encoded)
    for size in range(1, len(encoded)):
        part: Any = outline.whole_part(encoded[:size])
        if part is None:
            assert size < 2
            continue
        for row, expected in zip(part, whole, strict=False):
            assert row == expected[: len(row)]


def test_nonsense_within_is_an_error_and_no_end() -> None:
    with pytest.raises(WireError, match="tag 99"):
        outline.whole_part(bytes.fromhex("0202 1101 63"))
    with pytest.raises(WireError) as refused:
        list(outline.items(b"\x01\x01" * 20 + b"\x00"))
    assert refused.value.code == "too-deep"
