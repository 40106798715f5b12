"""Where quarters stand on the local clock: a shape of one day is laid over another by what the clock showed.

Only days of 96 quarters lend their shape, and on those quarter q began at q times fifteen minutes. On a day of 92 quarters the
hour that the clock skips is left out; on one of 100 the hour that it shows twice takes the same weights twice.
"""

from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from kwartier.clock import DAY_S, QUARTER_S, offset_at, stretches
from kwartier.model import Times
from kwartier.validate.day import Places

PLAIN_QUARTERS = 96
MAX_CACHED = 256
_EPOCH = date(1970, 1, 1)


class Clocked(NamedTuple):
    """Quarters as the clock has them: the local day of each (days since 1970), and its place among 96."""

    day: Places
    place: Places


def quarters_between(start: int, end: int) -> Times:
    """The ends of the quarters from ``start`` to ``end`` (UTC s, both at a quarter's end)."""
    return np.arange(start + QUARTER_S, end + QUARTER_S, QUARTER_S, dtype=np.int64)


@lru_cache(maxsize=MAX_CACHED)
def clocked(start: int, end: int, timezone: str) -> Clocked:
    """The quarters from ``start`` to ``end``, which are at most :data:`kwartier.clock.MAX_DAYS` days apart."""
    began = np.arange(start, end, QUARTER_S, dtype=np.int64)
    for stretch in stretches(timezone, start, end):
        first, last = ((moment - start) // QUARTER_S for moment in (stretch.start, stretch.stop))
        began[first:last] += stretch.offset_s
    day, seconds = np.divmod(began, DAY_S)
    return Clocked(day, seconds // QUARTER_S)


@lru_cache(maxsize=MAX_CACHED)
def local_length_s(start: int, end: int, timezone: str) -> int:
    """How long it took by the local clock: ten days are ten days, also when an hour is skipped in them."""
    return end - start + offset_at(timezone, end) - offset_at(timezone, start)


def date_of(day: int) -> date:
    """The date of a day that is counted from 1970."""
    return _EPOCH + timedelta(days=day)
