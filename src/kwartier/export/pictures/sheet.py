"""The sheet that a picture is drawn on: a figure of its own, the same bytes for the same counts.

The drawing library has one set of settings for the whole process. Whoever draws holds them alone, as they were made plus those
that make a picture repeatable, and puts back what was there.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO, StringIO
from threading import Lock
from typing import NamedTuple
from xml.sax.saxutils import escape

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

from kwartier.export.pictures.palette import FAINT, KINDS, MARKS, PAPER, TEXT, Ink, Kind, Scheme

Boxes = npt.NDArray[np.float64]
"""Rows of left, bottom, right, top."""

WIDTH_IN = 9.0
MARGIN_IN = 0.3
HEAD_IN = 0.62
LEGEND_IN = 0.8
SWATCH_IN = (0.3, 0.2)
LINE_IN = 0.15
"""From one line of small writing to the next."""
PIXELS_AN_INCH = 150
SMALL_PT = 8.0
TITLE_PT = 11.0
HATCH_PT = 1.0
OUTLINE_PT = 0.8
MAX_LABEL = 40
MAX_TITLE = 90
_CORNERS = (Outline.MOVETO, Outline.LINETO, Outline.LINETO, Outline.LINETO, Outline.CLOSEPOLY)
_DRAWING = Lock()
_OUTLINE = re.compile(r' d="[^"]*"')
_FRACTION = re.compile(r"\d+\.\d{3,}")
_OPENING = re.compile(r"<svg ([^>]*)>", re.DOTALL)


class Told(NamedTuple):
    """What somebody is told who cannot see the picture: a title, a sentence or two, and a table."""

    title: str
    description: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@contextmanager
def settings() -> Iterator[None]:
    """The settings of a picture, from its first line to its last byte; one picture at a time."""
    with _DRAWING, mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams["svg.hashsalt"] = "kwartier"
        mpl.rcParams["svg.fonttype"] = "none"
        mpl.rcParams["hatch.linewidth"] = HATCH_PT
        mpl.rcParams["text.parse_math"] = False
        yield


def sheet(height_in: float, scheme: Scheme) -> Figure:
    """A figure as wide as every picture."""
    return Figure(figsize=(WIDTH_IN, height_in), facecolor=PAPER.of(scheme))


def head(figure: Figure, scheme: Scheme, title: str, below: str) -> None:
    """The two lines at the top."""
    height_in = figure.get_figheight()
    left = MARGIN_IN / WIDTH_IN
    figure.text(
        left,
        1 - 0.24 / height_in,
        line(title, MAX_TITLE),
        size=TITLE_PT,
        weight="bold",
        color=TEXT.of(scheme),
        va="center",
    )
    figure.text(left, 1 - 0.45 / height_in, below, size=SMALL_PT, color=FAINT.of(scheme), va="center")


def field(figure: Figure, left_in: float, bottom_in: float, width_in: float, height_in: float) -> Axes:
    """A part of the sheet, in inches from its lower left corner, with nothing in it."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes((left_in / width, bottom_in / height, width_in / width, height_in / height))
    axes.set_axis_off()
    return axes


def write(
    axes: Axes, x: float, y: float, text: str, ink: Ink, scheme: Scheme, *, right: bool = False, middle: bool = False
) -> None:
    """Small writing at a place of a field: to the right of it, or to the left (``right``), or around it (``middle``)."""
    side = "center" if middle else "right" if right else "left"
    axes.text(x, y, line(text, MAX_LABEL), size=SMALL_PT, color=ink.of(scheme), ha=side, va="center", clip_on=False)


def line(text: str, most: int) -> str:
    """A text as a picture can have it: one line, printable, and not longer than there is room for."""
    flat = "".join(each if each.isprintable() else " " for each in text)
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"


def fill(axes: Axes, boxes: Boxes, kind: Kind, scheme: Scheme) -> None:
    """Boxes of one kind, as one shape."""
    if not len(boxes):
        return
    left, bottom, right, top = boxes.T
    corners = np.stack([left, bottom, right, bottom, right, top, left, top, left, bottom], axis=1).reshape(-1, 2)
    shape(axes, Outline(corners, np.tile(np.array(_CORNERS, np.uint8), len(boxes))), kind, scheme)


def shape(axes: Axes, outline: Outline, kind: Kind, scheme: Scheme) -> None:
    """A shape that looks as its kind does."""
    mark, paper = MARKS[kind], PAPER.of(scheme)
    colour = mark.ink.of(scheme)
    # A hatching has the colour of the edge, and an edge without a width is not drawn.
    axes.add_patch(
        PathPatch(
            outline,
            facecolor=paper if mark.is_open else colour,
            edgecolor=colour if mark.is_open else paper,
            linewidth=OUTLINE_PT if mark.is_open else 0,
            hatch=mark.hatch or None,
            clip_on=False,
        )
    )


def legend(figure: Figure, scheme: Scheme, said: dict[Kind, tuple[str, ...]]) -> None:
    """Every kind with its name, and under it what is ``said`` of it."""
    axes = field(figure, 0, 0, WIDTH_IN, LEGEND_IN)
    axes.set_xlim(0, WIDTH_IN)
    axes.set_ylim(0, LEGEND_IN)
    width, height = SWATCH_IN
    step = (WIDTH_IN - 2 * MARGIN_IN) / len(KINDS)
    for place, kind in enumerate(KINDS):
        left, top = MARGIN_IN + place * step, LEGEND_IN - 0.18
        fill(axes, np.array([[left, top - height, left + width, top]]), kind, scheme)
        at = top - height / 2
        write(axes, left + width + 0.08, at, kind.value, TEXT, scheme)
        for number, text in enumerate(said[kind], start=1):
            write(axes, left + width + 0.08, at - number * LINE_IN, text, FAINT, scheme)


def png(figure: Figure) -> bytes:
    """The sheet as PNG."""
    out = BytesIO()
    FigureCanvasAgg(figure).print_figure(out, format="png", dpi=PIXELS_AN_INCH, metadata={"Software": None})
    return out.getvalue()


def svg(figure: Figure, told: Told) -> str:
    """The sheet as an SVG element, with what a screen reader says of it."""
    out = StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    FigureCanvasSVG(figure).print_figure(out, format="svg", metadata=nothing)
    # A hundredth of a point is finer than any screen, and half as long.
    text = _OUTLINE.sub(lambda path: _FRACTION.sub(_shortened, path[0]), out.getvalue())
    opening = _OPENING.search(text)
    assert opening is not None, "whatever is drawn is in an svg element"
    words = (
        f'<svg role="img" aria-labelledby="title description" {opening[1]}>\n'
        f' <title id="title">{escape(told.title)}</title>\n'
        f' <desc id="description">{escape(told.description)}</desc>'
    )
    return words + text[opening.end() :]


def _shortened(found: re.Match[str]) -> str:
    return f"{float(found[0]):.2f}".rstrip("0").rstrip(".")
