"""What this server says of itself: a line of JSON each, with fields from a closed list, none of which can name anybody.

An address has readings' connections in it, in paths and in queries; so a request stands there by the template of its route.
No address of a line, no actor and no text of an error is among the fields: codes are, and the audit log says who looked.
"""

import logging
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Final, Protocol, TextIO

import structlog
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kwartier.errors import KwartierError
from kwartier.web.metrics import Metrics
from kwartier.web.problems import of_ours, status_of

FIELDS: Final = frozenset(
    {"event", "level", "timestamp", "route", "method", "status", "ms", "code", "where", "address", "port", "streams"}
)
"""All that a line may have; ``address`` is that at which this server listens."""
UNMATCHED: Final = "unmatched"
"""The route of what is not there."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_FIRST_FAULT: Final = 500


class Journal(Protocol):
    """What takes such lines."""

    def info(self, event: str, **fields: object) -> object:
        """Something happened."""
        ...

    def warning(self, event: str, **fields: object) -> object:
        """Something that somebody should look at."""
        ...

    def error(self, event: str, **fields: object) -> object:
        """Something that is a mistake of ours."""
        ...


def journal(out: TextIO) -> Journal:
    """Lines to ``out``."""
    made: Journal = structlog.wrap_logger(
        structlog.WriteLogger(out),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _known_alone,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    return made


def _known_alone(_logger: object, _name: str, fields: MutableMapping[str, object]) -> Mapping[str, object]:
    """Whatever else somebody gave along is left out."""
    return {name: value for name, value in fields.items() if name in FIELDS}


class Observed:
    """Every request is a line and a number, also one that breaks off."""

    def __init__(
        self, app: ASGIApp, *, journal: Journal, metrics: Metrics, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._app = app
        self._journal = journal
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = self._clock(), 0
        state = scope.setdefault("state", {})

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            self._note(scope, status, self._clock() - began, state.get("error"))

    def _note(self, scope: Scope, status: int, took_s: float, error: Exception | None) -> None:
        route = route_of(scope)
        method = scope["method"] if scope["method"] in METHODS else "other"
        fields: dict[str, object] = {"route": route, "method": method, "status": status, "ms": round(took_s * 1000, 1)}
        self._metrics.answered(route, method, status, took_s)
        if isinstance(error, KwartierError):
            self._metrics.refusals.labels(error.code).inc()
            fields["code"] = error.code
        elif error is not None:
            self._metrics.refusals.labels("internal-error").inc()
            fields |= {"code": "internal-error", "where": of_ours(error).detail}
        is_ours = error is not None and (not isinstance(error, KwartierError) or status_of(error) == _FIRST_FAULT)
        (self._journal.error if is_ours else self._journal.info)("request", **fields)


def route_of(scope: Scope) -> str:
    """The template of the route that a request went to: ``/api/v1/night/{day}``."""
    state = scope.get("state", {})
    route = state.get("route")
    if isinstance(route, str):
        return route
    found = scope.get("route")
    path = getattr(found, "path", None) if isinstance(found, BaseRoute) else None
    return path if isinstance(path, str) else UNMATCHED
