"""The permission to see certain readings for one purpose, written down before the first of them is shown.

The gate alone resolves which ids of the store belong to which connection, over New Year and over exchanges of meters. It hands
out the latest version of what the meters sent.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from sqlalchemy import Engine, insert

from kwartier.database import writing
from kwartier.errors import Denied, InputError
from kwartier.fleet.registry import Registry
from kwartier.gate.erased import Unerased
from kwartier.gate.ids import Ids, Link
from kwartier.gate.joining import Row, joined, row_of
from kwartier.gate.purposes import Purpose, purpose_of
from kwartier.model import Readings
from kwartier.store.files import FileKeys
from kwartier.store.reader import Reader, Stack
from kwartier.tables import access_connections, accesses

MAX_REASON = 500
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose readings, of which local days: ``end`` is the first that is not in it. No ``eans``: the whole fleet's."""

    start: date
    end: date
    eans: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The readings of one meter at one connection. ``versions`` and ``known_at`` (UTC s) are those of each local day."""

    ean: str
    readings: Readings = field(repr=False)
    timezone: str
    versions: dict[date, int]
    known_at: dict[date, int]


class Gate:
    """The gate of one installation. ``wall`` gives UTC seconds."""

    def __init__(
        self,
        engine: Engine,
        registry: Registry,
        folder: Path,
        keys: FileKeys | None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._registry = registry
        self._folder = folder
        self._keys = keys
        self._wall = wall

    def open(self, *, actor: str, purpose: str, scope: Scope, reason: str = "") -> "Grant":
        """A grant, written down.

        Raises ``Denied`` no-purpose, unknown-purpose, out-of-scope; ``InputError`` bad-day, unknown-connection.
        """
        found = purpose_of(purpose)
        self._check(found, scope)
        name = secrets.token_hex(16)
        row = {
            "id": name,
            "at": int(self._wall()),
            "actor": actor,
            "purpose": purpose,
            "reason": reason[:MAX_REASON],
            "scope": json.dumps({"start": f"{scope.start}", "end": f"{scope.end}"}),
        }
        with writing(self._engine) as connection:
            connection.execute(insert(accesses), [row])
            if scope.eans:
                named = [{"access": name, "ean": ean} for ean in dict.fromkeys(scope.eans)]
                connection.execute(insert(access_connections), named)
        reader = Unerased(self._engine, Reader(self._folder, self._keys))
        return Grant(name, scope, found, ids=Ids(self._engine), registry=self._registry, reader=reader)

    def _check(self, purpose: Purpose, scope: Scope) -> None:
        days = (scope.end - scope.start).days
        if days < 1:
            raise InputError("bad-day", f"from {scope.start} up to {scope.end} there is no day")
        if scope.start == date.min:  # a first day is opened by the closing of the day before
            raise InputError("bad-day", f"there is no day before {scope.start}")
        if days > purpose.days:
            raise Denied("out-of-scope", f"for {purpose.name} one grant spans {purpose.days} days, not {days}")
        if not scope.eans and not purpose.fleet:
            raise Denied("out-of-scope", f"for {purpose.name} the connections have to be named")
        for ean in scope.eans:
            if not ean.startswith(purpose.eans):
                raise Denied("out-of-scope", f"for {purpose.name} connection {ean} may not be seen")
            if not self._registry.meters_of(ean, scope.start, scope.end):
                raise InputError("unknown-connection", f"no meter is known at connection {ean} in these days")


class Grant:
    """What one grant lets see; made by the gate alone."""

    __slots__ = ("_ids", "_purpose", "_reader", "_registry", "id", "scope")

    def __init__(
        self, name: str, scope: Scope, purpose: Purpose, *, ids: Ids, registry: Registry, reader: Unerased
    ) -> None:
        self.id = name
        self.scope = scope
        self._purpose = purpose
        self._ids = ids
        self._registry = registry
        self._reader = reader

    def readings(self) -> Iterator[Shown]:
        """The readings of each meter at each connection that the grant names, over all of its days."""
        scope = self.scope
        before = scope.start - ONE_DAY
        for ean in scope.eans:
            zones = {one.meter: one.timezone for one in self._registry.meters_of(ean, scope.start, scope.end)}
            links = self._ids.of_connection(ean, range(before.year, scope.end.year + 1))
            stacks = list(self._reader.look_up(list(links.values()), before, scope.end))
            for meter in sorted({link.meter for link in links} & zones.keys()):
                ids = {link.year: identity for link, identity in links.items() if link.meter == meter}
                rows = self._reached(ean, meter, row_of(stacks, ids))
                if any(day >= scope.start for day in rows):
                    yield _shown(ean, rows, joined(meter, rows, scope.start, scope.end, zones[meter]), zones[meter])

    def _reached(self, ean: str, meter: str, rows: dict[date, Row]) -> dict[date, Row]:
        """The days on which the connection is the operator's: it may have been another's before, or become it."""
        if not self._registry.dso:
            return rows
        return {
            day: row
            for day, row in rows.items()
            if any(one.meter == meter for one in self._registry.meters_of(ean, day, day + ONE_DAY))
        }

    def day(self, day: date) -> Iterator[tuple[Stack, list[Link]]]:
        """The fleet on one local day, with the connection and meter of each row.

        What has no link any more, what belongs to another operator and what the purpose does not reach is not in it. Raises
        ``Denied`` out-of-scope.
        """
        if self.scope.eans or not self.scope.start <= day < self.scope.end:
            raise Denied("out-of-scope", f"the grant does not reach the whole fleet on {day}")
        ours = self._ours(day)
        for stack in self._reader.scan(day):
            links = self._links(stack.ids.tolist(), ours)
            wanted = np.array([identity in links for identity in stack.ids.tolist()], np.bool_)
            if wanted.any():
                yield stack.only(wanted), [links[identity] for identity in stack.ids[wanted].tolist()]

    def rows(self, day: date) -> int:
        """How many rows the store holds of these for a local day, every version counted."""
        ids, counts = np.unique(self._reader.ids(day), return_counts=True)
        links = self._links(ids.tolist(), self._ours(day))
        return sum(count for identity, count in zip(ids.tolist(), counts.tolist(), strict=True) if identity in links)

    def _links(self, ids: list[int], ours: set[tuple[str, str]] | None) -> dict[int, Link]:
        return {
            identity: link
            for identity, link in self._ids.links_of(ids).items()
            if link.ean.startswith(self._purpose.eans) and (ours is None or (link.ean, link.meter) in ours)
        }

    def _ours(self, day: date) -> set[tuple[str, str]] | None:
        """Connections and meters of the operator that this installation works for; None: it works for all."""
        if not self._registry.dso:
            return None
        return {(one.ean, one.meter) for one in self._registry.on_day(day)}


def _shown(ean: str, rows: Mapping[date, Row], readings: Readings, timezone: str) -> Shown:
    within = {day: row for day, row in rows.items() if day >= readings.start}
    return Shown(
        ean=ean,
        readings=readings,
        timezone=timezone,
        versions={day: int(stack.versions[row]) for day, (stack, row) in within.items()},
        known_at={day: int(stack.known_at[row]) for day, (stack, row) in within.items()},
    )
