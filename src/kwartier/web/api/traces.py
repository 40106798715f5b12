"""``/api/v1/traces``: which visits are traced, and what each byte of one is, as far as the gate lets see it."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from kwartier.service.tracing import looking, naming
from kwartier.web.api.documented import PLAIN_ANSWER, TABULAR_ANSWER
from kwartier.web.api.readings import NOT_KEPT
from kwartier.web.desk import Asked, AtHand, SignedIn, Staff
from kwartier.web.negotiation import Plain, Tabular, answer
from kwartier.web.pages import PageWanted, counted

router = APIRouter(prefix="/api/v1", tags=["traces"])
MAX_ID = 64
TraceInPath = Annotated[str, Path(max_length=MAX_ID, description="The trace, as the list names it.")]


@router.get("/traces", response_class=Response, responses=TABULAR_ANSWER)
def traces(
    *,
    request: Request,
    desk: AtHand,
    actor: Staff,
    form: Tabular,
    wanted: PageWanted,
    meter: Annotated[str, Query(max_length=64, description="Of one meter only.")] = "",
) -> Response:
    """The traces that are kept, and the visits that are waited for, the newest last."""
    found = naming.listed(desk.home, actor=actor, meter=meter, wall=desk.wall)
    told = counted(wanted, [one.as_json() for one in found])
    items = told["items"]
    assert isinstance(items, list)
    return answer(request, form, told, items)


@router.get("/traces/{trace}", response_class=Response, responses=PLAIN_ANSWER)
def trace(
    *, request: Request, desk: AtHand, actor: SignedIn, form: Plain, asked: Asked, trace: TraceInPath
) -> Response:
    """Its frames, its bytes and what each of them is; a byte that is not shown is two asterisks."""
    found = looking.look(
        desk.home,
        trace,
        actor=actor,
        purpose=asked.purpose,
        reason=asked.reason,
        recipient=asked.recipient,
        wall=desk.wall,
    )
    return answer(request, form, found.view().as_json(), cache=NOT_KEPT)
