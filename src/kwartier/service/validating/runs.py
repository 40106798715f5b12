"""Runs over local days as they are kept: when, with which rules, from which versions of the tables, and what came of them.

A run is begun before its volumes are stored and finished after: one that was stopped in between is void, since whoever asks for
the latest run of a day asks for the latest that was finished. The first run of a day is over all of its readings, later ones
over those of which something is new; what was found of these before stands no longer, and is kept.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, Table, and_, func, insert, select, update

from kwartier import __version__
from kwartier.database import insert_lines, reading, writing
from kwartier.errors import StateError
from kwartier.tables import (
    STANDING,
    substitutes,
    validation_checks,
    validation_findings,
    validation_gaps,
    validation_runs,
)

MAX_SHOWN_FINDINGS = 1_000_000
"""Findings of a day that are shown at once."""
BATCH = 500
"""Readings in one statement."""
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One finished run. Times in UTC seconds; ``code``: the version of this program that made it.

    ``rows``: how many readings the day has as of it, of which ``changed`` were looked at.
    """

    run: int
    day: date
    started_at: int
    finished_at: int
    code: str
    rules: str
    raw_version: int
    validated_version: int
    market_revision: int
    rows: int
    changed: int
    findings: int
    substitutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What one rule said in a run."""

    code: str
    evaluated: int
    not_evaluated: int
    failed: int
    warned: int
    reason: str


class Found(NamedTuple):
    """A finding as it is kept: of quarters ``first`` to ``last`` of the reading with this id; no channel: of all of it."""

    reading: int
    code: str
    severity: str
    channel: str
    first: int
    last: int


class Put(NamedTuple):
    """What was put in the place of quarters ``first`` to ``last``: why, by which method, from what (JSON)."""

    reading: int
    channel: str
    first: int
    last: int
    rule: str
    method: str
    quality: str
    inputs: str


class Gap(NamedTuple):
    """Why a reading lacks quarters, and why it came late: words of :class:`~kwartier.service.reasons.Reason`, or empty."""

    reading: int
    lack: str
    late: str


class Runs:
    """The runs in one database."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, day: date, *, actor: str, rules: str, raw_version: int, market_revision: int, at: int) -> int:
        """A new run, void until it is finished; its number."""
        values = {
            "day": day,
            "started_at": at,
            "actor": actor,
            "code": __version__,
            "rules": rules,
            "raw_version": raw_version,
            "market_revision": market_revision,
            "rows": 0,
            "changed": 0,
            "findings": 0,
            "substitutes": 0,
        }
        with writing(self._engine) as connection:
            added = insert(validation_runs).values(values).returning(validation_runs.c.run)
            return int(connection.execute(added).scalar_one())

    def keep(self, run: int, day: date, found: Sequence[Found], put: Sequence[Put], gaps: Sequence[Gap] = ()) -> None:
        """Findings, substitutes and gaps of some rows of a run."""
        with writing(self._engine) as connection:
            insert_lines(
                connection,
                validation_findings,
                ((run, f"{day}", *one) for one in found),
                columns=("run", "day", *Found._fields),
            )
            insert_lines(
                connection, substitutes, ((run, f"{day}", *one) for one in put), columns=("run", "day", *Put._fields)
            )
            insert_lines(
                connection,
                validation_gaps,
                ((run, f"{day}", *one) for one in gaps),
                columns=("run", "day", *Gap._fields),
            )

    def finish(
        self,
        run: int,
        *,
        checks: Sequence[Checked],
        counts: Mapping[str, int],
        version: int,
        at: int,
        over: Integers | None = None,
        also: Callable[[Connection], None] = lambda connection: None,
    ) -> None:
        """The run is whole, and what earlier ones found of the readings that it was ``over`` stands no longer; None: all.

        ``counts``: rows, changed, findings, substitutes. ``also``: what is stored in the same transaction.
        """
        with writing(self._engine) as connection:
            also(connection)
            for table in (validation_findings, substitutes, validation_gaps):
                _supersede(connection, table, run, over)
            insert_lines(
                connection,
                validation_checks,
                [
                    (run, one.code, one.evaluated, one.not_evaluated, one.failed, one.warned, one.reason)
                    for one in checks
                ],
            )
            done = update(validation_runs).where(validation_runs.c.run == run)
            connection.execute(done.values(finished_at=at, validated_version=version, **counts))

    def latest(self, day: date) -> Run | None:
        """The last finished run over a day."""
        query = select(validation_runs).where(validation_runs.c.day == day, validation_runs.c.finished_at.is_not(None))
        with reading(self._engine) as connection:
            row = connection.execute(query.order_by(validation_runs.c.run.desc()).limit(1)).mappings().one_or_none()
        return None if row is None else Run(**{name: row[name] for name in Run.__dataclass_fields__})

    def demand(self, day: date) -> Run:
        """The same. Raises ``StateError`` not-validated where there is none."""
        found = self.latest(day)
        if found is None:
            raise StateError("not-validated", f"{day} was never validated")
        return found

    def days(self) -> dict[date, Run]:
        """The last finished run of every day that has one."""
        last = (
            select(func.max(validation_runs.c.run))
            .where(validation_runs.c.finished_at.is_not(None))
            .group_by(validation_runs.c.day)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(select(validation_runs).where(validation_runs.c.run.in_(last))).mappings().all()
        found = [Run(**{name: row[name] for name in Run.__dataclass_fields__}) for row in rows]
        return {one.day: one for one in sorted(found, key=lambda one: one.day)}

    def checks(self, run: int) -> list[Checked]:
        """What each rule said, by its code."""
        query = select(validation_checks).where(validation_checks.c.run == run).order_by(validation_checks.c.code)
        with reading(self._engine) as connection:
            rows = connection.execute(query).mappings().all()
        return [Checked(**{name: row[name] for name in Checked.__dataclass_fields__}) for row in rows]

    def found(self, run: Run) -> list[Found]:
        """The findings of a day as of a run, by reading."""
        table = validation_findings
        query = select(table).where(_stood(table, run)).order_by(table.c.reading, table.c.code, table.c.first)
        with reading(self._engine) as connection:
            rows = connection.execute(query.limit(MAX_SHOWN_FINDINGS)).mappings().all()
        return [Found(**{name: row[name] for name in Found._fields}) for row in rows]

    def gaps(self, run: Run, readings: Sequence[int]) -> dict[int, Gap]:
        """The gaps of some readings as of a run."""
        table, found = validation_gaps, dict[int, Gap]()
        with reading(self._engine) as connection:
            for first in range(0, len(readings), BATCH):
                query = select(table).where(_stood(table, run), table.c.reading.in_(readings[first : first + BATCH]))
                rows = connection.execute(query).mappings()
                found.update((row["reading"], Gap(**{name: row[name] for name in Gap._fields})) for row in rows)
        return found

    def put(self, run: Run, method: str = "") -> list[Put]:
        """The substitutes of a day as of a run, by reading; ``method``: those by one method."""
        table = substitutes
        query = select(table).where(_stood(table, run)).order_by(table.c.reading, table.c.channel, table.c.first)
        if method:
            query = query.where(table.c.method == method)
        with reading(self._engine) as connection:
            rows = connection.execute(query.limit(MAX_SHOWN_FINDINGS)).mappings().all()
        return [Put(**{name: row[name] for name in Put._fields}) for row in rows]

    def of_readings(
        self, readings: Sequence[int], runs: Mapping[date, Run]
    ) -> tuple[list[tuple[date, Found]], list[tuple[date, Put]]]:
        """Findings and substitutes of some readings, not too many, on the days of ``runs``, each as of its run, by day."""
        found, put = (
            self._of_readings(table, readings, runs) if readings and runs else []
            for table in (validation_findings, substitutes)
        )
        return (
            [(row["day"], Found(**{name: row[name] for name in Found._fields})) for row in found],
            [(row["day"], Put(**{name: row[name] for name in Put._fields})) for row in put],
        )

    def _of_readings(self, table: Table, readings: Sequence[int], runs: Mapping[date, Run]) -> list[RowMapping]:
        finished = select(validation_runs.c.run).where(validation_runs.c.finished_at.is_not(None))
        query = select(table).where(
            table.c.reading.in_(readings),
            table.c.day >= min(runs),
            table.c.day <= max(runs),
            table.c.run.in_(finished),
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(table.c.day, table.c.id)).mappings().all()
        return [row for row in rows if row["day"] in runs and row["run"] <= runs[row["day"]].run < row["superseded"]]


def _supersede(connection: Connection, table: Table, run: int, over: Integers | None) -> None:
    day = select(validation_runs.c.day).where(validation_runs.c.run == run).scalar_subquery()
    before = update(table).where(table.c.day == day, table.c.superseded == STANDING, table.c.run < run)
    if over is None:
        connection.execute(before.values(superseded=run))
        return
    ids = over.tolist()
    for first in range(0, len(ids), BATCH):
        some = before.where(table.c.reading.in_(ids[first : first + BATCH]))
        connection.execute(some.values(superseded=run))


def _stood(table: Table, run: Run) -> ColumnElement[bool]:
    """Rows of a day that were found by a finished run up to ``run``, and looked at again by none of them."""
    finished = select(validation_runs.c.run).where(
        validation_runs.c.day == run.day, validation_runs.c.finished_at.is_not(None)
    )
    return and_(table.c.day == run.day, table.c.run <= run.run, table.c.superseded > run.run, table.c.run.in_(finished))
