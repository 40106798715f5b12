"""Lines that come to the server: too many, silent, slow or half a request; each is cut, and what others ask is answered."""

import io
import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from kwartier.service.home import open_home
from kwartier.web import security, serving
from kwartier.web.app import create_app, journal_of
from kwartier.web.serving import Said, Server, listening

WAIT_S = 10.0
SHORT_S = 0.3
HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
ALIVE = b'{"state":"alive"}'


@pytest.fixture
def line(home: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """A server that has few lines, and is patient for moments only unless a test says otherwise."""
    patience_s = getattr(request, "param", SHORT_S)
    for module, name, value in (
        (serving, "HEAD_S", patience_s),
        (serving, "IDLE_S", patience_s),
        (serving, "MAX_LINES", 3),
        (security, "BODY_S", patience_s),
    ):
        monkeypatch.setattr(module, name, value)
    with open_home(home) as opened, listening("127.0.0.1", 0) as own:
        ready = threading.Event()
        server = Server(create_app(opened, out=io.StringIO()), ready.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [own]})
        thread.start()
        assert ready.wait(WAIT_S)
        yield own.getsockname()[:2]
        server.should_exit = True
        thread.join(WAIT_S)
        assert not thread.is_alive()


def rest(peer: socket.socket) -> bytes:
    """All that comes until the line is cut."""
    found = b""
    try:
        while more := peer.recv(65_536):
            found += more
    except ConnectionResetError:
        pass
    return found


@pytest.mark.parametrize("begun", [b"", b"G", HEAD, HEAD + b"\r\n", HEAD + b"\r\n" + HEAD])
def test_a_line_without_a_whole_request_is_cut(line: tuple[str, int], begun: bytes) -> None:
    with socket.create_connection(line, WAIT_S) as peer:
        peer.sendall(begun)
        found = rest(peer)
    assert found.count(ALIVE) == begun.count(HEAD + b"\r\n")


def test_a_body_that_does_not_come_is_not_waited_for(line: tuple[str, int]) -> None:
    with socket.create_connection(line, WAIT_S) as peer:
        form = b"Host: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ncsrf="
        peer.sendall(b"POST /preferences HTTP/1.1\r\n" + form)
        found = peer.recv(65_536)
    assert found.startswith(b"HTTP/1.1 408")
    assert b"content-security-policy" in found


@pytest.mark.parametrize("line", [WAIT_S], indirect=True)
def test_a_line_too_many_is_cut_and_the_others_are_not(line: tuple[str, int]) -> None:
    with ExitStack() as stack:
        peers = [stack.enter_context(socket.create_connection(line, WAIT_S)) for _ in range(6)]
        found = []
        for peer in peers:
            try:
                peer.sendall(HEAD + b"Connection: close\r\n\r\n")
                found.append(ALIVE in rest(peer))
            except (ConnectionResetError, BrokenPipeError):
                found.append(False)
    assert found[:3] == [True] * 3
    assert not all(found)


def test_what_a_library_complains_about_is_a_line_without_its_words(home: Path) -> None:
    out = io.StringIO()
    with open_home(home) as opened:
        said = Said(journal_of(create_app(opened, out=out)))
    record = logging.LogRecord("uvicorn.error", logging.ERROR, "/x/h11_impl.py", 12, "ean %s", ("871234567890",), None)
    said.handle(record)
    (told,) = [json.loads(one) for one in out.getvalue().splitlines()]
    assert (told["event"], told["where"]) == ("library", "uvicorn.error: h11_impl.py, line 12")
    assert "8712" not in out.getvalue()
