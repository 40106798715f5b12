"""The page of a night: what it shows and to whom, that its data and events say the same, and what an operator may do."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kwartier.service.night_control import MAX_WORKERS
from tests.service.views.test_tonight import DAY, NOW
from tests.web.installation import Served
from tests.web.nights import CLOSED_AT, in_its_middle, pretend

PAGE = f"/tonight/{DAY}"
HTML = "text/html"
TAG = re.compile(r"<[^>]*>")


@pytest.fixture
def night(home: Path) -> Iterator[Served]:
    with in_its_middle(home) as found:
        yield found


def test_the_page_and_its_data_show_the_same_night(night: Served) -> None:
    browser = night.signed_in("operator")
    told = browser.get(f"{PAGE}.json").json
    assert (told["day"], told["planned"], told["running"]) == (f"{DAY}", True, False)
    totals, coverage = told["totals"], told["coverage"]
    assert isinstance(totals, dict)
    assert isinstance(coverage, dict)
    assert (totals["due"], totals["stored"], totals["open"]) == (124, 60, 56)
    assert coverage["installed"] == {"part": 60, "whole": 124, "rate": 0.483871}
    assert told["tally"] == {"all": 5, "silent": 1, "short": 1, "reading": 1, "waiting": 1, "done": 1}
    text = TAG.sub("", browser.get(PAGE, accept_language="nl").text)
    for shown in ("48,3\u202f%", "60 / 124", "Stil: 1", "connect-timeout", "association-refused", "Sleutel", "0/12"):
        assert shown in text, shown
    assert "check host and port of the meter" in text, "what to do stands beside the cause"
    english = browser.get(PAGE, accept_language="en").text
    assert "48.3\u202f%" in english
    assert "Silent: " in english


def test_the_first_page_has_the_counts_of_the_same_night(night: Served) -> None:
    browser = night.signed_in("settler")
    first = browser.get("/index.json").json["night"]
    assert isinstance(first, dict)
    assert (first["date"], first["due"], first["read"], first["missed"]) == (f"{DAY}", 124, 60, 64)
    assert first["coverage"] == {"installed": 0.483871, "reachable": 0.535714, "intervals": 0.483871}
    assert first["running"] is False
    assert "48,3\u202f%" in browser.get("/", accept_language="nl").text


def test_every_point_of_the_drawings_stands_in_a_table_too(night: Served) -> None:
    browser = night.signed_in("operator")
    told, text = browser.get(f"{PAGE}.json").json, browser.get(PAGE).text
    course, minutes = told["course"], told["minutes"]
    assert isinstance(course, list)
    assert isinstance(minutes, list)
    # Each macro stands once more, as the pattern of its rows.
    assert text.count('data-of="planned"') == len(course) + 1 == 74
    assert text.count('data-of="missed"') == len(minutes) + 1 == 61
    assert text.count('<rect class="bar-stored"') == len(minutes)
    assert (course[24]["at"], course[24]["by"], course[24]["done"]) == (NOW, "02:00", 68)


def test_the_last_night_has_an_address_of_its_own_and_a_day_without_one_says_so(night: Served) -> None:
    browser = night.signed_in("settler")
    assert browser.get("/tonight.json").json["day"] == "2026-01-14"
    other = browser.get("/tonight/2026-01-02", accept_language="en")
    assert (other.status, "There is no night of this day" in other.text) == (200, True)
    assert browser.get("/tonight/2026-01-02.json").json["planned"] is False
    for wrong in ("/tonight/yesterday", "/tonight/1066-10-14"):
        assert browser.get(wrong).status == 400


@pytest.mark.parametrize(("who", "status"), [("operator", 200), ("settler", 200), ("customer", 403), ("nobody", 403)])
def test_the_fleet_is_shown_to_staff(night: Served, who: str, status: int) -> None:
    browser = night.signed_in(who)
    assert [browser.get(path).status for path in (PAGE, f"{PAGE}.json", "/tonight")] == [status] * 3
    assert ('href="/tonight"' in browser.get("/").text) is (status == 200)


def test_who_is_not_signed_in_is_led_to_the_form(night: Served) -> None:
    answer = night.browser.get(PAGE, accept=HTML)
    assert (answer.status, answer.header("location")) == (303, f"/sign-in?back=%2Ftonight%2F{DAY}")


def test_events_have_the_shape_of_the_page(night: Served) -> None:
    from kwartier.web.screens import tonight

    told = json.loads(
        json.dumps(tonight.told(night.app.state.desk.nights.tonight(DAY), "Europe/Amsterdam", tonight.MAX_TILES))
    )
    page = night.signed_in("operator").get(f"{PAGE}.json").json
    assert {name: page[name] for name in told} == told
    assert len(tonight.told(night.app.state.desk.nights.tonight(DAY), "Europe/Amsterdam", 2)["cells"]) == 2  # type: ignore[arg-type]  # the cells are a list


def test_what_may_be_done_is_offered_to_operators_alone(night: Served) -> None:
    pretend(night, running=DAY)
    text = night.signed_in("operator").get(PAGE).text
    assert f'href="{PAGE}/stop"' in text
    assert f'href="{PAGE}/resume"' not in text
    other = night.signed_in("settler")
    assert f'href="{PAGE}/stop"' not in other.get(PAGE).text
    for action in ("start", "stop", "resume"):
        assert other.get(f"{PAGE}/{action}").status == 403
        csrf = other.get(PAGE).token
        answer = other.post(f"{PAGE}/{action}", {"csrf": csrf, "reason": "why not", "workers": "1"})
        assert (answer.status, answer.json["code"]) == (403, "no-role")


@pytest.mark.parametrize("action", ["start", "resume"])
def test_a_night_is_started_and_resumed_with_a_reason_from_a_form(night: Served, action: str) -> None:
    heard = pretend(night)
    browser = night.signed_in("operator")
    asked = browser.get(f"{PAGE}/{action}")
    assert f'max="{MAX_WORKERS}"' in asked.text
    assert " checked" not in asked.text, "the window is open"
    answer = browser.post(
        f"{PAGE}/{action}", {"csrf": asked.token, "workers": "3", "at_once": "1", "reason": " a  cell\tis back "}
    )
    assert (answer.status, answer.header("location")) == (303, PAGE)
    ((done, order, actor),) = heard.orders
    assert (done, order.day, order.workers, order.at_once) == (action, DAY, 3, True)
    assert (order.reason, actor) == ("a cell is back", "account:operator")


def test_a_night_is_stopped_with_a_reason(night: Served) -> None:
    heard = pretend(night, running=DAY)
    browser = night.signed_in("operator")
    asked = browser.get(f"{PAGE}/stop", accept_language="en")
    assert "56 meters, 4 of them under way" in asked.text
    fields = {"csrf": asked.token, "reason": "the network is being worked on"}
    assert browser.post(f"{PAGE}/stop", fields).status == 303
    assert heard.stops == [("account:operator", "the network is being worked on")]
    answer = browser.post("/tonight/2026-01-10/stop", fields)
    assert (answer.status, answer.json["code"]) == (409, "night-not-running"), "another night is not stopped by mistake"
    assert len(heard.stops) == 1


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"reason": "  ", "workers": "1"}, "no-reason"),
        ({"workers": "1"}, "no-reason"),
        ({"reason": "x" * 501, "workers": "1"}, "bad-argument"),
        ({"reason": "a\0b", "workers": "1"}, "bad-argument"),
        ({"reason": "x", "workers": "0"}, "bad-argument"),
        ({"reason": "x", "workers": "65"}, "bad-argument"),
        ({"reason": "x", "workers": "-1"}, "bad-argument"),
        ({"reason": "x"}, "bad-argument"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(night: Served, fields: dict[str, str], code: str) -> None:
    heard = pretend(night)
    browser = night.signed_in("operator")
    answer = browser.post(f"{PAGE}/start", {"csrf": browser.get(PAGE).token, **fields})
    assert (answer.status, answer.json["code"], heard.orders) == (400, code, [])


def test_nothing_is_done_without_the_token_of_the_form(night: Served) -> None:
    heard = pretend(night)
    browser = night.signed_in("operator")
    for fields in ({}, {"csrf": "0" * 64}):
        answer = browser.post(f"{PAGE}/start", {**fields, "reason": "x", "workers": "1"})
        assert (answer.status, answer.json["code"]) == (403, "stale-form")
    assert heard.orders == []


def test_what_cannot_be_done_says_why_and_has_no_form(night: Served) -> None:
    pretend(night, running=DAY)
    browser = night.signed_in("operator")
    asked = browser.get(f"{PAGE}/resume")
    assert "a night is being carried out, and one is enough" in asked.text
    assert 'name="reason"' not in asked.text
    answer = browser.post(f"{PAGE}/resume", {"csrf": asked.token, "reason": "x", "workers": "1"}, accept=HTML)
    assert (answer.status, "night-running" in answer.text) == (409, True)
    assert browser.get(f"{PAGE}/burn").status == 400


def test_after_the_window_a_night_is_read_at_once_unless_said_otherwise(night: Served) -> None:
    pretend(night)
    night.clock.at = CLOSED_AT
    assert " checked" in night.signed_in("operator").get(f"{PAGE}/resume").text


def test_the_real_control_is_asked_when_nothing_is_pretended(night: Served) -> None:
    browser = night.signed_in("operator")
    told = browser.get(f"{PAGE}.json").json
    assert (told["actions"], told["run"], told["elsewhere"]) == (["resume"], None, False)
    token = browser.get(PAGE).token
    answer = browser.post(f"{PAGE}/start", {"csrf": token, "reason": "x", "workers": "1", "at_once": "1"})
    assert (answer.status, answer.json["code"]) == (409, "night-planned")
