"""What was told already is not told again: an answer has a tag of its bytes, and who names it gets none of them.

What it takes to make the answer is done all the same: who may see it is asked each time, and each look is written down.
"""

from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

TAG_DIGITS = 32
MAX_NAMED = 50
"""Tags in a request that are looked at."""
ASK_AGAIN = "private, no-cache"
"""It may be kept by who asked, and has to be asked for again before it is used."""


def tag_of(octets: bytes, form: str) -> str:
    """The tag of an answer in one form (RFC 9110, section 8.8.3)."""
    digest = sha256(form.encode() + b"\0" + octets).hexdigest()
    return f'"{digest[:TAG_DIGITS]}"'


def names(header: str, tag: str) -> bool:
    """Whether ``If-None-Match`` names a tag; weak ones compare, too."""
    named = [one.strip().removeprefix("W/") for one in header.split(",", MAX_NAMED)]
    return tag in named or named == ["*"]


def tagged(request: Request, octets: bytes, media_type: str, *, cache: str = ASK_AGAIN, **more: str) -> Response:
    """An answer with its tag, or 304 where that is known. ``more``: headers, with _ in the place of -."""
    tag = tag_of(octets, media_type)
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    headers |= {"etag": tag, "cache-control": cache, "vary": "Accept, Accept-Language, Cookie, Authorization"}
    if request.method in ("GET", "HEAD") and names(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(octets, media_type=media_type, headers=headers)
