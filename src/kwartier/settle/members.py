"""Who is settled how: each connection of the market is in one group by its readings, or in one cell by its profile.

By readings: its method says so, it has a reading id, and none of its ids has a missing quarter. Everything else is by profile,
and *unread* unless the market itself chose the profile: a connection without an id, one of whose meters has a hole in its day
(the readings of the other cannot be had alone), and one that the registry does not know at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.compute as pc

from kwartier.errors import StateError
from kwartier.settle.inputs import Inputs, coded, eans, in_form, whole
from kwartier.settle.tables import Group, Membership

BY_READINGS = ("SMA", "cSMA")
"""The methods that take readings; any other takes the profile."""

Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_TEXT: pyarrow.DataType = pyarrow.string()
_WHOLE: pyarrow.DataType = pyarrow.int64()
_CELL = ("grid_area", "brp", "supplier", "method", "profile")
PROFILED = pyarrow.schema(
    [
        *((name, _TEXT) for name in _CELL),
        *((name, _WHOLE) for name in ("connections", "year_import_wh", "year_export_wh")),
    ]
)
"""Connections by profile, those added up that share a group and a profile."""


class Stop(NamedTuple):
    """Why an area cannot be settled."""

    code: str
    reason: str


class Count(NamedTuple):
    """Connections of an area, and how many of them are unread."""

    connections: int
    unread: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """Who is settled how. ``connections``: of each group of the membership, how many connections it counts."""

    membership: Membership
    connections: Numbers
    profiled: pyarrow.Table = field(repr=False)
    areas: Mapping[str, Count]
    stopped: Mapping[str, tuple[Stop, ...]]


class _Supplied(NamedTuple):
    """The connections of the market, ordered by EAN: each stands in one row of the table of supplies."""

    eans: Numbers
    rows: Numbers

    def places(self, wanted: Numbers) -> tuple[Numbers, Mask]:
        """The place of each EAN, and whether it is there."""
        if not len(self.eans):
            return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
        place = np.minimum(np.searchsorted(self.eans, wanted), len(self.eans) - 1)
        return place, self.eans[place] == wanted


def members(given: Inputs) -> Members:
    """The groups of the day, and the cells; soonest where all tables are ordered by EAN. Raises ``StateError`` bad-table."""
    supplied = _Supplied(*np.unique(eans(given.supplies), return_index=True))
    place, is_supplied = supplied.places(eans(given.meters))
    _require_known(given, is_supplied)
    supplies = _in_order(given.supplies, supplied.rows)
    by_method = _flags(pc.is_in(supplies["method"], value_set=pyarrow.array(BY_READINGS)))
    metered = by_method & _readable(given, place, is_supplied, len(supplies))

    groups, group = _groups(supplies, metered)
    ids = whole(given.meters, "id")
    counted = np.flatnonzero(is_supplied & metered[place]) if len(supplies) else np.zeros(0, np.int64)
    counted = counted[np.argsort(ids[counted], kind="stable")]
    return Members(
        membership=Membership(
            groups=groups, ids=ids[counted], group=group[place[counted]].astype(np.int32), connection=place[counted]
        ),
        connections=np.bincount(group[metered], minlength=len(groups)).astype(np.int64),
        profiled=_cells(supplies, ~metered),
        areas=_areas(given, supplies, by_method & ~metered),
        stopped=_stopped(given, supplied),
    )


def _in_order(table: pyarrow.Table, rows: Numbers) -> pyarrow.Table:
    """These rows, copied only where they are not the table as it is."""
    return table if np.array_equal(rows, np.arange(len(table))) else table.take(rows)


def _require_known(given: Inputs, is_supplied: Mask) -> None:
    """A meter is at a connection that the market or the registry knows; else its readings would be in no area at all."""
    if is_supplied.all():
        return
    strays = np.setdiff1d(eans(given.meters)[~is_supplied], eans(given.connections))
    if len(strays):
        raise StateError("bad-table", f"the meters of {len(strays)} connections are at none that the registry has")


def _flags(column: "pyarrow.ChunkedArray[pyarrow.BooleanScalar] | pyarrow.BooleanArray") -> Mask:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _readable(given: Inputs, place: Numbers, is_supplied: Mask, count: int) -> Mask:
    """Which connections have an id, and none that is not usable."""
    usable = _flags(given.meters["usable"])
    good = np.bincount(place[is_supplied & usable], minlength=count)
    bad = np.bincount(place[is_supplied & ~usable], minlength=count)
    return np.asarray((good > 0) & (bad == 0))


def _groups(supplies: pyarrow.Table, metered: Mask) -> tuple[tuple[Group, ...], Numbers]:
    """The groups that connections by readings are in, in the order of their names; of each connection, which one (else -1)."""
    columns = [coded(supplies, name) for name in Group._fields]
    codes = np.zeros(len(supplies), np.int64)
    for names, column in columns:
        codes = codes * len(names) + column
    rows = np.flatnonzero(metered)
    _, first, inverse = np.unique(codes[rows], return_index=True, return_inverse=True)
    group = np.full(len(supplies), -1, np.int64)
    group[rows] = inverse
    found = [Group(*(names[column[row]] for names, column in columns)) for row in rows[first].tolist()]
    return tuple(found), group


def _cells(supplies: pyarrow.Table, profiled: Mask) -> pyarrow.Table:
    chosen = supplies.filter(pyarrow.array(profiled))
    grouped = pyarrow.TableGroupBy(chosen, list(_CELL), use_threads=False)
    added = grouped.aggregate([("ean", "count"), ("year_import_wh", "sum"), ("year_export_wh", "sum")])
    named = added.select([*_CELL, "ean_count", "year_import_wh_sum", "year_export_wh_sum"])
    ordered = named.rename_columns(PROFILED.names).sort_by([(name, "ascending") for name in _CELL])
    return in_form(ordered, PROFILED, "profiled")


def _areas(given: Inputs, supplies: pyarrow.Table, unread: Mask) -> Mapping[str, Count]:
    """Every area that anything is said of, with its connections."""
    names, area = coded(supplies, "grid_area")
    connections = np.bincount(area, minlength=len(names)).tolist()
    without = np.bincount(area[unread], minlength=len(names)).tolist()
    found = {name: Count(*counts) for name, *counts in zip(names, connections, without, strict=True)}
    for table in (given.connections, given.infeed, given.losses):
        for name in coded(table, "grid_area")[0]:
            found.setdefault(name, Count(0, 0))
    return dict(sorted(found.items()))


def _stopped(given: Inputs, supplied: _Supplied) -> Mapping[str, tuple[Stop, ...]]:
    """Areas of which the market does not say, or says twice, who answers for a connection."""
    found: dict[str, tuple[Stop, ...]] = {}
    _, is_supplied = supplied.places(eans(given.connections))
    for area, count in _by_area(given.connections, ~is_supplied).items():
        found[area] = (Stop("no-market-data", f"{count} connections have no supply"),)
    if len(supplied.eans) == len(given.supplies):
        return found
    _, inverse, times = np.unique(eans(given.supplies), return_inverse=True, return_counts=True)
    for area, count in _by_area(given.supplies, times[inverse] > 1).items():
        stop = Stop("two-supplies", f"{count} supplies are of connections that have several")
        found[area] = (*found.get(area, ()), stop)
    return found


def _by_area(table: pyarrow.Table, wanted: Mask) -> dict[str, int]:
    """How many rows each area has among those that are wanted."""
    names, area = coded(table.filter(pyarrow.array(wanted)), "grid_area")
    return dict(zip(names, np.bincount(area, minlength=len(names)).tolist(), strict=True))
