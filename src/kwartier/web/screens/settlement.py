"""The pages of settlement: which days there are, and what a version of one says, whether it adds up and how far it is told.

Days, versions and messages are shown to the staff. Sums are shown to whoever says what for and why, and the gate decides.
"""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query

from kwartier.clock import local_day
from kwartier.service.views.plain import as_json
from kwartier.service.views.settled_days import settled_days
from kwartier.service.views.settlement import day_page, settlement_page
from kwartier.web.api.documented import DayInPath
from kwartier.web.asking import form
from kwartier.web.days import ONE_DAY, demand
from kwartier.web.desk import Asked, AtHand, Staff
from kwartier.web.screens.screen import Facts, screen

router = APIRouter()
DAYS = 31
"""Shown, unless somebody says otherwise."""
MAX_VERSION, MAX_AREA = 10_000, 64


@screen(router, "/settlement", "settlement-days.html")
def days(
    desk: AtHand,
    actor: Staff,
    start: Annotated[date | None, Query(alias="from")] = None,
    last: Annotated[date | None, Query(alias="to")] = None,
) -> Facts:
    """The days from one to another, the newest first, with the state of each. No sums."""
    del actor
    today = local_day(desk.now, desk.home.settings.timezone)
    until = demand(last or today - ONE_DAY)
    begin = demand(start or until - ONE_DAY * (DAYS - 1))
    found = settled_days(desk.home, begin, until + ONE_DAY, at=desk.now)
    return {"since": f"{begin}", "to": f"{until}", "days": as_json(found)}


@screen(router, "/settlement/{day}", "settlement.html")
def of_day(
    desk: AtHand,
    actor: Staff,
    asked: Asked,
    day: DayInPath,
    version: Annotated[int | None, Query(ge=1, le=MAX_VERSION)] = None,
    against: Annotated[int | None, Query(ge=1, le=MAX_VERSION)] = None,
    area: Annotated[str, Query(max_length=MAX_AREA)] = "",
) -> Facts:
    """A day; with a purpose also what its version says."""
    if asked.purpose:
        found = settlement_page(
            desk.home,
            demand(day),
            version=version,
            against=against,
            area=area,
            actor=actor,
            purpose=asked.purpose,
            reason=asked.reason,
            at=desk.now,
            shelf=desk.shelf,
        )
    else:
        found = day_page(desk.home, demand(day), version=version, at=desk.now)
    told = as_json(found)
    return {"asking": form(actor, asked, desk.home.settings.settle_purpose), "page": told}
