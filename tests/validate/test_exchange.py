"""Exchanges at every moment of a day: both meters together have everything that was used."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.clock import QUARTER_S, quarter_ends
from kwartier.model import Missing, Quality, Volumes
from kwartier.validate.day import Day
from kwartier.validate.exchange import Exchange, in_place
from kwartier.validate.volumes import absent_stack, volumes, whole_day

ZONE = "Europe/Amsterdam"
DAY = date(2026, 11, 25)
ONE_DAY = timedelta(days=1)
CHANNEL = "import_wh"
PER_S = 3
"""The connection uses this much each second, in Wh: registers can be told at any moment."""


def old_wh(at: int, start: int) -> int:
    """The old meter's register."""
    return 10_000 + PER_S * (at - start)


def of_day(day: date, at: int, start: int) -> Volumes:
    """Two meters that were exchanged at ``at``; each has the registers of the quarter ends that it saw."""
    times = quarter_ends(day, day + ONE_DAY, ZONE)
    stack = absent_stack(day, np.array([1, 2]), times, (CHANNEL,))
    for row, seen in enumerate((times <= at, times > at)):
        registers = [old_wh(one, start) if row == 0 else PER_S * (one - at) for one in times.tolist()]
        stack.registers[CHANNEL][row], stack.missing[CHANNEL][row] = np.where(seen, registers, 0), ~seen
    went = Exchange(at=at, came=False, registers_wh={CHANNEL: old_wh(at, start)})
    came = Exchange(at=at, came=True, registers_wh={CHANNEL: 0})
    placed = in_place(stack, times, {0: (went,), 1: (came,)})
    around = whole_day(2, len(times) - 1)
    around.first[:], around.last[:], around.exchanged[:] = placed.first, placed.last, placed.exchanged
    return volumes(Day(stack=placed.stack, times=times, around=around), {})


@given(
    offset=st.integers(-2 * QUARTER_S, 98 * QUARTER_S),
    day=st.sampled_from([DAY, date(2026, 10, 25), date(2027, 3, 28)]),
)
def test_nothing_is_lost_at_an_exchange(offset: int, day: date) -> None:
    start, end = (int(one) for one in quarter_ends(day, day + ONE_DAY, ZONE)[[0, -1]])
    at = start + offset
    found = [of_day(day + days * ONE_DAY, at, start) for days in (-1, 0, 1)]
    total_wh = sum(int(one.energy_wh[CHANNEL].sum()) for one in found)
    first = int(quarter_ends(day - ONE_DAY, day, ZONE)[0])
    last = int(quarter_ends(day + ONE_DAY, day + 2 * ONE_DAY, ZONE)[-1])
    assert total_wh == PER_S * (last - first)
    for one in found:
        quality = one.quality[CHANNEL]
        assert ((quality == Quality.MEASURED).sum(axis=0) == 1).all()
        assert ((quality == Quality.ABSENT).sum(axis=0) == 1).all()
    assert start < end


def placed_at(offset: int, *, came: bool, known: bool = True) -> tuple[int, int, bool, list[int]]:
    """First and last place, whether exchanged, and which places have a register, of a meter that had all but one quarter's."""
    times = quarter_ends(DAY, DAY + ONE_DAY, ZONE)
    stack = absent_stack(DAY, np.array([1]), times, (CHANNEL,))
    stack.missing[CHANNEL][:] = 0
    one = Exchange(at=int(times[0]) + offset, came=came, registers_wh={CHANNEL: 5} if known else {})
    found = in_place(stack, times, {0: (one,)})
    assert not stack.missing[CHANNEL].any()
    present = np.flatnonzero(found.stack.missing[CHANNEL][0] == Missing.PRESENT).tolist()
    return int(found.first[0]), int(found.last[0]), bool(found.exchanged[0]), present


@pytest.mark.parametrize(
    ("offset", "place"), [(450, 0), (451, 1), (900, 1), (1350, 1), (1351, 2), (-449, 0), (96 * 900 + 450, 96)]
)
def test_the_registers_stand_at_the_nearest_place_and_of_two_at_the_earlier(offset: int, place: int) -> None:
    assert placed_at(offset, came=False) == (0, place, 0 < place < 96, [*range(place + 1)])
    assert placed_at(offset, came=True) == (place, 96, 0 < place < 96, [*range(place, 97)])


def test_a_register_that_was_not_written_down_is_missing_unless_the_meter_has_that_very_moment() -> None:
    assert placed_at(1000, came=False, known=False) == (0, 1, True, [0])
    assert placed_at(900, came=False, known=False) == (0, 1, True, [0, 1])
    assert placed_at(800, came=True, known=False) == (1, 96, True, [*range(2, 97)])


def test_a_meter_of_another_day_is_absent_or_there_all_day() -> None:
    assert placed_at(-451, came=False) == (0, 0, False, [0])
    assert placed_at(-451, came=True) == (0, 96, False, [*range(97)])
    assert placed_at(96 * 900 + 451, came=True) == (96, 96, False, [96])
    assert placed_at(96 * 900 + 451, came=False) == (0, 96, False, [*range(97)])


def test_what_is_not_one_stay_is_left_as_it_is() -> None:
    times = quarter_ends(DAY, DAY + ONE_DAY, ZONE)
    stack = absent_stack(DAY, np.array([1]), times, (CHANNEL,))
    went = Exchange(at=int(times[4]), came=False, registers_wh={CHANNEL: 5})
    came = Exchange(at=int(times[8]), came=True, registers_wh={CHANNEL: 5})
    found = in_place(stack, times, {0: (went, came)})
    assert (found.first[0], found.last[0], found.exchanged[0]) == (0, 96, True)
    assert (found.stack.missing[CHANNEL] == Missing.NOT_STORED).all()
    assert "5" not in repr(went).replace(str(went.at), "")
    stay = in_place(stack, times, {0: (Exchange(at=int(times[2]), came=True, registers_wh={}), went)})
    assert (stay.first[0], stay.last[0], stay.exchanged[0]) == (2, 4, True)
