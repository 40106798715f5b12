"""A meter's page: what there is for the office, consumption for who says why, and each hole with its reason."""

import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from html import unescape
from pathlib import Path

import pytest

from kwartier.clock import midnight
from kwartier.model import Missing
from kwartier.service.views.curve import NOT_VALIDATED, REASONS, UNKNOWN
from kwartier.validate.rules.table import RULES
from kwartier.web.words import Language, words_of
from tests.service.validating.a_street import ZONE, a_street, ean, energy_wh
from tests.service.views.test_meter import visit
from tests.web.installation import Served, let_in, served
from tests.web.test_api import recorded

DAY = date(2026, 3, 3)
OF_DAY = f"from={DAY}&to={DAY}"
WHY = f"purpose=validation&reason=a+question&{OF_DAY}"
FIGURE = re.compile(r'data-figure="([^"]*)"')
FIRST, HOLE = 39, 9
"""The quarters of which an end is not known."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """One meter was read but for two hours, and visited twice."""
    with a_street(tmp_path_factory.mktemp("street")) as there:
        there.read(DAY, 0, missing=range(40, 48), reason=Missing.NOT_RECEIVED)
        there.validate(DAY)
        there.home.visits.record(visit(1, "m0", "connect-timeout"))
        there.home.visits.record(visit(2, "m0", "done", detail={"drift_s": -1.5, "try": 2}))
        let_in(there.home, there.now(DAY))
        return there.home.path, there.now(DAY)


@pytest.fixture
def street(place: tuple[Path, int]) -> Iterator[Served]:
    with served(*place) as found:
        yield found


def figures(text: str) -> list[dict[str, object]]:
    return [json.loads(unescape(one)) for one in FIGURE.findall(text)]


def looks(here: Served) -> list[tuple[str, str, str, str]]:
    return [one for one in recorded(here) if one[0].startswith("account:")]


def test_a_name_leads_to_its_page(street: Served) -> None:
    browser = street.signed_in("operator")
    assert '<input id="wanted" name="name"' in browser.get("/meter").text
    answer = browser.get("/meter?name=%20a%2Fb%20")
    assert (answer.status, answer.header("location")) == (303, "/meter/a%2Fb")
    assert street.browser.get("/meter", accept="text/html").status == 303


@pytest.mark.parametrize("name", ["m0", ean(0)])
def test_without_a_purpose_there_is_what_is_no_consumption_and_a_form(street: Served, name: str) -> None:
    before = looks(street)
    browser = street.signed_in("operator")
    text = browser.get(f"/meter/{name}?{OF_DAY}", accept_language="en").text
    assert ean(0) in text
    assert "Clock off by −1.500 s." in text
    assert "connect-timeout" in text
    assert '<textarea id="reason"' in text
    assert re.findall(r'type="radio" name="purpose" value="([a-z-]+)"', text) == ["settlement", "validation", "test"]
    assert figures(text) == []
    page = browser.get(f"/meter/{name}.json?{OF_DAY}").json["page"]
    assert isinstance(page, dict)
    assert page["consumption"] is None
    assert looks(street) == before


@pytest.mark.parametrize(
    ("who", "path", "status", "code"),
    [
        ("keeper", f"m0?purpose=curiosity&reason=why&{OF_DAY}", 403, "unknown-purpose"),
        ("keeper", f"m0?purpose=complaint&reason=why&{OF_DAY}", 403, "wrong-role"),
        ("keeper", f"m0?purpose=validation&{OF_DAY}", 400, "no-reason"),
        ("keeper", f"m7?{OF_DAY}", 404, "unknown-meter"),
        ("keeper", "m0?from=2026-03-03&to=2026-03-01", 400, "bad-day"),
        ("customer", f"{ean(0)}?{OF_DAY}", 403, "not-own-connection"),
        ("nobody", f"{ean(0)}?{OF_DAY}", 403, "wrong-role"),
    ],
)
def test_what_may_not_be_seen_is_a_problem(street: Served, who: str, path: str, status: int, code: str) -> None:
    answer = street.signed_in(who).get(f"/meter/{path}", accept="text/html")
    assert (answer.status, code in answer.text, "data-figure" in answer.text) == (status, True, False)


def test_a_hole_is_hatched_and_listed_with_its_reason_and_no_bar_is_in_it(street: Served) -> None:
    before = looks(street)
    answer = street.signed_in("keeper").get(f"/meter/m0?{WHY}", accept_language="en")
    assert answer.status == 200, answer.text
    assert answer.header("cache-control") == "no-store"
    assert looks(street)[len(before) :] == [("account:keeper", "validation", "a question", "granted")]
    data = figures(answer.text)[0]["data"]
    assert isinstance(data, list)
    measured, hole = data
    opens = midnight(DAY, ZONE)
    assert measured["y"][0] == energy_wh(0, opens, opens + 900)
    assert measured["y"][FIRST : FIRST + HOLE] == [None] * HOLE
    assert (hole["x"], hole["width"]) == (["2026-03-03T08:45:00Z"], [HOLE * 900_000])
    assert hole["marker"]["pattern"]["shape"] == "x"
    text = unescape(answer.text)
    assert "2026-03-03 09:45 +01:00" in text
    assert "the line broke before it came" in text
    assert text.count('<tr><th scope="row">2026-03-0') == 2 * 96, "each quarter of both directions"


@pytest.mark.parametrize("language", list(Language))
def test_who_looked_and_why_is_on_the_page(street: Served, language: Language) -> None:
    words = words_of(language)
    browser = street.signed_in("officer")
    asked = f"purpose=complaint&reason=a+letter&{OF_DAY}"
    text = unescape(browser.get(f"/meter/{ean(0)}?{asked}", accept_language=language.value).text)
    assert words("meter.people") in text
    assert '<td class="words">a letter</td>' in text
    assert words("finding.V6-completeness") in text


def test_every_reason_rule_and_kind_of_look_has_its_text() -> None:
    for language in Language:
        words = words_of(language)
        assert all(f"gap-reason.{one}" in words for one in (*REASONS.values(), NOT_VALIDATED, UNKNOWN))
        assert all(f"finding.{one.code}" in words for one in RULES)
        assert all(f"look.{one}" in words for one in ("named", "bulk", "meter"))


def test_days_are_the_last_week_unless_somebody_says_otherwise(street: Served) -> None:
    told = street.signed_in("operator").get("/meter/m0.json").json
    assert (told["since"], told["to"]) == (f"{DAY - timedelta(days=6)}", f"{DAY}")
