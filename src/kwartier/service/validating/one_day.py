"""One pass over a local day: every reading is judged; what is in order goes on at once, what has a gap is set aside and filled.

In memory are one piece of the day, what was set aside, and of the days beside it two registers a meter.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np

from kwartier.gate.ids import Link, Links
from kwartier.model import Bytes8, Missing, Quality, Registers, Stack, Times, Volumes
from kwartier.service.validating import near, past
from kwartier.service.validating.causes import Causes, Why, lacks
from kwartier.service.validating.facts import LOOK_AHEAD, ONE_DAY, Facts, of_rows, texts_of
from kwartier.service.validating.near import Columns
from kwartier.service.validating.outages import outages
from kwartier.service.validating.past import Others
from kwartier.service.validating.profiles import MarketProfiles
from kwartier.service.validating.runs import Found, Put
from kwartier.service.validating.tally import Tally
from kwartier.validate.day import CHANNELS, NEVER_ASKED, Around, Day, Known, Verdicts
from kwartier.validate.differences import only
from kwartier.validate.estimate.fill import fill
from kwartier.validate.estimate.plan import Plan, plan
from kwartier.validate.estimate.sheet import Manual, Substitute
from kwartier.validate.exchange import in_place
from kwartier.validate.judging import cut, looked
from kwartier.validate.parameters import Parameters
from kwartier.validate.volumes import volumes

ASIDE_ROWS = 20_000
"""Rows with gaps that are in memory at once."""
BUFFER_DAYS = 10
"""For so many local days a visit may still fetch a row."""
STILL_TO_COME = (Missing.NOT_RECEIVED, Missing.NOT_STORED, Missing.NOT_YET)


class Kept(NamedTuple):
    """What is kept of some rows beside their volumes."""

    found: list[Found]
    put: list[Put]
    links: Links
    """What each row stands for."""
    why: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What is known of the day besides its readings."""

    day: date
    times: Times
    timezone: str
    today: date
    parameters: Parameters
    facts: Facts = field(repr=False)
    before: Columns = field(repr=False)
    opened: Columns = field(repr=False)
    others: Others
    profiles: MarketProfiles
    causes: Causes
    manual: Sequence[Manual] = ()
    is_again: bool = False
    """Whether the day was looked at before."""


class OneDay:
    """Volumes of one local day. ``links`` grows with every row that is set aside."""

    def __init__(self, given: Given, links: dict[int, Link]) -> None:
        self._given = given
        self._links = links
        self._aside: list[tuple[Day, Verdicts, Links]] = []
        self.tally = Tally(is_again=given.is_again)

    def volumes(self, stacks: Iterator[tuple[Stack, Links]]) -> Iterator[tuple[Volumes, Kept]]:
        """What comes of stacks, and what was found in them; every row once, in another order."""
        for stack, links in stacks:
            done, kept = self._judged(stack, links)
            yield self.tally.counted(done), kept
            if sum(len(day) for day, _, _ in self._aside) >= ASIDE_ROWS:
                yield from self._filled()
        yield from self._filled()

    def _judged(self, stack: Stack, links: Links) -> tuple[Volumes, Kept]:
        given = self._given
        placed = in_place(stack, given.times, given.facts.exchanges_of(links))
        around = self._around(placed.stack, links)
        around = replace(around, first=placed.first, last=placed.last, exchanged=placed.exchanged | around.exchanged)
        day = Day(stack=placed.stack, times=given.times, around=around)
        seen, verdicts = looked(day, given.parameters, among=len(given.facts))
        self.tally.note(seen, verdicts, links, given.parameters)
        made = volumes(day, verdicts.rejected)
        odd = np.logical_or.reduce([(one == Quality.MISSING).any(axis=1) for one in made.quality.values()])
        odd |= np.isin(stack.ids, np.array([one.reading for one in given.manual], np.int64))
        rows = np.flatnonzero(odd)
        if len(rows):
            self._aside.append((only(day, rows), cut(verdicts, rows), links.take(rows)))
            self._links.update(zip(stack.ids[rows].tolist(), links.take(rows), strict=True))
        late, done = given.causes.late(stack, links)[~odd], np.flatnonzero(~odd)
        why = Why(np.zeros(len(late), np.uint8), late)
        return made.only(done), Kept(_found(day, verdicts), [], links.take(done), why)

    def _around(self, stack: Stack, links: Links) -> Around:
        given, facts = self._given, self._given.facts
        state, opened = given.before.of(stack.ids), given.opened.of(stack.ids)
        count, rows = len(stack), facts.rows(links)
        return Around(
            capacity_wh=of_rows(facts.capacity_wh, rows, 0),
            first=np.zeros(count, np.int64),
            last=np.full(count, len(given.times) - 1, np.int64),
            exchanged=facts.reset(links),
            before=near.last_before(state),
            after=near.first_after(opened),
            next_opening=near.next_opening(opened, int(given.times[-1])),
            state=state,
            clock_drift_s=of_rows(facts.drift_s, rows, NEVER_ASKED),
            outages=outages(stack),
            cohort=texts_of(facts.cohort, rows),
            transformer=texts_of(facts.transformer, rows),
        )

    def _filled(self) -> Iterator[tuple[Volumes, Kept]]:
        """What was set aside, its gaps filled."""
        given, aside = self._given, self._aside
        self._aside = []
        days = self._with_ends([day for day, _, _ in aside])
        plans = [self._planned(day, verdicts) for day, (_, verdicts, _) in zip(days, aside, strict=True)]
        history = given.others.volumes(past.merged([one.wanted for one in plans]), self._links)
        for one, (_, _, links) in zip(plans, aside, strict=True):
            here = set(one.day.stack.ids.tolist())
            manual = [by_hand for by_hand in given.manual if by_hand.reading in here]
            filled = fill(one, history, given.profiles, manual)
            made = volumes(one.day, one.rejected, filled)
            why = self._why(one.day, made, links)
            yield self.tally.counted(made), Kept([], [_put(sub) for sub in filled.substitutes], links, why)

    def _why(self, day: Day, made: Volumes, links: Links) -> Why:
        causes = self._given.causes
        return Why(lacks(day, made, causes.unread(links)), causes.late(day.stack, links))

    def _planned(self, day: Day, verdicts: Verdicts) -> Plan:
        still = np.zeros(len(day), np.bool_)
        if (self._given.today - day.stack.day).days <= BUFFER_DAYS:
            for missing in day.stack.missing.values():
                still |= np.isin(missing, STILL_TO_COME).any(axis=1)
        return plan(day, verdicts, timezone=self._given.timezone, may_still_come=still)

    def _with_ends(self, days: Sequence[Day]) -> list[Day]:
        """With the ends of gaps over midnight: the first register of later days, and how the rows before are marked."""
        if not days:
            return []
        after, before = self._after(days), self._before(days)
        found = []
        for place, day in enumerate(days):
            resets, zone = self._resets(day), self._given.timezone
            known_before, known_after = (
                {channel: near.parted(one, resets, day.stack.day, zone) for channel, one in known.items()}
                for known in (before[place], after[place])
            )
            found.append(replace(day, around=replace(day.around, before=known_before, after=known_after)))
        return found

    def _after(self, days: Sequence[Day]) -> list[dict[str, Known]]:
        """For each stack the first registers after it, looked for further on where the next day has none."""
        given = self._given
        following = [given.day + timedelta(days=ahead) for ahead in range(2, LOOK_AHEAD + 1)]
        later = [day for day in following if day < given.today]
        rows = [_any(day.stack.missing, -1) for day in days]
        ids = np.concatenate([day.stack.ids[some] for day, some in zip(days, rows, strict=True)])
        some = {
            channel: near.chained(
                [near.some_of(day.around.after[channel], at) for day, at in zip(days, rows, strict=True)]
            )
            for channel in CHANNELS
        }
        found = given.others.first_after(ids, some, self._links, later) if len(ids) else some
        edges = np.cumsum([0, *(len(at) for at in rows)]).tolist()
        return [
            {
                channel: near.with_some(
                    day.around.after[channel],
                    at,
                    near.some_of(found[channel], np.arange(edges[place], edges[place + 1])),
                )
                for channel in CHANNELS
            }
            for place, (day, at) in enumerate(zip(days, rows, strict=True))
        ]

    def _before(self, days: Sequence[Day]) -> list[dict[str, Known]]:
        """For each stack the registers before it, with the marks of their rows where these are of the day before."""
        found: list[dict[str, Known]] = [{} for _ in days]
        for channel in CHANNELS:
            at: dict[int, int] = {}
            for day in days:
                known, ids = day.around.before[channel], day.stack.ids
                open_rows = _any(day.stack.missing, 0)
                at.update({int(ids[row]): int(known.at[row]) for row in open_rows.tolist() if known.there[row]})
            marks = self._given.others.marked(at, self._links, self._given.day - ONE_DAY) if at else {}
            for place, day in enumerate(days):
                marked = np.array([marks.get(identity, True) for identity in day.stack.ids.tolist()], np.bool_)
                found[place][channel] = replace(day.around.before[channel], marked=marked)
        return found

    def _resets(self, day: Day) -> dict[int, Sequence[date]]:
        """By row the days on which a meter's registers started anew."""
        resets, ids = self._given.facts.resets, day.stack.ids.tolist()
        if not resets:
            return {}
        meters = (self._links[identity].meter for identity in ids)
        return {row: resets[meter] for row, meter in enumerate(meters) if meter in resets}


def _any(missing: Mapping[str, Bytes8], place: int) -> Registers:
    """The rows that lack some channel at a place."""
    return np.flatnonzero(np.logical_or.reduce([column[:, place] != 0 for column in missing.values()]))


def _found(day: Day, verdicts: Verdicts) -> list[Found]:
    ids = day.stack.ids
    return [
        Found(int(ids[row]), one.code, one.severity, one.channel, first, last)
        for one in verdicts.said
        for row, first, last in zip(*(column.tolist() for column in one.spans), strict=True)
    ]


def _put(one: Substitute) -> Put:
    return Put(
        reading=one.reading,
        channel=one.channel,
        first=one.first,
        last=one.last,
        rule=one.rule,
        method=one.method,
        quality=one.quality.name.lower(),
        inputs=json.dumps(one.inputs, separators=(",", ":")),
    )
