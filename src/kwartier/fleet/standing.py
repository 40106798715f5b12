"""What holds of every meter on a local day, in columns: for who looks at all of them, a million objects less."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Select

from kwartier.names import Names, chained, names_of
from kwartier.rowfile import paused_collection

PAGE = 50_000
"""Rows that are fetched at once."""
Codes = npt.NDArray[np.int32]


class Coded(NamedTuple):
    """Texts of which there are few: each once, and for each row which one it has."""

    texts: Sequence[str]
    codes: Codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Meters that are at a connection on a day, by name; of one that was moved on the day, the connection that it came to."""

    meters: Names = field(repr=False)
    eans: Names = field(repr=False)
    capacity: Coded = field(repr=False)
    transformer: Coded = field(repr=False)
    timezone: Coded
    grid_area: Coded
    cell: Coded
    """Radio cell."""
    kind: Coded
    """Supplier and firmware of the communication module; empty where it is not on file."""


def standing(connection: Connection, queries: Iterable[Select[tuple[str, ...]]]) -> Standing:
    """What queries find, in the order of meters.

    Their columns: meter, EAN, capacity, transformer, time zone, grid area, cell, supplier, firmware.
    """
    meters: list[Names] = []
    eans: list[Names] = []
    capacity, transformer, timezone, grid_area, cell, kind = (_Coding() for _ in range(6))
    with paused_collection():
        for page in chain.from_iterable(
            connection.execution_options(yield_per=PAGE).execute(query).partitions(PAGE) for query in queries
        ):
            some, codes, sizes, stations, zones, areas, cells, *module = zip(*page, strict=True)
            meters.append(names_of(some))
            eans.append(names_of(codes))
            capacity.add(sizes)
            transformer.add(stations)
            timezone.add(zones)
            grid_area.add(areas)
            cell.add(cells)
            kind.add([f"{who} {firmware}" if who is not None else "" for who, firmware in zip(*module, strict=True)])
    names = chained(meters)
    # The last of equal ones.
    kept = np.append(names[1:] != names[:-1], np.ones(min(1, len(names)), np.bool_))
    return Standing(
        meters=names[kept],
        eans=chained(eans)[kept],
        capacity=capacity.made(kept),
        transformer=transformer.made(kept),
        timezone=timezone.made(kept),
        grid_area=grid_area.made(kept),
        cell=cell.made(kept),
        kind=kind.made(kept),
    )


def named(connection: Connection, query: Select[tuple[str, str]]) -> tuple[Names, Coded]:
    """What a query finds: names, and the text of each."""
    names, coding = list[Names](), _Coding()
    with paused_collection():
        for page in connection.execution_options(yield_per=PAGE).execute(query).partitions(PAGE):
            some, texts = zip(*page, strict=True)
            names.append(names_of(some))
            coding.add(texts)
    every = chained(names)
    return every, coding.made(np.ones(len(every), np.bool_))


class _Coding:
    """Numbers for texts, in the order in which they are met."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._codes: list[Codes] = [np.zeros(0, np.int32)]

    def add(self, texts: Sequence[str]) -> None:
        numbers = self._numbers
        self._codes.append(np.array([numbers.setdefault(text, len(numbers)) for text in texts], np.int32))

    def made(self, kept: npt.NDArray[np.bool_]) -> Coded:
        return Coded(tuple(self._numbers), np.concatenate(self._codes)[kept])
