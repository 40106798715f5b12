"""Settling the repeated hour by the order of rows: only where one order of moments is possible at all.

Rows were captured one after the other, so their moments only grow. Taking for each row the earliest moment that the rows
before it allow, and then the latest that the rows after it allow, bounds it from both sides. Where both are the same moment,
every possible order agrees on it. Where they differ, the order does not settle the row.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(slots=True, kw_only=True)
class Candidates:
    """The moments (UTC seconds) that each stamp may mean: ``count`` 0, 1 (``low`` == ``high``) or 2."""

    low: Ints
    high: Ints
    count: Ints
    low_summer: Flags
    """Whether ``low`` is reckoned in summer time."""
    by_zone: Flags
    """Whether the time zone gave the moments; else a deviation did."""


def settle_by_order(found: Candidates, following_s: Ints) -> None:
    """Settle rows with two candidates where every growing order of moments agrees.

    ``following_s``: seconds that the rows without a stamp behind each stamped one take, in whatever direction. Rows without
    a candidate are passed over. A buffer that runs from new to old is taken backwards. Where no order is possible nothing is
    settled.
    """
    places = np.flatnonzero(found.count > 0)
    between = following_s[places].tolist()[:-1]
    if len(places) > 1 and found.low[places[0]] > found.high[places[-1]]:
        places = places[::-1]
        between.reverse()
    low, high = found.low[places].tolist(), found.high[places].tolist()
    earliest = _earliest(low, high, [0, *between])
    # With time turned round, the same walk finds the latest.
    latest = _earliest([-one for one in reversed(high)], [-one for one in reversed(low)], [0, *reversed(between)])
    if earliest is None or latest is None:
        return
    first, last = np.array(earliest, np.int64), -np.array(latest[::-1], np.int64)
    agreed = first == last
    settled = places[agreed]
    found.low[settled] = found.high[settled] = first[agreed]
    found.count[settled] = 1


def _earliest(low: list[int], high: list[int], gaps: list[int]) -> list[int] | None:
    """For each row the earliest of its moments that lies more than its gap behind the row before; None: there is none."""
    taken: list[int] = []
    for one, other, gap in zip(low, high, gaps, strict=True):
        least = taken[-1] + gap if taken else one - 1
        if one > least:
            taken.append(one)
        elif other > least:
            taken.append(other)
        else:
            return None
    return taken
