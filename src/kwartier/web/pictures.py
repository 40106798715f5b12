"""What a page draws: figures for the drawing library in the inks of the palette, and pictures that are drawn here.

The library makes an image out of a heat map, and images made in a page are against our policy; so what is a grid of cells is a
picture of ``export/pictures``, drawn here as SVG, once for the light and once for the dark.
"""

import threading
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from kwartier.export.pictures.forms import Form, Picture, rendered
from kwartier.export.pictures.palette import MARKS, PAPER, Kind, Scheme
from kwartier.web.etags import tagged

MEDIA_TYPE = "image/svg+xml"
_drawing = threading.Lock()
"""Settings of matplotlib are those of the process, so one thread draws at a time."""


def colour(kind: Kind) -> str:
    """The ink of a kind in a figure; ``charts.js`` looks it up in the page."""
    return f"var(--{MARKS[kind].ink.name})"


def marker(kind: Kind) -> Mapping[str, object]:
    """How bars of a kind are filled: with its ink and its hatching; what is open is outlined."""
    mark = MARKS[kind]
    if not mark.is_open:
        # Without a ground of its own the library lets the paper show through, and a hatching in its colour is nothing.
        pattern = {"shape": mark.hatch[:1], "fgcolor": f"var(--{PAPER.name})", "bgcolor": colour(kind)}
        return {"color": colour(kind), "pattern": pattern}
    open_hatch = {"shape": mark.hatch[:1], "fgcolor": colour(kind), "bgcolor": f"var(--{PAPER.name})"}
    return {"color": colour(kind), "pattern": open_hatch, "line": {"color": colour(kind), "width": 1}}


def drawn(request: Request, picture: Picture, scheme: Scheme) -> Response:
    """A picture as SVG; the address of it has ``scheme``, which the macro ``picture`` of ``charts.html`` adds."""
    with _drawing:
        octets = rendered(picture, Form.SVG, scheme)
    return tagged(request, octets, MEDIA_TYPE)
