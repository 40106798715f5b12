"""Validation of a local day: its readings are judged and completed, and what comes of it is stored under the number of a run.

The first run of a day is over all meters that should have been read; later runs are over those of which something new came, or
that other days have something to say of. Nothing of the readings themselves is changed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache

import numpy as np

from kwartier.clock import local_day, quarter_ends
from kwartier.database import writing
from kwartier.errors import InputError
from kwartier.gate.grant import Gate, Grant
from kwartier.gate.ids import Ids, Link, Links
from kwartier.gate.policy import Asking, Scope
from kwartier.gate.volumes import Versions
from kwartier.market.market import Market
from kwartier.model import Registers, Volumes
from kwartier.service.home import Home
from kwartier.service.validating.causes import Causes, Why, gaps_of, why_of
from kwartier.service.validating.chosen import NOTHING, Again, Chosen, chosen_of
from kwartier.service.validating.covered import Cohorts, Covered, keeping
from kwartier.service.validating.facts import LOOK_AHEAD, ONE_DAY, Facts, facts_of
from kwartier.service.validating.looks import Everybody, Looks, Rows, Some, of_full_length
from kwartier.service.validating.manual import ByHand, by_hand
from kwartier.service.validating.near import Columns, SameMeter
from kwartier.service.validating.one_day import Given, Kept, OneDay
from kwartier.service.validating.past import Others
from kwartier.service.validating.profiles import MarketProfiles
from kwartier.service.validating.runs import Run, Runs
from kwartier.service.validating.tally import Key
from kwartier.validate.day import CHANNELS, Mask
from kwartier.validate.estimate.sheet import Manual
from kwartier.validate.parameters import parameters
from kwartier.validate.volumes import absent_stack

ABSENT_ROWS = 4_096
"""Meters of which nothing came that are looked at together."""
FEW = 50_000
"""So many readings are looked up one by one; of more, all of the day is walked over."""
MAX_HISTORY = 62
"""Local days that a grant for validation reaches."""
Show = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a run. ``quarters``: of both directions, by quality, of the readings that it was over."""

    run: Run
    quarters: Mapping[str, int]
    contradicted: frozenset[Key] = field(repr=False)
    """Whose reading opens with another register than the day before closed with: that day has to be looked at again."""
    touched: frozenset[Key] = field(repr=False)
    """Of whom days beside this one may know more now."""


def validate(
    home: Home,
    day: date,
    *,
    actor: Asking,
    now: int,
    reason: str = "",
    again: Again = NOTHING,
    manual: Sequence[ByHand] = (),
    show: Show | None = None,
) -> Outcome | None:
    """Validate a day; None: there is nothing new of it. ``now``: UTC seconds.

    Raises ``InputError`` day-not-over, mixed-days, bad-day, bad-manual-volumes; ``Denied`` as the gate does.
    """
    zone = home.settings.timezone
    today = local_day(now, zone)
    if day >= today:
        raise InputError("day-not-over", f"{day} ends at midnight in {zone}")
    gate, purpose = home.gate, home.settings.validate_purpose
    last = min(day + timedelta(days=LOOK_AHEAD), today)
    grant = gate.open(actor=actor, purpose=purpose, scope=Scope(start=day - ONE_DAY, end=last + ONE_DAY), reason=reason)
    with grant.pinned() as versions:
        turn = _Turn(home, gate, grant, actor, reason, day, today, now)
        return turn.taken(versions, again, manual, show)


class _Turn:
    """One validation of a day, from the look at what there is to the run that is finished."""

    def __init__(
        self, home: Home, gate: Gate, grant: Grant, actor: Asking, reason: str, day: date, today: date, now: int
    ) -> None:
        self._home, self._gate, self._grant = home, gate, grant
        self._actor, self._reason = actor, reason
        self._day, self._today, self._now = day, today, now
        self._zone = home.settings.timezone
        self._times = quarter_ends(day, day + ONE_DAY, self._zone)
        self._runs, self._ids = Runs(home.engine), Ids(home.engine)
        self._same = SameMeter(self._ids, day.year)
        self._last = self._runs.latest(day)
        self._run_of = lru_cache(maxsize=None)(self._latest)

    def taken(self, versions: Versions, again: Again, manual: Sequence[ByHand], show: Show | None) -> Outcome | None:
        """Do it."""
        agreed, whose = by_hand(self._grant, self._runs, self._last, manual, self._ids, self._day)
        chosen = Chosen(links=None, known=0)
        if self._last is not None and not again.whole:
            chosen = chosen_of(self._grant, self._ids, self._last, again, whose)
            if not chosen.links:
                return None
        looks = self._looks(chosen)
        facts = facts_of(self._home, self._day, self._times, looks.meters())
        revision = Market(self._home.engine).revision()
        run = self._runs.begin(
            self._day,
            actor=self._actor.name,
            rules=parameters(self._day).name,
            # A run over some does not say that all that had come by then was looked at.
            raw_version=versions.raw if again.new or self._last is None else self._last.raw_version,
            market_revision=revision,
            at=self._now,
        )
        return self._carried_out(run, looks, facts, chosen, agreed, revision, show)

    def _looks(self, chosen: Chosen) -> Looks:
        is_over = self._day + ONE_DAY < self._today
        if chosen.links is None or len(chosen.links) > FEW:
            return Everybody(self._home, self._grant, self._day, is_over=is_over, same=self._same, only=chosen.links)
        return Some(self._home, self._grant, self._day, is_over=is_over, same=self._same, only=chosen.links)

    def _carried_out(
        self,
        run: int,
        looks: Looks,
        facts: Facts,
        chosen: Chosen,
        agreed: Sequence[Manual],
        revision: int,
        show: Show | None,
    ) -> Outcome:
        links: dict[int, Link] = {}
        before = looks.before(self._run_of(self._day - ONE_DAY))
        given = Given(
            day=self._day,
            times=self._times,
            timezone=self._zone,
            today=self._today,
            parameters=parameters(self._day),
            facts=facts,
            before=before,
            opened=looks.opened(),
            others=Others(self._grant, self._history, same=self._same, timezone=self._zone, run_of=self._run_of),
            profiles=MarketProfiles(Market(self._home.engine), self._day, revision, self._zone, links),
            causes=self._causes(chosen),
            manual=agreed,
            is_again=chosen.links is not None,
        )
        is_first = chosen.links is None
        one, counts = OneDay(given, links), _Counts()
        covered = self._covered(facts, chosen)
        rows = self._rows(looks, facts, chosen, before, show)
        pieces = self._kept(run, one.volumes(rows), counts, covered)
        version = self._home.open_validated().append(run, self._day, pieces)
        self._runs.finish(
            run,
            checks=one.tally.checks(given.parameters),
            counts=counts.counts(
                rows=counts.changed if is_first else self._rows_before + counts.changed - chosen.known
            ),
            version=version,
            at=self._now,
            over=None if is_first else counts.ids,
            also=keeping(run, self._day, covered, whole=is_first),
        )
        return Outcome(
            run=self._runs.demand(self._day),
            quarters=dict(one.tally.quarters),
            contradicted=frozenset(one.tally.contradicted),
            touched=frozenset(one.tally.touched),
        )

    @property
    def _rows_before(self) -> int:
        return 0 if self._last is None else self._last.rows

    def _kept(
        self,
        run: int,
        pieces: Iterable[tuple[Volumes, Kept]],
        counts: "_Counts",
        covered: Covered,
    ) -> Iterator[Volumes]:
        for volumes, (found, put, links, why) in pieces:
            self._runs.keep(run, self._day, found, put, gaps_of(volumes.ids, why))
            counts.add(volumes, len(found), len(put))
            covered.add(volumes, links, why)
            if len(volumes):
                yield volumes

    def _causes(self, chosen: Chosen) -> Causes:
        """Why meters were not read, as far as the run is over them."""
        few = None if chosen.links is None or len(chosen.links) > FEW else {one.meter for one in chosen.links}
        return Causes(self._home.engine, self._day, self._zone, meters=few, earlier=self._earlier)

    def _earlier(self, ids: Sequence[int]) -> dict[int, Why]:
        """Why some readings lacked something as of the last run."""
        if self._last is None:
            return {}
        return {one: why_of([gap]) for one, gap in self._runs.gaps(self._last, ids).items()}

    def _covered(self, facts: Facts, chosen: Chosen) -> Covered:
        """Counts from which what the chosen readings were before is taken away already."""
        area, cell = facts.place
        covered = Covered(self._zone, Cohorts(meters=facts.meters, area=area, cell=cell, kind=facts.cohort))
        if not chosen.links or self._last is None:
            return covered
        ids = chosen.links.ids.tolist()
        gaps = self._runs.gaps(self._last, ids)
        if len(ids) > FEW:
            before = self._grant.volumes(self._day, self._last.run)
        else:
            before = self._grant.look_up_volumes(ids, self._day, self._day + ONE_DAY, self._last.run)
        for volumes, links in before:
            rows = np.flatnonzero(np.isin(volumes.ids, chosen.links.ids))
            some = volumes.only(rows)
            why = why_of([gaps.get(one) for one in some.ids.tolist()])
            covered.add(some, links.take(rows), why, sign=-1)
        return covered

    def _latest(self, day: date) -> int | None:
        run = self._runs.latest(day)
        return None if run is None else run.run

    def _history(self) -> Grant:
        """A grant for the days that may be like this one."""
        scope = Scope(start=self._day - timedelta(days=MAX_HISTORY), end=self._day)
        return self._gate.open(
            actor=self._actor, purpose=self._home.settings.validate_purpose, scope=scope, reason=self._reason
        )

    def _rows(self, looks: Looks, facts: Facts, chosen: Chosen, before: Columns, show: Show | None) -> Iterator[Rows]:
        """What came of the day, and then the meters of which nothing came."""
        ids, seen, done = [np.zeros(0, np.int64)], np.zeros(len(facts), np.bool_), 0
        for stack, links in of_full_length(looks.rows(), self._day, len(self._times), self._zone):
            ids.append(stack.ids)
            facts.tick(links, seen)
            done += len(stack)
            if show is not None:
                show(done, len(facts))
            yield stack, links
        if chosen.links is None:
            absent = self._expected(facts, ~seen)
        else:
            absent = chosen.links.take(~np.isin(chosen.links.ids, np.concatenate(ids)))
        yield from self._absent(absent, before)

    def _expected(self, facts: Facts, missed: Mask) -> Links:
        """The meters that should have been read and were not, among those that were missed."""
        unread = self._home.registry.not_read(self._day, self._day + ONE_DAY)
        names = zip(facts.eans[missed].tolist(), facts.meters[missed].tolist(), strict=True)
        links = (Link(ean.decode(), meter.decode(), self._day.year) for ean, meter in names)
        wanted = [link for link in links if link.ean not in unread]
        known = self._ids.known(wanted)
        if self._last is None and len(known) < len(wanted):
            with writing(self._home.engine) as connection:
                known = self._ids.ids_of(connection, wanted)
        there = Links.made({identity: link for link, identity in known.items()}, self._day.year)
        return self._grant.reached(self._day, there)

    def _absent(self, links: Links, before: Columns) -> Iterator[Rows]:
        ids = links.ids
        state = before.of(ids)
        takes_only = (state["last_import_at"] > 0) & (state["last_export_at"] == 0)
        for channels, some in ((CHANNELS, ~takes_only), (CHANNELS[:1], takes_only)):
            own = ids[some]
            for first in range(0, len(own), ABSENT_ROWS):
                stack = absent_stack(self._day, own[first : first + ABSENT_ROWS], self._times, channels)
                yield stack, links.of(stack.ids)


class _Counts:
    """What a run was over, and how much it found."""

    def __init__(self) -> None:
        self._ids: list[Registers] = [np.zeros(0, np.int64)]
        self._findings = self._substitutes = 0

    def add(self, volumes: Volumes, findings: int, substitutes: int) -> None:
        """A piece of it."""
        self._ids.append(volumes.ids)
        self._findings += findings
        self._substitutes += substitutes

    @property
    def ids(self) -> Registers:
        """Ascending."""
        return np.sort(np.concatenate(self._ids))

    @property
    def changed(self) -> int:
        """How many."""
        return sum(map(len, self._ids))

    def counts(self, *, rows: int) -> dict[str, int]:
        """As a run is finished with; ``rows``: how many the day has."""
        found = {"findings": self._findings, "substitutes": self._substitutes}
        return {"rows": rows, "changed": self.changed, **found}
