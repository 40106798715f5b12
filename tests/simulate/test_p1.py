"""Telegrams of the consumer port: what they say is what the metering module counted."""

import asyncio
import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from kwartier.decode.p1 import crc16
from kwartier.simulate import faults
from kwartier.simulate.metering.module import Disturbance, MeteringModule
from kwartier.simulate.p1 import ConsumerPort
from kwartier.simulate.p1_port import MAX_READERS, MAX_WAITING_BYTES, P1Server
from kwartier.simulate.world import World

ZONE = "Europe/Amsterdam"
WORLD = World(seed=4, count=20, faults=faults.load("none"))
NOON = datetime(2026, 2, 10, 12, 0, tzinfo=ZoneInfo(ZONE)).timestamp()


def port(number: int = 3, module: MeteringModule | None = None) -> ConsumerPort:
    return ConsumerPort(module or WORLD.metering(number), letters="ZUD", name="zuid-000004", timezone=ZONE)


def registers(telegram: bytes) -> list[int]:
    """Import low and normal, export low and normal, in Wh."""
    return [int(one.replace(b".", b"")) for one in re.findall(rb"1-0:[12]\.8\.[12]\((\d{6}\.\d{3})\*kWh\)", telegram)]


def watts(telegram: bytes, code: str) -> int:
    found = re.search(rf"1-0:{re.escape(code)}\((\d\d\.\d{{3}})\*kW\)".encode(), telegram)
    assert found is not None
    return int(found[1].replace(b".", b""))


def test_a_telegram_has_the_form_of_the_companion_standard() -> None:
    telegram = port().telegram(NOON)
    lines = telegram.decode("ascii").split("\r\n")
    assert lines[0].startswith("/ZUD5\\2")
    assert lines[1] == ""
    assert lines[2] == "1-3:0.2.8(50)"
    assert lines[3] == "0-0:1.0.0(260210120000W)"
    assert lines[-1] == ""
    body, end = telegram[: telegram.index(b"!") + 1], telegram[telegram.index(b"!") + 1 :]
    assert end == f"{crc16(body):04X}\r\n".encode()


# The fifth has panels.
@pytest.mark.parametrize("number", [0, 4, *(pytest.param(one, marks=pytest.mark.long) for one in (1, 2, 3, 5))])
def test_the_tariffs_together_are_the_register_of_the_profile(number: int) -> None:
    module = WORLD.metering(number)
    for quarter in range(0, 8 * 96, 5):
        at = int(NOON) + quarter * 900
        found = registers(port(number, module).telegram(at))
        told = module.registers(np.array([at], np.int64))
        assert found[0] + found[1] == int(told["import_wh"][0])
        assert found[2] + found[3] == int(told["export_wh"][0])


def test_within_a_quarter_registers_grow_with_the_power_that_is_shown() -> None:
    module = WORLD.metering(1)
    one = port(1, module)
    before, after = (sum(registers(one.telegram(NOON + at))[:2]) for at in (0, 600))
    power_w = watts(one.telegram(NOON), "1.7.0")
    assert power_w == module.power_w(NOON)[0] > 0
    assert after - before == power_w * 600 // 3600
    assert sum(watts(one.telegram(NOON), f"{phase}1.7.0") for phase in (2, 4, 6)) == power_w


def test_a_register_grows_in_its_own_tariff_only_and_never_falls() -> None:
    one, zone = port(2), ZoneInfo(ZONE)
    last: list[int] | None = None
    # From Friday over the weekend, and over the night in which the clocks go forward.
    start = datetime(2026, 3, 27, 0, 0, tzinfo=zone).timestamp()
    for minute in range(0, 4 * 24 * 60, 7):
        at = start + minute * 60
        telegram = one.telegram(at)
        found = registers(telegram)
        local = datetime.fromtimestamp(at, zone)
        normal = local.weekday() < 5 and 7 <= local.hour < 23
        assert f"0-0:96.14.0(000{2 if normal else 1})".encode() in telegram
        if last is not None:
            assert all(now >= before for now, before in zip(found, last, strict=True))
        last = found


def test_summer_time_is_said() -> None:
    summer = datetime(2026, 7, 1, 10, 0, tzinfo=UTC).timestamp()
    assert b"0-0:1.0.0(260701120000S)" in port().telegram(summer)


def test_a_register_that_started_anew_is_still_a_telegram() -> None:
    module = MeteringModule(WORLD.household(3), disturbance=Disturbance(reset_quarter=20))
    for hour in range(48):
        telegram = port(3, module).telegram(NOON + hour * 3600)
        assert len(registers(telegram)) == 4


# The port.


class Listener(asyncio.Protocol):
    def __init__(self) -> None:
        self.heard = b""
        self.lost = asyncio.Event()
        self.some = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.heard += data
        self.some.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


def test_everybody_who_listens_hears_the_telegram_and_too_many_are_turned_away() -> None:
    async def listen() -> None:
        server = P1Server(port(), now=lambda: NOON)
        place = await server.listen("127.0.0.1", 0)
        loop = asyncio.get_running_loop()
        listeners = [(await loop.create_connection(Listener, "127.0.0.1", place))[1] for _ in range(MAX_READERS + 1)]
        await asyncio.wait_for(listeners[-1].lost.wait(), 10)
        assert server.readers == MAX_READERS
        server.send()
        for one in listeners[:-1]:
            await asyncio.wait_for(one.some.wait(), 10)
            assert one.heard == port().telegram(NOON)
        server.close()
        for one in listeners:
            await asyncio.wait_for(one.lost.wait(), 10)
        assert server.readers == 0

    asyncio.run(listen())


def test_who_does_not_listen_is_dropped_instead_of_waited_for() -> None:
    class Full(asyncio.Transport):
        aborted = False

        def get_write_buffer_size(self) -> int:
            return MAX_WAITING_BYTES + 1

        def abort(self) -> None:
            self.aborted = True

    reader = Full()
    server = P1Server(port(), now=lambda: NOON)
    server.came(reader)
    server.send()
    assert reader.aborted


def test_days_are_local() -> None:
    """The first moment of a working day is low tariff in both halves of the year."""
    for day in (date(2026, 2, 10), date(2026, 7, 7)):
        at = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(ZONE))
        assert b"0-0:96.14.0(0001)" in port().telegram(at.timestamp())
        assert b"0-0:96.14.0(0002)" in port().telegram((at + timedelta(hours=7)).timestamp())
