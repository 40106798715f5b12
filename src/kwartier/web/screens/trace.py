"""A traced visit, byte by byte: what went over the line, what each byte is, and a copy of it that is nobody's.

Which purposes let see a trace is for the gate to say, and whether they show its values; whoever looks stands on record each
time, also who leafs to another part.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from starlette.responses import RedirectResponse, Response

from kwartier.clock import zone
from kwartier.collect.traces import Trace
from kwartier.errors import InputError
from kwartier.gate.policy import Asking
from kwartier.gate.purposes import Source
from kwartier.service.tracing import copying, looking, naming
from kwartier.service.views.plain import as_json
from kwartier.service.views.trace import Group, part_of
from kwartier.web.asking import form, reason_of
from kwartier.web.desk import MAX_REASON, Asked, AtHand, Desk, FormFields, Question, SignedIn
from kwartier.web.screens.screen import Facts, screen

router = APIRouter()
MAX_ID = 64
MAX_NAME = 64
MAX_PARTS = 10_000
MAX_SHOWN = 50
"""Traces of a connection that its page lists, the newest first."""
TraceInPath = Annotated[str, Path(max_length=MAX_ID)]


@screen(router, "/trace/{trace}", "trace.html")
def trace(
    desk: AtHand,
    actor: SignedIn,
    asked: Asked,
    trace: TraceInPath,
    part: Annotated[int, Query(ge=1, le=MAX_PARTS)] = 1,
) -> Facts:
    """A trace, for whoever says what for and why."""
    facts = {"id": trace, "asking": _asking(actor, asked), "groups": [one.value for one in Group], "trace": None}
    if not asked.purpose:
        return facts
    found = looking.look(
        desk.home,
        trace,
        actor=actor,
        purpose=asked.purpose,
        reason=reason_of(asked.reason),
        recipient=asked.recipient,
        wall=desk.wall,
    )
    shown = as_json(part_of(found.view(), part))
    told = _told(found.trace, desk.home.settings.timezone)
    return {**facts, "trace": told, "masked": found.masked, "part": shown}


@router.post("/trace/{trace}/copy", include_in_schema=False)
def copy(desk: AtHand, actor: SignedIn, given: FormFields, trace: TraceInPath) -> Response:
    """The same structure with values, titles and keys that are nobody's, as a piece of a file of vectors."""
    found = looking.look(
        desk.home,
        trace,
        actor=actor,
        purpose=given.get("purpose", ""),
        reason=reason_of(given.get("reason", "")),
        recipient=given.get("recipient", "")[:MAX_REASON],
        wall=desk.wall,
    )
    made = copying.cases(found)
    if not made:
        raise InputError("not-copyable", "nothing in it is a frame that decodes")
    # The name is ours: what stands in the address does not get into a header.
    headers = {"content-disposition": 'attachment; filename="trace.vectors"'}
    return Response(
        "\n".join(one.text for one in copying.cases(found)), media_type="text/plain; charset=utf-8", headers=headers
    )


@router.post("/meter/{name}/trace", include_in_schema=False)
def request(
    desk: AtHand, actor: SignedIn, given: FormFields, name: Annotated[str, Path(max_length=MAX_NAME)]
) -> Response:
    """Have the next visit to a meter traced, and go back to its page."""
    made = naming.request(
        desk.home, given.get("meter", ""), actor=actor, reason=reason_of(given.get("reason", "")), wall=desk.wall
    )
    return RedirectResponse(f"/meter/{quote(name, safe='')}?traced={made.id}#traces", status_code=303)


def facts(desk: Desk, actor: Asking, ean: str, meters: Collection[str], *, asked: str = "") -> Facts | None:
    """Which visits to a connection were traced or will be, for whom that is for; None for everybody else.

    ``meters``: the names of those at the connection; of a visit that was not made yet nobody knows where it will be.
    ``asked``: the one that was asked for just now, which the page says where it still waits.
    """
    if actor.roles.isdisjoint(naming.LISTERS):
        return None
    known = naming.listed(desk.home, actor=actor, wall=desk.wall)
    found = [one for one in known if one.ean == ean or (not one.ean and one.meter in meters)]
    told = [_told(one, desk.home.settings.timezone) for one in found[::-1][:MAX_SHOWN]]
    return {
        "list": told,
        "more": max(len(found) - MAX_SHOWN, 0),
        "asked": next((one for one in told if one["trace"] == asked and one["state"] == "waiting"), None),
        "meters": sorted(meters),
        "may_request": not actor.roles.isdisjoint(naming.WHO),
        "longest": MAX_REASON,
    }


def _told(one: Trace, timezone: str) -> Facts:
    """A trace as JSON, and its moments by the local clock, too."""

    def local(seconds: int) -> str:
        return datetime.fromtimestamp(seconds, zone(timezone)).isoformat(timespec="seconds")

    return {
        **one.as_json(),
        "asked": local(one.requested_at),
        "visited": local(one.started) if one.is_kept else None,
        "ends": local(one.expires_at if one.is_kept else one.until),
    }


def _asking(actor: Asking, asked: Question) -> Facts:
    """The form, with the purposes of this actor that let see traces."""
    return {**form(actor, asked, fits=lambda one: Source.TRACE in one.sources)}
