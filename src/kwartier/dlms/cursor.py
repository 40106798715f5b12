"""A bounded cursor over bytes that somebody else sent.

Every read says how much it needs and fails with a :class:`~kwartier.errors.WireError` when that is not there;
:meth:`Cursor.restrict` opens a window that fails on reading past its end *and* on leaving bytes of it unread, so that an
inner structure can neither steal from nor hide behind its neighbour.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from kwartier.errors import WireError

MAX_LENGTH_BYTES = 4
"""Bytes that may follow the first byte of a length: no message here comes near 4 GiB."""


def encode_length(length: int) -> bytes:
    """``length`` as BER and A-XDR write it, in the shortest form."""
    if length < 0x80:
        return bytes((length,))
    size = (length.bit_length() + 7) // 8
    return bytes((0x80 | size,)) + length.to_bytes(size, "big")


class Cursor:
    """Reads big-endian integers and byte strings from ``data[at:end]``; ``at`` is the offset of the next byte."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self.data = data
        self.at = at
        self.end = len(data) if end is None else end

    def __repr__(self) -> str:
        return f"<Cursor at {self.at} of {self.end}>"

    @property
    def remaining(self) -> int:
        """How many bytes are left before the end of the present window."""
        return self.end - self.at

    def _short(self, need: int) -> WireError:
        return WireError("truncated", f"{need} bytes needed at offset {self.at}, {self.remaining} left")

    def peek(self) -> int:
        """The next byte, left in place."""
        if self.at >= self.end:
            raise self._short(1)
        return self.data[self.at]

    def u8(self) -> int:
        """One unsigned byte."""
        at = self.at
        if at >= self.end:
            raise self._short(1)
        self.at = at + 1
        return self.data[at]

    def u16(self) -> int:
        """Two bytes, big-endian, unsigned."""
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        """Four bytes, big-endian, unsigned."""
        return int.from_bytes(self.take(4), "big")

    def take(self, length: int) -> bytes:
        """The next ``length`` bytes (``length`` >= 0)."""
        at = self.at
        stop = at + length
        if length < 0 or stop > self.end:
            raise self._short(length)
        self.at = stop
        return self.data[at:stop]

    def length(self) -> int:
        """A length as BER and A-XDR both write it: one byte below 128, else 0x81-0x84 and that many bytes.

        The indefinite form (0x80) and more than four length bytes are refused; a length beyond the window is left to
        :meth:`take` and :meth:`restrict`, which know what it is the length of.
        """
        at = self.at
        if at >= self.end:
            raise self._short(1)
        first = self.data[at]
        self.at = at + 1
        if first < 0x80:
            return first
        count = first & 0x7F
        if not 1 <= count <= MAX_LENGTH_BYTES:
            raise WireError("bad-length", f"length byte 0x{first:02X} at offset {self.at - 1}")
        return int.from_bytes(self.take(count), "big")

    def rest(self) -> bytes:
        """Everything up to the end of the present window."""
        return self.take(self.end - self.at)

    @contextmanager
    def restrict(self, length: int) -> Iterator[None]:
        """A window of ``length`` bytes: reading past it fails, and so does leaving it with bytes unread."""
        stop = self.at + length
        if length < 0 or stop > self.end:
            raise self._short(length)
        outer, self.end = self.end, stop
        try:
            yield
            self.expect_end()
        finally:
            self.end = outer

    def expect_end(self) -> None:
        """Fail unless every byte of the present window was read."""
        if self.at != self.end:
            raise WireError("trailing-bytes", f"{self.remaining} bytes left unread at offset {self.at}")
