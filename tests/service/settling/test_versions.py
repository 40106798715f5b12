"""Versions are published once, numbered in their order, and stay what they were."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from sqlalchemy import Engine, delete, update

from kwartier.database import open_engine, writing
from kwartier.errors import Denied, InputError, StateError
from kwartier.service.settling import telling
from kwartier.service.settling.again import EQUAL, GONE, again
from kwartier.service.settling.versions import HELD, PUBLISHED, Made, Version, Versions
from kwartier.settle.difference import difference
from kwartier.settle.frozen import digest, frozen
from kwartier.settle.tables import Area, AreaState, Check, Part, Settled, Sum
from kwartier.tables.settle import settlement_areas, settlement_sums
from tests.postgres import DATABASES, with_tables

DAY, NEXT, TODAY = date(2026, 11, 24), date(2026, 11, 25), date(2026, 11, 26)
AT = 1_795_694_400
MADE = Made(
    actor="operator",
    code="0.1.0",
    rules="2026",
    validation_run=4,
    raw_version=9,
    validated_version=7,
    market_revision=3,
)


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(with_tables(str(request.param), tmp_path))
    yield engine
    engine.dispose()


@pytest.fixture
def versions(engine: Engine) -> Versions:
    return Versions(engine)


def a_settlement(wh: int = 10, *, day: date = DAY, state: AreaState = AreaState.SETTLED) -> Settled:
    nothing = np.zeros(96, np.int64)
    sums = tuple(
        Sum(
            grid_area="A",
            part=Part.METERED,
            direction=direction,
            brp=f"brp-{number}",
            supplier="lev",
            method="cSMA",
            connections=number,
            energy_wh=nothing + wh * number,
            calculated_wh=nothing,
            estimated_wh=nothing - (1 << 40),
        )
        for number in (1, 2)
        for direction in ("export", "import")
    )
    return Settled(
        day=day,
        areas=(Area(grid_area="A", state=state, code="", reason="é", connections=3, unread=1),),
        sums=sums,
        checks=(Check(grid_area="A", code="adds-up", passed=True, detail="all"),),
    )


def test_what_was_published_is_read_back_byte_for_byte(versions: Versions) -> None:
    done = versions.publish(a_settlement(), MADE, at=AT, today=TODAY)
    assert done.is_new
    assert done.version == Version(
        day=DAY,
        version=1,
        name="D+5",
        made_at=AT,
        published_at=AT,
        state=PUBLISHED,
        made=MADE,
        digest=digest(a_settlement()),
    )
    assert frozen(versions.settled(DAY, 1)) == frozen(a_settlement())
    assert versions.latest(DAY) == versions.version(DAY, 1) == done.version
    assert versions.latest(NEXT) is None


def test_a_settlement_of_nothing_is_a_version_too(versions: Versions) -> None:
    empty = Settled(day=DAY, areas=(), sums=(), checks=())
    assert versions.publish(empty, MADE, at=AT, today=TODAY).version.state == PUBLISHED
    assert frozen(versions.settled(DAY, 1)) == frozen(empty)


def test_the_same_from_the_same_is_no_new_version(versions: Versions) -> None:
    first = versions.publish(a_settlement(), MADE, at=AT, today=TODAY).version
    over = versions.publish(a_settlement(), replace(MADE, actor="another"), at=AT + 60, today=TODAY)
    assert (over.is_new, over.version) == (False, first)
    assert versions.versions() == [first]


@pytest.mark.parametrize(
    ("settled", "made", "today"),
    [
        (a_settlement(11), MADE, TODAY),
        (a_settlement(), replace(MADE, validation_run=5), TODAY),
        (a_settlement(), replace(MADE, raw_version=10), TODAY),
        (a_settlement(), replace(MADE, market_revision=4), TODAY),
        (a_settlement(), replace(MADE, code="0.2.0"), TODAY),
        (a_settlement(), MADE, date(2026, 12, 2)),
    ],
    ids=["sums", "validation", "readings", "market", "code", "name"],
)
def test_anything_else_is_one(versions: Versions, settled: Settled, made: Made, today: date) -> None:
    versions.publish(a_settlement(), MADE, at=AT, today=TODAY)
    done = versions.publish(settled, made, at=AT + 60, today=today)
    assert (done.is_new, done.version.version) == (True, 2)
    assert frozen(versions.settled(DAY, 1)) == frozen(a_settlement())
    assert [one.version for one in versions.versions(DAY)] == [1, 2]


def test_versions_are_listed_in_the_order_in_which_they_were_made(versions: Versions) -> None:
    versions.publish(a_settlement(day=NEXT), MADE, at=AT, today=TODAY)
    versions.publish(a_settlement(), MADE, at=AT + 10, today=TODAY)
    versions.publish(a_settlement(11, day=NEXT), MADE, at=AT + 20, today=TODAY)
    listed = [(NEXT, 1), (DAY, 1), (NEXT, 2)]
    assert [(one.day, one.version) for one in versions.versions()] == listed
    assert [one.version for one in versions.versions(NEXT)] == [1, 2]


@pytest.mark.parametrize("state", [AreaState.HELD, AreaState.STOPPED])
def test_what_is_held_is_kept_and_not_published(versions: Versions, state: AreaState) -> None:
    done = versions.publish(a_settlement(state=state), MADE, at=AT, today=TODAY).version
    assert (done.state, done.published_at) == (HELD, None)
    assert telling.version(done)["published"] is None


def test_an_area_that_is_stopped_does_not_hold_the_others(versions: Versions) -> None:
    one = a_settlement()
    stopped = Area(grid_area="B", state=AreaState.STOPPED, code="no-infeed", reason="none", connections=1, unread=0)
    done = versions.publish(replace(one, areas=(*one.areas, stopped)), MADE, at=AT, today=TODAY).version
    assert done.state == PUBLISHED


def test_a_day_that_is_closed_or_not_over_gets_no_version(versions: Versions) -> None:
    with pytest.raises(Denied) as late:
        versions.publish(a_settlement(), MADE, at=AT, today=date(2027, 4, 1))
    with pytest.raises(InputError) as early:
        versions.publish(a_settlement(), MADE, at=AT, today=DAY)
    assert (late.value.code, early.value.code) == ("settlement-closed", "day-not-over")
    assert versions.versions() == []


@pytest.mark.parametrize("older", [{"validation_run": 3}, {"market_revision": 2}])
def test_a_run_that_took_long_does_not_replace_what_is_known_now(versions: Versions, older: dict[str, int]) -> None:
    versions.publish(a_settlement(), MADE, at=AT, today=TODAY)
    with pytest.raises(StateError) as caught:
        versions.publish(a_settlement(11), replace(MADE, **older), at=AT + 60, today=TODAY)  # type: ignore[arg-type]  # each is a count
    assert caught.value.code == "settlement-overtaken"
    assert len(versions.versions()) == 1


def test_the_witness_hears_of_a_version_before_it_stands_and_can_stop_it(versions: Versions) -> None:
    told: list[Version] = []

    def refuse(version: Version) -> None:
        told.append(version)
        raise StateError("audit-closed", "no room for the record")

    with pytest.raises(StateError, match="no room"):
        versions.publish(a_settlement(), MADE, at=AT, today=TODAY, witness=refuse)
    assert [(one.version, one.digest) for one in told] == [(1, digest(a_settlement()))]
    assert versions.versions() == []
    done = versions.publish(a_settlement(), MADE, at=AT, today=TODAY, witness=told.append).version
    assert told[-1] == done
    versions.publish(a_settlement(), MADE, at=AT, today=TODAY, witness=told.append)
    assert len(told) == 2


def test_two_who_publish_at_once_get_two_numbers_or_one_the_same(engine: Engine) -> None:
    together = Barrier(4)

    def publish(wh: int) -> tuple[int, bool]:
        together.wait()
        done = Versions(engine).publish(a_settlement(wh), MADE, at=AT, today=TODAY)
        return done.version.version, done.is_new

    with ThreadPoolExecutor(4) as pool:
        different = list(pool.map(publish, [1, 2, 3, 4]))
    assert sorted(different) == [(1, True), (2, True), (3, True), (4, True)]
    with ThreadPoolExecutor(4) as pool:
        same = list(pool.map(publish, [5, 5, 5, 5]))
    assert sorted(same) == [(5, False), (5, False), (5, False), (5, True)]


def test_sums_that_were_altered_in_the_database_are_refused(engine: Engine, versions: Versions) -> None:
    versions.publish(a_settlement(), MADE, at=AT, today=TODAY)
    for change in (
        update(settlement_sums).where(settlement_sums.c.brp == "brp-1").values(connections=9),
        delete(settlement_areas),
    ):
        with writing(engine) as connection:
            connection.execute(change)
        with pytest.raises(StateError) as caught:
            versions.settled(DAY, 1)
        assert caught.value.code == "settlement-altered"


def test_a_version_that_is_not_there_is_named(versions: Versions) -> None:
    for asked in (versions.version, versions.settled):
        with pytest.raises(InputError, match="2026-11-24 has no version 1"):
            asked(DAY, 1)


# Made again.


def test_a_version_is_made_again_from_what_it_names(versions: Versions) -> None:
    versions.publish(a_settlement(), MADE, at=AT, today=TODAY)
    versions.publish(a_settlement(11), replace(MADE, validation_run=5), at=AT, today=TODAY)
    asked: list[Made] = []

    def make(version: Version) -> Settled:
        asked.append(version.made)
        return a_settlement()

    found = again(versions, DAY, 1, make)
    assert (found.is_made_again, found.note) == (True, EQUAL)
    assert asked == [MADE]
    with pytest.raises(StateError) as caught:
        again(versions, DAY, 2, make)
    assert caught.value.code == "settlement-differs"


def test_where_inputs_are_lawfully_gone_the_frozen_sums_are_given_with_a_note(versions: Versions) -> None:
    versions.publish(a_settlement(), MADE, at=AT, today=TODAY)
    found = again(versions, DAY, 1, lambda _: None)
    assert (found.is_made_again, found.note) == (False, GONE)
    assert frozen(found.settled) == frozen(a_settlement())


# Told.


def test_versions_are_told_as_the_commands_promise(versions: Versions) -> None:
    versions.publish(a_settlement(), MADE, at=AT, today=TODAY)
    told = json.loads(json.dumps(telling.versions(versions.versions())))
    assert told == {
        "versions": [
            {
                "date": "2026-11-24",
                "version": 1,
                "name": "D+5",
                "state": "published",
                "published": "2026-11-26T12:00:00Z",
                "made": "2026-11-26T12:00:00Z",
                "actor": "operator",
                "code": "0.1.0",
                "rules": "2026",
                "validation_run": 4,
                "raw_version": 9,
                "validated_version": 7,
                "market_revision": 3,
                "residual_share_bp": 1000,
                "residual_floor_wh": 20000,
                "digest": digest(a_settlement()),
            }
        ]
    }
    over = versions.publish(a_settlement(), MADE, at=AT, today=TODAY)
    assert telling.publication(over)["unchanged"] is True


def test_a_settlement_and_a_difference_are_told_in_json() -> None:
    told = json.loads(json.dumps(telling.settlement(a_settlement())))
    assert told["areas"][0]["state"] == "settled"
    assert told["sums"][0]["energy_wh"] == 960
    assert "quarters" not in told["sums"][0]
    fine = json.loads(json.dumps(telling.settlement(a_settlement(), quarters=True)))
    assert fine["sums"][0]["quarters"]["energy_wh"] == [10] * 96
    found = difference(a_settlement(), a_settlement(11, state=AreaState.HELD))
    told = json.loads(json.dumps(telling.difference(found)))
    assert told["areas"] == [{"grid_area": "A", "before": "settled", "after": "held", "unread": 0}]
    assert told["sums"][0]["how"] == "changed"
    assert told["sums"][0]["day_wh"] == 96
