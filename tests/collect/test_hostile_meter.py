"""A hostile meter: whatever it says, a visit ends in a typed error, in time, and cheaply.

The bounds are those that the project promises: the error is one of ours, at the latest when the visit's time is up; a session
holds at most 64 KiB and four times what its plan can legitimately return; and it computes at most 50 ms more than an honest
one. Time is virtual, memory and computing are booked on our side of the line only.
"""

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date

import pytest

from kwartier.collect.line import READ_BYTES, Plan
from kwartier.cosem import companion as companions
from kwartier.cosem.reading import read_quarters
from kwartier.dlms import axdr
from kwartier.dlms.events import Answer, Get
from kwartier.dlms.server import Handler
from kwartier.errors import KwartierError, WireError
from kwartier.simulate.household import seeded
from kwartier.simulate.meter import SimulatedMeter
from tests.collect.hostile import CASES, Case, at, reset_after
from tests.collect.peers import DEADLINE_S, Ledger, Meter, Outcome, converse, refused
from tests.dlms.pairs import CLOCK, PROFILE, Objects
from tests.living import NOW

MEMORY_BYTES = 64 * 1024
TIMES_ITS_PLAN = 4
EXTRA_CPU_S = 0.050
RUNS = 3
"""The best of so many runs counts: the machine is shared."""
PROFILE_BYTES = 20_000
TRANSPORTS = ("wrapper", "hdlc")


def two_values() -> Plan[object]:
    """A profile of up to 20 000 bytes, then the clock; a refusal of either ends it."""
    values = []
    for operation in (
        Get(class_id=7, obis=PROFILE, attribute=2, max_bytes=PROFILE_BYTES),
        Get(class_id=8, obis=CLOCK, attribute=2, max_bytes=64),
    ):
        reply = yield operation
        if not isinstance(reply, Answer) or reply.value is None:
            raise WireError("profile-refused", "the meter refused")
        values.append(reply.value)
    return tuple(values)


def objects() -> Objects:
    return Objects(axdr.encode(axdr.array(*(axdr.u32(number) for number in range(3000)))))


def talk(case: Case, transport: str, patience_s: float = 15.0) -> Outcome:
    meter = Meter(transport, objects(), twist=case.twist, spoil=case.spoil)
    return converse(meter, transport, two_values, response_timeout_s=patience_s)


def right_values() -> tuple[bytes, bytes]:
    values = objects().values
    return values[7, PROFILE, 2], values[8, CLOCK, 2]


ALL = [(transport, case) for case in CASES for transport in TRANSPORTS if case.only in ("", transport)]
every_case = pytest.mark.parametrize(("transport", "case"), ALL, ids=str)


@every_case
@pytest.mark.parametrize("patience_s", [15.0, 600.0])
def test_every_case_ends_in_a_typed_error_within_the_deadline(transport: str, case: Case, patience_s: float) -> None:
    done = talk(case, transport, patience_s)
    assert done.ended_s <= DEADLINE_S
    if case.harmless and done.error is None:
        assert done.result == right_values()
        return
    assert isinstance(done.error, KwartierError), done
    assert done.aborted


@contextmanager
def traced() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def allowed(ledger: Ledger) -> int:
    return MEMORY_BYTES + TIMES_ITS_PLAN * ledger.largest_asked_bytes


@every_case
def test_no_case_makes_us_hold_more_than_its_plan_can_bring(transport: str, case: Case) -> None:
    talk(case, transport)  # what is remembered for all sessions is there already
    with traced():
        ledger = talk(case, transport).ledger
    assert 0 < ledger.peak_bytes <= allowed(ledger)


def best(run: Callable[[], Outcome]) -> float:
    return min(run().ledger.cpu_s for _ in range(RUNS))


@pytest.fixture(scope="module")
def honest_s() -> dict[str, float]:
    """What an honest session of the same plan costs."""
    return {
        transport: best(lambda transport=transport: talk(Case(name="honest"), transport))  # type: ignore[misc]  # a default of a lambda has no type
        for transport in TRANSPORTS
    }


@every_case
def test_no_case_makes_us_compute_much_longer(transport: str, case: Case, honest_s: dict[str, float]) -> None:
    assert best(lambda: talk(case, transport)) <= honest_s[transport] + EXTRA_CPU_S


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_honest_meter_is_read_by_the_same_plan(transport: str) -> None:
    done = talk(Case(name="honest"), transport)
    assert (done.error, done.result) == (None, right_values())
    with traced():
        ledger = talk(Case(name="honest"), transport).ledger
    assert ledger.peak_bytes <= allowed(ledger)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("turn", range(6))
def test_a_reset_at_any_byte_is_a_lost_link_or_an_unclean_release(transport: str, turn: int) -> None:
    for places in (*range(60), *range(60, READ_BYTES, 500)):
        done = converse(Meter(transport, objects(), spoil=at(turn, reset_after(places))), transport, two_values)
        if done.error is None:
            assert done.result == right_values()
        else:
            assert isinstance(done.error, KwartierError)
            assert done.error.code == "peer-closed"
        assert done.ended_s <= DEADLINE_S


# Values that mean harm, all protected as they should be, against the plan that reads a day.

SMR = companions.load("smr-5.5")


def read_a_day() -> Plan[object]:
    return read_quarters(
        SMR,
        meter="hostile",
        start=date(2026, 3, 4),
        end=date(2026, 3, 5),
        timezone="Europe/Amsterdam",
        now=lambda: NOW,
        clock=True,
    )


class LyingValue:
    """An honest simulated meter, but for one attribute of one object."""

    def __init__(self, class_id: int, obis: bytes, attribute: int, value: bytes) -> None:
        self._meter = SimulatedMeter(SMR, seeded(1), now=lambda: NOW, name="hostile")
        self._lie = (class_id, obis, attribute)
        self._value = value

    def get(self, class_id: int, obis: bytes, attribute: int, access: bytes | None) -> bytes | int:
        if (class_id, obis, attribute) == self._lie:
            return self._value
        return self._meter.get(class_id, obis, attribute, access)

    def set(self, class_id: int, obis: bytes, attribute: int, access: bytes | None, value: bytes) -> int:
        return self._meter.set(class_id, obis, attribute, access, value)

    def act(self, class_id: int, obis: bytes, method: int, value: bytes | None) -> tuple[int, bytes | None]:
        return self._meter.act(class_id, obis, method, value)


ROW = (
    b"\x02\x04\x09\x0c"
    + bytes.fromhex("07EA0304030000FFFFFFC480")
    + b"\x11\x00\x06\x00\x00\x00\x01\x06\x00\x00\x00\x01"
)
VALUES = {
    "nothing": b"\x00",
    "nested without an end": b"\x01\x01" * 900,
    "structures without an end": b"\x02\x01" * 900,
    "a huge count": b"\x01\x84\xff\xff\xff\xff",
    "a count that lies by a little": b"\x01\x62" + ROW * 97,
    "a count of fewer rows than come": b"\x01\x02" + ROW * 3,
    "a huge string": b"\x09\x84\x7f\xff\xff\xff",
    "a huge bit-string": b"\x04\x84\xff\xff\xff\xff",
    "a compact array that announces everything": b"\x13\x01\xff\xff\x11\x00",
    "a compact array of arrays": b"\x13" + b"\x01\xff\xff" * 8 + b"\x11\x04\x01\x02\x03\x04",
    "a compact array of nothing": b"\x13\x00\x84\xff\xff\xff\xff",
    "thousands of empty structures": b"\x01\x82\x07\xd0" + b"\x02\x00" * 2000,
    "thousands of nothings": b"\x01\x82\x07\xd0" + b"\x00" * 2000,
    "thousands of flat numbers": b"\x01\x82\x07\xd0" + b"\x11\x01" * 2000,
    "the same row for ever": b"\x01\x81\xc8" + ROW * 200,
    "rows of nothings": b"\x01\x81\xc8" + b"\x02\x04\x00\x00\x00\x00" * 200,
    "an unknown tag": b"\x7f" * 100,
    "a stamp of no calendar": b"\x01\x01" + ROW.replace(b"\x03\x04\x03", b"\x0d\x20\x09"),
    "a register beyond its bits": b"\x01\x01" + ROW[:-5] + b"\x15" + b"\xff" * 8,
    "a float": b"\x01\x01" + ROW[:-5] + b"\x17" + b"\x7f\xc0\x00\x00",
    "garbage": bytes(range(256)) * 4,
    "a tail": b"\x01\x01" + ROW + b"\x00",
    "nothing at all of an array": b"\x01\x00",
}  # fmt: skip  # a value a line, as in a table
QUARTER = SMR.quarter.obis
PLACES = {
    "its clock": (8, SMR.clock.obis, 2),
    "its capture objects": (7, QUARTER, 3),
    "its period": (7, QUARTER, 4),
    "its sort method": (7, QUARTER, 5),
    "its number of entries": (7, QUARTER, 8),
    "its scaler": (3, SMR.quarter.channels[0].obis, 3),
    "its buffer": (7, QUARTER, 2),
}


def reads(place: str, value: bytes, transport: str = "wrapper") -> Outcome:
    handler: Handler = LyingValue(*PLACES[place], value)
    return converse(Meter(transport, handler), transport, read_a_day)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", VALUES)
def test_a_value_that_means_harm_ends_typed_and_within_bounds(place: str, value: str) -> None:
    done = reads(place, VALUES[value])
    assert done.error is None or isinstance(done.error, KwartierError)
    assert not refused(done)
    with traced():
        ledger = reads(place, VALUES[value]).ledger
    assert ledger.peak_bytes <= allowed(ledger)


def honest_day() -> Outcome:
    return converse(
        Meter("wrapper", SimulatedMeter(SMR, seeded(1), now=lambda: NOW, name="honest")), "wrapper", read_a_day
    )


def test_a_value_that_means_harm_costs_little() -> None:
    assert honest_day().error is None
    honest = best(honest_day)
    for place in PLACES:
        for name, value in VALUES.items():
            spent = best(lambda place=place, value=value: reads(place, value))  # type: ignore[misc]  # as above
            assert spent <= honest + EXTRA_CPU_S, (place, name)
