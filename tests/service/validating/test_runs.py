"""A run counts from the moment that it is finished, and what it found stands beside it."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from kwartier.database import open_engine
from kwartier.service.validating.runs import Checked, Found, Put, Run, Runs
from tests.postgres import DATABASES, with_tables

DAY, NEXT = date(2026, 11, 24), date(2026, 11, 25)
AT = 1_795_694_400
CHECK = Checked(code="V6-completeness", evaluated=9, not_evaluated=1, failed=2, warned=0, reason="no opening")
FOUND = Found(reading=-7, code="V6-completeness", severity="fail", channel="import_wh", first=3, last=5)
PUT = Put(
    reading=-7,
    channel="import_wh",
    first=3,
    last=5,
    rule="V6",
    method="E2",
    quality="calculated",
    inputs='{"days": []}',
)
COUNTS = {"rows": 10, "changed": 3, "findings": 1, "substitutes": 1}


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(with_tables(str(request.param), tmp_path))
    yield engine
    engine.dispose()


def begun(runs: Runs, day: date = DAY) -> int:
    return runs.begin(day, actor="os:eva", rules="2026-1", raw_version=4, market_revision=2, at=AT)


def test_a_run_that_was_not_finished_is_void(engine: Engine) -> None:
    runs = Runs(engine)
    first = begun(runs)
    assert runs.latest(DAY) is None
    runs.finish(first, checks=[CHECK], counts=COUNTS, version=8, at=AT + 5)
    second = begun(runs)
    latest = runs.latest(DAY)
    assert second > first
    assert latest is not None
    assert (latest.run, latest.finished_at, latest.validated_version) == (first, AT + 5, 8)
    assert (latest.rows, latest.changed) == (10, 3)


def test_the_last_finished_run_of_each_day(engine: Engine) -> None:
    runs = Runs(engine)
    numbers = [begun(runs, day) for day in (DAY, NEXT, DAY)]
    for number in numbers:
        runs.finish(number, checks=[], counts=COUNTS, version=number, at=AT)
    assert {day: one.run for day, one in runs.days().items()} == {DAY: numbers[2], NEXT: numbers[1]}


def done(runs: Runs, found: list[Found], put: list[Put], over: list[int] | None = None, day: date = DAY) -> Run:
    """A finished run."""
    run = begun(runs, day)
    runs.keep(run, day, found, put)
    ids = None if over is None else np.array(over, np.int64)
    runs.finish(run, checks=[CHECK], counts=COUNTS, version=1, at=AT, over=ids)
    latest = runs.latest(day)
    assert latest is not None
    assert latest.run == run
    return latest


def test_what_a_run_found_and_put_is_read_back_as_it_was(engine: Engine) -> None:
    runs = Runs(engine)
    run = done(runs, [FOUND, FOUND._replace(reading=4)], [PUT, PUT._replace(reading=4, method="E8")])
    assert runs.found(run) == [FOUND, FOUND._replace(reading=4)]
    assert runs.put(run) == [PUT, PUT._replace(reading=4, method="E8")]
    assert runs.put(run, "E8") == [PUT._replace(reading=4, method="E8")]
    assert runs.checks(run.run) == [CHECK]


def test_a_run_over_some_readings_takes_the_place_of_what_was_found_of_these_alone(engine: Engine) -> None:
    runs = Runs(engine)
    first = done(runs, [FOUND, FOUND._replace(reading=4)], [PUT, PUT._replace(reading=4)])
    second = done(runs, [FOUND._replace(reading=4, first=8, last=9)], [], over=[4, 9])
    assert runs.found(second) == [FOUND, FOUND._replace(reading=4, first=8, last=9)]
    assert runs.put(second) == [PUT]
    assert (runs.found(first), runs.put(first)) == (
        [FOUND, FOUND._replace(reading=4)],
        [PUT, PUT._replace(reading=4)],
    ), "as of the first run all stands as it did"
    third = done(runs, [], [])
    assert (runs.found(third), runs.put(third)) == ([], [])
    assert runs.found(second) == [FOUND, FOUND._replace(reading=4, first=8, last=9)]


def test_other_days_and_runs_that_were_not_finished_take_nothing_away(engine: Engine) -> None:
    runs = Runs(engine)
    first = done(runs, [FOUND], [PUT])
    done(runs, [], [], day=NEXT)
    void = begun(runs)
    runs.keep(void, DAY, [FOUND._replace(first=0)], [])
    assert runs.found(first) == [FOUND]
    later = done(runs, [], [], over=[5])
    assert (runs.found(later), runs.put(later)) == ([FOUND], [PUT])


def test_of_some_readings_each_day_is_told_as_of_its_own_run(engine: Engine) -> None:
    runs = Runs(engine)
    first = done(runs, [FOUND, FOUND._replace(reading=4)], [PUT, PUT._replace(reading=4)])
    second = done(runs, [FOUND._replace(first=9, last=9)], [], over=[-7])
    other = done(runs, [FOUND._replace(code="V2")], [PUT], day=NEXT)
    void = begun(runs)
    runs.keep(void, DAY, [FOUND._replace(code="V1")], [PUT])
    assert runs.of_readings([-7], {DAY: second, NEXT: other}) == (
        [(DAY, FOUND._replace(first=9, last=9)), (NEXT, FOUND._replace(code="V2"))],
        [(NEXT, PUT)],
    )
    assert runs.of_readings([-7, 4], {DAY: first}) == (
        [(DAY, FOUND), (DAY, FOUND._replace(reading=4))],
        [(DAY, PUT), (DAY, PUT._replace(reading=4))],
    )
    assert runs.of_readings([4], {DAY: second}) == (
        [(DAY, FOUND._replace(reading=4))],
        [(DAY, PUT._replace(reading=4))],
    )
    assert runs.of_readings([], {DAY: first}) == runs.of_readings([-7], {}) == ([], [])
