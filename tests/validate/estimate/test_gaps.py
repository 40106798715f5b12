"""Gaps of any place and length: runs over single days give parts that fit together."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kwartier.clock import QUARTER_S, quarter_ends
from kwartier.model import Quality, Times, Volumes
from kwartier.validate.day import Day
from kwartier.validate.estimate.fill import fill
from kwartier.validate.estimate.plan import MAX_GAP_DAYS, plan
from kwartier.validate.estimate.shape import Curve
from kwartier.validate.estimate.shares import shares
from kwartier.validate.usable import MAX_WH
from kwartier.validate.volumes import volumes, whole_day
from tests.validate.estimation import Meters, past_day, rejections

ZONE = "Europe/Amsterdam"
ONE_DAY = timedelta(days=1)
CHANNEL = "import_wh"
STARTS = st.sampled_from([date(2026, 11, 23), date(2026, 10, 23), date(2027, 3, 26)])
"""Ordinary days, and such that the clock is changed on the third."""


class Hours:
    """A profile that is heavier in the afternoon; 2 Wh a quarter are expected."""

    def curve(self, reading: int, channel: str, ends: Times) -> Curve | None:
        del reading, channel
        return Curve(ends // 3600 % 24 + 1, 2 * len(ends))


def meters_of(known: Mapping[int, int]) -> Meters:
    """One meter that has these registers, by moment."""
    meters = Meters([], 1)
    meters.ids, meters.channels = [1], (CHANNEL,)
    meters.known[1, CHANNEL] = {at: (register, 0) for at, register in known.items()}
    return meters


def run(
    meters: Meters, day: date, history: Mapping[date, Volumes], rejected: list[dict[str, str]] | None = None
) -> Volumes:
    """The volumes of a day, as a run over it alone makes them."""
    times = quarter_ends(day, day + ONE_DAY, ZONE)
    count = len(times) - 1
    around = replace(
        whole_day(1, count),
        before={CHANNEL: meters.beyond(CHANNEL, int(times[0]), -1)},
        after={CHANNEL: meters.beyond(CHANNEL, int(times[-1]), 1)},
    )
    judged = Day(stack=meters.stack(day, times), times=times, around=around)
    planned = plan(judged, rejections(rejected or [], [1], count), timezone=ZONE)
    filled = fill(planned, {one: found for one, found in history.items() if one in planned.wanted}, Hours())
    return volumes(judged, planned.rejected, filled)


def past(start: date, days: int, seed: int) -> dict[date, Volumes]:
    """So many days before ``start`` that may lend their shape."""
    chance, found = np.random.default_rng(seed), {}
    for back in range(1, days + 1):
        one = past_day(start - back * ONE_DAY, [1])
        one.energy_wh[CHANNEL][:] = chance.integers(0, 500, (1, 96))
        found[one.day] = one
    return found


@st.composite
def runs_of_quarters(draw: st.DrawFn) -> tuple[date, int, list[tuple[int, int]]]:
    """A first day, how many days, and stretches of quarters of which the registers in between are not known."""
    start, days = draw(STARTS), draw(st.integers(1, 12))
    places = len(quarter_ends(start, start + days * ONE_DAY, ZONE))
    gap = st.tuples(st.integers(0, places - 2), st.sampled_from([1, 2, 8, 9, 40, 96, 200, 1100]))
    return start, days, draw(st.lists(gap, max_size=4))


@settings(max_examples=60)
@given(which=runs_of_quarters(), known_days=st.sampled_from([0, 1, 8, 30]), seed=st.integers(0, 1000))
def test_the_volumes_of_all_days_add_up_to_what_the_registers_tell(
    which: tuple[date, int, list[tuple[int, int]]], known_days: int, seed: int
) -> None:
    start, days, gaps = which
    times = quarter_ends(start, start + days * ONE_DAY, ZONE)
    registers = 1000 + np.cumsum(np.random.default_rng(seed).integers(0, 300, len(times)))
    is_known = np.ones(len(times), np.bool_)
    for place, count in gaps:
        is_known[max(place, 1) : min(place + count, len(times) - 1)] = False
    meters = meters_of(dict(zip(times[is_known].tolist(), registers[is_known].tolist(), strict=True)))
    history = past(start, known_days, seed)
    found = [run(meters, start + one * ONE_DAY, history) for one in range(days)]
    energy_wh = np.concatenate([one.energy_wh[CHANNEL][0] for one in found])
    quality = np.concatenate([one.quality[CHANNEL][0] for one in found])
    edges = np.flatnonzero(is_known)
    for first, last in pairwise(edges.tolist()):
        assert energy_wh[first:last].sum() == registers[last] - registers[first]
        expected = Quality.MEASURED if last == first + 1 else Quality.CALCULATED
        assert (quality[first:last] == expected).all()
    assert (energy_wh >= 0).all()


@settings(max_examples=40)
@given(start=STARTS, first=st.integers(1, 95), length=st.integers(1100, 1150), energy=st.integers(0, 200_000))
def test_days_of_a_gap_that_are_computed_by_themselves_are_the_whole_that_is_split_at_once(
    start: date, first: int, length: int, energy: int
) -> None:
    """A gap of more than ten days, so that only its profile has a say."""
    times = quarter_ends(start, start + 14 * ONE_DAY, ZONE)
    before, after = int(times[first]), int(times[first + length])
    meters = meters_of({before: 500, after: 500 + energy})
    inside = times[first + 1 : first + length + 1]
    whole = shares(energy, inside // 3600 % 24 + 1)
    found = np.concatenate([run(meters, start + one * ONE_DAY, {}).energy_wh[CHANNEL][0] for one in range(13)])
    assert found[first : first + length].tolist() == whole.tolist()


@settings(max_examples=40)
@given(start=STARTS, first=st.integers(0, 90), count=st.integers(1, 5), seed=st.integers(0, 1000))
def test_what_cannot_be_known_is_estimated_and_never_below_zero(start: date, first: int, count: int, seed: int) -> None:
    """The register is lower after the gap, or the meter stays silent."""
    times = quarter_ends(start, start + ONE_DAY, ZONE)
    chance = np.random.default_rng(seed)
    registers = 10**6 + np.cumsum(chance.integers(0, 300, len(times)))
    known = dict(zip(times.tolist(), registers.tolist(), strict=True))
    for at in times[first + 1 : first + count + 1].tolist():
        del known[at]
    for at in times[first + count + 1 :].tolist():
        known[at] -= 10**6
    made = run(meters_of(known), start, past(start, 30, seed))
    assert (made.energy_wh[CHANNEL] >= 0).all()
    assert (made.quality[CHANNEL][0, first : first + count + 1] == Quality.ESTIMATED).all()
    assert (np.delete(made.quality[CHANNEL][0], range(first, first + count + 1)) == Quality.MEASURED).all()


def around_gap(energy_wh: int, days: int) -> Volumes:
    """A whole day within a gap of so many days, over which so much went through the meter."""
    day = date(2026, 11, 25)
    end = int(quarter_ends(day, day + ONE_DAY, ZONE)[-1])
    return run(meters_of({end - days * 96 * QUARTER_S: 0, end: energy_wh}), day, {})


def test_a_gap_that_is_too_long_or_an_energy_that_is_none_is_estimated_day_by_day() -> None:
    assert (around_gap(96, MAX_GAP_DAYS).quality[CHANNEL] == Quality.CALCULATED).all()
    beyond = around_gap(96, MAX_GAP_DAYS + 1)
    assert (beyond.quality[CHANNEL] == Quality.ESTIMATED).all()
    assert beyond.energy_wh[CHANNEL].sum() == 2 * 96
    assert (around_gap(MAX_WH, 2).quality[CHANNEL] == Quality.CALCULATED).all()
    assert (around_gap(MAX_WH + 1, 2).quality[CHANNEL] == Quality.ESTIMATED).all()
    assert around_gap(0, 2).energy_wh[CHANNEL].sum() == 0


def test_a_stretch_that_was_rejected_up_to_midnight_is_cut_where_the_next_day_has_its_end() -> None:
    """Quarters 80 to 95 of the first day are rejected, and their registers known up to place 94."""
    start = date(2026, 11, 24)
    times = quarter_ends(start, start + 2 * ONE_DAY, ZONE)
    known = {int(at): 100 * place for place, at in enumerate(times.tolist()) if not 94 < place < 98}
    meters = meters_of(known)
    rejected = [{"id": "1", "code": "V11", "channel": CHANNEL, "first": "80", "last": "95"}]
    one, other = run(meters, start, {}, rejected), run(meters, start + ONE_DAY, {})
    energy_wh = np.concatenate([one.energy_wh[CHANNEL][0], other.energy_wh[CHANNEL][0]])
    assert energy_wh[80:94].sum() == 1400
    assert energy_wh[94:98].tolist() == [100] * 4
    assert energy_wh.sum() == 100 * 192


def test_nothing_of_a_reading_stands_in_a_repr() -> None:
    start = date(2026, 11, 25)
    times = quarter_ends(start, start + ONE_DAY, ZONE)
    meters = meters_of({int(times[0]): 7_654_321, int(times[-1]): 8_888_888})
    judged = Day(stack=meters.stack(start, times), times=times, around=whole_day(1, 96))
    planned = plan(judged, rejections([], [1], 96), timezone=ZONE)
    filled = fill(planned, {}, Hours())
    text = repr((planned, filled, volumes(judged, planned.rejected, filled)))
    assert planned.gaps[0].energy_wh == 1_234_567
    assert not any(one in text for one in ("1234567", "7654321", "8888888"))
