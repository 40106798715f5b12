"""Validation of a local day: its readings are judged and completed, and what comes of it is stored under the number of a run.

The first run of a day is over all meters that should have been read; later runs are over those of which something new came, or
that other days have something to say of. Nothing of the readings themselves is changed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property, lru_cache
from itertools import chain

import numpy as np

from kwartier.clock import local_day, quarter_ends
from kwartier.database import writing
from kwartier.errors import InputError
from kwartier.gate.grant import Gate, Grant
from kwartier.gate.ids import Ids, Link, Links
from kwartier.gate.policy import Asking, Scope
from kwartier.gate.volumes import States, Versions
from kwartier.market.market import Market
from kwartier.model import Registers, Stack, Volumes
from kwartier.names import NOWHERE
from kwartier.service.home import Home
from kwartier.service.validating import near
from kwartier.service.validating.facts import LOOK_AHEAD, ONE_DAY, Facts, facts_of
from kwartier.service.validating.manual import ByHand, by_hand
from kwartier.service.validating.one_day import Given, Kept, OneDay
from kwartier.service.validating.past import Others
from kwartier.service.validating.profiles import MarketProfiles
from kwartier.service.validating.runs import Checked, Run, Runs
from kwartier.service.validating.tally import Key, key_of
from kwartier.validate.day import CHANNELS, Mask
from kwartier.validate.parameters import parameters
from kwartier.validate.volumes import absent_stack

ABSENT_ROWS = 4_096
"""Meters of which nothing came that are looked at together."""
MAX_HISTORY = 62
"""Local days that a grant for validation reaches."""
Rows = tuple[Stack, Links]
Show = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Readings that are looked at although nothing new came of them."""

    keys: frozenset[Key] = field(default=frozenset(), repr=False)
    unsure: frozenset[Key] = field(default=frozenset(), repr=False)
    """Those of them whose day was not measured as a whole."""
    whole: bool = False
    """All there are."""


NOTHING = Again()


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
    times = quarter_ends(day, day + ONE_DAY, zone)
    today = local_day(now, zone)
    if day >= today:
        raise InputError("day-not-over", f"{day} ends at midnight in {zone}")
    gate, purpose = home.gate, home.settings.validate_purpose
    last = min(day + timedelta(days=LOOK_AHEAD), today)
    grant = gate.open(actor=actor, purpose=purpose, scope=Scope(start=day - ONE_DAY, end=last + ONE_DAY), reason=reason)
    with grant.pinned() as versions:
        turn = _Turn(home, gate, grant, actor, reason, day, today, now)
        return turn.taken(versions, facts_of(home, day, times), again, manual, show)


class _Turn:
    """One validation of a day, from the look at what there is to the run that is finished."""

    def __init__(
        self, home: Home, gate: Gate, grant: Grant, actor: Asking, reason: str, day: date, today: date, now: int
    ) -> None:
        self._home, self._gate, self._grant = home, gate, grant
        self._actor, self._reason = actor, reason
        self._day, self._today, self._now = day, today, now
        self._zone = home.settings.timezone
        self._runs, self._ids = Runs(home.engine), Ids(home.engine)
        self._last = self._runs.latest(day)
        self._run_of = lru_cache(maxsize=None)(self._latest)

    def taken(
        self, versions: Versions, facts: Facts, again: Again, manual: Sequence[ByHand], show: Show | None
    ) -> Outcome | None:
        """Do it."""
        market = Market(self._home.engine)
        revision = market.revision()
        links: dict[int, Link] = {}
        stored = self._stored()
        agreed, whose = by_hand(self._grant, self._runs, self._last, manual, self._ids, self._day)
        chosen = _Chosen(stored, again, whose)
        given = Given(
            day=self._day,
            times=quarter_ends(self._day, self._day + ONE_DAY, self._zone),
            timezone=self._zone,
            today=self._today,
            parameters=parameters(self._day),
            facts=facts,
            before=self._before,
            opened=self._opened(),
            others=self._others(),
            profiles=MarketProfiles(market, self._day, revision, self._zone, links),
            manual=agreed,
            is_again=stored is not None,
        )
        one = OneDay(given, links)
        rows = self._rows(facts, chosen, show)
        pieces = one.volumes(rows)
        first = next(pieces, None)
        if first is None and stored is not None:
            return None
        run = self._runs.begin(
            self._day,
            actor=self._actor.name,
            rules=given.parameters.name,
            raw_version=versions.raw,
            market_revision=revision,
            at=self._now,
        )
        counts = _Counts()
        kept = self._kept(run, chain([] if first is None else [first], pieces), counts)
        version = self._home.open_validated().append(run, self._day, kept)
        self._finish(run, counts, one.tally.checks(given.parameters), version, stored)
        return Outcome(
            run=self._runs.demand(self._day),
            quarters=dict(one.tally.quarters),
            contradicted=frozenset(one.tally.contradicted),
            touched=frozenset(one.tally.touched),
        )

    def _finish(
        self, run: int, counts: "_Counts", checks: Sequence[Checked], version: int, stored: States | None
    ) -> None:
        every = counts.ids if stored is None else np.union1d(stored.ids, counts.ids)
        self._runs.finish(
            run,
            checks=checks,
            counts={
                "rows": len(every),
                "changed": len(counts.ids),
                "findings": counts.findings,
                "substitutes": counts.substitutes,
            },
            version=version,
            at=self._now,
            over=None if stored is None else counts.ids,
        )

    def _kept(self, run: int, pieces: Iterable[tuple[Volumes, Kept]], counts: "_Counts") -> Iterator[Volumes]:
        for volumes, (found, put) in pieces:
            self._runs.keep(run, self._day, found, put)
            counts.add(volumes, len(found), len(put))
            if len(volumes):
                yield volumes

    def _latest(self, day: date) -> int | None:
        run = self._runs.latest(day)
        return None if run is None else run.run

    def _stored(self) -> States | None:
        """What the day has already."""
        return None if self._last is None else self._grant.states(self._day, self._last.run)

    def _same(self) -> near.SameMeter:
        return near.SameMeter(self._ids, self._day.year)

    @cached_property
    def _before(self) -> near.Columns:
        eve = self._day - ONE_DAY
        run = self._run_of(eve)
        return (
            near.nothing_before() if run is None else near.state_before(self._grant.states(eve, run), eve, self._same())
        )

    def _opened(self) -> near.Columns:
        morrow = self._day + ONE_DAY
        stacks: Iterable[Rows] = self._grant.day(morrow) if morrow < self._today else ()
        return near.openings(stacks, morrow, self._zone, self._same())

    def _others(self) -> Others:
        return Others(self._grant, self._history, same=self._same(), timezone=self._zone, run_of=self._run_of)

    def _history(self) -> Grant:
        """A grant for the days that may be like this one."""
        scope = Scope(start=self._day - timedelta(days=MAX_HISTORY), end=self._day)
        return self._gate.open(
            actor=self._actor, purpose=self._home.settings.validate_purpose, scope=scope, reason=self._reason
        )

    def _rows(self, facts: Facts, chosen: "_Chosen", show: Show | None) -> Iterator[Rows]:
        """What came of the day, and then the meters of which nothing came; of both what is to be looked at."""
        seen = np.zeros(len(facts), np.bool_)
        done, quarters = 0, len(quarter_ends(self._day, self._day + ONE_DAY, self._zone))
        for stack, links in self._grant.day(self._day):
            if stack.status.shape[1] != quarters:
                raise InputError(
                    "mixed-days", f"readings of {self._day} have not the quarters that it has in {self._zone}"
                )
            rows = facts.rows(links)
            seen[rows[rows != NOWHERE]] = True
            done += len(stack)
            if show is not None:
                show(done, len(facts))
            wanted = chosen.of(stack, links)
            if wanted.any():
                yield stack.only(wanted), links if wanted.all() else links.take(wanted)
        yield from self._absent(facts, seen, chosen)

    def _absent(self, facts: Facts, seen: Mask, chosen: "_Chosen") -> Iterator[Rows]:
        unread = self._home.registry.not_read(self._day, self._day + ONE_DAY)
        missed = zip(facts.eans[~seen].tolist(), facts.meters[~seen].tolist(), strict=True)
        named = (Link(ean.decode(), meter.decode(), self._day.year) for ean, meter in missed)
        wanted = [link for link in named if link.ean not in unread]
        known = self._ids.known(wanted)
        if self._last is None and len(known) < len(wanted):
            with writing(self._home.engine) as connection:
                known = self._ids.ids_of(connection, wanted)
        there = Links.made({identity: link for link, identity in known.items()}, self._day.year)
        reached = self._grant.reached(self._day, there)
        times = quarter_ends(self._day, self._day + ONE_DAY, self._zone)
        ids = reached.ids
        state = self._before.of(ids)
        takes_only = (state["last_import_at"] > 0) & (state["last_export_at"] == 0)
        for channels, some in ((CHANNELS, ~takes_only), (CHANNELS[:1], takes_only)):
            own = ids[some]
            for first in range(0, len(own), ABSENT_ROWS):
                stack = absent_stack(self._day, own[first : first + ABSENT_ROWS], times, channels)
                links = reached.of(stack.ids)
                rows = chosen.of(stack, links)
                if rows.any():
                    yield stack.only(rows), links.take(rows)


class _Chosen:
    """Which rows are looked at."""

    def __init__(self, stored: States | None, again: Again, agreed: frozenset[int]) -> None:
        self._everything = stored is None or again.whole
        self._again = again
        self._agreed = agreed
        columns = {} if stored is None else {name: stored.columns[name] for name in ("raw_version", "eligible")}
        ids = np.zeros(0, np.int64) if stored is None else stored.ids
        there = {"there": np.ones(len(ids), np.int64)}
        self._stored = near.Columns(ids=ids, columns={**columns, **there})

    def of(self, stack: Stack, links: Links) -> Mask:
        """Of a stack these."""
        if self._everything:
            return np.ones(len(stack), np.bool_)
        stored = self._stored.of(stack.ids)
        wanted = (stored["there"] == 0) | (stored["raw_version"] != stack.versions)
        again = self._again
        if again.keys or again.unsure or self._agreed:
            for row, (identity, link) in enumerate(zip(stack.ids.tolist(), links, strict=True)):
                key = key_of(link)
                unsure = key in again.unsure and not stored["eligible"][row]
                wanted[row] |= unsure or key in again.keys or identity in self._agreed
        return np.asarray(wanted, np.bool_)


class _Counts:
    """What a run was over, and how much it found."""

    def __init__(self) -> None:
        self._ids: list[Registers] = [np.zeros(0, np.int64)]
        self.findings = self.substitutes = 0

    def add(self, volumes: Volumes, findings: int, substitutes: int) -> None:
        """A piece of it."""
        self._ids.append(volumes.ids)
        self.findings += findings
        self.substitutes += substitutes

    @property
    def ids(self) -> Registers:
        """Ascending."""
        return np.sort(np.concatenate(self._ids))
