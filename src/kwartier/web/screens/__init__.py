"""The pages of the console: one file each, and one line here that lets it in.

A page is a function that gives facts, and a template that shows them; ``screen.py`` makes of the two an address with HTML and
the same address with ``.json``. What stands in :data:`NAVIGATION` is in the head of every page, for
whoever has one of its roles.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter

from kwartier.gate.policy import Asking
from kwartier.web.desk import STAFF
from kwartier.web.screens import breaking, first, gaps, meter, preferences, settlement, sign_in, tonight, trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A line of the navigation: where it leads, the name of its text, and who sees it (empty: everybody who is signed in)."""

    address: str
    text: str
    roles: frozenset[str] = frozenset()

    def is_for(self, actor: Asking) -> bool:
        """Whether it is shown to an actor."""
        return not self.roles or not self.roles.isdisjoint(actor.roles)


SCREENS: Sequence[APIRouter] = (
    first.router,
    sign_in.router,
    preferences.router,
    tonight.router,
    breaking.router,
    gaps.router,
    meter.router,
    trace.router,
    settlement.router,
)
NAVIGATION: Sequence[Way] = (
    Way(address="/", text="nav.first"),
    Way(address="/tonight", text="nav.tonight", roles=STAFF),
    Way(address="/gaps", text="nav.gaps", roles=STAFF),
    Way(address="/meter", text="nav.meter"),
    Way(address="/settlement", text="nav.settlement", roles=STAFF),
)
