"""The part of the page *Tonight* that only a demonstration has: break something, and see what the night makes of it."""

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from kwartier.errors import InputError
from kwartier.gate.policy import Asking
from kwartier.service.demo.breaking import Act
from kwartier.service.views.fields import fields
from kwartier.web.api.documented import DayInPath
from kwartier.web.days import demand as demand_day
from kwartier.web.desk import OPERATOR, AtHand, Desk, FormFields, SignedIn, demand
from kwartier.web.screens.screen import Facts

router = APIRouter()


@router.post("/demonstration/{day}/break", include_in_schema=False)
def carry_out(desk: AtHand, actor: SignedIn, given: FormFields, day: DayInPath) -> Response:
    """Break or mend something, and go back to the night. Raises ``InputError`` bad-argument, and as the services do."""
    if desk.breaking is None:
        raise InputError("no-such-page", "this is no demonstration")
    demand(actor, OPERATOR, "breaking a demonstration")
    demand_day(day)
    try:
        act = Act(given.get("act", ""))
    except ValueError:
        raise InputError("bad-argument", f"act is one of {', '.join(Act)}") from None
    desk.breaking.do(act, given.get("name", ""))
    return RedirectResponse(f"/tonight/{day}#break", status_code=303)


def facts(desk: Desk, actor: Asking) -> Facts | None:
    """What is broken and what may be, for an operator of a demonstration; None for everybody else."""
    if desk.breaking is None or actor.roles.isdisjoint(OPERATOR):
        return None
    found = desk.breaking.stands()
    return {**fields(found), "whole": found.is_whole}
