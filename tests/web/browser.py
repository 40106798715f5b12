"""A browser for tests: it speaks to an application in this process, keeps cookies as browsers do, and follows nothing.

The application runs on an event loop of its own in a thread, with its lifespan, so that streams and worker threads are real.
"""

import asyncio
import json
import re
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import TypeVar
from urllib.parse import unquote, urlencode

from fastapi import FastAPI
from starlette.types import Message

Result = TypeVar("Result")
PATIENCE_S = 30.0
HOST = "127.0.0.1:8447"
FORM = "application/x-www-form-urlencoded"
_TOKEN = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """The header of that name; empty: there is none."""
        return next((value for known, value in self.headers if known == name), "")

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> dict[str, object]:
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found

    @property
    def token(self) -> str:
        """Of the first form of the page."""
        found = _TOKEN.search(self.text)
        assert found is not None
        return found[1]


@dataclass(kw_only=True)
class Browser:
    """One browser with its cookies."""

    app: FastAPI
    loop: asyncio.AbstractEventLoop
    cookies: dict[str, str] = field(default_factory=dict)
    address: str = "127.0.0.1"

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers)

    def post(self, path: str, fields: Mapping[str, str], **headers: str) -> Answer:
        return self.ask("POST", path, {"content-type": FORM, **headers}, urlencode(fields).encode())

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        return self.run(self._asked(method, path, headers, body))

    def run(self, what: Coroutine[object, object, Result]) -> Result:
        """Something on the loop of the application."""
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(PATIENCE_S)

    def sign_in(self, name: str, password: str, back: str = "/") -> Answer:
        """By the form of the page."""
        page = self.get("/sign-in")
        return self.post("/sign-in", {"csrf": page.token, "name": name, "password": password, "back": back})

    def scope(self, method: str, path: str, headers: Mapping[str, str]) -> dict[str, object]:
        """A request as servers hand it over; ``_`` in the name of a header stands for -."""
        given = {"host": HOST, **{name.replace("_", "-").lower(): value for name, value in headers.items()}}
        if self.cookies:
            given["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        way, _, query = path.partition("?")
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(way),
            "raw_path": way.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items() if value],
            "client": (self.address, 50_000),
            "server": ("127.0.0.1", 8447),
        }

    async def _asked(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        sent: list[Message] = []
        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return waiting.pop() if waiting else await asyncio.get_running_loop().create_future()

        async def send(message: Message) -> None:
            sent.append(message)

        await self.app(self.scope(method, path, headers), receive, send)
        start = sent[0]
        told = tuple((name.decode(), value.decode("latin-1")) for name, value in start["headers"])
        self._keep(told)
        return Answer(status=start["status"], headers=told, body=b"".join(one.get("body", b"") for one in sent[1:]))

    def _keep(self, headers: tuple[tuple[str, str], ...]) -> None:
        for name, value in headers:
            if name != "set-cookie":
                continue
            for key, morsel in SimpleCookie(value).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(key, None)
                else:
                    self.cookies[key] = morsel.value


@contextmanager
def browsing(app: FastAPI) -> Iterator[Browser]:
    """The application runs until the block ends; a browser in front of it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    lifespan = app.router.lifespan_context(app)
    try:
        asyncio.run_coroutine_threadsafe(lifespan.__aenter__(), loop).result(PATIENCE_S)
        yield Browser(app=app, loop=loop)
        asyncio.run_coroutine_threadsafe(lifespan.__aexit__(None, None, None), loop).result(PATIENCE_S)
    finally:
        asyncio.run_coroutine_threadsafe(_ended(), loop).result(PATIENCE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_S)
        loop.close()


async def _ended() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
