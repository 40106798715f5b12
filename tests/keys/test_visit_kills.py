"""The real visit, killed: every ciphered message that a meter receives, over all visits, has a counter of its own.

Processes read simulated meters through the whole program - home, database, reservation, visit - and are killed in the
middle of it. The meters are in the test's own process and keep every message that arrives, so what is checked is what
was on the line: the InitiateRequest in the AARQ, the proof of the keys and the message that carries it, each request,
and the release.

All meters share one encryption key, so all visits draw from one counter.
"""

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from datetime import date
from functools import partial
from pathlib import Path
from random import Random
from threading import Thread
from unittest.mock import patch

import pytest

from kwartier.dlms import axdr, registry
from kwartier.dlms.association import Aarq, Rlrq
from kwartier.dlms.hdlc_link import HdlcLink
from kwartier.dlms.link import Link
from kwartier.dlms.protection import CIPHERED_TAGS, CounterRange, SessionKeys, open_verified, parse_ciphered
from kwartier.dlms.server import ServerSession
from kwartier.dlms.services import ActionRequestNormal
from kwartier.dlms.wrapper import WrapperLink
from kwartier.errors import Denied
from kwartier.keys.counters import CounterKey, Counters
from kwartier.service.home import open_home
from kwartier.service.reading import Request, read
from kwartier.simulate.fleet import draw, write_fleet, write_keys
from kwartier.simulate.host import Station
from tests.keys.killing import kill_many, repeated
from tests.living import NOW, new_home
from tests.somebody import TESTER

SEED = 20_260_305
SHARED = SessionKeys(ek=bytes(range(16)), ak=bytes(range(0xA0, 0xB0)))
WORKERS = 3
MAX_DAYS = 20_000
MOST = 16
"""Messages that meters hear between two kills: a visit has seven."""
CONTROL_KILLS = 40
WAIT_S = 10.0
DAY = date(2026, 3, 4)
NEXT_DAY = date(2026, 3, 5)
ACTION_REQUEST = 0xC3

Use = tuple[str, int]


class _TappedWrapper(WrapperLink):
    heard: list[bytes]

    def receive(self, data: bytes, now: float) -> list[bytes]:
        apdus = super().receive(data, now)
        self.heard += apdus
        return apdus


class _TappedHdlc(HdlcLink):
    heard: list[bytes]

    def receive(self, data: bytes, now: float) -> list[bytes]:
        apdus = super().receive(data, now)
        self.heard += apdus
        return apdus


@dataclass(slots=True, kw_only=True)
class Tapped(Station):
    """A station that keeps every message that its lines bring, before anything is made of it."""

    heard: list[bytes] = field(default_factory=list)

    def link(self) -> Link:
        link: _TappedHdlc | _TappedWrapper
        if self.transport == "hdlc":
            link = _TappedHdlc(client=False, client_address=None, server_address=self.address)
        else:
            link = _TappedWrapper(source=self.logical_device, destination=None)
        link.heard = self.heard
        return link


def tapped(station: Station, keys: SessionKeys) -> Tapped:
    kept = {one.name: getattr(station, one.name) for one in fields(Station) if one.init and one.name != "keys"}
    return Tapped(**kept, keys=keys)


class _Line(asyncio.Protocol):
    def __init__(self, session: ServerSession) -> None:
        self._session = session
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._session.receive(data, 0.0)
        self._transport.write(self._session.data_to_send())


def _line(station: Tapped) -> _Line:
    return _Line(station.session())


@contextmanager
def listening(stations: list[Tapped]) -> Iterator[list[int]]:
    """The stations listen until the block ends; their ports."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, _context: None)
    thread = Thread(target=loop.run_forever)
    thread.start()

    async def start() -> list[asyncio.Server]:
        return [await loop.create_server(partial(_line, station), "127.0.0.1", 0) for station in stations]

    async def stop(servers: list[asyncio.Server]) -> None:
        for server in servers:
            server.close()
        await asyncio.sleep(0)

    servers = asyncio.run_coroutine_threadsafe(start(), loop).result(WAIT_S)
    try:
        yield [server.sockets[0].getsockname()[1] for server in servers]
    finally:
        asyncio.run_coroutine_threadsafe(stop(servers), loop).result(WAIT_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_S)
        loop.close()


def visit_for_ever(place: int, home: Path, meters: tuple[str, ...], honest: bool) -> None:
    """A worker: reads its meter again and again, until it is killed."""
    if not honest:
        patch.object(Counters, "reserve_many", _reserve_nothing).start()  # broken on purpose, and in this process only
    # A connection is read once a day, so that each visit is on a day of its own.
    days = Random(os.getpid())
    with open_home(home) as opened:
        while True:
            later_s = days.randrange(MAX_DAYS) * 86_400
            request = Request(meter=meters[place], start=DAY, end=NEXT_DAY, actor=TESTER)
            with suppress(Denied):
                read(opened, request, wall=lambda later_s=later_s: time.time() + later_s)  # type: ignore[misc]  # bound here


def _reserve_nothing(counters: Counters, wanted: Sequence[tuple[CounterKey, int]]) -> list[CounterRange]:
    """What a program would do that writes counters down at the end of a visit: the kill comes before it."""
    return [CounterRange(first, first + count) for first, count in ((counters.next_of(k), n) for k, n in wanted)]


def uses_of(apdu: bytes, title: bytes) -> list[Use]:
    """(what, counter) of everything that is protected in a message from the client with system title ``title``."""
    if apdu[0] not in CIPHERED_TAGS:
        plain = registry.parse(apdu)
        inner = plain.user_information if isinstance(plain, Aarq | Rlrq) else None
        return uses_of(inner, title) if inner else []
    message = parse_ciphered(apdu)
    found = [(message.name, message.invocation_counter)]
    text = open_verified(message, ek=SHARED.ek, ak=SHARED.ak, system_title=title)
    if text[0] == ACTION_REQUEST:
        request = registry.parse(text)
        assert isinstance(request, ActionRequestNormal)
        proof = axdr.decode(request.value or b"").value
        assert isinstance(proof, bytes)
        found.append(("proof", int.from_bytes(proof[1:5], "big")))
    return found


def kill(folder: Path, *, kills: int, workers: int, honest: bool = True) -> list[Use]:
    """What all meters heard, after ``kills`` kills or, where the worker is broken on purpose, the first repetition."""
    home = folder / "home"
    new_home(home)
    drawn = draw(WORKERS, seed=SEED, now=lambda: NOW, recordings=None)
    stations = [tapped(one.station, SHARED) for one in drawn]
    connections = [
        replace(one, station=station, who=replace(one.who, ek=SHARED.ek, ak=SHARED.ak))
        for one, station in zip(drawn, stations, strict=True)
    ]
    with listening(stations) as ports:
        write_fleet(folder / "fleet.csv", connections, ports, "127.0.0.1")
        write_keys(folder / "keys.csv", connections)
        with open_home(home) as opened:
            title = opened.settings.own_title
            opened.registry.import_file(folder / "fleet.csv", at=0)
            opened.keyring.import_file(folder / "keys.csv", at=0, actor="os:test", own_title=title)
        rounds = kill_many(
            visit_for_ever,
            (home, tuple(one.meter for one in connections), honest),
            progress=lambda: sum(len(station.heard) for station in stations),
            most=MOST if honest else 1,  # a meter that hears a counter again falls silent for a while
            kills=kills,
            workers=workers,
            seed=SEED,
        )
        for _ in rounds:
            if not honest and repeated(numbers(heard_by(stations, title))):
                break
        rounds.close()
    return heard_by(stations, title)


def heard_by(stations: list[Tapped], title: bytes) -> list[Use]:
    return [use for station in stations for apdu in list(station.heard) for use in uses_of(apdu, title)]


def numbers(heard: list[Use]) -> list[Use]:
    """The counters alone: one may not serve for two different things either."""
    return [("", counter) for _, counter in heard]


def check(heard: list[Use]) -> None:
    assert {"glo-initiate-request", "glo-get-request", "glo-action-request", "proof"} <= {what for what, _ in heard}
    assert repeated(numbers(heard)) == []


def test_a_visit_that_is_killed_never_sends_a_counter_again(tmp_path: Path) -> None:
    check(kill(tmp_path, kills=30, workers=WORKERS))


@pytest.mark.long
def test_no_counter_is_on_the_line_twice_over_five_hundred_killed_visits(tmp_path: Path) -> None:
    check(kill(tmp_path, kills=500, workers=WORKERS))


def test_the_check_catches_a_visit_that_reserves_nothing(tmp_path: Path) -> None:
    heard = kill(tmp_path, kills=CONTROL_KILLS, workers=1, honest=False)
    assert repeated(numbers(heard)) != []
