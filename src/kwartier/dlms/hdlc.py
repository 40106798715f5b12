"""HDLC frames, format type 3: bytes to frames and back (IEC 62056-46, Green Book 8).

A frame stands between two flags, and its length field delimits it: nothing is stuffed, so 7E and 7D inside are data, and two
frames may share a flag. A reader therefore trusts a flag only as far as the header behind it: the header has a check
sequence of its own, and once that is wrong, or the whole frame's is, the frame is counted as bad and reading goes on at the
next flag. Only a truncated header that could still be right may wait.
"""

import re
from binascii import crc_hqx
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache

from kwartier.dlms.cursor import Cursor
from kwartier.errors import InputError, StateError, WireError

FLAG = 0x7E
FORMAT_TYPE = 0xA000
FORMAT_MASK = 0xF000
SEGMENTED = 0x0800
LENGTH_MASK = 0x07FF
MIN_FRAME = 7
"""Format, two addresses of one byte, control and one check sequence."""
MAX_INFO = 2030
"""The longest information field that fits the length field beside the longest addresses."""
DEFAULT_MAX_INFO = 128
DEFAULT_WINDOW = 1
"""What holds where a side says nothing (Green Book 8.4.5.3.2)."""
MAX_WINDOW = 7
MAX_NOISE_BYTES = 1 << 16
MAX_BAD_RUN = 64
"""Bytes that belong to no frame, and bad frames in a row, after which a line is called hopeless."""
KNOWN_ADDRESSES = 256
MAX_ADDRESS = 4
"""Bytes of one address."""
_FLAGS = re.compile(b"\x7e+")
_REVERSED = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))


def check_sequence(data: bytes) -> bytes:
    """CRC-16/X.25 of ``data``, low byte first.

    The standard library has the same polynomial the other way round, so the bits are turned before and after: much faster
    than a loop over bytes.
    """
    crc = crc_hqx(data.translate(_REVERSED), 0xFFFF) ^ 0xFFFF
    return bytes((_REVERSED[crc >> 8], _REVERSED[crc & 0xFF]))


@dataclass(frozen=True, slots=True)
class Address:
    """An HDLC address of 1, 2 or 4 bytes: ``upper`` the logical device, ``lower`` the physical one (None in one byte)."""

    upper: int
    lower: int | None = None
    size: int = 1

    def __post_init__(self) -> None:
        bound = 0x3FFF if self.size == 4 else 0x7F
        fits = all(0 <= part <= bound for part in (self.upper, self.lower or 0))
        if self.size not in (1, 2, 4) or not fits or (self.lower is None) != (self.size == 1):
            raise InputError("bad-hdlc-address", f"address {self.upper}/{self.lower} in {self.size} bytes")

    @property
    def number(self) -> int:
        """Both parts as the one number that the bytes spell."""
        bits = 14 if self.size == 4 else 7
        return self.upper if self.lower is None else self.upper << bits | self.lower

    def encode(self) -> bytes:
        """The bytes: seven bits each, the lowest bit set in the last."""
        return _address_bytes(self.number, self.size)


@lru_cache(KNOWN_ADDRESSES)
def _address_bytes(number: int, size: int) -> bytes:
    octets = bytearray((number >> 7 * place & 0x7F) << 1 for place in reversed(range(size)))
    octets[-1] |= 1
    return bytes(octets)


@lru_cache(KNOWN_ADDRESSES)
def client_bytes(number: int) -> bytes:
    """The address of a client, in its one byte."""
    return Address(number).encode()


def _read_address(cursor: Cursor) -> Address:
    number = 0
    for size in range(1, 5):
        octet = cursor.u8()
        number = number << 7 | octet >> 1
        if octet & 1:
            if size == 3:
                break
            return _address(number, size)
    raise WireError("bad-hdlc-frame", f"an address that ends after no 1, 2 or 4 bytes at offset {cursor.at}")


@lru_cache(KNOWN_ADDRESSES)
def _address(number: int, size: int) -> Address:
    if size == 1:
        return Address(number)
    bits = 14 if size == 4 else 7
    return Address(number >> bits, number & (1 << bits) - 1, size)


class Kind(IntEnum):
    """Frames by the control byte without its sequence numbers and poll/final bit."""

    I = 0x00  # noqa: E741 - the standard's name: an information frame
    RR = 0x01
    RNR = 0x05
    UI = 0x03
    DM = 0x0F
    DISC = 0x43
    UA = 0x63
    SNRM = 0x83
    FRMR = 0x87


POLL_FINAL = 0x10


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame, its check sequences verified. ``information`` stays out of the repr."""

    destination: Address
    source: Address
    control: int
    information: bytes = field(default=b"", repr=False)
    segmented: bool = False

    @property
    def kind(self) -> int:
        """A :class:`Kind`, or the control byte without poll/final where it is none."""
        if not self.control & 1:
            return Kind.I
        if self.control & 0x0F in (Kind.RR, Kind.RNR):
            return self.control & 0x0F
        return self.control & ~POLL_FINAL

    @property
    def poll_final(self) -> bool:
        """Whether the sender passes the turn."""
        return bool(self.control & POLL_FINAL)

    @property
    def send_number(self) -> int:
        """N(S) of an I frame."""
        return self.control >> 1 & 7

    @property
    def receive_number(self) -> int:
        """N(R) of an I, RR or RNR frame: the number that is expected next."""
        return self.control >> 5

    def encode(self) -> bytes:
        """The frame between its two flags."""
        addresses = self.destination.encode() + self.source.encode()
        return frame_bytes(addresses, self.control, self.information, segmented=self.segmented)


def frame_bytes(addresses: bytes, control: int, information: bytes, *, segmented: bool) -> bytes:
    """A frame between its two flags. ``addresses``: destination and source as bytes, which a link need not spell each time."""
    length = 2 + len(addresses) + 3 + (len(information) + 2 if information else 0)
    if length > LENGTH_MASK:
        raise StateError("unbuildable", f"a frame of {length} bytes")
    form = FORMAT_TYPE | (SEGMENTED if segmented else 0) | length
    body = b"%c%c%b%c" % (form >> 8, form & 0xFF, addresses, control)
    body += check_sequence(body)
    if information:
        body += information
        body += check_sequence(body)
    return b"\x7e%b\x7e" % body


@dataclass(frozen=True, slots=True, kw_only=True)
class BadFrame:
    """A frame that was wrong: ``reason`` is the code of the check that failed, ``length`` the bytes passed over with it.

    ``length`` is 0 where the header or the end cannot be trusted: then the next flag may be anywhere behind the first.
    """

    reason: str
    length: int


def _read_header(data: bytes) -> tuple[int, Address, Address, int, int]:
    """Format, destination, source and control, and where the check sequence behind them ends."""
    cursor = Cursor(data)
    form = cursor.u16()
    if form & FORMAT_MASK != FORMAT_TYPE:
        raise WireError("bad-hdlc-frame", f"frame format 0x{form:04X}, and only type 3 is spoken here")
    destination, source, at = _addresses(data[2 : 2 + 2 * MAX_ADDRESS])
    stop = 2 + at + 1
    cursor.take(stop - cursor.at)
    if cursor.take(2) != check_sequence(data[:stop]):
        raise WireError("bad-hcs", f"the check sequence at offset {stop} is not that of the header before it")
    return form, destination, source, data[stop - 1], stop + 2


def _addresses(octets: bytes) -> tuple[Address, Address, int]:
    """Destination and source at the beginning of ``octets``, and where they end."""
    end = 0
    for _ in range(2):
        while end < len(octets) and not octets[end] & 1:
            end += 1
        end += 1
    return _parties(octets[:end])


@lru_cache(KNOWN_ADDRESSES)
def _parties(octets: bytes) -> tuple[Address, Address, int]:
    """The same, remembered: a line has two addresses, and each of its frames has both."""
    cursor = Cursor(octets)
    destination, source = _read_address(cursor), _read_address(cursor)
    return destination, source, cursor.at


def parse_frame(data: bytes) -> Frame:
    """The frame in ``data``, which is everything between two flags; :class:`WireError` where a check fails."""
    form, destination, source, control, at = _read_header(data)
    if form & LENGTH_MASK != len(data):
        raise WireError("bad-hdlc-frame", f"a frame of {len(data)} bytes says that it has {form & LENGTH_MASK}")
    information = b""
    if at < len(data):
        information = data[at:-2]
        if len(data) - at < 2:
            raise WireError("truncated", f"{len(data) - at} bytes at offset {at} are no check sequence")
        if data[-2:] != check_sequence(data[:-2]):
            raise WireError(
                "bad-fcs", f"the check sequence at offset {len(data) - 2} is not that of the frame before it"
            )
    segmented = bool(form & SEGMENTED)
    return Frame(destination=destination, source=source, control=control, information=information, segmented=segmented)


class FrameReader:
    """Frames from a stream, however it is cut: every decision waits for exactly the bytes that it needs."""

    __slots__ = ("_bad_run", "_held", "_need", "_noise_bytes")

    def __init__(self) -> None:
        self._held = bytearray()
        self._need = 1
        self._noise_bytes = 0
        self._bad_run = 0

    @property
    def waiting(self) -> bool:
        """Whether the beginning of a frame is held, for which an inter-octet deadline makes sense."""
        return len(self._held) > 1

    def drop(self) -> None:
        """Give up what is held: the rest did not come."""
        self._held.clear()
        self._need = 1

    def feed(self, data: bytes) -> list[Frame | BadFrame]:
        """The frames that ``data`` completes, in order, good and bad; :class:`WireError` when there is nothing but noise."""
        held = self._held
        held += data
        found: list[Frame | BadFrame] = []
        if len(held) < self._need:
            return found
        at = clean = 0
        while True:
            last_flag = _FLAGS.search(held, at)
            if last_flag is None:
                at = len(held)
                self._need = 1
                break
            at = last_flag.end() - 1
            del last_flag  # it would hold on to the buffer
            frame = self._frame_at(at)
            if isinstance(frame, int):
                self._need = frame
                break
            if frame is None:
                at += 1
                continue
            found.append(frame)
            if isinstance(frame, Frame):
                # Good frames pay for the noise before them with their own length, or a peer could hide any amount of it.
                length = 1 + _length_at(held, at)
                self._noise_bytes = max(0, self._noise_bytes + at - clean - length)
                self._bad_run = 0
                at = clean = at + length
                self._check_noise(0)
            else:
                at += frame.length + 1
                self._bad_run += 1
                self._check_noise(at - clean)
        self._noise_bytes += at - clean
        self._check_noise(0)
        del held[:at]
        return found

    def _check_noise(self, more: int) -> None:
        if self._noise_bytes + more > MAX_NOISE_BYTES or self._bad_run > MAX_BAD_RUN:
            raise WireError(
                "hdlc-noise", f"{self._bad_run} bad frames in a row and {self._noise_bytes + more} bytes of noise"
            )

    def _frame_at(self, at: int) -> Frame | BadFrame | int | None:
        """What begins at the flag at ``at``: a frame, a bad one, none, or how many bytes it takes to tell."""
        held = self._held
        there = len(held) - at
        if there > 1 and held[at + 1] & 0xF0 != FORMAT_TYPE >> 8:
            return None
        if there < 3:
            return 3
        length = _length_at(held, at)
        if length < MIN_FRAME:
            return None
        header = _header_length(held, at)
        if header > there:
            return header
        body = bytes(held[at + 1 : at + 1 + length])
        # The header is checked before the rest is there, so that a corrupt length does not make us wait for nothing. When
        # only the end is wrong, the length was right: the whole frame is passed over, and none is looked for inside.
        closed = there >= length + 2 and held[at + 1 + length] == FLAG
        try:
            if there < length + 2:
                _read_header(body)
                return length + 2
            frame = parse_frame(body)
        except WireError as error:
            reason = "bad-hdlc-frame" if error.code == "truncated" else error.code
            return BadFrame(reason=reason, length=length if closed and reason == "bad-fcs" else 0)
        return frame if closed else BadFrame(reason="bad-hdlc-frame", length=0)


def _length_at(held: bytearray, at: int) -> int:
    """What the format behind the flag at ``at`` says: the bytes of the frame between its flags."""
    return (held[at + 1] << 8 | held[at + 2]) & LENGTH_MASK


def _header_length(held: bytearray, at: int) -> int:
    """Bytes from the flag at ``at`` to the end of the header's check sequence; while that is open, one more than are there."""
    place = at + 3
    for _ in range(2):
        last = place + 3
        while place < len(held) and place < last and not held[place] & 1:
            place += 1
        if place >= len(held):
            return len(held) - at + 1
        place += 1
    return place + 3 - at


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What SNRM and UA negotiate, seen from whoever sends them (Green Book 8.4.5.3.2)."""

    max_info_tx: int = DEFAULT_MAX_INFO
    max_info_rx: int = DEFAULT_MAX_INFO
    window_tx: int = DEFAULT_WINDOW
    window_rx: int = DEFAULT_WINDOW

    def encode(self) -> bytes:
        """The information field: format 81, group 80, four parameters."""
        sizes = b"".join(
            bytes((tag, 1, value)) if value <= 0x80 else bytes((tag, 2)) + value.to_bytes(2, "big")
            for tag, value in ((5, self.max_info_tx), (6, self.max_info_rx))
        )
        windows = b"".join(
            bytes((tag, 4)) + value.to_bytes(4, "big") for tag, value in ((7, self.window_tx), (8, self.window_rx))
        )
        return b"\x81\x80" + bytes((len(sizes) + len(windows),)) + sizes + windows

    @classmethod
    def decode(cls, information: bytes) -> "Parameters":
        """What an information field says; what it leaves out has its default."""
        values = {5: DEFAULT_MAX_INFO, 6: DEFAULT_MAX_INFO, 7: DEFAULT_WINDOW, 8: DEFAULT_WINDOW}
        if information:
            cursor = Cursor(information)
            if cursor.take(2) != b"\x81\x80":
                raise WireError("bad-hdlc-parameters", "negotiation parameters of another format than 81 80")
            with cursor.restrict(cursor.u8()):
                while cursor.remaining:
                    tag = cursor.u8()
                    value = int.from_bytes(cursor.take(cursor.u8()), "big")
                    if tag in values:
                        values[tag] = value
        return cls(max_info_tx=values[5], max_info_rx=values[6], window_tx=values[7], window_rx=values[8])

    def meet(self, peer: "Parameters") -> "Parameters":
        """What holds for the side that is ``self`` when ``peer`` has said its own."""
        return Parameters(
            max_info_tx=_between(min(self.max_info_tx, peer.max_info_rx), MAX_INFO),
            max_info_rx=_between(min(self.max_info_rx, peer.max_info_tx), MAX_INFO),
            window_tx=_between(min(self.window_tx, peer.window_rx), MAX_WINDOW),
            window_rx=_between(min(self.window_rx, peer.window_tx), MAX_WINDOW),
        )


def _between(value: int, bound: int) -> int:
    return max(1, min(value, bound))
