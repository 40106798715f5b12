"""At most one read of a connection's personal data on a local day of visit."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select

from kwartier.collect.claims import MAX_REPEATS, Claims, Verdict, Wanted
from kwartier.database import reading, writing
from kwartier.fleet.visits import VisitRecord, Visits
from kwartier.tables import claim_events, claims, visits

DATE = date(2026, 3, 5)
AT = 1_772_670_000


def wanted(meter: str = "M1", ean: str = "E1", day: date = DATE, visit: str = "v", cause: str = "") -> Wanted:
    return Wanted(ean=ean, date=day, meter=meter, visit=visit, cause=cause)


def alone(one: Wanted) -> list[str]:
    return [one.meter]


def fulfil(engine: Engine, *done: Wanted) -> None:
    with writing(engine) as connection:
        Claims(engine).settle_within(connection, done, (), at=AT)


def spare(engine: Engine, *unasked: Wanted) -> None:
    with writing(engine) as connection:
        Claims(engine).settle_within(connection, (), unasked, at=AT)


def test_a_fulfilled_claim_allows_nothing_more_that_day_and_everything_the_next(engine: Engine) -> None:
    room = Claims(engine)
    assert room.open(wanted(), alone, at=AT) is Verdict.FIRST
    fulfil(engine, wanted())
    assert room.open(wanted(), alone, at=AT) is Verdict.ALREADY_READ
    assert room.open(wanted(day=date(2026, 3, 6)), alone, at=AT) is Verdict.FIRST
    assert room.open(wanted("M2", "E2"), alone, at=AT) is Verdict.FIRST


def test_an_unfulfilled_claim_is_repeated_a_bounded_number_of_times_each_with_its_cause(engine: Engine) -> None:
    room = Claims(engine)
    assert room.open(wanted(), alone, at=AT) is Verdict.FIRST
    for number in range(MAX_REPEATS):
        again = wanted(visit=f"again-{number}", cause="peer-closed" if number else "")
        assert room.open(again, alone, at=AT + number) is Verdict.REPEAT
    assert room.open(wanted(), alone, at=AT) is Verdict.REPEATS_SPENT
    proof = room.proof(DATE)
    assert (proof.claims, proof.fulfilled, proof.unfulfilled) == (1, 0, 1)
    assert proof.repeats == {"peer-closed": 1, "worker-lost": 1}
    assert proof.refused == {"repeats-spent": 1}


def test_a_visit_that_asked_nothing_does_not_count(engine: Engine) -> None:
    room = Claims(engine)
    for _ in range(5):
        assert room.open(wanted(), alone, at=AT) is Verdict.FIRST
        spare(engine, wanted())
    assert (room.proof(DATE).claims, room.proof(DATE).repeats) == (0, {})


def test_sparing_never_opens_what_is_fulfilled(engine: Engine) -> None:
    room = Claims(engine)
    room.open(wanted(), alone, at=AT)
    fulfil(engine, wanted())
    spare(engine, wanted())
    assert room.open(wanted(), alone, at=AT) is Verdict.ALREADY_READ


def test_another_meter_of_the_connection_falls_under_its_claim_only_where_it_has_a_part_in_it(engine: Engine) -> None:
    room = Claims(engine)
    assert room.open(wanted("old"), alone, at=AT) is Verdict.FIRST
    fulfil(engine, wanted("old"))
    assert room.open(wanted("new"), alone, at=AT) is Verdict.CLAIMED_BY_ANOTHER
    assert room.open(wanted("new"), lambda _: ["old", "new"], at=AT) is Verdict.FIRST
    assert room.open(wanted("third"), lambda _: ["old", "third"], at=AT) is Verdict.CLAIMED_BY_ANOTHER
    assert room.proof(DATE).refused == {"claimed-by-another": 2}


def test_a_batch_sees_its_own_claims(engine: Engine) -> None:
    room = Claims(engine)
    batch = [wanted("M1"), wanted("M1"), wanted("M2"), wanted("M3", "E2")]
    with writing(engine) as connection:
        found = room.open_within(connection, batch, alone, at=AT)
    assert found == [Verdict.FIRST, Verdict.REPEAT, Verdict.CLAIMED_BY_ANOTHER, Verdict.FIRST]


def test_a_claim_is_gone_with_the_transaction_that_failed(engine: Engine) -> None:
    room = Claims(engine)
    with pytest.raises(RuntimeError), writing(engine) as connection:
        room.open_within(connection, [wanted()], alone, at=AT)
        raise RuntimeError
    assert room.open(wanted(), alone, at=AT) is Verdict.FIRST


def test_a_thousand_are_claimed_at_once(engine: Engine) -> None:
    room = Claims(engine)
    batch = [wanted(f"M{number}", f"E{number}") for number in range(1_000)]
    with writing(engine) as connection:
        assert set(room.open_within(connection, batch, alone, at=AT)) == {Verdict.FIRST}
    fulfil(engine, *batch[:600])
    with writing(engine) as connection:
        found = room.open_within(connection, batch, alone, at=AT)
    assert found == [Verdict.ALREADY_READ] * 600 + [Verdict.REPEAT] * 400


def test_what_a_lost_process_stored_is_fulfilled_by_its_meters(engine: Engine) -> None:
    room = Claims(engine)
    room.open(wanted("M1", "E1"), alone, at=AT)
    room.open(wanted("M2", "E2"), alone, at=AT - 10)
    with writing(engine) as connection:
        meters = select(claims.c.meter).where(claims.c.meter.in_(["M1", "M2"]))
        room.fulfil_batch_within(connection, meters, since=AT - 5, at=AT)
    assert room.open(wanted("M1", "E1"), alone, at=AT) is Verdict.ALREADY_READ
    assert room.open(wanted("M2", "E2"), alone, at=AT) is Verdict.REPEAT


def visit(engine: Engine, meter: str = "M1", ean: str = "E1", *, asked: bool = True) -> None:
    moment = datetime.fromtimestamp(AT, UTC)
    Visits(engine).record(
        VisitRecord(
            meter=meter,
            ean=ean,
            date=DATE,
            started=moment,
            ended=moment,
            outcome="done",
            asked=asked,
            purpose="settlement",
            reason="",
            actor="os:test",
        )
    )


def test_the_proof_compares_the_visits_with_the_claims(engine: Engine) -> None:
    room = Claims(engine)
    room.open(wanted(), alone, at=AT)
    visit(engine)
    visit(engine, asked=False)
    fulfil(engine, wanted())
    proof = room.proof(DATE)
    assert (proof.claims, proof.fulfilled, proof.visits_that_asked, proof.beyond) == (1, 1, 1, ())


def test_a_visit_beyond_its_claim_is_found(engine: Engine) -> None:
    room = Claims(engine)
    room.open(wanted(), alone, at=AT)
    visit(engine)
    visit(engine)
    assert room.proof(DATE).beyond == (("E1", "M1", 2),)


def test_a_visit_without_any_claim_is_found(engine: Engine) -> None:
    visit(engine, "M7", "E7")
    assert Claims(engine).proof(DATE).beyond == (("E7", "M7", 1),)


STEPS = st.lists(st.tuples(st.sampled_from(["open", "fulfil", "spare"]), st.sampled_from(["M1", "M2"])), max_size=30)


@given(STEPS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_however_it_goes_no_meter_is_read_after_it_was_and_none_too_often(
    engine: Engine, steps: list[tuple[str, str]]
) -> None:
    with writing(engine) as connection:
        for table in (claims, claim_events, visits):
            connection.execute(delete(table))
    room = Claims(engine)
    open_now: dict[str, int] = {}
    done: set[str] = set()
    under_way: set[str] = set()
    for step, meter in steps:
        one = wanted(meter, f"E-{meter}")
        if step == "open":
            verdict = room.open(one, alone, at=AT)
            may = meter not in done and open_now.get(meter, 0) <= MAX_REPEATS
            assert verdict.granted is may
            if may:
                open_now[meter] = open_now.get(meter, 0) + 1
                under_way.add(meter)
        elif meter in under_way:
            under_way.discard(meter)
            if step == "fulfil":
                fulfil(engine, one)
                done.add(meter)
            elif meter not in done:
                spare(engine, one)
                open_now[meter] -= 1
    with reading(engine) as connection:
        assert all(row.reads <= MAX_REPEATS + 1 for row in connection.execute(select(claims)))
