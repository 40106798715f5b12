"""The page *Tonight*: a night as it stands, told while it goes on, and the three things that an operator may do with it.

The page, its data and its events have one shape, so that what a script writes later is what stood there first; moments are
there by the local clock, too, because whoever watches a night looks at a clock on a wall. What changes something has a page of
its own that says what will happen, and asks why.
"""

from collections import Counter
from dataclasses import asdict
from datetime import date
from enum import StrEnum

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from kwartier.errors import InputError, StateError, explanations
from kwartier.gate.policy import Asking
from kwartier.service.night import yesterday
from kwartier.service.night_control import MAX_WORKERS, Controls, May, Order, Run
from kwartier.service.views.fields import fields
from kwartier.service.views.progress import Cell, CellState
from kwartier.service.views.tonight import Tonight
from kwartier.web.api.documented import DayInPath
from kwartier.web.asking import reason_of
from kwartier.web.days import ONE_DAY
from kwartier.web.days import demand as demand_day
from kwartier.web.desk import MAX_REASON, OPERATOR, AtHand, Desk, FormFields, SignedIn, Staff, demand, may_listen
from kwartier.web.rendering import clock_time, moment
from kwartier.web.screens import breaking
from kwartier.web.screens.screen import Facts, screen

router = APIRouter()
EVERY_S = 2.0
MAX_TILES = 240
"""Cells that are told in events and shown on the page: those in trouble come first. The data of the page have all."""
WORKERS = 2
"""Processes that a form proposes."""
CARRYING_OUT = "carrying out a night"


class Action(StrEnum):
    """What may be done with a night."""

    START = "start"
    STOP = "stop"
    RESUME = "resume"


@screen(router, "/tonight", "tonight.html")
def last_night(desk: AtHand, actor: Staff) -> Facts:
    """The night of the last day that is over."""
    return _facts(desk, actor, yesterday(desk.wall(), desk.home.settings.timezone))


@screen(router, "/tonight/{day}", "tonight.html")
def night_of(desk: AtHand, actor: Staff, day: DayInPath) -> Facts:
    """The night of a local day."""
    return _facts(desk, actor, demand_day(day))


@router.get("/tonight/{day}/events", include_in_schema=False)
async def events(request: Request, desk: AtHand, actor: Staff, day: DayInPath) -> StreamingResponse:
    """The night whenever it changes, as events called ``tonight``."""
    del actor
    demand_day(day)
    timezone = desk.home.settings.timezone

    def look() -> Facts:
        return told(desk.nights.tonight(day), timezone, MAX_TILES)

    return desk.feeds.stream(f"tonight {day}", look, event="tonight", every_s=EVERY_S, may_go_on=may_listen(request))


@screen(router, "/tonight/{day}/{action}", "tonight-confirm.html")
def confirm(desk: AtHand, actor: SignedIn, day: DayInPath, action: Action) -> Facts:
    """What will happen if somebody does it."""
    demand(actor, OPERATOR, CARRYING_OUT)
    night = desk.nights.tonight(demand_day(day))
    controls = desk.control.controls(day, actor)
    may = _may(controls, action)
    why = explanations().get(may.code)
    last = controls.last
    return {
        "day": f"{day}",
        "action": action.value,
        "allowed": may.allowed,
        "code": may.code,
        "meaning": "" if why is None else why.meaning,
        "advice": "" if why is None else why.advice,
        "totals": fields(night.totals),
        "closes": moment(night.closes_at, desk.home.settings.timezone)[:16],
        "at_once": night.now_at >= night.closes_at,
        "workers": WORKERS if last is None else last.workers,
        "max_workers": MAX_WORKERS,
        "max_reason": MAX_REASON,
    }


@router.post("/tonight/{day}/{action}", include_in_schema=False)
def carry_out(desk: AtHand, actor: SignedIn, given: FormFields, day: DayInPath, action: Action) -> Response:
    """Do it, and go back to the night. Raises ``InputError`` no-reason, bad-argument, and what the control raises."""
    demand(actor, OPERATOR, CARRYING_OUT)
    demand_day(day)
    reason = reason_of(given.get("reason", ""))
    if action is Action.STOP:
        _stop(desk, actor, day, reason)
    else:
        order = Order(day=day, workers=_workers(given), at_once="at_once" in given, reason=reason)
        (desk.control.start if action is Action.START else desk.control.resume)(order, actor)
    return RedirectResponse(f"/tonight/{day}", status_code=303)


def told(night: Tonight, timezone: str, most: int | None = None) -> Facts:
    """A night as JSON, with ``most`` of its cells; what changes with every second alone is not in it."""

    def clock(at: int | None) -> str | None:
        return None if at is None else clock_time(at, timezone)

    return {
        "planned": night.planned,
        "running": night.is_running,
        "counted": moment(night.counted_at, timezone)[11:19],
        "totals": fields(night.totals),
        "forecast": {**fields(night.forecast), "ends": clock(night.forecast.ends_at)},
        "coverage": fields(night.coverage),
        "tally": tally(night.cells),
        "cells": [{**fields(one), "trouble": one.failed + one.refused} for one in night.cells[:most]],
        "causes": [fields(one) for one in night.causes],
        "minutes": [{**fields(one), "begins": clock(one.begins_at)} for one in night.minutes],
        "course": [{**fields(one), "by": clock(one.at)} for one in night.course],
        "processes": [
            {**fields(one), "taken": clock(one.taken_at), "seen": moment(one.seen_at, timezone)[11:19]}
            for one in night.processes
        ],
        "alerts": [{**fields(one), "opened": moment(one.opened_at, timezone)[:16]} for one in night.alerts],
    }


def tally(cells: tuple[Cell, ...]) -> dict[str, int]:
    """How many cells stand how."""
    counted = Counter(one.state for one in cells)
    return {"all": len(cells), **{state.value: counted[state] for state in CellState}}


def _facts(desk: Desk, actor: Asking, day: date) -> Facts:
    night, timezone = desk.nights.tonight(day), desk.home.settings.timezone
    may_act = not actor.roles.isdisjoint(OPERATOR)
    controls = desk.control.controls(day, actor) if may_act else None
    last = None if controls is None else controls.last
    latest = yesterday(desk.wall(), timezone)
    actions = [] if controls is None else [one.value for one in Action if _may(controls, one).allowed]
    return {
        "day": f"{day}",
        "before": f"{day - ONE_DAY}",
        "after": f"{day + ONE_DAY}" if day < latest else None,
        "opens": clock_time(night.opens_at, timezone),
        "closes": clock_time(night.closes_at, timezone),
        **told(night, timezone),
        "tiles": MAX_TILES,
        "actions": actions,
        "elsewhere": may_act and night.is_running and Action.STOP not in actions,
        "run": None if last is None else _run(last, timezone),
        "said": list(desk.control.said()) if may_act else [],
        "breaking": breaking.facts(desk, actor),
    }


def _run(run: Run, timezone: str) -> Facts:
    """The run that was started last from here, of whatever day."""
    found = {**asdict(run), "day": f"{run.day}", "running": run.is_running}
    found["started"] = moment(run.started_at, timezone)[:16]
    found["stopping"] = None if run.stopping_at is None else moment(run.stopping_at, timezone)[:19]
    return found


def _may(controls: Controls, action: Action) -> May:
    return {Action.START: controls.start, Action.STOP: controls.stop, Action.RESUME: controls.resume}[action]


def _stop(desk: Desk, actor: Asking, day: date, reason: str) -> None:
    may = desk.control.controls(day, actor).stop
    if may.code == "night-not-running":
        raise StateError("night-not-running", f"no night of {day} that was started here is under way")
    desk.control.stop(actor, reason=reason)


def _workers(given: FormFields) -> int:
    text = given.get("workers", "")
    if not (text.isascii() and text.isdecimal() and len(text) <= len(f"{MAX_WORKERS}")):
        raise InputError("bad-argument", "workers is a number")
    if not 1 <= int(text) <= MAX_WORKERS:
        raise InputError("bad-argument", f"a night has 1 to {MAX_WORKERS} processes")
    return int(text)
