"""Use cases and mandates: written down whole, found again, ended and withdrawn."""

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import Engine

from kwartier.database import reading, writing
from kwartier.errors import InputError
from kwartier.gate import permissions
from kwartier.gate.permissions import Assessed
from kwartier.gate.purposes import Resolution

DAY, LATER = date(2026, 11, 24), date(2027, 11, 24)
EAN = "208700000000000001"
CASE = Assessed(
    id="voltage-north",
    title="Voltage in the north",
    problem="Voltage leaves its band on sunny days.",
    necessity="Without the load of the street nobody knows why.",
    subsidiarity="Measuring at the transformer does not tell the phases.",
    proportionality="Sums of ten and more are enough.",
    assessor="privacy experts of 2026-02-03",
    dpia="DPIA-2026-7",
    channels=("import_wh", "export_wh"),
    resolution=Resolution.QUARTER,
    area="Noord",
    valid_from=DAY,
    valid_to=LATER,
)


def refused(engine: Engine, case: Assessed) -> str:
    with pytest.raises(InputError) as caught, writing(engine) as connection:
        permissions.register(connection, case, by="os:eva", at=1)
    assert caught.value.code == "bad-use-case"
    return caught.value.detail


def test_a_use_case_is_found_again_until_it_ends(engine: Engine) -> None:
    with writing(engine) as connection:
        permissions.register(connection, CASE, by="os:eva", at=1)
        found = permissions.use_case(connection, CASE.id)
        assert found is not None
        for name in ("id", "channels", "resolution", "area", "valid_from", "valid_to"):
            assert getattr(found, name) == getattr(CASE, name)
        assert not found.ended
        permissions.end_use_case(connection, CASE.id, at=2)
        again = permissions.use_case(connection, CASE.id)
    assert again is not None
    assert again.ended
    with reading(engine) as connection:
        assert permissions.use_case(connection, "another") is None


@pytest.mark.parametrize(
    "name", ["title", "problem", "necessity", "subsidiarity", "proportionality", "assessor", "dpia"]
)
def test_a_use_case_without_one_of_its_tests_is_none(engine: Engine, name: str) -> None:
    assert name in refused(engine, replace(CASE, **{name: " "}))  # type: ignore[arg-type]  # each of them is a text


def test_a_use_case_ends_after_it_begins_and_has_an_id_of_its_own(engine: Engine) -> None:
    assert "before it begins" in refused(engine, replace(CASE, valid_to=DAY))
    assert "its id" in refused(engine, replace(CASE, id=""))
    with writing(engine) as connection:
        permissions.register(connection, CASE, by="os:eva", at=1)
    assert "already" in refused(engine, CASE)
    for name in ("nothing", CASE.id):
        with writing(engine) as connection:
            if name == CASE.id:
                permissions.end_use_case(connection, name, at=2)
            with pytest.raises(InputError):
                permissions.end_use_case(connection, name, at=3)


def test_a_mandate_is_found_until_it_is_withdrawn(engine: Engine) -> None:
    with writing(engine) as connection:
        name = permissions.give_mandate(connection, EAN, "oidc:x:1", "mandate", DAY, LATER, by="os:eva", at=1)
        (found,) = permissions.mandates_of(connection, [EAN, "another"])[EAN]
        assert (found.holder, found.kind, found.valid_from, found.valid_to) == ("oidc:x:1", "mandate", DAY, LATER)
        permissions.withdraw_mandate(connection, name, at=2)
        assert permissions.mandates_of(connection, [EAN]) == {}
        with pytest.raises(InputError):
            permissions.withdraw_mandate(connection, name, at=3)


@pytest.mark.parametrize(
    ("holder", "kind", "end"), [("", "own", LATER), ("os:eva", "all", LATER), ("os:eva", "own", DAY)]
)
def test_a_mandate_that_says_too_little_is_none(engine: Engine, holder: str, kind: str, end: date) -> None:
    with pytest.raises(InputError) as caught, writing(engine) as connection:
        permissions.give_mandate(connection, EAN, holder, kind, DAY, end, by="os:eva", at=1)
    assert caught.value.code == "bad-mandate"
