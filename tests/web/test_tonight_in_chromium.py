"""The page of a night as a browser shows it: it fits, says what it says in both languages, and goes along with the night."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy import update

from kwartier.collect.due import State
from kwartier.database import writing
from kwartier.service.home import open_home
from kwartier.service.views.tonight import Nights
from kwartier.tables import dues
from tests.service.views.test_tonight import DAY, NOW, filled
from tests.web.chromium import Window, window

PAGE = f"/tonight/{DAY}"
Light = Literal["light", "dark"]
LOOKS: tuple[tuple[Light, str, str, str], ...] = (
    ("light", "nl", "phone", "nacht"),
    ("dark", "en", "desktop", "night"),
)
NAMELESS = """[...document.querySelectorAll("a, button, input:not([type=hidden]), [role=region], [role=img], nav")]
    .filter((one) => !(one.innerText || one.ariaLabel || one.getAttribute("aria-labelledby") || one.labels?.length)).length"""


@pytest.fixture
def shown(home: Path) -> Iterator[Window]:
    with open_home(home) as opened:
        filled(opened)
    with window(home) as found:
        desk = found.app.state.desk
        nights = Nights(desk.home, wall=lambda: float(NOW))
        found.app.state.desk = replace(desk, nights=nights)
        yield found


@pytest.mark.parametrize(("scheme", "language", "size", "title"), LOOKS)
def test_the_page_fits_and_keeps_the_policy(shown: Window, scheme: Light, language: str, size: str, title: str) -> None:
    with shown.page(scheme=scheme, language=language, size=size) as page:
        shown.sign_in(page, "operator")
        for address in (PAGE, f"{PAGE}/resume"):
            page.goto(address)
            assert title in page.locator("h1").inner_text()
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert page.evaluate(NAMELESS) == 0
            assert page.locator("h1").count() == 1


def test_the_page_goes_along_with_the_night(shown: Window) -> None:
    """Figures, tiles, causes and bars change with an event, to what the server itself would write."""
    with shown.page(language="nl") as page:
        shown.sign_in(page, "operator")
        page.goto(PAGE)
        assert page.locator("[data-fact='totals.stored']").inner_text() == "60"
        assert page.locator(".tile").first.inner_text().split() == ["c", "Stil", "0/12"]
        home = shown.app.state.desk.home
        with writing(home.engine) as connection:
            some = update(dues).where(dues.c.cell == "c")
            connection.execute(some.values(state=State.STORED, code=None, present=96, settled_at=NOW - 30))
        page.locator("[data-fact='coverage.installed.rate']", has_text="58,0").wait_for()
        page.locator("[data-fact='totals.stored']", has_text="72").wait_for()
        assert page.locator("[data-fact='coverage.installed.rate']").inner_text() == "58,0\u202f%"
        assert page.locator(".tile").first.inner_text().split() == ["b", "Tekort", "20/28"]
        assert page.locator("[data-fact='tally.silent']").inner_text() == "0"
        assert "connect-timeout" not in page.locator("#causes ~ .scroll tbody").first.inner_text()
        assert page.locator(".bar-stored").nth(-2).get_attribute("height") == "12", "the last minute but one"
        live = page.locator("#tonight").inner_text()
        page.reload()
        assert page.locator("#tonight").inner_text() == live


def test_the_page_is_whole_without_any_script(shown: Window) -> None:
    with shown.page(scripts=False, size="desktop") as page:
        shown.sign_in(page, "settler")
        page.goto(PAGE)
        assert page.locator(".tile").count() == 5
        assert page.locator(".actions").count() == 0
        page.locator("summary").first.click()
        assert page.locator("tbody[data-rows=course] tr").first.is_visible()
