"""The server as a whole: routes and pages, and the layers that every request passes, whatever it asks for.

From the outside in: headers on every answer; a line in the log; errors become problems, or a page that says the same; who names
another host or asks too fast is turned away; an address that ends in a form of data asks for that form. Then
:func:`kwartier.web.desk.guarded` says who asks. Routes that are no coroutines run in :data:`THREADS` worker threads, each
with a gate of its own.
"""

import sys
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TextIO

import anyio.to_thread
from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from kwartier import __version__
from kwartier.service.demo.breaking import Breaking
from kwartier.service.home import Home
from kwartier.service.night_control import NightControl
from kwartier.service.views.settlement import Shelf
from kwartier.service.views.tonight import Nights
from kwartier.web import loaded, metrics
from kwartier.web.answering import Caught, raised_by_framework
from kwartier.web.api import ROUTES
from kwartier.web.desk import Desk, Gates, elapsed, guarded
from kwartier.web.events import Feeds
from kwartier.web.limits import Limited, limits
from kwartier.web.logs import Journal, Observed, journal
from kwartier.web.negotiation import Suffixes
from kwartier.web.pages import Cursors
from kwartier.web.screens import SCREENS
from kwartier.web.security import LOOPBACK, Doors, Headers, host_of
from kwartier.web.sessions import Aside, Sessions

THREADS = 8
"""Worker threads: more would wait for the one database, and take it from a night."""
DOCUMENT = "/api/openapi.json"
ABOUT = """\
What `kwartier` knows, for programs. Everything passes the gate of the commands: whoever asks for readings or volumes says
what for (`purpose`) and why (`reason`), and each look stands in the audit log before its first row. Sign in with a token of a
pinned issuer (`Authorization: Bearer`). Data come as JSON, and tables also as CSV, Arrow or Parquet: by `Accept`, or by the end
of the address (`.json`, `.csv`, `.arrow`, `.parquet`). Errors are problems (RFC 9457) with the codes of docs/errors.md.
"""


def create_app(
    home: Home,
    *,
    wall: Callable[[], float] = time.time,
    clock: Callable[[], float] = elapsed,
    hosts: Collection[str] = (),
    out: TextIO | None = None,
    control: NightControl | None = None,
    breaking: Breaking | None = None,
) -> FastAPI:
    """The application over an opened home, which outlives it.

    ``wall`` gives UTC seconds, ``clock`` seconds that only grow. ``hosts``: names of this server besides those of loopback and
    that of the setting ``serve_address``. ``out``: where its log goes (stderr). ``control``: what starts and stops nights (its
    own). ``breaking``: what may be broken, in a demonstration.
    """
    address = home.settings.serve_address
    counted = metrics.metrics()
    desk = Desk(
        home=home,
        wall=wall,
        sessions=Sessions(wall),
        aside=Aside(),
        limits=limits(clock),
        cursors=Cursors(),
        feeds=Feeds(counted=counted.streams.set),
        metrics=counted,
        journal=journal(sys.stderr if out is None else out),
        shelf=Shelf(home),
        gates=Gates(home, wall),
        nights=Nights(home, wall=wall),
        control=control or NightControl(home, wall=wall),
        breaking=breaking,
        is_secure=address.startswith("https://"),
    )
    app = routed(lifespan=_lifespan)
    app.state.desk = desk
    named = {host_of(address.partition("://")[2])} if address else set()
    _layered(app, desk, named | LOOPBACK | set(hosts))
    return app


def routed(
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """Every route and page, over no installation: enough for the document that describes them."""
    app = FastAPI(
        title="kwartier",
        version=__version__,
        description=ABOUT,
        openapi_url=DOCUMENT,
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(guarded)],
        lifespan=lifespan,
        separate_input_output_schemas=False,
    )
    for router in (*ROUTES, *SCREENS):
        app.include_router(router)
    app.add_api_route("/static/{name}", loaded.give, methods=["GET"], include_in_schema=False)
    for kind in (HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _as_ours)
    return app


async def _as_ours(request: Request, error: Exception) -> Response:
    """What the framework raises becomes one of our errors, and is caught with them."""
    raise raised_by_framework(request, error) from None


def _layered(app: FastAPI, desk: Desk, hosts: Collection[str]) -> None:
    """The layers, the innermost first."""
    app.add_middleware(Suffixes)
    app.add_middleware(Limited, limits=desk.limits)
    app.add_middleware(Doors, hosts=hosts)
    app.add_middleware(Caught, desk=desk)
    app.add_middleware(Observed, journal=desk.journal, metrics=desk.metrics)
    app.add_middleware(Headers, is_secure=desk.is_secure)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield
    desk: Desk = app.state.desk
    desk.feeds.close()
    # A night that was started here ends with this server; where that takes a while, it has begun in serving.py.
    await run_in_threadpool(desk.control.close)


def journal_of(app: FastAPI) -> Journal:
    """Where an application writes its log."""
    desk: Desk = app.state.desk
    return desk.journal
