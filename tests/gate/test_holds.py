"""A hold touches some days of one connection, from when it is made until it is ended, and is not lost then."""

from datetime import date

import pytest
from sqlalchemy import Engine

from kwartier.database import reading, writing
from kwartier.errors import InputError
from kwartier.gate.holds import Holds
from kwartier.gate.purposes import Hold

EAN, OTHER = "871685900000000016", "871685900000000023"
FIRST, LAST = date(2026, 3, 1), date(2026, 4, 1)


def test_a_hold_touches_its_days_until_it_is_ended(engine: Engine) -> None:
    holds = Holds(engine)
    with writing(engine) as connection:
        made = holds.make(connection, EAN, Hold.RESTRICTION, FIRST, LAST, "AVG art. 18(1)(a)", "os:test", 10)
        holds.make(connection, OTHER, Hold.OBJECTION, FIRST, LAST, "AVG art. 21", "os:test", 11)
    with reading(engine) as connection:
        both = {EAN: {Hold.RESTRICTION}, OTHER: {Hold.OBJECTION}}
        assert holds.standing(connection, (date(2026, 3, 31), date(2027, 1, 1))) == both
        assert holds.standing(connection, (LAST, date(2027, 1, 1))) == {}
        assert holds.standing(connection, (date(2026, 1, 1), FIRST)) == {}
        assert holds.touching(connection, [EAN], (FIRST, LAST)) == {EAN: {Hold.RESTRICTION}}
    assert holds.keeping() == {EAN: [(FIRST, LAST)]}, "an objection keeps nothing from being deleted"
    with writing(engine) as connection:
        assert holds.end(connection, made, "os:test", 20)
        assert not holds.end(connection, made, "os:other", 30), "who ended it first stays written down"
    with reading(engine) as connection:
        assert EAN not in holds.standing(connection, (FIRST, LAST))
        (one,) = holds.of(connection, EAN)
    assert (one.kind, one.made_at, one.ended_at, one.ended_by) == (Hold.RESTRICTION, 10, 20, "os:test")
    assert holds.keeping() == {}


def test_a_hold_of_no_day_and_one_that_is_not_there_are_refused(engine: Engine) -> None:
    holds = Holds(engine)
    with writing(engine) as connection, pytest.raises(InputError) as refused:
        holds.make(connection, EAN, Hold.DISPUTE, FIRST, FIRST, "", "os:test", 10)
    assert refused.value.code == "bad-day"
    with writing(engine) as connection, pytest.raises(InputError) as unknown:
        holds.end(connection, "0" * 32, "os:test", 10)
    assert unknown.value.code == "unknown-hold"
