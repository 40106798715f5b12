"""The second path: what the sums of a day must come to, found without the groups, the kernel and the residual of the first.

It joins the tables by EAN where the recipe looks places up, takes how far the stored registers moved where the recipe takes
quarters, and counts from the market's own rows. What the two have in common is the inputs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow
import pyarrow.compute as pc

from kwartier.settle.inputs import MOVED, Inputs, in_form, whole
from kwartier.settle.members import BY_READINGS
from kwartier.settle.tables import DIRECTIONS, Energy, Part

_ZEROES = "^0*"


class Expected(dict[tuple[str, ...], int]):
    """Whole numbers by name; 0 for what is not there."""

    __slots__ = ()

    def __missing__(self, key: tuple[str, ...]) -> int:
        return 0

    def under(self, *first: str) -> "Expected":
        """Those whose names begin with ``first``, without it."""
        return Expected({key[len(first) :]: value for key, value in self.items() if key[: len(first)] == first})


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """What must come out. The repr shows no value."""

    supplied: Expected
    """Connections by (area, brp)."""
    read: Expected
    """Connections that are settled by readings, by (area, brp)."""
    meters: Expected
    """Reading ids of these, by (area,)."""
    moved_wh: Expected = field(repr=False)
    """How far their registers moved, by (area, brp, direction)."""
    from_registers: Expected
    """Of how many ids that was taken from stored registers, by (area,)."""
    profiled_e12: Expected = field(repr=False)
    """Year volume times fraction, in millionths of millionths of a Wh, by (area, direction)."""
    cells: Expected
    """Into how many sums by profile that is rounded, by (area,)."""
    given: Mapping[tuple[Part, str, str], Energy] = field(repr=False)
    """Infeed and losses by part, area and direction, as they were imported."""


def second(given: Inputs, moved: pyarrow.Table) -> Second:
    """What must come out of ``given``; ``moved`` has the form of ``MOVED``. Raises ``StateError`` bad-table."""
    supplies = _by_number(given.supplies)
    meters = _by_number(given.meters)
    whole_day = _grouped(meters, ["ean"]).aggregate([("usable", "all")])
    # A join copies every column that it is given: of millions of connections, none that is not looked at.
    wanted = supplies.select(["ean", "grid_area", "brp"])
    wanted = wanted.filter(pc.is_in(supplies["method"], value_set=pyarrow.array(BY_READINGS)))
    read = wanted.join(whole_day.filter(whole_day["usable_all"]).select(["ean"]), "ean", join_type="inner")
    ids = meters.select(["id", "ean"]).join(read, "ean", join_type="inner")
    registers = ids.select(["id", "grid_area", "brp"]).join(in_form(moved, MOVED, "moved"), "id", join_type="inner")
    rest = supplies.join(read.select(["ean"]), "ean", join_type="left anti")
    cells = _grouped(rest, ["grid_area", "brp", "supplier", "method", "profile"]).aggregate([])
    return Second(
        supplied=_counted(supplies, "grid_area", "brp"),
        read=_counted(read, "grid_area", "brp"),
        meters=_counted(ids, "grid_area"),
        moved_wh=_moved(registers),
        from_registers=_counted(registers.filter(registers["from_registers"]), "grid_area"),
        profiled_e12=_profiled(given, rest),
        cells=_counted(cells, "grid_area"),
        given={**_days(given, given.infeed, Part.INFEED), **_days(given, given.losses, Part.LOSS)},
    )


def _by_number(table: pyarrow.Table) -> pyarrow.Table:
    """EANs without leading zeroes: what the recipe takes for the same number is the same text here."""
    bare = pc.replace_substring_regex(table["ean"], pattern=_ZEROES, replacement="")
    return table.set_column(table.column_names.index("ean"), "ean", bare)


def _grouped(table: pyarrow.Table, keys: list[str]) -> pyarrow.TableGroupBy:
    return pyarrow.TableGroupBy(table, keys, use_threads=False)


def _counted(table: pyarrow.Table, *keys: str) -> Expected:
    """How many rows there are of each key."""
    found = _grouped(table, list(keys)).aggregate([([], "count_all")])
    names = zip(*(found[key].to_pylist() for key in keys), strict=True)
    counts = whole(found, "count_all").tolist()
    return Expected(zip(names, counts, strict=True))


def _moved(registers: pyarrow.Table) -> Expected:
    channels = list(DIRECTIONS)
    found = _grouped(registers, ["grid_area", "brp"]).aggregate([(channel, "sum") for channel in channels])
    return Expected(
        {
            (row["grid_area"], row["brp"], DIRECTIONS[channel]): row[f"{channel}_sum"]
            for row in found.to_pylist()
            for channel in channels
        }
    )


def _profiled(given: Inputs, rest: pyarrow.Table) -> Expected:
    years = _grouped(rest, ["grid_area", "profile"]).aggregate([("year_import_wh", "sum"), ("year_export_wh", "sum")])
    inside = _of_the_day(given, given.fractions)
    added = _grouped(inside, ["grid_area", "profile", "direction"]).aggregate([("fraction_e12", "sum")])
    days = {(row["grid_area"], row["profile"], row["direction"]): row["fraction_e12_sum"] for row in added.to_pylist()}
    found = Expected()
    for row in years.to_pylist():
        for channel, direction in DIRECTIONS.items():
            # A year's volume times a day's fraction has more than 64 bits: Python's whole numbers have no end.
            part = int(row[f"year_{channel}_sum"]) * int(days.get((row["grid_area"], row["profile"], direction), 0))
            found[row["grid_area"], direction] += part
    return found


def _days(given: Inputs, table: pyarrow.Table, part: Part) -> dict[tuple[Part, str, str], Energy]:
    ordered = _of_the_day(given, table).sort_by([(name, "ascending") for name in ("grid_area", "direction", "quarter")])
    found = _grouped(ordered, ["grid_area", "direction"]).aggregate([("energy_wh", "list")])
    return {
        (part, row["grid_area"], row["direction"]): np.asarray(row["energy_wh_list"], dtype=np.int64)
        for row in found.to_pylist()
    }


def _of_the_day(given: Inputs, table: pyarrow.Table) -> pyarrow.Table:
    quarter = pc.field("quarter")
    return table.filter((quarter > int(given.times[0])) & (quarter <= int(given.times[-1])))
