"""A meter is named, and its next visit is traced: by somebody whose work it is, for a reason, and not for ever."""

import hashlib
import time
from collections.abc import Callable, Collection
from typing import Final

from kwartier.collect.traces import Trace
from kwartier.errors import Denied, InputError
from kwartier.gate.policy import Asking
from kwartier.gate.record import FORMAT, written
from kwartier.service.home import Home

WHO: Final = ("maintenance", "operator")
"""Who may have a visit traced."""
DAY_S: Final = 86_400
LISTERS: Final = (*WHO, "customer-desk", "privacy-officer")
"""Who may see which traces there are."""
WAIT_DAYS: Final = 3
"""So long the visit is waited for, where nothing else is said."""


def request(
    home: Home,
    meter: str,
    *,
    actor: Asking,
    reason: str,
    days: int = WAIT_DAYS,
    wall: Callable[[], float] = time.time,
) -> Trace:
    """Have the next visit to a meter traced; it is waited for ``days`` days, a month at the most. ``wall``: UTC seconds.

    Raises ``Denied`` no-role; ``InputError`` unknown-meter, no-reason, too-many-traces.
    """
    _demand(actor, WHO, "to have a visit traced")
    if not reason.strip():
        raise InputError("no-reason", "say why the visit has to be traced")
    at = int(wall())
    known = home.registry.meter(meter).meter
    made = home.traces.request(known, by=actor.name, reason=reason, at=at, until=at + days * DAY_S)
    why = hashlib.sha256(f"{made.id}\n{made.reason}".encode()).hexdigest()
    told = {"v": FORMAT, "kind": "trace-requested", "at": at, "trace": made.id, "actor": actor.name, "reason": why}
    home.log.append([written(told)])
    return made


def listed(home: Home, *, actor: Asking, meter: str = "", wall: Callable[[], float] = time.time) -> list[Trace]:
    """The traces that are kept or waited for, the newest last. Raises ``Denied`` no-role."""
    _demand(actor, LISTERS, "to see which visits were traced")
    return home.traces.listed(at=int(wall()), meter=meter)


def _demand(actor: Asking, roles: Collection[str], what: str) -> None:
    if actor.roles.isdisjoint(roles):
        raise Denied("no-role", f"{what} needs one of {', '.join(sorted(roles))}, and {actor.name} has none of them")
