"""Of the rows of one day, which are the last version of their id."""

import numpy as np
import numpy.typing as npt
import pyarrow

from kwartier.store.rows import Integers


def latest(table: pyarrow.Table) -> pyarrow.Table:
    """The last version of each id, ordered by id."""
    chosen = is_last(table["id"].to_numpy(), table["version"].to_numpy())
    return table.filter(pyarrow.array(chosen)).sort_by("id")


def is_last(ids: Integers, versions: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Which rows are the last version of their id; of two that say the same, the one that was committed later."""
    order = np.lexsort((np.arange(len(ids)), versions, ids))
    ids = ids[order]
    last = np.zeros(len(ids), np.bool_)
    if len(ids):
        last[order] = np.append(ids[1:] != ids[:-1], True)
    return last
