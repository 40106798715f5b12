"""What validation made of readings, through the same gate: the same rules, and the same list of whose volumes were shown.

A day is shown as it is, or handed over as work: row groups that an engine reads in its own processes. Which rows of them count
is fixed here, before anything is read: of an id that the grant does not reach no row leaves a reader.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kwartier.errors import Denied
from kwartier.gate.erased import UnerasedVolumes
from kwartier.gate.ids import Links
from kwartier.gate.policy import Scope
from kwartier.gate.purposes import Resolution
from kwartier.model import Volumes
from kwartier.names import Names
from kwartier.store.rows import Integers
from kwartier.store.schema import CHANNELS
from kwartier.store.volumes_reader import Piece, VolumesSource

JOB_S = 6 * 3600
"""How long a job may take before what it works from is held no longer."""
QUALITY = "quality"
"""What a record says of a use that showed no energy."""
ONE_DAY = timedelta(days=1)
Shown = Iterator[tuple[Volumes, Links]]
"""Volumes, and the connection and meter of each row."""


class Versions(NamedTuple):
    """Versions of the two tables that belong together."""

    raw: int
    validated: int


class States(NamedTuple):
    """What is kept of a day for the next: ids, ascending, the columns of :data:`~kwartier.model.STATE`, and whose they are.

    With the year an id ends: over New Year a row is found again by its connection and meter.
    """

    ids: Integers
    columns: Mapping[str, Integers]
    links: Links


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A day for an engine (see :mod:`kwartier.compute.engine`); ``ids`` ascend, and the other columns go with them."""

    day: date
    source: VolumesSource
    pieces: Sequence[Piece] = field(repr=False)
    ids: Integers = field(repr=False)
    usable: npt.NDArray[np.bool_] = field(repr=False)
    """Whether no quarter of the row is missing."""
    eans: Names = field(repr=False)
    versions: Versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a grant says of whom it reaches."""

    known: Callable[[Integers, int], Links]
    """What some ids (ascending) of a year stand for."""
    within: Callable[[date, Links], Links]
    """Those of them that it reaches on a day."""
    write_down: Callable[..., None]
    """That some ids of a day are shown, and what else there is to say; on the disk when this returns."""


def check(scope: Scope, start: date, end: date) -> None:
    """Whether a grant of this scope shows volumes of the fleet. Raises ``Denied`` only-sums, out-of-scope, too-fine."""
    check_form(scope)
    if scope.eans or not scope.start <= start < end <= scope.end:
        raise Denied("out-of-scope", f"the grant does not reach the whole fleet from {start} up to {end}")


def check_form(scope: Scope) -> None:
    """Whether it shows volumes at all, of whomever. Raises ``Denied`` as :func:`check`."""
    if scope.by:
        raise Denied("only-sums", f"the grant shows sums by {scope.by}, and nothing of one connection")
    if scope.resolution is not Resolution.QUARTER:
        raise Denied("too-fine", "the grant shows no quarters, and volumes are nothing else")
    if not set(CHANNELS) <= set(scope.channels or ()):
        raise Denied("out-of-scope", "the grant shows one channel, and volumes have both")


class Fleet:
    """The volumes that one grant reaches, as of a run of validation; each method is a use, and written down at once."""

    __slots__ = ("_reach", "_reader", "_run")

    def __init__(self, reader: UnerasedVolumes, reach: Reach, run: int | None) -> None:
        self._reader = reader
        self._reach = reach
        self._run = run

    def day(self, day: date) -> Shown:
        """The volumes of a local day."""
        ids, links, _ = self._admitted(day)
        found = self._reader.scan(day, self._run, ids)
        return ((volumes, links.of(volumes.ids)) for volumes in found)

    def states(self, day: date) -> States:
        """What is kept of a local day for the next one."""
        with self._reader.steady():
            ids, links, _ = self._admitted(day)
            found, columns = self._reader.states(day, self._run, ids)
        return States(ids=found, columns=columns, links=links.of(found))

    def work(self, day: date, raw: int) -> Work:
        """A local day as work; ``raw``: the version of the raw table, for who writes down what a result was made from."""
        with self._reader.steady() as version:
            ids, links, usable = self._admitted(day, table=raw)
            source, pieces = self._reader.work(day, self._run, ids)
        return Work(
            day=day,
            source=source,
            pieces=pieces,
            ids=ids,
            usable=usable,
            eans=links.eans,
            versions=Versions(raw=raw, validated=version),
        )

    def look_up(self, ids: Sequence[int], start: date, end: date) -> Shown:
        """The volumes of some ids over several local days, by day.

        A record is about one calendar year, because with the year an id ends, and has its list under the last day of it
        that is stored: a list is kept as long as what it tells of.
        """
        return self._looked_up(self._reached(ids, start, end))

    def qualities(self, ids: Sequence[int], day: date, quarters: int) -> Shown:
        """How the quarters of some ids came about on a local day, which has so many; no energy."""
        reached = self._reached(ids, day, day + ONE_DAY, shown=QUALITY)
        return (
            (volumes, links.of(volumes.ids))
            for at, links in reached.items()
            for volumes in self._reader.qualities(links.ids, at, quarters, self._run)
        )

    def _reached(self, ids: Sequence[int], start: date, end: date, **more: object) -> dict[date, Links]:
        """Whom the grant reaches on each of these days that is stored: written down."""
        reached: dict[date, Links] = {}
        wanted = np.unique(np.array(ids, np.int64))
        for year in range(start.year, (end - ONE_DAY).year + 1):
            links = self._reach.known(wanted, year)
            first, last = max(start, date(year, 1, 1)), min(end - ONE_DAY, date(year, 12, 31))
            days = self._reader.days(first, last + ONE_DAY)
            reached |= {day: self._shown(day, links) for day in days}
            shown = np.unique(np.concatenate([np.zeros(0, np.int64), *(reached[day].ids for day in days)]))
            self._write_down(max(days, default=last), shown, since=f"{first}", **more)
        return reached

    def _shown(self, day: date, links: Links) -> Links:
        within = self._reach.within(day, links)
        return within.of(self._reader.left(day, within.ids))

    def _looked_up(self, reached: Mapping[date, Links]) -> Shown:
        ids = {day: links.ids for day, links in reached.items()}
        for volumes in self._reader.look_up(ids, dict.fromkeys(ids, self._run)):
            yield volumes, reached[volumes.day].of(volumes.ids)

    def _admitted(self, day: date, **more: object) -> tuple[Integers, Links, npt.NDArray[np.bool_]]:
        """The ids of a day that the grant reaches, ascending, what they stand for, and which are usable: written down."""
        heads = self._reader.heads(day, self._run)
        ids, usable = heads.ids, heads.usable
        links = self._reach.within(day, self._reach.known(ids, day.year))
        if len(links) < len(ids):
            kept = np.isin(ids, links.ids)
            ids, usable = ids[kept], usable[kept]
        self._write_down(day, ids, **more)
        return ids, links, usable

    def _write_down(self, day: date, ids: Integers, **more: object) -> None:
        run = {} if self._run is None else {"run": self._run}
        self._reach.write_down(day, ids, validated=self._reader.version, **run, **more)
