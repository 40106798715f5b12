"""A day settled: from the latest run of validation and all that the market has said, published as the next version of the day.

The digest of a version stands in the audit log before the version does. An area that lacks something stops alone; one that does
not add up is held, and then the version is kept but not published. Of the same inputs there is no second version.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from kwartier import __version__
from kwartier.clock import local_day
from kwartier.errors import Denied, StateError
from kwartier.gate.grant import Grant
from kwartier.gate.policy import Asking, Scope
from kwartier.gate.purposes import purposes
from kwartier.gate.record import FORMAT, written
from kwartier.market.market import Market
from kwartier.service.home import Home
from kwartier.service.settling.gathering import ONE_DAY, Basis
from kwartier.service.settling.making import Show, made, silent
from kwartier.service.settling.versions import Made, Publication, Version, Versions
from kwartier.service.validating.runs import Runs
from kwartier.settle.calendar import dutch
from kwartier.settle.conservation import Bounds
from kwartier.settle.tables import Area, AreaState, Settled


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of settling a day: its version, new or not, and the sums of it."""

    publication: Publication
    settled: Settled

    @property
    def is_held(self) -> bool:
        """Whether nothing of it is published."""
        return self.publication.version.published_at is None

    @property
    def not_settled(self) -> tuple[Area, ...]:
        """The areas that are held or stopped."""
        return tuple(one for one in self.settled.areas if one.state is not AreaState.SETTLED)


def settle(home: Home, day: date, *, actor: Asking, reason: str, at: int, show: Show = silent) -> Outcome:
    """Settle a local day; ``at`` (UTC seconds) is now.

    Raises ``StateError`` not-validated where no run of validation over the day was finished, bad-table, settlement-overtaken,
    and what an engine raises; ``InputError`` day-not-over; ``Denied`` settlement-closed, and with the code of the rule of the
    gate that says no.
    """
    today = local_day(at, home.settings.timezone)
    dutch().version_name(day, today)  # whoever may not publish need not look
    # The run and the revision come before what is pinned: all that they speak of is there.
    run = Runs(home.engine).latest(day)
    if run is None:
        raise StateError("not-validated", f"no run of validation over {day} was finished")
    bounds = Bounds(share_bp=home.settings.residual_share_bp, floor_wh=home.settings.residual_floor_wh)
    revision = Market(home.engine).revision()
    basis = Basis(day=day, run=run.run, market_revision=revision, known=at, bounds=bounds)
    grant = opened(home, day, actor=actor, reason=reason, at=at)
    with grant.pinned():
        found = made(home, grant, basis, show)
    of = Made(
        actor=actor.name,
        code=__version__,
        rules=run.rules,
        validation_run=run.run,
        raw_version=run.raw_version,
        validated_version=run.validated_version,
        market_revision=revision,
        residual_share_bp=bounds.share_bp,
        residual_floor_wh=bounds.floor_wh,
    )
    publication = Versions(home.engine).publish(found, of, at=at, today=today, witness=_witness(home, grant))
    return Outcome(publication=publication, settled=found)


def opened(home: Home, day: date, *, actor: Asking, reason: str, at: int, purpose: str | None = None) -> Grant:
    """A grant to settle a day, or to look at its sums: one may be of a single connection. Raises ``Denied``.

    ``purpose``: what somebody says that they look for. Another than that of settlement may be bound to an area, or to fewer
    connections than a sum is of, and so is refused: other-purpose.
    """
    own = home.settings.settle_purpose
    if purpose in purposes() and purpose != own:
        raise Denied("other-purpose", f"for {purpose} there are no sums of settlement, but for {own}")
    scope, wanted = Scope(start=day, end=day + ONE_DAY), own if purpose is None else purpose
    return home.gate_at(lambda: at).open(actor=actor, purpose=wanted, scope=scope, reason=reason)


def _witness(home: Home, grant: Grant) -> Callable[[Version], None]:
    """What writes a version into the audit log."""

    def witness(version: Version) -> None:
        of = version.made
        record = {
            "v": FORMAT,
            "kind": "settled",
            "at": version.made_at,
            "grant": grant.id,
            "actor": of.actor,
            "day": f"{version.day}",
            "version": version.version,
            "name": version.name,
            "state": version.state,
            "validation_run": of.validation_run,
            "market_revision": of.market_revision,
            "digest": version.digest,
        }
        home.log.append([written(record)])

    return witness
