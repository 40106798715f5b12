"""``fleet.csv`` taken in: what each row states of a meter and of its connection, from a day on.

A row holds from its ``valid_from``; without one from the beginning, if the meter is new, and from the day of the import, if
it says something else than is known. A row that says what is known changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

from sqlalchemy import Connection, Engine, delete

from kwartier import clock, rowfile
from kwartier.database import Line, without_indices
from kwartier.errors import InputError
from kwartier.fleet.columns import VALID_FROM, columns, misfit
from kwartier.fleet.periods import ALWAYS, OPEN, Change, Facts, Version, covering, stated
from kwartier.fleet.versions import BATCH, CONNECTIONS, METERS, after, changing, dates
from kwartier.rowfile import BadRow, Chunk, Problem, Value, paused_collection
from kwartier.tables import layouts

_MISFITTING = ("mechanism", "policy", "transport", "client", "address_bytes", "physical_address", "logical_device")
_DSO = CONNECTIONS.facts.index("dso")
_EAN = METERS.facts.index("ean")
_DEVICE = tuple(METERS.facts.index(name) for name in ("system_title", "companion"))
_TIMEZONE = CONNECTIONS.facts.index("timezone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did: ``updated`` meters of which it, or of whose connection, it said something else than was known."""

    new: int
    updated: int
    refused: int
    unchanged: int = 0


class _Agreement:
    """A row makes sense, and meters of one connection say the same of it: which of two is right cannot be guessed."""

    def __init__(self) -> None:
        self.stated: dict[str, tuple[int, Facts]] = {}

    def __call__(self, lines: Sequence[int], cells: Mapping[str, Sequence[Value]]) -> dict[int, Problem]:
        problems: dict[int, Problem] = {}
        kinds = list(zip(*(cells[name] for name in _MISFITTING), strict=True))
        wrong = {kind: misfit(dict(zip(_MISFITTING, kind, strict=True))) for kind in set(kinds)}
        if any(wrong.values()):
            problems = {place: found for place, kind in enumerate(kinds) if (found := wrong[kind]) is not None}
        facts = zip(*(cells[name] for name in CONNECTIONS.facts), strict=True)
        for place, (line, ean, said) in enumerate(zip(lines, cells["ean"], facts, strict=True)):
            first, before = self.stated.get(str(ean), (0, said))
            if place in problems:
                continue
            if not first:
                self.stated[str(ean)] = (line, said)
            elif said != before:
                name = next(n for n, one, two in zip(CONNECTIONS.facts, said, before, strict=True) if one != two)
                problems[place] = (name, f"line {first} has another one for the same ean")
        return problems


def import_file(
    engine: Engine,
    path: Path,
    companions: Sequence[str],
    *,
    dso: str,
    at: int,
    skip_bad: bool,
    refused: Path | None,
) -> Imported:
    """All of ``path``, or with ``skip_bad`` the good rows, in one transaction."""
    agreement = _Agreement()
    kinds = columns(companions, dso)
    with paused_collection():
        # The file is read before the transaction: nobody else has to wait for that.
        rows = rowfile.read_columns(path, kinds, unique=("meter",), check=agreement, skip_bad=skip_bad)
        bad = list(rows.bad)
        with changing(engine) as connection:
            taking = _Import(connection, agreement.stated, dso=dso, at=at)
            bad += taking.refuse(rows.good)
            if bad and not skip_bad:
                raise InputError("bad-rows", rowfile.describe(path, bad))
            taking.take(rows.good)
            if bad and refused is not None:
                rowfile.write_refused(refused, sorted(bad, key=lambda one: one.line), beside=path)
    total = sum(len(chunk.lines) for chunk in rows.good) - len(taking.refused)
    counts = taking.counts
    return Imported(
        new=counts["new"], updated=counts["updated"], refused=len(bad), unchanged=total - sum(counts.values())
    )


@lru_cache(maxsize=4096)
def _day(text: str) -> date:
    return date.fromisoformat(text)


class _Import:
    """One import at work in its transaction."""

    def __init__(self, connection: Connection, said: Mapping[str, tuple[int, Facts]], *, dso: str, at: int) -> None:
        self._connection, self._said, self._dso, self._at = connection, said, dso, at
        self._fresh_meters, self._fresh_connections = METERS.is_empty(connection), CONNECTIONS.is_empty(connection)
        self._first_days: dict[str, date] = {}
        """The first day of each connection that does not go back for ever."""
        self._changed: set[str] = set()
        """Connections of which something else was known."""
        self.refused: set[int] = set()
        """Lines that the database speaks against."""
        self.counts = {"new": 0, "updated": 0}

    # What the database speaks against.

    def refuse(self, chunks: Sequence[Chunk]) -> list[BadRow]:
        """Rows about what another grid operator has, and about meters that were taken out."""
        bad: list[BadRow] = []
        if self._fresh_meters and self._fresh_connections:
            return bad
        for chunk in chunks:
            cells = chunk.columns
            names, eans = [[str(one) for one in cells[name]] for name in ("meter", "ean")]
            meters = METERS.of(self._connection, names)
            elsewhere = {str(one.facts[_EAN]) for several in meters.values() for one in several} if self._dso else set()
            known = CONNECTIONS.of(self._connection, sorted(elsewhere.union(eans))) if self._dso else {}
            foreign = {key[0] for key, several in known.items() if any(one.facts[_DSO] != self._dso for one in several)}
            for place, line in enumerate(chunk.lines):
                versions = meters.get((names[place],), [])
                problem = self._problem(chunk, place, versions, foreign)
                if problem is not None:
                    bad.append(BadRow(line=line, column=problem[0], reason=problem[1], cells=_cells(chunk, place)))
                    self.refused.add(line)
        return bad

    def _problem(self, chunk: Chunk, place: int, versions: Sequence[Version], foreign: set[str]) -> Problem | None:
        if str(chunk.columns["ean"][place]) in foreign:
            return "ean", "is taken by a connection that is not of this grid operator"
        if any(str(one.facts[_EAN]) in foreign for one in versions):
            return "meter", "is taken by a meter that is not of this grid operator"
        if not versions or chunk.columns[VALID_FROM][place] is not None:
            return None
        today = self._today(str(chunk.columns["timezone"][place]))
        if versions[-1].end <= today:
            return VALID_FROM, f"empty, and the meter was taken out on {versions[-1].end}: say when it came back"
        return None

    def _today(self, timezone: str) -> date:
        return clock.local_day(self._at, timezone)

    # What is taken in.

    def take(self, chunks: Sequence[Chunk]) -> None:
        """State every row that was not refused."""
        days = self._explicit_days(chunks)
        self._take_connections(days)
        if not self._fresh_meters:
            for chunk in chunks:
                METERS.add(self._connection, sorted(self._take_meters(chunk), key=_name))
            return
        # A new fleet goes in as a whole in the order of its names, and is indexed when it is there: either alone, a tree that
        # grows in no order is most of the time of an import.
        fresh = [line for chunk in chunks for line in self._take_meters(chunk)]
        fresh.sort(key=_name)
        with without_indices(self._connection, METERS.table):
            METERS.add(self._connection, fresh)

    def _explicit_days(self, chunks: Sequence[Chunk]) -> dict[str, date | None]:
        """Per connection the first day that a row gives for it; None: a row gives none. Without what was refused."""
        days: dict[str, date | None] = {}
        for chunk in chunks:
            dated = any(chunk.columns[VALID_FROM])
            if not dated and not self.refused:
                days.update(dict.fromkeys(map(str, chunk.columns["ean"])))
                continue
            for line, ean, text in zip(chunk.lines, chunk.columns["ean"], chunk.columns[VALID_FROM], strict=True):
                if line not in self.refused:
                    day, key = None if text is None else _day(str(text)), str(ean)
                    before = days.get(key, day)
                    days[key] = None if before is None or day is None else min(before, day)
        return days

    def _take_connections(self, days: Mapping[str, date | None]) -> None:
        if self._fresh_connections:
            self._first_days = {ean: day for ean, day in days.items() if day is not None}
            open_end = dates(ALWAYS, OPEN, self._at)
            lines = (
                (ean, *(open_end if day is None else dates(day, OPEN, self._at)), *self._said[ean][1])
                for ean, day in sorted(days.items(), key=lambda one: one[0])
            )
            CONNECTIONS.add(self._connection, lines)
            return
        eans = sorted(days)
        for first in range(0, len(eans), BATCH):
            batch = eans[first : first + BATCH]
            known = CONNECTIONS.of(self._connection, batch)
            changes: dict[tuple[str, ...], list[Change]] = {}
            for ean in batch:
                versions, facts, day = known.get((ean,), []), self._said[ean][1], days[ean]
                if day is None:
                    day = self._today(str(facts[_TIMEZONE])) if versions else ALWAYS
                self._first_days[ean] = min([day, *(one.start for one in versions)])
                change = stated(versions, day, facts)
                if change.added:
                    changes[ean,] = [change]
                    if versions:
                        self._changed.add(ean)
            CONNECTIONS.apply(self._connection, changes, at=after(self._at, _all(known.values())))

    def _take_meters(self, chunk: Chunk) -> list[Line]:
        """Restate the meters of a chunk that are known; the rows of those that are not."""
        names = [str(one) for one in chunk.columns["meter"]]
        rows = zip(
            chunk.lines, names, chunk.columns[VALID_FROM], *(chunk.columns[n] for n in METERS.facts), strict=True
        )
        known = {} if self._fresh_meters else METERS.of(self._connection, names)
        changes: dict[tuple[str, ...], list[Change]] = {}
        fresh: list[Line] = []
        others: list[str] = []
        always = dates(ALWAYS, OPEN, self._at)
        for line, name, text, *facts in rows:
            if line in self.refused:
                continue
            versions = known.get((name,), [])
            first = self._first_days.get(str(facts[_EAN]), ALWAYS)
            if not versions:
                self.counts["new"] += 1
                start = first if text is None else _day(str(text))
                fresh.append((name, *(always if start == ALWAYS else dates(start, OPEN, self._at)), *facts))
                continue
            day = self._start(str(facts[_EAN]), text)
            change = stated(versions, day, tuple(facts))
            if change.added:
                changes[name,] = [change]
                if _device(facts) != _device((covering(versions, day) or versions[-1]).facts):
                    others.append(name)
            if change.added or facts[_EAN] in self._changed:
                self.counts["updated"] += 1
        METERS.apply(self._connection, changes, at=after(self._at, _all(known.values())))
        forget_layouts(self._connection, others)
        return fresh

    def _start(self, ean: str, text: Value) -> date:
        """The day from which a row about a known meter holds."""
        timezone = str(self._said[ean][1][_TIMEZONE])
        return self._today(timezone) if text is None else _day(str(text))


def forget_layouts(connection: Connection, names: Sequence[str]) -> None:
    """Another device under a known name, or another companion: what the old one said of its profile is not believed."""
    for first in range(0, len(names), BATCH):
        connection.execute(delete(layouts).where(layouts.c.meter.in_(names[first : first + BATCH])))


def _name(line: Line) -> str:
    return str(line[0])


def _device(facts: Sequence[Value]) -> tuple[Value, ...]:
    return tuple(facts[place] for place in _DEVICE)


def _all(several: Iterable[Sequence[Version]]) -> list[Version]:
    return [one for versions in several for one in versions]


def _cells(chunk: Chunk, place: int) -> dict[str, str]:
    """A row as it would stand in a CSV file."""
    values = ((name, column[place]) for name, column in chunk.columns.items())
    return {
        name: one.hex().upper() if isinstance(one, bytes) else "" if one is None else str(one) for name, one in values
    }
