"""P1 telegrams: the text that a meter sends its household every second or ten (DSMR 2.2 to 5.0, IEC 62056-21 mode D).

A telegram begins with ``/`` and ends with ``!`` and, since DSMR 4.0, a CRC over everything between them, both included.
It is a CRC of *bytes*, with lines ended by CR LF; a file that went through an editor has lost the CR, so where there is
not one in the whole telegram they are put back for the sum, and the caller is told. Lines that are no object are kept
as they are: old meters send broken ones, and put a gas reading on a line of its own.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache

from kwartier.errors import WireError

POLYNOMIAL = 0xA001
"""x^16 + x^15 + x^2 + 1, lowest bit first; the register starts at 0."""
MAX_TELEGRAM_BYTES = 1 << 16
FIRST_VERSION_WITH_CRC = 40
VERSION_OBJECTS = ("1-3:0.2.8", "0-0:96.1.4")
"""Where Dutch and Belgian meters give the version of their telegram."""
WINTER, SUMMER = timezone(timedelta(hours=1), "CET"), timezone(timedelta(hours=2), "CEST")
_END = re.compile(rb"[\r\n]!([^\r\n]*)(?:\r?\n|\r)?")
_START = re.compile(rb"[\r\n\t \0]*/[^\s/]{3}\S[^\r\n]*[\r\n]")
_NO_BLANK = re.compile(rb"[^\r\n\t \0]")
_LINE_END = re.compile(r"\r\n|\r|\n")
_CRC = re.compile(r"[0-9A-Fa-f]{4}")
_HEADER = re.compile(r"/([^\s/]{3})(\S)(.*)")
_OBJECT = re.compile(r"(\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3}(?:[.*]\d{1,3})?)((?:\([^()]*\))+)")
_VALUE = re.compile(r"\(([^()]*)\)")
_STAMP = re.compile(r"(\d{12})([WS])")

Object = tuple[str, tuple[str, ...]]
"""A code as it was sent, and what stood in its brackets."""


@cache
def _table() -> tuple[int, ...]:
    rows = []
    for octet in range(256):
        register = octet
        for _ in range(8):
            register = register >> 1 ^ (POLYNOMIAL if register & 1 else 0)
        rows.append(register)
    return tuple(rows)


def crc16(data: bytes) -> int:
    """The CRC of a telegram's bytes."""
    table, crc = _table(), 0
    for octet in data:
        crc = crc >> 8 ^ table[(crc ^ octet) & 0xFF]
    return crc


@dataclass(frozen=True, slots=True, kw_only=True)
class Telegram:
    """One telegram, nothing of it verified before :meth:`check` has returned."""

    length: int
    """Bytes from ``/`` to the end of the last line."""
    manufacturer: str
    baud: str
    identification: str
    objects: tuple[Object, ...]
    other_lines: tuple[str, ...]
    crc: int | None
    """As sent; None where the telegram ends with its ``!``, as those before DSMR 4.0 do."""
    crc_computed: int
    crc_malformed: bool
    line_ends_restored: bool

    @property
    def version(self) -> int | None:
        """The version of the telegram's format: 42, 50; None where it does not say."""
        for code, values in self.objects:
            if code in VERSION_OBJECTS and values[0].isdecimal():
                return int(values[0])
        return None

    @property
    def crc_valid(self) -> bool | None:
        """Whether the CRC is right; None where there is none to compare."""
        return None if self.crc is None else self.crc == self.crc_computed

    def check(self) -> None:
        """Raise :class:`WireError` where the CRC is wrong, or missing from a telegram that must have one."""
        if self.crc_malformed:
            raise WireError("bad-p1-crc", "the telegram's CRC is not four hex digits")
        if self.crc is None and (self.version or 0) >= FIRST_VERSION_WITH_CRC:
            raise WireError("bad-p1-crc", f"a telegram of version {self.version} ends without its CRC")
        if self.crc is not None and self.crc != self.crc_computed:
            raise WireError(
                "bad-p1-crc", f"the telegram's CRC is {self.crc:04X}, its bytes make {self.crc_computed:04X}"
            )


def is_telegram(data: bytes) -> bool:
    """Whether ``data`` starts with the first line of a telegram, blanks before it left aside.

    The line is looked at as a whole: a line feed is also the tag of a visible string, and a slash its length.
    """
    return _START.match(data, 0, MAX_TELEGRAM_BYTES) is not None


def next_telegram(data: bytes, at: int) -> int:
    """The place of the first byte from ``at`` that is no blank."""
    found = _NO_BLANK.search(data, at)
    return len(data) if found is None else found.start()


def parse_telegram(data: bytes, at: int = 0) -> Telegram:
    """The telegram that starts at ``at``; :class:`WireError` where there is no whole one."""
    end = _END.search(data, at, at + MAX_TELEGRAM_BYTES)
    if end is None:
        there = min(len(data) - at, MAX_TELEGRAM_BYTES)
        raise WireError("truncated", f"a P1 telegram without its closing '!' in {there} bytes")
    covered = data[at : end.start(1)]
    lines = _LINE_END.split(covered.decode("latin-1"))
    header = _HEADER.fullmatch(lines[0])
    if header is None:
        raise WireError("bad-p1", "the first line of the telegram names no manufacturer and type (/XXX5...)")
    given = end[1].decode("latin-1").strip()
    sent = int(given, 16) if _CRC.fullmatch(given) else None
    computed, restored = crc16(covered), False
    if sent is not None and sent != computed and b"\r" not in covered:
        computed, restored = crc16(covered.replace(b"\n", b"\r\n")), True
    objects: list[Object] = []
    others: list[str] = []
    for line in lines[1:-1]:
        found = _OBJECT.fullmatch(line.strip())
        if found:
            objects.append((found[1], tuple(_VALUE.findall(found[2]))))
        elif line.strip():
            others.append(line)
    return Telegram(
        length=end.end() - at,
        manufacturer=header[1],
        baud=header[2],
        identification=header[3],
        objects=tuple(objects),
        other_lines=tuple(others),
        crc=sent,
        crc_computed=computed,
        crc_malformed=sent is None and given != "",
        line_ends_restored=restored,
    )


def moment(text: str) -> datetime | None:
    """The moment that a value such as ``181106140429W`` names, local in winter or summer; None: it is no stamp."""
    found = _STAMP.fullmatch(text)
    if found is None:
        return None
    try:
        local = datetime.strptime(found[1], "%y%m%d%H%M%S")
    except ValueError:
        return None
    return local.replace(tzinfo=WINTER if found[2] == "W" else SUMMER)
