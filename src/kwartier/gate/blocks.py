"""Homes that are counted together in statistics, once and for ever.

A block is a fixed set of at least the minimum of connections, drawn at random among those of one finest area (grid area and
transformer) that were in no figure yet. A published figure is a sum of whole blocks, so whatever is computed from any
number of figures, of any days and areas, is a combination of sums of blocks: it concerns a whole block or nobody. That holds
for as long as no block is ever made anew, no home is ever in two, and no block counts without one of its members; see
``docs/decisions/0018-statistics-count-whole-blocks.md``.

How many members a block has stands in its name, so that one from whom a row was lost counts no more instead of counting less.
"""

import random
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Engine, insert, select, update

from kwartier.database import reading, writing
from kwartier.tables import statistics_blocks

Integers: TypeAlias = npt.NDArray[np.int64]
Booleans: TypeAlias = npt.NDArray[np.bool_]
WAITING = -1
"""In no block yet, and in no figure so far."""
RESTING = -2
"""Retired: in no figure any more."""
BATCH = 400
"""Connections in one statement."""
NAME_BITS = 96
_RESTS = ""
"""What stands in the place of its block for a home that rests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Which block each home is in: its number, or :data:`WAITING` or :data:`RESTING`; and how many belong to each block."""

    codes: Integers = field(repr=False)
    sizes: Integers

    def whole(self, present: Booleans, areas: Integers, minimum: int) -> Integers:
        """The blocks that count: all of their members are present, in one area, and enough for ``minimum``."""
        homes = np.flatnonzero(present & (self.codes >= 0))
        blocks, count = self.codes[homes], len(self.sizes)
        there = np.bincount(blocks, minlength=count)
        lowest, highest = np.full(count, np.iinfo(np.int64).max), np.full(count, -1)
        np.minimum.at(lowest, blocks, areas[homes])
        np.maximum.at(highest, blocks, areas[homes])
        return np.flatnonzero((there == self.sizes) & (lowest == highest) & (self.sizes >= minimum))


class Blocks:
    """The blocks in one database. ``chance`` draws who is counted with whom; ``wall`` gives UTC seconds."""

    def __init__(
        self, engine: Engine, chance: random.Random | None = None, wall: Callable[[], float] = time.time
    ) -> None:
        self._engine = engine
        self._chance = chance or secrets.SystemRandom()
        self._wall = wall

    def of(self, eans: Sequence[str]) -> Split:
        """The blocks of the connections ``eans``, whether or not all of their members are among them."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(statistics_blocks.c.ean, statistics_blocks.c.block))
            known = dict(rows.all())
        numbers: dict[str, int] = {_RESTS: RESTING}
        codes = np.full(len(eans), WAITING, np.int64)
        for place, ean in enumerate(eans):
            block = known.get(ean)
            if block is not None:
                codes[place] = numbers.setdefault(block, len(numbers) - 1)
        del numbers[_RESTS]
        return Split(codes=codes, sizes=np.array([_size(name) for name in numbers], np.int64))

    def form(self, waiting: Iterable[Sequence[str]], minimum: int) -> bool:
        """Put homes that wait into blocks; each of ``waiting`` are those of one finest area.

        Where fewer than ``minimum`` wait they go on waiting. False: that was so everywhere.
        """
        areas = [sorted(set(one)) for one in waiting if len(set(one)) >= minimum]
        if not areas:
            return False
        with writing(self._engine) as connection:
            _one_at_a_time(connection)
            for area in areas:
                known = _known(connection, area)
                free = [ean for ean in area if ean not in known]
                rows = [row for members in split(free, minimum, self._chance) for row in self._rows(members)]
                if rows:
                    connection.execute(insert(statistics_blocks), rows)
        return True

    def _rows(self, members: Sequence[str]) -> list[dict[str, object]]:
        name, at = f"{self._chance.getrandbits(NAME_BITS):x}-{len(members)}", int(self._wall())
        return [{"ean": ean, "block": name, "made_at": at} for ean in members]


def split(members: Sequence[str], minimum: int, chance: random.Random) -> list[list[str]]:
    """``members`` at random in as many blocks as can be had of at least ``minimum``, and so fewer than twice as many."""
    count = len(members) // minimum
    if not count:
        return []
    drawn = iter(chance.sample(members, len(members)))
    size, larger = divmod(len(members), count)
    return [list(islice(drawn, size + (number < larger))) for number in range(count)]


def retire(connection: Connection, eans: Sequence[str]) -> None:
    """Let connections rest for ever, as a part of the caller's transaction: somebody else lives there, or they were erased.

    Their blocks count no more, and the other members rest with them: a figure with the new household in the place of the
    old one would tell the difference of the two.
    """
    for first in range(0, len(eans), BATCH):
        chosen = statistics_blocks.c.ean.in_(eans[first : first + BATCH])
        connection.execute(update(statistics_blocks).where(chosen).values(block=_RESTS))


def _one_at_a_time(connection: Connection) -> None:
    """Wait until nobody else forms blocks. On SQLite a transaction that writes is alone already."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"LOCK TABLE {statistics_blocks.name} IN SHARE ROW EXCLUSIVE MODE")


def _known(connection: Connection, eans: Sequence[str]) -> set[str]:
    """Those of ``eans`` that are in a block, or rest."""
    found: set[str] = set()
    for first in range(0, len(eans), BATCH):
        chosen = statistics_blocks.c.ean.in_(eans[first : first + BATCH])
        found.update(connection.scalars(select(statistics_blocks.c.ean).where(chosen)))
    return found


def _size(name: str) -> int:
    return int(name.rpartition("-")[2])
