"""A meter's page shows what validation made of each quarter to whom the gate shows it, and says why each hole is there."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from kwartier.clock import midnight
from kwartier.database import reading, writing
from kwartier.errors import Denied, InputError
from kwartier.fleet.mutations import Exchange
from kwartier.fleet.readout import Mode
from kwartier.fleet.visits import Detail, VisitRecord
from kwartier.gate.holds import Holds
from kwartier.gate.permissions import give_mandate
from kwartier.gate.purposes import Hold
from kwartier.model import Missing
from kwartier.service.views.charts import Series
from kwartier.service.views.meter import Asked, MeterPage, meter_page
from kwartier.service.views.plain import as_json
from kwartier.tables import accesses, dues, findings, reading_ids
from kwartier.who.actor import Actor
from tests.gate.rooms import Somebody
from tests.service.validating.a_street import ONE_DAY, ZONE, Street, a_street, ean, energy_wh
from tests.somebody import TESTER

DAY = date(2026, 3, 3)
NEXT = DAY + ONE_DAY
COMPLAINT = Asked(purpose="complaint", reason="a letter", recipient="the customer")
OPERATOR = Somebody(name="os:ole", roles=frozenset({"operator"}))
CUSTOMER = Somebody(name="account:carla", roles=frozenset({"customer"}))


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    with a_street(tmp_path) as found:
        yield found


def page(
    street: Street,
    name: str = ean(0),
    *,
    actor: Somebody | Actor = TESTER,
    asked: Asked | None = COMPLAINT,
    days: tuple[date, date] = (DAY, NEXT),
) -> MeterPage:
    return meter_page(street.home, name, days, actor=actor, asked=asked, at=street.now(days[1] - ONE_DAY))


def series(found: MeterPage, kind: str, channel: str = "import_wh") -> Series:
    assert found.consumption is not None
    assert found.consumption.curve is not None
    (one,) = [one for one in found.consumption.curve.chart.series if (one.kind, one.channel) == (kind, channel)]
    return one


# The load curve.


def test_each_quarter_stands_in_the_series_of_its_kind_and_in_no_other(street: Street) -> None:
    street.read(DAY, 0, missing=range(40, 47))
    street.validate(DAY)
    found = page(street)
    measured, calculated = series(found, "measured").y, series(found, "calculated").y
    assert len(measured) == len(calculated) == 96
    gap = range(39, 47)
    """The quarters of which one end is not known."""
    opens = midnight(DAY, ZONE)
    for place in range(96):
        wanted = energy_wh(0, opens + 900 * place, opens + 900 * (place + 1))
        if place in gap:
            assert measured[place] is None
            assert calculated[place] is not None
        else:
            assert (measured[place], calculated[place]) == (wanted, None)
    known = [one for one in (*measured, *calculated) if one is not None]
    assert sum(known) == energy_wh(0, opens, opens + 86_400)


def test_a_gap_says_where_it_is_and_why(street: Street) -> None:
    street.read(DAY, 0, missing=range(40, 47), reason=Missing.NOT_RECEIVED)
    street.validate(DAY)
    found = page(street)
    assert found.consumption is not None
    assert found.consumption.curve is not None
    (gap,) = [one for one in found.consumption.curve.gaps if one.channel == "import_wh"]
    assert (gap.kind, gap.first, gap.quarters) == ("calculated", 39, 8)
    assert (gap.start, gap.end) == ("2026-03-03T09:45:00+01:00", "2026-03-03T11:45:00+01:00")
    assert (gap.start_at, gap.end_at) == ("2026-03-03T08:45:00Z", "2026-03-03T10:45:00Z")
    assert gap.reasons == ("not-received",)
    assert len(gap.methods) == 1
    put = next(one for one in found.consumption.substitutes if one.channel == "import_wh")
    assert (put.start, put.end, put.quarters, put.method) == (gap.start, gap.end, 8, gap.methods[0])


def test_what_nobody_knows_is_in_no_series_and_no_volume_is_made_up_for_it(street: Street) -> None:
    street.read(DAY, 0, missing=range(40, 48))
    street.validate(DAY)
    found = page(street)
    assert found.consumption is not None
    assert found.consumption.curve is not None
    chart, gaps = found.consumption.curve.chart, found.consumption.curve.gaps
    assert [one.kind for one in chart.series if one.channel == "import_wh"] == ["measured"]
    assert chart.series[0].y[39:48] == (None,) * 9
    (gap,) = [one for one in gaps if one.channel == "import_wh"]
    assert (gap.kind, gap.quarters, gap.reasons, gap.methods) == ("missing", 9, ("not-in-buffer",), ())
    totals = {(one.channel, one.kind): (one.energy_wh, one.quarters) for one in found.consumption.curve.totals}
    assert totals["import_wh", "missing"] == (0, 9)


def test_a_day_that_was_not_validated_is_a_hole_and_not_nothing(street: Street) -> None:
    street.read(DAY, 0)
    street.validate(DAY)
    street.read(NEXT, 0)
    found = page(street, days=(DAY, NEXT + ONE_DAY))
    assert found.consumption is not None
    assert found.consumption.curve is not None
    (gap,) = found.consumption.curve.gaps
    assert (gap.channel, gap.kind, gap.first, gap.quarters) == ("", "missing", 96, 96)
    assert gap.reasons == ("not-validated",)
    assert series(found, "measured").y[96:] == (None,) * 96
    assert [(one.day, one.run is None, one.version) for one in found.consumption.days] == [
        (DAY, False, 1),
        (NEXT, True, 1),
    ]


def test_what_came_after_the_night_that_it_was_due_in_is_late(street: Street) -> None:
    street.read(DAY, 0, known_at=midnight(DAY + 2 * ONE_DAY, ZONE))
    street.validate(DAY, today=DAY + 3 * ONE_DAY)
    found = page(street)
    assert None not in series(found, "late").y
    assert found.consumption is not None
    assert [one.is_late for one in found.consumption.days] == [True]


@pytest.mark.parametrize(("day", "quarters"), [(date(2026, 3, 29), 92), (date(2026, 10, 25), 100)])
def test_a_day_on_which_clocks_change_has_each_of_its_quarters_once(street: Street, day: date, quarters: int) -> None:
    street.read(day, 0)
    street.validate(day)
    found = page(street, days=(day, day + ONE_DAY))
    assert found.consumption is not None
    assert found.consumption.curve is not None
    chart = found.consumption.curve.chart
    assert len(set(chart.x)) == len(set(chart.at)) == len(chart.series[0].y) == quarters
    moments = [datetime.fromisoformat(one) for one in chart.x]
    assert [datetime.fromisoformat(one) for one in chart.at] == moments
    assert {later - earlier for earlier, later in pairwise(moments)} == {timedelta(minutes=15)}
    names = [tick.text for tick in chart.ticks]
    assert ("02B" in names) == (quarters == 100)
    assert [datetime.fromisoformat(tick.at).tzinfo for tick in chart.ticks] == [UTC] * len(names)


def test_registers_stand_at_the_ends_of_a_day_or_not_at_all(street: Street) -> None:
    street.read(DAY, 0, missing=[0, 5])
    street.validate(DAY)
    found = page(street)
    assert found.consumption is not None
    one = next(one for one in found.consumption.registers if one.channel == "import_wh")
    opens = midnight(DAY, ZONE)
    assert one.opening_wh is None
    assert one.closing_wh == 1_000_000 + energy_wh(0, midnight(date(2024, 12, 1), ZONE), opens + 86_400)
    assert (one.stamps, one.missing) == (96, {"not-in-buffer": 1})


def test_findings_of_rules_and_of_visits_stand_with_their_spans(street: Street) -> None:
    street.read(DAY, 0, change={50: 60_000})
    street.validate(DAY)
    with reading(street.home.engine) as connection:
        identity = connection.execute(select(reading_ids.c.id).where(reading_ids.c.ean == ean(0))).scalar_one()
    with writing(street.home.engine) as connection:
        mark = {"reading": identity, "day": DAY, "code": "clock-set", "reason": "it was off", "at": 1}
        connection.execute(insert(findings), [mark])
    found = page(street)
    assert found.consumption is not None
    by_code = {one.code: one for one in found.consumption.findings}
    capacity = next(one for code, one in by_code.items() if code.startswith("V2"))
    assert (capacity.start, capacity.end) == ("2026-03-03T12:15:00+01:00", "2026-03-03T12:30:00+01:00")
    assert (capacity.severity, capacity.channel, capacity.meter) == ("fail", "import_wh", "m0")
    assert capacity.says
    assert (by_code["clock-set"].severity, by_code["clock-set"].says) == ("note", "it was off")
    assert all(one.meter == "m0" for one in found.consumption.findings), "of nobody else"


# Who may see it.


def test_without_a_purpose_nothing_of_consumption_is_there_and_no_grant_is_opened(street: Street) -> None:
    street.read(DAY, 0)
    street.validate(DAY)
    with reading(street.home.engine) as connection:
        before = len(connection.execute(select(accesses.c.id)).all())
    found = page(street, "m0", actor=OPERATOR, asked=None)
    assert (found.ean, found.consumption, found.people) == (ean(0), None, None)
    assert [one.meter for one in found.things.meters] == ["m0"]
    with reading(street.home.engine) as connection:
        assert len(connection.execute(select(accesses.c.id)).all()) == before


def test_what_the_gate_says_no_to_is_denied_and_written_down(street: Street) -> None:
    with pytest.raises(Denied) as caught:
        page(street, actor=OPERATOR)
    assert caught.value.code == "wrong-role"
    with reading(street.home.engine) as connection:
        row = connection.execute(select(accesses).where(accesses.c.actor == "os:ole")).one()
    assert (row.purpose, row.verdict, row.reason) == ("complaint", "wrong-role", "a letter")


def test_a_customer_sees_their_own_connection_and_no_other(street: Street) -> None:
    street.read(DAY, 0, 1)
    street.validate(DAY)
    with writing(street.home.engine) as connection:
        give_mandate(connection, ean(0), CUSTOMER.name, "own", date(2020, 1, 1), date(2100, 1, 1), by="os:desk", at=0)
    mine = Asked(purpose="customer")
    found = page(street, actor=CUSTOMER, asked=mine)
    assert found.consumption is not None
    assert found.people is not None
    assert None not in series(found, "measured").y
    assert page(street, actor=CUSTOMER, asked=None).people is not None
    for asked in (mine, None):
        with pytest.raises(Denied) as caught:
            page(street, ean(1), actor=CUSTOMER, asked=asked)
        assert caught.value.code == "not-own-connection"
    with pytest.raises(InputError, match="by its EAN"):
        page(street, "m1", actor=CUSTOMER, asked=None)


def test_a_mandate_shows_registers_of_days_and_neither_quarters_nor_who_looked(street: Street) -> None:
    street.read(DAY, 0)
    street.validate(DAY)
    third = Somebody(name="account:theo", roles=frozenset({"mandate-holder"}))
    with writing(street.home.engine) as connection:
        give_mandate(connection, ean(0), third.name, "mandate", DAY, date(2100, 1, 1), by="os:desk", at=0)
    found = page(street, actor=third, asked=Asked(purpose="mandate"))
    assert found.people is None
    assert found.consumption is not None
    assert found.consumption.curve is None
    assert (found.consumption.resolution, found.consumption.findings) == ("day", ())
    assert {one.stamps for one in found.consumption.registers} == {1}
    assert all(one.closing_wh is not None for one in found.consumption.registers)


def test_who_looked_and_why_is_told_with_this_very_look(street: Street) -> None:
    street.read(DAY, 0)
    street.validate(DAY)
    with writing(street.home.engine) as connection:
        Holds(street.home.engine).make(
            connection, ean(0), Hold.DISPUTE, DAY, NEXT, "too much", "os:desk", street.now(DAY)
        )
    found = page(street)
    assert found.people is not None
    look = found.people.looks[0]
    assert (look.kind, look.actor, look.purpose, look.reason) == ("named", TESTER.name, "complaint", "a letter")
    assert (look.recipient, look.verdict, look.ground) == ("the customer", "granted", "AVG art. 16 (text not verified)")
    assert (look.start, look.end, look.at) == (DAY, NEXT, "2026-03-04T06:00:00+01:00")
    assert [(one.kind, one.ground, one.ended_at) for one in found.people.holds] == [("dispute", "too much", None)]
    other = page(street, days=(NEXT, NEXT + ONE_DAY)).people
    assert other is not None
    assert other.holds == ()
    assert [(one.start, one.end) for one in other.looks] == [(NEXT, NEXT + ONE_DAY)], (
        "who looked at other days is not told"
    )
    assert not found.people.has_bulk
    whole = meter_page(
        street.home, ean(0), (DAY, NEXT), actor=TESTER, asked=COMPLAINT, at=street.now(DAY), with_bulk=True
    )
    assert whole.people is not None
    assert {one.purpose for one in whole.people.looks if one.kind == "bulk"} == {"validation"}


# What there is, and how visits went.


def visit(number: int, meter: str, outcome: str, at: str = ean(0), detail: Detail | None = None) -> VisitRecord:
    began = datetime(2026, 3, 4, 0, number, tzinfo=UTC)
    return VisitRecord(
        id=f"v{number}",
        meter=meter,
        ean=at,
        date=NEXT,
        started=began,
        ended=began + timedelta(milliseconds=1_234),
        outcome=outcome,
        asked=True,
        purpose="settlement",
        reason="night",
        actor="os:night",
        detail=detail or {},
    )


def test_visits_are_a_timeline_the_newest_first(street: Street) -> None:
    told: Detail = {"days": [f"{DAY}/{NEXT}"], "try": 2, "sent": 100, "received": 900, "messages": 7, "drift_s": -1.5}
    told["findings"] = [{"code": "clock-off", "start": 0, "end": 1}]
    for one in (
        visit(1, "m0", "connect-timeout"),
        visit(2, "m0", "done", detail=told),
        visit(3, "m0", "done", at=ean(1)),
        visit(4, "m1", "done", at=ean(1)),
        replace(visit(5, "m0", "done"), date=DAY + 2 * ONE_DAY),
    ):
        street.home.visits.record(one)
    done, failed = page(street, actor=OPERATOR, asked=None).things.visits
    assert (done.id, done.is_done, done.cause, done.duration_ms) == ("v2", True, "", 1_234)
    assert (done.started, done.asked_days, done.tries) == ("2026-03-04T01:02:00+01:00", (f"{DAY}/{NEXT}",), 2)
    assert (done.sent_bytes, done.received_bytes, done.messages, done.drift_ms) == (100, 900, 7, -1_500)
    assert done.findings == ("clock-off",)
    assert (failed.id, failed.is_done, failed.outcome, failed.drift_ms) == ("v1", False, "connect-timeout", None)
    assert failed.cause


def test_modules_exchanges_and_readout_stand_with_their_dates(street: Street) -> None:
    registry = street.home.registry
    rows = [
        "meter,kind,type,supplier,serial,hardware,firmware,installed",
        "m0,communication,lte,Polder,s1,h1,f1,2025-01-01",
        "m0,communication,lte,Zon,s2,h1,f2,2026-02-01",
    ]
    (street.folder / "modules.csv").write_text("\n".join(rows) + "\n")
    registry.import_modules(street.folder / "modules.csv", at=5)
    header = "meter,ean,host,port,system_title,companion,grid_area,capacity"
    (street.folder / "new.csv").write_text(
        f"{header}\nm9,{ean(0)},127.0.0.1,4059,4B57540000000099,smr-5.5,noord,3x25A\n"
    )
    done = Exchange(
        ean=ean(0), old_meter="m0", new_meter="m9", moment=midnight(DAY, ZONE) + 43_200, closing_import_wh=7
    )
    registry.exchange(done, street.folder / "new.csv", at=6)
    registry.state_readout(ean(0), Mode.OPTED_OUT, on=NEXT, at=7)
    found = page(street, actor=OPERATOR, asked=None).things
    assert [(one.supplier, one.start, one.end) for one in found.modules] == [
        ("Polder", date(2025, 1, 1), date(2026, 2, 1)),
        ("Zon", date(2026, 2, 1), None),
    ]
    assert [(one.meter, one.start, one.end) for one in found.meters] == [
        ("m0", date(2020, 1, 1), NEXT),
        ("m9", DAY, None),
    ]
    (exchanged,) = found.exchanges
    assert (exchanged.at, exchanged.new_meter) == ("2026-03-03T12:00:00+01:00", "m9")
    assert [(one.mode, one.start, one.end) for one in found.readouts] == [("opted-out", NEXT, None)]
    assert (found.readout, found.next_due) == ("opted-out", None)
    with_grant = page(street).consumption
    assert with_grant is not None
    assert [one.closing_import_wh for one in with_grant.exchanges] == [7]


def test_the_next_visit_is_the_planned_one_or_the_next_window(street: Street) -> None:
    at = street.now(DAY)
    found = page(street, actor=OPERATOR, asked=None).things
    assert found.next_due is not None
    assert (found.next_due.day, found.next_due.is_planned) == (NEXT, False)
    assert found.next_due.at == "2026-03-05T00:00:00+01:00"
    row = {"day": DAY, "meter": "m0", "ean": ean(0), "dso": "", "timezone": ZONE, "earliest": 0, "attempts": 1}
    row |= {"state": "retry", "next_at": at + 60, "deadline": at + 3600, "code": "busy", "quarters": 96, "present": 0}
    with writing(street.home.engine) as connection:
        connection.execute(insert(dues), [row])
    found = page(street, actor=OPERATOR, asked=None).things
    assert found.next_due is not None
    assert (found.next_due.day, found.next_due.is_planned) == (DAY, True)
    assert found.next_due.at == "2026-03-04T06:01:00+01:00"
    (night,) = found.nights
    assert (night.state, night.code, night.attempts, night.present) == ("retry", "busy", 1, 0)


def test_all_of_it_has_an_exact_form_in_json(street: Street) -> None:
    street.read(DAY, 0, missing=range(40, 47))
    street.validate(DAY)
    told = as_json(page(street))
    assert isinstance(told, dict)
    assert (told["ean"], told["start"], told["end"]) == (ean(0), "2026-03-03", "2026-03-04")
    assert "<" not in str(told["consumption"])
    with pytest.raises(TypeError):
        as_json({"power": 0.5})


@pytest.mark.parametrize(
    ("name", "days", "code"),
    [
        ("m7", (DAY, NEXT), "unknown-meter"),
        (ean(7), (DAY, NEXT), "unknown-connection"),
        (ean(0), (NEXT, DAY), "bad-day"),
        (ean(0), (DAY, DAY + 94 * ONE_DAY), "bad-day"),
    ],
)
@pytest.mark.parametrize("asked", [None, COMPLAINT])
def test_what_is_not_there_is_not_shown(
    street: Street, name: str, days: tuple[date, date], code: str, asked: Asked | None
) -> None:
    with pytest.raises(InputError) as caught:
        meter_page(street.home, name, days, actor=TESTER, asked=asked, at=street.now(DAY))
    assert caught.value.code == code
