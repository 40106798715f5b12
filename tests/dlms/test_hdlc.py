"""HDLC frames: bytes to frames and back, however the line cuts them; noise that adds up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.dlms.hdlc import (
    MAX_NOISE_BYTES,
    Address,
    BadFrame,
    Frame,
    FrameReader,
    Parameters,
    parse_frame,
)
from kwartier.errors import WireError

addresses = st.one_of(
    st.builds(Address, st.integers(0, 0x7F)),
    st.builds(Address, st.integers(0, 0x7F), st.integers(0, 0x7F), st.just(2)),
    st.builds(Address, st.integers(0, 0x3FFF), st.integers(0, 0x3FFF), st.just(4)),
)
frames = st.builds(
    Frame,
    destination=addresses,
    source=addresses,
    control=st.integers(0, 255),
    information=st.binary(max_size=300),
    segmented=st.booleans(),
)


@given(frames)
def test_decode_of_encode_is_identity(frame: Frame) -> None:
    assert parse_frame(frame.encode()[1:-1]) == frame


def read(data: bytes, step: int) -> list[Frame | BadFrame]:
    reader = FrameReader()
    return [one for at in range(0, len(data), step) for one in reader.feed(data[at : at + step])]


@given(st.lists(frames, max_size=4), st.integers(1, 40))
def test_a_stream_reads_the_same_however_it_is_cut(sent: list[Frame], step: int) -> None:
    data = b"".join(frame.encode() for frame in sent)
    assert read(data, step) == sent


@given(st.lists(frames, min_size=1, max_size=4), st.integers(1, 40))
def test_frames_may_share_their_flags(sent: list[Frame], step: int) -> None:
    data = b"\x7e" + b"".join(frame.encode()[1:] for frame in sent)
    assert read(data, step) == sent


@given(st.binary(max_size=400), st.integers(1, 40))
def test_any_bytes_read_the_same_however_they_are_cut(data: bytes, step: int) -> None:
    assert read(data, step) == read(data, len(data) or 1)


@given(
    st.builds(
        Parameters,
        max_info_tx=st.integers(1, 0xFFFF),
        max_info_rx=st.integers(1, 0xFFFF),
        window_tx=st.integers(1, 7),
        window_rx=st.integers(1, 7),
    )
)
def test_negotiation_parameters_come_back(parameters: Parameters) -> None:
    assert Parameters.decode(parameters.encode()) == parameters


def test_noise_between_good_frames_adds_up_and_good_frames_pay_for_as_much_as_they_are_long() -> None:
    frame = Frame(destination=Address(1), source=Address(1), control=0x10, information=bytes(100)).encode()
    reader = FrameReader()
    for _ in range(2000):
        assert len(reader.feed(bytes(50) + frame)) == 1
    with pytest.raises(WireError) as caught:
        for _ in range(2 + MAX_NOISE_BYTES // 800):
            reader.feed(bytes(1000) + frame)
    assert caught.value.code == "hdlc-noise"
