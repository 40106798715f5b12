"""A traced visit on a page: the structure for who mends, values for who may see them, and a copy that is nobody's."""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from kwartier.database import writing
from kwartier.service.tracing import naming
from kwartier.service.views import trace as module
from tests.service.tracing.conftest import AFTER, DAY, NOW, Place, Traced
from tests.somebody import TESTER
from tests.web.browser import Browser
from tests.web.chromium import Window, window
from tests.web.installation import Served, served
from tests.web.test_api import listed, recorded

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


def part_at(browser: Browser, address: str) -> dict[str, Any]:
    found = browser.get(address).json["part"]
    assert isinstance(found, dict)
    return found


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
    for group in ("line", "ciphering", "apdu", "data"):
        assert f'<a class="piece {group}"' in text
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
    before = looks(street)
    browser = street.signed_in("fitter")
    for name in ("nowhere", "%22%3E%3Cscript%3E", "..%5C..%5Ckeys", "%00", "%E2%80%AE", "'%20OR%201=1", "0" * 32):
        answer = browser.get(f"/trace/{name}?purpose=maintenance&{WHY}")
        assert (answer.status, "unknown-trace" in answer.text, "<script>" in answer.text) == (404, True, False)
    for name in ("x" * 65, "..%2F..%2Fkeys"):
        answer = browser.get(f"/trace/{name}?purpose=maintenance&{WHY}")
        assert (answer.status in (400, 404), 'class="octets"' in answer.text) == (True, False)
    assert looks(street) == before, "of what there is not nobody saw anything"
    assert browser.get(f"/trace/{traced.trace}?purpose=maintenance").status == 400
    for part in ("0", "-1", "x", "99999999999"):
        assert browser.get(f"/trace/{traced.trace}?purpose=maintenance&{WHY}&part={part}").status == 400
    street.clock.at = NOW + 8 * 86_400
    later = street.signed_in("fitter")
    for address in (f"/trace/{traced.trace}", f"/trace/{traced.trace}.json", f"/api/v1/traces/{traced.trace}"):
        answer = later.get(f"{address}?purpose=maintenance&{WHY}")
        assert (answer.status, "unknown-trace" in answer.text) == (404, True)
    assert traced.trace not in later.get(f"/meter/{traced.meter.meter}").text


def test_what_was_erased_is_there_for_nobody(traces: Place, tmp_path: Path) -> None:
    traced = traces.traced["wrapper"]
    path = Path(shutil.copytree(traces.path, tmp_path / "home"))
    with served(path, NOW) as here:
        with writing(here.home.engine) as connection:
            here.home.traces.forget_within(connection, traced.meter.ean, [(DAY, AFTER)])
        desk = here.signed_in("desk")
        page = desk.get(f"/trace/{traced.trace}?purpose=complaint&{WHY}")
        assert (page.status, "unknown-trace" in page.text) == (404, True)
        fields = {"csrf": desk.get("/").token, "purpose": "complaint", "reason": "complaint 4711"}
        assert desk.post(f"/trace/{traced.trace}/copy", fields).status == 404


def test_programs_are_told_the_same(street: Served, traced: Traced) -> None:
    desk = street.signed_in("desk")
    (one,) = listed(desk.get(f"/api/v1/traces?meter={traced.meter.meter}").json, "items")
    assert (one["trace"], one["state"], one["connection"]) == (traced.trace, "kept", traced.meter.ean)
    assert traced.trace in desk.get("/api/v1/traces.csv").text
    before = looks(street)
    answer = desk.get(f"/api/v1/traces/{traced.trace}?purpose=complaint&{WHY}")
    assert (answer.json["masked"], answer.header("cache-control")) == (False, "no-store")
    assert value_of(traced) in answer.text
    refused = desk.get(f"/api/v1/traces/{traced.trace}")
    assert (refused.status, refused.json["code"]) == (403, "no-purpose")
    assert looks(street)[len(before) :] == [
        ("account:desk", "complaint", "complaint 4711", "granted"),
        ("account:desk", "", "", "no-purpose"),
    ]
    answer = street.signed_in("fitter").get(f"/api/v1/traces/{traced.trace}?purpose=maintenance&{WHY}")
    assert (answer.json["masked"], value_of(traced) in answer.text) == (True, False)
    assert street.signed_in("settler").get("/api/v1/traces").status == 403


def test_a_trace_that_is_longer_than_a_page_has_parts(
    street: Served, traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PART_BYTES", 1_024)
    browser, why = street.signed_in("desk"), f"purpose=complaint&{WHY}"
    before, sizes, texts = len(looks(street)), [], []
    parts = part_at(browser, f"/trace/{traced.trace}.json?{why}")["parts"]
    for part in range(1, parts + 1):
        told = part_at(browser, f"/trace/{traced.trace}.json?{why}&part={part}")
        rows = [row for frame in told["frames"] for row in frame["rows"]]
        sizes.append(sum(len(piece["octets"]) for row in rows for piece in row["pieces"]))
        texts.append(browser.get(f"/trace/{traced.trace}?{why}&part={part}", accept_language="en").text)
    assert max(sizes) <= 1_024
    assert sum(sizes) == told["size"]
    assert len(looks(street)) - before == 1 + 2 * parts, "each part is a look of its own"
    for name, missing in (("prev", 0), ("next", parts - 1)):
        assert [f'rel="{name}"' in text for text in texts] == [place != missing for place in range(parts)]
    assert any("bytes (here " in text for text in texts), "of a frame that is longer than a page it says what is here"


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
    known = naming.listed(street.home, actor=TESTER, wall=lambda: NOW)
    made = next(one for one in known if one.reason == "it drops lines")
    there = f"{address}?traced={made.id}"
    assert (answer.status, answer.header("location")) == (303, f"{there}#traces")
    said = f"The next visit to {traced.meter.meter} will be traced"
    text = browser.get(there, accept_language="en").text
    assert "waits for the next visit" in text
    assert "it drops lines" in text
    assert said in text
    for other in (address, f"{address}?traced={traced.trace}", f"{address}?traced=%3Cscript%3E"):
        assert said not in browser.get(other, accept_language="en").text
    assert browser.post(f"{address}/trace", {**asking, "csrf": "0" * 64, "reason": "x"}).status == 403
    answer = browser.post(f"{address}/trace", {**asking, "meter": "nowhere", "reason": "x"})
    assert (answer.status, "unknown-meter" in answer.text) == (404, True)
    seen = street.signed_in("keeper").get(address, accept_language="en").text
    assert traced.trace not in seen, "a keeper of the registry is not told"
    assert street.signed_in("desk").post(f"{address}/trace", asking).status == 403


@pytest.fixture(scope="module")
def seen(traces: Place) -> Iterator[Window]:
    with window(traces.path, lambda: NOW) as found:
        yield found


LOOKS: Sequence[tuple[Literal["light", "dark"], str, str, int]] = (
    ("light", "nl", "phone", 8),
    ("dark", "en", "desktop", 16),
)
"""With how many bytes a row has there."""
BYTE = ".bytes > .piece > span"
CHOSEN = f"{BYTE}[aria-selected]"


@pytest.mark.parametrize(("scheme", "language", "size", "wide"), LOOKS)
def test_a_byte_is_chosen_by_pointer_and_by_keys(
    seen: Window, traces: Place, scheme: Literal["light", "dark"], language: str, size: str, wide: int
) -> None:
    traced = traces.traced["hdlc"]
    with seen.page(scheme=scheme, language=language, size=size) as page:
        seen.sign_in(page, "desk")
        page.goto(f"/trace/{traced.trace}?purpose=complaint&{WHY}")
        assert page.locator(CHOSEN).count() == 0
        assert not page.locator("#fields tbody").is_visible(), "the panel says what the table does"
        said = page.locator("#what [aria-live]")
        page.locator(".piece.data > span").nth(40).click()
        assert page.locator("#what li").count() >= 4
        assert page.locator(".piece.data.held > span[aria-selected]").count() == 1
        page.locator(BYTE).first.click()
        assert said.inner_text().startswith("Byte 0: 7E")
        for key, at in (
            ("ArrowRight", 1),
            ("ArrowRight", 2),
            ("ArrowLeft", 1),
            ("ArrowDown", 1 + wide),
            ("End", 2 * wide - 1),
            ("Home", wide),
            ("ArrowUp", 0),
            ("ArrowUp", 0),
            ("ArrowLeft", 0),
        ):
            page.keyboard.press(key)
            assert said.inner_text().startswith(f"Byte {at}:"), key
            assert page.locator(f"{CHOSEN}:focus").count() == 1
            assert page.locator(f"{BYTE}[tabindex='0']").count() == 1
        page.keyboard.press("PageDown")
        assert page.locator(".dump").nth(1).locator(CHOSEN).count() == 1
        page.keyboard.press("PageUp")
        page.keyboard.press("Control+End")
        last = page.locator(BYTE).last
        assert page.locator(CHOSEN).bounding_box() == last.bounding_box()
        page.keyboard.press("ArrowDown")
        assert page.locator(f"{CHOSEN}:focus").count() == 1, "there is nothing behind the last"
        box, panel = page.locator(CHOSEN).bounding_box(), page.locator("#what").bounding_box()
        assert box is not None
        assert panel is not None
        is_beside = box["x"] + box["width"] <= panel["x"]
        assert is_beside or box["y"] + box["height"] <= panel["y"], "what has the focus is not covered"
        page.locator("#what li button").first.click()
        assert page.locator("#what button[aria-pressed=true]").count() == 1
        frame = page.locator(".frame").last.locator(".dump").first
        assert frame.locator(".piece:not(.held)").count() == 0, "the outermost field is the whole frame"
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_without_a_script_each_byte_leads_to_its_field(seen: Window, traces: Place) -> None:
    with seen.page(language="en", scripts=False) as page:
        seen.sign_in(page, "desk")
        page.goto(f"/trace/{traces.traced['wrapper'].trace}?purpose=complaint&{WHY}")
        assert not page.locator("#what").is_visible()
        page.locator("a.piece.data").nth(5).click()
        row = page.locator("tr:target")
        assert row.count() == 1
        assert row.is_visible()
        assert row.locator("td").nth(2).inner_text() == "data (deciphered)"


def test_where_values_are_not_shown_the_panel_says_so(seen: Window, traces: Place) -> None:
    with seen.page(language="en") as page:
        seen.sign_in(page, "fitter")
        page.goto(f"/trace/{traces.traced['wrapper'].trace}?purpose=maintenance&{WHY}")
        page.locator(".piece.masked[data-field] > span").first.click()
        assert page.locator("#what [aria-live]").inner_text() == "Byte 77: ciphertext not shown"
