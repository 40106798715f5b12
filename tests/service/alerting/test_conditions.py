"""Each condition, from numbers: what is found, what is not, and how often chance alone is taken for something."""

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from kwartier.collect.due import BUFFER_DAYS
from kwartier.service.alerting.conditions import (
    CHANCE,
    CLOCK_NORM_S,
    MAX_NAMED,
    MAX_SUBJECTS,
    OTHERS,
    Code,
    Drift,
    Found,
    Missing,
    Sample,
    Tried,
    clocks_beyond_norm,
    counters_near_end,
    data_loss_near,
    meanings,
    runbook,
    silent_cohorts,
    surprise,
    usual_part,
    will_not_finish,
)

DAY = date(2026, 3, 4)
OPENS = int(datetime(2026, 3, 4, 23, tzinfo=UTC).timestamp())
CLOSES = OPENS + 6 * 3600
SPREAD_S = 0.75 * (CLOSES - OPENS)
DUE = 1_000_000
MINUTE_S = 60


def night(begun_s: float, pace_per_s: float, *, until_s: float) -> list[Sample]:
    """A look a minute at a night that can try so many meters a second, each at its moment or as soon as there is power."""
    tried, samples = 0.0, list[Sample]()
    at_s = begun_s
    while at_s <= until_s:
        wanted = min(1.0, max(0.0, (at_s - OPENS) / SPREAD_S)) * DUE
        late = min(1.0, max(0.0, (at_s - 180 - OPENS) / SPREAD_S)) * DUE
        if samples:
            tried = min(wanted, tried + pace_per_s * MINUTE_S)
        samples.append(Sample(at_s, round(DUE - tried), round(max(0.0, late - tried))))
        at_s += MINUTE_S
    return samples


def told(samples: list[Sample]) -> tuple[float | None, list[Found]]:
    """When it is told for the first time, in seconds after the start, and what is found at last."""
    first = None
    for count in range(1, len(samples) + 1):
        found = will_not_finish(samples[:count], day=DAY, due=DUE, closes_at=CLOSES)
        if found and first is None:
            first = samples[count - 1].at_s - samples[0].at_s
    return first, found


def test_a_night_that_is_too_slow_is_told_in_its_first_quarter_of_an_hour() -> None:
    enough = DUE / SPREAD_S
    for part in (0.2, 0.5, 0.7):
        first, found = told(night(OPENS, part * enough, until_s=OPENS + 3600))
        assert first is not None, part
        assert 240 <= first <= 900
        assert [(one.code, one.subject) for one in found] == [(Code.WILL_NOT_FINISH, "2026-03-04")]
        assert "05:00 UTC" in found[0].text


def test_a_night_that_begins_too_late_is_told_in_its_first_quarter_of_an_hour() -> None:
    first, _ = told(night(CLOSES - 3600, DUE / SPREAD_S, until_s=CLOSES))
    assert first is not None
    assert first <= 900


def test_a_night_that_stands_still_is_told_and_one_whose_looks_were_far_apart_too() -> None:
    first, _ = told(night(OPENS, 0, until_s=OPENS + 1200))
    assert first is not None
    assert first <= 900
    far = [Sample(OPENS + 300 * number, DUE, 100_000) for number in range(3)]
    assert will_not_finish(far, day=DAY, due=DUE, closes_at=CLOSES)


@pytest.mark.parametrize("begun_s", [OPENS - 7200, OPENS, OPENS + 3600])
@pytest.mark.parametrize("surplus", [1.0, 1.4, 10.0])
def test_a_night_that_finishes_is_never_told(begun_s: float, surplus: float) -> None:
    # One that begins an hour late has a window of five hours for what was to be tried in four and a half.
    samples = night(begun_s, surplus * DUE / SPREAD_S, until_s=CLOSES)
    assert samples[-1].untried == 0
    assert told(samples) == (None, [])


def test_what_is_left_in_the_tail_is_no_alert_until_the_window_closes() -> None:
    few = DUE // 1000
    tail = [Sample(CLOSES - 1800 + 60 * number, few, few) for number in range(31)]
    assert told(tail) == (None, [])
    some = [Sample(one.at_s, few + 1, 0) for one in tail]
    first, found = told(some)
    assert first == 1800, "leased visits end in their own time"
    assert f"{few + 1} of {DUE} meters had not been tried" in found[0].text


def test_days_that_are_nearly_lost_are_told_a_cohort_and_a_day_at_a_time() -> None:
    missing = [Missing(f"M{number:02d}", f"cell c{number % 2}", DAY - timedelta(days=number)) for number in range(14)]
    missing += [Missing(f"N{number:02d}", "cell c1", DAY - timedelta(days=7)) for number in range(9)]
    found = data_loss_near(missing, day=DAY)
    assert BUFFER_DAYS == 10
    assert [(one.subject, one.text) for one in found] == [
        ("day 10 of 10, cell c1", "day 10 of 10 before data are lost: 1 meter (M09)"),
        ("day 9 of 10, cell c0", "day 9 of 10 before data are lost: 1 meter (M08)"),
        (
            "day 8 of 10, cell c1",
            "day 8 of 10 before data are lost: 10 meters (M07, N00, N01, N02, N03, ...)",
        ),
    ]


def test_of_many_cohorts_the_gravest_are_told_and_the_rest_as_one() -> None:
    missing = [
        Missing(f"M{number}", f"cell c{number:03d}", DAY - timedelta(days=7 + (number == 99))) for number in range(100)
    ]
    found = data_loss_near(missing, day=DAY)
    assert len(found) == MAX_SUBJECTS + 1
    assert found[0].subject == "day 9 of 10, cell c099"
    assert (found[-1].subject, found[-1].text.split()[0]) == (OTHERS, "80")


def test_what_may_be_an_ean_is_never_named() -> None:
    names = ["M1", "871687000000000001", "x871687000000000001y"]
    (found,) = counters_near_end(names)
    assert found.text.endswith("3 meters (M1, ...)")
    (found,) = counters_near_end(names[1:])
    assert found.text.endswith("2 meters")
    assert counters_near_end([]) == []
    (found,) = counters_near_end([f"M{number}" for number in range(100)])
    assert found.text.count("M") == MAX_NAMED


def test_clocks_are_told_beyond_the_norm_and_not_at_it() -> None:
    drifts = [Drift("A", "x 1", CLOCK_NORM_S), Drift("B", "x 1", -CLOCK_NORM_S - 1), Drift("C", "x 1", 4_000)]
    (found,) = clocks_beyond_norm(drifts)
    assert found.subject == "x 1"
    assert found.text == "x 1: clocks are more than 60 s off, the worst +4000 s: 2 meters (C, B)"
    assert clocks_beyond_norm(drifts[:1]) == []


# Cohorts. The chance of each draw is a binomial one.


def drawn(chance: np.random.Generator, count: int, part: float, nights: int) -> list[Tried]:
    return [Tried(count, int(chance.binomial(count, part))) for _ in range(nights)]


CASES = [(22_000, 0.0001), (100_000, 0.0005), (100_000, 0.001)]
"""Meters of a cohort that were tried in the first hour, and the part of them that is silent in any night."""


@pytest.mark.parametrize(("tried", "usual"), CASES)
def test_a_rise_by_a_thousandth_of_a_cohort_is_found_and_chance_is_not(tried: int, usual: float) -> None:
    chance = np.random.default_rng(4)
    seeds, found, false = 2_000, 0, 0
    for _ in range(seeds):
        earlier = {"cell a": drawn(chance, 100_000, usual, 7)}
        (worse,) = drawn(chance, tried, usual + 0.001, 1)
        (same,) = drawn(chance, tried, usual, 1)
        found += len(silent_cohorts({"cell a": worse}, earlier))
        false += len(silent_cohorts({"cell a": same}, earlier))
    assert found >= 0.97 * seeds
    assert false == 0


@pytest.mark.parametrize("nights", [1, 2, 3, 7])
@pytest.mark.parametrize("usual", [0.0, 0.0001, 0.001, 0.01, 0.1])
def test_with_few_nights_or_many_silent_meters_chance_is_not_found_either(nights: int, usual: float) -> None:
    chance = np.random.default_rng(5)
    for size in (50, 1_000, 100_000):
        for _ in range(300):
            earlier = {"cell a": drawn(chance, size, usual, nights)}
            assert silent_cohorts({"cell a": drawn(chance, size, usual, 1)[0]}, earlier) == []


def test_the_bound_is_one() -> None:
    """What is called a surprise is at least as rare as it says, by the exact tail of the binomial."""
    for tried, usual in ((50, 0.01), (2_000, 0.001), (2_000, 0.2)):
        tail = 1.0
        for silent in range(tried + 1):
            assert tail <= math.exp(-surprise(Tried(tried, silent), usual)) * (1 + 1e-9)
            log = math.lgamma(tried + 1) - math.lgamma(silent + 1) - math.lgamma(tried - silent + 1)
            tail -= math.exp(log + silent * math.log(usual) + (tried - silent) * math.log1p(-usual))
            if tail < 1e-9:
                break
    assert CHANCE <= 1e-5


def test_one_bad_night_does_not_hide_the_next_and_few_nights_are_trusted_less() -> None:
    good, bad = Tried(99_999, 9), Tried(99_999, 50_000)
    assert usual_part([]) is None
    assert usual_part([Tried(0, 0)]) is None
    assert usual_part([good, good, bad]) == pytest.approx(0.0001)
    assert usual_part([good]) == pytest.approx(0.00016, abs=0.00001)
    assert usual_part([good, bad]) == pytest.approx(0.5, abs=0.01)
    silent = {"cell a": Tried(1_000, 1_000), "cell b": Tried(1_000, 300), "cell c": Tried(1_000, 1_000)}
    found = silent_cohorts(silent, {"cell a": [good, good, bad], "cell b": [good] * 3, "cell c": []})
    assert [one.subject for one in found] == ["cell a", "cell b"]
    assert "300 of 1000 meters" in found[1].text
    assert "give nothing (30.00%, usually at most 0.01%)" in found[1].text


def test_a_few_meters_of_a_small_cell_and_a_small_rise_of_a_large_one_are_no_alert() -> None:
    earlier = {"cell a": [Tried(100_000, 0)] * 3}
    assert silent_cohorts({"cell a": Tried(9, 9)}, earlier) == []
    assert silent_cohorts({"cell a": Tried(10, 10)}, earlier) != []
    assert silent_cohorts({"cell a": Tried(1_000_000, 400)}, earlier) == []


# The table of codes.


def test_every_code_has_a_row_and_every_row_a_code() -> None:
    assert set(meanings()) == {code.value for code in Code}
    for code, row in meanings().items():
        assert row.meaning, code
        assert not row.meaning.endswith("."), code
        assert row.advice, code
        assert not row.advice.endswith("."), code
    assert runbook(Code.NO_ROOM) == "docs/operations.md#no-room"
