"""Whether erasure applies, day by day; and how far a request may go."""

import dataclasses
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert

from kwartier.database import writing
from kwartier.errors import InputError, StateError
from kwartier.gate.purposes import purposes
from kwartier.service.subject.requests import MOVES, Requests, State, month_later
from kwartier.service.subject.rules import Kind, Outcome, decide, obliged_days, rights
from kwartier.tables import reading_ids

TODAY = date(2026, 11, 26)
FINAL = TODAY - timedelta(days=purposes()["settlement"].retention_days)
LONG_AGO = date(2020, 1, 1)


def asked(
    start: date, end: date, *held: tuple[date, date], claims: bool = False
) -> tuple[Outcome, list[object], list[object]]:
    found = decide((start, end), ground="no-longer-needed", today=TODAY, held=held, has_claims=claims)
    return found.outcome, list(found.erased), [(*one.days, one.rule.code) for one in found.refused]


def test_days_whose_settlement_is_not_final_are_kept_and_older_ones_are_not() -> None:
    assert obliged_days() == purposes()["settlement"].retention_days > 100
    assert asked(LONG_AGO, FINAL) == (Outcome.GRANTED, [(LONG_AGO, FINAL)], [])
    refused = [(FINAL, TODAY + timedelta(days=1), "legal-obligation")]
    assert asked(LONG_AGO, TODAY + timedelta(days=9)) == (Outcome.PARTLY, [(LONG_AGO, FINAL)], refused)
    assert asked(FINAL, TODAY + timedelta(days=9)) == (Outcome.REFUSED, [], refused)


def test_what_the_person_has_restricted_themselves_is_kept_until_they_say_otherwise() -> None:
    held = (date(2021, 1, 1), date(2021, 2, 1))
    erased = [(LONG_AGO, held[0]), (held[1], FINAL)]
    assert asked(LONG_AGO, FINAL, held) == (Outcome.PARTLY, erased, [(*held, "held")])
    assert asked(LONG_AGO, FINAL, (date(2000, 1, 1), TODAY))[0] is Outcome.REFUSED


def test_a_legal_claim_keeps_everything() -> None:
    assert asked(LONG_AGO, FINAL, claims=True) == (Outcome.REFUSED, [], [(LONG_AGO, FINAL, "legal-claims")])


DAYS = st.dates(min_value=date(2019, 1, 1), max_value=date(2027, 12, 31))
SPANS = st.tuples(DAYS, DAYS).map(lambda two: (min(two), max(two)))


@given(SPANS.filter(lambda span: span[0] < span[1] and span[0] <= TODAY), st.lists(SPANS, max_size=4))
def test_every_day_is_either_erased_or_refused(span: tuple[date, date], held: list[tuple[date, date]]) -> None:
    found = decide(span, ground="unlawful", today=TODAY, held=held, has_claims=False)
    parts = sorted([*found.erased, *(one.days for one in found.refused)])
    assert (parts[0][0], parts[-1][1]) == (span[0], min(span[1], TODAY + timedelta(days=1)))
    assert all(one[1] == other[0] for one, other in pairwise(parts))
    for start, end in found.erased:
        assert start < end <= FINAL
        assert not any(first < end and last > start for first, last in held if first < last)


def test_each_rule_says_in_two_languages_what_it_is_and_that_nobody_has_compared_it_with_the_text() -> None:
    table = rights()
    assert set(table.kinds) == set(Kind)
    every = [one for part in (table.kinds, table.grounds, table.refusals, table.restrictions) for one in part.values()]
    for one in every:
        assert set(one.text) == {"nl", "en"}
        assert one.verified or one.cited.endswith("(text not verified)")
        with pytest.raises(dataclasses.FrozenInstanceError):
            one.code = "other"  # type: ignore[misc]  # that it cannot is the point
    assert set(table.notice) == {"nl", "en"}
    with pytest.raises(InputError) as refused:
        decide((LONG_AGO, FINAL), ground="because", today=TODAY, held=(), has_claims=False)
    assert refused.value.code == "unknown-ground"


@pytest.mark.parametrize(
    ("asked_at", "due"),
    [
        ("2026-01-31", "2026-02-28"),
        ("2024-01-31", "2024-02-29"),
        ("2026-12-15", "2027-01-15"),
        ("2026-03-30", "2026-04-30"),
    ],
)
def test_a_month_ends_on_the_same_day_or_on_the_last(asked_at: str, due: str) -> None:
    at = int(datetime.fromisoformat(asked_at).replace(tzinfo=UTC).timestamp())
    assert datetime.fromtimestamp(month_later(at), UTC).date() == date.fromisoformat(due)


def test_a_request_goes_only_where_the_table_says(engine: Engine) -> None:
    store, rule = Requests(engine), rights().kinds[Kind.ERASE]
    with writing(engine) as connection:
        connection.execute(insert(reading_ids), [{"id": 1, "meter": "m", "ean": "1" * 18, "year": 2020}])
    for outcome in (Outcome.REFUSED, Outcome.GRANTED):
        with writing(engine) as connection:
            name = store.receive(connection, Kind.ERASE, "1" * 18, (LONG_AGO, FINAL), by="os:test", at=1)
            store.decide(connection, name, outcome, rule, by="os:test", at=2, detail={"a": 1})
            with pytest.raises(StateError) as closed:
                store.decide(connection, name, outcome, rule, by="os:test", at=3, detail={})
            assert closed.value.code == "request-closed"
            if outcome is Outcome.GRANTED:
                store.finish(connection, name, at=4, detail={"b": 2})
            with pytest.raises(StateError):
                store.finish(connection, name, at=5)
        found = store.get(name)
        assert MOVES[found.state] == frozenset()
        assert not found.is_open
        assert found.detail["a"] == 1
    assert {one.state for one in store.listed("1" * 18)} == {State.REFUSED, State.DONE}
    with pytest.raises(InputError) as unknown:
        store.get("nobody")
    assert unknown.value.code == "unknown-request"
    for ean, days, code in (("1" * 18, (FINAL, FINAL), "bad-day"), ("2" * 18, (LONG_AGO, FINAL), "unknown-connection")):
        with writing(engine) as connection, pytest.raises(InputError) as refused:
            store.receive(connection, Kind.ERASE, ean, days, by="os:test", at=1)
        assert refused.value.code == code
