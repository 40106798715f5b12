"""How much one may ask for in a short time, and how much is worked on at once: buckets that fill up again, in bounded memory.

There is a bucket for each address that asks and one for each actor. Where many addresses come by, the one that was quiet the
longest is forgotten: it had time to fill up.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from kwartier.errors import Denied, Retry, StateError

MAX_KEYS = 10_000
MAX_AT_ONCE = 400
"""Requests that are worked on, event streams included."""
FREE = ("/static/", "/healthz")
"""What is asked for with every page, or by who watches this server, and costs nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many at once, and then so many a second."""

    burst: int
    per_s: float


OF_ADDRESS = Rate(burst=200, per_s=50.0)
OF_ACTOR = Rate(burst=100, per_s=20.0)
SIGNING_IN = Rate(burst=10, per_s=0.1)
"""Tries to sign in from one address; how many an account takes is told by the account itself (``who/accounts.py``)."""


class Buckets:
    """A bucket for each key. ``clock`` gives seconds that only grow."""

    def __init__(self, rate: Rate, clock: Callable[[], float], *, most: int = MAX_KEYS) -> None:
        self._rate = rate
        self._clock = clock
        self._most = most
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many keys are known."""
        return len(self._left)

    def take(self, key: str) -> None:
        """One for ``key``. Raises ``Denied`` slow-down where none is left."""
        now = self._clock()
        with self._lock:
            left, since = self._left.pop(key, (float(self._rate.burst), now))
            left = min(float(self._rate.burst), left + (now - since) * self._rate.per_s)
            is_there = left >= 1.0
            self._left[key] = (left - 1.0 if is_there else left, now)
            while len(self._left) > self._most:
                self._left.popitem(last=False)
        if not is_there:
            raise Denied(
                "slow-down", f"{self._rate.burst} at once, and then {self._rate.per_s:g} a second", retry=Retry.LATER
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The buckets of one server."""

    addresses: Buckets
    actors: Buckets
    signing_in: Buckets


def limits(clock: Callable[[], float]) -> Limits:
    """Full buckets, with the rates above."""
    return Limits(
        addresses=Buckets(OF_ADDRESS, clock),
        actors=Buckets(OF_ACTOR, clock),
        signing_in=Buckets(SIGNING_IN, clock),
    )


class Limited:
    """No address asks too fast, and no more is begun than there is room for."""

    def __init__(self, app: ASGIApp, *, limits: Limits, at_once: int = MAX_AT_ONCE) -> None:
        self._app = app
        self._limits = limits
        self._at_once = at_once
        self._working = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Raises ``Denied`` slow-down, ``StateError`` too-busy."""
        if scope["type"] != "http" or scope["path"].startswith(FREE):
            await self._app(scope, receive, send)
            return
        self._limits.addresses.take(address_of(scope))
        if self._working >= self._at_once:
            raise StateError("too-busy", f"{self._at_once} requests are being worked on", retry=Retry.LATER)
        self._working += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._working -= 1


def address_of(scope: Scope) -> str:
    """Where a request comes from: the address of the line, never what a header says."""
    client = scope.get("client")
    return str(client[0]) if client else ""
