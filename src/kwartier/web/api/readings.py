"""``/api/v1/readings``: what is stored of a connection, as ``kwartier readings`` shows it."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from kwartier.gate.policy import Scope
from kwartier.gate.purposes import Resolution
from kwartier.service import telling
from kwartier.service.readings import as_table, look_up
from kwartier.web.api.documented import TABULAR_ANSWER, Ean, From, UpTo, Words
from kwartier.web.days import demand
from kwartier.web.desk import Asked, AtHand, SignedIn
from kwartier.web.negotiation import Form, Tabular, answer

router = APIRouter(prefix="/api/v1", tags=["readings"])
NOT_KEPT = "no-store"
"""Readings are kept by nobody on the way."""


@router.get("/readings", response_class=Response, responses=TABULAR_ANSWER)
def readings(
    *,
    request: Request,
    desk: AtHand,
    actor: SignedIn,
    form: Tabular,
    asked: Asked,
    ean: Ean,
    start: From,
    end: UpTo,
    resolution: Annotated[Resolution | None, Query(description="How fine, if not as far as the purpose goes.")] = None,
    use_case: Words = "",
    approval: Words = "",
) -> Response:
    """Registers at the end of each quarter, latest version; the first row of each meter is its opening."""
    scope = Scope(
        start=demand(start), end=demand(end), eans=(ean,), resolution=resolution, use_case=use_case, approval=approval
    )
    shown = look_up(
        desk.home, scope, actor=actor, purpose=asked.purpose, reason=asked.reason, recipient=asked.recipient
    )
    if form is Form.JSON:
        return answer(request, form, {"readings": [telling.readings(one) for one in shown]}, cache=NOT_KEPT)
    return answer(request, form, None, as_table(shown), cache=NOT_KEPT)
