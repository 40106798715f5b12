"""What stands under every page, as a browser shows it: signing in, choosing, charts, pictures, live parts, under the policy."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import pytest
from jinja2 import ChoiceLoader, DictLoader
from starlette.requests import Request
from starlette.responses import Response

from kwartier.export.pictures.palette import MARKS, Kind, Scheme
from kwartier.web import rendering
from kwartier.web.desk import desk_of, may_listen
from kwartier.web.pictures import colour, marker
from tests.conftest import ROOT
from tests.web.chromium import Window, window

TRIED = """{% extends "layout.html" %}{% import "charts.html" as charts %}
{% block head %}{{ charts.head() }}<script src="{{ file('live.js') }}" defer></script>{% endblock %}
{% block content %}<h1>{{ t("nav.first") }}</h1>
{{ charts.chart("/tried.json", "bars", "summary") }}
{{ charts.picture("/tried.svg", "cells", theme) }}
{{ charts.legend(t, kinds) }}
<section data-live="/tried/events" data-topic="tried"><span id="told" data-fact="deep.count"></span>
<span id="part" data-fact="deep.part" data-form="share"></span></section>{% endblock %}"""
LOOKS: Sequence[tuple[Literal["light", "dark"], str, str]] = (
    ("light", "0", "1\u202f234"),
    ("dark", "1\u202f234", "2\u202f468"),
)
"""In which light, and what is told before and after something happens."""
KINDS = [kind.value for kind in Kind]


@pytest.fixture
def shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Window]:
    """A server with one page more, on which everything is that pages may have."""
    templates = rendering.environment()
    assert templates.loader is not None
    monkeypatch.setattr(templates, "loader", ChoiceLoader([templates.loader, DictLoader({"tried.html": TRIED})]))
    with window(home) as found:
        _add(found)
        yield found


def _add(there: Window) -> None:
    told: list[int] = []

    def tried(request: Request) -> Response:
        return rendering.page(request, "tried.html", {"kinds": KINDS})

    def figure() -> Mapping[str, object]:
        bars = [{"type": "bar", "x": [1, 2], "y": [3, 1], "marker": marker(kind), "name": kind} for kind in Kind]
        line = {
            "type": "scatter",
            "x": [1, 2],
            "y": [1, 3],
            "line": {"color": colour(Kind.MEASURED)},
            "fill": "tozeroy",
        }
        return {"figure": {"data": [*bars, line], "layout": {"barmode": "stack"}}}

    def picture(scheme: Scheme) -> Response:
        assert scheme in Scheme
        return Response((ROOT / "docs/pictures/completeness.svg").read_bytes(), media_type="image/svg+xml")

    def look() -> Mapping[str, object]:
        return {"deep": {"count": 1_234 * len(told), "part": 0.99999}}

    async def events(request: Request) -> Response:
        return desk_of(request).feeds.stream("tried", look, every_s=0.01, may_go_on=may_listen(request))

    async def tell() -> None:
        told.append(1)

    for path, route in (("/tried", tried), ("/tried.json", figure), ("/tried.svg", picture), ("/tried/events", events)):
        there.app.add_api_route(path, route, include_in_schema=False, response_model=None)
    there.app.add_api_route("/tell", tell, include_in_schema=False)


def test_everything_that_a_page_may_have_keeps_the_policy(shown: Window) -> None:
    """Drawn in the inks of the palette by day and by night, and told while it happens."""
    for scheme, before, after in LOOKS:
        with shown.page(scheme=scheme, language="en") as page:
            shown.sign_in(page, "operator")
            page.goto("/tried")
            page.locator(".main-svg").first.wait_for()
            line = page.locator(".scatterlayer .js-line").first
            drawn = line.evaluate("(element) => getComputedStyle(element).stroke")
            ink = MARKS[Kind.MEASURED].ink.of(Scheme(scheme))
            assert drawn == f"rgb({', '.join(str(int(ink[at : at + 2], 16)) for at in (1, 3, 5))})"
            assert page.locator("img.picture").evaluate("(element) => element.naturalWidth") > 0
            assert page.locator("img.picture").evaluate("(element) => element.currentSrc").endswith(f"scheme={scheme}")
            page.mouse.move(400, 300)
            page.locator("#told", has_text=before).wait_for()
            page.evaluate("fetch('/tell')")
            page.locator("#told", has_text=after).wait_for()
            assert page.locator("#part").inner_text() == "99.9\u202f%"


@pytest.mark.parametrize("size", ["phone", "desktop"])
def test_the_first_page_is_used_by_keyboard_and_fits(shown: Window, size: str) -> None:
    for language, title in (("nl", "Aanmelden"), ("en", "Sign in")):
        with shown.page(size=size, language=language) as page:
            page.goto("/")
            assert page.locator("h1").inner_text() == title
            assert page.locator("html").get_attribute("lang") == language
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.className") == "skip"
            page.keyboard.press("Enter")
            assert page.evaluate("document.activeElement.id") == "content"
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            for field in page.locator("input:not([type=hidden])").all():
                assert page.locator(f"label[for={field.get_attribute('id')}]").count() == 1


def test_a_choice_holds_without_any_script(shown: Window) -> None:
    with shown.page(scripts=False, scheme="light") as page:
        shown.sign_in(page, "operator")
        page.get_by_role("button", name="English").click()
        page.get_by_role("button", name="Dark").click()
        assert page.locator("html").get_attribute("data-theme") == "dark"
        assert page.get_by_role("button", name="Sign out").count() == 1
        page.get_by_role("button", name="Sign out").click()
        assert page.locator("h1").inner_text() == "Sign in"
