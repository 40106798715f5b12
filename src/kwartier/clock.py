"""Quarters and days: where the local calendar of a connection meets UTC.

Inside kwartier every time is UTC in whole seconds. A day is a local calendar day, so it has 92, 96 or 100 quarters; its
quarter ends run from local midnight, which opens it, to the next local midnight, which closes it. Local wall time is only
ever turned into UTC through :func:`candidates` or :func:`stretches`, which say when it is not one moment but two, or none.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from kwartier.errors import InputError
from kwartier.model import Times

QUARTER_S = 900
DAY_S = 86_400
MAX_DAYS = 400
"""Days in one run of quarter ends."""
MAX_CACHED = 256
FIRST_YEAR = 1971
LAST_YEAR = 2105
"""Years that are dealt with: before the first, zones were odd; after the last, 32 bits of seconds end."""
_EPOCH = datetime(1970, 1, 1)


class Stretch(NamedTuple):
    """From ``start`` up to ``stop`` (UTC seconds) local time is UTC plus ``offset_s``."""

    start: int
    stop: int
    offset_s: int


@lru_cache(maxsize=MAX_CACHED)
def zone(name: str) -> ZoneInfo:
    """The time zone ``name`` (``Europe/Amsterdam``). Raises ``InputError`` bad-timezone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError("bad-timezone", f"'{name[:80]}' is no time zone such as Europe/Amsterdam") from error


@lru_cache(maxsize=4 * MAX_CACHED)
def midnight(day: date, timezone: str) -> int:
    """The first moment of local ``day``, in UTC seconds.

    Where a zone skips midnight that is the moment of the switch; where it repeats it, the first of the two.
    """
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise InputError("bad-day", f"{day} is outside the years {FIRST_YEAR} to {LAST_YEAR}")
    return int(datetime(day.year, day.month, day.day, tzinfo=zone(timezone)).timestamp())


@lru_cache(maxsize=MAX_CACHED)
def quarter_ends(start: date, end: date, timezone: str) -> Times:
    """The quarter ends of the local days from ``start`` up to but not including ``end``, in UTC seconds, read-only.

    n + 1 entries for n quarters: the first is the opening, local midnight of ``start``. Raises ``InputError`` bad-day when
    there is no day between, or more than :data:`MAX_DAYS`.
    """
    if not 0 < (end - start).days <= MAX_DAYS:
        raise InputError("bad-day", f"from {start} up to {end} are not 1 to {MAX_DAYS} days")
    first, last = midnight(start, timezone), midnight(end, timezone)
    if (last - first) % QUARTER_S or first % QUARTER_S:
        raise InputError("bad-timezone", f"days of '{timezone}' do not consist of whole quarters")
    times = np.arange(first, last + QUARTER_S, QUARTER_S, dtype=np.int64)
    times.flags.writeable = False
    return times


def offset_at(timezone: str, utc: int) -> int:
    """Local time minus UTC at the moment ``utc``, in seconds."""
    offset = datetime.fromtimestamp(utc, zone(timezone)).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def is_summer(timezone: str, utc: int) -> bool:
    """Whether daylight saving time is in force at the moment ``utc``."""
    return bool(datetime.fromtimestamp(utc, zone(timezone)).dst())


@lru_cache(maxsize=MAX_CACHED)
def stretches(timezone: str, first: int, last: int) -> tuple[Stretch, ...]:
    """The stretches of constant offset that cover ``first`` to ``last`` (UTC seconds), in order.

    The outer ends lie at ``first`` and ``last``; the inner ones are the moments at which the clocks are changed.
    """
    if not 0 <= last - first <= MAX_DAYS * DAY_S:
        raise InputError("bad-day", f"{last - first} seconds are not 0 to {MAX_DAYS} days")
    found: list[Stretch] = []
    start, offset = first, offset_at(timezone, first)
    at = first
    while at < last:
        ahead = min(at + DAY_S, last)
        changed = offset_at(timezone, ahead)
        if changed != offset:
            before = at
            while ahead - before > 1:
                middle = (before + ahead) // 2
                if offset_at(timezone, middle) == offset:
                    before = middle
                else:
                    ahead = middle
            found.append(Stretch(start, ahead, offset))
            start, offset = ahead, offset_at(timezone, ahead)
        at = ahead
    found.append(Stretch(start, last, offset))
    return tuple(found)


@lru_cache(maxsize=MAX_CACHED)
def offsets(timezone: str, year: int) -> frozenset[int]:
    """Every offset (local minus UTC, seconds) that the zone has on the first of a month of ``year``."""
    return frozenset(
        offset_at(timezone, int(datetime(year, month, 1, tzinfo=UTC).timestamp())) for month in range(1, 13)
    )


def candidates(local: datetime, timezone: str) -> tuple[int, ...]:
    """The moments, in UTC seconds, at which clocks show the naive ``local``: none, one or two, ascending.

    A moment at which the clocks are changed counts under both its names: it ends a quarter by the old and starts one by the
    new, and meters write either.
    """
    seconds = (local - _EPOCH) // timedelta(seconds=1)
    found = {
        seconds - stretch.offset_s
        for stretch in stretches(timezone, seconds - DAY_S, seconds + DAY_S)
        if stretch.start <= seconds - stretch.offset_s <= stretch.stop
    }
    return tuple(sorted(found))


def local_day(utc: int, timezone: str) -> date:
    """The local day that ``utc`` (seconds) lies in."""
    return datetime.fromtimestamp(utc, zone(timezone)).date()
