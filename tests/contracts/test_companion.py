"""What is asked of every companion: it resolves, its channels have a unit, and a meter that is so can be read.

A new companion is one TOML file; nothing in this file names one, so it is held to this without a change here.
"""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import count
from types import MappingProxyType

import numpy as np
import pytest

from kwartier.collect.visit import Credentials, Visit, Visitor
from kwartier.cosem import companion as companions
from kwartier.cosem import layout as layouts
from kwartier.cosem.classes import CLASSES, SUPPLY_AFFECTING
from kwartier.cosem.companion import ENCODINGS, REGISTER_CLASSES, Companion
from kwartier.cosem.layout import CLOCK, STATUS, Layout
from kwartier.cosem.quirks import MEANINGS, Quirk
from kwartier.cosem.reading import Outcome, read_quarters
from kwartier.cosem.status import UNIT_WH
from kwartier.dlms.hdlc import Address
from kwartier.dlms.protection import CounterRange, SessionKeys
from kwartier.model import Finding, Meter
from kwartier.simulate.host import Station, serve
from kwartier.simulate.household import Household, seeded
from kwartier.simulate.meter import SimulatedMeter

NAMES = companions.companions()
HOUSEHOLD = seeded(20_260_304)
NOW = datetime(2026, 10, 27, 3, tzinfo=UTC)
AUTUMN = date(2026, 10, 25)
AMSTERDAM = "Europe/Amsterdam"
ADDRESSES = {"wrapper": Address(1), "hdlc": Address(1, 17, 2)}
METER_TITLE = bytes.fromhex("4B414D0000000007")
DEADLINE_S = 20.0


@pytest.fixture(params=NAMES)
def companion(request: pytest.FixtureRequest) -> Companion:
    return companions.load(str(request.param))


# What it says.


def test_it_resolves_and_says_what_it_is(companion: Companion) -> None:
    assert companion.name in NAMES
    assert companion.title
    assert companion.about
    assert companion.assumption == bool(companion.assumption_text)
    assert companion.quirks <= set(Quirk)
    assert {"public", "management"} <= set(companion.associations)


def test_every_channel_has_a_unit_and_a_scaler_and_they_make_whole_wh(companion: Companion) -> None:
    for profile in companion.profiles.values():
        for channel in profile.channels:
            assert channel.class_id in REGISTER_CLASSES
            assert channel.unit is not None, f"{profile.name}: {channel.name}"
    quarter = companion.quarter
    assert quarter.channels
    for channel in quarter.channels:
        assert channel.unit == UNIT_WH
        assert layouts.assumed_multiplier(channel) >= 1
        assert channel.name.endswith("_wh")


def test_its_objects_are_of_known_classes_and_none_can_interrupt_a_supply(companion: Companion) -> None:
    seen = [(one.class_id, one.obis, one.attribute) for one in companion.objects.values()]
    assert len(set(seen)) == len(seen)
    for one in companion.objects.values():
        assert one.class_id in CLASSES, one.name
        assert one.class_id not in SUPPLY_AFFECTING, one.name
        assert one.attribute <= len(CLASSES[one.class_id].attributes), one.name


def test_its_profiles_and_logs_have_addresses_of_their_own(companion: Companion) -> None:
    addresses = [one.obis for one in companion.profiles.values()]
    addresses += [one.obis for one in companion.event_logs.values()]
    assert len(set(addresses)) == len(addresses)
    for profile in companion.profiles.values():
        assert profile.columns[0] == companion.clock
        assert len(set(profile.columns)) == len(profile.columns)
        assert profile.status is None or profile.status in profile.columns


def test_its_layout_names_every_column(companion: Companion) -> None:
    layout = layouts.of_companion(companion)
    channels = {channel.name for channel in companion.quarter.channels}
    assert set(layout.roles) == {CLOCK, *({STATUS} if companion.quarter.status else ()), *channels}
    assert layouts.load(layout.dump()) == layout


def test_every_quirk_has_a_meaning_in_words() -> None:
    assert set(MEANINGS) == set(Quirk)
    assert all(MEANINGS.values())


# A simulated meter can be it, and a visit reads it back.


class Counters:
    """Invocation counters that live as long as a test."""

    def __init__(self) -> None:
        self.next = 100
        self.peer_counter = -1

    def reserve(self, count: int) -> CounterRange:
        start, self.next = self.next, self.next + count
        return CounterRange(start, self.next)

    def raise_to(self, counter: int) -> Finding | None:
        raise AssertionError(f"nothing here makes a counter fall behind {counter}")

    def accepted(self, peer_counter: int) -> None:
        self.peer_counter = max(self.peer_counter, peer_counter)


KEYS = SessionKeys(ek=bytes(range(16)), ak=bytes(range(16, 32)))


def station_of(companion: Companion, transport: str, household: Household, max_pdu: int) -> Station:
    """A simulated meter of this kind, and how it is to be found."""
    numbers = count(1)
    return Station(
        meter=SimulatedMeter(companion, household, now=NOW.timestamp),
        system_title=METER_TITLE,
        keys=KEYS,
        challenge=lambda: b"M" * 15 + bytes((next(numbers),)),
        transport=transport,
        address=ADDRESSES[transport],
        max_pdu=max_pdu,
        refuses_release=frozenset({"protected", "clear"} - {companion.release}),
        sends_title=Quirk.EMPTY_SYSTEM_TITLE not in companion.quirks,
    )


def visited(
    companion: Companion,
    transport: str,
    *,
    household: Household = HOUSEHOLD,
    days: tuple[date, date] = (AUTUMN, date(2026, 10, 26)),
    max_pdu: int = 0xFFFF,
    known: Layout | None = None,
) -> Visit[Outcome]:
    """One visit to a simulated meter of this kind on loopback."""
    station = station_of(companion, transport, household, max_pdu)
    address = ADDRESSES[transport]
    meter = Meter(
        meter="m-1",
        ean="201000000000000001",
        host="127.0.0.1",
        port=0,
        system_title=METER_TITLE,
        companion=companion.name,
        transport=transport,
        physical_address=address.lower,
        address_bytes=address.size if transport == "hdlc" else None,
    )

    async def run() -> Visit[Outcome]:
        server = await serve(station)
        try:
            visitor: Visitor[Outcome] = Visitor(
                replace(meter, port=server.sockets[0].getsockname()[1]),
                companion,
                Credentials(own_title=b"KWT\x00\x00\x00\x00\x01", keys=KEYS, counters=Counters()),
                deadline_s=DEADLINE_S,
                wall=lambda: NOW,
                challenge=lambda size: b"C" * size,
            )
            return await visitor.visit(
                lambda: read_quarters(
                    companion,
                    meter="m-1",
                    start=days[0],
                    end=days[1],
                    timezone=AMSTERDAM,
                    now=NOW.timestamp,
                    known=known,
                    clock=True,
                )
            )
        finally:
            server.close()

    return asyncio.run(run())


def read_back(visit: Visit[Outcome], household: Household = HOUSEHOLD) -> Outcome:
    """The outcome, once every register equals what the household counted."""
    assert visit.outcome == "done", visit.error
    assert visit.result is not None
    readings = visit.result.readings
    for name, truth in zip(("import_wh", "export_wh"), household.registers(readings.times), strict=True):
        assert not readings.missing[name].any()
        assert np.array_equal(readings.registers[name], truth)
    assert visit.result.drift_s == pytest.approx(0, abs=1)
    assert not visit.findings
    return visit.result


def playing(companion: Companion, *quirks: Quirk, encoding: str | None = None) -> Companion:
    profiles = dict(companion.profiles)
    if encoding is not None:
        profiles["quarter"] = replace(companion.quarter, encoding=encoding)
    return replace(companion, quirks=companion.quirks | set(quirks), profiles=MappingProxyType(profiles))


@pytest.mark.parametrize("transport", sorted(ADDRESSES))
def test_a_meter_that_is_it_is_read_back(companion: Companion, transport: str) -> None:
    outcome = read_back(visited(companion, transport))
    assert len(outcome.readings.times) == 101
    assert not outcome.readings.findings
    summer = outcome.readings.times < datetime(2026, 10, 25, 1, tzinfo=UTC).timestamp()
    assert np.array_equal(outcome.readings.clock_status, np.where(summer, 0x80, 0))
    assert np.array_equal(outcome.readings.status & 0x08, np.where(summer, 0x08, 0))
    again = read_back(visited(companion, transport, known=outcome.layout))
    assert again.layout == outcome.layout


@pytest.mark.parametrize("transport", sorted(ADDRESSES))
@pytest.mark.parametrize("quirk", Quirk)
def test_a_meter_with_any_quirk_is_read_back(companion: Companion, quirk: Quirk, transport: str) -> None:
    outcome = read_back(visited(playing(companion, quirk), transport))
    codes = {finding.code for finding in outcome.readings.findings}
    assert codes == ({"layout-assumed"} if quirk is Quirk.REFUSES_SCALER else set())


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("max_pdu", [256, 0xFFFF])
def test_its_buffer_is_read_in_every_form_and_in_blocks(companion: Companion, encoding: str, max_pdu: int) -> None:
    read_back(visited(playing(companion, encoding=encoding), "wrapper", max_pdu=max_pdu))


@pytest.mark.long
@pytest.mark.parametrize("transport", sorted(ADDRESSES))
@pytest.mark.parametrize("first", Quirk)
def test_a_meter_with_several_quirks_is_read_back(companion: Companion, first: Quirk, transport: str) -> None:
    contrary = {Quirk.RANGE_WITH_DEVIATION, Quirk.RANGE_WITHOUT_DEVIATION}
    for second in Quirk:
        if {first, second} == contrary:
            continue
        for encoding in ENCODINGS:
            seed = list(Quirk).index(first) * 100 + list(Quirk).index(second)
            household = seeded(seed)
            made = playing(companion, first, second, encoding=encoding)
            read_back(
                visited(made, transport, household=household, days=(date(2026, 10, 18), date(2026, 10, 27))), household
            )
