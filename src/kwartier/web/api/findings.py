"""``/api/v1/findings``: what the rules said of whom on a day, and what was put in the place of what is missing; no volume."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from kwartier.service import telling
from kwartier.service.validating import shown
from kwartier.web.api.documented import TABULAR_ANSWER, Day, Words
from kwartier.web.api.readings import NOT_KEPT
from kwartier.web.days import demand
from kwartier.web.desk import Asked, AtHand, SignedIn
from kwartier.web.negotiation import Tabular, answer
from kwartier.web.pages import PageWanted, counted

router = APIRouter(prefix="/api/v1", tags=["findings"])


@router.get("/findings", response_class=Response, responses=TABULAR_ANSWER)
def findings(
    *,
    request: Request,
    desk: AtHand,
    actor: SignedIn,
    form: Tabular,
    asked: Asked,
    wanted: PageWanted,
    day: Day,
    rule: Words = "",
    method: Annotated[str, Query(max_length=8, description="Substitutes by this method alone, such as E3.")] = "",
    substitutes: Annotated[bool, Query(description="The substitutes, and not the findings.")] = False,
) -> Response:
    """Findings of the last run over a day, or its substitutes; quarters are counted from 0."""
    found = shown.findings(
        desk.home,
        demand(day),
        actor=actor,
        reason=asked.reason,
        code=rule,
        method=method,
        purpose=asked.purpose,
    )
    told = telling.findings(found)
    rows = told["substitutes" if substitutes else "findings"]
    assert isinstance(rows, list)
    listed = counted(wanted, rows)
    items = listed["items"]
    assert isinstance(items, list)
    return answer(request, form, {"date": told["date"], "run": told["run"], **listed}, items, cache=NOT_KEPT)
