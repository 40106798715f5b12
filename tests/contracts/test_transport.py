"""What every transport is held to: partial sends, the end of a line, cancelling, closing twice, and no connection at all.

A new transport is covered by its line in ``TRANSPORTS``; where it cannot carry the meters of these tests, it adds a link of
its own to ``tests.collect.peers.link_of``.
"""

import asyncio
import gc
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from kwartier.collect.line import Conversation
from kwartier.collect.transports import TRANSPORTS
from kwartier.collect.visit import Visit
from kwartier.dlms.handshake import AssociationParameters, Release
from kwartier.dlms.link import Link
from kwartier.dlms.session import ClientSession
from kwartier.errors import LinkLost
from tests.collect.hostile import at, hanging_up
from tests.collect.peers import Meter, Said, Spoil
from tests.collect.real import Counters, JumpingLoop, jump, listening, registered, the_clock, visitor
from tests.conftest import skip_unless
from tests.dlms.pairs import CLOCK, Objects

every_transport = pytest.mark.parametrize("transport", TRANSPORTS)
VALUE = Objects().values[8, CLOCK, 2]
NOWHERE = "192.0.2.1"
"""TEST-NET-1 (RFC 5737): nobody answers there."""
VISITS = 300
MANY_VISITS = 10_000


def meters(transport: str, spoil: Spoil | None = None) -> Callable[[], Meter]:
    return lambda: Meter(transport, Objects(), spoil=spoil)


def visits(transport: str, spoil: Spoil | None = None) -> Visit[object]:
    async def main() -> Visit[object]:
        async with listening(meters(transport, spoil)) as port:
            return await visitor(registered(port, transport)).visit(the_clock)

    return jump(main)


@every_transport
def test_a_link_begins_down_and_has_no_bytes_of_its_own(transport: str) -> None:
    link: Link = TRANSPORTS[transport]().link(registered(1, transport), 1)
    assert link.state.value == "down"
    assert link.data_to_send() == b""
    assert link.client_address == 1


@every_transport
@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_partial_sends_arrive_whole(transport: str, size: int) -> None:
    def in_pieces(_turn: int, data: bytes) -> "list[Said]":
        return [(0.001, data[place : place + size]) for place in range(0, len(data), size)]

    done = visits(transport, lambda turn, data: iter(in_pieces(turn, data)))
    assert (done.outcome, done.result) == ("done", VALUE)


@every_transport
@pytest.mark.parametrize("turn", range(3))
def test_the_end_of_the_line_is_a_lost_link(transport: str, turn: int) -> None:
    done = visits(transport, at(turn, hanging_up))
    assert isinstance(done.error, LinkLost)
    assert done.outcome == "peer-closed"


@every_transport
def test_cancelling_closes_the_line_and_is_passed_on(transport: str) -> None:
    async def main() -> int:
        heard = asyncio.Event()

        def silent(_turn: int, _data: bytes) -> "list[Said]":
            heard.set()
            return []

        async with listening(meters(transport, lambda turn, data: iter(silent(turn, data)))) as port:
            before = descriptors()
            task = asyncio.create_task(visitor(registered(port, transport)).visit(the_clock))
            await heard.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(0.1)
            return descriptors() - before

    assert jump(main) == 0


@every_transport
def test_cancelling_while_the_line_is_being_opened_leaves_nothing_open(transport: str) -> None:
    async def main() -> int:
        async with listening(meters(transport)) as port:
            before = descriptors()
            for turns in range(6):
                task = asyncio.create_task(visitor(registered(port, transport)).visit(the_clock))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            await asyncio.sleep(0.1)
            return descriptors() - before

    assert jump(main) == 0


@every_transport
def test_closing_twice_is_once(transport: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with listening(meters(transport)) as port:
            way = TRANSPORTS[transport]()
            session = _plain_session(way.link(registered(port, transport), 16))
            talk: Conversation[object] = Conversation(session, the_clock(), loop=loop, deadline_s=loop.time() + 9)
            await way.connect(talk, "127.0.0.1", port, loop.time() + 9)
            talk.abandon()
            talk.abandon()
            talk.connection_lost(None)
            assert talk.done.cancelled()
            await asyncio.sleep(0.1)

    jump(main)


def _plain_session(link: Link) -> ClientSession:
    return ClientSession(AssociationParameters(mechanism=0, security_control=0, release=Release.CLEAR), link)


def lost(transport: str, host: str, port: int, deadline_s: float = 5.0) -> LinkLost:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        await TRANSPORTS[transport]().connect(asyncio.Protocol(), host, port, loop.time() + deadline_s)

    with pytest.raises(LinkLost) as caught, asyncio.Runner() as runner:
        runner.run(main())
    return caught.value


@every_transport
def test_a_refused_connection_is_a_lost_link(transport: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        assert lost(transport, "127.0.0.1", taken.getsockname()[1]).code == "connect-refused"


@every_transport
def test_an_unknown_name_is_a_lost_link(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    assert lost(transport, "meter.invalid", 4059).code == "unknown-host"


@every_transport
def test_a_connection_that_never_comes_about_ends_in_time(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(JumpingLoop, "sock_connect", never)

    async def main() -> tuple[str, float]:
        done = await visitor(registered(4059, transport, host=NOWHERE), deadline_s=7.0).visit(the_clock)
        return done.outcome, asyncio.get_running_loop().time()

    outcome, ended_s = jump(main)
    assert outcome == "connect-timeout"
    assert ended_s == pytest.approx(7.0, abs=0.1)


# No descriptor is left open, whatever happens.


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the iterator of pathlib would hold one open itself


def _mixed(transport: str) -> Callable[[], Meter]:
    """Meters by turns: an honest one, and one of each way to break off."""
    count = 0
    ways: tuple[Spoil | None, ...] = (
        None,
        at(0, hanging_up),
        at(2, hanging_up),
        at(0, lambda _: iter([(0.0, bytes(70_000))])),
        at(1, lambda data: iter([(0.0, data[:-1] + b"\x00" + data)])),
    )

    def one() -> Meter:
        nonlocal count
        count += 1
        return Meter(transport, Objects(), spoil=ways[count % len(ways)])

    return one


async def _visit_many(transport: str, count: int) -> tuple[int, set[str]]:
    outcomes: set[str] = set()
    async with listening(_mixed(transport)) as port:
        for _ in range(10):
            await visitor(registered(port, transport), deadline_s=5.0).visit(the_clock)
        await asyncio.sleep(0.05)
        before = descriptors()
        for number in range(count):
            where = registered(port if number % 7 else 1, transport)
            counters = Counters(next=100 + 64 * number)
            outcomes.add((await visitor(where, counters, deadline_s=5.0).visit(the_clock)).outcome)
        await asyncio.sleep(0.05)
        return descriptors() - before, outcomes


LOOPS = pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])


def _leak(transport: str, loop: Callable[[], asyncio.AbstractEventLoop], count: int) -> None:
    skip_unless(Path("/proc/self/fd").exists(), "this system does not list the open descriptors of a process")
    with asyncio.Runner(loop_factory=loop) as runner:
        left, outcomes = runner.run(_visit_many(transport, count))
    assert left == 0
    assert {"done", "connect-refused", "peer-closed"} < outcomes


@every_transport
@LOOPS
def test_visits_leave_no_descriptor_open(transport: str, loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    _leak(transport, loop, VISITS // 2)


@pytest.mark.long
@every_transport
@LOOPS
def test_ten_thousand_visits_leave_no_descriptor_open(
    transport: str, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    _leak(transport, loop, MANY_VISITS)
