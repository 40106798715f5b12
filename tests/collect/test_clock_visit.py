"""A visit that sees to the meter's clock: after the readings, over real lines, and never at their cost."""

import asyncio
from collections.abc import Callable
from datetime import date, timedelta

import pytest

from kwartier.collect.claims import Wanted
from kwartier.collect.desk import COUNTERS_A_VISIT
from kwartier.collect.lease import Job
from kwartier.collect.night_visit import carry_out
from kwartier.collect.outcome import Done, Task
from kwartier.collect.visit import Credentials
from kwartier.cosem.clock_steps import CORRECTED, LEFT, UNCONFIRMED, ClockPolicy
from kwartier.cosem.harvest import Harvest, Stretch
from kwartier.dlms.server import AssociationPoint
from kwartier.simulate.household import seeded
from kwartier.simulate.meter import SimulatedMeter
from tests.collect.peers import Meter, Spoil, Twist
from tests.collect.real import EPOCH, SMR, Counters, jump, listening, registered
from tests.dlms.pairs import KEYS, OWN_TITLE

DAY = date(2026, 3, 5)
AHEAD_S = 100
SET_REQUEST = b"\xc9"
"""glo-set-request."""
GET_ONLY = 0x001014
"""Get, in blocks and selective, and no set."""
POLICY = ClockPolicy(tolerance_s=10, step_s=30, trusted=lambda: True)


class Fixed(SimulatedMeter):
    """A meter whose clock nobody may set."""

    def set(self, class_id: int, obis: bytes, attribute: int, access: bytes | None, value: bytes) -> int:
        return 3


def visit(
    *,
    kind: type[SimulatedMeter] = SimulatedMeter,
    transport: str = "wrapper",
    policy: ClockPolicy | None = POLICY,
    twist: Twist | None = None,
    spoil: Spoil | None = None,
    conformance: int = 0xFFFFFF,
) -> tuple[Done, SimulatedMeter, Counters]:
    """One visit of a night to a meter whose clock is ahead, a few minutes into a quarter."""

    async def main() -> tuple[Done, SimulatedMeter, Counters]:
        def wall() -> float:
            return EPOCH.timestamp() + 400 + loop.time()

        loop, counters = asyncio.get_running_loop(), Counters()
        meter = kind(SMR, seeded(11), now=wall, clock_error_s=AHEAD_S)
        point = AssociationPoint(keys=KEYS, conformance=conformance)
        async with listening(lambda: Meter(transport, meter, twist=twist, spoil=spoil, point=point)) as port:
            one = registered(port, transport)
            task = Task(
                job=Job(one.meter, one.ean, one.timezone, 0, "", 0),
                meter=one,
                companion=SMR,
                claim=Wanted(ean=one.ean, date=DAY + timedelta(days=1), meter=one.meter, visit="v-1"),
                stretches=(Stretch(start=DAY, end=DAY + timedelta(days=1)),),
                credentials=Credentials(own_title=OWN_TITLE, keys=KEYS, counters=counters),
                layout=None,
                tries=0,
            )
            done = await carry_out(task, wall=wall, deadline_s=120.0, max_pdu=0xFFFF, challenge=bytes, clocks=policy)
        return done, meter, counters

    return jump(main)


def result_of(done: Done) -> Harvest:
    """What came, of which every quarter has to be there."""
    result = done.visit.result
    assert result is not None
    (readings,) = result.readings
    truth = dict(zip(("import_wh", "export_wh"), seeded(11).registers(readings.times), strict=True))
    for name, column in readings.registers.items():
        assert not readings.missing[name].any()
        assert column.tolist() == truth[name].tolist()
    return result


@pytest.mark.parametrize("transport", ["wrapper", "hdlc"])
def test_a_clock_is_set_after_the_readings_within_the_counters_of_a_visit(transport: str) -> None:
    done, meter, counters = visit(transport=transport)
    result = result_of(done)
    assert (done.visit.outcome, result.clock and result.clock.code) == ("done", CORRECTED)
    assert result.drift_s == pytest.approx(AHEAD_S, abs=1)
    assert result.left_s == pytest.approx(AHEAD_S - 30, abs=2)
    assert [one.code for one in result.findings] == [CORRECTED]
    (setting,) = meter.timepiece.settings
    assert setting.before // 900 == setting.after // 900
    assert len(counters.reserved) == 1
    if transport == "wrapper":  # HDLC has messages of its own
        # This is as long as a visit gets: the layout of the meter was not known either.
        assert done.visit.traffic.messages_sent <= COUNTERS_A_VISIT


def test_without_a_policy_nothing_is_written() -> None:
    done, meter, _ = visit(policy=None)
    assert (result_of(done).clock, len(meter.timepiece.settings)) == (None, 0)


def test_a_refused_set_leaves_the_readings_as_they_are_and_is_a_finding() -> None:
    for done, meter, _ in (visit(kind=Fixed), visit(conformance=GET_ONLY)):
        result = result_of(done)
        assert (done.visit.outcome, [one.code for one in result.findings]) == ("done", [LEFT])
        assert (len(meter.timepiece.settings), meter.timepiece.ahead_s) == (0, AHEAD_S)


def after_the_set(what: Callable[[bytes], tuple[bytes, ...]]) -> Twist:
    return lambda session, request, honest: what(honest) if request[:1] == SET_REQUEST else (honest,)


def test_an_answer_that_never_comes_costs_no_reading_and_leaves_a_mark() -> None:
    done, meter, _ = visit(twist=after_the_set(lambda honest: ()))
    result = result_of(done)
    assert (done.visit.outcome, [one.code for one in result.findings]) == ("done", [UNCONFIRMED])
    assert len(meter.timepiece.settings) == 1
    assert result.is_whole


def test_a_forged_answer_costs_no_reading_and_is_not_passed_over() -> None:
    done, _, _ = visit(twist=after_the_set(lambda honest: (honest[:-1] + bytes((honest[-1] ^ 1,)),)))
    assert [one.code for one in result_of(done).findings] == [UNCONFIRMED]
    assert done.visit.outcome == "bad-tag"


def test_a_clock_of_ours_that_is_in_doubt_sets_no_other() -> None:
    done, meter, _ = visit(policy=ClockPolicy(tolerance_s=10, step_s=30, trusted=lambda: False))
    assert ([one.code for one in result_of(done).findings], len(meter.timepiece.settings)) == ([LEFT], 0)
