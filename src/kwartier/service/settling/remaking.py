"""A version made again from what it names, and whether what it was made from is lawfully gone.

A version that does not come out as it was published is an alarm, unless a person or the law has taken away some of its inputs
since. Nobody kept a list of them - a list of whose readings were in a sum would be what erasure is to end - so it is told from
what is on record. Two things must both be so:

* There is a reason: a tombstone that was made after the version and covers the day, or the day was dropped when its time was
  over, which a note in the store or the audit log says. How many rows a run had is no reason: a lost file has fewer rows, too.
* It explains what is different: erasing takes connections out of sums and never puts any in. So infeed and losses are what
  they were, no group has more connections than before, and one that has as many has the same sums, to the watt-hour. What
  was altered in a group from which nobody went is found in spite of every tombstone.
"""

import json
from collections.abc import Mapping
from datetime import date

import numpy as np
from sqlalchemy import select

from kwartier.database import reading
from kwartier.gate.policy import Asking
from kwartier.service.home import Home
from kwartier.service.settling.again import Again, again
from kwartier.service.settling.gathering import Basis
from kwartier.service.settling.making import Show, made, silent
from kwartier.service.settling.run import opened
from kwartier.service.settling.versions import Version, Versions
from kwartier.settle.conservation import Bounds
from kwartier.settle.frozen import digest
from kwartier.settle.recipe import order
from kwartier.settle.tables import Part, Settled, Sum
from kwartier.store.retention import is_dropping
from kwartier.tables import erasures, requests


def made_again(
    home: Home, day: date, number: int, *, actor: Asking, reason: str, at: int, show: Show = silent
) -> Again:
    """A version, made again from what it names, or as it was frozen where that is lawfully gone; ``at``: UTC seconds.

    Raises ``InputError`` no-such-version; ``StateError`` settlement-altered, settlement-differs, and as
    :func:`kwartier.service.settling.making.made`; ``Denied``.
    """
    versions = Versions(home.engine)
    versions.version(day, number)
    grant = opened(home, day, actor=actor, reason=reason, at=at)

    def make(version: Version) -> Settled | None:
        with grant.pinned():
            found = made(home, grant, basis_of(version), show)
        differs = digest(found) != version.digest
        return None if differs and is_gone(home, version, versions.settled(day, number), found) else found

    return again(versions, day, number, make)


def basis_of(version: Version) -> Basis:
    """What a version was made from."""
    of = version.made
    return Basis(
        day=version.day,
        run=of.validation_run,
        market_revision=of.market_revision,
        known=version.made_at,
        bounds=Bounds(share_bp=of.residual_share_bp, floor_wh=of.residual_floor_wh),
    )


def is_gone(home: Home, version: Version, kept: Settled, found: Settled) -> bool:
    """Whether ``found`` is not what was ``kept`` because some of what it was made from is lawfully gone."""
    if not is_less(kept, found):
        return False
    return _is_erased(home, version) or is_dropping(home.store_folder, version.day) or _is_dropped(home, version)


def is_less(kept: Settled, found: Settled) -> bool:
    """Whether nothing but connections that went makes ``found`` another than ``kept``."""
    before, after = _by_name(kept), _by_name(found)
    return all(_went(before.get(name), one) for name, one in after.items())


def _by_name(settled: Settled) -> Mapping[tuple[str, ...], Sum]:
    return {order(one): one for one in settled.sums if one.part in (Part.METERED, Part.INFEED, Part.LOSS)}


def _went(before: Sum | None, after: Sum) -> bool:
    if before is None or after.connections > before.connections:
        return False
    return after.connections < before.connections or np.array_equal(before.energy_wh, after.energy_wh)


def _is_erased(home: Home, version: Version) -> bool:
    """Whether readings of the day were erased since."""
    query = (
        select(erasures.c.reading)
        .join(requests, requests.c.id == erasures.c.request)
        .where(erasures.c.valid_from <= version.day, erasures.c.valid_to > version.day)
        .where(requests.c.decided_at >= version.made_at)
    )
    with reading(home.engine) as connection:
        return connection.execute(query.limit(1)).first() is not None


def _is_dropped(home: Home, version: Version) -> bool:
    """Whether the audit log says that the day was dropped since. It is read through, which nobody does for pleasure."""
    log, told = home.log.opened(), f'"{version.day}"'.encode()
    likely = (one for one in log.records(0, log.size) if b'"dropped"' in one and told in one)
    records = (json.loads(one) for one in likely)
    return any(
        one["kind"] == "dropped" and one["day"] == f"{version.day}" and one["at"] >= version.made_at for one in records
    )
