"""Connections as the market has them: who is responsible for each on a day, how it is settled; in columns, by the million."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Connection, and_, func, select

from kwartier.database import Line, insert_lines, many
from kwartier.market.periods import Piece, laid_over, says
from kwartier.market.revisions import standing
from kwartier.rowfile import paused_collection
from kwartier.tables import STANDING, supplies

BATCH = 500
"""Connections in one question."""
PAGE = 50_000
"""Rows that a walk over all of them takes at once."""
Said = tuple[str, Piece]
"""A row of a file: of which connection, and what."""
_NAMES = [column.name for column in supplies.columns]
FACTS = tuple(_NAMES[_NAMES.index("superseded") + 1 :])
"""The columns of the table that a statement is about, in their order."""
_WORDS = FACTS[:-2]
_BETWEEN = "\x1f"
"""Stands in no cell of a file, for it cannot be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplies:
    """The connections that somebody is responsible for on a local day, by EAN: a row each, in columns."""

    day: date
    eans: list[str] = field(repr=False)
    brp: list[str] = field(repr=False)
    supplier: list[str] = field(repr=False)
    grid_area: list[str] = field(repr=False)
    method: list[str] = field(repr=False)
    profile: list[str] = field(repr=False)
    year_import_wh: npt.NDArray[np.int64] = field(repr=False)
    year_export_wh: npt.NDArray[np.int64] = field(repr=False)

    def __len__(self) -> int:
        """How many connections."""
        return len(self.eans)


def state(connection: Connection, said: Sequence[Said], revision: int) -> int:
    """Take in rows, which are in the order of EAN and day; how many said something new."""
    fresh = connection.execute(select(supplies.c.revision).limit(1)).first() is None
    changed = 0
    for batch in _batches(said):
        known = {} if fresh else _known(connection, [ean for ean, _ in batch])
        replaced: list[Line] = []
        added: list[Line] = []
        for ean, of_it in batch:
            before = known.get(ean, {})
            pieces = list(before)
            for one in of_it:
                if not says(pieces, one):
                    pieces = laid_over(pieces, one)
                    changed += 1
            now = set(pieces)
            replaced += [
                (revision, ean, since, one.start.isoformat()) for one, since in before.items() if one not in now
            ]
            added += [
                (ean, one.start.isoformat(), one.end.isoformat(), revision, STANDING, *one.facts)
                for one in pieces
                if one not in before
            ]
        where = "ean = ? AND revision = ? AND valid_from = ?"
        many(connection, f"UPDATE {supplies.name} SET superseded = ? WHERE {where}", replaced)
        insert_lines(connection, supplies, added)
    return changed


def _batches(said: Sequence[Said]) -> Iterator[list[tuple[str, list[Piece]]]]:
    """The rows of some hundred connections at a time."""
    batch: list[tuple[str, list[Piece]]] = []
    for ean, rows in groupby(said, key=lambda one: one[0]):
        batch.append((ean, [piece for _, piece in rows]))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _known(connection: Connection, eans: Sequence[str]) -> dict[str, dict[Piece, int]]:
    """What stands of some connections, in the order of days: each piece, and since which revision."""
    columns = supplies.c
    query = select(columns.ean, columns.revision, columns.valid_from, columns.valid_to, *(columns[n] for n in FACTS))
    query = query.where(columns.ean.in_(eans), columns.superseded == STANDING)
    found: dict[str, dict[Piece, int]] = {}
    for ean, since, start, end, *facts in connection.execute(query.order_by(columns.ean, columns.valid_from)).all():
        found.setdefault(ean, {})[Piece(start, end, tuple(facts))] = since
    return found


def on_day(connection: Connection, day: date, revision: int) -> Supplies:
    """The connections of a local day as of a revision."""
    columns = supplies.c
    first, *others = (columns[name] for name in _WORDS)
    words: ColumnElement[str] = first
    for column in others:
        words = words.concat(_BETWEEN).concat(column)
    query = select(columns.ean, words, *(columns[name] for name in FACTS[len(_WORDS) :]))
    query = query.where(_holds(day, revision)).order_by(columns.ean)
    eans: list[str] = []
    kinds: list[str] = []
    pool: dict[str, str] = {}
    volumes: list[list[npt.NDArray[np.int64]]] = [[np.zeros(0, np.int64)] for _ in FACTS[len(_WORDS) :]]
    with paused_collection():
        for page in connection.execution_options(yield_per=PAGE).execute(query).partitions(PAGE):
            names, texts, *numbers = zip(*page, strict=True)
            eans += names
            kinds += [pool.setdefault(text, text) for text in texts]
            for column_wh, whole_wh in zip(volumes, numbers, strict=True):
                column_wh.append(np.array(whole_wh, np.int64))
    # A few combinations of words stand in a million rows: each is taken apart once, and its parts serve for all.
    parted = {text: text.split(_BETWEEN) for text in pool}
    named = {name: {text: parts[place] for text, parts in parted.items()} for place, name in enumerate(_WORDS)}
    year_import_wh, year_export_wh = (np.concatenate(column) for column in volumes)
    return Supplies(
        day=day,
        eans=eans,
        **{name: [of_kind[text] for text in kinds] for name, of_kind in named.items()},
        year_import_wh=year_import_wh,
        year_export_wh=year_export_wh,
    )


def counts(connection: Connection, day: date, revision: int) -> dict[str, dict[str, int]]:
    """How many connections of a local day each area has, by method."""
    columns = supplies.c
    query = select(columns.grid_area, columns.method, func.count()).where(_holds(day, revision))
    found: dict[str, dict[str, int]] = {}
    for area, method, count in connection.execute(query.group_by(columns.grid_area, columns.method)).all():
        found.setdefault(area, {})[method] = count
    return {area: dict(sorted(found[area].items())) for area in sorted(found)}


def profiles(connection: Connection, day: date, revision: int) -> dict[str, list[str]]:
    """The profiles that each area's connections have on a local day."""
    columns = supplies.c
    query = select(columns.grid_area, columns.profile).where(_holds(day, revision)).distinct()
    found: dict[str, list[str]] = {}
    for area, profile in sorted(tuple(row) for row in connection.execute(query)):
        found.setdefault(area, []).append(profile)
    return found


def _holds(day: date, revision: int) -> ColumnElement[bool]:
    return and_(supplies.c.valid_from <= day, supplies.c.valid_to > day, standing(supplies, revision))
