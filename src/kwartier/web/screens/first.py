"""The first page: how yesterday's night stands, and where everything is. Who is not signed in signs in here."""

from datetime import date

from fastapi import APIRouter
from starlette.requests import Request

from kwartier import __version__
from kwartier.gate.policy import Asking
from kwartier.service.night import yesterday
from kwartier.web.desk import STAFF, Desk, desk_of
from kwartier.web.screens.screen import Facts, screen
from kwartier.web.screens.sign_in import ways_in

router = APIRouter()


@screen(router, "/", "first.html")
def first(request: Request) -> Facts:
    """What there is to see, for who asks; nothing of it is about one connection."""
    desk, actor = desk_of(request), request.state.actor
    facts: dict[str, object] = {"version": __version__, "night": None, "day": None}
    if actor is None:
        facts |= ways_in(desk)
    else:
        day = yesterday(desk.wall(), desk.home.settings.timezone)
        facts |= {"day": f"{day}", "night": _night(desk, actor, day)}
    return facts


def _night(desk: Desk, actor: Asking, day: date) -> Facts | None:
    """As the page *Tonight* has counted it: counting a large night takes seconds, and nobody is to wait for it twice."""
    if actor.roles.isdisjoint(STAFF):
        return None
    night = desk.nights.tonight(day)
    if not night.planned:
        return None
    totals, coverage = night.totals, night.coverage
    return {
        "date": f"{day}",
        "due": totals.due,
        "read": totals.stored,
        "missed": totals.due - totals.stored,
        "coverage": {
            "installed": coverage.installed.rate,
            "reachable": coverage.reachable.rate,
            "intervals": coverage.intervals.rate,
        },
        "running": night.is_running,
    }
