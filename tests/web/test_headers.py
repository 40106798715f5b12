"""Every answer carries the policy: pages, data, problems, what is not there, what went wrong, and what is no request at all."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request

from kwartier.service.home import open_home
from kwartier.web.app import create_app
from kwartier.web.security import HEADERS, MAX_BODY_BYTES, POLICY
from kwartier.web.serving import Server, listening
from tests.web.browser import Answer
from tests.web.installation import Served

WAIT_S = 10.0


def policies(answer: Answer) -> list[str]:
    return [value for name, value in answer.headers if name == "content-security-policy"]


def is_guarded(answer: Answer) -> bool:
    given = dict(answer.headers)
    others = {name.decode(): value.decode() for name, value in HEADERS}
    return policies(answer) == [POLICY] and others.items() <= given.items() and "cache-control" in given


def test_the_policy_allows_nothing_unsafe_and_nothing_foreign() -> None:
    directives = dict(part.split(" ", 1) for part in POLICY.split("; "))
    assert directives.pop("default-src") == "'none'"
    assert directives["frame-ancestors"] == "'none'"
    assert set(directives.values()) <= {"'self'", "'none'"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/index.json", 200),
        ("/sign-in", 200),
        ("/nothing-here", 404),
        ("/static/page.css", 200),
        ("/static/..%2Fapp.py", 404),
        ("/static/nothing.js", 404),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/api/openapi.json", 200),
        ("/api/v1/meters", 401),
        ("/api/v1/errors/truncated", 200),
        ("/api/v1/errors/nothing", 404),
        ("/preferences", 405),
    ],
)
def test_every_answer_carries_the_policy(here: Served, path: str, status: int) -> None:
    answer = here.browser.get(path)
    assert (answer.status, is_guarded(answer)) == (status, True)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_methods_that_nothing_takes_are_problems(here: Served, method: str) -> None:
    answer = here.browser.ask(method, "/api/v1/meters", {})
    assert (answer.status, answer.json["code"], is_guarded(answer)) == (405, "bad-method", True)


def test_a_mistake_of_ours_is_a_problem_that_tells_nothing(here: Served) -> None:
    def broken(request: Request) -> None:
        del request
        raise RuntimeError("EAN 871234567890123456 had 4711 Wh")

    here.app.add_api_route("/broken", broken, methods=["GET"], include_in_schema=False)
    for accept, form in (("", "application/problem+json"), ("text/html", "text/html; charset=utf-8")):
        answer = here.browser.get("/broken", accept=accept)
        assert (answer.status, answer.header("content-type"), is_guarded(answer)) == (500, form, True)
        assert "4711" not in answer.text
        assert "RuntimeError in test_headers.py, line" in answer.text
    last = json.loads(here.log.getvalue().splitlines()[-1])
    assert (last["level"], last["code"], last["route"]) == ("error", "internal-error", "/broken")
    assert "4711" not in here.log.getvalue()


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8447", "[::2]", "localhost.", ""]
)
def test_who_names_another_host_gets_nothing(here: Served, host: str) -> None:
    answer = here.browser.get("/", host=host)
    assert (answer.status, answer.json["code"], is_guarded(answer)) == (421, "wrong-host", True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:1", "LOCALHOST:8447", "[::1]:8447"])
def test_the_names_of_loopback_are_ours(here: Served, host: str) -> None:
    assert here.browser.get("/healthz", host=host).status == 200


def test_a_body_has_a_bound_whatever_is_said_of_its_length(here: Served) -> None:
    long = b"x" * (MAX_BODY_BYTES + 1)
    form = {"content-type": "application/x-www-form-urlencoded"}
    for said in ({}, {"content-length": "9" * 30}, {"content-length": "-1"}):
        answer = here.browser.ask("POST", "/preferences", {**form, **said}, long)
        assert (answer.status, answer.json["code"]) == (413, "body-too-long")


@pytest.fixture
def line(home: Path) -> Iterator[tuple[str, int]]:
    """A real server on loopback."""
    with open_home(home) as opened, listening("127.0.0.1", 0) as own:
        ready = threading.Event()
        server = Server(create_app(opened), ready.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [own]})
        thread.start()
        assert ready.wait(WAIT_S)
        yield own.getsockname()[:2]
        server.should_exit = True
        thread.join(WAIT_S)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    "octets", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\r\n"]
)
def test_what_is_no_request_is_answered_with_the_policy_too(line: tuple[str, int], octets: bytes) -> None:
    with socket.create_connection(line, WAIT_S) as peer:
        peer.sendall(octets)
        answer = b""
        while more := peer.recv(65_536):
            answer += more
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert head.startswith((b"http/1.1 400", b"http/1.1 421"))
    assert b"content-security-policy: " + POLICY.encode() in head
    assert b"server:" not in head
