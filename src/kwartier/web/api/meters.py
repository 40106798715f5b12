"""``/api/v1/meters``: the meters that there are on a day. Connections are shown to the role registry alone."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from kwartier.clock import local_day
from kwartier.web.api.documented import TABULAR_ANSWER
from kwartier.web.days import demand
from kwartier.web.desk import REGISTRY, AtHand, Staff
from kwartier.web.negotiation import Tabular, answer
from kwartier.web.pages import PageWanted, page

router = APIRouter(prefix="/api/v1", tags=["meters"])
SHOWN = ("meter", "ean", "companion", "transport", "dso", "grid_area", "cell", "timezone")


@router.get("/meters", response_class=Response, responses=TABULAR_ANSWER)
def meters(
    *,
    request: Request,
    desk: AtHand,
    actor: Staff,
    form: Tabular,
    wanted: PageWanted,
    on: Annotated[date | None, Query(description="The local day (default: today).")] = None,
) -> Response:
    """Meters by name, a page at a time."""
    day = local_day(desk.now, desk.home.settings.timezone) if on is None else demand(on)
    found = desk.home.registry.page(day, after=wanted.name(), limit=wanted.limit)
    rows = [{name: getattr(one, name) for name in SHOWN} for one in found]
    if actor.roles.isdisjoint(REGISTRY):
        rows = [{**row, "ean": None} for row in rows]
    told = page(wanted, rows, found[-1].meter if len(found) == wanted.limit else None)
    return answer(request, form, told, rows)
