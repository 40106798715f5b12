"""What pages load besides themselves: stylesheets, scripts and the drawing library, from memory and from here alone.

The colours of how a quarter came about are written from the palette of the pictures, so that a page and a picture cannot
differ. An address has the digest of its content, and is kept by browsers for good.
"""

import gzip
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response

from kwartier.errors import InputError
from kwartier.export.pictures.palette import INKS, PLACES, Scheme

FOLDER = "static"
TYPES: Mapping[str, str] = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "ico": "image/x-icon",
}
DRAWING = "plotly.min.js"
FOR_GOOD = "public, max-age=31536000, immutable"
AGAIN = "public, no-cache"
DIGEST = 16
LEVEL = 6
_STYLES = re.compile(rb'getElementById\("([0-9a-f]{64})"\)')
LEAST = 1_000
"""Bytes from which on it is worth packing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """One of them, as it is and packed."""

    media_type: str
    digest: str
    octets: bytes = field(repr=False)
    packed: bytes = field(repr=False)


@lru_cache(maxsize=1)
def everything() -> Mapping[str, Loaded]:
    """All of it by its name."""
    return {name: _loaded(name, octets) for name, octets in _read()}


@lru_cache(maxsize=1)
def drawing_styles() -> Sequence[str]:
    """The ids under which the drawing library would add styles to a page for maps, which none of ours has.

    It adds nothing where it finds an element of that id.
    """
    return sorted({one.decode() for one in _STYLES.findall(everything()[DRAWING].octets)})


def address(name: str) -> str:
    """Where a page finds one of them. A name that there is not is a mistake: ``KeyError``."""
    return f"/static/{name}?v={everything()[name].digest}"


async def give(request: Request, name: str) -> Response:
    """The one called ``name``. Raises ``InputError`` no-such-page."""
    found = everything().get(name)
    if found is None:
        raise InputError("no-such-page", "there is no such file")
    is_exact = request.query_params.get("v") == found.digest
    headers = {"etag": f'"{found.digest}"', "cache-control": FOR_GOOD if is_exact else AGAIN, "vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    if found.packed and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.packed, media_type=found.media_type, headers={**headers, "content-encoding": "gzip"})
    return Response(found.octets, media_type=found.media_type, headers=headers)


def palette() -> str:
    """The inks as variables of a stylesheet: by day, by night where that is preferred or chosen, and on paper."""

    def of(scheme: Scheme) -> str:
        return " ".join(f"--{ink.name}: {ink.of(scheme)};" for ink in (*INKS, *PLACES))

    light, dark = of(Scheme.LIGHT), of(Scheme.DARK)
    return "\n".join(
        (
            f":root {{ color-scheme: light; {light} }}",
            f"@media (prefers-color-scheme: dark) {{ :root {{ color-scheme: dark; {dark} }} }}",
            f":root[data-theme=light] {{ color-scheme: light; {light} }}",
            f":root[data-theme=dark] {{ color-scheme: dark; {dark} }}",
            f"@media print {{ :root, :root[data-theme] {{ color-scheme: light; {light} }} }}",
            "",
        )
    )


def _read() -> Iterator[tuple[str, bytes]]:
    yield "palette.css", palette().encode()
    yield DRAWING, resources.files("plotly").joinpath(f"package_data/{DRAWING}").read_bytes()
    for one in resources.files("kwartier.web").joinpath(FOLDER).iterdir():
        if one.is_file():
            yield one.name, one.read_bytes()


def _loaded(name: str, octets: bytes) -> Loaded:
    media_type = TYPES[name.rpartition(".")[2]]
    packed = gzip.compress(octets, LEVEL, mtime=0) if len(octets) >= LEAST else b""
    return Loaded(media_type=media_type, digest=sha256(octets).hexdigest()[:DIGEST], octets=octets, packed=packed)
