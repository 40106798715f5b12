"""The files that the market hands in: which columns each has, how their cells read, and by what a file is told from another.

A quarter is named by its end, in UTC: ``2026-11-25T23:15Z`` closes the quarter from 23:00. A fraction is a decimal and becomes
a whole number of millionths of millionths without rounding; a finer one is refused, for whoever made it meant something by it.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum

from kwartier import rowfile
from kwartier.clock import FIRST_YEAR, LAST_YEAR, QUARTER_S
from kwartier.errors import InputError
from kwartier.fleet.ean import read_ean
from kwartier.fleet.periods import OPEN
from kwartier.rowfile import Column, Problem, Value

METHODS = ("SMA", "cSMA", "PRF")
"""How a connection is settled: by readings of its own, by readings collectively, or by profile."""
DIRECTIONS = ("import", "export")
DEFAULT_PROFILE = "E1A"
MAX_WORDS = 64
MAX_PROFILE = 16
MAX_QUALITY = 8
MAX_YEAR_WH = 10**12
"""A connection's year, and"""
MAX_ENERGY_WH = 10**15
"""an area's quarter: each some thousand times what there is, so that no sum of them overflows."""
FRACTION_DIGITS = 12
WHOLE = 10**FRACTION_DIGITS
"""All of a year's volume, as a fraction is counted."""
AREA, OTHER_AREA = "grid_area", "area"
_DECIMAL = re.compile(r"([0-9]{1,40})(?:\.([0-9]{1,40}))?(?:[eE]([+-]?[0-9]{1,3}))?")
_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.0{1,9})?)?(?:Z|\+00:00)", re.ASCII)


class Kind(StrEnum):
    """What a file says."""

    MARKET = "market"
    """Who is responsible for a connection, and how it is settled."""
    INFEED = "infeed"
    """What flowed into a grid area."""
    LOSSES = "losses"
    """What the grid itself took."""
    FRACTIONS = "fractions"
    """What part of a year falls in a quarter."""


def quarter(text: str) -> Value:
    """The end of a quarter in UTC, as seconds."""
    found = _MOMENT.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        year, month, day, hour, minute, second = (int(one or 0) for one in found.groups())
        moment = int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError:
        raise ValueError("is no moment in UTC such as 2026-11-25T23:15Z") from None
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValueError(f"is outside the years {FIRST_YEAR} to {LAST_YEAR}")
    if moment % QUARTER_S:
        raise ValueError("is not on a quarter of an hour")
    return moment


def fraction(text: str) -> Value:
    """A decimal from 0 to 1 in units of 1e-12, exactly."""
    found = _DECIMAL.fullmatch(text)
    if found is None:
        raise ValueError("is no decimal from 0 to 1 such as 0.000028534000")
    before, after, exponent = found[1], found[2] or "", int(found[3] or 0)
    digits, shift = int(before + after), exponent - len(after) + FRACTION_DIGITS
    counted, finer = (digits * int(10**shift), 0) if shift >= 0 else divmod(digits, int(10**-shift))
    if finer:
        raise ValueError(f"has more than {FRACTION_DIGITS} digits after the point")
    if counted > WHOLE:
        raise ValueError("is more than 1")
    return counted


_WORDS = rowfile.words(MAX_WORDS)
_MARKET = (
    Column(name="ean", read=read_ean),
    Column(name="valid_from", read=rowfile.day),
    Column(name="valid_to", read=rowfile.day, default=OPEN.isoformat()),
    Column(name="brp", read=_WORDS),
    Column(name="supplier", read=_WORDS),
    Column(name=AREA, read=_WORDS),
    Column(name="method", read=rowfile.one_of(*METHODS)),
    Column(name="profile", read=rowfile.words(MAX_PROFILE), default=DEFAULT_PROFILE),
    Column(name="year_volume_wh", read=rowfile.whole(0, MAX_YEAR_WH)),
    Column(name="year_export_wh", read=rowfile.whole(0, MAX_YEAR_WH), default=0),
)
_QUARTER = (
    Column(name="quarter", read=quarter),
    Column(name="direction", read=rowfile.one_of(*DIRECTIONS)),
)


def columns(kind: Kind, header: Sequence[str]) -> tuple[Column, ...]:
    """The columns of a file of that kind; where its header says ``area`` instead of ``grid_area``, so do they."""
    if kind is Kind.MARKET:
        return _MARKET
    area = Column(name=OTHER_AREA if OTHER_AREA in header and AREA not in header else AREA, read=_WORDS)
    if kind is not Kind.FRACTIONS:
        return (area, *_QUARTER, Column(name="energy_wh", read=rowfile.whole(0, MAX_ENERGY_WH)))
    profile = Column(name="profile", read=rowfile.words(MAX_PROFILE))
    quality = Column(name="quality", read=rowfile.words(MAX_QUALITY), default="")
    return (area, profile, *_QUARTER, Column(name="fraction", read=fraction), quality)


def unique(kind: Kind, header: Sequence[str]) -> tuple[str, ...]:
    """What no two rows of such a file agree in: the last of them is where it is said."""
    if kind is Kind.MARKET:
        return ("ean", "valid_from")
    names = [one.name for one in columns(kind, header)]
    return (*names[: names.index("quarter")], "direction", "quarter")


def kind_of(name: str, header: Sequence[str]) -> Kind:
    """What a file is by its header, and what flowed in from what was lost by how the name of the file begins.

    Raises ``InputError`` unclear-kind.
    """
    if "ean" in header:
        return Kind.MARKET
    if "fraction" in header:
        return Kind.FRACTIONS
    told = [kind for kind in (Kind.INFEED, Kind.LOSSES) if name.lower().startswith(kind.value)]
    if "energy_wh" not in header or not told:
        raise InputError("unclear-kind", f"{name}: neither its first line nor its name says what it is")
    return told[0]


class NoOverlap:
    """A period of a connection is one, and no two rows of a file speak of the same day of the same connection."""

    def __init__(self) -> None:
        self._said: dict[str, list[tuple[str, str, int]]] = {}
        """By connection, in the order of days: from when, up to when, in which line."""

    def __call__(self, lines: Sequence[int], cells: Mapping[str, Sequence[Value]]) -> dict[int, Problem]:
        """What is wrong with rows of a chunk, by their place in it."""
        problems: dict[int, Problem] = {}
        rows = zip(lines, cells["ean"], cells["valid_from"], cells["valid_to"], strict=True)
        for place, (line, ean, start, end) in enumerate(rows):
            first, last = str(start), str(end)
            if last <= first:
                problems[place] = ("valid_to", "is not after valid_from")
                continue
            said = self._said.setdefault(str(ean), [])
            at = bisect_left(said, (first, last, line))
            before, after = said[max(0, at - 1) : at], said[at : at + 1]
            other = [one[2] for one in before if first < one[1]] + [one[2] for one in after if one[0] < last]
            if other:
                problems[place] = ("valid_from", f"line {other[0]} says something of the same days")
                continue
            said.insert(at, (first, last, line))
        return problems


def day(text: Value) -> date:
    """A day as it stands in a row that was read."""
    return date.fromisoformat(str(text))
