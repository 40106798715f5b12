"""Time that jumps, and a network in memory."""

import asyncio
from collections.abc import Callable

import pytest

from kwartier.simulate.virtual.loop import VirtualLoop, _Jump
from kwartier.simulate.virtual.network import PROCESS, Piece


class Peer(asyncio.Protocol):
    """Writes down what it hears, and when."""

    def __init__(self, answer: bytes = b"") -> None:
        self.heard: list[tuple[float, bytes]] = []
        self.ended: list[tuple[float, str]] = []
        self.answer = answer
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard.append((asyncio.get_running_loop().time(), data))
        if self.answer and self.transport is not None:
            self.transport.write(self.answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.append((asyncio.get_running_loop().time(), type(exc).__name__))


class Slow:
    """Each piece takes a second less than the one before, and may be spoilt."""

    def __init__(self, change: Callable[[bytes], bytes | None] = lambda octets: octets) -> None:
        self.next_s = 5.0
        self.change = change

    def opens_after_s(self, host: str, port: int) -> float | None:
        return None if host == "silent" else 1.0

    def carry(self, octets: bytes, *, to_meter: bool) -> Piece:
        self.next_s -= 1.0
        return Piece(delay_s=self.next_s, octets=self.change(octets))


def run(work: Callable[[VirtualLoop], object]) -> None:
    async def inside() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        await work(loop)  # type: ignore[misc]  # every one of them is a coroutine function

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(inside())


def test_hours_pass_at_once_and_timers_keep_their_order() -> None:
    async def work(loop: VirtualLoop) -> None:
        order: list[str] = []
        loop.call_later(3600, order.append, "second")
        loop.call_later(3601, order.append, "third")
        loop.call_later(60, order.append, "first")
        await asyncio.sleep(7200)
        assert loop.time() == pytest.approx(7200)
        assert order == ["first", "second", "third"]

    run(work)


def test_years_pass_as_hours_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 194 days a float of seconds is coarser than the clock that asyncio thinks it has."""
    looked, select = 0, _Jump.select

    def counted(self: _Jump, wait_s: float | None = None) -> object:
        nonlocal looked
        looked += 1
        assert looked < 10_000, "time stands still"
        return select(self, wait_s)

    async def work(loop: VirtualLoop) -> None:
        for _ in range(2 * 366):
            await asyncio.sleep(86_400.1)
            await asyncio.sleep(0.3)
        assert loop.time() == pytest.approx(2 * 366 * 86_400.4)

    monkeypatch.setattr(_Jump, "select", counted)
    run(work)


def test_when_nothing_will_happen_any_more_that_is_said() -> None:
    async def work(loop: VirtualLoop) -> None:
        await loop.create_future()

    with pytest.raises(RuntimeError, match="nothing will happen"):
        run(work)


def test_what_is_meant_for_a_thread_is_done_at_once() -> None:
    async def work(loop: VirtualLoop) -> None:
        assert await loop.run_in_executor(None, max, 3, 4) == 4
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, divmod, 1, 0)

    run(work)


def test_a_line_keeps_its_order_however_long_each_piece_takes() -> None:
    async def work(loop: VirtualLoop) -> None:
        loop.network.weather = Slow()
        near, far = Peer(), Peer()
        server = await loop.create_server(lambda: far, "meter", 0)
        _, port = server.sockets[0].getsockname()
        transport, _ = await loop.create_connection(lambda: near, "meter", port)
        assert loop.time() == pytest.approx(1)
        for octets in (b"a", b"b", b"c"):
            transport.write(octets)
        await asyncio.sleep(10)
        assert [octets for _, octets in far.heard] == [b"a", b"b", b"c"]
        assert [moment for moment, _ in far.heard] == pytest.approx([5, 5, 5])
        transport.close()
        await asyncio.sleep(1)
        assert [name for _, name in near.ended + far.ended] == ["NoneType", "NoneType"]

    run(work)


def test_nobody_listens_and_nothing_is_ever_heard_are_two_things() -> None:
    async def work(loop: VirtualLoop) -> None:
        loop.network.weather = Slow()
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Peer, "meter", 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(600):
                await loop.create_connection(Peer, "silent", 1)
        assert loop.time() == pytest.approx(601)

    run(work)


def test_a_cut_line_is_lost_for_both_sides() -> None:
    async def work(loop: VirtualLoop) -> None:
        loop.network.weather = Slow(lambda octets: None)
        near, far = Peer(), Peer()
        await loop.create_server(lambda: far, "meter", 7)
        transport, _ = await loop.create_connection(lambda: near, "meter", 7)
        transport.write(b"a")
        await asyncio.sleep(10)
        assert far.heard == []
        assert [name for _, name in near.ended + far.ended] == ["ConnectionResetError"] * 2

    run(work)


def test_a_process_that_is_killed_hears_nothing_and_its_lines_are_reset() -> None:
    async def work(loop: VirtualLoop) -> None:
        near, far, other = Peer(), Peer(answer=b"yes"), Peer()
        await loop.create_server(lambda: far, "meter", 7)

        async def opened(name: str, peer: Peer) -> asyncio.Transport:
            PROCESS.set(name)
            return (await loop.create_connection(lambda: peer, "meter", 7))[0]

        dead = await asyncio.create_task(opened("one", near))
        await asyncio.create_task(opened("two", other))
        dead.write(b"a")
        assert loop.network.kill("one") == 1
        dead.write(b"b")
        await asyncio.sleep(1)
        assert not near.heard
        assert not near.ended
        assert not other.ended
        assert [octets for _, octets in far.heard] == [b"a"], "what was sent before is on its way"
        assert [name for _, name in far.ended] == ["ConnectionResetError"]

    run(work)
