"""Names of many meters or connections, in columns: a million of them are one piece of memory, and no objects.

They are ASCII (a meter's letters and digits, the digits of an EAN), so that bytes say the same as text.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Names = npt.NDArray[np.bytes_]
Places = npt.NDArray[np.int64]
NOWHERE = -1


def names_of(texts: Sequence[str]) -> Names:
    """Texts as a column."""
    return np.array(texts, np.bytes_) if len(texts) else np.zeros(0, "S1")


def chained(parts: Sequence[Names]) -> Names:
    """Columns one after the other."""
    return np.concatenate(parts) if parts else names_of(())


def places_in(names: Names, wanted: Names) -> Places:
    """Where each of the wanted ones is in ``names``, which ascend; :data:`NOWHERE` where it is not."""
    if not len(names):
        return np.full(len(wanted), NOWHERE, np.int64)
    # In a column of another width numpy would first copy all of them. What is cut off here is unequal below.
    place = np.minimum(np.searchsorted(names, wanted.astype(names.dtype, copy=False)), len(names) - 1)
    return np.where(names[place] == wanted, place, NOWHERE).astype(np.int64)
