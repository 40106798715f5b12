"""Grants that take two: one asks for exactly what will be looked at, another approves it, and it is looked at once."""

from hashlib import sha256

from sqlalchemy import Connection, Engine

from kwartier.gate.asked import what
from kwartier.gate.grant import APPROVED
from kwartier.gate.policy import Approval, Scope
from kwartier.service.settings import Settings
from kwartier.who.actor import Actor
from kwartier.who.pairs import Pairs


def pairs_of(engine: Engine, settings: Settings) -> Pairs:
    """The operations that two have to want, and which names are one person."""
    return Pairs(engine, {name: person for person, names in settings.persons.items() for name in names})


class Approvals:
    """What the gate asks about approvals."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = pairs

    def look(self, name: str, kind: str, what: str) -> Approval | None:
        """The approval called ``name``, if it is of this kind and of exactly this."""
        found = self._pairs.look(name, kind, _digest(what))
        return None if found is None else Approval(requested_by=found[0], approved_by=found[1])

    def spend(self, connection: Connection, name: str, kind: str, what: str, *, at: int) -> None:
        """Use it up, as a part of the caller's transaction. Raises as :meth:`kwartier.who.pairs.Pairs.spend`."""
        self._pairs.spend_within(connection, name, kind, _digest(what), at=at)


def approvals_of(engine: Engine, settings: Settings) -> Approvals:
    """The approvals of one installation."""
    return Approvals(pairs_of(engine, settings))


def ask(pairs: Pairs, actor: Actor, purpose: str, scope: Scope, reason: str, *, at: int) -> str:
    """Ask for a look that takes two; what it is to be approved by. Raises as :meth:`kwartier.who.pairs.Pairs.request`."""
    whose = ", ".join(scope.named) or "all connections"
    text = f"{purpose}: {whose}, {scope.start} up to {scope.end}; {reason}"
    return pairs.request(APPROVED, _digest(what(purpose, scope)), actor, text=text, at=at)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
