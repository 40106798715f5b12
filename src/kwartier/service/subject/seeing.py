"""How what is stored is seen here: through the gate, for a purpose, by somebody, like everywhere else."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Protocol

from kwartier.gate.grant import Shown
from kwartier.gate.policy import Asking, Scope
from kwartier.gate.purposes import purposes
from kwartier.service.home import Home
from kwartier.service.readings import look_up


class See(Protocol):
    """The readings of a connection, under a grant of its own for each call."""

    def __call__(self, ean: str, start: date, end: date) -> Sequence[Shown]:
        """From the local day ``start`` up to ``end``."""
        ...


def through_gate(home: Home, *, actor: Asking, purpose: str, reason: str) -> See:
    """The gate of ``home``, asked as ``actor``; more days than one grant spans are asked for in several."""
    most = timedelta(days=purposes()[purpose].days)

    def see(ean: str, start: date, end: date) -> Sequence[Shown]:
        found: list[Shown] = []
        while start < end:
            last = min(end, start + most)
            scope = Scope(start=start, end=last, eans=(ean,))
            found += look_up(home, scope, actor=actor, purpose=purpose, reason=reason)
            start = last
        return found

    return see
