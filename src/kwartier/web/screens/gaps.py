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
from kwartier.service.night import yesterday
from kwartier.service.reasons import REASONS
from kwartier.service.validating.covered import AREA, AXES, CELL, KIND
from kwartier.service.views import gaps as view
from kwartier.service.views.fields import fields
from kwartier.service.views.gaps import LEGEND, MAX_DAYS, Gaps, Row, Square
from kwartier.web.days import ONE_DAY, after, demand
from kwartier.web.desk import AtHand, Desk, Staff
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
NOT_PLAIN = (Kind.LATE, Kind.ESTIMATED, Kind.MISSING)
"""The kinds that have a reason."""


@screen(router, "/gaps", "gaps.html")
def gaps(
    request: Request,
    desk: AtHand,
    actor: Staff,
    axis: Axis = KIND,  # type: ignore[assignment]  # one of AXES
    by: By = "day",
    day: Day = None,
    days: Days = 14,
) -> Facts:
    """How complete days were, by cohort."""
    del actor
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
        "validated": sum(column.run is not None for column in seen.columns),
    }


@router.get("/gaps/heat.svg", include_in_schema=False)
def picture(
    request: Request,
    desk: AtHand,
    actor: Staff,
    scheme: Scheme,
    axis: Axis = KIND,  # type: ignore[assignment]  # one of AXES
    by: By = "day",
    day: Day = None,
    days: Days = 14,
) -> Response:
    """The heat map of the same question."""
    del actor
    seen = _seen(desk, axis, by, _last(desk, day), days)
    return tagged(request, heat(seen, words_for(request), scheme), MEDIA_TYPE)


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
        "due": row.total.due,
        "complete": _part(row.total),
        "kinds": dict(zip([kind.value for kind in KINDS], by_kind(row.total), strict=True)),
        "reasons": {reason.value: sum(_of(row.total, reason.value)) for reason in REASONS},
        "squares": [None if one is None else {"complete": _part(one), "reason": one.reason} for one in row.squares],
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
