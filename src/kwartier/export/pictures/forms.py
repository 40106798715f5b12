"""The forms that a picture comes out in: PNG, SVG, or one page for a browser that needs nothing beside itself.

The page has the picture once, in inks that its style sheet knows by name: light or dark is the reader's choice.
"""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from html import escape
from pathlib import PurePath
from types import MappingProxyType
from typing import TypeAlias

from matplotlib.figure import Figure

from kwartier.errors import InputError
from kwartier.export.pictures import curve, heat_map
from kwartier.export.pictures.coverage import Coverage
from kwartier.export.pictures.day_curve import DayCurve
from kwartier.export.pictures.palette import INKS, Scheme
from kwartier.export.pictures.sheet import Told, png, settings, svg

Picture: TypeAlias = Coverage | DayCurve


class Form(StrEnum):
    """What a picture is written as: the suffix of its file."""

    PNG = ".png"
    SVG = ".svg"
    HTML = ".html"


PROLOG = '<?xml version="1.0" encoding="utf-8"?>\n'
_INK = re.compile(r"#[0-9a-f]{6}\b")
_STYLED = re.compile(r' style="[^"]*"')
_BARE = re.compile(r'fill="(#[0-9a-f]{6})"')
_NAMES: Mapping[str, str] = MappingProxyType({ink.light: ink.name for ink in INKS})
_STYLE = """
:root { color-scheme: light dark; %(light)s }
@media (prefers-color-scheme: dark) { :root { %(dark)s } }
body { background: var(--paper); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; margin: 1rem auto;
  max-width: 75rem; padding: 0 1rem; }
svg { display: block; height: auto; max-width: 100%%; width: 100%%; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { border: 1px solid var(--line); padding: 0.2rem 0.5rem; text-align: right; }
th[scope="row"] { text-align: left; }
.wide { overflow-x: auto; }
"""


def form_of(path: PurePath) -> Form:
    """The form that a file name asks for. Raises ``InputError`` bad-picture."""
    try:
        return Form(path.suffix.lower())
    except ValueError:
        raise InputError("bad-picture", f"{path.name[:80]!r} ends in none of {', '.join(Form)}") from None


def rendered(picture: Picture, form: Form, scheme: Scheme = Scheme.LIGHT) -> bytes:
    """The picture as the content of a file. A page is light or dark as its reader likes; the others are as ``scheme`` says."""
    with settings():
        figure, told = _drawn(picture, Scheme.LIGHT if form is Form.HTML else scheme)
        if form is Form.PNG:
            return png(figure)
        drawing = svg(figure, told)
    return (PROLOG + drawing if form is Form.SVG else "\n".join(_page(drawing, told))).encode()


def _drawn(picture: Picture, scheme: Scheme) -> tuple[Figure, Told]:
    if isinstance(picture, Coverage):
        return heat_map.draw(picture, scheme), heat_map.told(picture)
    return curve.draw(picture, scheme), curve.told(picture)


def _page(drawing: str, told: Told) -> Iterator[str]:
    """A page around an SVG element that was drawn in light inks."""
    inks = {scheme.value: " ".join(f"--{ink.name}: {ink.of(scheme)};" for ink in INKS) for scheme in Scheme}
    yield "<!DOCTYPE html>"
    yield '<html lang="en">'
    yield "<head>"
    yield '<meta charset="utf-8">'
    # Nothing may be fetched, whatever stands in a caption.
    yield "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(told.title)}</title>"
    yield f"<style>{_STYLE % inks}</style>"
    yield "</head>"
    yield "<body>"
    yield "<main>"
    yield _BARE.sub(_bare, _STYLED.sub(_styled, drawing)).rstrip()
    if told.rows:
        yield "<details><summary>As a table</summary>"
        yield f'<div class="wide"><table><caption>{escape(told.title)}</caption>'
        heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in told.heads)
        yield f"<thead><tr>{heads}</tr></thead>"
        yield "<tbody>"
        for name, *cells in told.rows:
            rest = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            yield f'<tr><th scope="row">{escape(name)}</th>{rest}</tr>'
        yield "</tbody></table></div></details>"
    yield "</main>"
    yield "</body>"
    yield "</html>"
    yield ""


def _styled(found: re.Match[str]) -> str:
    """A style with its inks by name."""
    return _INK.sub(lambda ink: f"var(--{_NAMES[ink[0]]})" if ink[0] in _NAMES else ink[0], found[0])


def _bare(found: re.Match[str]) -> str:
    """Not every browser takes a name where there is no style."""
    return f'style="fill: var(--{_NAMES[found[1]]})"' if found[1] in _NAMES else found[0]
