"""``/api/v1/settlements``: versions of settled days, their sums and how they differ; as ``kwartier settle``."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from kwartier.service.settling import telling
from kwartier.service.settling.run import opened
from kwartier.service.settling.versions import Versions
from kwartier.settle.difference import difference
from kwartier.web.api.documented import PLAIN_ANSWER, TABULAR_ANSWER, DayInPath, Version
from kwartier.web.days import demand
from kwartier.web.desk import Asked, AtHand, SignedIn, Staff
from kwartier.web.negotiation import Form, Plain, Tabular, answer
from kwartier.web.pages import PageWanted, counted

router = APIRouter(prefix="/api/v1", tags=["settlements"])


@router.get("/settlements", response_class=Response, responses=TABULAR_ANSWER)
def versions(*, request: Request, desk: AtHand, actor: Staff, form: Tabular, wanted: PageWanted) -> Response:
    """Every version, in the order in which they were made, with what each was made from. No sums."""
    del actor
    rows = [telling.version(one) for one in Versions(desk.home.engine).versions()]
    told = counted(wanted, rows)
    items = told["items"]
    assert isinstance(items, list)
    return answer(request, form, told, items)


@router.get("/settlements/{day}", response_class=Response, responses=PLAIN_ANSWER)
def of_day(*, request: Request, desk: AtHand, actor: Staff, form: Plain, day: DayInPath) -> Response:
    """The versions of one local day. No sums."""
    del actor
    return answer(request, form, telling.versions(Versions(desk.home.engine).versions(demand(day))))


@router.get("/settlements/{day}/{version}", response_class=Response, responses=TABULAR_ANSWER)
def settlement(
    *,
    request: Request,
    desk: AtHand,
    actor: SignedIn,
    form: Tabular,
    asked: Asked,
    day: DayInPath,
    version: Version,
    quarters: Annotated[bool, Query(description="Each quarter of each sum, too; as JSON.")] = False,
) -> Response:
    """What a version says of each area and party. A sum may be of one connection, so who looks is recorded."""
    opened(desk.home, demand(day), actor=actor, reason=asked.reason, at=desk.now, purpose=asked.purpose)
    kept = Versions(desk.home.engine)
    of, found = kept.version(day, version), kept.settled(day, version)
    told = {**telling.version(of), **telling.settlement(found, quarters=quarters and form is Form.JSON)}
    sums = told["sums"]
    assert isinstance(sums, list)
    return answer(request, form, told, sums)


@router.get("/settlements/{day}/{version}/since/{earlier}", response_class=Response, responses=PLAIN_ANSWER)
def since(
    *,
    request: Request,
    desk: AtHand,
    actor: SignedIn,
    form: Plain,
    asked: Asked,
    day: DayInPath,
    version: Version,
    earlier: Version,
) -> Response:
    """What a version says otherwise than an earlier one, sum by sum. Who looks is recorded."""
    opened(desk.home, demand(day), actor=actor, reason=asked.reason, at=desk.now, purpose=asked.purpose)
    kept = Versions(desk.home.engine)
    found = difference(kept.settled(day, earlier), kept.settled(day, version))
    return answer(request, form, {"date": f"{day}", "from": earlier, "to": version, **telling.difference(found)})
