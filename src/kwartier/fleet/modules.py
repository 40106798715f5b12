"""``modules.csv``: what meters are built from, by whom supplied. One of a kind replaces the earlier one from its day on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sqlalchemy import Connection, Engine, and_, func, select

from kwartier import rowfile
from kwartier.database import reading
from kwartier.errors import InputError
from kwartier.fleet.periods import ALWAYS, OPEN, Change, Facts, stated
from kwartier.fleet.versions import BATCH, CONNECTIONS, METERS, MODULES, Key, after, changing
from kwartier.rowfile import BadRow, Column
from kwartier.tables import FOREVER, connections, meters, modules

_WORDS = rowfile.words(64)
COLUMNS = (
    Column(name="meter", read=rowfile.name),
    Column(name="kind", read=_WORDS),
    *(Column(name=name, read=_WORDS, default="") for name in MODULES.facts),
    Column(name="installed", read=rowfile.day, default=None),
)
_DSO = CONNECTIONS.facts.index("dso")
_EAN = METERS.facts.index("ean")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedModules:
    """What an import of modules did."""

    stated: int
    unchanged: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplied:
    """How many modules of a kind are installed that a supplier delivered."""

    supplier: str
    kind: str
    modules: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    line: int
    key: Key
    day: date
    facts: Facts
    cells: Mapping[str, str]


def import_modules(
    engine: Engine, path: Path, *, dso: str, at: int, skip_bad: bool, refused: Path | None
) -> ImportedModules:
    """Take in ``modules.csv``: all of it, or with ``skip_bad`` the good rows, in one transaction."""
    rows = rowfile.read_columns(path, COLUMNS, unique=("meter", "kind", "installed"), skip_bad=skip_bad)
    said = sorted((one for chunk in rows.good for one in _said(chunk)), key=lambda one: (one.key, one.day))
    bad, changed = list(rows.bad), 0
    with changing(engine) as connection:
        for first in range(0, len(said), BATCH):
            batch = said[first : first + BATCH]
            ours = _ours(connection, sorted({one.key[0] for one in batch}), dso)
            bad += [
                BadRow(line=one.line, column="meter", reason="is no meter of the fleet", cells=one.cells)
                for one in batch
                if one.key[0] not in ours
            ]
            changed += _state(connection, [one for one in batch if one.key[0] in ours], at)
        bad.sort(key=lambda one: one.line)
        if bad and not skip_bad:
            raise InputError("bad-rows", rowfile.describe(path, bad))
        if bad and refused is not None:
            rowfile.write_refused(refused, bad, beside=path)
    total = len(said) + len(rows.bad) - len(bad)
    return ImportedModules(stated=changed, unchanged=total - changed, refused=len(bad))


def _ours(connection: Connection, names: Sequence[str], dso: str) -> set[str]:
    """Those of ``names`` that are meters of this grid operator."""
    known = METERS.of(connection, names)
    eans = sorted({str(one.facts[_EAN]) for several in known.values() for one in several})
    places = CONNECTIONS.of(connection, eans) if dso else {}
    foreign = {key[0] for key, several in places.items() if any(one.facts[_DSO] != dso for one in several)}
    return {key[0] for key, several in known.items() if not any(str(one.facts[_EAN]) in foreign for one in several)}


def _state(connection: Connection, said: Sequence[_Said], at: int) -> int:
    """State rows, those of one module each on top of the one before it; how many said something new."""
    changed = 0
    for each in _rounds(said):
        known = MODULES.of(connection, sorted({one.key[0] for one in each}))
        changes: dict[Key, list[Change]] = {}
        for one in each:
            change = stated(known.get(one.key, []), one.day, one.facts)
            if change.added:
                changes[one.key] = [change]
        moment = after(at, (one for several in known.values() for one in several))
        MODULES.apply(connection, changes, at=moment)
        changed += len(changes)
    return changed


def exchanged(engine: Engine, kind: str, start: date, end: date, *, dso: str) -> dict[str, list[date]]:
    """By meter on which local days, from ``start`` up to ``end``, a module of a kind took the place of another one.

    ``dso``: of meters at this operator's connections alone, whenever they were there; empty: of everybody's.
    """
    query = select(modules.c.meter, modules.c.valid_from).where(
        modules.c.kind == kind,
        modules.c.known_until == FOREVER,
        modules.c.valid_from >= start,
        modules.c.valid_from < end,
    )
    before = modules.alias()
    query = query.where(
        select(before.c.meter)
        .where(
            before.c.meter == modules.c.meter,
            before.c.kind == kind,
            before.c.known_until == FOREVER,
            before.c.valid_to == modules.c.valid_from,
        )
        .exists()
    )
    if dso:
        there = select(meters.c.meter).join(connections, connections.c.ean == meters.c.ean)
        there = there.where(meters.c.meter == modules.c.meter, meters.c.known_until == FOREVER)
        query = query.where(there.where(connections.c.dso == dso, connections.c.known_until == FOREVER).exists())
    found: dict[str, list[date]] = {}
    with reading(engine) as connection:
        for meter, day in connection.execute(query.order_by(modules.c.meter, modules.c.valid_from)):
            found.setdefault(meter, []).append(day)
    return found


def suppliers(engine: Engine, *, dso: str, on: date | None) -> list[Supplied]:
    """Suppliers with what they supply, on a local day or as last stated, by name and kind."""
    query = select(modules.c.supplier, modules.c.kind, func.count().label("modules"))
    holds = modules.c.valid_to == OPEN if on is None else and_(modules.c.valid_from <= on, modules.c.valid_to > on)
    query = query.where(modules.c.known_until == FOREVER, holds)
    if dso:
        ours = (
            select(meters.c.meter)
            .join(connections, connections.c.ean == meters.c.ean)
            .where(connections.c.dso == dso, meters.c.known_until == FOREVER, connections.c.known_until == FOREVER)
        )
        query = query.where(modules.c.meter.in_(ours))
    query = query.group_by(modules.c.supplier, modules.c.kind).order_by(modules.c.supplier, modules.c.kind)
    with reading(engine) as connection:
        return [Supplied(**row) for row in connection.execute(query).mappings()]


def _said(chunk: rowfile.Chunk) -> list[_Said]:
    names = [column.name for column in COLUMNS]
    found = []
    for line, *values in zip(chunk.lines, *(chunk.columns[name] for name in names), strict=True):
        meter, kind, *facts, installed = values
        cells = {name: "" if value is None else str(value) for name, value in zip(names, values, strict=True)}
        day = ALWAYS if installed is None else date.fromisoformat(str(installed))
        found.append(_Said(line=line, key=(str(meter), str(kind)), day=day, facts=tuple(facts), cells=cells))
    return found


def _rounds(said: Sequence[_Said]) -> list[list[_Said]]:
    """Rows in runs in which no key comes twice, in the order of days."""
    rounds: list[list[_Said]] = []
    counts: dict[Key, int] = {}
    for one in said:
        place = counts.get(one.key, 0)
        counts[one.key] = place + 1
        if place == len(rounds):
            rounds.append([])
        rounds[place].append(one)
    return rounds
