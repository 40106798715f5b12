"""Of rows of some days, which are the last version of their id."""

from collections.abc import Iterator
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow

from kwartier.store.rows import Integers
from kwartier.store.schema import RAW, TableKind

Picked = tuple[Integers, Integers]
"""Ids, ascending, and one version of each."""


def with_day(table: pyarrow.Table, day: date, kind: TableKind = RAW) -> pyarrow.Table:
    """The rows of a file, each with the local day that the file is of."""
    column = pyarrow.repeat(pyarrow.scalar(day, pyarrow.date32()), table.num_rows)
    return table.select(kind.columns.names).append_column("day", column)


def by_day(table: pyarrow.Table) -> Iterator[tuple[date, pyarrow.Table]]:
    """The rows of each of their days, in the order of days."""
    days = table["day"].to_numpy()
    for day in np.unique(days):
        yield day.astype("datetime64[D]").item(), table.filter(pyarrow.array(days == day))


def latest(table: pyarrow.Table, kind: TableKind = RAW) -> pyarrow.Table:
    """The newest row of each day and id, in the order of days and ids; the rows have their days."""
    ids, versions = table["id"].to_numpy(), table[kind.newest].to_numpy()
    days = table["day"].cast(pyarrow.int32()).to_numpy()
    if (ids[1:] > ids[:-1]).all() and (days[1:] == days[:-1]).all():  # as a rewrite leaves them
        return table
    order = np.lexsort((np.arange(len(ids)), versions, ids, days))
    ids, days = ids[order], days[order]
    is_next = (ids[1:] != ids[:-1]) | (days[1:] != days[:-1])
    return table.take(pyarrow.array(order[np.append(is_next, True)]))


def is_picked(ids: Integers, versions: npt.NDArray[np.int32] | Integers, picked: Picked) -> npt.NDArray[np.bool_]:
    """Which rows are the version that was picked of their id, likewise."""
    found = np.zeros(len(ids), np.bool_)
    if len(picked[0]):
        place = np.minimum(np.searchsorted(picked[0], ids), len(picked[0]) - 1)
        found = (picked[0][place] == ids) & (picked[1][place] == versions)
        found[found] = is_last(ids[found], versions[found])
    return found


def is_last(ids: Integers, versions: npt.NDArray[np.int32] | Integers) -> npt.NDArray[np.bool_]:
    """Which rows are the last version of their id; of two that say the same, the one that was committed later."""
    order = np.lexsort((np.arange(len(ids)), versions, ids))
    ids = ids[order]
    last = np.zeros(len(ids), np.bool_)
    if len(ids):
        last[order] = np.append(ids[1:] != ids[:-1], True)
    return last
