"""General block transfer: whole in order or nothing."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.dlms import gbt
from kwartier.dlms.gbt import Block, Receiver
from kwartier.errors import KwartierError, StateError, WireError

# Green Book 9.5, general-block-transfer: tag E0, control C1 (last, streaming, window 1), block 2, acknowledged 1, 3 bytes.
BLOCK = bytes.fromhex("E0 C1 0002 0001 03 AABBCC")

blocks = st.builds(
    Block,
    last=st.booleans(),
    streaming=st.booleans(),
    window=st.integers(0, 63),
    number=st.integers(0, 0xFFFF),
    acknowledged=st.integers(0, 0xFFFF),
    data=st.binary(max_size=300),
)


def cut(data: bytes, size: int, window: int = 0) -> list[bytes]:
    """``data`` in blocks. Streaming throughout, or (``window``) with each window asking for an acknowledgement at its end."""
    pieces = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
    return [
        Block(
            last=number == len(pieces),
            streaming=not window or number % window != 0,
            window=1,
            number=number,
            acknowledged=0,
            data=piece,
        ).encode()
        for number, piece in enumerate(pieces, 1)
    ]


def run(transfer: list[bytes], max_bytes: int = 10_000) -> tuple[bytes | None, list[Block]]:
    receiver, whole, acknowledgements = Receiver(max_bytes=max_bytes), None, []
    for apdu in transfer:
        assert whole is None
        whole, acknowledgement = receiver.feed(apdu)
        if acknowledgement:
            acknowledgements.append(Block.decode(acknowledgement))
    return whole, acknowledgements


def refusal(transfer: list[bytes], max_bytes: int = 10_000) -> str:
    with pytest.raises(WireError) as caught:
        run(transfer, max_bytes)
    return caught.value.code


def test_a_block_is_control_number_acknowledged_number_and_data() -> None:
    block = Block.decode(BLOCK)
    assert (block.last, block.streaming, block.window) == (True, True, 1)
    assert (block.number, block.acknowledged, block.data) == (2, 1, b"\xaa\xbb\xcc")
    assert "aa" not in repr(block).lower().replace("last", "")


@given(blocks)
def test_decode_of_encode_is_identity(block: Block) -> None:
    assert Block.decode(block.encode()) == block


@given(st.binary(max_size=40))
def test_any_bytes_are_a_block_or_a_wire_error(data: bytes) -> None:
    with contextlib.suppress(WireError):
        assert Block.decode(b"\xe0" + data).encode()


def test_a_window_that_has_no_room_in_its_six_bits_is_our_own_mistake() -> None:
    with pytest.raises(StateError):
        Block(last=True, streaming=False, window=64, number=1, acknowledged=0, data=b"").encode()


@given(st.binary(max_size=2000), st.integers(64, 300))
def test_a_streamed_transfer_is_put_together_without_acknowledgements(data: bytes, size: int) -> None:
    assert run(cut(data, size)) == (data, [])


@pytest.mark.parametrize("window", [1, 3, 63])
def test_the_end_of_each_window_is_acknowledged_and_the_last_block_is_not(window: int) -> None:
    data = bytes(range(200)) * 5
    whole, acknowledgements = run(cut(data, 100, window))
    assert whole == data
    assert [block.acknowledged for block in acknowledgements] == list(range(window, 10, window))
    assert [block.number for block in acknowledgements] == list(range(1, len(acknowledgements) + 1))
    assert all(block.last and not block.streaming and not block.data for block in acknowledgements)


@pytest.mark.parametrize(
    "order",
    [[2], [1, 3], [1, 1, 2, 3], [1, 2, 2, 3], [2, 1, 3], [1, 2, 4, 3]],
    ids=["first lost", "lost", "first repeated", "repeated", "swapped", "last swapped"],
)
def test_no_value_comes_of_a_lost_repeated_or_swapped_block(order: list[int]) -> None:
    transfer = cut(bytes(400), 100)
    assert refusal([transfer[number - 1] for number in order]) == "lost-block"


def test_after_an_error_the_right_block_comes_too_late() -> None:
    first, second, third = cut(bytes(300), 100)
    receiver = Receiver(max_bytes=1000)
    receiver.feed(first)
    for block in (third, second, third):
        with pytest.raises(WireError):
            receiver.feed(block)


def test_a_transfer_that_is_over_takes_nothing_more() -> None:
    receiver = Receiver(max_bytes=1000)
    assert receiver.feed(cut(b"whole", 100)[0])[0] == b"whole"
    with pytest.raises(WireError):
        receiver.feed(Block(last=True, streaming=True, window=1, number=2, acknowledged=0, data=b"more").encode())


def test_size_and_number_of_blocks_are_bounded() -> None:
    assert refusal(cut(bytes(501), 100), max_bytes=500) == "answer-too-long"
    assert refusal(cut(bytes(200), 1)) == "too-many-blocks"
    empty = [
        Block(last=False, streaming=True, window=1, number=n, acknowledged=0, data=b"").encode() for n in range(1, 50)
    ]
    assert refusal(empty) == "too-many-blocks"


@given(st.lists(st.one_of(blocks.map(Block.encode), st.binary(max_size=20)), max_size=10))
def test_any_blocks_give_a_value_or_a_typed_error(transfer: list[bytes]) -> None:
    receiver = Receiver(max_bytes=500)
    for apdu in transfer:
        with contextlib.suppress(KwartierError):
            receiver.feed(apdu)


def test_only_a_streamed_block_before_the_last_announces_another() -> None:
    first, last = cut(bytes(200), 100)
    waiting = cut(bytes(200), 100, window=1)[0]
    assert [gbt.more_will_follow(apdu) for apdu in (first, last, waiting, b"\xe0", b"")] == [True] + [False] * 4
