"""How what is stored is seen here: through the gate, for a purpose, by somebody, like everywhere else."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Protocol

from kwartier.gate.grant import Shown
from kwartier.gate.policy import Asking, Scope
from kwartier.gate.purposes import purposes
from kwartier.service.home import Home
from kwartier.service.identity import actor
from kwartier.service.readings import look_up
from kwartier.who.actor import Actor

DESK = ("customer-desk", "privacy-officer")
"""Who may deal with what persons ask for,"""
OFFICERS = ("privacy-officer",)
"""and who may decide what is erased and see whom a breach affected."""


def at_the_desk(home: Home) -> Actor:
    """Who is at the keyboard, if they may deal with what persons ask for. Raises ``Denied`` no-role."""
    found = actor(home)
    found.require(DESK, "to deal with what a person asks for")
    return found


def officer(home: Home) -> Actor:
    """Who is at the keyboard, if they may decide for the installation. Raises ``Denied`` no-role."""
    found = actor(home)
    found.require(OFFICERS, "to decide about an erasure or to look into a breach")
    return found


class See(Protocol):
    """The readings of a connection, under a grant of its own for each call."""

    def __call__(self, ean: str, start: date, end: date) -> Sequence[Shown]:
        """From the local day ``start`` up to ``end``."""
        ...


def through_gate(home: Home, *, asking: Asking, purpose: str, reason: str) -> See:
    """The gate of ``home``, asked by ``asking``; more days than one grant spans are asked for in several."""
    most = timedelta(days=purposes()[purpose].days)

    def see(ean: str, start: date, end: date) -> Sequence[Shown]:
        found: list[Shown] = []
        while start < end:
            last = min(end, start + most)
            scope = Scope(start=start, end=last, eans=(ean,))
            found += look_up(home, scope, actor=asking, purpose=purpose, reason=reason)
            start = last
        return found

    return see
