"""``/api/v1/errors/{code}``: what a code means and what to try; the type of a problem leads here."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from kwartier.errors import InputError, explanations
from kwartier.web.api.documented import PLAIN_ANSWER
from kwartier.web.negotiation import Plain, answer

router = APIRouter(prefix="/api/v1", tags=["errors"])


@router.get("/errors/{code}", response_class=Response, responses=PLAIN_ANSWER)
async def explained(request: Request, form: Plain, code: Annotated[str, Path(max_length=64)]) -> Response:
    """A row of the table of errors. Nobody has to sign in for it."""
    row = explanations().get(code)
    if row is None:
        raise InputError("no-such-page", "there is no such code")
    told = {"code": row.code, "leaf": row.leaf, "meaning": row.meaning, "advice": row.advice}
    return answer(request, form, told)
