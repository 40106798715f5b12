"""A run counts from the moment that it is finished, and what it found stands beside it."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from kwartier.database import open_engine
from kwartier.service.validating.runs import Checked, Found, Put, Runs
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
COUNTS = {"rows": 10, "findings": 1, "substitutes": 1}


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
    assert (latest.run, latest.finished_at, latest.validated_version, latest.rows) == (first, AT + 5, 8, 10)


def test_the_last_finished_run_of_each_day(engine: Engine) -> None:
    runs = Runs(engine)
    numbers = [begun(runs, day) for day in (DAY, NEXT, DAY)]
    for number in numbers:
        runs.finish(number, checks=[], counts=COUNTS, version=number, at=AT)
    assert {day: one.run for day, one in runs.days().items()} == {DAY: numbers[2], NEXT: numbers[1]}


def test_what_a_run_found_and_put_is_read_back_as_it_was(engine: Engine) -> None:
    runs = Runs(engine)
    run = begun(runs)
    runs.keep(run, DAY, [FOUND, FOUND._replace(reading=4)], [PUT])
    runs.finish(run, checks=[CHECK], counts=COUNTS, version=1, at=AT)
    assert runs.found(run) == [FOUND, FOUND._replace(reading=4)]
    assert runs.found(run, np.array([4], np.int64)) == [FOUND._replace(reading=4)]
    assert runs.put(run) == [PUT]
    assert runs.checks(run) == [CHECK]


@pytest.mark.parametrize(("quality", "is_open"), [("calculated", False), ("estimated", True), ("missing", True)])
def test_a_day_is_unsettled_while_something_may_still_replace_what_was_put(
    engine: Engine, quality: str, is_open: bool
) -> None:
    runs = Runs(engine)
    run = begun(runs)
    runs.keep(run, DAY, [], [PUT._replace(quality=quality)])
    assert not runs.unsettled(DAY)
    runs.finish(run, checks=[], counts=COUNTS, version=1, at=AT)
    assert runs.unsettled(DAY) == is_open
