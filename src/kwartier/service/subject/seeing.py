"""How what is stored is seen here: through the gate, for a purpose, by somebody, like everywhere else."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Protocol

from kwartier.gate.grant import Grant, Shown
from kwartier.gate.ids import Link
from kwartier.gate.policy import Asking, Scope
from kwartier.gate.purposes import purposes
from kwartier.model import Volumes
from kwartier.service.home import Home
from kwartier.service.identity import actor
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What there is of a connection: readings, and by local day the volumes that validation made of them."""

    readings: Sequence[Shown] = field(repr=False)
    volumes: Sequence[tuple[Volumes, Sequence[Link]]] = field(repr=False)


class See(Protocol):
    """The readings of a connection, under a grant of its own for each call."""

    def __call__(self, ean: str, start: date, end: date) -> Sequence[Shown]:
        """From the local day ``start`` up to ``end``."""
        ...

    def all(self, ean: str, start: date, end: date, runs: Mapping[date, int]) -> Seen:
        """The same with the volumes of each day that has a run, as of that run."""
        ...


def through_gate(home: Home, *, asking: Asking, purpose: str, reason: str) -> See:
    """The gate of ``home``, asked by ``asking``; more days than one grant spans are asked for in several."""
    return _ThroughGate(home, asking, purpose, reason)


class _ThroughGate:
    def __init__(self, home: Home, asking: Asking, purpose: str, reason: str) -> None:
        self._home, self._asking, self._purpose, self._reason = home, asking, purpose, reason

    def __call__(self, ean: str, start: date, end: date) -> Sequence[Shown]:
        return [one for grant in self._grants(ean, start, end) for one in grant.readings()]

    def all(self, ean: str, start: date, end: date, runs: Mapping[date, int]) -> Seen:
        readings: list[Shown] = []
        volumes: list[tuple[Volumes, Sequence[Link]]] = []
        for grant in self._grants(ean, start, end):
            readings += grant.readings()
            within = {day: run for day, run in runs.items() if grant.scope.start <= day < grant.scope.end}
            volumes += grant.own_volumes(within)
        return Seen(readings=readings, volumes=volumes)

    def _grants(self, ean: str, start: date, end: date) -> Iterator[Grant]:
        most = timedelta(days=purposes()[self._purpose].days)
        while start < end:
            last = min(end, start + most)
            scope = Scope(start=start, end=last, eans=(ean,))
            yield self._home.gate.open(actor=self._asking, purpose=self._purpose, scope=scope, reason=self._reason)
            start = last
