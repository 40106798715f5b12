"""Our simulated meter, read by clients that nobody here wrote: a symmetric mistake of ours would show here."""

from collections.abc import Callable

import numpy as np
import pytest

from kwartier.cosem import companion as companions
from kwartier.cosem import layout as layouts
from kwartier.dlms.protection import SessionKeys
from kwartier.simulate.host import Station
from kwartier.simulate.household import Household, seeded
from kwartier.simulate.meter import SimulatedMeter
from tests.foreign.clients import Target, dlms_cosem, gurux, gurux_sets_the_clock
from tests.foreign.truth import AMR_SUMMER, QUARTER_S, Row, is_summer, midnight
from tests.living import listening

COMPANION = companions.load("smr-5.0")
LAYOUT = layouts.of_companion(COMPANION)
KEYS = SessionKeys(ek=bytes(range(16)), ak=bytes(range(16, 32)))
OWN_TITLE = b"FRN\x00\x00\x00\x00\x07"
Reader = Callable[[Target, int, int], list[Row]]


def station(
    household: Household, now: float, transport: str, *, refuses_release: frozenset[str] = frozenset()
) -> Station:
    return Station(
        meter=SimulatedMeter(COMPANION, household, now=lambda: now),
        system_title=b"KWS\x00\x00\x00\x00\x01",
        keys=KEYS,
        challenge=lambda: bytes(range(32, 48)),
        transport=transport,
        refuses_release=refuses_release,
    )


def target(port: int, transport: str, max_pdu: int) -> Target:
    return Target(
        port=port,
        transport=transport,
        ek=KEYS.ek,
        ak=KEYS.ak,
        own_title=OWN_TITLE,
        profile=COMPANION.quarter.obis,
        columns=LAYOUT.columns,
        max_pdu=max_pdu,
    )


def truth(household: Household, first: int, last: int) -> list[Row]:
    times = range(first, last + 1, QUARTER_S)
    registers = zip(*household.registers(np.array(times)), strict=True)
    return [
        Row(time=time, status=AMR_SUMMER if is_summer(time) else 0, import_wh=int(used), export_wh=int(fed))
        for time, (used, fed) in zip(times, registers, strict=True)
    ]


READERS = pytest.mark.parametrize(
    ("reader", "transport"),
    [(gurux, "wrapper"), (gurux, "hdlc"), (dlms_cosem, "wrapper")],
    ids=["gurux wrapper", "gurux hdlc", "dlms-cosem wrapper"],
)


@READERS
@pytest.mark.parametrize("max_pdu", [128, 512, 4096])
@pytest.mark.parametrize(("start", "end"), [("2026-03-04", "2026-03-05"), ("2026-03-01", "2026-03-10")])
def test_one_day_and_nine_at_every_size(reader: Reader, transport: str, max_pdu: int, start: str, end: str) -> None:
    household = seeded(3, solar=True)
    first, last = midnight(start), midnight(end)
    with listening([station(household, last + 3600, transport)]) as (port,):
        found = reader(target(port, transport, max_pdu), first, last)
    assert found == truth(household, first, last)


@READERS
@pytest.mark.parametrize(
    ("day", "next_day", "quarters"), [("2026-03-29", "2026-03-30", 92), ("2026-10-25", "2026-10-26", 100)]
)
def test_days_on_which_clocks_change(reader: Reader, transport: str, day: str, next_day: str, quarters: int) -> None:
    household = seeded(4)
    first, last = midnight(day), midnight(next_day)
    with listening([station(household, last + 3600, transport)]) as (port,):
        found = reader(target(port, transport, 4096), first, last)
    assert len(found) == quarters + 1
    assert found == truth(household, first, last)


@pytest.mark.parametrize("protected", [True, False])
def test_gurux_takes_leave_in_either_form(protected: bool) -> None:
    household = seeded(5)
    first, last = midnight("2026-03-04"), midnight("2026-03-05")
    refused = frozenset({"clear" if protected else "protected"})
    with listening([station(household, last + 60, "wrapper", refuses_release=refused)]) as (port,):
        found = gurux(target(port, "wrapper", 4096), first, last, protected_release=protected)
    assert found == truth(household, first, last)


@pytest.mark.parametrize("transport", ["wrapper", "hdlc"])
@pytest.mark.parametrize("day", ["2026-03-04", "2026-07-01"])
def test_gurux_sets_the_clock_and_the_meter_goes_on_from_there(transport: str, day: str) -> None:
    now = midnight(day) + 3600
    simulated = station(seeded(6), now, transport)
    with listening([simulated]) as (port,):
        gurux_sets_the_clock(target(port, transport, 4096), "0.0.1.0.0.255", now - 77)
    assert simulated.meter.timepiece.ahead_s == -77
