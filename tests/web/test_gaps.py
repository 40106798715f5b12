"""The page of gaps: a street whose gaps are known, as figures, as a picture, in both languages and in a browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

import pytest

from kwartier.export.pictures.palette import MARKS, Kind, Scheme
from kwartier.service.views.gaps import LEGEND, Square
from kwartier.web.heat import LEAST, by_kind, heights
from tests.service.validating.a_street import ONE_DAY
from tests.service.views.test_gaps import DAY, a_mixed_day, three_cells
from tests.web.chromium import window
from tests.web.installation import Served, let_in, served
from tests.web.test_api import recorded

LATER = DAY + 2 * ONE_DAY
ASKED = f"day={LATER}&days=7"
SVG = "{http://www.w3.org/2000/svg}"
Light = Literal["light", "dark"]


@pytest.fixture(scope="module")
def gone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a street of which one day was validated, with gaps for every reason; nothing may change it."""
    with three_cells(tmp_path_factory.mktemp("gaps")) as street:
        a_mixed_day(street)
        street.validate(DAY)
        let_in(street.home, street.now(DAY))
        return street.home.path


@pytest.fixture
def street(gone: Path, tmp_path: Path) -> Path:
    return shutil.copytree(gone, tmp_path / "home")


@pytest.fixture
def here(street: Path) -> Iterator[Served]:
    """A server at noon three days after the gaps."""
    with served(street, 1_763_900_000) as found:
        yield found


@pytest.fixture
def in_force(street: Path) -> Iterator[Served]:
    """The same on 4 January 2026: the purposes hold from that year on."""
    with served(street, 1_767_500_000) as found:
        yield found


def rows_of(told: dict[str, object]) -> dict[str, dict[str, object]]:
    lines = told["lines"]
    assert isinstance(lines, list)
    return {one["name"]: one for one in lines}


def test_the_page_and_its_data_count_the_same_gaps(here: Served) -> None:
    browser = here.signed_in("operator")
    told = browser.get(f"/gaps.json?{ASKED}", accept_language="en").json
    assert (told["axis"], told["by"], told["validated"]) == ("kind", "day", 1)
    rows = rows_of(told)
    assert set(rows) == {"Maker 1.0", "Maker 2.0", "all 2"}
    assert rows["Maker 2.0"]["kinds"] == {"measured": 1152, "calculated": 0, "late": 0, "estimated": 0, "missing": 96}
    assert rows["Maker 2.0"]["reasons"] == {"radio": 0, "key": 96, "meter": 0, "us": 0}
    assert rows["all 2"]["reasons"] == {"radio": 96, "key": 96, "meter": 7, "us": 96}
    assert told["causes"] == [
        {"reason": "radio", "late": 0, "estimated": 0, "missing": 96},
        {"reason": "key", "late": 0, "estimated": 0, "missing": 96},
        {"reason": "meter", "late": 0, "estimated": 0, "missing": 7},
        {"reason": "us", "late": 0, "estimated": 0, "missing": 96},
    ]
    squares = rows["Maker 2.0"]["squares"]
    assert squares == [None] * 4 + [{"complete": 0.923077, "reason": "key"}] + [None] * 2, "nothing stands between days"
    dutch = browser.get(f"/gaps?{ASKED}", accept_language="nl").text
    for shown in ("Maker 2.0", "92,3\u202f% S", "Sleutel", "Leverancier en firmware", "niet gecontroleerd"):
        assert shown in dutch, shown
    assert "92.3\u202f% K" in browser.get(f"/gaps?{ASKED}", accept_language="en").text


def test_small_cohorts_are_counted_together_here_too(here: Served) -> None:
    browser = here.signed_in("settler")
    for address in (f"/gaps.json?axis=cell&{ASKED}", f"/gaps.json?axis=cell&by=hour&day={DAY}"):
        rows = rows_of(browser.get(address, accept_language="en").json)
        assert len(rows) == 3
        assert rows["too small: 2 together"]["meters"] == 14
        assert rows["all 3"]["meters"] == 26
    picture = browser.get(f"/gaps/heat.svg?scheme=light&axis=cell&{ASKED}").text
    assert "c3" not in picture, "it has two meters"


def test_hours_of_a_day_and_a_stretch_of_which_nothing_is_known(here: Served) -> None:
    browser = here.signed_in("operator")
    told = browser.get(f"/gaps.json?by=hour&day={DAY}").json
    columns = told["columns"]
    assert isinstance(columns, list)
    assert [one["label"] for one in columns] == [f"{hour:02d}" for hour in range(24)]
    empty = browser.get("/gaps?day=2025-06-01", accept_language="en")
    assert (empty.status, "None of these days has been validated yet" in empty.text) == (200, True)
    assert browser.get("/gaps.json").json["day"] == "2025-11-22", "the last day that is over"


@pytest.mark.parametrize("wrong", ["axis=ean", "by=week", "days=0", "days=63", "day=1066-10-14", "day=x"])
@pytest.mark.parametrize("path", ["/gaps?", "/gaps.json?", "/gaps/heat.svg?scheme=light&"])
def test_what_makes_no_sense_is_refused(here: Served, path: str, wrong: str) -> None:
    assert here.signed_in("operator").get(f"{path}{wrong}").status == 400


@pytest.mark.parametrize(("who", "status"), [("operator", 200), ("customer", 403), ("nobody", 403)])
def test_gaps_are_shown_to_staff(here: Served, who: str, status: int) -> None:
    browser = here.signed_in(who)
    for path in ("/gaps", "/gaps.json", "/gaps/heat.svg?scheme=dark"):
        assert browser.get(path).status == status


ONE = f"/gaps/cohort?axis=cell&within=noord&cohort=c3&day={DAY}"
WHY = "purpose=validation&reason=cell+c3+is+silent"


@pytest.mark.parametrize(("who", "has"), [("operator", True), ("keeper", True), ("settler", False)])
def test_one_cohort_is_offered_to_whoever_may_validate(here: Served, who: str, has: bool) -> None:
    for address in (f"/gaps?axis=cell&{ASKED}", ONE):
        text = here.signed_in(who).get(address, accept_language="en").text
        assert ('action="/gaps/cohort"' in text) == has, address
        assert ('<input id="within"' in text) == has, address
        assert "too small: 2 together" in text or address == ONE, (
            "the names of shown cohorts are proposed, and no others"
        )
        assert '<option value="c3">' not in text


def test_one_small_cohort_is_shown_hour_by_hour_to_who_says_why(in_force: Served) -> None:
    browser = in_force.signed_in("operator")
    before = recorded(in_force)
    assert browser.get(ONE.replace("/cohort", "/cohort.json")).json["hours"] is None
    assert recorded(in_force) == before, "nothing was looked at yet"
    told = browser.get(f"{ONE.replace('/cohort', '/cohort.json')}&{WHY}").json
    assert told["meters"] == 2
    total = told["total"]
    assert isinstance(total, dict)
    assert (total["due"], total["complete"]) == (2 * 96, 0.5)
    assert total["reasons"] == {"radio": 0, "key": 0, "meter": 0, "us": 96}
    hours = told["hours"]
    assert isinstance(hours, list)
    assert [(one["label"], one["due"]) for one in hours] == [(f"{hour:02d}", 8) for hour in range(24)]
    text = browser.get(f"{ONE}&{WHY}", accept_language="nl").text
    assert "<h1>noord c3</h1>" in text
    assert "‘cell c3 is silent’" in text
    assert "50,0\u202f%" in text
    looks = recorded(in_force)[len(before) :]
    assert looks == [("account:operator", "validation", "cell c3 is silent", "granted")] * 2, "the data, and the page"


@pytest.mark.parametrize(
    ("who", "asked", "status", "code"),
    [
        ("settler", WHY, 403, "wrong-role"),
        ("operator", "purpose=maintenance&reason=x", 403, "wrong-source"),
        ("operator", "purpose=curiosity&reason=x", 403, "unknown-purpose"),
        ("operator", "purpose=validation", 400, "no-reason"),
        ("operator", f"day=2025-06-01&{WHY}", 404, "not-validated"),
        ("customer", WHY, 403, "no-role"),
    ],
)
def test_one_cohort_is_refused_as_the_gate_does(in_force: Served, who: str, asked: str, status: int, code: str) -> None:
    answer = in_force.signed_in(who).get(f"{ONE.replace('/cohort', '/cohort.json')}&{asked}")
    assert (answer.status, answer.json["code"]) == (status, code)


def test_a_cohort_of_which_there_is_no_meter_says_so(in_force: Served) -> None:
    text = in_force.signed_in("operator").get(f"{ONE}&{WHY}".replace("c3", "c9", 1), accept_language="en").text
    assert f"No meter was in that cohort on {DAY}." in text


@pytest.mark.parametrize("scheme", list(Scheme))
def test_the_picture_has_what_the_table_has_and_escapes_it(here: Served, scheme: Scheme) -> None:
    browser = here.signed_in("operator")
    answer = browser.get(f"/gaps/heat.svg?scheme={scheme}&{ASKED}", accept_language="en")
    assert (answer.status, answer.header("content-type")) == (200, "image/svg+xml")
    root = ET.fromstring(answer.body)
    texts = [one.text for one in root.iter(f"{SVG}text")]
    assert texts.count("K") == 1
    assert texts.count("–") == 3 * 6, "six of seven days were not validated"
    assert "92.3\u202f%" in texts
    drawn = [one.get("class") for one in root.iter(f"{SVG}rect") if one.get("class")]
    assert {"measured", "missing"} <= set(drawn)
    assert MARKS[Kind.MISSING].ink.of(scheme) in answer.text
    again = browser.get(
        f"/gaps/heat.svg?scheme={scheme}&{ASKED}", accept_language="en", if_none_match=answer.header("etag")
    )
    assert again.status == 304


def test_one_quarter_in_thousands_is_seen_in_a_square_and_all_of_it_is_filled() -> None:
    counts = [0] * len(LEGEND)
    counts[0], counts[-1] = 99_999, 1
    square = Square(due=100_000, known=99_999, kind="missing", reason="us", counts=tuple(counts))
    assert by_kind(square) == [99_999, 0, 0, 0, 1]
    full = heights(Square(due=4, known=4, kind="measured", reason="", counts=(4, *[0] * (len(LEGEND) - 1))))
    found = heights(square)
    assert (found[-1], sum(found)) == (LEAST, sum(full))


@pytest.mark.parametrize(("scheme", "language", "size"), [("light", "nl", "phone"), ("dark", "en", "desktop")])
def test_the_page_in_a_browser(street: Path, scheme: Light, language: str, size: str) -> None:
    with window(street) as shown, shown.page(scheme=scheme, language=language, size=size) as page:
        shown.sign_in(page, "operator")
        for address in (f"/gaps?{ASKED}", f"/gaps?by=hour&axis=cell&day={DAY}", "/gaps?day=2025-06-01"):
            page.goto(address)
            assert page.locator("h1").inner_text() == {"nl": "Gaten", "en": "Gaps"}[language]
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.goto(f"/gaps?{ASKED}")
        image = page.locator("img.picture")
        assert image.evaluate("(element) => element.decode().then(() => element.naturalWidth)") > 0
        assert image.evaluate("(element) => element.currentSrc").endswith(f"scheme={scheme}")
        page.get_by_label({"nl": "Groepen", "en": "Cohorts"}[language]).select_option("area")
        page.get_by_role("button", name={"nl": "Tonen", "en": "Show"}[language]).first.click()
        page.get_by_role("rowheader", name="noord").first.wait_for()
        assert "axis=area" in page.url
