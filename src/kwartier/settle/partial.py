"""Sums per group over some rows of volumes: what a kernel gives for a piece of the table, and what pieces merge into."""

from dataclasses import dataclass, field

import numpy as np

from kwartier.settle.tables import DIRECTIONS, Energy

CHANNELS = tuple(DIRECTIONS)
"""The order of the second axis of every sum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """Sums of volumes, int64 Wh with axes group, channel (:data:`CHANNELS`) and quarter. The repr shows no value.

    Calculated and estimated volumes are a part of ``energy_wh``. ``rows``: of each group, how many rows were summed.
    """

    energy_wh: Energy = field(repr=False)
    calculated_wh: Energy = field(repr=False)
    estimated_wh: Energy = field(repr=False)
    rows: Energy


def no_rows(groups: int, quarters: int) -> Partial:
    """What there is before any row was summed."""
    shape = (groups, len(CHANNELS), quarters)
    return Partial(
        energy_wh=np.zeros(shape, np.int64),
        calculated_wh=np.zeros(shape, np.int64),
        estimated_wh=np.zeros(shape, np.int64),
        rows=np.zeros(groups, np.int64),
    )
