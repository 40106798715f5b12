"""A stored night beside the truth of the simulated fleet, through the gate like everybody else."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from kwartier.gate.grant import Grant
from kwartier.gate.policy import Asking, Scope
from kwartier.service.home import Home
from kwartier.simulate import truth
from kwartier.simulate.compare import Comparison, Stored, compare


def compare_night(home: Home, folder: Path, day: date, *, actor: Asking) -> Comparison:
    """Compare what ``home`` stored of a local day with the fleet whose files are in ``folder``."""
    told = truth.load(folder)
    scope = Scope(start=day, end=day + timedelta(days=1))
    purpose = home.settings.compare_purpose
    grant = home.gate.open(actor=actor, purpose=purpose, reason="comparison with the truth", scope=scope)
    return compare(told, day, _stored(grant, day), rows=grant.rows(day))


def _stored(grant: Grant, day: date) -> Iterator[Stored]:
    for stack, links in grant.day(day):
        yield Stored(
            links=links,
            registers=stack.registers,
            missing=stack.missing,
            status=stack.status,
            versions=stack.versions,
        )
