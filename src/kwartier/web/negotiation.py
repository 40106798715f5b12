"""The same data as JSON, CSV, Arrow or Parquet: what ``Accept`` prefers, or what the address ends in.

The form is settled before anything is looked at: whoever gets 406 has seen nothing, and no look is on record.
"""

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Annotated

import pyarrow
from fastapi import Depends
from pyarrow import csv, ipc
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from kwartier.errors import InputError
from kwartier.rowfile import write_parquet
from kwartier.web.etags import tagged

STATE = "kwartier.form"
"""Where the form stands in a request whose address names it."""
UNDER = "/api/v1/"
MAX_ACCEPT = 1_000
"""Characters of the header that are looked at."""
Fields = Mapping[str, object]


class Form(Enum):
    """A form of data: its media type, and how an address ends that asks for it."""

    JSON = ("application/json", ".json")
    CSV = ("text/csv", ".csv")
    ARROW = ("application/vnd.apache.arrow.stream", ".arrow")
    PARQUET = ("application/vnd.apache.parquet", ".parquet")

    @property
    def media_type(self) -> str:
        """As in ``Content-Type``."""
        return self.value[0]

    @property
    def suffix(self) -> str:
        """With its point."""
        return self.value[1]


TABLES = tuple(Form)
"""Of what is a table, too."""
PLAIN = (Form.JSON,)


class Suffixes:
    """An address of the API that ends in the name of a form is the address without it, asked for in that form."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and scope["path"].startswith(UNDER):
            named = next((one for one in Form if scope["path"].endswith(one.suffix)), None)
            if named is not None:
                path = scope["path"].removesuffix(named.suffix)
                scope = {**scope, "path": path, "raw_path": path.encode(), STATE: named}
        await self._app(scope, receive, send)


def chosen(accept: str, offered: Sequence[Form], named: Form | None = None) -> Form:
    """The form of an answer: as the address says, else as preferred, else the first. Raises ``InputError`` not-acceptable."""
    if named is not None:
        if named not in offered:
            raise InputError("not-acceptable", f"there is no {named.suffix} of this")
        return named
    weights = _weights(accept[:MAX_ACCEPT])
    if not weights:
        return offered[0]
    best = max(offered, key=lambda one: (_weight(one.media_type, weights), -offered.index(one)))
    if _weight(best.media_type, weights) <= 0:
        told = ", ".join(one.media_type for one in offered)
        raise InputError("not-acceptable", f"this is told as {told}")
    return best


def _weights(accept: str) -> dict[str, float]:
    """Each media range with its weight (RFC 9110, section 12.5.1); one that cannot be read does not count."""
    found: dict[str, float] = {}
    for part in accept.split(","):
        media, *parameters = [one.strip().lower() for one in part.split(";")]
        said = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        if media:
            found[media] = min(1.0, float(said)) if said.replace(".", "", 1).isdecimal() and said.isascii() else 0.0
    return found


def _weight(media_type: str, weights: Mapping[str, float]) -> float:
    ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
    return next((weights[one] for one in ranges if one in weights), 0.0)


async def tabular(request: Request) -> Form:
    """The form of what is a table, too."""
    return chosen(request.headers.get("accept", ""), TABLES, request.scope.get(STATE))


async def plain(request: Request) -> Form:
    """The form of what is told as JSON alone."""
    return chosen(request.headers.get("accept", ""), PLAIN, request.scope.get(STATE))


Tabular = Annotated[Form, Depends(tabular)]
Plain = Annotated[Form, Depends(plain)]


def answer(
    request: Request,
    form: Form,
    told: object,
    table: pyarrow.Table | Sequence[Fields] | None = None,
    **headers: str,
) -> Response:
    """``told`` as JSON, or ``table`` - which may be rows of fields - in another form; tagged, and 304 where it is known."""
    if form is Form.JSON:
        octets = json.dumps(told, ensure_ascii=False, allow_nan=False).encode()
    else:
        found = (
            table if isinstance(table, pyarrow.Table) else pyarrow.Table.from_pylist([dict(row) for row in table or ()])
        )
        octets = _written(found, form)
    return tagged(request, octets, form.media_type, **headers)


def _written(table: pyarrow.Table, form: Form) -> bytes:
    buffer = pyarrow.BufferOutputStream()
    if form is Form.CSV:
        csv.write_csv(table, buffer)
    elif form is Form.ARROW:
        with ipc.new_stream(buffer, table.schema) as writer:
            writer.write_table(table)
    else:
        write_parquet(table, buffer)
    return buffer.getvalue().to_pybytes()
