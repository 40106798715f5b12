"""The page *Gaps*: where quarters were missing, estimated or late, by cohort and day or hour, and where the fault lies.

What it shows was counted when days were validated; a square that nobody counted stays empty, and cohorts of too few meters are
counted together, as the view has it. Each square of the picture stands in a table, too.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from kwartier.export.pictures.palette import KINDS, Kind, Scheme
from kwartier.gate.policy import Asking
from kwartier.gate.purposes import purposes
from kwartier.service.night import yesterday
from kwartier.service.reasons import REASONS
from kwartier.service.validating.covered import AREA, AXES, CELL, KIND, Key
from kwartier.service.views import gaps as view
from kwartier.service.views.fields import fields
from kwartier.service.views.gaps import LEGEND, MAX_DAYS, Gaps, Row, Square
from kwartier.web.asking import Form, form
from kwartier.web.days import ONE_DAY, after, demand
from kwartier.web.desk import Asked, AtHand, Desk, Question, Staff
from kwartier.web.etags import tagged
from kwartier.web.heat import by_kind, heat, name_of
from kwartier.web.pictures import MEDIA_TYPE
from kwartier.web.rendering import words_for
from kwartier.web.screens.screen import Facts, screen

router = APIRouter()
SPANS = (7, 14, 31, MAX_DAYS)
"""How many days a form offers."""
Axis = Annotated[Literal["kind", "area", "cell"], Query(description="What cohorts are made of.")]
By = Annotated[Literal["day", "hour"], Query(description="What a column is.")]
Day = Annotated[date | None, Query(description="The last local day, or the one whose hours are shown.")]
Days = Annotated[int, Query(ge=1, le=MAX_DAYS, description="How many days.")]
MAX_NAME = 200
"""Characters of a supplier and its firmware."""
Name = Annotated[str, Query(max_length=MAX_NAME)]
NOT_ASKED = Question(purpose="", reason="", recipient="")
NOT_PLAIN = (Kind.LATE, Kind.ESTIMATED, Kind.MISSING)
"""The kinds that have a reason."""


@screen(router, "/gaps", "gaps.html")
def gaps(
    request: Request,
    desk: AtHand,
    actor: Staff,
    axis: Axis = KIND,
    by: By = "day",
    day: Day = None,
    days: Days = 14,
) -> Facts:
    """How complete days were, by cohort."""
    last = _last(desk, day)
    seen = _seen(desk, axis, by, last, days)
    words = words_for(request)
    rows = [*seen.rows, *([seen.total] if seen.total is not None else [])]
    return {
        **fields(seen),
        "day": f"{last}",
        "days": days,
        "axes": [KIND, AREA, CELL],
        "spans": sorted({*SPANS, days}),
        "kinds": [kind.value for kind in KINDS],
        "reasons": [reason.value for reason in REASONS],
        "before": f"{last - timedelta(days=days if by == 'day' else 1)}",
        "after": f"{last + timedelta(days=days if by == 'day' else 1)}",
        "latest": f"{yesterday(desk.wall(), desk.home.settings.timezone)}",
        "lines": [_line(row, name_of(row, words)) for row in rows],
        "causes": _causes(seen.total),
        "asking": _asking(desk, actor, NOT_ASKED),
        "names": sorted({row.cohort for row in seen.rows if row.cohort}),
        "validated": sum(column.run is not None for column in seen.columns),
    }


@router.get("/gaps/heat.svg", include_in_schema=False)
def picture(
    request: Request,
    desk: AtHand,
    actor: Staff,
    scheme: Scheme,
    axis: Axis = KIND,
    by: By = "day",
    day: Day = None,
    days: Days = 14,
) -> Response:
    """The heat map of the same question."""
    del actor
    seen = _seen(desk, axis, by, _last(desk, day), days)
    return tagged(request, heat(seen, words_for(request), scheme), MEDIA_TYPE)


@screen(router, "/gaps/cohort", "gaps-cohort.html")
def cohort(
    desk: AtHand,
    actor: Staff,
    asked: Asked,
    axis: Axis = KIND,
    within: Name = "",
    name: Annotated[str, Query(alias="cohort", max_length=MAX_NAME)] = "",
    day: Day = None,
) -> Facts:
    """The hours of a day of one cohort, however small: for who says what for and why."""
    last, asking = _last(desk, day), _asking(desk, actor, asked)
    facts = {"axis": axis, "within": within, "cohort": name, "day": f"{last}", "asking": asking}
    latest = f"{yesterday(desk.wall(), desk.home.settings.timezone)}"
    if not asked.purpose:
        return {**facts, "latest": latest, "names": [], "hours": None}
    key = Key(axis, within if axis == CELL else "", name)
    seen = view.of_cohort(desk.home, key, last, actor=actor, reason=asked.reason, purpose=asked.purpose, gate=desk.gate)
    row = next(iter(seen.rows), None)
    squares = [] if row is None else zip(seen.columns, row.squares, strict=True)
    return {
        **facts,
        "latest": latest,
        "names": [],
        "kinds": [kind.value for kind in KINDS],
        "reasons": [reason.value for reason in REASONS],
        "meters": 0 if row is None else row.meters,
        "total": None if row is None else _told(row.total),
        "hours": [{"label": head.label, **_told(one)} for head, one in squares if one is not None],
    }


def _asking(desk: Desk, actor: Asking, asked: Question) -> Form:
    """The form for one cohort: of the purpose for which days are validated, for whoever may act for it."""
    own = desk.home.settings.validate_purpose
    found = form(actor, asked, own)
    may = own in purposes() and not actor.roles.isdisjoint(purposes()[own].who)
    return found if may else {**found, "purposes": []}


def _last(desk: Desk, day: date | None) -> date:
    return demand(yesterday(desk.wall(), desk.home.settings.timezone) if day is None else day)


def _seen(desk: Desk, axis: str, by: str, last: date, days: int) -> Gaps:
    assert axis in AXES
    if by == "hour":
        return view.by_hour(desk.home, axis, last)
    return view.by_day(desk.home, axis, demand(last - (days - 1) * ONE_DAY), after(last))


def _line(row: Row, name: str) -> Facts:
    """A row as the tables have it."""
    return {
        "name": name,
        "what": row.what,
        "meters": row.meters,
        **_told(row.total),
        "squares": [None if one is None else {"complete": _part(one), "reason": one.reason} for one in row.squares],
    }


def _told(square: Square) -> Facts:
    """Quarters by how they came about, and by where the fault lies."""
    return {
        "due": square.due,
        "complete": _part(square),
        "kinds": dict(zip([kind.value for kind in KINDS], by_kind(square), strict=True)),
        "reasons": {reason.value: sum(_of(square, reason.value)) for reason in REASONS},
    }


def _part(square: Square) -> float | None:
    return round(square.known / square.due, 6) if square.due else None


def _of(square: Square, reason: str) -> Sequence[int]:
    return [count for code, count in zip(LEGEND, square.counts, strict=True) if code.reason == reason]


def _causes(total: Row | None) -> list[Facts]:
    """Quarters of all cohorts by where the fault lies; none where there is nothing to show."""
    if total is None:
        return []
    return [
        {
            "reason": reason.value,
            **{kind.value: count for kind, count in zip(NOT_PLAIN, _of(total.total, reason), strict=True)},
        }
        for reason in REASONS
    ]
