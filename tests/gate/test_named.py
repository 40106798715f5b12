"""Volumes of connections that a grant names: as far as their registers would be shown, and written down before."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from sqlalchemy import delete, insert

from kwartier.database import writing
from kwartier.errors import Denied, StateError
from kwartier.gate.grant import Grant
from kwartier.gate.persons import Persons, commitment
from kwartier.gate.policy import Scope
from kwartier.gate.purposes import Resolution, Source
from kwartier.tables import erasures, reading_ids
from tests.gate.rooms import AT, EVA, InPlainSight, gate_of
from tests.gate.test_uses import Full
from tests.gate.test_volumes import BEYOND, DAY, DAYS, NEXT, Street, somebodys, street
from tests.store.test_reader import Keys

__all__ = ["street"]
ONE = Scope(start=DAY, end=BEYOND, eans=(somebodys(1),))
RUNS = {day: 10 + place for place, day in enumerate(DAYS)}


def shown(grant: Grant, runs: dict[date, int]) -> dict[date, list[int]]:
    """What the homes took in the first quarter of each day, by day."""
    found: dict[date, list[int]] = {}
    for volumes, links in grant.own_volumes(runs):
        assert len(links) == len(volumes)
        found.setdefault(volumes.day, []).extend(volumes.energy_wh["import_wh"][:, 0].tolist())
    return found


def stored(street: Street, number: int, run: int, day: date) -> int:
    volumes = street.stored[run, day]
    row = int(np.flatnonzero(volumes.ids == street.ids[number, day.year])[0])
    return int(volumes.energy_wh["import_wh"][row, 0])


def test_each_day_is_shown_as_of_its_own_run_also_over_new_year(street: Street) -> None:
    grant = street.open("complaint", ONE)
    assert shown(grant, RUNS) == {day: [stored(street, 1, run, day)] for day, run in RUNS.items()}
    assert shown(grant, {DAY: 5}) == {DAY: [stored(street, 1, 5, DAY)]}
    assert shown(grant, {DAY: 4}) == {}, "no run up to that one had any"


def test_it_is_written_down_before_the_first_row(street: Street) -> None:
    grant = street.open("complaint", ONE)
    found = grant.own_volumes(RUNS)
    (record,) = street.log.told
    (secret,) = Persons(street.engine, InPlainSight()).secrets(somebodys(1))
    assert (record["kind"], record["run"]) == ("use", 13)
    assert record["persons"] == [commitment(secret, grant.id)]
    assert somebodys(1) not in street.log.records[0].decode()
    assert len(list(found)) == len(DAYS)
    full = gate_of(street.engine, street.folder, keys=Keys(), log=Full(), wall=lambda: AT)
    with pytest.raises(StateError):
        full.open(actor=EVA, purpose="complaint", scope=ONE).own_volumes(RUNS)


@pytest.mark.parametrize(
    ("purpose", "scope", "code"),
    [
        ("complaint", replace(ONE, resolution=Resolution.DAY), "too-fine"),
        ("complaint", replace(ONE, channels=("import_wh",)), "out-of-scope"),
        ("complaint", replace(ONE, end=NEXT), "out-of-scope"),
        ("validation", replace(ONE, eans=()), "out-of-scope"),
        ("complaint", replace(ONE, source=Source.METER), "wrong-source"),
    ],
)
def test_what_a_grant_does_not_reach_it_does_not_show(street: Street, purpose: str, scope: Scope, code: str) -> None:
    with pytest.raises(Denied) as caught:
        street.open(purpose, scope).own_volumes(RUNS)
    assert caught.value.code == code
    assert street.log.records == []


def test_what_was_erased_or_has_no_link_any_more_is_not_there(street: Street) -> None:
    with writing(street.engine) as connection:
        gone = {"request": "r", "reading": street.ids[1, 2026], "valid_from": DAY, "valid_to": NEXT}
        connection.execute(insert(erasures), [gone])
    assert list(shown(street.open("complaint", ONE), RUNS)) == DAYS[1:]
    with writing(street.engine) as connection:
        connection.execute(delete(reading_ids).where(reading_ids.c.id == street.ids[1, 2027]))
    assert list(shown(street.open("complaint", ONE), RUNS)) == [DAYS[1]]


def test_another_operators_connection_is_not_there(street: Street) -> None:
    assert shown(street.open("complaint", ONE, dso="Noord"), RUNS).keys() == RUNS.keys()
    with pytest.raises(Exception, match="no meter is known"):
        street.open("complaint", ONE, dso="Zuid")
