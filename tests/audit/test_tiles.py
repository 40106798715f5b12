"""Where the files of a tree are, and what is in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.audit.tiles import ENTRIES, MAX_RECORD_BYTES, Edge, Place, is_within, last_places, pack, unpack
from kwartier.audit.tree import leaf_hash


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (Place(level=0, index=0), "tile/0/000"),
        (Place(level=3, index=1_234_067), "tile/3/x001/x234/067"),
        (Place(level=0, index=999, width=1), "tile/0/999.p/1"),
        (Place(level=1, index=1000, width=255), "tile/1/x001/000.p/255"),
        (Place(level=ENTRIES, index=5), "tile/entries/005"),
        (Place(level=ENTRIES, index=256_000, width=17), "tile/entries/x256/000.p/17"),
    ],
)
def test_a_place_has_one_path(place: Place, path: str) -> None:
    assert str(place) == path
    assert Place.parse(path) == place


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/8/000",
        "tile/00/000",
        "tile/0/x000/001",
        "tile/0/x001/x000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p",
        "tile/0/000\n",
        "tile/0/\u0660\u0660\u0660",
        "/tile/0/000",
        "tile/entries/000.tmp",
    ],
)
def test_a_path_that_no_place_has_is_refused(path: str) -> None:
    assert Place.parse(path) is None


@given(st.integers(-1, 7), st.integers(0, 1 << 40), st.integers(1, 256))
def test_paths_and_places_are_one_to_one(level: int, index: int, width: int) -> None:
    place = Place(level=level, index=index, width=width)
    assert Place.parse(str(place)) == place


def test_the_example_of_the_specification_has_its_tiles() -> None:
    """A tree of 70 000: full are 273 tiles of level 0 and one of level 1; and of 256: one, and a hash of level 1."""
    assert [str(one) for one in last_places(70_000)] == [
        "tile/entries/273.p/112",
        "tile/0/273.p/112",
        "tile/1/001.p/17",
        "tile/2/000.p/1",
    ]
    assert [str(one) for one in last_places(256)] == ["tile/1/000.p/1"]
    assert last_places(0) == []
    edge = Edge()
    full = [place for number in range(70_000) for place, _ in edge.add(leaf_hash(number.to_bytes(4, "big")))]
    assert [sum(one.level == level for one in full) for level in range(3)] == [273, 1, 0]
    assert [place for place, _ in edge.partials()] == last_places(70_000)[1:]
    assert all(is_within(one, 70_000) for one in full)
    assert not is_within(Place(level=0, index=273), 70_000)
    assert not is_within(Place(level=1, index=1, width=18), 70_000)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=10), st.binary(max_size=5))
def test_what_is_packed_is_unpacked_and_what_follows_is_left(records: list[bytes], more: bytes) -> None:
    packed = pack(records)
    found, used = unpack(packed + more, len(records))
    assert (found, used) == (records, len(packed))


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=5), st.data())
def test_of_a_bundle_that_is_cut_the_whole_records_are_found(records: list[bytes], data: st.DataObject) -> None:
    packed = pack(records)
    cut = data.draw(st.integers(0, len(packed) - 1))
    found, used = unpack(packed[:cut])
    assert found == records[: len(found)]
    assert len(found) < len(records)
    assert used == len(pack(found))


@pytest.mark.parametrize("length", [0, MAX_RECORD_BYTES + 1])
def test_a_length_that_no_record_has_ends_a_bundle(length: int) -> None:
    assert unpack(pack([b"a"]) + length.to_bytes(2, "big") + bytes(length)) == ([b"a"], 3)
