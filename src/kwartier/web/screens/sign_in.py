"""Signing in and out: through an issuer of the settings, or with an account of a simulated installation.

An issuer sends its token by a form of the browser (OIDC's ``form_post``), so this server fetches nothing and has no secret
there. That form comes from another site, and no cookie of ours with it. So the token is put aside for a minute under a random
name; the browser comes back from a page of ours with its cookie, and the token has to repeat what was drawn for that cookie.
Whoever is let in gets a new session; the cookies from before are worth nothing any more.
"""

import threading
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from kwartier.errors import InputError, Retry, SecurityError, StateError
from kwartier.gate.policy import Asking
from kwartier.service.identity import is_simulated, log_in, who_is
from kwartier.web.desk import Desk, FormFields, desk_of, from_elsewhere, take_a_try
from kwartier.web.rendering import page
from kwartier.web.screens.preferences import inside
from kwartier.web.screens.screen import Facts
from kwartier.web.sessions import ASIDE_S, LASTING_S, SESSION, START, fresh

router = APIRouter()
NONCE = "nonce"
_hashing = threading.BoundedSemaphore(3)
"""Passwords that are looked at at once: each takes some 32 MB and a tenth of a second, and there are few threads."""


def ways_in(desk: Desk) -> Facts:
    """How somebody may sign in here."""
    known = desk.home.settings.oidc
    return {
        "issuers": sorted(alias for alias, one in known.items() if one.sign_in),
        "has_accounts": is_simulated(desk.home),
        "wrong": "",
    }


@router.get("/sign-in", include_in_schema=False)
def form(request: Request, back: Annotated[str, Query(max_length=500)] = "/") -> Response:
    """The page to sign in."""
    return page(request, "sign-in.html", {**ways_in(desk_of(request)), "back": inside(back)})


@router.post("/sign-in", include_in_schema=False)
def with_account(request: Request, fields: FormFields) -> Response:
    """A name and a password of an account; a wrong one gets the page again, and says no more than that."""
    desk, back = desk_of(request), inside(fields.get("back", "/"))
    take_a_try(request)
    if not _hashing.acquire(blocking=False):
        raise StateError("too-busy", "others are signing in at this moment", retry=Retry.LATER)
    try:
        actor = log_in(desk.home, fields.get("name", ""), fields.get("password", ""), at=desk.now)
    except SecurityError as error:
        request.scope["state"]["error"] = error
        facts = {**ways_in(desk), "back": back, "wrong": error.code}
        return page(request, "sign-in.html", facts, status=401)
    finally:
        _hashing.release()
    return _let_in(request, actor, back)


@router.get("/sign-in/{alias}", include_in_schema=False)
async def to_issuer(request: Request, alias: str) -> Response:
    """To the page of an issuer. Raises ``InputError`` no-such-page."""
    desk = desk_of(request)
    one = desk.home.settings.oidc.get(alias)
    if one is None or not one.sign_in:
        raise InputError("no-such-page", "there is no such issuer to sign in with")
    start = fresh()
    asked = {
        "response_type": "id_token",
        "response_mode": "form_post",
        "scope": "openid",
        "client_id": one.audience,
        "redirect_uri": f"{_own_address(request)}/signed-in",
        "nonce": desk.sessions.token(start, NONCE),
    }
    mark = "&" if "?" in one.sign_in else "?"
    answer = RedirectResponse(f"{one.sign_in}{mark}{urlencode(asked)}", status_code=303)
    _keep(answer, desk, START, start, ASIDE_S * 10)
    return answer


@router.post("/signed-in", include_in_schema=False)
@from_elsewhere
async def from_issuer(request: Request, fields: FormFields) -> Response:
    """A token, through the browser: put aside if it is good, until that browser shows its cookie."""
    desk = desk_of(request)
    take_a_try(request)
    token = fields.get("id_token", "")
    await run_in_threadpool(who_is, desk.home, at=desk.wall(), token=token)
    facts = {"waits": desk.aside.put(token, desk.wall())}
    return page(request, "signed-in.html", facts)


@router.get("/signed-in", include_in_schema=False)
def come_back(request: Request, waits: Annotated[str, Query(max_length=128)]) -> Response:
    """The browser comes back with its cookie. Raises ``SecurityError`` bad-token."""
    desk, start = desk_of(request), request.cookies.get(START, "")
    token = desk.aside.take(waits, desk.wall())
    if not start:
        raise SecurityError("bad-token", "the sign-in was not begun in this browser")
    nonce = desk.sessions.token(start, NONCE)
    return _let_in(request, who_is(desk.home, at=desk.wall(), token=token, nonce=nonce), "/")


@router.post("/sign-out", include_in_schema=False)
async def sign_out(request: Request) -> Response:
    """The session is over."""
    desk = desk_of(request)
    desk.sessions.end(request.cookies.get(SESSION, ""))
    desk.metrics.sessions.set(len(desk.sessions))
    answer = RedirectResponse("/", status_code=303)
    answer.delete_cookie(SESSION, path="/", httponly=True, samesite="strict", secure=desk.is_secure)
    return answer


def _let_in(request: Request, actor: Asking, back: str) -> Response:
    """A new session, whatever the browser had before; that one ends."""
    desk = desk_of(request)
    desk.sessions.end(request.cookies.get(SESSION, ""))
    answer = RedirectResponse(back, status_code=303)
    _keep(answer, desk, SESSION, desk.sessions.begin(actor), LASTING_S)
    answer.delete_cookie(START, path="/", httponly=True, samesite="strict", secure=desk.is_secure)
    desk.metrics.sessions.set(len(desk.sessions))
    return answer


def _keep(answer: Response, desk: Desk, name: str, value: str, seconds: int) -> None:
    answer.set_cookie(name, value, max_age=seconds, httponly=True, samesite="strict", secure=desk.is_secure, path="/")


def _own_address(request: Request) -> str:
    """Under which address the issuer sends browsers back: as set, else as this one came."""
    return desk_of(request).home.settings.serve_address or f"http://{request.headers['host']}"
