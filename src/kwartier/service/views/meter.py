"""A meter's page: what there is at a connection, and with a purpose what went through it, who has looked and why.

Without a purpose nothing of consumption is looked up; with one a grant is opened first, which is written down whatever becomes
of it, and this very look is among those that the page lists.
"""

from dataclasses import dataclass
from datetime import date

from kwartier.errors import InputError
from kwartier.gate.grant import Gate
from kwartier.gate.policy import Asking
from kwartier.service.home import Home
from kwartier.service.subject.logged import OfConnection, records
from kwartier.service.views.consumption import Consumption, consumption
from kwartier.service.views.people import People, people
from kwartier.service.views.sight import Asked, Days, sight
from kwartier.service.views.things import Things, things

__all__ = ["MAX_DAYS", "Asked", "MeterPage", "meter_page"]
MAX_DAYS = 93
"""Local days on one page: a quarter of a year."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterPage:
    """See above. ``consumption`` None: no purpose was given. ``people`` None: it is not for this actor to know.

    Moments are local, with their offset; ``end`` is the first local day that is not shown.
    """

    ean: str
    start: date
    end: date
    timezone: str
    purpose: str
    things: Things
    consumption: Consumption | None
    people: People | None


def meter_page(
    home: Home,
    name: str,
    days: Days,
    *,
    actor: Asking,
    asked: Asked | None = None,
    at: int,
    with_bulk: bool = False,
    gate: Gate | None = None,
) -> MeterPage:
    """The page of the connection ``name``, or of the one where the meter ``name`` is; ``at``: now, in UTC seconds.

    ``with_bulk``: among those who looked also who looked at many at once; that goes through the audit log and takes its time.
    ``gate``: one of this home that the thread keeps, with its tables open; its clock says then when it was looked.
    Raises ``InputError`` unknown-connection, unknown-meter, bad-day; ``Denied`` with the code of the rule that says no.
    """
    if not 0 < (days[1] - days[0]).days <= MAX_DAYS:
        raise InputError("bad-day", f"from {days[0]} up to {days[1]} are not 1 to {MAX_DAYS} days")
    seen = sight(home, gate or home.gate_at(lambda: at), name, days, actor=actor, asked=asked)
    shown = None if seen.grant is None else consumption(home, seen.grant, seen.ean, days)
    told = None
    if seen.is_of_person:
        mine = OfConnection(home, seen.ean) if with_bulk else None
        told = people(home, seen.ean, days, records=records(home) if with_bulk else (), mine=mine)
    return MeterPage(
        ean=seen.ean,
        start=days[0],
        end=days[1],
        timezone=home.settings.timezone,
        purpose="" if asked is None else asked.purpose,
        things=things(home, seen.ean, days, at=at),
        consumption=shown,
        people=told,
    )
