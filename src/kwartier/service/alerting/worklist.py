"""The meters that no further try will read: who has to see to each, why, and since when.

The cause is the code of the newest night that tried the meter, explained by ``worklist.toml``. A line that fails once is no
cause; how many nights in a row it takes stands in that table.
"""

import csv
import io
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from importlib.resources import files

from sqlalchemy import ColumnElement, Connection, Row, func, select

from kwartier.collect.due import BUFFER_DAYS, OPEN, UNREACHED, State
from kwartier.cosem.clock_steps import BROKEN, BROKEN_S
from kwartier.database import reading
from kwartier.service.alerting.conditions import CLOCK_NORM_S, Code
from kwartier.service.alerting.lookout import counters_near_end
from kwartier.service.alerting.record import shown
from kwartier.service.home import Home
from kwartier.tables import drifts, dues, visits

BATCH = 500
"""Meters in one statement."""
MAX_LISTED = 1_000_000
OTHER = "other"
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is carried out by programs that show tables."""
COLUMNS = ("meter", "who", "cause", "code", "since", "nights", "tries", "last_success", "cell", "kind")
_DueRow = Row[str, date, str, int, str | None, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One row of the table: who has to see to it, after how many nights in a row, and what it may be."""

    who: str
    nights: int
    text: str


@cache
def causes() -> dict[str, Cause]:
    """The table, by code."""
    rows = tomllib.loads(_text())["causes"]
    return {code: Cause(who=row["who"], nights=row["nights"], text=row["cause"]) for code, row in rows.items()}


@cache
def ours() -> frozenset[str]:
    """Codes that say nothing of the meter."""
    return frozenset(tomllib.loads(_text())["ours"])


def _text() -> str:
    return files("kwartier.service.alerting").joinpath("worklist.toml").read_text("utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One line of the list. ``since``: the first day that is missing; ``last_success``: UTC seconds, None: never."""

    meter: str
    who: str
    cause: str
    code: str
    since: date
    nights: int
    tries: int
    last_success: int | None
    cell: str
    kind: str

    def table(self) -> dict[str, str | int | None]:
        """As it is printed."""
        return {
            "meter": self.meter,
            "who": self.who,
            "cause": self.cause,
            "code": self.code,
            "since": self.since.isoformat(),
            "nights": self.nights,
            "tries": self.tries,
            "last_success": None if self.last_success is None else shown(self.last_success),
            "cell": self.cell,
            "kind": self.kind,
        }


class NightOfMeter:
    """What a meter's row of a night says: tried or not, and what came of it."""

    __slots__ = ("attempts", "cell", "code", "day", "is_stored", "kind", "says_something")

    def __init__(self, row: _DueRow) -> None:
        self.day: date = row.day
        self.attempts: int = row.attempts
        self.code = row.code or ""
        self.cell: str = row.cell
        self.kind: str = row.kind
        self.is_stored = row.state == State.STORED
        # Where a whole cell is silent failures count as no tries, and are held against no meter.
        untried = row.attempts == 0 and (row.state in OPEN or self.code in UNREACHED)
        self.says_something = self.is_stored or (not untried and self.code not in ours())


def judged(meter: str, nights: Sequence[NightOfMeter]) -> Work | None:
    """What is to be done about a meter, told from its nights, the newest first; None: nothing, or nothing yet."""
    missed: list[NightOfMeter] = []
    for one in nights:
        if one.is_stored:
            break
        if one.says_something:
            missed.append(one)
    if not missed:
        return None
    newest = missed[0]
    cause = causes().get(newest.code, causes()[OTHER])
    if len(missed) < cause.nights:
        return None
    return Work(
        meter=meter,
        who=cause.who,
        cause=cause.text,
        code=newest.code or OTHER,
        since=missed[-1].day,
        nights=len(missed),
        tries=sum(one.attempts for one in missed),
        last_success=None,
        cell=newest.cell,
        kind=newest.kind,
    )


def worklist(home: Home, day: date) -> list[Work]:
    """Every meter that somebody has to see to, as it was in the newest night up to ``day``: by meter, then by code."""
    found: list[Work] = []
    with reading(home.engine) as connection:
        newest = connection.execute(select(func.max(dues.c.day)).where(dues.c.day <= day)).scalar_one_or_none()
        if newest is None:
            return []
        day = newest
        for names in _batches(_missed(connection, home, day)):
            found += [work for work in _of(connection, names, day) if work is not None]
        off = _off(connection, home, day)
        found += _standing(connection, day, BROKEN, [name for name, drift_s in off if abs(drift_s) > BROKEN_S])
        drifting = [name for name, drift_s in off if abs(drift_s) <= BROKEN_S]
        found += _standing(connection, day, Code.CLOCK_BEYOND_NORM, drifting)
        found += _standing(connection, day, Code.COUNTER_NEAR_END, counters_near_end(home))
        found.sort(key=lambda one: (one.meter, one.code))
        found = found[:MAX_LISTED]
        successes = _successes(connection, sorted({one.meter for one in found}))
    return [_with_success(one, successes.get(one.meter)) for one in found]


def _window(day: date) -> list[date]:
    return [day - timedelta(days=back) for back in range(BUFFER_DAYS)]


def _missed(connection: Connection, home: Home, day: date) -> list[str]:
    """Meters of which some day is missing."""
    missing = tuple(state for state in State if state is not State.STORED)
    query = select(dues.c.meter).where(
        dues.c.day.in_(_window(day)), dues.c.state.in_(missing), *_of_dso(home.settings.dso)
    )
    return list(connection.execute(query.distinct().order_by(dues.c.meter).limit(MAX_LISTED)).scalars())


def _of(connection: Connection, names: Sequence[str], day: date) -> Iterator[Work | None]:
    query = select(dues.c.meter, dues.c.day, dues.c.state, dues.c.attempts, dues.c.code, dues.c.cell, dues.c.kind)
    query = query.where(dues.c.day.in_(_window(day)), dues.c.meter.in_(names)).order_by(dues.c.day.desc())
    nights: dict[str, list[NightOfMeter]] = {name: [] for name in names}
    for row in connection.execute(query):
        nights[row.meter].append(NightOfMeter(row))
    for name, of_it in nights.items():
        # A meter that is at no connection any more was not due.
        yield judged(name, of_it) if of_it[0].day == day else None


def _off(connection: Connection, home: Home, day: date) -> list[tuple[str, int]]:
    """Meters whose clock was beyond the norm when it was last asked, and how many seconds it was ahead."""
    query = select(drifts.c.meter, drifts.c.drift_s).join(dues, (dues.c.meter == drifts.c.meter) & (dues.c.day == day))
    query = query.where(func.abs(drifts.c.drift_s) > CLOCK_NORM_S, *_of_dso(home.settings.dso))
    return [(row[0], row[1]) for row in connection.execute(query.order_by(drifts.c.meter).limit(MAX_LISTED))]


def _standing(connection: Connection, day: date, code: str, names: Sequence[str]) -> Iterator[Work]:
    """Meters that may well be read, and still need somebody."""
    cause = causes()[code]
    for batch in _batches(names):
        query = select(dues.c.meter, dues.c.cell, dues.c.kind).where(dues.c.day == day, dues.c.meter.in_(batch))
        for meter, cell, kind in connection.execute(query):
            yield Work(
                meter=meter,
                who=cause.who,
                cause=cause.text,
                code=str(code),
                since=day,
                nights=0,
                tries=0,
                last_success=None,
                cell=cell,
                kind=kind,
            )


def _successes(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """When each meter last told what it was asked."""
    found: dict[str, int] = {}
    for batch in _batches(names):
        query = select(visits.c.meter, func.max(visits.c.ended))
        query = query.where(visits.c.meter.in_(batch), visits.c.outcome == "done").group_by(visits.c.meter)
        found.update((meter, ended // 1_000_000) for meter, ended in connection.execute(query))
    return found


def _with_success(work: Work, at: int | None) -> Work:
    return work if at is None else replace(work, last_success=at)


def _of_dso(dso: str) -> tuple[ColumnElement[bool], ...]:
    return (dues.c.dso == dso,) if dso else ()


def _batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(names), BATCH):
        yield names[first : first + BATCH]


def as_csv(found: Iterable[Work]) -> str:
    """The list as a file: UTF-8, comma, header. No cell of it is a formula to a program that shows tables."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in found:
        table = one.table()
        writer.writerow([_harmless(table[name]) for name in COLUMNS])
    return out.getvalue()


def _harmless(value: str | int | None) -> str:
    text = "" if value is None else f"{value}"
    return f"'{text}" if text.startswith(FORMULA) else text
