"""Rows of single quarters, laid out as the columns of a day: a day that lacks a quarter is none, and says what it lacks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow

from kwartier.model import Times
from kwartier.settle.inputs import coded, whole
from kwartier.settle.tables import Energy

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """A day of whole numbers for each key; ``seen`` counts the rows that there were of each quarter."""

    rows: Mapping[Key, int] = field(repr=False)
    values: Energy = field(repr=False)
    seen: Energy = field(repr=False)

    def of(self, key: Key) -> Energy | None:
        """The day of ``key``; None: it is not there as a whole."""
        row = self.rows.get(key)
        return None if row is None or (self.seen[row] != 1).any() else self.values[row]

    def lacking(self, key: Key) -> str:
        """What is wrong with a day that is not there as a whole."""
        row = self.rows.get(key)
        quarters = self.seen.shape[1]
        if row is None:
            return f"none of {quarters} quarters"
        none, several = int((self.seen[row] == 0).sum()), int((self.seen[row] > 1).sum())
        said = [f"not {none} of {quarters} quarters"] if none else []
        return " and ".join([*said, f"{several} of them more than once"] if several else said)


def days(table: pyarrow.Table, keys: Sequence[str], value: str, times: Times) -> Days:
    """The rows of ``table`` by the columns ``keys``; those of quarters outside the day are left out."""
    ends = times[1:]
    stamps = whole(table, "quarter")
    place = np.minimum(np.searchsorted(ends, stamps), len(ends) - 1)
    inside = np.flatnonzero(ends[place] == stamps)
    table, place = table.take(inside), place[inside]
    columns = [coded(table, name) for name in keys]
    codes = np.zeros(len(place), np.int64)
    for names, column in columns:
        codes = codes * len(names) + column
    found, first, row = np.unique(codes, return_index=True, return_inverse=True)
    values = np.zeros((len(found), len(ends)), np.int64)
    seen = np.zeros_like(values)
    np.add.at(values, (row, place), whole(table, value))
    np.add.at(seen, (row, place), 1)
    rows = {tuple(names[column[one]] for names, column in columns): number for number, one in enumerate(first.tolist())}
    return Days(rows=rows, values=values, seen=seen)
