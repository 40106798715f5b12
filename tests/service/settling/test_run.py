"""A day is settled from what is stored and said; what does not add up is held, and what is missing stops its area alone."""

import json
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import select

from kwartier.compute.engine import Engine, Kernel, Partial, Piece, Source
from kwartier.compute.local import Local
from kwartier.database import reading
from kwartier.errors import Denied, InputError, StateError
from kwartier.fleet.mutations import Exchange
from kwartier.market.columns import Kind
from kwartier.model import Quality
from kwartier.service.settling import making, run
from kwartier.service.settling.due import due
from kwartier.service.settling.run import settle
from kwartier.service.validating.runs import Runs
from kwartier.settle.difference import How, difference
from kwartier.settle.frozen import frozen
from kwartier.settle.tables import AreaState, Part
from kwartier.tables import accesses
from tests.gate.rooms import EVA, Somebody
from tests.market.files import ean, write
from tests.service.settling.village import (
    BY_PROFILE_WH,
    DAY,
    HOMES,
    LOSS_WH,
    ONE_DAY,
    READ,
    UNMETERED_WH,
    UNREAD,
    Village,
    area_of,
    day_wh,
    empty,
    flow_wh,
    noon_after,
    used_wh,
    village,
)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Village]:
    with village(tmp_path) as found:
        yield found


def sums_of(quarters: int) -> dict[tuple[str, str, str], int]:
    """What a day of the village comes to, told from what its homes used."""
    found = {}
    for area in ("A", "B"):
        for way in ("import", "export"):
            read = sum(used_wh(one, way) for one in READ if area_of(one) == area)
            found[area, "metered", way] = quarters * read
            found[area, "infeed", way] = quarters * flow_wh(area, way)
        found[area, "loss", "import"] = quarters * LOSS_WH
        found[area, "residual", "import"] = quarters * UNMETERED_WH
    found["A", "profiled", "import"] = quarters * 2 * BY_PROFILE_WH
    # Of the two by profile one used 150 Wh and the other 160.
    found["A", "residual", "import"] += quarters * (50 + 60)
    return found


@pytest.mark.parametrize(("day", "quarters"), [(DAY, 96), (date(2026, 3, 29), 92), (date(2026, 10, 25), 100)])
def test_a_day_is_settled_to_the_watt_hour(tmp_path: Path, day: date, quarters: int) -> None:
    with village(tmp_path, day) as here:
        done = here.settle()
        assert done.not_settled == ()
        assert all(one.passed for one in done.settled.checks)
        assert [(one.grid_area, one.connections, one.unread) for one in done.settled.areas] == [
            ("A", 16, 1),
            ("B", 8, 0),
        ]
        assert day_wh(done.settled) == sums_of(quarters)
        version = done.publication.version
        assert (version.version, version.name, version.state) == (1, "D+5" if day == DAY else version.name, "published")
        assert version.made.validation_run == 1
        assert frozen(here.versions.settled(day, 1)) == frozen(done.settled)


def test_the_registers_of_every_meter_are_the_second_path(here: Village) -> None:
    checks = {(one.grid_area, one.code): one.detail for one in here.settle().settled.checks}
    assert checks["A", "registers"].startswith("14 of 14 meters by stored registers")
    assert checks["B", "registers"].startswith("8 of 8 meters by stored registers")


def test_who_settles_has_a_grant_and_the_audit_log_has_the_digest(here: Village) -> None:
    done = here.settle()
    with reading(here.home.engine) as connection:
        (access,) = connection.execute(select(accesses)).mappings().all()
    assert (access["purpose"], access["reason"], access["actor"]) == ("settlement", "a test", EVA.name)
    log = here.home.log.opened()
    records = [json.loads(one) for one in log.records(0, log.size)]
    assert [one["kind"] for one in records] == ["bulk", "bulk", "bulk", "settled"]
    assert {one["grant"] for one in records} == {access["id"]}
    last = records[-1]
    assert (last["digest"], last["version"], last["day"]) == (done.publication.version.digest, 1, f"{DAY}")


def test_a_version_that_the_audit_log_does_not_have_does_not_stand(
    here: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run, "_witness", lambda *_: full)
    with pytest.raises(OSError, match="No space"):
        here.settle()
    assert here.versions.versions() == []


def test_who_has_no_role_for_it_settles_nothing(here: Village) -> None:
    with pytest.raises(Denied):
        settle(here.home, DAY, actor=Somebody(roles=frozenset({"helpdesk"})), reason="", at=here.at)
    assert here.versions.versions() == []


def test_the_same_again_is_no_new_version(here: Village) -> None:
    first = here.settle()
    here.read([0], batch="another day's night would change the version of the table, too", more_wh=1)
    over = here.settle(here.at + 60)
    assert (over.publication.is_new, over.publication.version) == (False, first.publication.version)
    assert len(here.versions.versions()) == 1


def test_a_row_that_was_estimated_counts_and_one_with_a_hole_does_not(here: Village) -> None:
    here.validate(quality={2: Quality.ESTIMATED, 3: Quality.MISSING, 17: Quality.CALCULATED})
    found = here.settle().settled
    assert [one.state for one in found.areas] == [AreaState.SETTLED, AreaState.SETTLED]
    metered = [one for one in found.sums if one.part is Part.METERED and one.direction == "import"]
    assert sum(one.connections for one in metered) == len(READ) - 1
    assert sum(int(one.estimated_wh.sum()) for one in metered) == 10 * 30
    assert sum(int(one.calculated_wh.sum()) for one in metered) == 10 * 180
    assert [one.unread for one in found.areas] == [2, 0]
    checks = {(one.grid_area, one.code): one.detail for one in found.checks}
    assert checks["A", "registers"].startswith("12 of 13 meters by stored registers")


def test_a_meter_that_says_something_else_later_waits_for_the_next_run(here: Village) -> None:
    here.read([5], more_wh=3, batch="late")
    assert here.settle().not_settled == ()
    assert due(here.home, DAY + 3 * ONE_DAY) == []
    here.validate([5], more_wh=3, raw_version=2)
    assert due(here.home, DAY + 3 * ONE_DAY) == [DAY]
    done = here.settle()
    assert (done.publication.version.version, done.not_settled) == (2, ())


def test_late_readings_make_a_version_that_tells_what_changed(here: Village) -> None:
    first = here.settle()
    here.read([UNREAD], batch="late")
    here.validate([*READ, UNREAD])
    second = here.settle(here.at + 60)
    assert (second.publication.is_new, second.publication.version.version) == (True, 2)
    found = difference(first.settled, second.settled)
    assert [(one.grid_area, one.unread) for one in found.areas] == [("A", -1)]
    changed = {(one.part.value, one.direction, one.brp): one for one in found.sums}
    metered = changed["metered", "import", "brp-0"]
    assert (metered.grid_area, metered.how, metered.connections, metered.day_wh) == ("A", How.CHANGED, 1, 96 * 150)
    assert changed["profiled", "import", "brp-0"].how is How.GONE
    assert changed["residual", "import", ""].day_wh == -96 * 50
    assert {one.grid_area for one in found.sums} == {"A"}


def test_on_the_day_of_an_exchange_both_meters_count_as_one_connection(here: Village) -> None:
    new = write(
        here.folder / "new.csv",
        "meter,ean,host,port,system_title,companion",
        [f"n4,{ean(4)},127.0.0.1,4059,4B575400000000FF,smr-5.5"],
    )
    moment = noon_after(DAY, 0)
    here.home.registry.exchange(
        Exchange(ean=ean(4), old_meter="m4", new_meter="n4", moment=moment), new, at=here.at - 60
    )
    found = here.settle().settled
    assert day_wh(found) == sums_of(96)
    checks = {(one.grid_area, one.code): one.detail for one in found.checks}
    assert checks["A", "registers"].startswith("13 of 14 meters by stored registers")


# What is held, stopped, refused.


class Losing:
    """An engine that loses the first piece."""

    def run(self, source: Source[Piece], pieces: Sequence[Piece], kernel: Kernel[Partial]) -> Partial | None:
        return Local().run(source, pieces[1:], kernel)


class Doubling:
    """One that takes each piece twice."""

    def run(self, source: Source[Piece], pieces: Sequence[Piece], kernel: Kernel[Partial]) -> Partial | None:
        return Local().run(source, [*pieces, *pieces], kernel)


@pytest.mark.parametrize("broken", [Losing(), Doubling()])
def test_what_was_lost_or_counted_twice_is_kept_and_not_published(
    here: Village, monkeypatch: pytest.MonkeyPatch, broken: Engine
) -> None:
    monkeypatch.setattr(making, "engine_of", lambda *_: nullcontext(broken))
    done = here.settle()
    assert [one.state for one in done.not_settled] == [AreaState.HELD, AreaState.HELD]
    assert "rows: " in done.not_settled[0].reason
    version = done.publication.version
    assert (version.state, version.published_at) == ("held", None)
    assert here.versions.settled(DAY, 1).areas == done.settled.areas
    monkeypatch.undo()
    assert here.settle(here.at + 60).publication.version.state == "published"


def test_an_infeed_that_is_wrong_holds_its_area_until_it_is_put_right(here: Village) -> None:
    here.flows(Kind.INFEED, "B", more_wh=5_000)
    done = here.settle()
    (held,) = done.not_settled
    assert (held.grid_area, held.state, held.code) == ("B", AreaState.HELD, "residual")
    assert done.publication.version.state == "held"
    today = DAY + 2 * ONE_DAY
    assert due(here.home, today) == []
    here.flows(Kind.INFEED, "B")
    assert due(here.home, today) == [DAY]
    assert here.settle().not_settled == ()
    assert due(here.home, today) == []


def test_the_bounds_of_the_residual_are_settings(tmp_path: Path) -> None:
    with village(tmp_path, settings=("residual_share_bp = 0", "residual_floor_wh = 2400")) as here:
        done = here.settle()
        assert [(one.grid_area, one.code) for one in done.not_settled] == [("A", "residual")]
        made = done.publication.version.made
        assert (made.residual_share_bp, made.residual_floor_wh) == (0, 2400)


@pytest.mark.parametrize("kind", [Kind.INFEED, Kind.LOSSES])
def test_an_area_without_an_input_stops_alone(tmp_path: Path, kind: Kind) -> None:
    with empty(tmp_path) as here:
        here.fleet()
        here.supplies()
        for one in (Kind.INFEED, Kind.LOSSES):
            here.flows(one, "A" if one is kind else "AB")
        here.fractions()
        here.read()
        here.validate()
        done = here.settle()
        (stopped,) = done.not_settled
        assert (stopped.grid_area, stopped.state, stopped.code) == ("B", AreaState.STOPPED, f"no-{kind}")
        assert done.publication.version.state == "published"
        assert {area for area, _, _ in day_wh(done.settled)} == {"A"}
        here.flows(kind, "B")
        assert due(here.home, DAY + 2 * ONE_DAY) == [DAY]
        assert day_wh(here.settle().settled) == sums_of(96)


def test_an_area_of_which_the_market_does_not_know_a_connection_stops_alone(here: Village, tmp_path: Path) -> None:
    body = "meter,ean,host,port,system_title,companion,grid_area,valid_from"
    line = f"m99,{ean(99)},127.0.0.1,4059,4B57540000000099,smr-5.5,B,2020-01-01"
    here.home.registry.import_file(write(tmp_path / "one.csv", body, [line]), at=0)
    (stopped,) = here.settle().not_settled
    assert (stopped.grid_area, stopped.code, stopped.reason) == ("B", "no-market-data", "1 connections have no supply")


def test_a_day_without_validation_says_so(tmp_path: Path) -> None:
    with empty(tmp_path) as here:
        with pytest.raises(StateError) as caught:
            here.settle()
        assert caught.value.code == "not-validated"
        assert "kwartier validate run --date" in caught.value.sentence()


def test_a_run_that_was_not_finished_does_not_count(here: Village) -> None:
    Runs(here.home.engine).begin(DAY, actor="x", rules="y", raw_version=0, market_revision=0, at=here.at)
    assert here.settle().publication.version.made.validation_run == 1


def test_a_closed_day_is_refused_before_anything_is_looked_at(here: Village) -> None:
    log = here.home.log.opened()
    with pytest.raises(Denied) as closed:
        here.settle(noon_after(date(2027, 4, 1), 0))
    assert closed.value.code == "settlement-closed"
    with pytest.raises(InputError) as early:
        here.settle(noon_after(DAY, 0))
    assert early.value.code == "day-not-over"
    assert log.size == 0
    assert due(here.home, date(2027, 4, 1)) == due(here.home, DAY) == []
    assert due(here.home, date(2027, 3, 31)) == [DAY]
    assert here.settle(noon_after(date(2027, 3, 31), 0)).publication.version.name == "M+4"


def test_a_home_without_connections_has_nothing_to_settle(tmp_path: Path) -> None:
    with empty(tmp_path) as here:
        here.validate([])
        done = here.settle()
        assert (done.settled.areas, done.settled.sums, done.not_settled) == ((), (), ())
        assert done.publication.version.state == "published"


def test_meters_that_nobody_has_stop_everything(here: Village) -> None:
    """A reading that is in no area at all would be lost in silence."""
    (here.folder / "fleet.csv").unlink()
    here.read([HOMES + 1], batch="stray")
    here.validate([HOMES + 1])
    with pytest.raises(StateError) as caught:
        here.settle()
    assert caught.value.code == "bad-table"


def test_it_is_told_how_far_the_second_path_is(here: Village) -> None:
    told: list[tuple[int, int]] = []
    settle(here.home, DAY, actor=EVA, reason="", at=here.at, show=lambda done, count: told.append((done, count)))
    assert told[-1] == (2 * len(READ), 2 * len(READ))
