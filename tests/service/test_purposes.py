"""No meter is read without a purpose: the planner asks like anybody, and who said no is not visited, whenever that was said."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from kwartier.collect.claims import Claims
from kwartier.collect.due import Dues
from kwartier.database import reading, writing
from kwartier.errors import Denied
from kwartier.fleet.readout import Mode
from kwartier.gate import permissions
from kwartier.gate.holds import Holds
from kwartier.gate.purposes import Hold
from kwartier.service import night, worker
from kwartier.service.home import Home, open_home
from kwartier.service.night import Request, orders_of
from kwartier.tables import claim_events, connections, visits
from tests.gate.test_permissions import CASE
from tests.service.street import installed, timeless
from tests.service.test_worker import DAY, METERS, NIGHT
from tests.somebody import TESTER

ONE_DAY = timedelta(days=1)
REQUEST = Request(day=DAY, workers=1, at_once=True, actor=TESTER)
NOBODY = replace(TESTER, name="os:nobody", roles=frozenset())
TODAY = DAY + ONE_DAY


def ticking() -> Callable[[], float]:
    """The clock of the night, which goes on."""
    begun_s = time.monotonic()
    return lambda: NIGHT + time.monotonic() - begun_s


def eans(home: Home) -> list[str]:
    with reading(home.engine) as connection:
        return list(connection.execute(select(connections.c.ean).order_by(connections.c.ean)).scalars())


def records(home: Home) -> list[dict[str, object]]:
    log = home.log.opened()
    return [json.loads(one) for one in log.records(0, log.size)]


def read(home: Home, wall: Callable[[], float]) -> set[str]:
    """Carry out what is planned; the connections that were visited."""
    asyncio.run(worker.run(home, orders_of(home, REQUEST), progress=lambda tally: None, wall=wall))
    with reading(home.engine) as connection:
        return set(connection.execute(select(visits.c.ean)).scalars())


def test_a_night_that_nobody_may_order_asks_no_meter(tmp_path: Path) -> None:
    wall = ticking()
    with timeless(tmp_path, METERS, wall) as fleet, open_home(installed(tmp_path, fleet)) as home:
        with pytest.raises(Denied) as caught:
            night.plan(home, replace(REQUEST, actor=NOBODY), now=wall())
        assert caught.value.code == "wrong-role"
        assert not Dues(home.engine).planned(DAY)
        assert [(one["kind"], one["rule"]) for one in records(home)] == [("denied", "wrong-role")]


@pytest.mark.parametrize("mode", [Mode.OPTED_OUT, Mode.NOT_REMOTE])
def test_who_opted_out_is_not_read_be_it_said_before_or_after_planning(tmp_path: Path, mode: Mode) -> None:
    wall = ticking()
    with timeless(tmp_path, METERS, wall) as fleet, open_home(installed(tmp_path, fleet)) as home:
        before, after, *others = eans(home)
        home.registry.state_readout(before, mode, on=DAY, at=1)
        assert night.plan(home, REQUEST, now=wall()) == METERS - 1
        home.registry.state_readout(after, mode, on=TODAY, at=2)
        assert read(home, wall) == set(others)
        counts = Dues(home.engine).counts(DAY)
        assert (counts.stored, counts.causes) == (METERS - 2, {"not-read-out": 1})
        with reading(home.engine) as connection:
            (event,) = connection.execute(select(claim_events).where(claim_events.c.cause == "not-read-out")).all()
        assert (event.ean, event.kind) == (after, "refused")
        assert Claims(home.engine).proof(TODAY).beyond == ()
        (record,) = records(home)
        assert (record["kind"], record["purpose"], record["source"]) == ("read", "settlement", "meter")


def test_a_use_case_that_has_expired_stops_reads_in_the_next_cycle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KWARTIER_NIGHT_PURPOSE", "grid-operation")
    monkeypatch.setenv("KWARTIER_NIGHT_USE_CASE", CASE.id)
    wall = ticking()
    with timeless(tmp_path, METERS, wall) as fleet, open_home(installed(tmp_path, fleet)) as home:
        case = replace(CASE, area="", valid_from=DAY, valid_to=TODAY + ONE_DAY)
        objecting, *others = eans(home)
        with writing(home.engine) as connection:
            permissions.register(connection, case, by="os:eva", at=1)
            Holds(home.engine).make(connection, objecting, Hold.OBJECTION, DAY, TODAY, "letter", "os:eva", 1)
        assert night.plan(home, REQUEST, now=wall()) == METERS - 1
        assert read(home, wall) == set(others)
        day_s = ONE_DAY.total_seconds()
        with pytest.raises(Denied) as caught:
            night.plan(home, replace(REQUEST, day=TODAY), now=wall() + day_s)
        assert caught.value.code == "no-use-case"
        assert not Dues(home.engine).planned(TODAY)
