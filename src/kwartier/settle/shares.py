"""The quarters of volumes that are known for a year only: whole watt-hours whose sum is right for the day.

The exact volume of a quarter is year volume times fraction. Each is cut to whole Wh, and what the day as a whole is short of
then - its exact volume, rounded half up - goes by one Wh to the quarters that were cut most, the earliest among equals.
"""

import numpy as np

from kwartier.settle.inputs import ONE_E12
from kwartier.settle.tables import Energy

_E6 = 10**6
MAX_SPREAD_WH = 10**18
"""The largest year volume for which no step of the product leaves 64 bits."""


def spread(year_wh: Energy, fractions_e12: Energy) -> Energy:
    """A day for each year volume: ``year_wh`` has k entries, ``fractions_e12`` k by n, and so has what comes of them."""
    cut, left = _product(year_wh[:, None], fractions_e12)
    short = (left.sum(axis=1) + ONE_E12 // 2) // ONE_E12
    order = np.argsort(-left, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(order.shape[1])[None, :], axis=1)
    return np.asarray(cut + (rank < short[:, None]), dtype=np.int64)


def _product(year_wh: Energy, fractions_e12: Energy) -> tuple[Energy, Energy]:
    """Whole part and remainder of year volume times fraction by 10^12.

    The product itself may have 100 bits: it is taken in halves of six digits, as on paper.
    """
    high, low = year_wh // _E6, year_wh % _E6
    above, below = fractions_e12 // _E6, fractions_e12 % _E6
    middle = high * below + low * above
    rest = middle % _E6 * _E6 + low * below
    return high * above + middle // _E6 + rest // ONE_E12, rest % ONE_E12
