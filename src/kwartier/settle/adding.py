"""Adding the volumes of many rows to the sums of their groups, exactly: one meaning, which numpy spells out, in two forms.

Numpy sorts the rows by group and adds each run of them. Where a fleet is large, a loop of machine code does the same without
moving a row and is ten times as fast; it takes half a second to make, in which numpy would have settled a town.
"""

from functools import cache
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from kwartier.settle.tables import Energy

Rows = npt.NDArray[np.int32]
"""A row a meter, a column a quarter, Wh; contiguous, and only read."""
Groups = npt.NDArray[np.int32]
"""Of each row, the group it belongs to; below 0: none."""

COMPILED_FROM = 200_000
"""Rows from which on the loop is worth its making."""


class Add(Protocol):
    """Adds every row to ``onto[group, channel]``."""

    def __call__(self, rows: Rows, group: Groups, onto: Energy, channel: int) -> None:
        """Change ``onto`` (axes group, channel, quarter)."""
        ...


def adding(rows: int) -> Add:
    """How to add where about so many rows will come."""
    return compiled() if rows >= COMPILED_FROM else add


def add(rows: Rows, group: Groups, onto: Energy, channel: int) -> None:
    """Add every row to ``onto[group, channel]``."""
    order = np.argsort(group, kind="stable")
    order = order[np.searchsorted(group[order], 0) :]
    if not len(order):
        return
    sorted_group = group[order]
    first = np.flatnonzero(np.concatenate([[True], sorted_group[1:] != sorted_group[:-1]]))
    onto[sorted_group[first], channel] += np.add.reduceat(rows[order], first, axis=0, dtype=np.int64)


@cache
def compiled() -> Add:
    """The same as machine code, made once a process; others run while it does."""
    import numba

    read_only = numba.types.Array(numba.types.int32, 2, "C", readonly=True)
    signature = numba.types.void(read_only, numba.int32[::1], numba.int64[:, :, ::1], numba.int64)
    return cast(Add, numba.njit(signature, nogil=True)(_loop))


def _loop(rows: Rows, group: Groups, onto: Energy, channel: int) -> None:
    for row in range(rows.shape[0]):
        place = group[row]
        if place >= 0:
            for quarter in range(rows.shape[1]):
                onto[place, channel, quarter] += rows[row, quarter]
