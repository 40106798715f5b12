"""The webhook: who may be written to, with which secret, and that whoever gets a notice can tell whom it is from."""

import base64
import hashlib
import hmac
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kwartier.errors import InputError
from kwartier.service.alerting.webhook import (
    ENVIRONMENT,
    FILE_NAME,
    LEAST_PAUSE_S,
    MOST_PAUSE_S,
    Pause,
    Webhook,
    address_of,
    secret_of,
    signature,
)

SECRET = bytes(range(32))
NOW = 1_772_600_000.9
STOP_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """A request that came: where it asked, its headers, its body."""

    path: str
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def is_ours(self) -> bool:
        """Whether the signature is right, computed in the receiver's own words."""
        signed = b".".join((self.headers["webhook-id"].encode(), self.headers["webhook-timestamp"].encode(), self.body))
        mac = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
        return f"v1,{mac}" in self.headers["webhook-signature"].split(" ")


@contextmanager
def receiver(*answers: int) -> Iterator[tuple[str, list[Got]]]:
    """A server on loopback that gives these answers and then 204: its address, and what it got. 0: it hangs up."""
    got, left = list[Got](), list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            got.append(Got(path=self.path, headers=headers, body=body))
            answer = left.pop(0) if left else 204
            if answer:
                self.send_response(answer)
                self.send_header("location", "http://127.0.0.1:1/elsewhere")
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook?token=abc", got
    finally:
        server.shutdown()
        thread.join(STOP_S)
        server.server_close()


def test_a_notice_is_signed_so_that_the_other_side_can_tell() -> None:
    with receiver() as (url, got):
        assert Webhook(url, SECRET, wall=lambda: NOW).post("msg_1", '{"é": 1}') == ""
    (one,) = got
    assert one.path == "/hook?token=abc"
    assert one.body == '{"é": 1}'.encode()
    assert (one.headers["webhook-id"], one.headers["webhook-timestamp"]) == ("msg_1", "1772600000")
    assert one.headers["content-type"] == "application/json"
    assert one.is_ours
    for changed in (
        Got(path=one.path, headers=one.headers, body=one.body + b" "),
        Got(path=one.path, headers={**one.headers, "webhook-id": "msg_2"}, body=one.body),
        Got(path=one.path, headers={**one.headers, "webhook-timestamp": "1772600001"}, body=one.body),
    ):
        assert not changed.is_ours


def test_a_known_signature() -> None:
    """Computed with ``openssl dgst -sha256 -mac HMAC`` over ``msg_1.1772600000.{}``."""
    assert signature(SECRET, "msg_1", "1772600000", b"{}") == "v1,B1HeIvT+ikdLBB2h89p9JaoSOPlaLSxOTzF2XJG5a6k="


@pytest.mark.parametrize("answer", [0, 301, 307, 400, 410, 500, 503])
def test_whatever_is_no_success_says_why_and_not_where_exactly(answer: int) -> None:
    with receiver(answer) as (url, got):
        why = Webhook(url, SECRET, wall=lambda: NOW).post("msg_1", "{}")
    assert len(got) == 1, "no redirect is followed"
    assert "127.0.0.1" in why
    assert "token" not in why
    assert "hook" not in why
    assert (f"answered {answer}" if answer else "RemoteDisconnected") in why


def test_nobody_there_is_no_success() -> None:
    with receiver() as (url, _):
        pass
    assert "ConnectionRefusedError" in Webhook(url, SECRET, wall=lambda: NOW).post("msg_1", "{}")


@pytest.mark.parametrize(
    "url", ["https://example.org", "https://example.org:8443/a?b=c", "http://localhost:1/", "http://[::1]:80/a"]
)
def test_https_and_http_on_this_machine_are_written_to(url: str) -> None:
    assert address_of(url).hostname


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "http://10.0.0.1/",
        "ftp://localhost/",
        "https://",
        "https://user:word@example.org/",
        "https://example.org:99999/",
        "https://example.org/a b",
        "https://[::1/",
        "example.org",
        "http://localhost.example.org/",
    ],
)
def test_nothing_else_is(url: str) -> None:
    with pytest.raises(InputError) as caught:
        address_of(url)
    assert caught.value.code == "bad-webhook"
    assert "word" not in caught.value.sentence()


def text_of(secret: bytes) -> str:
    return f"whsec_{base64.b64encode(secret).decode()}\n"


def test_the_secret_comes_from_a_private_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / FILE_NAME
    with pytest.raises(InputError) as caught:
        secret_of(tmp_path)
    assert caught.value.code == "no-webhook-secret"
    path.write_text(text_of(SECRET))
    path.chmod(0o640)
    with pytest.raises(InputError) as caught:
        secret_of(tmp_path)
    assert caught.value.code == "open-webhook-secret"
    path.chmod(0o600)
    assert secret_of(tmp_path) == SECRET
    monkeypatch.setenv(ENVIRONMENT, text_of(SECRET[:24]))
    assert secret_of(tmp_path) == SECRET[:24]
    for bad in ("", "whsec_", text_of(SECRET[:23]), text_of(bytes(65)), "whsec_====", "whsec_é"):
        monkeypatch.setenv(ENVIRONMENT, bad)
        with pytest.raises(InputError) as caught:
            secret_of(tmp_path)
        assert caught.value.code == "bad-webhook-secret"
        assert bad.strip()[6:14] not in caught.value.sentence() or len(bad) < 8


def test_the_pause_doubles_and_has_an_end() -> None:
    pause, now_s, pauses = Pause(), 100.0, list[float]()
    assert pause.left_s(now_s) == 0
    for _ in range(12):
        pause.failed(now_s)
        pauses.append(pause.left_s(now_s))
        now_s += pauses[-1]
        assert pause.left_s(now_s) == 0
    assert pauses[:3] == [LEAST_PAUSE_S, 2 * LEAST_PAUSE_S, 4 * LEAST_PAUSE_S]
    assert max(pauses) == pauses[-1] == MOST_PAUSE_S
    pause.failed(now_s)
    pause.worked()
    assert pause.left_s(now_s) == 0
