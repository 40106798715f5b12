"""Facts that are dated both ways: for which local days they hold, and since when we believe it.

What is known of one thing - a connection, a meter, a module of a meter - is a run of versions whose periods do not overlap.
A statement says what holds from a day on: it replaces what was believed from that day up to the next day from which
something else is stated already, so that what is planned for later stays, and saying the same again changes nothing. No
version is ever altered but for the moment until which we believed it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from kwartier.rowfile import Value

ALWAYS = date.min
"""From before anybody asked."""
OPEN = date.max
"""Until somebody says otherwise."""

Facts = tuple[Value, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What is believed since ``known_at`` (UTC seconds) of the local days from ``start`` up to but not including ``end``."""

    start: date
    end: date
    known_at: int
    facts: Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Versions that are no longer believed, and the periods with facts that are believed instead."""

    closed: tuple[Version, ...] = ()
    added: tuple[tuple[date, date, Facts], ...] = ()


NOTHING = Change()


def covering(versions: Sequence[Version], day: date) -> Version | None:
    """The version that holds on ``day``."""
    return next((one for one in versions if one.start <= day < one.end), None)


def stated(versions: Sequence[Version], day: date, facts: Facts) -> Change:
    """The change that makes ``facts`` hold from ``day`` up to the next day for which something is stated."""
    before = covering(versions, day)
    if before is None:
        end = min((one.start for one in versions if one.start > day), default=OPEN)
        return Change(added=((day, end, facts),))
    if before.facts == facts:
        return NOTHING
    kept = ((before.start, day, before.facts),) if before.start < day else ()
    return Change(closed=(before,), added=(*kept, (day, before.end, facts)))


def ended(version: Version, day: date) -> Change:
    """The change that makes ``version`` hold up to ``day`` and no longer; ``day`` lies in it, after its first."""
    return Change(closed=(version,), added=((version.start, day, version.facts),))
