"""Two ways of looking at a day: at everybody, in one walk over all there is; or at some, who are looked up one by one.

Catching up with a few late readings must not cost what the fleet costs: what is looked at of the day itself, of the days beside
it and of the registry is then of these few.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Protocol

import numpy as np

from kwartier.errors import InputError
from kwartier.fleet.standing import Standing
from kwartier.gate.grant import Grant
from kwartier.gate.ids import Links
from kwartier.model import STATE, Stack
from kwartier.service.home import Home
from kwartier.service.validating import near
from kwartier.service.validating.facts import ONE_DAY
from kwartier.service.validating.near import Columns, SameMeter

Rows = tuple[Stack, Links]


class Looks(Protocol):
    """What of a day, and of the days beside it, is looked at."""

    def meters(self) -> Standing:
        """The meters as the registry has them on the day."""
        ...

    def rows(self) -> Iterator[Rows]:
        """What came of the day."""
        ...

    def before(self, run: int | None) -> Columns:
        """The state that the day before left, as of a run."""
        ...

    def opened(self) -> Columns:
        """What the next day opens with."""
        ...


class Everybody:
    """All of a day; ``only``: of what came, the rows of these."""

    def __init__(
        self,
        home: Home,
        grant: Grant,
        day: date,
        *,
        is_over: bool,
        same: SameMeter,
        only: Links | None = None,
    ) -> None:
        self._home, self._grant, self._day = home, grant, day
        self._is_over, self._same = is_over, same
        self._only = None if only is None else only.ids

    def meters(self) -> Standing:
        """As :class:`Looks` says, and so the others."""
        return self._home.registry.standing_on(self._day)

    def rows(self) -> Iterator[Rows]:
        """The walk."""
        for stack, links in self._grant.day(self._day):
            if self._only is None:
                yield stack, links
                continue
            wanted = np.isin(stack.ids, self._only)
            if wanted.any():
                yield stack.only(wanted), links.take(wanted)

    def before(self, run: int | None) -> Columns:
        """All of it."""
        eve = self._day - ONE_DAY
        return (
            near.nothing_before() if run is None else near.state_before(self._grant.states(eve, run), eve, self._same)
        )

    def opened(self) -> Columns:
        """All of it, if the next day is over."""
        morrow = self._day + ONE_DAY
        stacks: Iterable[Rows] = self._grant.day(morrow) if self._is_over else ()
        return near.openings(stacks, morrow, self._home.settings.timezone, self._same)


class Some:
    """Some readings of a day, by their ids."""

    def __init__(self, home: Home, grant: Grant, day: date, *, is_over: bool, same: SameMeter, only: Links) -> None:
        self._home, self._grant, self._day = home, grant, day
        self._is_over, self._same = is_over, same
        self._links = dict(zip(only.ids.tolist(), only, strict=True))
        self._ids = only.ids

    def meters(self) -> Standing:
        """Those at whose connection they are."""
        return self._home.registry.standing_on(self._day, [link.meter for link in self._links.values()])

    def rows(self) -> Iterator[Rows]:
        """Those of which something came."""
        return self._grant.look_up(self._ids.tolist(), self._day)

    def before(self, run: int | None) -> Columns:
        """Looked up by the ids that they had then."""
        eve = self._day - ONE_DAY
        if run is None:
            return near.nothing_before()
        back = self._same.back(eve, self._ids, self._links)
        shown = self._grant.look_up_volumes(list(back), eve, self._day, run)
        found = near.together([near.as_this_year(volumes, back) for volumes, _ in shown])
        if found is None:
            return near.nothing_before()
        return near.in_order(found.ids, {name: found.state[name] for name in STATE})

    def opened(self) -> Columns:
        """Looked up likewise."""
        morrow = self._day + ONE_DAY
        theirs = list(self._same.back(morrow, self._ids, self._links)) if self._is_over else []
        stacks: Iterable[Rows] = self._grant.look_up(theirs, morrow) if theirs else ()
        return near.openings(stacks, morrow, self._home.settings.timezone, self._same)


def of_full_length(rows: Iterable[Rows], day: date, places: int, timezone: str) -> Iterator[Rows]:
    """The same rows. Raises ``InputError`` mixed-days where one has not the quarters of the day."""
    for stack, links in rows:
        if stack.status.shape[1] != places:
            raise InputError("mixed-days", f"readings of {day} have not the quarters that it has in {timezone}")
        yield stack, links
