"""Long lists in pages: a cursor says where the next one begins, and nobody but this server can write or read one.

A cursor belongs to the address and the question that it was given out for: of another one it is no cursor. It holds a place
in an order that stays, so nothing is told twice or left out because something came in between.
"""

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Query
from starlette.requests import Request

from kwartier.errors import InputError

DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000
MAX_CURSOR = 1_024
"""Characters."""
MAC_BYTES = 16
KEY_BYTES = 32
_NOT_OF_QUESTION = {"cursor", "limit"}
Place = str | int


class Cursors:
    """What writes and reads cursors, under a key of this process."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = secrets.token_bytes(KEY_BYTES) if key is None else key

    def write(self, of: str, place: Place) -> str:
        """The cursor of a place in the answer to the question ``of``."""
        # Sealed by a key stream of its own, so that no name in it stands in an address.
        plain = json.dumps(place).encode()
        mac = self._mac(of, plain)
        return base64.urlsafe_b64encode(mac + self._mixed(mac, plain)).decode().rstrip("=")

    def read(self, of: str, text: str) -> Place:
        """The place. Raises ``InputError`` bad-cursor."""
        wrong = InputError("bad-cursor", "the cursor does not belong to this question")
        if len(text) > MAX_CURSOR or not text.isascii():
            raise wrong
        try:
            octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise wrong from None
        mac, plain = octets[:MAC_BYTES], self._mixed(octets[:MAC_BYTES], octets[MAC_BYTES:])
        if not hmac.compare_digest(mac, self._mac(of, plain)):
            raise wrong
        place = json.loads(plain)
        if isinstance(place, bool) or not isinstance(place, str | int):
            raise wrong
        return place

    def _mac(self, of: str, plain: bytes) -> bytes:
        return hmac.new(self._key, b"mac\0" + of.encode() + b"\0" + plain, sha256).digest()[:MAC_BYTES]

    def _mixed(self, mac: bytes, octets: bytes) -> bytes:
        """With the key stream that belongs to a mac, which is another one for every place: applied twice it is nothing."""
        blocks = range(-(-len(octets) // sha256().digest_size))
        stream = b"".join(hmac.new(self._key, b"mix\0" + mac + bytes([one]), sha256).digest() for one in blocks)
        return bytes(one ^ other for one, other in zip(octets, stream, strict=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which page is asked for: from where on - None: from the beginning - and how much of it at most."""

    after: Place | None
    limit: int
    of: str
    cursors: Cursors

    def number(self) -> int:
        """Where it begins, in a list that is counted. Raises ``InputError`` bad-cursor."""
        if isinstance(self.after, str):
            raise InputError("bad-cursor", "the cursor does not belong to this question")
        return self.after or 0

    def name(self) -> str:
        """After which name it begins. Raises ``InputError`` bad-cursor."""
        if isinstance(self.after, int):
            raise InputError("bad-cursor", "the cursor does not belong to this question")
        return self.after or ""


async def wanted(
    request: Request,
    cursor: Annotated[str, Query(max_length=MAX_CURSOR, description="Where to go on: `next` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="So many at most.")] = DEFAULT_LIMIT,
) -> Wanted:
    """The page that a request asks for. Raises ``InputError`` bad-cursor."""
    cursors: Cursors = request.app.state.desk.cursors
    of = question(request)
    return Wanted(after=cursors.read(of, cursor) if cursor else None, limit=limit, of=of, cursors=cursors)


PageWanted = Annotated[Wanted, Depends(wanted)]


def question(request: Request) -> str:
    """What is asked, whichever page of the answer is."""
    asked = sorted((name, value) for name, value in request.query_params.multi_items() if name not in _NOT_OF_QUESTION)
    return f"{request.url.path}?{urlencode(asked)}"


def page(wanted: Wanted, rows: Sequence[Mapping[str, object]], after: Place | None) -> dict[str, object]:
    """A page as JSON; ``after``: the place of its last row, None where nothing follows."""
    return {"items": list(rows), "next": None if after is None else wanted.cursors.write(wanted.of, after)}


def counted(wanted: Wanted, rows: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """A page of a list that is there as a whole and whose order stays."""
    first = wanted.number()
    last = first + wanted.limit
    return page(wanted, rows[first:last], last if last < len(rows) else None)
