"""What the settlement of a day is made from: tables of a fixed form, each checked before the first step looks at it.

A table that has more columns, or the same in another order or encoding, is brought into form; one that lacks something is
refused, and so is one with holes. Which rows there are is not looked at here: what is not there is the matter of the step
that needs it.
"""

from dataclasses import dataclass, field
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.compute as pc

from kwartier.errors import StateError
from kwartier.model import Times

MAX_YEAR_WH = 10**15
"""The most that a connection may use in a year; any sum of a nation stays within 64 bits then."""
ONE_E12 = 10**12
"""The whole, in the unit of fractions."""

_TEXT: pyarrow.DataType = pyarrow.string()
_WHOLE: pyarrow.DataType = pyarrow.int64()
_FLAG: pyarrow.DataType = pyarrow.bool_()
CONNECTIONS = pyarrow.schema([("ean", _TEXT), ("grid_area", _TEXT)])
"""Every connection that the registry has on the day."""
METERS = pyarrow.schema([("id", _WHOLE), ("ean", _TEXT), ("usable", _FLAG)])
"""Every reading id, that is every meter that was at a connection on the day. ``usable``: no quarter of it is missing."""
SUPPLIES = pyarrow.schema(
    [
        *((name, _TEXT) for name in ("ean", "grid_area", "brp", "supplier", "method", "profile")),
        ("year_import_wh", _WHOLE),
        ("year_export_wh", _WHOLE),
    ]
)
"""Who answers for each connection on the day."""
AREA_ENERGIES = pyarrow.schema([("grid_area", _TEXT), ("quarter", _WHOLE), ("direction", _TEXT), ("energy_wh", _WHOLE)])
"""Infeed, or losses. ``quarter``: its end, in UTC seconds."""
FRACTIONS = pyarrow.schema(
    [("grid_area", _TEXT), ("profile", _TEXT), ("quarter", _WHOLE), ("direction", _TEXT), ("fraction_e12", _WHOLE)]
)
"""The part of a year's volume that falls in a quarter."""
MOVED = pyarrow.schema([("id", _WHOLE), ("import_wh", _WHOLE), ("export_wh", _WHOLE), ("from_registers", _FLAG)])
"""How far the registers of each meter moved over the day, for the second path.

``from_registers``: the last stored register minus the first, which is to be had where every quarter of the meter is measured
or calculated; else it is the day's volume as validation has it.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What the settlement of a day is made from, but for the volumes; the tables have the forms above."""

    day: date
    times: Times = field(repr=False)
    """The opening and the n quarter ends of the day, in UTC seconds."""
    connections: pyarrow.Table = field(repr=False)
    meters: pyarrow.Table = field(repr=False)
    supplies: pyarrow.Table = field(repr=False)
    infeed: pyarrow.Table = field(repr=False)
    losses: pyarrow.Table = field(repr=False)
    fractions: pyarrow.Table = field(repr=False)

    @property
    def quarters(self) -> int:
        """How many quarters the day has: 92, 96 or 100."""
        return len(self.times) - 1


def inputs(
    *,
    day: date,
    times: Times,
    connections: pyarrow.Table,
    meters: pyarrow.Table,
    supplies: pyarrow.Table,
    infeed: pyarrow.Table,
    losses: pyarrow.Table,
    fractions: pyarrow.Table,
) -> Inputs:
    """The inputs of a day, in form. Raises ``StateError`` bad-table."""
    found = Inputs(
        day=day,
        times=times,
        connections=in_form(connections, CONNECTIONS, "connections"),
        meters=in_form(meters, METERS, "meters"),
        supplies=in_form(supplies, SUPPLIES, "supplies"),
        infeed=in_form(infeed, AREA_ENERGIES, "infeed"),
        losses=in_form(losses, AREA_ENERGIES, "losses"),
        fractions=in_form(fractions, FRACTIONS, "fractions"),
    )
    for name in ("year_import_wh", "year_export_wh"):
        _within(found.supplies, name, MAX_YEAR_WH)
    _within(found.fractions, "fraction_e12", ONE_E12)
    return found


def in_form(table: pyarrow.Table, schema: pyarrow.Schema, name: str) -> pyarrow.Table:
    """The columns of ``schema``, with its types and without holes. Raises ``StateError`` bad-table."""
    lacking = [column for column in schema.names if column not in table.column_names]
    if lacking:
        raise StateError("bad-table", f"the table of {name} has no column {', '.join(lacking)}")
    try:
        found = table.select(schema.names).cast(schema).combine_chunks()
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):
        # What the library says would name the value.
        raise StateError("bad-table", f"the table of {name} has a column of another type") from None
    holes = [column for column in schema.names if found[column].null_count]
    if holes:
        raise StateError("bad-table", f"the table of {name} has rows without {', '.join(holes)}")
    return found


def _within(table: pyarrow.Table, column: str, most: int) -> None:
    found = whole(table, column)
    if len(found) and not (found.min() >= 0 and found.max() <= most):
        raise StateError("bad-table", f"{column} is not from 0 to {most} in every row")


def whole(table: pyarrow.Table, column: str) -> npt.NDArray[np.int64]:
    """A column of whole numbers."""
    return np.asarray(table[column].to_numpy(), dtype=np.int64)


def eans(table: pyarrow.Table) -> npt.NDArray[np.int64]:
    """The EANs of a table as numbers, which is what 18 digits are. Raises ``StateError`` bad-table."""
    try:
        found = pc.cast(table["ean"], pyarrow.int64())
    except pyarrow.ArrowInvalid:
        raise StateError("bad-table", "an EAN is not made of digits") from None
    return np.asarray(found.to_numpy(), dtype=np.int64)


def coded(table: pyarrow.Table, column: str) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """The texts of a column in their order, and the place among them of each row."""
    texts = table[column].unique().to_pylist()
    names = tuple(sorted(str(one) for one in texts))
    places = pc.index_in(table[column], value_set=pyarrow.array(names, pyarrow.string()))
    return names, np.asarray(places.to_numpy(), dtype=np.int64)
