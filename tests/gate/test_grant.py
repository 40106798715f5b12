"""Nothing is shown without a purpose, and what is shown was written down before."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, delete, select, update

from kwartier.database import writing
from kwartier.errors import Denied, InputError, KwartierError
from kwartier.fleet.ean import check_digit
from kwartier.fleet.registry import Registry
from kwartier.gate.grant import Gate, Shown
from kwartier.gate.ids import Ids
from kwartier.gate.policy import Scope
from kwartier.gate.purposes import purposes
from kwartier.model import Missing, Readings
from kwartier.store import Store
from kwartier.tables import access_connections, accesses, reading_ids
from tests.gate.rooms import AT, EVA, Remembered, gate_of
from tests.store.entries import entry, readings

OPERATORS = ("Noord", "Zuid")
DAY = date(2026, 11, 24)
AFTER = DAY + timedelta(days=1)


def ean(number: int) -> str:
    body = f"2087{number:013d}"
    return body + str(check_digit(body))


def gate(engine: Engine, folder: Path, dso: str = "") -> Gate:
    return gate_of(engine, folder, dso=dso)


@pytest.fixture
def install(engine: Engine, tmp_path: Path) -> Callable[..., Path]:
    """Meter ``m0`` of one operator and ``m1`` of another, with readings."""

    def make(*found: Readings) -> Path:
        lines = ["meter,ean,host,port,system_title,companion,dso,valid_from"]
        for number, dso in enumerate(OPERATORS):
            lines.append(f"m{number},{ean(number)},127.0.0.1,4059,4B575400000000{number:02d},smr-5.5,{dso},2020-01-01")
        (tmp_path / "fleet.csv").write_text("\n".join(lines) + "\n")
        Registry(engine).import_file(tmp_path / "fleet.csv", at=0)
        store = Store(tmp_path / "store")
        for number in range(2):
            for batch, one in enumerate(found):
                with writing(engine) as connection:
                    wanted = (ean(number), f"m{number}", one.start.year)
                    (identity,) = Ids(engine).ids_of(connection, [wanted]).values()
                store.append(f"{number}-{batch}", [entry(identity, one, known_at=batch)])
        return tmp_path

    return make


def shown(found: Gate, start: date, end: date, number: int = 0, purpose: str = "customer") -> Shown:
    scope = Scope(start=start, end=end, eans=(ean(number),))
    (one,) = found.open(actor=EVA, purpose=purpose, scope=scope).readings()
    return one


@pytest.mark.parametrize(
    ("purpose", "eans", "days", "code"),
    [
        ("", 1, 1, "no-purpose"),
        ("curiosity", 1, 1, "unknown-purpose"),
        ("customer", 0, 1, "out-of-scope"),
        ("settlement", 0, 32, "out-of-scope"),
        ("customer", 1, 0, "bad-day"),
        ("customer", 1, None, "bad-day"),
        ("customer", 9, 1, "unknown-connection"),
    ],
)
def test_what_is_denied_is_denied_before_anything_is_read_and_that_is_written_down(
    engine: Engine, install: Callable[..., Path], purpose: str, eans: int, days: int | None, code: str
) -> None:
    folder = install(readings(DAY, AFTER))
    log = Remembered()
    start, length = (DAY, days) if days is not None else (date.min, 1)
    scope = Scope(start=start, end=start + timedelta(days=length), eans=tuple(map(ean, range(eans))))
    with pytest.raises((Denied, InputError)) as caught:
        gate_of(engine, folder, log=log).open(actor=EVA, purpose=purpose, scope=scope)
    assert isinstance(caught.value, KwartierError)
    assert caught.value.code == code
    # What is wrong in itself leaves no trace; who was denied something stands in the tables and in the log.
    is_denied = isinstance(caught.value, Denied)
    with engine.connect() as connection:
        assert [row.verdict for row in connection.execute(select(accesses))] == [code] * is_denied
        assert connection.execute(select(access_connections)).all() == []
    assert [(one["kind"], one["rule"]) for one in log.told] == [("denied", code)] * is_denied


def test_who_looks_is_written_down_before_the_first_row(engine: Engine, install: Callable[..., Path]) -> None:
    folder = install(readings(DAY, AFTER))
    scope = Scope(start=DAY, end=AFTER, eans=(ean(0),))
    grant = gate(engine, folder).open(actor=EVA, purpose="complaint", reason="letter 12", scope=scope)
    with engine.connect() as connection:
        (row,) = connection.execute(select(accesses)).all()
    assert (row.id, row.at, row.actor, row.purpose, row.reason) == (grant.id, AT, "os:eva", "complaint", "letter 12")
    told = {"source": "store", "channels": ["import_wh", "export_wh"], "resolution": "quarter", "connections": 1}
    assert json.loads(row.scope) == {"start": f"{DAY}", "end": f"{AFTER}", **told}
    with engine.connect() as connection:
        assert [tuple(one) for one in connection.execute(select(access_connections))] == [(grant.id, ean(0))]


def test_test_data_are_all_that_may_be_looked_at_for_a_test(engine: Engine, install: Callable[..., Path]) -> None:
    install(readings(DAY, AFTER))
    assert purposes()["test"].eans == "20"
    scope = Scope(start=DAY, end=AFTER, eans=("871234567890123456",))
    with pytest.raises(Denied) as caught:
        gate(engine, Path()).open(actor=EVA, purpose="test", scope=scope)
    assert caught.value.code == "out-of-scope"


def test_readings_go_on_over_new_year_where_ids_change(engine: Engine, install: Callable[..., Path]) -> None:
    old, new = date(2026, 12, 30), date(2027, 1, 1)
    first = readings(old, new)
    second = readings(new, new + timedelta(days=1), first_wh=int(first.registers["import_wh"][-1]))
    folder = install(first, second)
    found = shown(gate(engine, folder), old, new + timedelta(days=1)).readings
    assert not any(reasons.any() for reasons in found.missing.values())
    assert set(np.diff(found.registers["import_wh"]).tolist()) == {7}
    assert found.findings == ()


def test_an_opening_that_the_meter_had_no_more_is_our_own_closing_of_the_day_before(
    engine: Engine, install: Callable[..., Path]
) -> None:
    first = readings(DAY, AFTER)
    closing = int(first.registers["import_wh"][-1])
    second = readings(AFTER, AFTER + timedelta(days=1), first_wh=closing, missing=(0,))
    found = shown(gate(engine, install(first, second)), AFTER, AFTER + timedelta(days=1))
    assert found.readings.missing["import_wh"][0] == Missing.PRESENT
    assert found.readings.registers["import_wh"][0] == closing
    assert {(one.code, one.start) for one in found.readings.findings} == {("own-closing", int(second.times[0]))}
    assert set(found.versions) == {AFTER}


def test_a_midnight_that_two_visits_saw_differently_is_said(engine: Engine, install: Callable[..., Path]) -> None:
    first = readings(DAY, AFTER)
    second = readings(AFTER, AFTER + timedelta(days=1), first_wh=5)
    found = shown(gate(engine, install(first, second)), DAY, AFTER + timedelta(days=1)).readings
    place = len(first.times) - 1
    assert found.registers["import_wh"][place] == first.registers["import_wh"][-1]
    assert found.registers["import_wh"][place + 1] == second.registers["import_wh"][1]
    assert {(one.code, one.start) for one in found.findings} == {("opening-differs", int(second.times[0]))}


def test_a_day_of_which_nothing_is_stored_is_missing_and_says_so(engine: Engine, install: Callable[..., Path]) -> None:
    folder = install(readings(DAY, AFTER), readings(AFTER + timedelta(days=1), AFTER + timedelta(days=2)))
    found = shown(gate(engine, folder), DAY, AFTER + timedelta(days=2)).readings
    gone = found.missing["import_wh"] == Missing.NOT_STORED
    assert np.flatnonzero(gone).tolist() == list(range(97, 192))


def test_a_later_version_is_the_one_that_is_shown(engine: Engine, install: Callable[..., Path]) -> None:
    folder = install(readings(DAY, AFTER), readings(DAY, AFTER, first_wh=500))
    found = shown(gate(engine, folder), DAY, AFTER)
    assert found.readings.registers["import_wh"][0] == 500
    assert (found.versions, found.known_at) == ({DAY: 2}, {DAY: 1})


def test_without_its_link_nothing_leads_to_readings(engine: Engine, install: Callable[..., Path]) -> None:
    folder = install(readings(DAY, AFTER))
    with writing(engine) as connection:
        connection.execute(delete(reading_ids).where(reading_ids.c.meter == "m0"))
    scope = Scope(start=DAY, end=AFTER, eans=(ean(0),))
    assert list(gate(engine, folder).open(actor=EVA, purpose="customer", scope=scope).readings()) == []


# Operators.


@pytest.mark.parametrize("ours", [0, 1])
def test_an_operator_reaches_nothing_of_another(engine: Engine, install: Callable[..., Path], ours: int) -> None:
    folder = install(readings(DAY, AFTER))
    found = gate(engine, folder, OPERATORS[ours])
    assert shown(found, DAY, AFTER, ours).ean == ean(ours)
    with pytest.raises(InputError) as caught:
        shown(found, DAY, AFTER, 1 - ours)
    assert caught.value.code == "unknown-connection"
    grant = found.open(actor=EVA, purpose="settlement", scope=Scope(start=DAY, end=AFTER))
    stacks = list(grant.day(DAY))
    assert [link.meter for _, links in stacks for link in links] == [f"m{ours}"]
    assert sum(map(len, (stack for stack, _ in stacks))) == 1 == grant.rows(DAY)


def test_an_operator_sees_of_a_connection_only_the_days_on_which_it_is_its_own(
    engine: Engine, install: Callable[..., Path]
) -> None:
    end = AFTER + timedelta(days=1)
    first = readings(DAY, AFTER)
    folder = install(first, readings(AFTER, end, first_wh=int(first.registers["import_wh"][-1])))
    handed_over = folder / "handed-over.csv"
    handed_over.write_text(
        "meter,ean,host,port,system_title,companion,dso,valid_from\n"
        f"m0,{ean(0)},127.0.0.1,4059,4B57540000000000,smr-5.5,Zuid,{AFTER}\n"
    )
    Registry(engine).import_file(handed_over, at=1)
    for dso, days, places in (("Noord", {DAY}, range(97)), ("Zuid", {AFTER}, range(96, 193))):
        found = shown(gate(engine, folder, dso), DAY, end)
        assert set(found.versions) == set(found.known_at) == days
        there = found.readings.missing["import_wh"] == Missing.PRESENT
        assert np.flatnonzero(there).tolist() == list(places)
    assert set(shown(gate(engine, folder), DAY, end).versions) == {DAY, AFTER}


def test_a_grant_for_a_test_shows_nobodys_connection_of_the_fleet_only(
    engine: Engine, install: Callable[..., Path]
) -> None:
    folder = install(readings(DAY, AFTER))
    with writing(engine) as connection:
        connection.execute(update(reading_ids).where(reading_ids.c.meter == "m0").values(ean="871687000000000007"))
    scope = Scope(start=DAY, end=AFTER)
    shown_links = {}
    for purpose in ("test", "settlement"):
        grant = gate(engine, folder).open(actor=EVA, purpose=purpose, scope=scope)
        stacks = list(grant.day(DAY))
        shown_links[purpose] = {link.meter for _, links in stacks for link in links}
        assert sum(map(len, (stack for stack, _ in stacks))) == len(shown_links[purpose]) == grant.rows(DAY)
    assert shown_links == {"test": {"m1"}, "settlement": {"m0", "m1"}}


def test_a_grant_for_one_connection_does_not_reach_the_fleet(engine: Engine, install: Callable[..., Path]) -> None:
    folder = install(readings(DAY, AFTER))
    scope = Scope(start=DAY, end=AFTER, eans=(ean(0),))
    grant = gate(engine, folder).open(actor=EVA, purpose="customer", scope=scope)
    with pytest.raises(Denied):
        list(grant.day(DAY))
    with pytest.raises(Denied):
        list(gate(engine, folder).open(actor=EVA, purpose="test", scope=Scope(start=DAY, end=AFTER)).day(AFTER))
