"""The pages of settlement and of a meter in a browser: drawn under the policy, fit for a phone, in order for who listens."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page

from kwartier.export.pictures.palette import PAPER, Scheme
from tests.market.files import ean
from tests.service.settling.village import DAY
from tests.web.chromium import window

WHY = "purpose=settlement&reason=a+question"
PATHS = (
    "/settlement?from=2026-11-01&to=2026-11-30",
    f"/settlement/{DAY}",
    f"/settlement/{DAY}?{WHY}",
    "/meter",
    f"/meter/{ean(3)}?from={DAY}&to={DAY}",
    f"/meter/{ean(3)}?from={DAY}&to={DAY}&{WHY}",
)
LOOKS: Sequence[tuple[Literal["light", "dark"], str, str]] = (
    ("light", "nl", "phone"),
    ("dark", "en", "phone"),
    ("dark", "nl", "desktop"),
    ("light", "en", "desktop"),
)
FAULTS = """() => {
  const all = (what) => [...document.querySelectorAll(what)], faults = [];
  const levels = all("h1, h2, h3").map((one) => Number(one.tagName[1]));
  if (levels.filter((one) => one === 1).length !== 1) faults.push("one h1");
  levels.forEach((one, at) => { if (at && one > levels[at - 1] + 1) faults.push("a level is left out"); });
  for (const one of all("main table"))
    if (!one.caption && !one.ariaLabel && !one.hasAttribute("aria-labelledby")) faults.push("a table without a name");
  for (const one of all("th")) if (!one.scope) faults.push("a head without a scope");
  for (const one of all("main input:not([type=hidden]), main select, main textarea"))
    if (!one.labels.length) faults.push(`${one.name} without a label`);
  for (const one of all("[aria-labelledby], [aria-describedby]"))
    for (const name of ["aria-labelledby", "aria-describedby"])
      if (one.hasAttribute(name) && !document.getElementById(one.getAttribute(name))) faults.push(`no ${name}`);
  const ids = all("[id]").map((one) => one.id);
  if (new Set(ids).size !== ids.length) faults.push("an id twice");
  for (const one of all(".scroll")) if (one.tabIndex !== 0) faults.push("a scroller without a key");
  for (const one of all("[role=img], [role=region]"))
    if (!one.getAttribute("aria-label") && !one.getAttribute("aria-labelledby")) faults.push("a region without a name");
  if (document.documentElement.scrollWidth > innerWidth) faults.push("wider than the window");
  return faults;
}"""


def drawn(page: Page) -> int:
    """How many charts are there, once they are drawn."""
    count = page.locator(".chart .plot").count()
    for one in page.locator(".chart .plot").all():
        one.locator(".main-svg").first.wait_for()
    return count


@pytest.mark.parametrize(("scheme", "language", "size"), LOOKS)
def test_pages_are_drawn_fit_and_can_be_listened_to(
    home: Path, scheme: Literal["light", "dark"], language: str, size: str
) -> None:
    with window(home) as found, found.page(scheme=scheme, language=language, size=size) as page:
        found.sign_in(page, "keeper")
        for path in PATHS:
            page.goto(path)
            assert page.locator("html").get_attribute("lang") == language
            charts = drawn(page)
            assert (charts > 0) == (WHY in path), path
            assert page.evaluate(FAULTS) == [], path


def test_somebody_says_why_by_keyboard_and_prints_it_in_the_light(home: Path) -> None:
    with window(home) as found, found.page(scheme="dark", language="en") as page:
        found.sign_in(page, "settler")
        page.goto(f"/settlement/{DAY}")
        page.get_by_label("Reason").focus()
        page.keyboard.type("a question")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.locator(".said", has_text="a question").wait_for()
        assert drawn(page) == 4
        ground = "document.querySelector('.main-svg').style.background"
        dark, light = (int(PAPER.of(one)[1:3], 16) for one in (Scheme.DARK, Scheme.LIGHT))
        assert f"rgb({dark}, " in page.evaluate(ground)
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert f"rgb({light}, " in page.evaluate(ground)
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert f"rgb({dark}, " in page.evaluate(ground)
