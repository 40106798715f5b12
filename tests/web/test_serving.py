"""``kwartier serve`` as its users meet it: it says where it listens, answers, and ends within seconds, streams and all."""

import http.client
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest

from kwartier.errors import InputError
from kwartier.web.serving import listening
from tests.service.settling.village import DAY
from tests.web.installation import PASSWORD

READY_S = 60.0
END_S = 5.0
READY = re.compile(r"READY http://127\.0\.0\.1:(\d+)/\n")


@contextmanager
def serving(home: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The command runs until the block ends; its process and its port."""
    command = [sys.executable, "-m", "kwartier", "--home", f"{home}", "serve", "--port", "0", *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "KWARTIER_HOME": ""}
    ) as process:
        try:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], READY_S)[0]
            line = process.stdout.readline()
            found = READY.fullmatch(line)
            assert found is not None, (line, process.stderr)
            yield process, int(found[1])
        finally:
            process.kill()


def signed_in(port: int, name: str = "operator", password: str = PASSWORD) -> str:
    """The cookie of a session."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=READY_S)
    line.request("GET", "/sign-in")
    page = line.getresponse()
    start = str(page.getheader("set-cookie")).partition(";")[0]
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page.read().decode())
    assert found is not None
    body = urlencode({"csrf": found[1], "name": name, "password": password})
    headers = {"cookie": start, "content-type": "application/x-www-form-urlencoded"}
    line.request("POST", "/sign-in", body, headers)
    answer = line.getresponse()
    answer.read()
    line.close()
    assert answer.status == 303
    return next(
        value.partition(";")[0] for name, value in answer.getheaders() if name == "set-cookie" and "session=" in value
    )


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_and_ends_within_seconds_while_streams_and_idle_lines_are_open(
    home: Path, how: signal.Signals
) -> None:
    with serving(home) as (process, port):
        first = http.client.HTTPConnection("127.0.0.1", port, timeout=READY_S)
        first.request("GET", "/")
        answer = first.getresponse()
        assert (answer.status, b"<main" in answer.read()) == (200, True)
        first.close()
        cookie, streams = signed_in(port), []
        for _ in range(3):
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=READY_S)
            line.request("GET", f"/api/v1/night/{DAY}/events", headers={"cookie": cookie})
            stream = line.getresponse()
            assert stream.getheader("content-type") == "text/event-stream; charset=utf-8"
            assert stream.readline().startswith(b"retry:")
            assert (stream.readline(), stream.readline(), stream.readline()) == (
                b"\n",
                b"event: night\n",
                b"data: {}\n",
            )
            streams.append((line, stream))
        half = socket.create_connection(("127.0.0.1", port))
        half.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        began = time.monotonic()
        process.send_signal(how)
        out, err = process.communicate(timeout=END_S)
        assert time.monotonic() - began < END_S
        assert (process.returncode, out) == (0, "")
        assert all(stream.read().endswith(b"event: end\ndata: {}\n\n") for _, stream in streams)
        half.close()
        for line, stream in streams:
            stream.close()
            line.close()
    lines = [json.loads(line) for line in err.splitlines()]
    assert {line["route"] for line in lines} >= {"/", "/sign-in", "/api/v1/night/{day}/events"}
    assert "Traceback" not in err


def test_another_address_than_loopback_is_warned_of(home: Path) -> None:
    command = [sys.executable, "-m", "kwartier", "--home", f"{home}", "serve", "--port", "0", "--host", "0.0.0.0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("READY http://0.0.0.0:")
        process.terminate()
        _, err = process.communicate(timeout=END_S)
    assert "where others can reach it, and without TLS" in err.splitlines()[0]


def test_an_address_that_is_taken_or_nobodys_is_said() -> None:
    with listening("127.0.0.1", 0) as line:
        for host, port in (("127.0.0.1", line.getsockname()[1]), ("no such host", 1)):
            with pytest.raises(InputError, match=r"\d") as caught:
                listening(host, port)
            assert caught.value.code == "bad-address"
