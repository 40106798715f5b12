"""``/api/v1/sums``: what groups of connections used on a day, as far as a purpose shows it; as ``kwartier sums``."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from kwartier.gate.policy import Scope
from kwartier.gate.purposes import Resolution
from kwartier.service import telling
from kwartier.service.readings import sums_of_day
from kwartier.web.api.documented import PLAIN_ANSWER, Day, Words
from kwartier.web.api.readings import NOT_KEPT
from kwartier.web.days import after
from kwartier.web.desk import Asked, AtHand, SignedIn
from kwartier.web.negotiation import Plain, answer

router = APIRouter(prefix="/api/v1", tags=["sums"])
ONE_DAY = timedelta(days=1)


@router.get("/sums", response_class=Response, responses=PLAIN_ANSWER)
def sums(
    *,
    request: Request,
    desk: AtHand,
    actor: SignedIn,
    form: Plain,
    asked: Asked,
    day: Day,
    by: Annotated[str, Query(max_length=64, description="grid_area, brp, supplier or transformer.")],
    area: Words = "",
    use_case: Words = "",
    resolution: Annotated[Resolution | None, Query(description="How fine, if not as far as the purpose goes.")] = None,
) -> Response:
    """Wh by group; a sum over too few is withheld, and so is a second one where the first could be told from the others."""
    scope = Scope(start=day, end=after(day), by=by, area=area, use_case=use_case, resolution=resolution)
    found = sums_of_day(
        desk.home, scope, actor=actor, purpose=asked.purpose, reason=asked.reason, recipient=asked.recipient
    )
    return answer(request, form, telling.sums(found), cache=NOT_KEPT)
