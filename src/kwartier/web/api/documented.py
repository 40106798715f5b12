"""What a route says of itself in the OpenAPI document: the forms that it answers in, and that errors are problems."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from fastapi import Path, Query

from kwartier.web.events import MEDIA_TYPE
from kwartier.web.negotiation import PLAIN, TABLES
from kwartier.web.problems import PROBLEM

Responses = dict[int | str, dict[str, Any]]
PROBLEM_SCHEMA: Mapping[str, object] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "description": "An address of this server that explains the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "A code of docs/errors.md."},
        "advice": {"type": "string"},
        "retry": {"type": "string", "enum": ["now", "later", "never"]},
    },
}


def _responses(media_types: tuple[str, ...]) -> Responses:
    told = {one: {"schema": {"type": "object"} if one.endswith("json") else {"type": "string"}} for one in media_types}
    error = {"description": "A problem.", "content": {PROBLEM: {"schema": PROBLEM_SCHEMA}}}
    return {
        200: {"description": "What was asked for.", "content": told},
        304: {"description": "What you have is what there is."},
        "4XX": error,
        "5XX": error,
    }


def stream_answer() -> Responses:
    """Of a route that tells events."""
    told = _responses((MEDIA_TYPE,))
    return {status: answer for status, answer in told.items() if status != 304}


TABULAR_ANSWER = _responses(tuple(one.media_type for one in TABLES))
PLAIN_ANSWER = _responses(tuple(one.media_type for one in PLAIN))
EAN = r"^[0-9]{18}$"
Ean = Annotated[str, Query(pattern=EAN, description="The EAN of the connection.")]
From = Annotated[date, Query(alias="from", description="The first local day.")]
UpTo = Annotated[date, Query(alias="to", description="Up to this local day, not included.")]
Day = Annotated[date, Query(alias="date", description="The local day.")]
DayInPath = Annotated[date, Path(description="The local day.")]
Version = Annotated[int, Path(ge=1, le=2**31 - 1, description="The number of the version.")]
Words = Annotated[str, Query(max_length=64)]
