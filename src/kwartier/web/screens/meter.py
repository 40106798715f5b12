"""A meter's page: what there is and how visits went; with a purpose what went through it, and who has looked and why.

What may be seen without a purpose depends on the role, and the gate says whether a connection is one's own. Who looks with a
purpose stands on record before anything is looked up.
"""

from datetime import date
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from kwartier.clock import local_day
from kwartier.errors import Denied
from kwartier.service.views import sight
from kwartier.service.views.meter import meter_page
from kwartier.service.views.plain import as_json
from kwartier.web.api.documented import Words
from kwartier.web.asking import form
from kwartier.web.days import ONE_DAY, demand
from kwartier.web.desk import Asked, AtHand, SignedIn
from kwartier.web.rendering import page
from kwartier.web.screens import trace as traces
from kwartier.web.screens.screen import Facts, screen

router = APIRouter()
DAYS = 7
"""Shown, unless somebody says otherwise."""
MAX_NAME = 64


@router.get("/meter", include_in_schema=False)
def find(request: Request, actor: SignedIn, name: Annotated[str, Query(max_length=MAX_NAME)] = "") -> Response:
    """The field for a name, and from it to the page of that name."""
    del actor
    wanted = name.strip()
    if wanted:
        return RedirectResponse(f"/meter/{quote(wanted, safe='')}", status_code=303)
    return page(request, "meter-find.html", {"longest": MAX_NAME})


@screen(router, "/meter/{name}", "meter.html")
def meter(
    desk: AtHand,
    actor: SignedIn,
    asked: Asked,
    name: Annotated[str, Path(max_length=MAX_NAME)],
    start: Annotated[date | None, Query(alias="from")] = None,
    last: Annotated[date | None, Query(alias="to")] = None,
    use_case: Words = "",
    approval: Words = "",
    traced: Annotated[str, Query(max_length=traces.MAX_ID)] = "",
) -> Facts:
    """A meter or a connection, from one local day to another; of who may see nothing without a purpose, one is asked."""
    until = demand(last or local_day(desk.now, desk.home.settings.timezone) - ONE_DAY)
    begin = demand(start or until - ONE_DAY * (DAYS - 1))
    question = None
    if asked.purpose:
        question = sight.Asked(
            purpose=asked.purpose,
            reason=asked.reason,
            recipient=asked.recipient,
            use_case=use_case,
            approval=approval,
        )
    asking, days = form(actor, asked, use_case=use_case), (begin, until + ONE_DAY)
    try:
        found = meter_page(desk.home, name, days, actor=actor, asked=question, at=desk.now, gate=desk.gate)
    except Denied:
        if question is not None or all(one["name"] == sight.CUSTOMER for one in asking["purposes"]):
            raise
        return {"name": name, "since": f"{begin}", "to": f"{until}", "asking": asking, "page": None}
    return {
        "name": name,
        "since": f"{begin}",
        "to": f"{until}",
        "asking": asking,
        "page": as_json(found),
        "traces": traces.facts(desk, actor, found.ean, {one.meter for one in found.things.meters}, asked=traced),
    }
