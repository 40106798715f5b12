"""The pages of settlement: days for the staff, sums for who says why, and nothing that is not in a table, too."""

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from kwartier.market.columns import Kind
from kwartier.service.exporting.messages import Event, note
from kwartier.service.home import open_home
from kwartier.service.views.settlement import ADVICE, SENTENCES
from kwartier.settle.tables import AreaState
from kwartier.web.words import Language, words_of
from tests.export.days import AUTUMN
from tests.service.settled_day import town
from tests.service.settling.village import DAY, ONE_DAY, Village, noon_after
from tests.web.installation import Served, let_in, served
from tests.web.test_api import recorded

WHY = "purpose=settlement&reason=a+question"
PAGE = f"/settlement/{DAY}"
FIGURE = re.compile(r'data-figure="([^"]*)"')


@pytest.fixture
def again(home: Path) -> Iterator[Served]:
    """Settled once more, with an infeed of one area that cannot be right."""
    with open_home(home) as opened:
        place = Village(home=opened, folder=home, day=DAY)
        place.flows(Kind.INFEED, areas="B", more_wh=900)
        place.settle(noon_after(DAY, 8))
    with served(home, noon_after(DAY, 8)) as found:
        yield found


def figures(text: str) -> list[dict[str, object]]:
    return [json.loads(unescape(one)) for one in FIGURE.findall(text)]


def test_the_days_that_are_over_can_be_picked_with_their_state(here: Served) -> None:
    browser = here.signed_in("operator")
    told = browser.get("/settlement.json").json["days"]
    assert isinstance(told, list)
    assert [told[0]["day"], told[1]["day"], len(told)] == ["2026-11-25", f"{DAY}", 31]
    assert (told[0]["state"], told[1]["state"]) == ("not-validated", "settled")
    text = browser.get(f"/settlement?from={DAY}&to={DAY + ONE_DAY}", accept_language="nl").text
    assert re.findall(r'href="/settlement/([0-9-]+)"', text) == ["2026-11-25", f"{DAY}"]
    assert "Verrekend" in text
    assert recorded(here) == []


def test_only_the_staff_sees_days(here: Served) -> None:
    for path in ("/settlement", PAGE, f"{PAGE}?{WHY}"):
        for name in ("customer", "nobody"):
            assert here.signed_in(name).get(path).status == 403
        assert here.browser.get(path, accept="text/html").status == 303
    assert here.signed_in("operator").get("/settlement?from=2026-11-24&to=2026-11-20").status == 400


def test_without_a_purpose_there_is_a_form_and_no_sum(here: Served) -> None:
    browser = here.signed_in("settler")
    told = browser.get(f"{PAGE}.json").json
    page = told["page"]
    assert isinstance(page, dict)
    assert page["shown"] is None
    assert [one["version"] for one in page["versions"]] == [1]
    text = browser.get(PAGE, accept_language="en").text
    assert '<form class="stacked wide" method="get" action="/settlement/2026-11-24">' in text
    assert '<input type="hidden" name="purpose" value="settlement">' in text
    assert "<textarea" in text
    assert figures(text) == []
    assert recorded(here) == []


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("purpose=curiosity&reason=why", 403, "unknown-purpose"),
        ("purpose=complaint&reason=why", 403, "other-purpose"),
        ("purpose=settlement", 400, "no-reason"),
        (f"{WHY}&version=7", 404, "no-such-version"),
        (f"{WHY}&area=Z", 400, "bad-argument"),
    ],
)
def test_what_the_gate_refuses_is_not_shown(here: Served, query: str, status: int, code: str) -> None:
    browser = here.signed_in("settler")
    answer = browser.get(f"{PAGE}?{query}", accept="text/html")
    assert answer.status == status
    assert code in answer.text
    assert "data-figure" not in answer.text
    assert browser.get(f"{PAGE}.json?{query}").json["code"] == code


def test_a_look_is_one_line_of_the_record_with_its_charts_and_tables(here: Served) -> None:
    """Every bar of a chart stands in a table of the same page."""
    answer = here.signed_in("settler").get(f"{PAGE}?{WHY}", accept_language="en")
    assert answer.header("cache-control") == "no-store"
    assert recorded(here) == [("account:settler", "settlement", "a question", "granted")]
    drawn = figures(answer.text)
    assert len(drawn) == 4, "import, export, residual and loss; nothing of the last two flows back"
    data = drawn[0]["data"]
    assert isinstance(data, list)
    assert [one["name"] for one in data] == ["brp-1", "brp-0", "Loss", "Residual", "Infeed"]
    quarters = re.findall(
        r"<tr><th scope=\"row\">2026-11-2[45] [^<]*</th>((?:<td class=\"figure\">[^<]*</td>)+)", answer.text
    )
    assert len(quarters) == 4 * 96
    first = [int(one.replace("\u202f", "")) for one in re.findall(r">([^<]+)<", quarters[0])]
    assert first == [one["y"][0] for one in data]
    assert sum(first[:-1]) == first[-1]


def test_parties_differ_in_their_bars_by_more_than_the_ink(here: Served) -> None:
    (drawn, *_) = figures(here.signed_in("settler").get(f"{PAGE}?{WHY}").text)
    data = drawn["data"]
    assert isinstance(data, list)
    patterns = [one["marker"]["pattern"] for one in data[:-1]]
    assert len({one["shape"] for one in patterns[:3]}) == 3
    assert all(one["bgcolor"] != one["fgcolor"] for one in patterns)


@pytest.mark.parametrize("language", ["nl", "en"])
def test_what_is_wrong_is_said_with_what_to_do_and_what_differs(again: Served, language: str) -> None:
    words = words_of(Language(language))
    text = unescape(again.signed_in("settler").get(f"{PAGE}?{WHY}", accept_language=language).text)
    assert words("area-state.held") in text
    assert words("advice.residual") in text
    assert words("check.residual") in text
    assert words("settlement.since", later=2, earlier=1) in text
    assert words("settlement.sums-differ") in text
    assert "+86" in text, "96 times 900 Wh"
    only = again.signed_in("settler").get(f"{PAGE}?{WHY}&version=1", accept_language=language).text
    assert words("settlement.first-version") in only


def test_every_check_and_advice_has_its_text() -> None:
    for language in Language:
        words = words_of(language)
        assert all(f"check.{code}" in words for code in SENTENCES)
        assert all(f"advice.{code}" in words for code in ADVICE)
        assert all(f"area-state.{state}" in words for state in AreaState)


def test_messages_in_trouble_are_shown_without_a_purpose(tmp_path: Path) -> None:
    with town(tmp_path, AUTUMN) as place:
        place.publish()
        place.export("aggregated")
        made = sorted(one.stem[-36:] for one in place.out.glob("*.xml"))
        note(place.home.engine, made[0], Event.REFUSED, at=place.at + 60, said="A02")
        let_in(place.home, place.at)
        path = place.home.path
    with served(path, place.at + 7_200) as found:
        text = found.signed_in("operator").get(f"/settlement/{AUTUMN}", accept_language="en").text
        assert recorded(found) == []
    assert made[0][:12] in text
    assert "A02" in text
    assert "Rejected" in text


def test_a_day_that_was_never_settled_has_its_calendar(here: Served) -> None:
    text = here.signed_in("operator").get(f"/settlement/{DAY + ONE_DAY}?{WHY}", accept_language="en").text
    assert "This day was never settled." in text
    assert "M+4" in text
    assert here.signed_in("operator").get("/settlement/yesterday").status == 400


def test_a_choice_of_language_comes_back_to_what_was_asked(here: Served) -> None:
    browser = here.signed_in("settler")
    text = browser.get(f"{PAGE}?{WHY}").text
    back = unescape(re.findall(r'name="back" value="([^"]*)"', text)[0])
    answer = browser.post("/preferences", {"csrf": browser.get(PAGE).token, "language": "en", "back": back})
    assert answer.header("location") == f"{PAGE}?{WHY}"
