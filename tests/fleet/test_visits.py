"""What is remembered of visits."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from kwartier.cosem import companion as companions
from kwartier.cosem import layout as layouts
from kwartier.errors import InputError
from kwartier.fleet.visits import VisitRecord, Visits

START = datetime(2026, 3, 6, 3, 0, tzinfo=UTC)
RECORD = VisitRecord(
    meter="M1",
    ean="201234567890123451",
    date=START.date(),
    started=START,
    ended=START + timedelta(seconds=1.5),
    outcome="done",
    purpose="validation",
    reason="weil \u2013 darum",
    actor="os:test",
    detail={"attempts": 1, "drift_s": None, "findings": [{"code": "off-grid"}]},
)


def test_a_record_comes_out_as_it_went_in(engine: Engine) -> None:
    visits = Visits(engine)
    visits.record(RECORD)
    assert visits.of_meter("M1") == [RECORD]
    assert visits.of_meter("M2") == []


def test_the_newest_visit_comes_first(engine: Engine) -> None:
    visits = Visits(engine)
    for number in (1, 0, 2):
        visits.record(replace(RECORD, id=f"{number}", started=START + timedelta(hours=number)))
    assert [one.id for one in visits.of_meter("M1")] == ["2", "1", "0"]


def test_every_record_has_a_name_of_its_own() -> None:
    stated = {one.name: getattr(RECORD, one.name) for one in fields(RECORD) if one.name != "id"}
    made = [VisitRecord(**stated) for _ in range(50)]
    assert len({one.id for one in made}) == 50


def test_a_layout_is_kept_replaced_and_forgotten(engine: Engine) -> None:
    visits = Visits(engine)
    first, second = (layouts.of_companion(companions.load(name)) for name in ("smr-5.5", "dsmr-4.2.2"))
    assert visits.layout("M1") is None
    visits.save_layout("M1", first, at=1)
    assert visits.layout("M1") == first
    visits.save_layout("M1", second, at=2)
    assert visits.layout("M1") == second
    visits.forget_layout("M1")
    visits.forget_layout("M1")
    assert visits.layout("M1") is None


def test_a_stored_layout_that_makes_no_sense_is_an_error_of_ours(engine: Engine) -> None:
    from sqlalchemy import insert

    from kwartier.tables import layout_texts, layouts

    with engine.begin() as connection:
        connection.execute(insert(layout_texts).values(digest="d", layout="{"))
        connection.execute(insert(layouts).values(meter="M1", digest="d", read_at=0))
    with pytest.raises(InputError) as caught:
        Visits(engine).layout("M1")
    assert caught.value.code == "bad-layout"
