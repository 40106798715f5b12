"""Opening a line is bounded by the visit's deadline, and by whoever wants the task to end."""

import asyncio
import socket

import pytest

from kwartier.collect.transports import Tcp
from kwartier.errors import LinkLost

PATIENCE_S = 30.0


def silent(monkeypatch: pytest.MonkeyPatch, loop: asyncio.AbstractEventLoop) -> asyncio.Event:
    started = asyncio.Event()

    async def connect(*rest: object, **named: object) -> None:
        started.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(loop, "create_connection", connect)
    return started


def test_a_line_that_does_not_open_is_given_up_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    async def attempt() -> int:
        loop = asyncio.get_running_loop()
        silent(monkeypatch, loop)
        with pytest.raises(LinkLost) as caught:
            await Tcp().connect(asyncio.Protocol(), "127.0.0.1", 1, loop.time())
        assert caught.value.code == "connect-timeout"
        task = asyncio.current_task()
        return 0 if task is None else task.cancelling()

    assert asyncio.run(attempt()) == 0, "the task goes on as if nobody had cancelled it"


def test_a_task_that_is_cancelled_while_it_connects_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def attempt() -> bool:
        loop = asyncio.get_running_loop()
        started = silent(monkeypatch, loop)
        task = asyncio.create_task(Tcp().connect(asyncio.Protocol(), "127.0.0.1", 1, loop.time() + PATIENCE_S))
        await started.wait()
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(attempt())


def test_a_port_where_nobody_listens_is_told_apart() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        async def attempt() -> None:
            loop = asyncio.get_running_loop()
            await Tcp().connect(asyncio.Protocol(), "127.0.0.1", port, loop.time() + PATIENCE_S)

        with pytest.raises(LinkLost) as caught:
            asyncio.run(attempt())
    assert caught.value.code == "connect-refused"
