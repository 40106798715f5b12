"""Wired M-Bus: segments of pushed APDUs, whole in order or nothing."""

import pytest
from gurux_dlms import GXByteBuffer, GXDLMSClient, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType
from hypothesis import given
from hypothesis import strategies as st

from kwartier.dlms import mbus
from kwartier.dlms.mbus import Assembler, BadSegment, Segment, SegmentReader
from kwartier.errors import StateError, WireError

# Written out by hand: C 53, A FF, CI 11 (segment 1, the last), STSAP 01, DTSAP 67, one byte; 53+FF+11+01+67+AA = 275.
FRAME = bytes.fromhex("68 06 06 68 53 FF 11 01 67 AA 75 16")

segments = st.builds(
    Segment,
    number=st.integers(0, 15),
    last=st.booleans(),
    source=st.integers(0, 255),
    destination=st.integers(0, 255),
    data=st.binary(max_size=mbus.MAX_DATA),
    control=st.integers(0, 255),
    address=st.integers(0, 255),
)


def feed(data: bytes, step: int) -> list[Segment | BadSegment]:
    reader = SegmentReader()
    found = [reader.feed(data[at : at + step]) for at in range(0, len(data), step)]
    return [segment for piece in found for segment in piece]


def assemble(pieces: list[Segment]) -> bytes | None:
    assembler, whole = Assembler(), None
    for piece in pieces:
        assert whole is None
        whole = assembler.feed(piece)
    return whole


def push(apdu: bytes, size: int = 100) -> list[Segment]:
    return mbus.cut(apdu, source=1, destination=0x67, size=size)


def test_a_long_frame_by_hand() -> None:
    segment = Segment(number=1, last=True, source=1, destination=0x67, data=b"\xaa")
    assert mbus.parse_segment(FRAME) == segment
    assert segment.encode() == FRAME


@given(segments)
def test_decode_of_encode_is_identity(segment: Segment) -> None:
    assert mbus.parse_segment(segment.encode()) == segment


@given(st.integers(0, 700).map(bytes), st.integers(50, mbus.MAX_DATA))
def test_an_apdu_survives_being_cut(apdu: bytes, size: int) -> None:
    assert assemble(push(apdu, size)) == apdu


def test_a_single_frame_carries_segment_zero_and_the_last_bit() -> None:
    (only,) = push(b"\x0f push")
    assert only.encode()[6] == mbus.LAST_SEGMENT
    assert assemble([only]) == b"\x0f push"


@pytest.mark.parametrize("order", [[1], [0, 2], [0, 0], [0, 1, 1], [0, 1, 3], [1, 0]])
def test_no_value_comes_of_a_lost_or_repeated_segment(order: list[int]) -> None:
    pieces = push(bytes(400))
    with pytest.raises(WireError) as caught:
        assemble([pieces[number] for number in order])
    assert caught.value.code == "lost-block"


def test_after_a_lost_segment_only_a_new_beginning_counts() -> None:
    first, second, last = push(bytes(300))
    assembler = Assembler()
    assembler.feed(first)
    for piece in (last, second, last):
        with pytest.raises(WireError):
            assembler.feed(piece)
    assert [assembler.feed(piece) for piece in (first, second, last)] == [None, None, bytes(300)]


def test_segments_for_another_access_point_do_not_mix() -> None:
    first = push(bytes(200))[0]
    other = mbus.cut(bytes(200), source=2, destination=0x67, size=100)[1]
    with pytest.raises(WireError):
        assemble([first, other])


def test_sixteen_segments_are_all_there_can_be() -> None:
    assert assemble(push(bytes(1600))) == bytes(1600)
    with pytest.raises(StateError):
        push(bytes(1601))
    assembler = Assembler()
    for number in range(16):
        assembler.feed(Segment(number=number, last=False, source=1, destination=1, data=b""))
    with pytest.raises(WireError):
        assembler.feed(Segment(number=0, last=True, source=1, destination=1, data=b""))


@given(st.lists(st.one_of(segments.map(Segment.encode), st.binary(max_size=20)), max_size=6), st.integers(1, 9))
def test_a_stream_reads_the_same_however_it_is_cut(parts: list[bytes], step: int) -> None:
    stream = b"".join(parts)
    assert feed(stream, step) == feed(stream, len(stream) or 1)


@given(st.binary(max_size=60), segments)
def test_a_damaged_frame_is_counted_and_the_next_one_read(noise: bytes, segment: Segment) -> None:
    quiet = noise.replace(b"\x68", b"")
    broken = bytearray(segment.encode())
    broken[-2] ^= 0x40
    assert feed(quiet + bytes(broken) + segment.encode(), 1) == [BadSegment(reason="bad-mbus-sum"), segment]


@pytest.mark.parametrize("place", [0, 1, 2, 3, 11])
def test_a_wrong_frame_is_refused(place: int) -> None:
    broken = bytearray(FRAME)
    broken[place] ^= 1
    with pytest.raises(WireError):
        mbus.parse_segment(bytes(broken))


def test_another_application_than_dlms_is_told_apart() -> None:
    body = bytes.fromhex("53 FF 72 01 67 AA")  # CI 72: a variable data answer of M-Bus itself
    frame = b"\x68\x06\x06\x68" + body + bytes((sum(body) & 0xFF, 0x16))
    with pytest.raises(WireError) as caught:
        mbus.parse_segment(frame)
    assert caught.value.code == "bad-mbus-frame"


@pytest.mark.parametrize("noise", [b"\x68", b"\x68\x05\x05\x68", b"\x68\x00\x00\x68\x00\x16", b"\x00"])
@pytest.mark.parametrize("step", [1, 1 << 20])
def test_a_line_of_noise_ends_in_an_error(noise: bytes, step: int) -> None:
    reader = SegmentReader()
    with pytest.raises(WireError) as caught:
        data = noise * (mbus.MAX_NOISE_BYTES // len(noise) + 10)
        for at in range(0, len(data), step):
            reader.feed(data[at : at + step])
    assert caught.value.code == "mbus-noise"


def test_a_frame_that_never_ends_can_be_dropped() -> None:
    reader = SegmentReader()
    reader.feed(FRAME[:-1])
    assert reader.waiting
    reader.drop()
    assert not reader.waiting
    assert reader.feed(FRAME) == [mbus.parse_segment(FRAME)]


def test_gurux_reads_our_frames() -> None:
    client = GXDLMSClient(True, 0x67, 1, Authentication.NONE, None, InterfaceType.WIRED_MBUS)
    notification = bytes.fromhex("0F 00000001 00 0203 0600000001 0600000002 0600000003")
    (frame,) = push(notification)
    reply, notify = GXReplyData(), GXReplyData()
    client.getData(GXByteBuffer(frame.encode()), reply, notify)
    assert (notify if notify.value is not None else reply).value == [1, 2, 3]
