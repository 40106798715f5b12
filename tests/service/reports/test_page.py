"""A report in each form: nothing that stands in a cell becomes anything but text, and the page needs nothing beside itself."""

import json
import re
from html.parser import HTMLParser

import pytest

from kwartier.service.reports.page import FORMATS, Column, Report, Said, Section, as_json, html, markdown

NASTY = (
    "<script>alert(1)</script>",
    "</td></table><h1>x",
    '"><img src=//evil.example/x.png onerror=a>',
    "a|b\\|c",
    "# heading\n## another\r\nline",
    "[click](javascript:alert(1)) ![x](http://evil.example)",
    "`code` **bold** &amp; &lt;",
    "élève ☃ 読む",
)
VOID = {"meta"}
REPORT = Report(
    name="test",
    title="A <test>",
    said=(Said(text="English"), Said(text="Nederlands", lang="nl")),
    sections=(
        Section(
            name="one",
            title="One",
            said=(Said(text=NASTY[0]),),
            columns=(Column(name="a", title="A"), Column(name="b", title="B", lang="nl")),
            rows=tuple((text, f"nl {text}") for text in NASTY),
        ),
        Section(name="two", title="Two & more", level=3),
    ),
)


class Page(HTMLParser):
    """Reads a page strictly: every element is closed, in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self.policy = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag == "td":
            self.cells.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "td":
            self.cells[-1] += data


def parsed(text: str) -> Page:
    """The page, which is well formed."""
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    return page


def needs_nothing(text: str) -> None:
    """No script, nothing that is fetched, and a policy that forbids both."""
    page = parsed(text)
    assert {tag for tag, _ in page.seen} <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "section", "div"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    attributes = {name for _, given in page.seen for name in given}
    assert attributes <= {"lang", "charset", "name", "content", "http-equiv", "id", "class", "scope"}
    policies = [given["content"] for tag, given in page.seen if tag == "meta" and "http-equiv" in given]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]
    style = re.search("<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    assert "@media print" in style[1]


def test_a_page_is_well_formed_and_shows_what_was_written_as_text() -> None:
    text = html(REPORT)
    page = parsed(text)
    needs_nothing(text)
    assert page.cells == [cell for row in REPORT.sections[0].rows for cell in row]
    assert ("html", {"lang": "en"}) in page.seen
    assert [given.get("lang") for tag, given in page.seen if tag == "td"] == [None, "nl"] * len(NASTY)
    assert "<title>A &lt;test&gt;</title>" in text


def test_json_gives_back_every_cell() -> None:
    table = json.loads(as_json(REPORT))
    assert table["report"] == "test"
    first, second = table["sections"]
    assert [(row["a"], row["b"]) for row in first["rows"]] == list(REPORT.sections[0].rows)
    assert (second["rows"], second["title"]) == ([], "Two & more")
    assert first["text"] == [{"lang": "en", "text": NASTY[0]}]


def test_a_cell_of_markdown_stays_a_cell() -> None:
    lines = markdown(REPORT).splitlines()
    assert [line for line in lines if line.startswith("#")] == ["# A &lt;test>", "## One", "### Two & more"]
    rows = [line for line in lines if line.startswith("| ")]
    assert len(rows) == 1 + len(NASTY)
    for row in rows:
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 3, row
        assert "<" not in row
        assert not re.search(r"(?<!\\)[\[`*]", row)


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_a_report_is_the_same_each_time(form: str) -> None:
    assert FORMATS[form](REPORT) == FORMATS[form](REPORT)
    assert FORMATS[form](REPORT).endswith("\n")
