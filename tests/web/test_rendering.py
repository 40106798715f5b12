"""Pages: whatever is put into one is text, what is missing is a mistake, and nothing in one needs what the policy forbids."""

import json
import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from kwartier.export.pictures.palette import INKS, MARKS, Kind, Scheme
from kwartier.web import loaded, rendering
from kwartier.web.pictures import colour, marker
from tests.conftest import ROOT
from tests.web.installation import Served

TEMPLATES = sorted((ROOT / "src" / "kwartier" / "web" / "templates").glob("*.html"))
INLINE = re.compile(r"<style|\bstyle=|<script(?![^>]*\bsrc=)|\son[a-z]+=|javascript:|https?://")
FOREIGN = re.compile(r"@import|https?://|//[a-z]|\beval\b|new Function|innerHTML")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_nothing_in_a_template_is_inline_or_foreign(path: Path) -> None:
    text = path.read_text("utf-8")
    assert INLINE.findall(text) == []
    assert "| safe" not in text
    assert "autoescape" not in text


@pytest.mark.parametrize("name", sorted(set(loaded.everything()) - {loaded.DRAWING, "mark.svg"}))
def test_our_own_scripts_and_styles_load_nothing_from_elsewhere(name: str) -> None:
    text = loaded.everything()[name].octets.decode()
    assert FOREIGN.findall(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)) == []


def test_what_is_put_into_a_page_is_text() -> None:
    made = rendering.environment().from_string('<p title="{{ it }}">{{ it }}</p>')
    assert (
        made.render(it="<script>\"'&") == '<p title="&lt;script&gt;&#34;&#39;&amp;">&lt;script&gt;&#34;&#39;&amp;</p>'
    )


def test_rows_of_quarters_have_every_figure_and_escape_what_is_no_number() -> None:
    series = [
        {"name": "a", "kind": "party", "channel": "", "stack": "", "place": 0, "y": y} for y in ([1_234, None], [-5, 0])
    ]
    chart = {"x": ["2026-03-03T00:15:00+01:00", "<b>"], "series": series}
    made = rendering.environment().from_string("{{ quarter_rows(chart) }}").render(chart=chart)
    first, second = made.splitlines()
    assert first == (
        '<tr><th scope="row">2026-03-03 00:15 +01:00</th><td class="figure">1\u202f234</td><td class="figure">-5</td></tr>'
    )
    assert second.startswith('<tr><th scope="row">&lt;b&gt;')
    assert second.endswith('<td class="figure">–</td><td class="figure">0</td></tr>')


def test_what_is_missing_is_a_mistake() -> None:
    with pytest.raises(UndefinedError):
        rendering.environment().from_string("{{ nothing }}").render()


def test_the_colours_of_pages_are_those_of_pictures() -> None:
    """Written from the palette; in our own stylesheet there is no colour besides."""
    text = loaded.everything()["palette.css"].octets.decode()
    for ink in INKS:
        assert text.count(f"--{ink.name}: {ink.of(Scheme.LIGHT)};") == 3
        assert text.count(f"--{ink.name}: {ink.of(Scheme.DARK)};") == 2
    own = loaded.everything()["page.css"].octets.decode()
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsla?\(", own) == []
    used = set(re.findall(r"var\(--([a-z]+)\)", own)) - {"step", "gap", "wide", "round", "font", "mono"}
    assert used <= {ink.name for ink in INKS}
    for kind in Kind:
        assert f".swatch.{kind}" in own
        assert colour(kind) == f"var(--{MARKS[kind].ink.name})"
        pattern = json.loads(json.dumps(marker(kind)))["pattern"]
        assert pattern["fgcolor"] != pattern["bgcolor"], "a hatching is seen on its ground"


def test_a_file_is_kept_for_good_under_the_address_of_its_content(here: Served) -> None:
    answer = here.browser.get(loaded.address("page.css"))
    assert (answer.status, answer.header("cache-control")) == (200, loaded.FOR_GOOD)
    assert here.browser.get("/static/page.css?v=other").header("cache-control") == loaded.AGAIN
    assert here.browser.get("/static/page.css", if_none_match=answer.header("etag")).status == 304
    packed = here.browser.get(loaded.address(loaded.DRAWING), accept_encoding="gzip, br")
    assert packed.header("content-encoding") == "gzip"
    assert len(packed.body) < len(loaded.everything()[loaded.DRAWING].octets) / 2


def test_a_page_and_its_data_say_the_same(here: Served) -> None:
    browser = here.signed_in("operator")
    told = browser.get("/index.json").json
    assert told["day"] == "2026-11-25"
    assert "2026-11-25" in browser.get("/").text or told["night"] is None


@pytest.mark.parametrize(
    ("value", "language", "written"),
    [
        (1_234_567, "nl", "1\u202f234\u202f567,000"),
        (-1_500, "en", "\u22121.500"),
        (7, "nl", "0,007"),
    ],
)
def test_energy_is_written_exactly(value: int, language: str, written: str) -> None:
    assert rendering.kwh(value * 1_000 if value == 1_234_567 else value, language) == written


@pytest.mark.parametrize(
    ("part", "written"), [(1.0, "100,0\u202f%"), (0.99999, "99,9\u202f%"), (0.0, "0,0\u202f%"), (None, "\u2013")]
)
def test_a_share_is_rounded_down_so_that_all_is_all(part: float | None, written: str) -> None:
    assert rendering.share(part) == written


def test_a_moment_tells_the_two_hours_of_autumn_apart() -> None:
    first, second = (rendering.moment(at, "Europe/Amsterdam") for at in (1_792_888_200, 1_792_891_800))
    assert (first[11:16], first[-5:]) == (second[11:16], "+0200")
    assert second[-5:] == "+0100"
