"""The server on its line: it listens where it is told, and ends within seconds when it is told to, event streams included.

Streams would go on for ever, so they are ended first; requests that are being answered get a moment; then whatever is left is
cut off. A worker thread that hangs in the database keeps nothing alive: the last of all is a clock that ends the process.
"""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from kwartier.errors import InputError
from kwartier.web.desk import Desk
from kwartier.web.security import HEADERS

SIGNALS = (signal.SIGTERM, signal.SIGINT)
GRACE_S = 2
"""How long requests that are being answered may go on."""
LAST_S = 4.5
"""After so long the process ends, whatever hangs."""
BACKLOG = 256
MAX_LINES = 600
"""Connections at once."""
IDLE_S = 15
"""How long a line without a request stays open."""
MAX_HEAD_BYTES = 32_768
CUT_SHORT = 1
"""How the process leaves if it had to be ended by the clock."""


class Protocol(H11Protocol):
    """HTTP/1.1; what cannot be read as that is answered with the same headers as everything else."""

    def send_400_response(self, msg: str) -> None:
        """Before there is a request, there is no application either."""
        head = b"\r\n".join(name + b": " + value for name, value in (*HEADERS, (b"content-type", b"text/plain")))
        body = b"this is no HTTP request\n"
        size = f"content-length: {len(body)}".encode()
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\n" + head + b"\r\nconnection: close\r\n" + size + b"\r\n\r\n" + body
        )
        self.transport.close()


class Server(uvicorn.Server):
    """One server over one application; ``ready`` is called once it listens."""

    def __init__(self, app: FastAPI, ready: Callable[[], object]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Protocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                limit_concurrency=MAX_LINES,
                timeout_keep_alive=IDLE_S,
                timeout_graceful_shutdown=GRACE_S,
                h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            )
        )
        self._desk: Desk = app.state.desk
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def on_tick(self, counter: int) -> bool:
        """Now and then: once it is to end, the streams end before anything waits for them."""
        if self.should_exit:
            self._desk.feeds.close()
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ended by a signal is ended well: whoever called goes on and closes what is open."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {one: signal.signal(one, self.handle_exit) for one in SIGNALS}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Told to end."""
        if not self.should_exit:
            clock = threading.Timer(LAST_S, os._exit, (CUT_SHORT,))
            clock.daemon = True
            clock.start()
        super().handle_exit(sig, frame)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; ``port`` 0 takes one that is free. Raises ``InputError`` bad-address."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        line = socket.socket(family, kind)
    except (OSError, UnicodeError) as error:
        raise InputError("bad-address", f"{host[:80]}: {error}") from None
    try:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        line.bind(address)
        line.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        line.close()
        raise InputError("bad-address", f"{host[:80]}, port {port}: {error}") from None
    return line


def serve(app: FastAPI, line: socket.socket, ready: Callable[[], object] = lambda: None) -> None:
    """Answer on a socket that listens, until this process is told to end (SIGTERM, SIGINT)."""
    Server(app, ready).run(sockets=[line])
