"""The permission to see certain readings for one purpose, and the only way to them.

The gate asks the rules, writes down who asked and what the answer was, and hands out a grant. Every use of a grant is a record
in the audit log, on the disk before the first row is shown. The gate alone resolves which ids of the store belong to which
connection, over New Year and over exchanges of meters. It shows the latest version of what the meters sent, cut down to what
the purpose reaches.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Engine

from kwartier.clock import local_day
from kwartier.database import reading, writing
from kwartier.errors import Denied, InputError
from kwartier.fleet.readout import not_read
from kwartier.fleet.registry import Registry
from kwartier.gate import named
from kwartier.gate.asked import MAX_NAME, demand_sense, what, write_down
from kwartier.gate.blocks import Blocks
from kwartier.gate.erased import Unerased, UnerasedVolumes
from kwartier.gate.holds import Holds
from kwartier.gate.ids import Ids, Links
from kwartier.gate.joining import Row, joined, row_of
from kwartier.gate.members import Members
from kwartier.gate.permissions import mandates_of, use_case
from kwartier.gate.persons import Persons
from kwartier.gate.places import places_of
from kwartier.gate.policy import Approval, Asking, Facts, Scope, Verdict, decide
from kwartier.gate.purposes import Hold, Need, Purpose, Resolution, Source, purposes
from kwartier.gate.record import Log, Use, refusal
from kwartier.gate.reduce import reduced, reduced_stack
from kwartier.gate.sums import Sums, sums_of, terms_of
from kwartier.gate.volumes import JOB_S, Fleet, Reach, States, Versions, Work, check
from kwartier.model import Readings, Stack, Volumes
from kwartier.names import names_of
from kwartier.store.files import FileKeys
from kwartier.store.reader import Reader
from kwartier.store.versions import Picked
from kwartier.store.volumes_reader import VolumesReader

APPROVED = "grant"
"""The kind of approval that a grant takes."""
MAX_WORDS = 500
"""Characters that are kept of a reason or a recipient."""
TIMEZONE = "Europe/Amsterdam"
"""Whose today it is that purposes, mandates and use cases hold on."""
ONE_DAY = timedelta(days=1)
Integers = npt.NDArray[np.int64]
Meters = dict[str, dict[str, str]]
"""The meters at each connection, and the time zone of each."""
Seen = TypeVar("Seen")


class Approvals(Protocol):
    """Where it stands what needed two; ``kwartier.who`` has one."""

    def look(self, name: str, kind: str, what: str) -> Approval | None:
        """The approval called ``name``, if it is of this kind and of exactly this."""
        ...

    def spend(self, connection: Connection, name: str, kind: str, what: str, *, at: int) -> None:
        """Use it up, as a part of the caller's transaction: it serves once. Raises ``Denied`` where it is of no use."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The readings of one meter at one connection. ``versions`` and ``known_at`` (UTC s) are those of each local day."""

    ean: str
    readings: Readings = field(repr=False)
    timezone: str
    versions: dict[date, int]
    known_at: dict[date, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What the gate stands before, and what it writes with. ``keys`` None: nothing on the disk is encrypted."""

    engine: Engine
    registry: Registry
    store: Path
    keys: FileKeys | None
    persons: Persons
    members: Members
    log: Log
    approvals: Approvals | None = None


class Gate:
    """The gate of one installation; it and its grants are used by one thread at a time. ``wall`` gives UTC seconds."""

    def __init__(self, rooms: Rooms, wall: Callable[[], float] = time.time) -> None:
        self._rooms = rooms
        self._wall = wall
        self._holds = Holds(rooms.engine)
        self._reader: Unerased | None = None
        self._volumes: UnerasedVolumes | None = None

    def _opened(self) -> Unerased:
        """The store, opened when it is first looked at."""
        if self._reader is None:
            self._reader = Unerased(self._rooms.engine, Reader(self._rooms.store, self._rooms.keys))
        return self._reader

    def _measured(self) -> UnerasedVolumes:
        """What validation made of it, opened likewise."""
        if self._volumes is None:
            self._volumes = UnerasedVolumes(self._rooms.engine, VolumesReader(self._rooms.store, self._rooms.keys))
        return self._volumes

    def explain(self, *, actor: Asking, purpose: str, scope: Scope) -> Verdict:
        """What the answer would be, and each rule that leads to it; nothing is shown and nothing written down.

        Raises ``InputError`` bad-day, bad-argument.
        """
        demand_sense(scope)
        with reading(self._rooms.engine) as connection:
            return decide(actor, purpose, scope, self._facts(connection, actor, purpose, scope))

    def open(self, *, actor: Asking, purpose: str, scope: Scope, reason: str = "", recipient: str = "") -> "Grant":
        """A grant, written down; a refusal is written down, too.

        Raises ``Denied`` with the code of the rule that says no; ``InputError`` bad-day, bad-argument, unknown-connection.
        """
        demand_sense(scope)
        rooms, at = self._rooms, int(self._wall())
        known = purposes().get(purpose)
        use = Use(
            grant=secrets.token_hex(16),
            actor=actor.name,
            purpose=purpose[:MAX_NAME],
            ground="" if known is None else known.article,
            recipient=recipient[:MAX_WORDS],
            reason=reason[:MAX_WORDS],
            scope=scope if known is None else scope.reduced(known),
        )
        with writing(rooms.engine) as connection:
            verdict = decide(actor, purpose, scope, self._facts(connection, actor, purpose, scope))
            meters = self._meters_of(scope) if verdict.allowed else {}
            if known is not None and verdict.allowed and Need.FOUR_EYES in known.needs:
                verdict = self._spent(connection, verdict, purpose, scope, at)
            write_down(connection, use, verdict, at)
            if known is not None and verdict.allowed:
                persons = rooms.persons.commitments(connection, use.scope.named, use.grant, at=at)
                excluded = self._excluded(connection, known, scope)
        if known is None or not verdict.allowed:
            rooms.log.append([use.record("denied", at, **refusal(verdict))])
            raise Denied(verdict.rule, f"{verdict.reason} ({verdict.article})")
        if scope.source is not Source.STORE:  # what is stored is written down when it is looked at
            kind = "read" if scope.source is Source.METER else "trace"
            rooms.log.append([use.record(kind, at, persons=persons)])
        return Grant(
            use, known, rooms, self._opened, self._measured, meters,
            persons=persons, excluded=excluded, wall=self._wall,
        )  # fmt: skip  # a line for what it stands before, and one for whom it reaches

    def _spent(self, connection: Connection, verdict: Verdict, purpose: str, scope: Scope, at: int) -> Verdict:
        """The verdict with the approval used up, or the one that says why it is of no use any more."""
        if self._rooms.approvals is None:
            return verdict
        try:
            self._rooms.approvals.spend(connection, scope.approval, APPROVED, what(purpose, scope), at=at)
        except Denied as error:
            return replace(verdict, allowed=False, rule=error.code, reason=error.detail)
        return verdict

    def _facts(self, connection: Connection, actor: Asking, purpose: str, scope: Scope) -> Facts:
        """What the rules have to know of this question."""
        today = local_day(int(self._wall()), TIMEZONE)
        known = purposes().get(purpose)
        if known is None:
            return Facts(today=today)
        eans = scope.named
        approvals = self._rooms.approvals
        is_office = bool(actor.roles & (known.who - {"customer"}))
        needs_customer = Need.MANDATE in known.needs or (Need.OWN_CONNECTION in known.needs and not is_office)
        needs_two = Need.FOUR_EYES in known.needs and approvals is not None and scope.approval
        return Facts(
            today=today,
            use_case=use_case(connection, scope.use_case) if Need.USE_CASE in known.needs else None,
            mandates=mandates_of(connection, eans) if needs_customer else {},
            approval=approvals.look(scope.approval, APPROVED, what(purpose, scope))
            if approvals and needs_two
            else None,
            modes=not_read(connection, scope.start, scope.end, eans) if eans and scope.source is Source.METER else {},
            holds=self._holds.touching(connection, eans, (scope.start, scope.end)) if eans else {},
        )

    def _excluded(self, connection: Connection, purpose: Purpose, scope: Scope) -> frozenset[str]:
        """The connections that a grant over many does not reach."""
        if scope.eans:
            return frozenset()
        days = (scope.start, scope.end)
        stopping = {Hold.RESTRICTION, Hold.OBJECTION} - purpose.despite
        found = {ean for ean, held in self._holds.standing(connection, days).items() if held & stopping}
        if scope.source is Source.METER and purpose.resolution is not Resolution.NONE:
            found.update(not_read(connection, *days))
        return frozenset(found)

    def _meters_of(self, scope: Scope) -> Meters:
        found: Meters = {}
        for ean in scope.named:
            there = self._rooms.registry.meters_of(ean, scope.start, scope.end)
            if not there:
                raise InputError("unknown-connection", f"no meter is known at connection {ean} in these days")
            found[ean] = {one.meter: one.timezone for one in there}
        return found


class Grant:
    """What one grant lets see; made by the gate alone."""

    __slots__ = ("_excluded", "_meters", "_persons", "_purpose", "_rooms", "_store", "_use", "_volumes", "_wall")

    def __init__(
        self,
        use: Use,
        purpose: Purpose,
        rooms: Rooms,
        store: Callable[[], Unerased],
        volumes: Callable[[], UnerasedVolumes],
        meters: Meters,
        *,
        persons: list[str],
        excluded: frozenset[str],
        wall: Callable[[], float],
    ) -> None:
        self._use = use
        self._purpose = purpose
        self._rooms = rooms
        self._persons = persons
        self._excluded = excluded
        self._wall = wall
        self._store = store
        self._volumes = volumes
        self._meters = meters

    @property
    def id(self) -> str:
        """Its name in the tables and in the audit log."""
        return self._use.grant

    @property
    def scope(self) -> Scope:
        """What it reaches."""
        return self._use.scope

    def may_read(self, ean: str) -> bool:
        """Whether the meters of a connection may be asked for consumption under this grant."""
        named = not self.scope.eans or ean in self.scope.eans
        return (
            named
            and self.scope.source is Source.METER
            and ean not in self._excluded
            and ean.startswith(self._purpose.eans)
        )

    def readings(self) -> Iterator[Shown]:
        """The readings of each meter at each connection that the grant names, over all of its days."""
        reader = self._opened()
        self._note("use", persons=self._persons, table=reader.version)
        return self._readings(reader)

    def _readings(self, reader: Unerased) -> Iterator[Shown]:
        scope, ids = self.scope, Ids(self._rooms.engine)
        before = scope.start - ONE_DAY
        for ean in scope.named:
            zones = self._meters[ean]
            links = ids.of_connection(ean, range(before.year, scope.end.year + 1))
            stacks = list(reader.look_up(list(links.values()), before, scope.end))
            for meter in sorted({link.meter for link in links} & zones.keys()):
                own = {link.year: identity for link, identity in links.items() if link.meter == meter}
                rows = self._reached(ean, meter, row_of(stacks, own))
                if any(day >= scope.start for day in rows):
                    found = joined(meter, rows, scope.start, scope.end, zones[meter])
                    yield _shown(ean, rows, self._reduced(found, zones[meter]), zones[meter], scope.start)

    def _reduced(self, found: Readings, timezone: str) -> Readings:
        resolution = self.scope.resolution or self._purpose.resolution
        return reduced(found, resolution, self.scope.channels or (), timezone)

    def _reached(self, ean: str, meter: str, rows: dict[date, Seen]) -> dict[date, Seen]:
        """The days on which the connection is the operator's: it may have been another's before, or become it."""
        registry = self._rooms.registry
        if not registry.dso:
            return rows
        return {
            day: row
            for day, row in rows.items()
            if any(one.meter == meter for one in registry.meters_of(ean, day, day + ONE_DAY))
        }

    def own_volumes(self, runs: named.Days) -> Iterator[tuple[Volumes, Links]]:
        """What validation made of the readings of the connections that the grant names, as of the run of each day.

        Raises ``Denied`` out-of-scope, too-fine, wrong-source.
        """
        self._opened()
        named.check(self.scope, runs)
        reader = self._volumes()
        self._note("use", persons=self._persons, validated=reader.version, run=max(runs.values(), default=0))
        return named.look_up(reader, Ids(self._rooms.engine), self._meters, runs, self._reached)

    def day(self, day: date, picked: Picked | None = None) -> Iterator[tuple[Stack, Links]]:
        """The fleet on one local day, with the connection and meter of each row; ``picked``: not in the latest versions.

        What has no link any more, what belongs to another operator and what the purpose does not reach is not in it. Raises
        ``Denied`` out-of-scope, only-sums.
        """
        resolution, channels = self.scope.resolution or self._purpose.resolution, self.scope.channels or ()
        self._of_many(day)
        return (
            (reduced_stack(stack, resolution, channels), links)
            for stack, links in self._many(day, self.scope.area, picked)()
        )

    def sums(self, day: date) -> Sums:
        """The sums over groups of one local day, as far as the purpose allows them.

        Raises ``Denied`` out-of-scope, only-sums; ``InputError`` mixed-days.
        """
        scope = self.scope
        if not scope.by:
            raise Denied("only-sums", "the grant does not say by what is to be summed")
        terms = terms_of(
            self._purpose, by=scope.by, channels=scope.channels, resolution=scope.resolution, area=scope.area
        )
        # Who is counted must not depend on which area is asked about.
        read = self._many(day, "")
        places = places_of(self._rooms.registry.on_day(day))
        return sums_of(day, read, places=places, terms=terms, blocks=Blocks(self._rooms.engine))

    def _many(self, day: date, area: str, picked: Picked | None = None) -> Callable[[], Iterator[tuple[Stack, Links]]]:
        """What reads the fleet on one local day, once that is written down."""
        reader = self._reaching(day)
        version = reader.version
        links = self._links(day, np.unique(reader.ids(day)), area)
        self._note_many(day, links.ids, area, table=version)
        return lambda: _rows(reader.scan(day, picked), links)

    def _of_many(self, day: date) -> Unerased:
        """The store, for who looks at many one by one."""
        if self.scope.by:
            raise Denied("only-sums", f"the grant shows sums by {self.scope.by}, and nothing of one connection")
        return self._reaching(day)

    def _reaching(self, day: date) -> Unerased:
        if self.scope.eans or not self.scope.start <= day < self.scope.end:
            raise Denied("out-of-scope", f"the grant does not reach the whole fleet on {day}")
        return self._opened()

    def volumes(self, day: date, run: int | None = None) -> Iterator[tuple[Volumes, Links]]:
        """What validation made of one local day of the fleet, with the connection and meter of each row.

        ``run``, here and below: as of this run, and as of the latest without. What :meth:`day` does not show is not in it.
        Raises ``Denied`` out-of-scope, only-sums, too-fine, wrong-source.
        """
        return self._fleet(day, day + ONE_DAY, run).day(day)

    def states(self, day: date, run: int | None = None) -> States:
        """What is kept of a local day so that the next one can be judged. Raises as :meth:`volumes`."""
        return self._fleet(day, day + ONE_DAY, run).states(day)

    def look_up_volumes(
        self, ids: Sequence[int], start: date, end: date, run: int | None = None
    ) -> Iterator[tuple[Volumes, Links]]:
        """The volumes of some ids over the local days from ``start`` up to ``end``, by day. Raises as :meth:`volumes`."""
        return self._fleet(start, end, run).look_up(ids, start, end)

    def look_up_qualities(
        self, ids: Sequence[int], day: date, quarters: int, run: int
    ) -> Iterator[tuple[Volumes, Links]]:
        """How the quarters of some ids came about on a local day, which has so many: without energies. Raises likewise."""
        return self._fleet(day, day + ONE_DAY, run).qualities(ids, day, quarters)

    def work(self, day: date, run: int | None = None) -> Work:
        """A local day of the fleet for an engine: no row of it is of an id that is not among its ``ids``.

        Raises as :meth:`volumes`.
        """
        return self._fleet(day, day + ONE_DAY, run).work(day, self._opened().version)

    @contextmanager
    def pinned(self, seconds: int = JOB_S) -> Iterator[Versions]:
        """Until the block ends, or ``seconds`` are over, every look is at the versions of now, and their files stay.

        What was erased since is out of sight nevertheless. What is stored meanwhile is not seen, by no grant of this gate.
        Raises ``Denied`` wrong-source, ``InputError`` bad-pin.
        """
        name, now = f"{self.id}.{secrets.token_hex(4)}", self._wall()
        reader, volumes = self._opened(), self._volumes()
        with (
            reader.held(name, now=now, seconds=seconds) as raw,
            volumes.held(name, now=now, seconds=seconds) as version,
        ):
            yield Versions(raw=raw, validated=version)

    def _fleet(self, start: date, end: date, run: int | None) -> Fleet:
        self._opened()
        check(self.scope, start, end)
        area = self.scope.area
        reach = Reach(
            known=Ids(self._rooms.engine).within,
            within=lambda day, links: self._within(day, links, area),
            write_down=lambda day, ids, **more: self._note_many(day, ids, area, **more),
        )
        return Fleet(self._volumes(), reach, run)

    def newer(self, day: date, run: int) -> Links:
        """Whose latest readings of a local day are not those that a run made volumes of; of none of them anything is shown."""
        ids, versions = self._of_many(day).versions(day)
        known, made_of = self._volumes().made_of(day, run)
        place = np.minimum(np.searchsorted(known, ids), max(0, len(known) - 1))
        same = (known[place] == ids) & (made_of[place] == versions) if len(known) else np.zeros(len(ids), np.bool_)
        return self._links(day, np.unique(ids[~same]), self.scope.area)

    def reached(self, day: date, links: Links) -> Links:
        """Those of some links (by id) that the grant reaches on a local day, and of which nothing of that day was erased."""
        within = self._within(day, links, self.scope.area)
        return within.of(self._volumes().left(day, within.ids))

    def look_up(self, ids: Sequence[int], day: date) -> Iterator[tuple[Stack, Links]]:
        """The rows of some ids on one local day, as :meth:`day` shows and refuses them."""
        resolution, channels = self.scope.resolution or self._purpose.resolution, self.scope.channels or ()
        reader = self._of_many(day)
        links = self._links(day, np.unique(np.array(ids, np.int64)), self.scope.area)
        self._note_many(day, links.ids, self.scope.area, table=reader.version)
        for stack in reader.look_up(links.ids.tolist(), day, day + ONE_DAY):
            yield reduced_stack(stack, resolution, channels), links.of(stack.ids)

    def rows(self, day: date) -> int:
        """How many rows the store holds of these for a local day, every version counted."""
        ids, counts = np.unique(self._opened().ids(day), return_counts=True)
        links = self._links(day, ids, self.scope.area)
        return int(counts[np.isin(ids, links.ids)].sum())

    def _links(self, day: date, ids: Integers, area: str) -> Links:
        """Of some ids of a day (ascending) those that the grant reaches, and what they stand for."""
        return self._within(day, Ids(self._rooms.engine).within(ids, day.year), area)

    def _within(self, day: date, links: Links, area: str) -> Links:
        registry, prefix = self._rooms.registry, self._purpose.eans
        kept = np.ones(len(links), np.bool_)
        if registry.dso or area:
            ours = {(one.ean, one.meter) for one in registry.on_day(day) if not area or one.grid_area == area}
            kept &= np.fromiter((link[:2] in ours for link in links), np.bool_, len(links))
        if self._excluded:
            kept &= ~np.isin(links.eans, names_of(sorted(self._excluded)))
        if prefix:
            kept &= np.char.startswith(links.eans, prefix.encode())
        return links if kept.all() else links.take(kept)

    def _opened(self) -> Unerased:
        if self.scope.source is not Source.STORE:
            raise Denied("wrong-source", "the grant is for asking meters, and shows nothing of the store")
        return self._store()

    def _note_many(self, day: date, ids: Integers, area: str, **more: object) -> None:
        """Write down that some of many are shown, with the list of them."""
        root = self._rooms.members.keep(day, ids)
        self._note("bulk", day=f"{day}", members=root, count=len(ids), predicate=area or "all", **more)

    def _note(self, kind: str, **more: object) -> None:
        """Write a use down, on the disk before anything of it is shown."""
        self._rooms.log.append([self._use.record(kind, int(self._wall()), **more)])


def _rows(stacks: Iterator[Stack], links: Links) -> Iterator[tuple[Stack, Links]]:
    """Of stacks the rows that there is a link of."""
    ids = links.ids
    for stack in stacks:
        place = np.minimum(np.searchsorted(ids, stack.ids), max(0, len(ids) - 1))
        wanted = ids[place] == stack.ids if len(ids) else np.zeros(len(stack), np.bool_)
        if wanted.any():
            yield stack.only(wanted), links.take(place[wanted])


def _shown(ean: str, rows: Mapping[date, Row], readings: Readings, timezone: str, start: date) -> Shown:
    within = {day: row for day, row in rows.items() if day >= start}
    return Shown(
        ean=ean,
        readings=readings,
        timezone=timezone,
        versions={day: int(stack.versions[row]) for day, (stack, row) in within.items()},
        known_at={day: int(stack.known_at[row]) for day, (stack, row) in within.items()},
    )
