"""All rules over one stack: what they say, of how many rows they could say something, and which quarters are not used.

Rules over quarters are the costly ones. In a large stack a screen (:mod:`kwartier.validate.screen`) first finds the rows of
which one of them may have something to say, nearly always a small part; only those are shown to them.
"""

from collections.abc import Callable

import numpy as np

from kwartier.validate.day import Day, Mask, Places, Said, Spans, Verdicts
from kwartier.validate.differences import Look, Totals, channels_of, look, only
from kwartier.validate.parameters import Parameters
from kwartier.validate.rules.rule import FAIL, Over, Rule
from kwartier.validate.rules.table import RULES

NUMPY_ROWS = 8_192
"""Up to so many rows all are looked at: compiling the screen, or only loading it, takes longer."""
RUN: tuple[Rule, ...] = tuple(rule for rule in RULES if rule.find is not None)
"""The rules that are run here."""

Screen = Callable[[Day, Parameters], Mask]


def judge(day: Day, parameters: Parameters) -> Verdicts:
    """What all rules that look at one day and one row say."""
    return looked(day, parameters)[1]


def looked(day: Day, parameters: Parameters, *, among: int = 0) -> tuple[Look, Verdicts]:
    """The same, and what was looked at, in which quarters are those of suspects at the most. ``among``: rows in all stacks."""
    if max(len(day), among) <= NUMPY_ROWS:
        everything = look(day)
        return everything, _verdicts(everything, everything, np.arange(len(day)), parameters)
    from kwartier.validate.screen import suspects

    return _screened(day, parameters, suspects)


def judge_all(day: Day, parameters: Parameters) -> Verdicts:
    """The same, looking at every row: what screening is held against."""
    everything = look(day)
    return _verdicts(everything, everything, np.arange(len(day)), parameters)


def judge_screened(day: Day, parameters: Parameters, screen: Screen) -> Verdicts:
    """The same, with the rules over quarters that the screen knows looking at the rows that it finds.

    A row that it leaves out has every register, a meter that was there all day, and nothing to be said of its quarters.
    """
    return _screened(day, parameters, screen)[1]


def _screened(day: Day, parameters: Parameters, screen: Screen) -> tuple[Look, Verdicts]:
    rows = np.flatnonzero(screen(day, parameters))
    few = look(only(day, rows))
    must_see_all = any(rule.over is Over.QUARTERS and not rule.is_screened for rule in RUN)
    whole = look(day) if must_see_all else Look(day=day, totals=_spread(day, few, rows))
    return whole, _verdicts(whole, few, rows, parameters)


def cut(verdicts: Verdicts, rows: Places) -> Verdicts:
    """What was said of the ``rows`` (ascending) of a day, as of a day that has only these."""
    place = np.full(max(int(rows.max(initial=-1)), *(int(one.spans.rows.max()) for one in verdicts.said), 0) + 1, -1)
    place[rows] = np.arange(len(rows))
    said = []
    for one in verdicts.said:
        here = np.flatnonzero(place[one.spans.rows] >= 0)
        if len(here):
            spans = Spans(place[one.spans.rows[here]], one.spans.first[here], one.spans.last[here])
            said.append(one._replace(spans=spans))
    return verdicts._replace(
        said=tuple(said), rejected={channel: mask[rows] for channel, mask in verdicts.rejected.items()}
    )


def _spread(day: Day, few: Look, rows: Places) -> dict[str, Totals]:
    """The totals of all rows, some of which were worked out; of the others every quarter is known."""
    found = {}
    for channel in channels_of(day):
        registers = day.stack.registers[channel]
        count = np.full(len(day), day.quarters, np.int64)
        whole = np.ones(len(day), np.bool_)
        energy_wh = registers[:, -1] - registers[:, 0]
        own = few.totals[channel]
        count[rows], whole[rows], energy_wh[rows] = own.quarters, own.whole, own.energy_wh
        found[channel] = Totals(count, whole, energy_wh)
    return found


def _verdicts(whole: Look, few: Look, rows: Places, parameters: Parameters) -> Verdicts:
    """``few`` are the ``rows`` of ``whole`` whose quarters are looked at."""
    said: list[Said] = []
    evaluated, not_evaluated = {}, {}
    for rule in RUN:
        if rule.can is None or rule.find is None:
            continue
        evaluated[rule.code] = int(rule.can(whole, parameters).sum())
        not_evaluated[rule.code] = len(whole.day) - evaluated[rule.code]
        if rule.is_screened:
            said += [one._replace(spans=_placed(one.spans, rows)) for one in rule.find(few, parameters)]
        else:
            said += rule.find(whole, parameters)
    kept = tuple(one for one in said if len(one.spans.rows))
    return Verdicts(kept, evaluated, not_evaluated, rejected(whole.day, kept))


def _placed(spans: Spans, rows: Places) -> Spans:
    return Spans(rows[spans.rows], spans.first, spans.last)


def rejected(day: Day, said: tuple[Said, ...]) -> dict[str, Mask]:
    """For each channel the quarters that a rule refuses; every quarter that is not known is among them (V6)."""
    found = {channel: np.zeros((len(day), day.quarters), np.bool_) for channel in channels_of(day)}
    for one in said:
        if one.severity == FAIL:
            for channel in (one.channel,) if one.channel else tuple(found):
                mask = found[channel]
                for row, first, last in zip(*(column.tolist() for column in one.spans), strict=True):
                    mask[row, first : last + 1] = True
    return found
