"""How a message is worded: elements in their order, times in UTC to the minute, kilowatt-hours with three decimals.

Text is written piece by piece, so that a document never lies in memory as a whole. Energy is whole watt-hours and is written
from them digit by digit: no float comes near it. Nothing but printable characters goes into a message, and those that XML
has a meaning for are escaped.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from xml.sax.saxutils import escape

from kwartier.clock import QUARTER_S
from kwartier.errors import InputError
from kwartier.export.codes import Code
from kwartier.export.series import MAX_QUARTERS, NOT_AVAILABLE
from kwartier.model import Times

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
ACTIVE_ENERGY = "8716867000030"
KILOWATT_HOUR = "KWH"
QUARTER = "PT15M"
CONSUMPTION, PRODUCTION = "E17", "E18"
POINT_TYPES = {"import": CONSUMPTION, "export": PRODUCTION}


def leaf(name: str, value: str | Code) -> str:
    """An element without children. Raises ``InputError`` bad-message, without the text."""
    text, scheme = (value.value, f' codingScheme="{value.scheme}"') if isinstance(value, Code) else (value, "")
    if not text or not text.isprintable():
        raise InputError("bad-message", f"{name} is empty or holds characters that no message may have")
    return f"<{name}{scheme}>{escape(text)}</{name}>"


def leaves(values: Iterable[tuple[str, str | Code]]) -> str:
    """Elements without children, in their order."""
    return "".join(leaf(name, value) for name, value in values)


def minute(utc: int) -> str:
    """A moment, to the minute."""
    return f"{datetime.fromtimestamp(utc, UTC):%Y-%m-%dT%H:%MZ}"


def second(utc: int) -> str:
    """A moment, to the second."""
    return f"{datetime.fromtimestamp(utc, UTC):%Y-%m-%dT%H:%M:%SZ}"


def quantity(energy_wh: int) -> str:
    """An energy in kilowatt-hours."""
    if energy_wh < 0:
        return f"-{quantity(-energy_wh)}"
    return f"{energy_wh // 1000}.{energy_wh % 1000:03d}"


def interval(name: str, times: Times) -> str:
    """The day of quarter ends ``times``, from when to when."""
    begin, end = minute(int(times[0]) - QUARTER_S), minute(int(times[-1]))
    return f"<{name}><start>{begin}</start><end>{end}</end></{name}>"


def points(energy_wh: Sequence[int], codes: Sequence[str]) -> str:
    """A quantity and its quality for each quarter; what is not available has no quantity, not even 0."""
    if NOT_AVAILABLE not in codes and min(energy_wh) >= 0:
        values = ((energy // 1000, energy % 1000, code) for energy, code in zip(energy_wh, codes, strict=True))
        return _plain_day(len(energy_wh)) % tuple(chain.from_iterable(values))
    return "".join(
        f"<Point><position>{place}</position>"
        f"{'' if code == NOT_AVAILABLE else f'<quantity>{quantity(energy)}</quantity>'}"
        f"<quality>{code}</quality></Point>"
        for place, (energy, code) in enumerate(zip(energy_wh, codes, strict=True), 1)
    )


@lru_cache(maxsize=MAX_QUARTERS)
def _plain_day(quarters: int) -> str:
    """The points of a day as one template: most days have a quantity in every quarter, and there are millions of them."""
    one = "<quantity>%d.%03d</quantity><quality>%s</quality></Point>"
    return "".join(f"<Point><position>{place}</position>{one}" for place in range(1, quarters + 1))


def period(times: Times, energy_wh: Sequence[int], codes: Sequence[str]) -> str:
    """A day of quarters, as E66 and E31 have it."""
    inner = f"<resolution>{QUARTER}</resolution>{interval('timeInterval', times)}{points(energy_wh, codes)}"
    return f"<Period>{inner}</Period>"
