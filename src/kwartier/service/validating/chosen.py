"""Which readings a later run of a day is over: those that are new, and those that other days have something to say of."""

from dataclasses import dataclass, field

import numpy as np

from kwartier.gate.grant import Grant
from kwartier.gate.ids import Ids, Link, Links
from kwartier.service.validating.facts import ONE_DAY
from kwartier.service.validating.runs import Run
from kwartier.service.validating.tally import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """What a later run of a day is over."""

    keys: frozenset[Key] = field(default=frozenset(), repr=False)
    """These, although nothing new came of them."""
    unsure: frozenset[Key] = field(default=frozenset(), repr=False)
    """Those of these whose day was not measured as a whole."""
    new: bool = True
    """Those of whom something new came."""
    whole: bool = False
    """All there are."""


NOTHING = Again()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The readings that a run is over; ``known``: of how many of them the day has volumes already."""

    links: Links | None = field(repr=False)
    """In the order of ids; None: all there are."""
    known: int


def chosen_of(grant: Grant, ids: Ids, last: Run, again: Again, agreed: frozenset[int]) -> Chosen:
    """The choice for the day of the run ``last``; ``agreed``: readings of which something was agreed by hand."""
    day = last.day
    found = grant.newer(day, last.run) if again.new else Links.made({}, day.year)
    wanted = {Link(*key, day.year): key for key in again.keys | again.unsure}
    named = {identity: link for link, identity in ids.known(wanted).items()}
    if agreed:
        named |= ids.links_of(sorted(agreed))
    reached = grant.reached(day, Links.made(named, day.year))
    asked = found.with_others(reached).ids.tolist()
    eligible: dict[int, int] = {}
    for volumes, _ in grant.look_up_volumes(asked, day, day + ONE_DAY, last.run) if asked else ():
        eligible.update(zip(volumes.ids.tolist(), np.asarray(volumes.state["eligible"]).tolist(), strict=True))
    also = np.zeros(len(reached), np.bool_)
    for row, (identity, link) in enumerate(zip(reached.ids.tolist(), reached, strict=True)):
        key = wanted.get(link)
        also[row] = identity in agreed or key in again.keys or (key in again.unsure and not eligible.get(identity, 0))
    links = found.with_others(reached.take(also))
    return Chosen(links=links, known=sum(identity in eligible for identity in links.ids.tolist()))
