"""Every use of a grant is a record before the first row, and a grant does not reach whoever said no."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection, Engine

from kwartier.audit.tiles import MAX_RECORD_BYTES
from kwartier.database import writing
from kwartier.errors import Denied, InputError, StateError
from kwartier.fleet.readout import Mode, state
from kwartier.gate import permissions
from kwartier.gate.asked import what
from kwartier.gate.grant import APPROVED, Gate
from kwartier.gate.holds import Holds
from kwartier.gate.ids import Ids
from kwartier.gate.members import FOLDER, Members
from kwartier.gate.persons import Persons, commitment
from kwartier.gate.policy import MAX_NAMED, Approval, Scope
from kwartier.gate.purposes import Hold, Resolution, Source, purposes
from kwartier.gate.record import Use
from kwartier.who.actor import MAX_NAME
from tests.gate.rooms import AT, EVA, InPlainSight, Remembered, Somebody, gate_of
from tests.gate.test_grant import AFTER, DAY, ean, install
from tests.gate.test_permissions import CASE
from tests.store.entries import readings

__all__ = ["install"]
ALL = Scope(start=DAY, end=AFTER)
ONE = replace(ALL, eans=(ean(0),))
FOR_EVER = (date(2020, 1, 1), date(2100, 1, 1))


@pytest.fixture
def folder(install: Callable[..., Path]) -> Path:
    """Two connections with a day of readings."""
    return install(readings(DAY, AFTER))


@pytest.fixture
def log() -> Remembered:
    """Where the records go."""
    return Remembered()


@pytest.fixture
def gate(engine: Engine, folder: Path, log: Remembered) -> Gate:
    """The gate before them."""
    return gate_of(engine, folder, log=log)


class Full:
    """A log on a disk without room."""

    def append(self, records: Sequence[bytes]) -> range:
        """Never succeeds."""
        raise StateError("no-room", f"{len(records)} records were not written down")


# Records.


def test_a_look_at_one_connection_is_one_record_that_names_nobody(engine: Engine, gate: Gate, log: Remembered) -> None:
    grant = gate.open(actor=EVA, purpose="complaint", scope=ONE, reason="letter of Jansen", recipient="Jansen")
    assert log.told == [], "opening a grant shows nothing"
    found = grant.readings()
    (record,) = log.told
    assert len(list(found)) == 1
    (secret,) = Persons(engine, InPlainSight()).secrets(ean(0))
    assert record == {
        "v": 1,
        "kind": "use",
        "at": AT,
        "grant": grant.id,
        "actor": "os:eva",
        "purpose": "complaint",
        "ground": "AVG art. 16 (text not verified)",
        "recipient": sha256(f"{grant.id}\nJansen".encode()).hexdigest(),
        "source": "store",
        "days": [f"{DAY}", f"{AFTER}"],
        "channels": ["import_wh", "export_wh"],
        "resolution": "quarter",
        "reason": sha256(f"{grant.id}\nletter of Jansen".encode()).hexdigest(),
        "persons": [commitment(secret, grant.id)],
        "table": record["table"],
    }
    text = log.records[0].decode()
    assert ean(0) not in text
    assert "Jansen" not in text
    assert json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False) == text
    list(grant.readings())
    assert len(log.records) == 2, "each use is a record"


def test_a_record_of_as_many_as_a_grant_may_name_fits_into_the_log() -> None:
    eans = tuple(map(ean, range(MAX_NAMED)))
    scope = replace(ALL, eans=eans, by="x" * 64, area="y" * 64, use_case="z" * 64).reduced(purposes()["settlement"])
    use = Use(
        grant="0" * 32,
        actor="a" * MAX_NAME,
        purpose="p" * 64,
        ground="Gedragscode Slim Netbeheer (Stcrt. 2022, 11739) (text not verified)",
        recipient="r",
        reason="s",
        scope=scope,
    )
    record = use.record("use", AT, persons=["0" * 64] * MAX_NAMED, table=1 << 40)
    assert len(record) <= MAX_RECORD_BYTES


def test_a_scope_with_endless_names_is_refused(gate: Gate) -> None:
    with pytest.raises(InputError) as caught:
        gate.open(actor=EVA, purpose="settlement", scope=replace(ALL, area="x" * 65))
    assert caught.value.code == "bad-argument"


def test_a_look_at_all_leaves_the_root_of_its_list_of_members(
    engine: Engine, folder: Path, gate: Gate, log: Remembered
) -> None:
    grant = gate.open(actor=EVA, purpose="settlement", scope=ALL)
    found = grant.day(DAY)
    (record,) = log.told
    shown = np.concatenate([stack.ids for stack, _ in found])
    assert (record["kind"], record["count"], record["predicate"], record["day"]) == ("bulk", 2, "all", f"{DAY}")
    listed = Members(folder / FOLDER, None).ids(DAY, str(record["members"]))
    assert listed.tolist() == sorted(shown.tolist())
    own = Ids(engine).of_connection(ean(0), [DAY.year])
    assert set(own.values()) <= set(listed.tolist()), "a person finds their share in it"


def test_who_was_denied_stands_in_the_log(gate: Gate, log: Remembered) -> None:
    with pytest.raises(Denied) as caught:
        gate.open(actor=Somebody("os:adam", frozenset({"analyst"})), purpose="settlement", scope=ONE)
    assert caught.value.code == "wrong-role"
    (record,) = log.told
    assert (record["kind"], record["actor"], record["rule"]) == ("denied", "os:adam", "wrong-role")
    assert ean(0) not in log.records[0].decode()
    assert "AVG art. 32" in caught.value.detail


def test_without_a_record_nothing_is_shown(engine: Engine, folder: Path) -> None:
    gate = gate_of(engine, folder, log=Full())
    grant = gate.open(actor=EVA, purpose="customer", scope=ONE)
    with pytest.raises(StateError):
        grant.readings()
    with pytest.raises(StateError):
        gate.open(actor=EVA, purpose="settlement", scope=ALL).day(DAY)
    with pytest.raises(StateError):
        gate.open(actor=EVA, purpose="settlement", scope=replace(ALL, source=Source.METER))


def test_a_grant_to_ask_meters_is_a_record_and_shows_nothing_of_the_store(gate: Gate, log: Remembered) -> None:
    grant = gate.open(actor=EVA, purpose="settlement", scope=replace(ALL, source=Source.METER))
    assert [record["kind"] for record in log.told] == ["read"]
    assert grant.may_read(ean(0))
    for look in (lambda: list(grant.readings()), lambda: list(grant.day(DAY)), lambda: grant.rows(DAY)):
        with pytest.raises(Denied):
            look()
    assert not gate.open(actor=EVA, purpose="settlement", scope=ALL).may_read(ean(0)), "that one is for the store"


def test_what_the_answer_would_be_is_told_and_leaves_no_trace(gate: Gate, log: Remembered) -> None:
    found = gate.explain(actor=EVA, purpose="statistics", scope=ONE)
    assert (found.allowed, found.rule) == (False, "only-sums")
    assert found.steps[-1][0] == "only-sums"
    assert gate.explain(actor=EVA, purpose="settlement", scope=ALL).allowed
    assert log.records == []


# Reduction.


def test_a_grant_shows_no_more_than_was_asked_for(gate: Gate) -> None:
    scope = replace(ONE, resolution=Resolution.DAY, channels=("import_wh",))
    (shown,) = gate.open(actor=EVA, purpose="customer", scope=scope).readings()
    assert shown.readings.registers.keys() == {"import_wh"}
    assert len(shown.readings.times) == 2
    whole = gate.open(actor=EVA, purpose="settlement", scope=replace(ALL, resolution=Resolution.DAY)).day(DAY)
    assert {stack.registers["import_wh"].shape[1] for stack, _ in whole} == {2}


def test_a_mandate_shows_days_to_its_holder_alone(engine: Engine, gate: Gate) -> None:
    holder = Somebody("oidc:x:7", frozenset({"mandate-holder"}))
    with pytest.raises(Denied):
        gate.open(actor=holder, purpose="mandate", scope=ONE)
    with writing(engine) as connection:
        name = permissions.give_mandate(connection, ean(0), holder.name, "mandate", *FOR_EVER, by="os:eva", at=1)
    (shown,) = gate.open(actor=holder, purpose="mandate", scope=ONE).readings()
    assert len(shown.readings.times) == 2
    with pytest.raises(Denied):
        gate.open(actor=holder, purpose="mandate", scope=replace(ONE, eans=(ean(1),)))
    with writing(engine) as connection:
        permissions.withdraw_mandate(connection, name, at=2)
    with pytest.raises(Denied):
        gate.open(actor=holder, purpose="mandate", scope=ONE)


# Who said no.


@pytest.mark.parametrize(
    ("kind", "stopped", "goes_on"),
    [(Hold.RESTRICTION, "validation", "settlement"), (Hold.OBJECTION, "grid-operation", "validation")],
)
def test_a_hold_stops_the_uses_that_do_not_go_on_despite_it(
    engine: Engine, gate: Gate, kind: Hold, stopped: str, goes_on: str
) -> None:
    with writing(engine) as connection:
        hold = Holds(engine).make(connection, ean(0), kind, *FOR_EVER, "letter", "os:eva", 1)
        permissions.register(connection, replace(CASE, area=""), by="os:eva", at=1)
    case = replace(ALL, use_case=CASE.id)
    for purpose, meters in ((stopped, {"m1"}), (goes_on, {"m0", "m1"})):
        found = gate.open(actor=EVA, purpose=purpose, scope=case).day(DAY)
        assert {link.meter for _, links in found for link in links} == meters
    with pytest.raises(Denied) as caught:
        gate.open(actor=EVA, purpose=stopped, scope=replace(case, eans=(ean(0),)))
    assert caught.value.code == "held"
    with writing(engine) as connection:
        Holds(engine).end(connection, hold, "os:eva", 2)
    found = gate.open(actor=EVA, purpose=stopped, scope=case).day(DAY)
    assert {link.meter for _, links in found for link in links} == {"m0", "m1"}


@pytest.mark.parametrize("mode", [Mode.OPTED_OUT, Mode.NOT_REMOTE])
def test_who_opted_out_is_not_read_for_consumption_and_what_is_stored_stays(
    engine: Engine, gate: Gate, mode: Mode
) -> None:
    state(engine, ean(0), mode, on=DAY, dso="", at=1)
    from_meters = replace(ALL, source=Source.METER)
    grant = gate.open(actor=EVA, purpose="settlement", scope=from_meters)
    assert (grant.may_read(ean(0)), grant.may_read(ean(1))) == (False, True)
    with pytest.raises(Denied) as caught:
        gate.open(actor=EVA, purpose="validation", scope=replace(from_meters, eans=(ean(0),)))
    assert caught.value.code == "not-read-out"
    assert len(list(gate.open(actor=EVA, purpose="customer", scope=ONE).readings())) == 1
    scope = replace(from_meters, resolution=Resolution.NONE)
    assert gate.open(actor=EVA, purpose="maintenance", scope=scope).may_read(ean(0)), "that is no consumption"


def test_a_use_case_that_has_expired_shows_nothing_any_more(engine: Engine, folder: Path) -> None:
    scope = replace(ALL, use_case=CASE.id, area="Noord")
    with writing(engine) as connection:
        permissions.register(connection, CASE, by="os:eva", at=1)
    day_s = 86_400
    opened = gate_of(engine, folder).open(actor=EVA, purpose="grid-operation", scope=scope)
    assert opened.scope.use_case == CASE.id
    with pytest.raises(Denied) as caught:
        gate_of(engine, folder, wall=lambda: AT + 366 * day_s).open(actor=EVA, purpose="grid-operation", scope=scope)
    assert caught.value.code == "no-use-case"


def test_an_area_is_all_that_a_grant_of_it_shows(engine: Engine, folder: Path, gate: Gate, log: Remembered) -> None:
    found = gate.open(actor=EVA, purpose="settlement", scope=replace(ALL, area="nowhere")).day(DAY)
    assert list(found) == []
    assert (log.told[0]["predicate"], log.told[0]["count"]) == ("nowhere", 0)


# Four eyes.


class Approved:
    """Approvals of one thing, each to be used once."""

    def __init__(self, given: Approval, exactly: str) -> None:
        self.given, self.exactly, self.spent = given, exactly, list[str]()

    def look(self, name: str, kind: str, what: str) -> Approval | None:
        """As it was given."""
        return self.given if (name, kind, what) == ("a1", APPROVED, self.exactly) else None

    def spend(self, connection: Connection, name: str, kind: str, what: str, *, at: int) -> None:
        """Remember that it is gone."""
        assert (kind, what, at) == (APPROVED, self.exactly, AT)
        self.spent.append(name)


def test_what_needs_two_is_shown_for_exactly_what_the_second_approved_of(engine: Engine, folder: Path) -> None:
    scope = replace(ONE, approval="a1")
    approved = Approved(Approval(requested_by="os:eva", approved_by="os:adam"), what("fraud-case", scope))
    gate = gate_of(engine, folder, approvals=approved)
    for other in (replace(scope, approval=""), replace(scope, approval="a2"), replace(scope, eans=(ean(1),))):
        with pytest.raises(Denied) as caught:
            gate.open(actor=EVA, purpose="fraud-case", scope=other)
        assert caught.value.code == "needs-approval"
    longer = replace(scope, end=AFTER + timedelta(days=1))
    with pytest.raises(Denied):
        gate.open(actor=EVA, purpose="fraud-case", scope=longer)
    assert approved.spent == []
    assert len(list(gate.open(actor=EVA, purpose="fraud-case", scope=scope).readings())) == 1
    assert approved.spent == ["a1"]
    with pytest.raises(Denied):
        gate_of(engine, folder).open(actor=EVA, purpose="fraud-case", scope=scope)
