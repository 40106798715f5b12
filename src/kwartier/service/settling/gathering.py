"""The tables that a settlement is made from, gathered from the registry, the market and the store - as of what is named.

Each source is asked as of something that stays: validation as of a run, the market as of a revision, the registry as it was
known at a moment. So the same question has the same answer at any later time, until a person or the law takes some of it away.
Whatever there is a row of for each connection stays in columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeVar

import numpy as np
import pyarrow

from kwartier.clock import quarter_ends
from kwartier.gate.volumes import Work
from kwartier.market.columns import Kind
from kwartier.market.market import Market
from kwartier.market.series import Series
from kwartier.model import Times
from kwartier.names import Names
from kwartier.service.home import Home
from kwartier.settle.conservation import Bounds
from kwartier.settle.inputs import AREA_ENERGIES, CONNECTIONS, FRACTIONS, METERS, SUPPLIES, Inputs, eans, inputs

ONE_DAY = timedelta(days=1)
Key = TypeVar("Key", bound=tuple[str, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What the settlement of a day is made from, by name: of the same the same comes."""

    day: date
    run: int
    """Of validation."""
    market_revision: int
    known: int
    """The moment (UTC seconds) whose knowledge of the registry counts."""
    bounds: Bounds


def gathered(home: Home, basis: Basis, work: Work) -> Inputs:
    """The inputs of a day; ``work`` is its volumes, as a grant hands them to an engine. Raises ``StateError`` bad-table."""
    day, market, revision = basis.day, Market(home.engine), basis.market_revision
    times = quarter_ends(day, day + ONE_DAY, home.settings.timezone)
    names, areas = home.registry.areas_on(day, known=basis.known)
    area = pyarrow.DictionaryArray.from_arrays(areas.codes, pyarrow.array(areas.texts, pyarrow.string()))
    return inputs(
        day=day,
        times=times,
        connections=pyarrow.table([_texts(names), area.cast(pyarrow.string())], schema=CONNECTIONS),
        meters=_meters(work),
        supplies=_supplies(market, day, revision),
        infeed=_rows(market.energies(Kind.INFEED, times[1:], revision), times, AREA_ENERGIES),
        losses=_rows(market.energies(Kind.LOSSES, times[1:], revision), times, AREA_ENERGIES),
        fractions=_rows(market.fractions(times[1:], revision), times, FRACTIONS),
    )


def _meters(work: Work) -> pyarrow.Table:
    """In the order of connections, as the other tables are."""
    columns = [pyarrow.array(work.ids), _texts(work.eans), pyarrow.array(work.usable)]
    table = pyarrow.table(columns, schema=METERS)
    return table.take(np.argsort(eans(table), kind="stable"))


def _supplies(market: Market, day: date, revision: int) -> pyarrow.Table:
    found = market.supplies(day, revision)
    columns = [
        *(found.eans, found.grid_area, found.brp, found.supplier, found.method, found.profile),
        *(found.year_import_wh, found.year_export_wh),
    ]
    return pyarrow.table(columns, schema=SUPPLIES)


def _rows(found: Mapping[Key, Series], times: Times, schema: pyarrow.Schema) -> pyarrow.Table:
    """A row a quarter that is there. The last part of a key is the direction; the last column is the value."""
    pieces = [schema.empty_table()]
    for (*whose, direction), one in found.items():
        there = np.flatnonzero(one.there)
        columns = [
            *(_same(name, len(there)) for name in whose),
            pyarrow.array(times[1:][there]),
            _same(direction, len(there)),
            pyarrow.array(one.values[there]),
        ]
        pieces.append(pyarrow.table(columns, schema=schema))
    return pyarrow.concat_tables(pieces)


def _texts(names: Names) -> "pyarrow.Array[pyarrow.Scalar[pyarrow.DataType]]":
    return pyarrow.array(names).cast(pyarrow.string())


def _same(text: str, count: int) -> pyarrow.StringArray:
    return pyarrow.repeat(pyarrow.scalar(text, pyarrow.string()), count)
