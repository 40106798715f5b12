"""Offsets survive cutting and joining, however often."""

from hypothesis import given
from hypothesis import strategies as st

from kwartier.decode.stretch import Stretch, joined

SIZE = 200
pairs = st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)).map(sorted)


@given(st.lists(st.lists(pairs, min_size=1, max_size=5), min_size=1, max_size=4), st.data())
def test_every_byte_knows_where_it_stood(layers: list[list[list[int]]], data: st.DataObject) -> None:
    # Each byte of the capture is its own offset, so a byte that knows its place says so itself.
    stretch = Stretch(bytes(range(SIZE)))
    for cuts in layers:
        size = len(stretch)
        stretch = joined([stretch.cut(min(start, size), min(stop, size)) for start, stop in cuts])
        start = data.draw(st.integers(0, len(stretch)))
        stretch = stretch.cut(start, data.draw(st.integers(start, len(stretch))))
    assert [stretch.offset(place) for place in range(len(stretch))] == list(stretch.data)


def test_other_bytes_at_the_same_places_keep_their_offsets() -> None:
    stretch = joined([Stretch(b"0123456789").cut(2, 4), Stretch(b"0123456789").cut(8)])
    assert stretch.data == b"2389"
    assert [stretch.replaced(b"abcd").offset(place) for place in range(4)] == [2, 3, 8, 9]


def test_the_repr_shows_no_bytes() -> None:
    assert repr(Stretch(b"secret")) == "<Stretch of 6 bytes from 0>"
