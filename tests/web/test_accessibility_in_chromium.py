"""Every page by the rules of WCAG 2.2, level AA, and by keyboard, in the light and in the dark, on a phone and on a desk.

The rules are those of axe-core. Its script is evaluated by the debugging protocol of the browser, which the policy of a page
does not bind, so that the policy stands while the rules run.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page

from kwartier.service.home import open_home
from kwartier.service.views import trace as trace_view
from kwartier.service.views.tonight import Nights
from tests.market.files import ean
from tests.service.settling.village import DAY
from tests.service.tracing.conftest import NOW, Place
from tests.service.validating.a_street import ONE_DAY
from tests.service.views import test_gaps as gaps
from tests.service.views import test_tonight as tonight
from tests.web.chromium import Window, window
from tests.web.installation import let_in
from tests.web.nights import Pretended
from tests.web.test_breaking import Heard
from tests.web.test_screens_in_chromium import FAULTS, WHY, drawn

AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
RULES = {"runOnly": {"type": "tag", "values": TAGS}, "rules": {"target-size": {"enabled": True}}}
"""The size of targets is off in axe-core unless somebody asks for it."""
BROKEN = """async (rules) => (await axe.run(document, {...rules, resultTypes: ["violations"]})).violations.flatMap(
    (one) => one.nodes.map((node) => `${one.id} at ${node.target.join(" ")}: ${node.failureSummary}`))"""
OPENED = """() => document.querySelectorAll("details").forEach((one) => { one.open = true; })"""
RAN = """async (rules) => (await axe.run(document, rules)).passes.map((one) => one.id)"""
UNREACHED = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
    .filter((one) => one.checkVisibility({visibilityProperty: true}) && !one.disabled && one.type !== "hidden")
    .filter((one) => !(one.tabIndex < 0 && one.closest(".dump")))
    .filter((one) => !window.visited.has(one.type === "radio" ? one.name : one)).map((one) => one.outerHTML.slice(0, 80))"""
"""Of radio buttons of one name one is reached by Tab, and the others from there by arrows; so it is with bytes."""
LISTEN = """() => {
  window.visited = new Set(); window.unseen = [];
  document.addEventListener("focusin", ({target}) => {
    window.visited.add(target.type === "radio" ? target.name : target);
    const {outlineStyle, outlineWidth, outlineColor} = getComputedStyle(target);
    const ground = getComputedStyle(document.documentElement).backgroundColor;
    if (outlineStyle === "none" || parseFloat(outlineWidth) < 2 || outlineColor === ground)
      window.unseen.push(target.outerHTML.slice(0, 80));
  });
}"""
SCROLLERS = """() => [...document.querySelectorAll("body *")].filter((one) => one.scrollWidth > one.clientWidth + 1
    && ["auto", "scroll"].includes(getComputedStyle(one).overflowX) && one.tabIndex !== 0)
    .map((one) => one.outerHTML.slice(0, 80))"""
"""What scrolls sideways and cannot be scrolled by keyboard."""
PRINTED = """() => [...document.querySelectorAll("nav, form, button, .button, .skip")]
    .filter((one) => one.checkVisibility()).map((one) => one.outerHTML.slice(0, 80))"""
SPOILT = """() => {
  const make = (text) => document.querySelector("main").insertAdjacentHTML("beforeend", text);
  document.querySelector(".skip").tabIndex = -1;
  document.querySelector("h1").outerHTML = "<h3>Titel</h3>";
  make("<p id=pale>bleek</p><input name=nameless><div id=side>nowhere to be seen, and further than the edge</div><nav>x</nav>");
  document.querySelector("main nav").style.setProperty("display", "block", "important");
  document.getElementById("pale").style.color = "#777";
  Object.assign(document.getElementById("side").style, {width: "3rem", overflowX: "auto", whiteSpace: "nowrap"});
  make("<a href='/a' class=near>a</a><a href='/b' class=near>b</a>");
  for (const one of document.querySelectorAll(".near"))
    Object.assign(one.style, {outline: "none", display: "inline-block", fontSize: "8px"});
}"""
MAX_TABS = 400
PROBLEM = "/tonight/1066-10-14"
"""A day that no installation has."""
REFUSED = "Failed to load resource: the server responded with a status of 400 (Bad Request)"
"""What the browser itself says of a page with that status."""
NIGHT = f"/tonight/{tonight.DAY}"
OPERATORS = ("/", "/tonight", f"/tonight/{tonight.DAY - ONE_DAY}", f"{NIGHT}/start", f"{NIGHT}/stop")
"""Nothing is running, so that a night may be started, and may not be stopped: the page that says so is among them."""
KEEPERS = (
    "/meter",
    f"/meter/{ean(3)}?from={DAY}&to={DAY}",
    f"/meter/{ean(3)}?from={DAY}&to={DAY}&{WHY}",
    "/settlement?from=2026-11-01&to=2026-11-30",
    f"/settlement/{DAY}",
    f"/settlement/{DAY}?{WHY}",
    PROBLEM,
)
LATER = gaps.DAY + 2 * ONE_DAY
COHORT = f"/gaps/cohort?axis=cell&within=noord&cohort=c3&day={gaps.DAY}"
ONE_WHY = "purpose=validation&reason=a+question"
GAPS = (
    f"/gaps?day={LATER}&days=7",
    f"/gaps?by=hour&axis=cell&day={gaps.DAY}",
    "/gaps?day=2025-06-01",
    COHORT,
    f"{COHORT}&{ONE_WHY}",
)
LOOKS: Sequence[tuple[Literal["light", "dark"], str, str]] = (("light", "nl", "phone"), ("dark", "en", "desktop"))


@pytest.fixture(scope="module")
def mixed_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a street with gaps for every reason; nothing changes it."""
    with gaps.three_cells(tmp_path_factory.mktemp("gaps")) as street:
        gaps.a_mixed_day(street)
        street.validate(gaps.DAY)
        let_in(street.home, street.now(gaps.DAY))
        return street.home.path


@pytest.fixture
def village(home: Path) -> Iterator[Window]:
    """A settled day, and a night in its middle that nobody carries out."""
    with open_home(home) as opened:
        tonight.filled(opened)
    with window(home) as found:
        desk = found.app.state.desk
        nights = Nights(desk.home, wall=lambda: float(tonight.NOW))
        found.app.state.desk = replace(
            desk, wall=lambda: float(tonight.NOW), nights=nights, control=Pretended(desk.home)
        )
        yield found


@pytest.fixture
def street(mixed_day: Path) -> Iterator[Window]:
    with window(mixed_day) as found:
        yield found


@pytest.fixture
def demonstrated(traces: Place) -> Iterator[Window]:
    """Two visits that were traced, in a demonstration."""
    with window(traces.path, lambda: NOW) as found:
        found.app.state.desk = replace(found.app.state.desk, breaking=Heard())
        yield found


def faults(page: Page) -> dict[str, object]:
    """What is wrong with the page that is shown, by what looks for it."""
    drawn(page)
    page.evaluate(AXE)
    page.evaluate(OPENED)
    found: dict[str, object] = {
        "axe": page.evaluate(BROKEN, RULES),
        "shape": page.evaluate(FAULTS),
        "scrollers": page.evaluate(SCROLLERS),
        **_tabbed(page),
    }
    page.emulate_media(media="print")
    found["printed"] = page.evaluate(PRINTED)
    page.emulate_media(media="screen")
    return {name: value for name, value in found.items() if value}


def _tabbed(page: Page) -> dict[str, object]:
    """From the first to the last by Tab: what is never reached, and what does not show that it is."""
    page.evaluate(LISTEN)
    page.keyboard.press("Tab")
    is_first = page.evaluate("document.activeElement.className === 'skip' && document.activeElement.offsetLeft >= 0")
    for _ in range(MAX_TABS):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body || document.activeElement.className === 'skip'"):
            break
    return {
        "skip": "" if is_first else "the first is no way past the head",
        "unseen": page.evaluate("window.unseen"),
        "unreached": page.evaluate(UNREACHED),
    }


@pytest.mark.parametrize(("scheme", "language", "size"), LOOKS)
def test_pages_of_the_village_keep_the_rules(
    village: Window, scheme: Literal["light", "dark"], language: str, size: str
) -> None:
    found = {}
    for who, paths in (("", ("/", "/sign-in")), ("operator", OPERATORS), ("keeper", KEEPERS)):
        with village.page(scheme=scheme, language=language, size=size) as page:
            if who:
                village.sign_in(page, who)
            for path in paths:
                answer = page.goto(path)
                assert answer is not None
                if answer.status != 200:
                    assert path == PROBLEM
                    village.complaints.remove(REFUSED)
                found[path] = faults(page)
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(("scheme", "language", "size"), LOOKS)
def test_pages_of_gaps_keep_the_rules(
    street: Window, scheme: Literal["light", "dark"], language: str, size: str
) -> None:
    with street.page(scheme=scheme, language=language, size=size) as page:
        street.sign_in(page, "keeper")
        for path in GAPS:
            page.goto(path)
            assert faults(page) == {}, path


@pytest.mark.parametrize(("scheme", "language", "size"), LOOKS)
def test_a_traced_visit_and_what_a_demonstration_adds_keep_the_rules(
    demonstrated: Window,
    traces: Place,
    monkeypatch: pytest.MonkeyPatch,
    scheme: Literal["light", "dark"],
    language: str,
    size: str,
) -> None:
    monkeypatch.setattr(trace_view, "PART_BYTES", 400)  # a few frames of each kind: the rules look at every byte
    trace = traces.traced["hdlc"].trace
    why = "reason=a+question"
    with demonstrated.page(scheme=scheme, language=language, size=size) as page:
        demonstrated.sign_in(page, "desk")
        for path in (f"/trace/{trace}", f"/trace/{trace}?purpose=complaint&{why}"):
            answer = page.goto(path)
            assert answer is not None
            assert (answer.status, faults(page)) == (200, {}), path
        page.locator(".piece[data-field]").first.click()
        assert page.evaluate(BROKEN, RULES) == [], "with a byte chosen"
    with demonstrated.page(scheme=scheme, language=language, size=size) as page:
        demonstrated.sign_in(page, "operator")
        for path in (f"/meter/{traces.traced['hdlc'].meter.meter}", "/tonight"):
            answer = page.goto(path)
            assert answer is not None
            assert (answer.status, faults(page)) == (200, {}), path
        assert page.locator("#break select").count() == 2


def test_each_of_these_looks_finds_what_it_looks_for(street: Window) -> None:
    """A page with everything wrong with it; and the rules that matter do run."""
    with street.page(size="phone") as page:
        page.goto("/sign-in")
        page.evaluate(AXE)
        ran = set(page.evaluate(RAN, RULES))
        assert {"color-contrast", "target-size", "label", "html-has-lang", "document-title"} <= ran
        page.evaluate(SPOILT)
        assert set(faults(page)) == {"axe", "shape", "scrollers", "unseen", "unreached", "printed", "skip"}
        said = " ".join(page.evaluate(BROKEN, RULES))
        assert [one for one in ("color-contrast", "target-size", "label") if f"{one} at" not in said] == []
