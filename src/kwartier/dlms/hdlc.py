"""HDLC frames, format type 3: bytes to frames and back (IEC 62056-46, Green Book 8).

A frame stands between two flags, and its length field delimits it: nothing is stuffed, so 7E and 7D inside are data, and two
frames may share a flag. A reader therefore trusts a flag only as far as the header behind it: the header has a check
sequence of its own, and once that is wrong, or the whole frame's is, the frame is counted as bad and reading goes on at the
next flag. Only a truncated header that could still be right may wait.
"""

from binascii import crc_hqx
from dataclasses import dataclass, field
from enum import IntEnum

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
        number = self.number
        octets = bytearray((number >> 7 * place & 0x7F) << 1 for place in reversed(range(self.size)))
        octets[-1] |= 1
        return bytes(octets)


def _read_address(cursor: Cursor) -> Address:
    number = 0
    for size in range(1, 5):
        octet = cursor.u8()
        number = number << 7 | octet >> 1
        if octet & 1:
            if size == 1:
                return Address(number)
            if size == 3:
                break
            bits = 14 if size == 4 else 7
            return Address(number >> bits, number & (1 << bits) - 1, size)
    raise WireError("bad-hdlc-frame", f"an address that ends after no 1, 2 or 4 bytes at offset {cursor.at}")


class Kind(IntEnum):
    """Frames by the control byte without its sequence numbers and poll/final bit."""

    I = 0x00  # noqa: E741 - the standard's name
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
        length = 2 + len(addresses) + 3 + (len(self.information) + 2 if self.information else 0)
        if length > LENGTH_MASK:
            raise StateError("unbuildable", f"a frame of {length} bytes")
        form = FORMAT_TYPE | (SEGMENTED if self.segmented else 0) | length
        body = form.to_bytes(2, "big") + addresses + bytes((self.control,))
        body += check_sequence(body)
        if self.information:
            body += self.information
            body += check_sequence(body)
        return b"\x7e" + body + b"\x7e"


@dataclass(frozen=True, slots=True, kw_only=True)
class BadFrame:
    """A frame that was whole and wrong: ``reason`` says which check failed."""

    reason: str
    length: int


def parse_frame(data: bytes) -> Frame:
    """The frame in ``data``, which is everything between two flags; :class:`WireError` where a check fails."""
    cursor = Cursor(data)
    form = cursor.u16()
    if form & FORMAT_MASK != FORMAT_TYPE or form & LENGTH_MASK != len(data):
        raise WireError("bad-hdlc-frame", f"frame format 0x{form:04X} for {len(data)} bytes")
    destination, source = _read_address(cursor), _read_address(cursor)
    control = cursor.u8()
    head = cursor.at
    if check_sequence(data[:head]) != cursor.take(2):
        raise WireError("bad-hcs", f"the header's check sequence is wrong (bytes 0 to {head})")
    information = b""
    if cursor.remaining:
        information = cursor.take(cursor.remaining - 2)
        if check_sequence(data[:-2]) != cursor.take(2):
            raise WireError("bad-fcs", f"the frame's check sequence is wrong ({len(data)} bytes)")
    segmented = bool(form & SEGMENTED)
    return Frame(
        destination=destination, source=source, control=control, information=information, segmented=segmented
    )


class FrameReader:
    """Frames from a stream. ``waiting`` is True while bytes of an unfinished frame are held."""

    __slots__ = ("_held", "_need")

    def __init__(self) -> None:
        self._held = bytearray()
        self._need = 1

    @property
    def waiting(self) -> bool:
        """Whether the beginning of a frame is held, for which an inter-octet deadline makes sense."""
        return len(self._held) > 1

    def drop(self) -> None:
        """Give up what is held: the rest did not come."""
        self._held.clear()
        self._need = 1

    def feed(self, data: bytes) -> list[Frame | BadFrame]:
        """The frames that ``data`` completes, in order, good and bad."""
        held = self._held
        held += data
        found: list[Frame | BadFrame] = []
        if len(held) < self._need:
            return found
        at = 0
        self._need = 1
        while True:
            at = held.find(FLAG, at)
            if at < 0:
                held.clear()
                return found
            length = self._frame_length(at)
            if length is None:  # no frame begins at this flag
                at += 1
                continue
            if length < 0:  # it may, once more bytes are here
                break
            body = bytes(held[at + 1 : at + 1 + length])
            closed = held[at + 1 + length] == FLAG
            try:
                found.append(parse_frame(body))
            except WireError as error:
                found.append(BadFrame(reason=error.code, length=length))
                closed = closed and error.code == "bad-fcs"
            at += 1 + length if closed else 1
        del held[:at]
        return found

    def _frame_length(self, at: int) -> int | None:
        """The length of the frame whose opening flag is at ``at``; None: none begins there; -1: not to be told yet."""
        held = self._held
        there = len(held) - at
        if there < 3:
            if there == 2 and (held[at + 1] == FLAG or held[at + 1] & 0xF0 != 0xA0):
                return None
            self._need = 3
            return -1
        form = held[at + 1] << 8 | held[at + 2]
        length = form & LENGTH_MASK
        if form & FORMAT_MASK != FORMAT_TYPE or length < MIN_FRAME:
            return None
        if there >= length + 2:
            return length
        # The header can be checked before the rest is there, so that a corrupt length does not make us wait for nothing.
        head = self._header_length(at)
        if head is not None and there - 1 >= head + 2 and head + 2 <= length:
            if check_sequence(bytes(held[at + 1 : at + 1 + head])) != held[at + 1 + head : at + 3 + head]:
                return None
            self._need = length + 2
        else:
            self._need = there + 1
        return -1

    def _header_length(self, at: int) -> int | None:
        """Bytes of format, addresses and control, or None while the addresses have not ended."""
        held = self._held
        place = at + 3
        for _ in range(2):
            limit = place + 4
            while place < min(limit, len(held)) and not held[place] & 1:
                place += 1
            if place >= len(held):
                return None
            place += 1
        return place + 1 - at - 1


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
