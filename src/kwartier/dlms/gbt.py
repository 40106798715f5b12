"""General block transfer, as far as it is received: one APDU, cut into numbered blocks (Green Book 9.4.6.13).

An APDU is protected first and then cut, so nothing of it can be verified before it is whole. A block that is lost, repeated
or out of order is therefore an error from which no value comes, also not from blocks that follow it; what was lost is not
asked for again. A sender that streams sends a window of blocks and then waits for our acknowledgement, which the last block
of the window asks for by its streaming bit being clear. A sender of our own has its place here.
"""

from dataclasses import dataclass, field

from kwartier.dlms.cursor import Cursor, encode_length
from kwartier.errors import StateError, WireError

TAG = 0xE0
LAST_BLOCK = 0x80
STREAMING = 0x40
WINDOW_MASK = 0x3F
FREE_BLOCKS = 16
SMALLEST_BLOCK_BYTES = 32
"""An APDU may come in ``FREE_BLOCKS`` blocks and one more per this many bytes of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One general-block-transfer APDU. ``window`` is how many blocks the sender of this one takes in at once."""

    last: bool
    streaming: bool
    window: int
    number: int
    acknowledged: int
    data: bytes = field(repr=False)

    @classmethod
    def decode(cls, apdu: bytes) -> "Block":
        """Take an APDU apart; :class:`WireError` where it is no block."""
        cursor = Cursor(apdu)
        if cursor.u8() != TAG:
            raise WireError("not-a-block", f"APDU tag 0x{apdu[0]:02X} where 0x{TAG:02X} was expected")
        control = cursor.u8()
        number, acknowledged = cursor.u16(), cursor.u16()
        data = cursor.take(cursor.length())
        cursor.expect_end()
        return cls(
            last=bool(control & LAST_BLOCK),
            streaming=bool(control & STREAMING),
            window=control & WINDOW_MASK,
            number=number,
            acknowledged=acknowledged,
            data=data,
        )

    def encode(self) -> bytes:
        """The whole APDU."""
        if not 0 <= self.window <= WINDOW_MASK:
            raise StateError("unbuildable", f"a window of {self.window} blocks")
        control = self.last * LAST_BLOCK | self.streaming * STREAMING | self.window
        head = bytes((TAG, control)) + self.number.to_bytes(2, "big") + self.acknowledged.to_bytes(2, "big")
        return head + encode_length(len(self.data)) + self.data


def more_will_follow(apdu: bytes) -> bool:
    """Whether ``apdu`` is a block whose sender goes on by itself: streaming, and not the last."""
    return len(apdu) > 1 and apdu[0] == TAG and apdu[1] & (LAST_BLOCK | STREAMING) == STREAMING


class Receiver:
    """Puts the blocks of one APDU of at most ``max_bytes`` together; ``window`` is how many it lets the sender stream."""

    __slots__ = ("_acknowledgements", "_held", "_max_bytes", "_next", "_parts", "_window")

    def __init__(self, *, max_bytes: int, window: int = WINDOW_MASK) -> None:
        self._max_bytes = max_bytes
        self._window = window
        self._next: int | None = 1
        self._held = 0
        self._parts: list[bytes] = []
        self._acknowledgements = 0

    def feed(self, apdu: bytes) -> tuple[bytes | None, bytes | None]:
        """The whole APDU or None, and the acknowledgement to send or None. After an error nothing more is taken."""
        number, self._next = self._next, None
        block = Block.decode(apdu)
        if number is None:
            raise WireError("lost-block", f"block {block.number} of a transfer that is over")
        if block.number != number:
            raise WireError("lost-block", f"block {block.number} where {number} was expected")
        self._held += len(block.data)
        if self._held > self._max_bytes:
            raise WireError("answer-too-long", f"blocks of more than {self._max_bytes} bytes in all")
        if number > FREE_BLOCKS + self._held // SMALLEST_BLOCK_BYTES:
            raise WireError("too-many-blocks", f"{number} blocks for {self._held} bytes")
        self._parts.append(block.data)
        if block.last:
            return b"".join(self._parts), None
        self._next = number + 1
        return None, None if block.streaming else self._acknowledge(number)

    def _acknowledge(self, number: int) -> bytes:
        self._acknowledgements += 1
        answer = Block(
            last=True,
            streaming=False,
            window=self._window,
            number=self._acknowledgements,
            acknowledged=number,
            data=b"",
        )
        return answer.encode()
