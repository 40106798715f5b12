"""What every answer carries, whatever it is and whoever made it: the policy that keeps foreign content and foreign sites out.

No script or style comes from anywhere but this server, none stands in a page, and nothing is asked of a third party; a page
that needs more is changed, never the policy. A request has to name this server, so that no foreign name that leads here
(DNS rebinding) gets an answer; and its body has a bound.
"""

import asyncio
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kwartier.errors import InputError

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # With "no-referrer" browsers call the origin of our own forms "null", and those are refused.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
PRIVATE = (b"cache-control", b"no-store")
"""What an answer says that says nothing else of being kept: it may be about somebody."""
ONLY_TLS = (b"strict-transport-security", b"max-age=31536000")
MAX_BODY_BYTES = 65_536
"""A form, or a token."""
BODY_S = 10
"""How long the next part of it is waited for."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


class Headers:
    """The outermost: it adds the headers to whatever is sent. ``is_secure``: this server is reached over TLS alone."""

    def __init__(self, app: ASGIApp, *, is_secure: bool) -> None:
        self._app = app
        self._more = [*HEADERS, *([ONLY_TLS] if is_secure else [])]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing here speaks over web sockets
            await send({"type": "websocket.close", "code": 1008})
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                ours = {name for name, _ in self._more}
                said = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in ours]
                is_told = any(name.lower() == PRIVATE[0] for name, _ in said)
                message["headers"] = [*said, *self._more, *(() if is_told else (PRIVATE,))]
            await send(message)

        await self._app(scope, receive, sending)


class Doors:
    """Who names another host, or sends more than a form, is not let in. ``hosts``: the names that this server has."""

    def __init__(self, app: ASGIApp, *, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(one.lower() for one in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Raises ``InputError`` wrong-host, body-too-long, body-too-slow."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        named = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(named) != 1 or host_of(named[0]) not in self._hosts:
            raise InputError("wrong-host", "the Host header does not name this server")
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            raise InputError("body-too-long", f"a body has {MAX_BODY_BYTES} bytes at most")
        taken, is_whole = 0, False

        async def receiving() -> Message:
            nonlocal taken, is_whole
            if is_whole:  # what comes now is that the peer has left, whenever that is
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), BODY_S)
            except TimeoutError:
                raise InputError("body-too-slow", f"nothing more of the body came for {BODY_S} s") from None
            is_whole = not message.get("more_body", False)
            taken += len(message.get("body", b""))
            if taken > MAX_BODY_BYTES:
                raise InputError("body-too-long", f"a body has {MAX_BODY_BYTES} bytes at most")
            return message

        await self._app(scope, receiving, send)


def host_of(named: str) -> str:
    """The name in a Host header without its port; an IPv6 address keeps its brackets."""
    if named.startswith("["):
        return named.partition("]")[0].lower() + "]"
    return named.partition(":")[0].lower()
