"""The page of a settlement: what it shows adds up as the settlement does, and says what is wrong and what to do about it."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, update

from kwartier.database import reading, writing
from kwartier.errors import Denied, InputError, StateError
from kwartier.market.columns import Kind
from kwartier.service.exporting.messages import Event, note
from kwartier.service.views import settlement, sums
from kwartier.service.views.charts import Chart
from kwartier.service.views.plain import as_json
from kwartier.service.views.settled_days import settled_days
from kwartier.service.views.settlement import ADVICE, SENTENCES, SettlementPage, Shelf, Shown, settlement_page
from kwartier.settle.conservation import CHECKS
from kwartier.tables import accesses
from kwartier.tables.settle import settlement_sums
from tests.export.days import AREA, AUTUMN
from tests.gate.rooms import EVA, Somebody
from tests.service.settled_day import DELTA, town
from tests.service.settling.village import (
    DAY,
    HOMES,
    LOSS_WH,
    OF_A,
    ONE_DAY,
    UNMETERED_WH,
    UNREAD,
    Village,
    empty,
    flow_wh,
    noon_after,
    used_wh,
    village,
)

QUARTERS = 96


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Village]:
    """Settled once, and once more after the unread connection was read after all."""
    with village(tmp_path_factory.mktemp("village")) as found:
        found.settle()
        found.read([UNREAD], batch="later")
        found.validate([number for number in range(HOMES) if number != OF_A - 1])
        found.settle(noon_after(found.day, 8))
        yield found


def page(
    place: Village, *, version: int | None = None, against: int | None = None, area: str = "", late: int = 8
) -> SettlementPage:
    return settlement_page(
        place.home,
        place.day,
        version=version,
        against=against,
        area=area,
        actor=EVA,
        reason="to see",
        at=noon_after(place.day, late),
    )


def shown(found: SettlementPage) -> Shown:
    assert found.shown is not None
    return found.shown


def of(chart: Chart, kind: str, name: str = "") -> list[int]:
    (one,) = [one for one in chart.series if one.kind == kind and name in ("", one.name)]
    return [value for value in one.y if value is not None]


def stacked(chart: Chart) -> list[int]:
    columns = [[value or 0 for value in one.y] for one in chart.series if one.stack]
    return [sum(values) for values in zip(*columns, strict=True)]


# What a version says.


@pytest.mark.parametrize("area", ["", "A", "B"])
def test_parties_loss_and_residual_come_to_the_infeed_in_every_quarter(place: Village, area: str) -> None:
    found = shown(page(place, area=area))
    for direction, chart in zip(("import", "export"), found.volumes, strict=True):
        assert chart.name == f"volumes-{direction}"
        wanted = sum(flow_wh(one, direction) for one in (area or "AB"))
        assert of(chart, "infeed") == stacked(chart) == [wanted] * QUARTERS
    taken = found.volumes[0]
    assert of(taken, "loss") == [LOSS_WH * len(area or "AB")] * QUARTERS
    assert {one.place for one in taken.series if one.kind == "party"} == {0, 1}


def test_a_party_has_what_its_connections_used(place: Village) -> None:
    """In area B everything was read."""
    found = shown(page(place, area="B"))
    for brp in ("brp-0", "brp-1"):
        own = [number for number in range(OF_A, HOMES) if f"brp-{number % 2}" == brp]
        wanted = sum(used_wh(number, "import") for number in own)
        assert of(found.volumes[0], "party", brp) == [wanted] * QUARTERS
        row = next(one for one in found.parties if (one.brp, one.direction) == (brp, "import"))
        assert (row.metered_wh, row.profiled_wh, row.connections) == (wanted * QUARTERS, 0, len(own))
    assert [one.brp for one in found.parties[::2]] == ["brp-1", "brp-0"], "the largest first"


def test_each_area_is_balanced_over_the_day(place: Village) -> None:
    found = shown(page(place))
    area = next(one for one in found.areas if one.grid_area == "B")
    taken = area.balances[0]
    parts = taken.metered_wh + taken.profiled_wh + taken.loss_wh + taken.residual_wh
    assert taken.infeed_wh == parts == flow_wh("B", "import") * QUARTERS
    assert taken.residual_wh == UNMETERED_WH * QUARTERS
    assert taken.residual_bp == UNMETERED_WH * 10_000 // flow_wh("B", "import")
    assert (area.state, area.advice, area.connections) == ("settled", "", HOMES - OF_A)
    charts = {chart.name: chart for chart in found.by_area}
    assert set(charts) == {f"{part}-{way}" for part in ("residual", "loss", "infeed") for way in ("import", "export")}
    assert of(charts["residual-import"], "residual", "B") == [UNMETERED_WH] * QUARTERS


def test_every_check_has_its_sentence_and_what_it_counted(place: Village) -> None:
    assert SENTENCES.keys() == CHECKS.keys()
    found = shown(page(place))
    assert len(found.checks) == 2 * len(CHECKS)
    assert all(one.passed and one.says and one.detail for one in found.checks)


def test_beyond_a_number_parties_are_others_and_nothing_is_lost(
    place: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "MAX_SERIES", 1)
    found = shown(page(place))
    chart = found.volumes[0]
    assert [one.kind for one in chart.series] == ["party", "others", "loss", "residual", "infeed"]
    assert stacked(chart) == of(chart, "infeed")
    assert {one.place for one in found.parties} == {0, -1}


# Versions.


def test_what_a_version_says_otherwise_than_the_one_before(place: Village) -> None:
    found = page(place)
    assert [one.version for one in found.versions] == [2, 1]
    told = shown(found)
    assert told.version.version == 2
    assert told.difference is not None
    assert (told.difference.earlier, told.difference.later, told.difference.more) == (1, 2, 0)
    (area,) = told.difference.areas
    assert (area.grid_area, area.before, area.after, area.unread) == ("A", "settled", "settled", -1)
    moved = {(one.part, one.direction): one for one in told.difference.sums}
    metered = moved["metered", "import"]
    assert (metered.how, metered.connections, metered.quarters) == ("changed", 1, QUARTERS)
    assert metered.day_wh == used_wh(UNREAD, "import") * QUARTERS
    assert metered.quarter == "2026-11-24T00:15:00+01:00"
    sizes = [abs(one.day_wh) for one in told.difference.sums]
    assert sizes == sorted(sizes, reverse=True)
    assert {one.brp for one in told.difference.sums if one.part == "metered"} == {f"brp-{UNREAD % 2}"}


def test_the_first_version_differs_from_nothing(place: Village) -> None:
    assert shown(page(place, version=1)).difference is None
    same = shown(page(place, against=2)).difference
    assert same is not None
    assert (same.areas, same.sums) == ((), ())


def test_the_calendar_says_what_was_made_and_what_is_due(place: Village) -> None:
    found = page(place).calendar
    assert [(one.name, one.state, one.version) for one in found.versions] == [
        ("D+1", "missed", None),
        ("D+5", "made", 1),
        ("D+10", "made", 2),
        ("M+4", "coming", None),
    ]
    assert [one.due for one in found.versions[:3]] == [date(2026, 11, 25), date(2026, 12, 1), date(2026, 12, 8)]
    assert (found.closes, found.is_closed, found.is_verified) == (date(2027, 3, 31), False, False)
    later = page(place, late=15).calendar
    assert [one.state for one in later.versions] == ["missed", "made", "made", "now"]
    assert page(place, late=200).calendar.is_closed


def test_days_can_be_picked_by_how_they_stand(place: Village, tmp_path: Path) -> None:
    at = noon_after(place.day, 8)
    found = settled_days(place.home, place.day - ONE_DAY, place.day + 30 * ONE_DAY, at=at)
    assert [one.day for one in found][-2:] == [place.day, place.day - ONE_DAY], "the newest first"
    assert found[0].day == place.day + 7 * ONE_DAY, "and none that is not over"
    own, before = found[-2], found[-1]
    assert (own.state, own.versions, own.validation_run) == ("settled", 2, 2)
    assert own.latest is not None
    assert (own.latest.name, own.latest.state) == ("D+10", "published")
    assert (before.state, before.versions, before.latest) == ("not-validated", 0, None)
    assert settled_days(place.home, place.day, place.day + ONE_DAY, at=noon_after(place.day, 200))[0].state == "closed"
    with pytest.raises(InputError):
        settled_days(place.home, place.day, place.day, at=at)
    with village(tmp_path) as fresh:
        assert settled_days(fresh.home, DAY, DAY + ONE_DAY, at=fresh.at)[0].state == "due"


# What is wrong.


def test_an_area_that_lacks_something_says_what_to_do_and_the_other_is_shown(tmp_path: Path) -> None:
    with empty(tmp_path) as found:
        found.fleet()
        found.supplies()
        found.flows(Kind.INFEED, "A")
        found.flows(Kind.LOSSES)
        found.fractions()
        found.read()
        found.validate()
        found.settle()
        told = shown(page(found, late=2))
    a, b = told.areas
    assert (a.state, b.state, b.code) == ("settled", "stopped", "no-infeed")
    assert b.reason
    assert b.advice == ADVICE["no-infeed"]
    assert b.balances == ()
    assert {one.grid_area for one in told.checks} == {"A"}
    assert of(told.volumes[0], "infeed") == [flow_wh("A", "import")] * QUARTERS


def test_an_area_that_is_out_of_bounds_is_held_with_the_check_that_failed(tmp_path: Path) -> None:
    with village(tmp_path) as found:
        found.flows(Kind.INFEED, "A", more_wh=10_000)
        found.settle()
        told = page(found, late=2)
        days = settled_days(found.home, DAY, DAY + ONE_DAY, at=found.at)
    area = shown(told).areas[0]
    assert (area.state, area.code, area.advice) == ("held", "residual", ADVICE["residual"])
    assert [(one.grid_area, one.code) for one in shown(told).checks if not one.passed] == [("A", "residual")]
    assert (told.versions[0].state, told.versions[0].published_at) == ("held", None)
    assert days[0].state == "held"
    assert "held" in [one.state for one in told.calendar.versions]


def test_a_day_that_was_never_settled_has_a_calendar_and_no_sums(tmp_path: Path) -> None:
    with village(tmp_path) as found:
        told = page(found, late=2)
        with reading(found.home.engine) as connection:
            asked = connection.execute(select(accesses)).all()
    assert (told.shown, told.versions, told.exports.counts) == (None, (), ())
    assert asked == [], "nothing is shown that a grant is for"


def test_who_may_not_settle_sees_no_sums(place: Village) -> None:
    desk = Somebody(name="os:dirk", roles=frozenset({"customer-desk"}))
    with pytest.raises(Denied) as caught:
        settlement_page(place.home, place.day, actor=desk, reason="curious", at=place.at)
    assert caught.value.code == "wrong-role"
    with reading(place.home.engine) as connection:
        rows = connection.execute(select(accesses).where(accesses.c.actor == "os:dirk")).all()
    assert [(row.purpose, row.verdict) for row in rows] == [("settlement", "wrong-role")]


def test_sums_that_were_altered_are_not_shown(tmp_path: Path) -> None:
    with village(tmp_path) as found:
        found.settle()
        with writing(found.home.engine) as connection:
            connection.execute(update(settlement_sums).values(connections=7))
        with pytest.raises(StateError) as caught:
            page(found, late=2)
    assert caught.value.code == "settlement-altered"


def test_a_shelf_gives_what_the_database_gives_and_no_sums_without_a_grant(place: Village) -> None:
    shelf, at = Shelf(place.home), noon_after(place.day, 8)
    desk = Somebody(name="os:doris", roles=frozenset({"customer-desk"}))
    for _ in range(2):
        found = settlement_page(place.home, place.day, actor=EVA, reason="to see", at=at, shelf=shelf)
        assert found == page(place)
        with pytest.raises(Denied):
            settlement_page(place.home, place.day, actor=desk, reason="curious", at=at, shelf=shelf)
    with reading(place.home.engine) as connection:
        rows = connection.execute(select(accesses).where(accesses.c.actor == "os:doris")).all()
    assert len(rows) == 2, "each look is written down"


def test_what_is_not_there_is_said(place: Village) -> None:
    for wrong in ({"version": 9}, {"against": 9}):
        with pytest.raises(InputError) as caught:
            page(place, **wrong)  # type: ignore[arg-type]  # one of the two numbers
        assert caught.value.code == "no-such-version"
    with pytest.raises(InputError):
        page(place, area="C")


# Exports.


def test_exports_are_counted_by_version_and_what_went_wrong_is_listed(tmp_path: Path) -> None:
    with town(tmp_path, AUTUMN) as found:
        found.publish()
        found.export("aggregated")
        made = [one.stem[-36:] for one in found.out.glob("*.xml")]
        assert note(found.home.engine, made[0], Event.REFUSED, at=found.at + 60, said="A02") == "taken"
        told = settlement_page(found.home, AUTUMN, actor=EVA, reason="to see", at=found.at + 7_200)
    counts = {(one.kind, one.state): one.messages for one in told.exports.counts}
    assert counts == {("aggregated", "made"): len(made) - 1, ("aggregated", "rejected"): 1}
    (wrong,) = told.exports.troubled
    assert (wrong.id, wrong.answer, wrong.state, wrong.kind) == (made[0], "A02", "rejected", "aggregated")
    assert wrong.sent_at is not None
    names = {one.name for chart in shown(told).volumes for one in chart.series if one.kind == "party"}
    assert DELTA in names
    assert AREA in {one.grid_area for one in shown(told).areas}


def test_all_of_it_has_an_exact_form_in_json(place: Village) -> None:
    told = as_json(page(place))
    assert isinstance(told, dict)
    assert told["day"] == "2026-11-24"
    assert as_json(settled_days(place.home, DAY, DAY + ONE_DAY, at=place.at))
    assert "<" not in str(told)


def test_what_counts_most_comes_first_where_not_all_is_listed(place: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = shown(page(place)).difference
    monkeypatch.setattr(settlement, "MAX_DIFFERENCES", 1)
    found = shown(page(place)).difference
    assert whole is not None
    assert found is not None
    assert (found.sums, found.more) == (whole.sums[:1], len(whole.sums) - 1)
    assert abs(whole.sums[0].day_wh) == int(np.max([abs(one.day_wh) for one in whole.sums]))
