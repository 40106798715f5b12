"""``/api/v1/night/{day}`` and what is missing of it: as ``kwartier night status`` and ``night gaps``. No reading is in it."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from kwartier.collect.due import Dues
from kwartier.errors import InputError
from kwartier.service import telling
from kwartier.service.night import stands
from kwartier.web.api.documented import PLAIN_ANSWER, TABULAR_ANSWER, DayInPath, stream_answer
from kwartier.web.days import demand
from kwartier.web.desk import REGISTRY, AtHand, Staff, may_listen
from kwartier.web.negotiation import Plain, Tabular, answer
from kwartier.web.pages import PageWanted, counted

router = APIRouter(prefix="/api/v1", tags=["nights"])
MAX_GAPS = 100_000
EVERY_S = 2.0
STREAM = stream_answer()


@router.get("/night/{day}", response_class=Response, responses=PLAIN_ANSWER)
def night(*, request: Request, desk: AtHand, actor: Staff, form: Plain, day: DayInPath) -> Response:
    """How the night of a local day stands: what is due, three rates of coverage, and causes."""
    del actor
    found = stands(desk.home, demand(day))
    if found is None:
        raise InputError("no-such-night", f"there was no night for {day}")
    return answer(request, form, telling.night(day, found[0], running=found[1]))


@router.get("/night/{day}/events", response_class=StreamingResponse, responses=STREAM)
async def events(*, request: Request, desk: AtHand, actor: Staff, day: DayInPath) -> Response:
    """The same whenever it changes, as server-sent events called ``night``; ``{}`` where there was no such night."""
    del actor
    demand(day)

    def look() -> telling.Fields:
        found = stands(desk.home, day)
        return {} if found is None else telling.night(day, found[0], running=found[1])

    return desk.feeds.stream(f"night {day}", look, event="night", every_s=EVERY_S, may_go_on=may_listen(request))


@router.get("/night/{day}/gaps", response_class=Response, responses=TABULAR_ANSWER)
def gaps(
    *, request: Request, desk: AtHand, actor: Staff, form: Tabular, wanted: PageWanted, day: DayInPath
) -> Response:
    """Days up to this one that are missing and may still be had, each with its cause. Connections: for the role registry."""
    found = Dues(desk.home.engine, desk.home.settings.dso).gaps(demand(day), limit=MAX_GAPS)
    rows = [telling.gap(one) for one in found]
    if actor.roles.isdisjoint(REGISTRY):
        rows = [{**row, "ean": None} for row in rows]
    told = counted(wanted, rows)
    items = told["items"]
    assert isinstance(items, list)
    return answer(request, form, told, items)
