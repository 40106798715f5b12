"""The server on its line: it listens where it is told, and ends within seconds when it is told to, event streams included.

Streams would go on for ever, so they are ended first; requests that are being answered get a moment; then whatever is left is
cut off. A worker thread that hangs in the database keeps nothing alive: the last of all is a clock that ends the process.
"""

import asyncio
import gc
import logging
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
from kwartier.web.logs import Journal
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
"""How long a line without a request stays open,"""
HEAD_S = 20
"""and how long the head of a request may take."""
LIBRARIES = ("uvicorn.error", "asyncio")
MAX_HEAD_BYTES = 32_768
CUT_SHORT = 1
"""How the process leaves if it had to be ended by the clock."""


class Protocol(H11Protocol):
    """HTTP/1.1 on one line, which is neither one too many nor silent for long.

    What cannot be read as a request is answered with the same headers as everything else.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A line; one too many is cut before anything is said."""
        super().connection_made(transport)
        if len(self.connections) > MAX_LINES:
            transport.abort()
            return
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Some of a request; its head has to be whole before long."""
        super().data_received(data)
        self._expect()

    def on_response_complete(self) -> None:
        """The next request on the same line has to come as soon."""
        super().on_response_complete()
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """The line is gone."""
        self._forget()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Before there is a request, there is no application either."""
        body = b"this is no HTTP request\n"
        told = (
            *HEADERS,
            (b"content-type", b"text/plain"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        )
        head = b"".join(b"%s: %s\r\n" % one for one in told)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n%s\r\n%s" % (head, body))
        self.transport.close()

    def _expect(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_S, self.transport.close)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Said(logging.Handler):
    """What the libraries below say, as a line of our log: where it was said, and not what, which may quote anything."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(logging.WARNING)
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        """One of their lines."""
        self._journal.warning("library", where=f"{record.name}: {record.filename}, line {record.lineno}")


class Server(uvicorn.Server):
    """One server over one application; ``ready`` is called once it listens, ``closing`` in a thread once it is to end."""

    def __init__(self, app: FastAPI, ready: Callable[[], object], closing: Callable[[], object] = lambda: None) -> None:
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
                timeout_keep_alive=IDLE_S,
                timeout_graceful_shutdown=GRACE_S,
                h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            )
        )
        self._desk: Desk = app.state.desk
        self._ready = ready
        self._closing = (closing, self._desk.control.close)
        self._is_closing = False
        self.last: threading.Timer | None = None
        """Once it was told to end: the clock that ends the process, whatever hangs."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def on_tick(self, counter: int) -> bool:
        """Now and then: once it is to end, the streams end before anything waits for them."""
        if self.should_exit:
            self._desk.feeds.close()
            if not self._is_closing:
                # A night that was started here drains while answers end; the application waits for it.
                self._is_closing = True
                for one in self._closing:
                    threading.Thread(target=one, name="close", daemon=True).start()
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
            self.last = threading.Timer(LAST_S, os._exit, (CUT_SHORT,))
            self.last.daemon = True
            self.last.start()
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


def serve(
    app: FastAPI,
    line: socket.socket,
    ready: Callable[[], object] = lambda: None,
    *,
    closing: Callable[[], object] = lambda: None,
) -> threading.Timer | None:
    """Answer on a socket that listens, until this process is told to end (SIGTERM, SIGINT).

    ``closing`` is called in a thread once it is, beside all else that has to end. What comes back is the clock that ends this
    process soon: whoever has more to put away than that takes may cancel it.
    """
    said = Said(app.state.desk.journal)
    loggers = [logging.getLogger(name) for name in LIBRARIES]
    for one in loggers:
        one.addHandler(said)
    server = Server(app, ready, closing)
    # What has been loaded until now stays: looking through it for garbage would take 60 ms while somebody waits for a page.
    gc.collect()
    gc.freeze()
    try:
        server.run(sockets=[line])
    finally:
        gc.unfreeze()
        for one in loggers:
            one.removeHandler(said)
    return server.last
