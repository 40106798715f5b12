"""Meters and their connections: imported from a file, listed, looked up for a day, as we know it or as we knew it.

Facts are dated both ways (``fleet/periods.py``). A registry may be one grid operator's: it then sees the meters at that
operator's connections and no other, and states nothing of any other.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

from sqlalchemy import ColumnElement, Engine, RowMapping, Select, and_, select

from kwartier import rowfile
from kwartier.cosem import companion
from kwartier.database import reading
from kwartier.errors import InputError
from kwartier.fleet import history, importing, modules, mutations, readout
from kwartier.fleet.columns import columns, misfit
from kwartier.fleet.history import Past
from kwartier.fleet.importing import Imported
from kwartier.fleet.modules import ImportedModules, Supplied
from kwartier.fleet.mutations import Exchange
from kwartier.fleet.readout import Mode, Stated
from kwartier.fleet.standing import Coded, Standing, named, standing
from kwartier.fleet.versions import BATCH
from kwartier.model import Meter
from kwartier.names import Names
from kwartier.tables import FOREVER, connections, meters
from kwartier.tables import modules as modules_table

COMMUNICATION = "communication"
"""The kind of module that answers us."""
METERING = "metering"
"""The kind that counts."""
PAGE = 5_000
"""Meters that one step of a walk over the fleet fetches."""
STANDING_COLUMNS = (
    *(connections.c[name] for name in ("capacity", "transformer", "timezone", "grid_area")),
    meters.c.cell,
)
_FIELDS = tuple(Meter.__dataclass_fields__)
_COLUMNS = [meters.c[name] if name in meters.c else connections.c[name] for name in _FIELDS]
_BOTH = (meters, connections)
_CURRENT = and_(meters.c.known_until == FOREVER, connections.c.known_until == FOREVER)


class Registry:
    """The fleet in one database. ``companion_folder`` holds an installation's own companions, where it has some.

    ``dso``: the grid operator whose part of it this is; empty: all of it.
    """

    __slots__ = ("_companion_folder", "_dso", "_engine")

    def __init__(self, engine: Engine, companion_folder: Path | None = None, dso: str = "") -> None:
        self._engine = engine
        self._companion_folder = companion_folder
        self._dso = dso

    @property
    def dso(self) -> str:
        """The grid operator whose partition this is; empty: every one's."""
        return self._dso

    @property
    def companion_folder(self) -> Path | None:
        """Where an installation keeps companions of its own."""
        return self._companion_folder

    def import_file(self, path: Path, *, at: int, skip_bad: bool = False, refused: Path | None = None) -> Imported:
        """Take in ``fleet.csv`` (or Parquet): all of it, or with ``skip_bad`` the good rows. ``at``: UTC seconds."""
        known = companion.companions(self._companion_folder)
        return importing.import_file(
            self._engine, path, known, dso=self._dso, at=at, skip_bad=skip_bad, refused=refused
        )

    def import_modules(
        self, path: Path, *, at: int, skip_bad: bool = False, refused: Path | None = None
    ) -> ImportedModules:
        """Take in ``modules.csv`` (or Parquet): all of it, or with ``skip_bad`` the good rows."""
        return modules.import_modules(self._engine, path, dso=self._dso, at=at, skip_bad=skip_bad, refused=refused)

    def suppliers(self, on: date | None = None) -> "list[Supplied]":
        """Suppliers and how many modules of each kind are theirs, on a local day or as last stated."""
        return modules.suppliers(self._engine, dso=self._dso, on=on)

    def exchange(self, done: Exchange, new_file: Path, *, at: int) -> None:
        """Record that one meter took the place of another; ``new_file`` is a ``fleet.csv`` with the new one alone.

        What the row says of the connection must be what is known of it, or nothing.
        """
        kinds = columns(companion.companions(self._companion_folder), self._dso)
        rows = rowfile.read(new_file, kinds, unique="meter").good
        if len(rows) != 1 or rows[0][1]["meter"] != done.new_meter or rows[0][1]["ean"] != done.ean:
            raise InputError("bad-new-meter", f"{new_file.name} has to hold one row, of {done.new_meter} at {done.ean}")
        problem = misfit(rows[0][1])
        if problem is not None:
            raise InputError("bad-new-meter", f"{new_file.name}, column {problem[0]}: {problem[1]}")
        mutations.exchange(self._engine, self._dso, done, rows[0][1], at=at)

    def move(self, meter: str, *, to: str, on: date, at: int) -> None:
        """Record that ``meter`` is at another connection from a local day on."""
        mutations.move(self._engine, self._dso, meter, to=to, on=on, at=at)

    def switch(self, ean: str, *, supplier: str | None = None, brp: str | None = None, on: date, at: int) -> None:
        """Record that a connection has another supplier or balance responsible party from a local day on."""
        mutations.switch(self._engine, self._dso, ean, supplier=supplier, brp=brp, on=on, at=at)

    def exchanges_on(self, day: date, *, known: int | None = None) -> Sequence[Exchange]:
        """The exchanges of a local day, in the order of their moments; ``known``, also below: as we knew it (UTC seconds)."""
        with reading(self._engine) as connection:
            return mutations.exchanges_on(connection, day, self._dso, known)

    def areas_on(self, day: date, *, known: int | None = None) -> tuple[Names, Coded]:
        """Every connection of a local day, by EAN, and the grid area of each, in columns."""
        believed = connections.c.known_until == FOREVER
        if known is not None:
            believed = and_(connections.c.known_at <= known, connections.c.known_until > known)
        query = select(connections.c.ean, connections.c.grid_area).where(believed)
        query = query.where(connections.c.valid_from <= day, connections.c.valid_to > day).order_by(connections.c.ean)
        query = query.where(connections.c.dso == self._dso) if self._dso else query
        with reading(self._engine) as connection:
            return named(connection, query)

    def metering_exchanged(self, start: date, end: date) -> Mapping[str, Sequence[date]]:
        """By meter on which local days its metering module was exchanged: its registers started anew."""
        return modules.exchanged(self._engine, METERING, start, end, dso=self._dso)

    def state_readout(self, ean: str, mode: Mode, *, on: date, at: int) -> bool:
        """Record how a connection is read from a local day on; whether that is news. ``InputError`` unknown-connection."""
        return readout.state(self._engine, ean, mode, on=on, dso=self._dso, at=at)

    def import_readouts(self, path: Path, *, at: int) -> Stated:
        """Take in ``readouts.csv`` (or Parquet) as a whole."""
        return readout.import_file(self._engine, path, dso=self._dso, at=at)

    def not_read(self, start: date, end: date) -> dict[str, Mode]:
        """The connections that are not read from afar on some of the local days."""
        with reading(self._engine) as connection:
            found = readout.not_read(connection, start, end)
            if not self._dso:
                return found
            ours = select(connections.c.ean).where(connections.c.dso == self._dso, connections.c.known_until == FOREVER)
            return {ean: found[ean] for ean in connection.execute(ours).scalars() if ean in found}

    def demand_connection(self, ean: str) -> None:
        """Raise ``InputError`` unknown-connection unless there is one called so."""
        query = select(connections.c.ean).where(connections.c.ean == ean, connections.c.known_until == FOREVER)
        query = query.where(connections.c.dso == self._dso) if self._dso else query
        with reading(self._engine) as connection:
            if connection.execute(query.limit(1)).first() is None:
                raise InputError("unknown-connection", f"there is no connection {ean[: rowfile.MAX_NAME]!r}")

    def history(self, name: str, *, known: int | None = None) -> "list[Past]":
        """Everything believed of a meter or of a connection (by its EAN), now or at a moment, in the order of days.

        Raises ``InputError`` unknown-meter.
        """
        with reading(self._engine) as connection:
            found = history.of(connection, name, dso=self._dso, known=known) if rowfile.is_name(name) else []
        if not found:
            raise _unknown(name)
        return found

    def meter(self, name: str, on: date | None = None, *, known: int | None = None) -> Meter:
        """The meter ``name`` as it is on a local day, or else as last stated; ``InputError`` unknown-meter.

        ``known``: as we knew it at that moment (UTC seconds), else as we know it.
        """
        if not rowfile.is_name(name):
            raise _unknown(name)
        query = self._query(on, on, known).where(meters.c.meter == name)
        query = query.order_by(meters.c.valid_from.desc(), connections.c.valid_from.desc()).limit(1)
        with reading(self._engine) as connection:
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            raise _unknown(name)
        return _meter(row)

    def meters(self, names: Sequence[str], on: date) -> "list[Meter]":
        """Those of ``names`` that are at a connection on the local day, by name."""
        found: list[Meter] = []
        ordered = sorted(set(names))
        with reading(self._engine) as connection:
            for first in range(0, len(ordered), BATCH):
                query = self._query(on, on).where(meters.c.meter.in_(ordered[first : first + BATCH]))
                found += [_meter(row) for row in connection.execute(query.order_by(meters.c.meter)).mappings()]
        return found

    def on_day(self, day: date) -> Iterator[Meter]:
        """Every meter that is at a connection for some part of the local day, by name, some thousand at a time."""
        last = ""
        while True:
            page = self.page(day, after=last, limit=PAGE)
            yield from page
            if len(page) < PAGE:
                return
            last = page[-1].meter

    def page(self, day: date, *, after: str = "", limit: int) -> "list[Meter]":
        """At most ``limit`` meters of the local day, by name, from the first whose name comes after ``after`` on."""
        query = self._query(day, day).where(meters.c.meter > after).order_by(meters.c.meter).limit(limit)
        with reading(self._engine) as connection:
            return [_meter(row) for row in connection.execute(query).mappings()]

    def in_cell(self, cell: str, day: date) -> list[str]:
        """Names of the meters that are reached through a radio cell on some part of the local day; ascending."""
        query = self._query(day, day).with_only_columns(meters.c.meter).where(meters.c.cell == cell)
        with reading(self._engine) as connection:
            return sorted(set(connection.execute(query).scalars()))

    def standing_on(self, day: date, names: Sequence[str] | None = None) -> Standing:
        """The same in columns, with the module that answers us; ``names``: of these meters."""
        valid = (modules_table.c.valid_from <= day, modules_table.c.valid_to > day)
        answers = and_(
            modules_table.c.meter == meters.c.meter,
            modules_table.c.kind == COMMUNICATION,
            modules_table.c.known_until == FOREVER,
            *valid,
        )
        shown = (meters.c.meter, meters.c.ean, *STANDING_COLUMNS)
        query = self._query(day, day).with_only_columns(
            *shown, modules_table.c.supplier, modules_table.c.firmware, maintain_column_froms=True
        )
        query = query.outerjoin(modules_table, answers).order_by(meters.c.meter, meters.c.valid_from)
        ordered = sorted(set(names or ()))
        batches = [ordered[first : first + BATCH] for first in range(0, len(ordered), BATCH)]
        queries = [query] if names is None else [query.where(meters.c.meter.in_(batch)) for batch in batches]
        with reading(self._engine) as connection:
            return standing(connection, queries)

    def kinds(self, names: Sequence[str], on: date) -> dict[str, str]:
        """Supplier and firmware of the communication module of each meter on the local day, where they are on file."""
        found: dict[str, str] = {}
        ordered = sorted({one.meter for one in self.meters(names, on)} if self._dso else set(names))
        valid = (modules_table.c.valid_from <= on, modules_table.c.valid_to > on)
        there = and_(*valid, modules_table.c.known_until == FOREVER, modules_table.c.kind == COMMUNICATION)
        shown = (modules_table.c.meter, modules_table.c.supplier, modules_table.c.firmware)
        with reading(self._engine) as connection:
            for first in range(0, len(ordered), BATCH):
                query = select(*shown).where(there, modules_table.c.meter.in_(ordered[first : first + BATCH]))
                found.update((meter, f"{who} {firmware}") for meter, who, firmware in connection.execute(query))
        return found

    def meters_of(self, ean: str, start: date, end: date) -> "list[Meter]":
        """The meters at a connection for some part of the local days from ``start`` up to ``end``, each as it last was then.

        On the day of an exchange that is both.
        """
        last_day = date.fromordinal(end.toordinal() - 1)
        query = self._query(start, last_day).where(meters.c.ean == ean)
        query = query.order_by(meters.c.meter, meters.c.valid_from, connections.c.valid_from)
        with reading(self._engine) as connection:
            found = {row["meter"]: _meter(row) for row in connection.execute(query).mappings()}
        return list(found.values())

    def list(self, on: date | None = None) -> "list[tuple[str, str, str, str]]":
        """Name, EAN, address and companion of every meter, by name: on a local day, or else as last stated."""
        shown = (meters.c.meter, meters.c.ean, meters.c.host, meters.c.port, meters.c.companion)
        query = select(*shown).where(meters.c.known_until == FOREVER)
        if self._dso:
            query = self._query(on, on).with_only_columns(*shown)
        elif on is not None:
            query = query.where(meters.c.valid_from <= on, meters.c.valid_to > on)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(meters.c.meter, meters.c.valid_from)).all()
        last = {name: (name, ean, f"{host}:{port}", kind) for name, ean, host, port, kind in rows}
        return list(last.values())

    def _query(self, first: date | None, last: date | None, known: int | None = None) -> Select[tuple[object, ...]]:
        """Meters with their connections, in every version that holds on one of the local days ``first`` to ``last``."""
        at_the_same_time = (
            connections.c.ean == meters.c.ean,
            connections.c.valid_from < meters.c.valid_to,
            meters.c.valid_from < connections.c.valid_to,
        )
        query = select(*_COLUMNS).join_from(meters, connections, and_(*at_the_same_time)).where(_believed(known))
        if first is not None and last is not None:
            for table in _BOTH:
                query = query.where(table.c.valid_from <= last, table.c.valid_to > first)
        return query.where(connections.c.dso == self._dso) if self._dso else query


def _unknown(name: str) -> InputError:
    return InputError("unknown-meter", f"there is no meter {name[: rowfile.MAX_NAME]!r} in the fleet")


def _believed(known: int | None) -> ColumnElement[bool]:
    if known is None:
        return _CURRENT
    return and_(*(table.c.known_at <= known for table in _BOTH), *(table.c.known_until > known for table in _BOTH))


def _meter(row: RowMapping) -> Meter:
    fields = {name: row[name] for name in _FIELDS}
    return Meter(**fields)
