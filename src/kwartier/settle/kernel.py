"""The kernel of settlement: rows of the validated table in, sums per group, channel and quarter out.

No value is copied on its way: the lists of a piece lie one after the other, so they are a matrix as they stand. Only rows of
which a quarter was not measured are looked at twice. Ids that no group counts are passed over.
"""

from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.compute as pc

from kwartier.errors import StateError
from kwartier.model import Quality
from kwartier.settle.adding import Groups, Rows, adding
from kwartier.settle.partial import CHANNELS, Partial, no_rows
from kwartier.settle.tables import Membership

Values: TypeAlias = "pyarrow.Array[Any]"
QUALITIES = {"import_wh": "quality_import", "export_wh": "quality_export"}
"""By channel: the column with a :class:`~kwartier.model.Quality` for each quarter; null: all of them were measured."""


class SettleKernel:
    """Sums the volumes of a day of ``quarters`` by the groups of ``membership``; see :mod:`kwartier.compute.engine`."""

    __slots__ = ("_add", "_membership", "_quarters")

    def __init__(self, membership: Membership, quarters: int) -> None:
        self._membership = membership
        self._quarters = quarters
        self._add = adding(len(membership.ids))

    def __reduce__(self) -> "tuple[type[SettleKernel], tuple[Membership, int]]":
        # Machine code is made where it runs, and which meters share a connection is nothing to it.
        sent = replace(self._membership, connection=self._membership.connection[:0])
        return type(self), (sent, self._quarters)

    def map(self, rows: pyarrow.Table, onto: Partial | None = None) -> Partial:
        """The sums of some rows, added to ``onto``. Raises ``StateError`` bad-table."""
        found = no_rows(len(self._membership.groups), self._quarters) if onto is None else onto
        for batch in rows.to_batches():
            group = self._groups(batch.column("id").to_numpy())
            np.add(found.rows, np.bincount(group[group >= 0], minlength=len(found.rows)), out=found.rows)
            for channel, name in enumerate(CHANNELS):
                energy_wh = matrix(batch.column(name), self._quarters)
                self._add(energy_wh, group, found.energy_wh, channel)
                self._by_quality(batch.column(QUALITIES[name]), energy_wh, group, found, channel)
        return found

    def merge(self, one: Partial, other: Partial) -> Partial:
        """The sums of both, in ``one``."""
        for sums, more in (
            (one.energy_wh, other.energy_wh),
            (one.calculated_wh, other.calculated_wh),
            (one.estimated_wh, other.estimated_wh),
            (one.rows, other.rows),
        ):
            np.add(sums, more, out=sums)
        return one

    def _groups(self, ids: npt.NDArray[np.int64]) -> Groups:
        known = self._membership.ids
        if not len(known):
            return np.full(len(ids), -1, np.int32)
        place = np.minimum(np.searchsorted(known, ids), len(known) - 1)
        return np.where(known[place] == ids, self._membership.group[place], np.int32(-1))

    def _by_quality(self, column: Values, energy_wh: Rows, group: Groups, found: Partial, channel: int) -> None:
        """Add what is calculated and estimated of the rows that say so."""
        if column.null_count == len(column):
            return
        said, quality = qualities(column, self._quarters)
        counted = group[said] >= 0
        said, quality = said[counted], quality[counted]
        if ((quality >= Quality.MISSING) & (quality != Quality.ABSENT)).any():
            raise StateError("bad-table", "a quarter of a row that counts is missing, or of a quality nobody knows")
        for kind, sums in ((Quality.CALCULATED, found.calculated_wh), (Quality.ESTIMATED, found.estimated_wh)):
            chosen = quality == kind
            some = np.flatnonzero(chosen.any(axis=1))
            if len(some):
                part = np.where(chosen[some], energy_wh[said[some]], np.int32(0))
                part.flags.writeable = False
                self._add(part, group[said[some]], sums, channel)


def matrix(column: Values, quarters: int) -> Rows:
    """Lists of ``quarters`` values as the rows of a matrix, where they lie. Raises ``StateError`` bad-table."""
    kind = column.type
    if not pyarrow.types.is_list(kind) or kind.value_type != pyarrow.int32() or kind.value_field.nullable:
        raise StateError("bad-table", f"volumes are lists of int32 of which none may be null, not {kind}")
    if not isinstance(column, pyarrow.ListArray) or column.null_count:
        raise StateError("bad-table", "a row has no volumes")
    edges = column.offsets.to_numpy()
    if (np.diff(edges) != quarters).any():
        raise StateError("bad-table", f"a row has not the {quarters} quarters of its day")
    first, last = (int(edges[0]), int(edges[-1])) if len(column) else (0, 0)
    values: npt.NDArray[np.int32] = column.values.slice(first, last - first).to_numpy(zero_copy_only=True)
    return values.reshape(-1, quarters)


def qualities(column: Values, quarters: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """The rows that have qualities, and a byte for each of their quarters. Raises ``StateError`` bad-table."""
    if column.type != pyarrow.binary():
        raise StateError("bad-table", f"qualities are binary, not {column.type}")
    said = np.flatnonzero(np.asarray(pc.is_valid(column)))
    there = column.drop_null()
    _, ends, octets = there.buffers()
    edges = np.frombuffer(memoryview(ends or b""), np.int32)[there.offset : there.offset + len(there) + 1]
    if (np.diff(edges) != quarters).any():
        raise StateError("bad-table", f"a row has not a quality for each of the {quarters} quarters of its day")
    found = np.frombuffer(memoryview(octets or b""), np.uint8)[edges[0] : edges[-1]]
    return said, found.reshape(-1, quarters)
