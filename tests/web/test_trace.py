"""A traced visit on a page: the structure for who mends, values for who may see them, and a copy that is nobody's."""

import json
import re
from collections.abc import Iterator
from typing import Literal

import pytest

from tests.service.tracing.conftest import NOW, Place, Traced
from tests.web.chromium import Window, window
from tests.web.installation import Served, served
from tests.web.test_api import recorded

WHY = "reason=complaint+4711"


@pytest.fixture
def street(traces: Place) -> Iterator[Served]:
    with served(traces.path, NOW) as found:
        yield found


@pytest.fixture
def traced(traces: Place) -> Traced:
    return traces.traced["wrapper"]


def value_of(traced: Traced) -> str:
    return f"double-long-unsigned {int(traced.readings.registers['import_wh'][5])}"


def looks(here: Served) -> list[tuple[str, str, str, str]]:
    return [one for one in recorded(here) if one[0].startswith("account:")]


def test_a_purpose_comes_first_and_nothing_is_shown_without(street: Served, traced: Traced) -> None:
    text = street.signed_in("fitter").get(f"/trace/{traced.trace}", accept_language="en").text
    assert 'name="purpose" value="maintenance"' in text
    assert 'class="octets"' not in text
    assert looks(street) == []


def test_for_maintenance_there_is_structure_and_no_value(street: Served, traced: Traced) -> None:
    address = f"/trace/{traced.trace}?purpose=maintenance&{WHY}"
    answer = street.signed_in("fitter").get(address, accept_language="en")
    assert answer.status == 200, answer.text
    assert answer.header("cache-control") == "no-store"
    assert "nothing was deciphered" in answer.text
    assert value_of(traced) not in answer.text
    assert 'class="piece ciphering masked"' in answer.text
    assert "Copy as a test case" not in answer.text
    assert looks(street) == [("account:fitter", "maintenance", "complaint 4711", "granted")]


def test_for_a_complaint_each_byte_leads_to_what_it_is(street: Served, traced: Traced) -> None:
    before = looks(street)
    address = f"/trace/{traced.trace}?purpose=complaint&{WHY}"
    browser = street.signed_in("desk")
    text = browser.get(address, accept_language="en").text
    assert value_of(traced) in text
    assert looks(street)[len(before) :] == [("account:desk", "complaint", "complaint 4711", "granted")]
    wanted, rows = set(re.findall(r'data-field="(\d+)"', text)), set(re.findall(r'<tr id="f(\d+)"', text))
    assert wanted
    assert wanted <= rows
    told = browser.get(f"/trace/{traced.trace}.json?purpose=complaint&{WHY}").json
    assert told["masked"] is False
    assert value_of(traced) in json.dumps(told["part"])


@pytest.mark.parametrize(
    ("who", "purpose", "status", "code"),
    [
        ("fitter", "complaint", 403, "wrong-role"),
        ("desk", "maintenance", 403, "wrong-role"),
        ("customer", "customer", 403, "not-own-connection"),
        ("settler", "settlement", 403, "wrong-source"),
        ("desk", "curiosity", 403, "unknown-purpose"),
    ],
)
def test_who_has_no_business_with_it_sees_nothing(
    street: Served, traced: Traced, who: str, purpose: str, status: int, code: str
) -> None:
    answer = street.signed_in(who).get(f"/trace/{traced.trace}?purpose={purpose}&{WHY}")
    assert (answer.status, code in answer.text, 'class="octets"' in answer.text) == (status, True, False)


def test_what_is_not_there_is_said_and_a_reason_demanded(street: Served, traced: Traced) -> None:
    browser = street.signed_in("fitter")
    for name in ("nowhere", "%22%3E%3Cscript", "0" * 32):
        answer = browser.get(f"/trace/{name}?purpose=maintenance&{WHY}")
        assert (answer.status, "unknown-trace" in answer.text, "<script>" in answer.text) == (404, True, False)
    assert browser.get(f"/trace/{traced.trace}?purpose=maintenance").status == 400
    street.clock.at = NOW + 8 * 86_400
    later = street.signed_in("fitter").get(f"/trace/{traced.trace}?purpose=maintenance&{WHY}")
    assert (later.status, "unknown-trace" in later.text) == (404, True)


def test_a_copy_is_a_file_in_which_nothing_is_of_anybody(street: Served, traced: Traced) -> None:
    browser = street.signed_in("desk")
    page = browser.get(f"/trace/{traced.trace}?purpose=complaint&{WHY}")
    fields = {"csrf": page.token, "purpose": "complaint", "reason": "complaint 4711"}
    answer = browser.post(f"/trace/{traced.trace}/copy", fields)
    assert (answer.status, answer.header("cache-control")) == (200, "no-store")
    assert answer.header("content-disposition") == 'attachment; filename="trace.vectors"'
    title = traced.meter.system_title
    assert title is not None
    assert title.hex().upper() not in answer.text.upper()
    assert traced.meter.ean not in answer.text
    assert browser.post(f"/trace/{traced.trace}/copy", {**fields, "csrf": "0" * 64}).status == 403
    refused = street.signed_in("fitter")
    token = refused.get("/").token
    answer = refused.post(f"/trace/{traced.trace}/copy", {"csrf": token, "purpose": "maintenance", "reason": "to see"})
    assert (answer.status, "no-consumption" in answer.text) == (403, True)


def test_the_page_of_a_meter_lists_them_and_asks_for_the_next(street: Served, traced: Traced) -> None:
    browser = street.signed_in("operator")
    address = f"/meter/{traced.meter.meter}"
    page = browser.get(address, accept_language="en")
    assert f'href="/trace/{traced.trace}"' in page.text
    asking = {"csrf": page.token, "meter": traced.meter.meter}
    assert browser.post(f"{address}/trace", asking).status == 400, "no reason"
    answer = browser.post(f"{address}/trace", {**asking, "reason": "it drops lines"})
    assert (answer.status, answer.header("location")) == (303, f"{address}#traces")
    text = browser.get(address, accept_language="en").text
    assert "waits for the next visit" in text
    assert "it drops lines" in text
    seen = street.signed_in("keeper").get(address, accept_language="en").text
    assert traced.trace not in seen, "a keeper of the registry is not told"
    assert street.signed_in("desk").post(f"{address}/trace", asking).status == 403


@pytest.fixture(scope="module")
def seen(traces: Place) -> Iterator[Window]:
    with window(traces.path, lambda: NOW) as found:
        yield found


@pytest.mark.parametrize(("scheme", "language", "size"), [("light", "nl", "phone"), ("dark", "en", "desktop")])
def test_a_byte_is_chosen_by_pointer_and_by_keys(
    seen: Window, traces: Place, scheme: Literal["light", "dark"], language: str, size: str
) -> None:
    traced = traces.traced["hdlc"]
    with seen.page(scheme=scheme, language=language, size=size) as page:
        seen.sign_in(page, "desk")
        page.goto(f"/trace/{traced.trace}?purpose=complaint&{WHY}")
        assert not page.locator("#what").is_visible()
        first = page.locator(".piece[data-field]").first
        first.click()
        assert page.locator("#what li").count() >= 2
        assert first.evaluate("one => one.classList.contains('held')")
        before = page.locator("#what").inner_text()
        page.keyboard.press("ArrowRight")
        assert page.locator("#what").inner_text() != before
        page.keyboard.press("End")
        assert page.locator(".piece[data-field]:focus").count() == 1
        page.keyboard.press("Home")
        page.locator("#what li button").first.click()
        assert page.locator(".piece.held").count() > 1, "the outermost field is the whole frame"
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
