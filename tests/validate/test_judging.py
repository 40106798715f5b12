"""All rules over a stack: the screen hides nothing, what is refused follows from what is said, and no order of rows matters."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwartier.validate import judging, screen
from kwartier.validate.day import CHANNELS, Day, Mask, Said, Spans, Verdicts
from kwartier.validate.differences import Look, look, only, spans, stay
from kwartier.validate.judging import NUMPY_ROWS, RUN, judge, judge_all, judge_screened
from kwartier.validate.parameters import Parameters, parameters
from kwartier.validate.rules.many import cohorts, counted, merged, ratios, taken
from kwartier.validate.rules.rule import FAIL, Over
from kwartier.validate.rules.shape import night_quarters
from kwartier.validate.rules.table import RULES
from kwartier.validate.screen import suspects
from tests.validate.fleets import fleet

ROWS = 150
SEEDS = st.integers(0, 10**6)


def told(verdicts: Verdicts) -> list[tuple[str, str, str, int, int, int]]:
    return [
        (one.code, one.severity, one.channel, *place)
        for one in verdicts.said
        for place in zip(*(column.tolist() for column in one.spans), strict=True)
    ]


@settings(max_examples=40)
@given(seed=SEEDS)
def test_a_screened_stack_says_what_a_stack_says_that_was_looked_at_in_full(seed: int) -> None:
    day = fleet(seed, ROWS)
    rules = parameters(day.stack.day)
    whole, screened = judge_all(day, rules), judge_screened(day, rules, suspects)
    assert told(screened) == told(whole)
    assert screened.evaluated == whole.evaluated
    assert screened.not_evaluated == whole.not_evaluated
    for channel in CHANNELS:
        assert np.array_equal(screened.rejected[channel], whole.rejected[channel])


def test_every_rule_says_something_of_these_fleets_and_the_screen_leaves_rows_out() -> None:
    """Else the test above would show nothing."""
    codes: set[str] = set()
    quiet = 0
    for seed in range(6):
        day = fleet(seed, ROWS)
        rules = parameters(day.stack.day)
        codes |= {one.code for one in judge_all(day, rules).said}
        quiet += int((~suspects(day, rules)).sum())
    assert codes == {rule.code for rule in RUN}
    assert quiet > ROWS


def test_a_large_stack_is_screened_and_a_small_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    large, small = fleet(3, NUMPY_ROWS + 1), fleet(3, 40)
    rules = parameters(large.stack.day)
    asked: list[int] = []

    def watched(day: Day, given: Parameters) -> Mask:
        asked.append(len(day))
        return suspects(day, given)

    monkeypatch.setattr(screen, "suspects", watched)
    assert told(judge(large, rules)) == told(judge_all(large, rules))
    assert told(judge(small, rules)) == told(judge_all(small, rules))
    assert asked == [NUMPY_ROWS + 1]


def test_a_rule_that_the_screen_does_not_know_is_shown_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    day = fleet(1, ROWS)
    rules = parameters(day.stack.day)
    # The rule for night export, with a limit that the screen has not heard of.
    (night,) = [rule for rule in RUN if rule.code == "V15-night-export"]

    def any_export(seen: Look, given: Parameters) -> tuple[Said, ...]:
        return (Said("V19-new", "warn", "export_wh", spans(seen.moved["export_wh"].energy_wh > 0)),)

    new = replace(night, code="V19-new", is_screened=False, find=any_export)
    monkeypatch.setattr(judging, "RUN", (*RUN, new))
    whole, screened = judge_all(day, rules), judge_screened(day, rules, suspects)
    assert told(screened) == told(whole)
    monkeypatch.setattr(judging, "RUN", (*RUN, replace(new, is_screened=True)))
    assert told(judge_screened(day, rules, suspects)) != told(whole)


@settings(max_examples=25)
@given(seed=SEEDS)
def test_what_is_refused_is_what_fails_and_all_that_is_not_known(seed: int) -> None:
    day = fleet(seed, ROWS)
    said = judge(day, parameters(day.stack.day))
    seen, there = look(day), stay(day)
    for channel in CHANNELS:
        mask = np.zeros((len(day), day.quarters), np.bool_)
        for one in said.said:
            if one.severity == FAIL and one.channel in ("", channel):
                for row, first, last in zip(*one.spans, strict=True):
                    mask[row, first : last + 1] = True
        assert np.array_equal(mask, said.rejected[channel])
        energy, known = seen.moved[channel]
        here = np.ones_like(mask) if there is None else there
        useless = ~known | (energy < 0)
        assert said.rejected[channel][useless & here].all()
        if there is not None:
            assert not said.rejected[channel][~there].any()


@settings(max_examples=15)
@given(seed=SEEDS)
def test_a_row_is_judged_by_itself(seed: int) -> None:
    day = fleet(seed, 60)
    rules = parameters(day.stack.day)
    every = told(judge(day, rules))
    chosen = np.flatnonzero(np.random.default_rng(seed).random(60) < 0.4)
    part = judge(only(day, chosen), rules)
    place = {row: number for number, row in enumerate(chosen.tolist())}
    expected = [(*one[:3], place[one[3]], *one[4:]) for one in every if one[3] in place]
    assert sorted(told(part)) == sorted(expected)


@settings(max_examples=15)
@given(seed=SEEDS)
def test_nothing_is_said_of_rows_that_cannot_be_evaluated(seed: int) -> None:
    seen = look(fleet(seed, ROWS))
    rules = parameters(seen.day.stack.day)
    for rule in RUN:
        assert rule.can is not None
        assert rule.find is not None
        can = rule.can(seen, rules)
        for one in rule.find(seen, rules):
            if rule.code != "V3-status":  # a mark is a mark, also beside a quarter that is not known
                assert can[one.spans.rows].all(), rule.code


def test_a_stack_of_one_channel_is_judged_by_it_alone() -> None:
    day = fleet(4, ROWS)
    stack = replace(
        day.stack,
        registers={"import_wh": day.stack.registers["import_wh"]},
        missing={"import_wh": day.stack.missing["import_wh"]},
    )
    few = replace(day, stack=stack)
    rules = parameters(stack.day)
    assert suspects(few, rules).all()
    said = judge(few, rules)
    assert set(said.rejected) == {"import_wh"}
    assert said.evaluated["V13-both-ways"] == said.evaluated["V15-night-export"] == 0
    assert {one.channel for one in said.said} <= {"", "import_wh"}


def test_an_empty_stack_is_judged() -> None:
    day = only(fleet(2, 5), np.zeros(0, np.int64))
    said = judge(day, parameters(day.stack.day))
    assert said.said == ()
    assert set(said.evaluated.values()) == set(said.not_evaluated.values()) == {0}
    assert judge_screened(day, parameters(day.stack.day), suspects).said == ()


@given(st.lists(st.lists(st.booleans(), min_size=7, max_size=7), max_size=6))
def test_spans_are_the_stretches_of_a_mask(rows: list[list[bool]]) -> None:
    mask = np.array(rows, np.bool_).reshape(-1, 7)
    found = spans(mask)
    again = np.zeros_like(mask)
    for row, first, last in zip(*found, strict=True):
        assert not again[row, max(first - 1, 0) : last + 1].any()
        again[row, first : last + 1] = True
    assert np.array_equal(again, mask)
    assert all(isinstance(column, np.ndarray) for column in Spans(*found))


def test_night_is_counted_by_the_local_clock() -> None:
    night = parameters(fleet(0, 1).stack.day).night
    assert night_quarters(96, night) == (16, 92)
    assert night_quarters(92, night) == (12, 88)
    assert night_quarters(100, night) == (20, 96)


def test_rules_over_the_fleet_do_not_depend_on_how_it_was_cut() -> None:
    day = fleet(5, 300)
    rules = parameters(day.stack.day)
    pieces = [look(only(day, np.arange(start, min(300, start + 70)))) for start in range(0, 300, 70)]
    assert merged(map(taken, pieces)) == taken(look(day))
    whole = ratios(look(day), rules)
    cut = counted(ratios(one, rules) for one in pieces)
    assert {name: column.tolist() for name, column in cut.items()} == {n: c.tolist() for n, c in whole.items()}
    assert cohorts(cut, rules) == cohorts(whole, rules)
    assert cohorts({}, rules) == ()


def test_the_table_of_rules_has_all_eighteen_once_in_their_order() -> None:
    assert [int(rule.code[1:].split("-")[0]) for rule in RULES] == list(range(1, 19))
    for rule in RULES:
        runs = rule.can is not None and rule.find is not None
        assert runs == (rule.over in (Over.QUARTERS, Over.DAY))
        assert bool(rule.where) != runs
        assert not rule.is_screened or rule.over is Over.QUARTERS
        assert not rule.table or hasattr(parameters(fleet(0, 1).stack.day), rule.table)
