"""What every route and page has at hand: the installation, who asks, and the things that one server keeps.

A route names what it needs in its signature: ``desk: AtHand`` for the installation, ``actor: SignedIn`` for somebody who has
proved who they are, ``asked: Asked`` for a purpose and a reason. What is not named is not checked - but for the token of a
form, which :func:`guarded` demands of everything that changes something, whoever forgets it.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Annotated, TypeVar
from urllib.parse import parse_qsl

from fastapi import Depends, Query, Security
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from kwartier.errors import Denied, InputError, SecurityError
from kwartier.gate.grant import Gate
from kwartier.gate.policy import Asking
from kwartier.service.demo.breaking import Breaking
from kwartier.service.home import Home
from kwartier.service.identity import who_is
from kwartier.service.night_control import NightControl
from kwartier.service.views.settlement import Shelf
from kwartier.service.views.tonight import Nights
from kwartier.web.events import Feeds
from kwartier.web.limits import Limits, address_of
from kwartier.web.logs import Journal
from kwartier.web.metrics import Metrics
from kwartier.web.pages import Cursors
from kwartier.web.sessions import SESSION, START, Aside, Sessions

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
TOKEN_HEADER, TOKEN_FIELD = "x-csrf-token", "csrf"
FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 100
MAX_REASON = 500
BEARER = "bearer "
LISTENING_S = 900
"""How long one request with a token listens to events; then the next one shows whether the token still holds."""
Route = TypeVar("Route", bound=Callable[..., object])
STAFF = frozenset(
    {"registry", "operator", "settlement", "validation", "customer-desk", "privacy-officer", "security-officer"}
    | {"auditor", "maintenance", "test"}
)
"""Roles to which figures of the fleet as a whole and names of meters are shown; none is about one's own connection."""
OPERATOR = frozenset({"operator"})
"""The role that carries out nights."""
REGISTRY = frozenset({"registry"})
"""The role to which connections are shown in lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One server's: the installation and what is kept while it runs. ``wall`` gives UTC seconds."""

    home: Home
    wall: Callable[[], float]
    sessions: Sessions
    aside: Aside
    limits: Limits
    cursors: Cursors
    feeds: Feeds
    metrics: Metrics
    journal: Journal = field(repr=False)
    shelf: Shelf = field(repr=False)
    """Sums of settlement that pages have shown."""
    gates: "Gates" = field(repr=False)
    nights: Nights = field(repr=False)
    control: NightControl = field(repr=False)
    breaking: Breaking | None = field(default=None, repr=False)
    """What whoever watches a demonstration may break; None: this is none."""
    is_secure: bool = False
    """Whether browsers reach it over TLS alone, so that its cookies need it."""

    @property
    def now(self) -> int:
        """UTC seconds."""
        return int(self.wall())

    @property
    def gate(self) -> Gate:
        """The gate of the thread that asks."""
        return self.gates.gate


class Gates(threading.local):
    """A gate for each thread, which it keeps with its tables open; ``wall`` gives UTC seconds."""

    def __init__(self, home: Home, wall: Callable[[], float]) -> None:
        super().__init__()
        self.gate = home.gate_at(wall)


def desk_of(request: Request) -> Desk:
    """The desk of the server that a request came to."""
    found: Desk = request.app.state.desk
    return found


async def at_hand(request: Request) -> Desk:
    """The same, for a signature."""
    return desk_of(request)


AtHand = Annotated[Desk, Depends(at_hand)]


async def guarded(request: Request) -> None:
    """Before every route: who asks, not too fast; and what changes something comes from a page of ours.

    Raises ``SecurityError`` bad-token and its kin; ``Denied`` stale-form, slow-down.
    """
    desk = desk_of(request)
    request.state.route = getattr(request.scope.get("route"), "path", None)
    request.state.actor = None
    said = request.headers.get("authorization", "")
    if said:
        request.state.actor = await run_in_threadpool(_bearer, desk, said)
        desk.limits.actors.take(request.state.actor.name)
        return
    cookie = request.cookies.get(SESSION, "")
    session = desk.sessions.find(cookie) if cookie else None
    if session is not None:
        request.state.actor = session.actor
        desk.limits.actors.take(session.actor.name)
    if request.method not in SAFE and not getattr(request.scope.get("endpoint"), "from_elsewhere", False):
        await _demand_token(request, desk, cookie if session is not None else request.cookies.get(START, ""))


def _bearer(desk: Desk, said: str) -> Asking:
    if not said.lower().startswith(BEARER):
        raise SecurityError("not-signed-in", "no other scheme than Bearer is known")
    return who_is(desk.home, at=desk.wall(), token=said[len(BEARER) :].strip())


async def _demand_token(request: Request, desk: Desk, cookie: str) -> None:
    """The cookie says which browser it is, and the token that the page was ours."""
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host", ""):
        raise Denied("stale-form", "the form was sent from another site")
    given = request.headers.get(TOKEN_HEADER) or (await form_of(request)).get(TOKEN_FIELD, "")
    if not desk.sessions.is_token(given, cookie):
        raise Denied("stale-form", "the token of the form is not that of this session")


def from_elsewhere(route: Route) -> Route:
    """Mark a route that other sites may send forms to; it must believe nothing but what is signed."""
    route.from_elsewhere = True  # type: ignore[attr-defined]  # a mark, read by guarded()
    return route


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form, each once; of another kind of body there are none. Raises ``InputError`` bad-argument."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        return {}
    try:
        text = (await request.body()).decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise InputError("bad-argument", "the form is no form") from None
    return dict(pairs)


FormFields = Annotated[dict[str, str], Depends(form_of)]


_bearer_scheme = HTTPBearer(auto_error=False, description="A token of a pinned issuer.")
_cookie_scheme = APIKeyCookie(name=SESSION, auto_error=False, description="Of who has signed in on the page.")


async def signed_in(
    request: Request,
    _token: Annotated[object, Security(_bearer_scheme)] = None,
    _cookie: Annotated[object, Security(_cookie_scheme)] = None,
) -> Asking:
    """Who asks. Raises ``SecurityError`` not-signed-in.

    The two schemes are for the OpenAPI document; :func:`guarded` has looked at both.
    """
    actor: Asking | None = request.state.actor
    if actor is None:
        raise SecurityError("not-signed-in", "there is no session and no token")
    return actor


SignedIn = Annotated[Asking, Depends(signed_in)]


async def staff(actor: SignedIn) -> Asking:
    """Who asks, where figures of the whole fleet are shown. Raises ``Denied`` no-role."""
    demand(actor, STAFF, "figures of the fleet")
    return actor


Staff = Annotated[Asking, Depends(staff)]


def demand(actor: Asking, roles: Iterable[str], what: str) -> None:
    """Raises ``Denied`` no-role unless the actor has one of ``roles``."""
    wanted = sorted(roles)
    if actor.roles.isdisjoint(wanted):
        raise Denied("no-role", f"{what} needs one of {', '.join(wanted)}, and {actor.name} has none of them")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What readings are asked for: its purpose, which the gate judges, and why, in somebody's own words."""

    purpose: str
    reason: str
    recipient: str


async def asked(
    purpose: Annotated[str, Query(max_length=64, description="What for; see docs/purposes.md. It is recorded.")] = "",
    reason: Annotated[
        str, Query(max_length=MAX_REASON, description="Why, in your own words. It is recorded, and has to be given.")
    ] = "",
    recipient: Annotated[str, Query(max_length=MAX_REASON, description="Who gets to see it, if not you.")] = "",
) -> Question:
    """Of every route that shows readings or volumes. A purpose that is missing is for the gate to refuse, which records it.

    Raises ``InputError`` no-reason.
    """
    if purpose and not reason.strip():
        raise InputError("no-reason", "there is a purpose and no reason")
    return Question(purpose=purpose, reason=reason.strip(), recipient=recipient)


Asked = Annotated[Question, Depends(asked)]


def may_listen(request: Request) -> Callable[[], bool]:
    """Whether whoever asks may go on to listen: as long as their session holds, or with a token for a while."""
    desk, cookie, began = desk_of(request), request.cookies.get(SESSION, ""), desk_of(request).wall()
    if "authorization" in request.headers:
        return lambda: desk.wall() - began < LISTENING_S
    return lambda: desk.sessions.holds(cookie)


def take_a_try(request: Request) -> None:
    """A try to sign in. Raises ``Denied`` slow-down."""
    desk_of(request).limits.signing_in.take(address_of(request.scope))


def elapsed() -> float:
    """Seconds that only grow."""
    return time.monotonic()
