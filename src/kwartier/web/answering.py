"""An error becomes an answer: a problem for programs, a page for people, and the way to sign in for who has not."""

from urllib.parse import urlencode

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kwartier.errors import InputError, KwartierError
from kwartier.web.desk import Desk
from kwartier.web.problems import PROBLEM, headers_of, of_ours, problem, status_of
from kwartier.web.rendering import page

API = "/api/"
HTML = "text/html"
_WRONG_METHOD = 405


class Caught:
    """Whatever a route or a layer below raises is answered, unless the answer has begun: then the line is cut."""

    def __init__(self, app: ASGIApp, *, desk: Desk) -> None:
        self._app = app
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def sending(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:  # noqa: BLE001 - the last resort: an answer instead of a broken line
            scope["state"]["error"] = error
            if has_begun:
                raise RuntimeError("an answer broke off") from None
            ours = error if isinstance(error, KwartierError) else of_ours(error)
            await answered(scope, ours)(scope, receive, send)


def answered(scope: Scope, error: KwartierError) -> Response:
    """The answer to a request that came to an error."""
    request, status = Request(scope), status_of(error)
    is_for_people = not scope["path"].startswith(API) and HTML in request.headers.get("accept", "")
    if is_for_people and error.code == "not-signed-in" and scope["method"] in ("GET", "HEAD"):
        return RedirectResponse(f"/sign-in?{urlencode({'back': _back(request)})}", status_code=303)
    if is_for_people and error.code != "wrong-host":
        return _with(headers_of(error), page(request, "problem.html", {"problem": problem(error)}, status=status))
    body = problem(error)
    return _with(headers_of(error), JSONResponse(body, status_code=status, media_type=PROBLEM))


def _back(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _with(headers: dict[str, str], answer: Response) -> Response:
    answer.headers.update(headers)
    return answer


def raised_by_framework(request: Request, error: Exception) -> KwartierError:
    """What routing and validation complain about, as one of our errors; no value that was given is in it."""
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return InputError("bad-argument", f"{where}: {first['msg']}")
    if isinstance(error, HTTPException) and error.status_code == _WRONG_METHOD:
        return InputError("bad-method", f"{request.method} is not for this address")
    return InputError("no-such-page", "there is no such page")
