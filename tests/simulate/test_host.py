"""Where simulated meters listen: counters that outlive a session, a public client that sees little, lines that end."""

import asyncio
from itertools import count

import pytest

from kwartier.cosem import companion as companions
from kwartier.dlms import axdr
from kwartier.dlms.events import Answer, Associated, AssociationRefused, Event, ExceptionReceived, Get, Refusal
from kwartier.dlms.handshake import AssociationParameters, Release
from kwartier.dlms.protection import POLICIES, CounterRange, SessionKeys
from kwartier.dlms.session import ClientSession
from kwartier.dlms.wrapper import WrapperLink
from kwartier.simulate.host import Station, serve
from kwartier.simulate.household import seeded
from kwartier.simulate.meter import SimulatedMeter

KEYS = SessionKeys(ek=bytes(range(16)), ak=bytes(range(16, 32)))
TITLE = bytes.fromhex("4B414D0000000007")
COMPANION = companions.load("smr-5.5")
COUNTER = COMPANION.counter_obis
REGISTER = COMPANION.objects["import_wh"].obis


@pytest.fixture
def station() -> Station:
    numbers = count(1)
    return Station(
        meter=SimulatedMeter(COMPANION, seeded(1), now=lambda: 1_772_766_000.0),
        system_title=TITLE,
        keys=KEYS,
        challenge=lambda: b"M" * 15 + bytes((next(numbers),)),
    )


def talk(station: Station, client: ClientSession, *asked: Get) -> list[Event]:
    """Associate over a new line, ask, and give every event."""
    server = station.session()
    events: list[Event] = []

    def carry() -> None:
        for _ in range(100):
            up = client.data_to_send()
            if up:
                server.receive(up, 0.0)
            down = server.data_to_send()
            if down:
                events.extend(client.receive(down, 0.0))
            if not up and not down:
                return
        raise AssertionError("the two never stop talking")

    client.open(0.0)
    carry()
    for one in asked:
        events += client.ask(one, 0.0)
        carry()
    return events


def management(first: int) -> ClientSession:
    return ClientSession(
        AssociationParameters(
            own_title=b"KWT\x00\x00\x00\x00\x01",
            peer_title=TITLE,
            mechanism=5,
            security_control=POLICIES["authenticated+encrypted"],
        ),
        WrapperLink(source=1, destination=1),
        keys=KEYS,
        counters=CounterRange(first, first + 50),
        challenge=b"C" * 16,
    )


def public() -> ClientSession:
    return ClientSession(
        AssociationParameters(mechanism=0, security_control=0, release=Release.CLEAR),
        WrapperLink(source=16, destination=1),
    )


def ask(class_id: int, obis: bytes, attribute: int = 2) -> Get:
    return Get(class_id=class_id, obis=obis, attribute=attribute)


def answer(events: list[Event]) -> axdr.Data:
    (found,) = [one for one in events if isinstance(one, Answer)]
    assert found.value is not None
    return axdr.decode(found.value)


def test_the_public_client_is_told_the_highest_counter_that_was_used(station: Station) -> None:
    assert answer(talk(station, public(), ask(1, COUNTER))) == axdr.u32(0)
    events = talk(station, management(100), ask(3, REGISTER))
    assert any(isinstance(one, Associated) for one in events)
    told = answer(talk(station, public(), ask(1, COUNTER))).value
    assert isinstance(told, int)
    assert 100 < told < 150


def test_a_counter_that_was_used_is_refused_on_a_new_line(station: Station) -> None:
    talk(station, management(100), ask(3, REGISTER))
    again = talk(station, management(100))
    assert not any(isinstance(one, Associated) for one in again)
    assert any(isinstance(one, AssociationRefused | ExceptionReceived) for one in again)
    assert any(isinstance(one, Associated) for one in talk(station, management(200)))


def test_the_meters_own_counter_never_goes_back(station: Station) -> None:
    talk(station, management(100), ask(3, REGISTER))
    left = station.counters.left
    talk(station, management(200), ask(3, REGISTER))
    assert station.counters.left < left
    assert station.sessions == 2


@pytest.mark.parametrize(
    ("class_id", "obis", "attribute"),
    [(3, REGISTER, 2), (3, REGISTER, 3), (7, COMPANION.quarter.obis, 2), (7, COMPANION.quarter.obis, 3)],
)
def test_the_public_client_reads_no_register(station: Station, class_id: int, obis: bytes, attribute: int) -> None:
    events = talk(station, public(), ask(class_id, obis, attribute))
    assert not any(isinstance(one, Answer) for one in events)
    assert any(isinstance(one, Refusal | ExceptionReceived) for one in events)


def test_its_repr_shows_no_key(station: Station) -> None:
    text = repr(station)
    assert "keys" not in text
    assert KEYS.ek.hex() not in text


def test_garbage_ends_the_line_and_not_the_meter(station: Station) -> None:
    async def run() -> tuple[bytes, bytes]:
        server = await serve(station)
        port = server.sockets[0].getsockname()[1]
        received = []
        for sent in (b"\xff" * 64, b"\x00\x01\x00\x10\x00\x01\x00\x02\x60\x00"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            try:
                received.append(await asyncio.wait_for(reader.read(100), 5))
            except ConnectionError:
                received.append(b"")
            writer.close()
        server.close()
        return received[0], received[1]

    for got in asyncio.run(run()):
        assert got == b"" or got.startswith(b"\x00\x01")
    assert answer(talk(station, public(), ask(1, COUNTER))) == axdr.u32(0)
