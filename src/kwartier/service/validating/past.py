"""Looks at other days, for the few rows that have a gap: where it ends, how its rows are marked, which days were like it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

import numpy as np

from kwartier.gate.grant import Grant
from kwartier.gate.ids import Link
from kwartier.model import Registers, Volumes
from kwartier.service.validating import near
from kwartier.service.validating.facts import ONE_DAY
from kwartier.service.validating.near import SameMeter
from kwartier.validate.day import CHANNELS, Known


class Others:
    """Other days as one grant shows them. ``history`` opens the grant for days long before, when it is first needed.

    ``run_of`` gives the run that counts of a day, or None: volumes of any other are not looked at.
    """

    def __init__(
        self,
        grant: Grant,
        history: Callable[[], Grant],
        *,
        same: SameMeter,
        timezone: str,
        run_of: Callable[[date], int | None],
    ) -> None:
        self._grant = grant
        self._history = history
        self._same = same
        self._timezone = timezone
        self._run_of = run_of

    def ids_on(self, day: date, ids: Registers, links: Mapping[int, Link]) -> dict[int, int]:
        """By the id that a meter has on ``day`` the one that it has here."""
        return self._same.back(day, ids, links)

    def first_after(
        self, ids: Registers, known: Mapping[str, Known], links: Mapping[int, Link], days: Sequence[date]
    ) -> dict[str, Known]:
        """The first register of each id on ``days``, in their order, where it is not ``known`` already."""
        found = dict(known)
        for day in days:
            lacking = np.logical_or.reduce([~one.there for one in found.values()])
            if not lacking.any():
                break
            theirs = list(self.ids_on(day, ids[lacking], links))
            stacks = self._grant.look_up(theirs, day)
            opened = near.openings(stacks, day, self._timezone, self._same).of(ids)
            later = near.first_after(opened)
            found = {channel: near.or_else(found[channel], later[channel]) for channel in CHANNELS}
        return found

    def marked(self, at: Mapping[int, int], links: Mapping[int, Link], day: date) -> dict[int, bool]:
        """By id whether the row of ``day`` at a moment says that the power failed."""
        theirs = list(self.ids_on(day, np.array(sorted(at), np.int64), links))
        return near.marks(self._grant.look_up(theirs, day), at, day, self._timezone, self._same)

    def volumes(self, wanted: Mapping[date, Registers], links: Mapping[int, Link]) -> dict[date, Volumes]:
        """The volumes of some ids on earlier days, as the run that counts has them."""
        found: dict[date, Volumes] = {}
        for day, ids in wanted.items():
            run = self._run_of(day)
            if run is None:
                continue
            back = self.ids_on(day, ids, links)
            shown = self._history().look_up_volumes(list(back), day, day + ONE_DAY, run)
            one = near.together([near.as_this_year(volumes, back) for volumes, _ in shown])
            if one is not None:
                found[day] = one
        return found


def merged(several: Sequence[Mapping[date, Registers]]) -> dict[date, Registers]:
    """What several plans want to look at, as one."""
    found: dict[date, list[Registers]] = {}
    for one in several:
        for day, ids in one.items():
            found.setdefault(day, []).append(ids)
    return {day: np.unique(np.concatenate(ids)) for day, ids in sorted(found.items())}
