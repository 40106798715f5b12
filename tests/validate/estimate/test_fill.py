"""What scenarios do not reach: manual volumes that do not fit, outages over midnight, days that may not lend their shape."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from kwartier.clock import quarter_ends
from kwartier.errors import InputError
from kwartier.model import Quality
from kwartier.validate.day import Day, Known, Verdicts
from kwartier.validate.estimate.fill import fill
from kwartier.validate.estimate.parameters import estimation
from kwartier.validate.estimate.plan import Outages, Plan, plan
from kwartier.validate.estimate.shape import Past
from kwartier.validate.estimate.sheet import MAX_REASON, Manual
from kwartier.validate.usable import MAX_WH
from kwartier.validate.volumes import absent_stack, volumes, whole_day
from tests.validate.estimation import past_day

ZONE = "Europe/Amsterdam"
DAY = date(2026, 11, 25)
TIMES = quarter_ends(DAY, DAY + timedelta(days=1), ZONE)
NOTHING = Verdicts((), {}, {}, {})
CHANNEL = "import_wh"
MANUAL = Manual(reading=7, channel=CHANNEL, first=10, energy_wh=(1, 2), reason="dispute")


def absent(energy_wh: int | None = None, outages: Outages | None = None, capacity_wh: int = 0) -> Plan:
    """Reading 7, of which nothing came on the day; a register six hours before and one after the day, if told how far apart."""
    stack = absent_stack(DAY, np.array([7]), TIMES, (CHANNEL,))
    around = replace(whole_day(1, 96), capacity_wh=np.array([capacity_wh]))
    if energy_wh is not None:
        there = np.array([True])
        before = Known(register_wh=np.array([1000]), at=np.array([int(TIMES[0]) - 6 * 3600]), there=there)
        after = Known(register_wh=np.array([1000 + energy_wh]), at=np.array([int(TIMES[-1])]), there=there)
        around = replace(around, before={CHANNEL: before}, after={CHANNEL: after})
    return plan(Day(stack=stack, times=TIMES, around=around), NOTHING, timezone=ZONE, outages=outages)


@pytest.mark.parametrize(
    "wrong",
    [
        {"reading": 8},
        {"channel": "export_wh"},
        {"first": -1},
        {"first": 95},
        {"energy_wh": ()},
        {"energy_wh": (1, -1)},
        {"energy_wh": (MAX_WH + 1,)},
        {"reason": ""},
        {"reason": "x" * (MAX_REASON + 1)},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_volumes_by_hand_that_do_not_fit_are_refused(wrong: dict[str, object]) -> None:
    one = replace(MANUAL, **wrong)  # type: ignore[arg-type]  # each case changes one field, and not by its type
    with pytest.raises(InputError) as caught:
        fill(absent(), {}, manual=[one])
    assert caught.value.code == "bad-manual-volumes"


def test_volumes_by_hand_hold_where_nothing_else_can_be_done_and_for_what_was_measured() -> None:
    planned = absent()
    filled = fill(planned, {}, manual=[MANUAL])
    made = volumes(planned.day, planned.rejected, filled)
    assert made.energy_wh[CHANNEL][0, 9:13].tolist() == [0, 1, 2, 0]
    assert made.quality[CHANNEL][0, 9:13].tolist() == [
        Quality.MISSING,
        Quality.ESTIMATED,
        Quality.ESTIMATED,
        Quality.MISSING,
    ]
    assert "energy_wh" not in repr(MANUAL)
    stack = absent_stack(DAY, np.array([7]), TIMES, (CHANNEL,))
    stack.missing[CHANNEL][:] = 0
    day = Day(stack=stack, times=TIMES, around=whole_day(1, 96))
    made = volumes(day, {}, fill(plan(day, NOTHING, timezone=ZONE), {}, manual=[MANUAL]))
    assert made.energy_wh[CHANNEL][0, 9:13].tolist() == [0, 1, 2, 0]
    assert np.bincount(made.quality[CHANNEL][0]).tolist() == [94, 0, 2]


def test_an_outage_over_midnight_is_told_to_both_days() -> None:
    """Between the registers lie 24 quarters of the day before and this day; without power the last 12, and 48 of this day."""
    history = {DAY - timedelta(days=days): past_day(DAY - timedelta(days=days), [7]) for days in range(1, 30)}
    for one in history.values():
        one.energy_wh[CHANNEL][:] = 100
    start = int(TIMES[0])
    planned = absent(600, {0: ((start - 12 * 900, start + 48 * 900),)})
    filled = fill(planned, history)
    made = volumes(planned.day, planned.rejected, filled)
    assert made.energy_wh[CHANNEL][0].tolist() == [0] * 48 + [10] * 48
    assert [(one.method, one.first, one.last) for one in filled.substitutes] == [("E7", 0, 47), ("E3", 48, 95)]
    day = replace(planned.day, around=replace(planned.day.around, outages={0: ((0, 47),)}))
    only_here = plan(day, NOTHING, timezone=ZONE)
    assert [one.method for one in fill(only_here, history).substitutes] == ["E3"]


def test_an_energy_beyond_what_the_connection_carries_is_none() -> None:
    """120 quarters at 120 %."""
    assert absent(120 * 120, capacity_wh=100).gaps[0].energy_wh == 120 * 120
    assert absent(120 * 120 + 1, capacity_wh=100).gaps[0].energy_wh is None


def test_only_whole_days_of_96_quarters_that_were_measured_lend_their_shape() -> None:
    one = past_day(DAY, [7, 9])
    assert Past({DAY: one}).day(7, CHANNEL, DAY) is not None
    assert Past({DAY: one}).day(8, CHANNEL, DAY) is None
    one.quality[CHANNEL][0, 95] = Quality.CALCULATED
    assert Past({DAY: one}).day(7, CHANNEL, DAY) is None
    assert Past({DAY: one}).day(7, "export_wh", DAY) is not None
    one.state["eligible"][1] = 0
    assert Past({DAY: one}).day(9, CHANNEL, DAY) is None
    assert Past({DAY: past_day(DAY, [7], 92)}).day(7, CHANNEL, DAY) is None


def test_what_is_wanted_is_of_the_days_of_the_gap_only_where_its_energy_is_known() -> None:
    parameters = estimation()[0]
    known, unknown = absent(600), absent()
    wednesday, tuesday = (parameters.like_of(one, date(2026, 11, 24)) for one in (DAY, DAY - timedelta(days=1)))
    assert list(known.wanted) == sorted({*wednesday, *tuesday})
    assert list(unknown.wanted) == sorted(parameters.like_of(DAY, DAY))
    assert {tuple(ids.tolist()) for ids in known.wanted.values()} == {(7,)}


def test_a_day_without_rows_comes_to_nothing() -> None:
    stack = absent_stack(DAY, np.empty(0, np.int64), TIMES)
    day = Day(stack=stack, times=TIMES, around=whole_day(0, 96))
    planned = plan(day, NOTHING, timezone=ZONE)
    assert len(volumes(day, planned.rejected, fill(planned, {}))) == 0


def silent(*, check_wh: int, first: int = 0, gap: bool = False, dark: bool = False, exchanged: bool = False) -> Plan:
    """A meter that used 10 Wh a quarter and fell silent at place 60, beside a check meter; perhaps with a gap before."""
    stack = absent_stack(DAY, np.array([7]), TIMES, (CHANNEL,))
    stack.registers[CHANNEL][0, :61] = 1000 + 10 * np.arange(61)
    stack.missing[CHANNEL][0, first:61] = 0
    if gap:
        stack.missing[CHANNEL][0, 21:40] = 1
    check = Known(register_wh=np.array([check_wh]), at=TIMES[-1:], there=np.array([True]))
    around = replace(whole_day(1, 96), check_meter_wh={CHANNEL: check}, first=np.array([first]))
    around = replace(around, outages={0: ((60, 95),)} if dark else {}, exchanged=np.array([exchanged]))
    return plan(Day(stack=stack, times=TIMES, around=around), NOTHING, timezone=ZONE)


def methods_of(planned: Plan) -> list[tuple[str, int, int]]:
    return [(one.method, one.first, one.last) for one in fill(planned, {}).substitutes]


def test_a_check_meter_that_saw_use_disproves_an_outage() -> None:
    assert methods_of(silent(check_wh=600, dark=True)) == [("E7", 60, 95)]
    assert methods_of(silent(check_wh=636, dark=True)) == [("E6", 60, 95)]


def test_a_check_meter_says_nothing_of_a_meter_that_was_there_for_a_part_of_the_day() -> None:
    assert methods_of(silent(check_wh=636)) == [("E6", 60, 95)]
    assert methods_of(silent(check_wh=636, first=4)) == []


def test_a_check_meter_says_nothing_where_something_else_of_the_day_is_missing() -> None:
    """The gap of 20 quarters has an energy and no shape."""
    assert methods_of(silent(check_wh=636, gap=True)) == []


def test_registers_that_may_have_started_anew_tell_no_energy() -> None:
    assert [gap.energy_wh for gap in silent(check_wh=0, gap=True).gaps] == [200, None]
    assert [gap.energy_wh for gap in silent(check_wh=0, gap=True, exchanged=True).gaps] == [None, None]


def test_like_days_are_asked_for_ten_days_and_not_for_a_quarter_more() -> None:
    def over(quarters: int) -> Plan:
        there, end = np.array([True]), int(TIMES[-1])
        before = Known(register_wh=np.array([1000]), at=np.array([end - 900 * quarters]), there=there)
        after = Known(register_wh=np.array([2000]), at=np.array([end]), there=there)
        stack = absent_stack(DAY, np.array([7]), TIMES, (CHANNEL,))
        around = replace(whole_day(1, 96), before={CHANNEL: before}, after={CHANNEL: after})
        return plan(Day(stack=stack, times=TIMES, around=around), NOTHING, timezone=ZONE)

    assert over(960).wanted
    assert not over(961).wanted
