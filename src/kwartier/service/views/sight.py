"""Who may look at one connection, and as what: with a purpose under a grant, and without one at what is not consumption.

What technicians have to see - which meter there is, how visits went - needs a role of the office. Whoever has none is looked
upon as a customer, and whether the connection is theirs is asked of the gate.
"""

from dataclasses import dataclass, replace
from datetime import date

from kwartier.errors import Denied, InputError
from kwartier.fleet.ean import EAN_DIGITS
from kwartier.gate.grant import Gate, Grant
from kwartier.gate.policy import Asking, Scope
from kwartier.service.home import Home
from kwartier.service.subject.seeing import DESK

Days = tuple[date, date]
"""Local days, the second exclusive."""
WATCHERS = frozenset({"auditor", *DESK})
"""Who sees of any connection who has looked at it, and what its customer has said."""
OFFICE = frozenset({"registry", "operator", "validation", "maintenance", "security-officer", *WATCHERS})
"""Who sees of any connection what is not consumption."""
CUSTOMER = "customer"
"""The purpose for which somebody sees their own connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody wants to see consumption for; it is recorded."""

    purpose: str
    reason: str = ""
    recipient: str = ""
    use_case: str = ""
    approval: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What may be shown. ``grant`` None: nothing of consumption. ``is_of_person``: holds, and who has looked."""

    ean: str
    days: Days
    grant: Grant | None
    is_of_person: bool


def sight(home: Home, gate: Gate, name: str, days: Days, *, actor: Asking, asked: Asked | None) -> Sight:
    """What ``actor`` may see of the connection ``name``, or of the one at which the meter ``name`` is.

    Raises ``InputError`` unknown-connection, unknown-meter, bad-day; ``Denied`` with the code of the rule that says no.
    """
    start, end = days
    is_office, is_watching = bool(actor.roles & OFFICE), bool(actor.roles & WATCHERS)
    ean = _ean(home, name, is_office=is_office)
    scope = Scope(start=start, end=end, eans=(ean,))
    if asked is not None:
        scope = replace(scope, use_case=asked.use_case, approval=asked.approval)
        grant = gate.open(
            actor=actor, purpose=asked.purpose, scope=scope, reason=asked.reason, recipient=asked.recipient
        )
        # The third party of a mandate, say, sees the readings, and not who else has.
        is_of_person = asked.purpose == CUSTOMER or is_watching
        return Sight(ean=ean, days=days, grant=grant, is_of_person=is_of_person)
    if is_office:
        home.registry.demand_connection(ean)
        return Sight(ean=ean, days=days, grant=None, is_of_person=is_watching)
    verdict = gate.explain(actor=actor, purpose=CUSTOMER, scope=scope)
    if not verdict.allowed:
        raise Denied(verdict.rule, f"{verdict.reason} ({verdict.article})")
    home.registry.demand_connection(ean)
    return Sight(ean=ean, days=days, grant=None, is_of_person=True)


def _ean(home: Home, name: str, *, is_office: bool) -> str:
    if len(name) == EAN_DIGITS and name.isascii() and name.isdigit():
        return name
    if not is_office:
        # Whoever is no customer of it must not learn which meters there are.
        raise InputError("unknown-connection", "a connection is asked for by its EAN of eighteen digits")
    return home.registry.meter(name).ean
