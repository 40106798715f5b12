"""A report is a few texts and tables, and comes out as Markdown, as JSON or as a page for a browser.

The page needs nothing beside itself: no script, no font, no address. What is printed is text, whoever wrote it: in every form
it is escaped, so that no cell can become a heading, a link or a tag.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from json import dumps
from types import MappingProxyType

HEADING = 2
_MARKDOWN = str.maketrans(
    {"\\": "\\\\", "|": "\\|", "<": "&lt;", "[": "\\[", "`": "\\`", "*": "\\*", "\n": " ", "\r": " "}
)
_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; margin-top: 2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; width: 100%; }
th, td { border: 1px solid #8888; padding: 0.3rem 0.5rem; text-align: left; vertical-align: top; }
th { background: #8882; }
@media print {
  body { max-width: none; margin: 0; font-size: 9pt; }
  .wide { overflow: visible; }
  table { font-size: 7pt; }
  thead { display: table-header-group; }
  tr, h2, h3 { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A paragraph; ``lang`` is the language that it is in."""

    text: str
    lang: str = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: ``name`` for programs, ``title`` for people, ``lang`` the language of its cells."""

    name: str
    title: str
    lang: str = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading, what is said under it, and a table where there are columns."""

    name: str
    title: str
    said: tuple[Said, ...] = ()
    columns: tuple[Column, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    level: int = HEADING


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole report. ``name`` is the command that makes it."""

    name: str
    title: str
    said: tuple[Said, ...]
    sections: tuple[Section, ...]


def markdown(report: Report) -> str:
    """The report as Markdown."""
    return "\n".join(_markdown_lines(report)).rstrip() + "\n"


def _markdown_lines(report: Report) -> Iterator[str]:
    yield f"# {_cell(report.title)}"
    yield ""
    for one in report.said:
        yield from (_cell(one.text), "")
    for section in report.sections:
        yield from markdown_section(section)


def markdown_section(section: Section) -> Iterator[str]:
    """The lines of one section."""
    yield f"{'#' * section.level} {_cell(section.title)}"
    yield ""
    for one in section.said:
        yield from (_cell(one.text), "")
    if section.columns:
        yield "| " + " | ".join(_cell(column.title) for column in section.columns) + " |"
        yield "|" + "---|" * len(section.columns)
        for row in section.rows:
            yield "| " + " | ".join(_cell(cell) for cell in row) + " |"
        yield ""


def _cell(text: str) -> str:
    return text.translate(_MARKDOWN)


def as_json(report: Report) -> str:
    """The report as one JSON value: each table is a list of objects."""
    sections = [
        {
            "name": section.name,
            "title": section.title,
            "text": [{"lang": one.lang, "text": one.text} for one in section.said],
            "rows": [
                {column.name: cell for column, cell in zip(section.columns, row, strict=True)} for row in section.rows
            ],
        }
        for section in report.sections
    ]
    table = {"report": report.name, "title": report.title, "text": [one.text for one in report.said]}
    return dumps({**table, "sections": sections}, ensure_ascii=False, indent=1) + "\n"


def html(report: Report) -> str:
    """The report as a page."""
    return "\n".join(_html_lines(report)) + "\n"


def _html_lines(report: Report) -> Iterator[str]:
    yield "<!DOCTYPE html>"
    yield '<html lang="en">'
    yield "<head>"
    yield '<meta charset="utf-8">'
    # Nothing may be fetched, whatever stands in a cell.
    yield "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(report.title)}</title>"
    yield f"<style>{_STYLE}</style>"
    yield "</head>"
    yield "<body>"
    yield f"<h1>{escape(report.title)}</h1>"
    yield from (_paragraph(one) for one in report.said)
    for section in report.sections:
        yield from _html_section(section)
    yield "</body>"
    yield "</html>"


def _html_section(section: Section) -> Iterator[str]:
    yield f'<section id="{escape(section.name)}">'
    yield f"<h{section.level}>{escape(section.title)}</h{section.level}>"
    yield from (_paragraph(one) for one in section.said)
    if section.columns:
        yield '<div class="wide"><table>'
        heads = "".join(f'<th scope="col">{escape(column.title)}</th>' for column in section.columns)
        yield f"<thead><tr>{heads}</tr></thead>"
        yield "<tbody>"
        for row in section.rows:
            cells = (
                f"<td{_lang(column.lang)}>{escape(cell)}</td>"
                for column, cell in zip(section.columns, row, strict=True)
            )
            yield f"<tr>{''.join(cells)}</tr>"
        yield "</tbody>"
        yield "</table></div>"
    yield "</section>"


def _paragraph(one: Said) -> str:
    return f"<p{_lang(one.lang)}>{escape(one.text)}</p>"


def _lang(lang: str) -> str:
    return "" if lang == "en" else f' lang="{escape(lang)}"'


FORMATS: Mapping[str, Callable[[Report], str]] = MappingProxyType({"md": markdown, "json": as_json, "html": html})
