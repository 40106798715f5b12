"""``/api/v1/volumes``: what validation made of the readings of a connection, each quarter with how it came about."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from kwartier.service import telling
from kwartier.service.validating.shown import volumes as look_up
from kwartier.web.api.documented import TABULAR_ANSWER, Ean, From, UpTo
from kwartier.web.api.readings import NOT_KEPT
from kwartier.web.days import demand
from kwartier.web.desk import Asked, AtHand, SignedIn
from kwartier.web.negotiation import Form, Tabular, answer

router = APIRouter(prefix="/api/v1", tags=["volumes"])


@router.get("/volumes", response_class=Response, responses=TABULAR_ANSWER)
def volumes(
    *, request: Request, desk: AtHand, actor: SignedIn, form: Tabular, asked: Asked, ean: Ean, start: From, end: UpTo
) -> Response:
    """Volumes of each quarter with their quality, for purposes that reach the fleet quarter by quarter.

    A volume that is missing is null. On the day of an exchange each meter has its own; the volume of the connection is
    their sum.
    """
    found = look_up(
        desk.home,
        ean,
        demand(start),
        demand(end),
        actor=actor,
        purpose=asked.purpose,
        reason=asked.reason,
        recipient=asked.recipient,
    )
    if form is Form.JSON:
        return answer(request, form, telling.volumes(found), cache=NOT_KEPT)
    return answer(request, form, None, telling.volume_rows(found), cache=NOT_KEPT)
