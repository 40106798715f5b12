"""Values that are nobody's, of the same type and size as those whose place they take.

They count up, so that each differs from the one before and from the one that it stands for, and the same trace always gives the
same copy. Stamps lie in the year 2000, before there was a meter to read.
"""

import struct
from itertools import count
from typing import Final

from kwartier.dlms import axdr
from kwartier.dlms.axdr import BitString, CompactArray, Data, Float, Tag
from kwartier.dlms.stamps import DATE_TIME_BYTES

# The keys are those of the examples of the Green Book, as the vectors of the tests have them.
EK: Final = bytes.fromhex("000102030405060708090A0B0C0D0E0F")
AK: Final = bytes.fromhex("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF")
DEDICATED: Final = bytes.fromhex("E0E1E2E3E4E5E6E7E8E9EAEBECEDEEEF")
CLIENT_TITLE: Final = b"KWTSYN\x00\x01"
METER_TITLE: Final = b"KWTSYN\x00\x02"
OTHER_TITLE: Final = b"KWTSYN"
TEXT: Final = "synthetic-"
QUARTERS: Final = 96
DAYS: Final = 28
MONTHS: Final = 12


class Synthetic:
    """A source of values; each call gives the next one."""

    __slots__ = ("_numbers",)

    def __init__(self) -> None:
        self._numbers = count(1)

    def filler(self, size: int) -> bytes:
        """Bytes of no type."""
        number = next(self._numbers)
        return bytes((number * 7 + place * 13) & 0x7F | 0x80 for place in range(size))

    def octets(self, tag: int, original: bytes) -> bytes:
        """The bytes of a value of a COSEM type, in place of ``original``; as many of them."""
        size = len(original)
        if tag == Tag.DATE_TIME or (tag == Tag.OCTET_STRING and size == DATE_TIME_BYTES):
            return self._stamp()
        if tag in (Tag.VISIBLE_STRING, Tag.UTF8_STRING) or (tag == Tag.OCTET_STRING and _is_text(original)):
            return _text(size).encode()
        if tag == Tag.DATE:
            return bytes.fromhex("07D00101FF")[:size]
        if tag == Tag.TIME:
            return bytes(size)
        if tag == Tag.BOOLEAN:
            return b"\x01"
        if tag == Tag.BIT_STRING:
            return b"\xaa" * size
        if tag in (Tag.FLOATING_POINT, Tag.FLOAT32, Tag.FLOAT64):
            return struct.pack(">f" if size == 4 else ">d", float(next(self._numbers)))
        if tag in _INTEGERS:
            return self._number(original)
        return self.filler(size)

    def value(self, data: Data) -> Data:
        """The same for a whole value, as the elements of a compact array are."""
        tag, value = data
        if isinstance(value, CompactArray):
            return Data(tag, CompactArray(value.description, tuple(self.value(one) for one in value.elements)))
        if isinstance(value, BitString):
            return Data(tag, BitString(value.length, b"\xaa" * len(value.octets)))
        if isinstance(value, Float):
            return Data(tag, Float(self.octets(tag, value.octets)))
        if isinstance(value, tuple):
            return Data(tag, tuple(self.value(one) for one in value))
        if isinstance(value, bytes):
            return Data(tag, self.octets(tag, value))
        if isinstance(value, str):
            return Data(tag, _text(len(value)))
        if value is None or isinstance(value, bool):
            return data
        kind = axdr.KINDS[tag]
        return Data(tag, int.from_bytes(self._number(kind.write(value)), "big"))

    def compact(self, original: bytes) -> bytes:
        """The bytes behind the tag of a compact array; filler where they cannot be as many."""
        try:
            fresh = axdr.encode(self.value(axdr.decode(bytes((Tag.COMPACT_ARRAY,)) + original)))[1:]
        except (ValueError, OverflowError):
            fresh = b""
        return fresh if len(fresh) == len(original) else self.filler(len(original))

    def _number(self, original: bytes) -> bytes:
        size = len(original)
        number = next(self._numbers)
        base, step = _COUNTING[min(size, 8)]
        fresh = (base + number * step) % (1 << (8 * size - 1))
        octets = fresh.to_bytes(size, "big")
        return octets if octets != original else (fresh ^ 1).to_bytes(size, "big")

    def _stamp(self) -> bytes:
        number = next(self._numbers)
        quarter, day, month = number % QUARTERS, number // QUARTERS, number // QUARTERS // DAYS
        date = (2000 + month // MONTHS) & 0xFFFF
        return bytes((date >> 8, date & 0xFF, 1 + month % MONTHS, 1 + day % DAYS, 0xFF)) + bytes(
            (quarter // 4, quarter % 4 * 15, 0, 0, 0xFF, 0xC4, 0)
        )


_INTEGERS = frozenset(
    {
        Tag.DOUBLE_LONG, Tag.DOUBLE_LONG_UNSIGNED, Tag.BCD, Tag.INTEGER, Tag.LONG, Tag.UNSIGNED, Tag.LONG_UNSIGNED,
        Tag.LONG64, Tag.LONG64_UNSIGNED, Tag.ENUM, Tag.DELTA_INTEGER, Tag.DELTA_LONG, Tag.DELTA_DOUBLE_LONG,
        Tag.DELTA_UNSIGNED, Tag.DELTA_LONG_UNSIGNED, Tag.DELTA_DOUBLE_LONG_UNSIGNED,
    }
)  # fmt: skip  # a list of types, and one a line would be a page
_COUNTING = {1: (0, 1), 2: (1_000, 1), 4: (100_000_000, 25), 8: (100_000_000, 25)}
"""Size -> where numbers begin, and by how much they count up."""


def _is_text(octets: bytes) -> bool:
    return bool(octets) and all(0x20 <= octet < 0x7F for octet in octets)


def _text(size: int) -> str:
    return (TEXT * (size // len(TEXT) + 1))[:size]
