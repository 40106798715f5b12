"""Versions, settlements and differences as plain fields: what the ``settle`` commands print and ``--json`` gives.

Volumes are sums over groups. A group may be of one connection, so they are personal data all the same: who shows them has a
grant for it.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime

from kwartier.service.settling.versions import Publication, Version
from kwartier.settle.difference import Difference
from kwartier.settle.tables import Settled, Sum

Fields = dict[str, object]


def version(one: Version) -> Fields:
    """A version; ``published`` is null for one that is held."""
    return {
        "date": one.day.isoformat(),
        "version": one.version,
        "name": one.name,
        "state": one.state,
        "published": None if one.published_at is None else utc(one.published_at),
        "made": utc(one.made_at),
        **asdict(one.made),
        "digest": one.digest,
    }


def versions(several: list[Version]) -> Fields:
    """What ``settle versions --json`` gives."""
    return {"versions": [version(one) for one in several]}


def publication(one: Publication) -> Fields:
    """What ``settle run --json`` gives of the version itself."""
    return {**version(one.version), "unchanged": not one.is_new}


def settlement(settled: Settled, *, quarters: bool = False) -> Fields:
    """Areas, sums over the day - ``quarters``: and each quarter of them - and checks."""
    return {
        "date": settled.day.isoformat(),
        "areas": [{**asdict(one), "state": one.state.value} for one in settled.areas],
        "sums": [_sum(one, quarters=quarters) for one in settled.sums],
        "checks": [asdict(one) for one in settled.checks],
    }


def difference(found: Difference) -> Fields:
    """What ``settle diff --json`` gives."""
    areas = [
        {
            **asdict(one),
            "before": None if one.before is None else one.before.value,
            "after": None if one.after is None else one.after.value,
        }
        for one in found.areas
    ]
    sums = [{**asdict(one), "part": one.part.value, "how": one.how.value} for one in found.sums]
    return {"areas": areas, "sums": sums}


def utc(seconds: int) -> str:
    """A moment as ISO 8601 has it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _sum(one: Sum, *, quarters: bool) -> Fields:
    volumes = {"energy_wh": one.energy_wh, "calculated_wh": one.calculated_wh, "estimated_wh": one.estimated_wh}
    found: Fields = {
        "grid_area": one.grid_area,
        "part": one.part.value,
        "direction": one.direction,
        "brp": one.brp,
        "supplier": one.supplier,
        "method": one.method,
        "connections": one.connections,
        **{name: int(volume.sum()) for name, volume in volumes.items()},
    }
    detail: Mapping[str, object] = {name: volume.tolist() for name, volume in volumes.items()}
    return {**found, "quarters": detail} if quarters else found
