"""The inks of a picture: how a quarter came about has one colour, one hatching and one sign, wherever it is shown.

A reader without colours has the hatching and the sign. Every ink stands out from the paper by at least 3 to 1, and every
writing by at least 4.5 to 1, in the light and in the dark.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

MARK_CONTRAST = 3.0
TEXT_CONTRAST = 4.5
"""What a mark and what a writing need at least (WCAG 2.2, criteria 1.4.11 and 1.4.3)."""


class Kind(StrEnum):
    """How a quarter is shown, the surest first. A quarter is of one kind."""

    MEASURED = "measured"
    CALCULATED = "calculated"
    LATE = "late"
    """Measured or calculated, and it came after the night that it was due in."""
    ESTIMATED = "estimated"
    MISSING = "missing"


KINDS = tuple(Kind)
KNOWN = (Kind.MEASURED, Kind.CALCULATED, Kind.LATE)
"""The kinds that rest on what a meter sent for the quarter."""
WITH_ENERGY = (*KNOWN, Kind.ESTIMATED)
"""The kinds that have a volume."""


class Scheme(StrEnum):
    """What a picture is looked at on."""

    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ink:
    """A colour by day and by night, as ``#rrggbb``. ``name`` is what a style sheet calls it."""

    name: str
    light: str
    dark: str

    def of(self, scheme: Scheme) -> str:
        """The colour in one of the two."""
        return self.dark if scheme is Scheme.DARK else self.light


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How one kind looks. ``hatch`` has the colour of the paper; an open mark has its own colour as outline and hatching."""

    ink: Ink
    hatch: str
    is_open: bool
    sign: str
    """One character of a terminal."""
    terminal: str
    """Its colour there, which the terminal's own scheme makes readable."""


PAPER = Ink(name="paper", light="#ffffff", dark="#15191e")
TEXT = Ink(name="text", light="#1c2127", dark="#e6e9ed")
FAINT = Ink(name="faint", light="#59626d", dark="#9ba6b2")
"""Writing that may stand back."""
LINE = Ink(name="line", light="#d5dae0", dark="#343c46")
"""Lines that only lead the eye; nothing depends on them."""

MARKS: Mapping[Kind, Mark] = MappingProxyType(
    {
        Kind.MEASURED: Mark(
            ink=Ink(name="measured", light="#1f4e9c", dark="#6fa8ff"),
            hatch="",
            is_open=False,
            sign="■",
            terminal="blue",
        ),
        Kind.CALCULATED: Mark(
            ink=Ink(name="calculated", light="#0b7a68", dark="#35c9b0"),
            hatch="||||",
            is_open=False,
            sign="▦",
            terminal="green",
        ),
        Kind.LATE: Mark(
            ink=Ink(name="late", light="#9a3ef0", dark="#9a5cff"),
            hatch="\\\\",
            is_open=False,
            sign="◆",
            terminal="magenta",
        ),
        Kind.ESTIMATED: Mark(
            ink=Ink(name="estimated", light="#c05200", dark="#f5a34d"),
            hatch="/////",
            is_open=False,
            sign="▒",
            terminal="yellow",
        ),
        Kind.MISSING: Mark(
            ink=Ink(name="missing", light="#b3122b", dark="#ff7d8b"),
            hatch="xx",
            is_open=True,
            sign="·",
            terminal="red",
        ),
    }
)
INKS = (PAPER, TEXT, FAINT, LINE, *(mark.ink for mark in MARKS.values()))

PLACES = tuple(
    Ink(name=f"place-{name}", light=light, dark=dark)
    for name, light, dark in (
        ("a", "#3b5b92", "#8aaae0"),
        ("b", "#b07d0a", "#e0b44a"),
        ("c", "#4f7a22", "#a3cc6c"),
        ("d", "#96466f", "#dd95ba"),
        ("e", "#23808f", "#6fcbd8"),
        ("f", "#a0522d", "#e39a72"),
        ("g", "#6a66c2", "#b0aef5"),
        ("h", "#4d5560", "#b9c1ca"),
    )
)
"""The inks of series of one kind - parties, areas - by their place among them. There are more of these than inks that are told
apart at a glance, so that each place has a pattern besides (:func:`pattern_of`)."""
PATTERNS = ("", "/", "x", "-", ".", "\\", "+", "|")
"""Hatchings of bars, as ``Mark.hatch`` has them; the first is solid."""


def place_of(place: int) -> Ink:
    """The ink of a place: 0, 1, ..."""
    return PLACES[place % len(PLACES)]


def pattern_of(place: int) -> str:
    """Its hatching: neighbours have another one, and the second of an ink has another than its first."""
    return PATTERNS[(place + place // len(PLACES)) % len(PATTERNS)]


def contrast(one: str, other: str) -> float:
    """How far two colours stand apart: from 1 (the same) to 21 (black and white), as WCAG 2.2 has it."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """The relative luminance of ``#rrggbb``, from 0 to 1."""
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
