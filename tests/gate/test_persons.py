"""A person in the log: found by who has their secret, and by nobody once it is gone."""

import pytest
from sqlalchemy import Engine, select

from kwartier.database import writing
from kwartier.gate.persons import Persons, commitment
from kwartier.tables import persons as table
from tests.gate.rooms import InPlainSight

ONE, TWO = "208700000000000001", "208700000000000002"


def told(engine: Engine, eans: list[str], grant: str) -> list[str]:
    with writing(engine) as connection:
        return Persons(engine, InPlainSight()).commitments(connection, eans, grant, at=7)


def test_a_person_is_found_again_by_their_secret_and_looks_different_in_each_record(engine: Engine) -> None:
    first, second = told(engine, [ONE, TWO], "a"), told(engine, [TWO, ONE], "b")
    assert len({*first, *second}) == 4
    assert told(engine, [ONE, TWO], "a") == first, "the same secret serves as long as it is there"
    (secret,) = Persons(engine, InPlainSight()).secrets(ONE)
    assert commitment(secret, "a") == first[0]
    assert commitment(secret, "b") == second[1]
    assert all(ONE not in one and len(one) == 64 for one in first)


def test_who_has_no_secret_any_more_is_in_no_record(engine: Engine) -> None:
    before = told(engine, [ONE], "a")
    persons = Persons(engine, InPlainSight())
    with writing(engine) as connection:
        persons.end(connection, ONE)
    assert persons.secrets(ONE) == []
    assert told(engine, [ONE], "a") != before
    (fresh,) = persons.secrets(ONE)
    assert commitment(fresh, "a") not in before


def test_two_who_draw_at_once_leave_two_secrets_and_each_counts(engine: Engine) -> None:
    persons = Persons(engine, InPlainSight())
    with writing(engine) as connection:
        persons.commitments(connection, [ONE], "a", at=7)
        another = Persons(engine, InPlainSight())._drawn(connection, [ONE], at=8)
    assert len(persons.secrets(ONE)) == 2
    assert another[ONE] in persons.secrets(ONE)
    assert told(engine, [ONE], "a") == told(engine, [ONE], "a"), "the first of them serves from then on"


def test_a_secret_moved_to_another_row_does_not_open(engine: Engine) -> None:
    told(engine, [ONE, TWO], "a")
    with writing(engine) as connection:
        sealed = connection.execute(select(table.c.sealed).where(table.c.ean == TWO)).scalar_one()
        connection.execute(table.update().where(table.c.ean == ONE).values(sealed=sealed))
    with pytest.raises(AssertionError):
        Persons(engine, InPlainSight()).secrets(ONE)
