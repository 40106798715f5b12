"""What validation made of days, for people: its findings by connection, the curve of a day, and how complete days are.

All of it goes through the gate, and is written down before it is shown.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from kwartier.clock import midnight
from kwartier.errors import StateError
from kwartier.export.pictures.coverage import Coverage, Seen, coverage_of
from kwartier.export.pictures.day_curve import DayCurve, curve_of
from kwartier.gate.grant import Grant
from kwartier.gate.ids import Link
from kwartier.gate.policy import Asking, Scope
from kwartier.model import Registers
from kwartier.service.home import Home
from kwartier.service.validating.facts import ONE_DAY
from kwartier.service.validating.runs import Found, Put, Run, Runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The findings and substitutes of a day as of its last run, and whose readings they are of."""

    run: Run
    found: Sequence[Found]
    put: Sequence[Put]
    links: dict[int, Link]


def findings(home: Home, day: date, *, actor: Asking, reason: str, code: str = "", method: str = "") -> Findings:
    """What was found on a day, by rule or method where one is given. Raises ``StateError`` not-validated, ``Denied``."""
    runs = Runs(home.engine)
    grant, run = _opened(home, day, day + ONE_DAY, actor, reason), runs.demand(day)
    found = [one for one in runs.found(run) if one.code.startswith(code)] if not method else []
    put = runs.put(run, method) if method or not code else []
    ids = sorted({one.reading for one in found} | {one.reading for one in put})
    links: dict[int, Link] = {}
    for volumes, known in grant.look_up_volumes(ids, day, day + ONE_DAY, run.run) if ids else ():
        links.update(zip(volumes.ids.tolist(), known, strict=True))
    return Findings(
        run=run,
        found=[one for one in found if one.reading in links],
        put=[one for one in put if one.reading in links],
        links=links,
    )


def curve(home: Home, day: date, *, actor: Asking, reason: str, eans: frozenset[str] = frozenset()) -> DayCurve:
    """The volumes of a day, of all connections or of some. Raises ``StateError`` not-validated, ``Denied``."""
    grant, run = _opened(home, day, day + ONE_DAY, actor, reason), Runs(home.engine).demand(day)
    whose = "all connections" if not eans else f"{len(eans)} connections" if len(eans) > 1 else "one connection"
    caption = f"{day}, {whose}, as validated by run {run.run}"
    return curve_of(_seen(home, grant, day, run, eans), day, home.settings.timezone, caption)


def coverage(home: Home, start: date, end: date, *, actor: Asking, reason: str) -> Coverage:
    """How complete the validated days from ``start`` up to ``end`` are. Raises ``StateError`` not-validated, ``Denied``."""
    grant = _opened(home, start, end, actor, reason)
    runs = {day: run for day, run in Runs(home.engine).days().items() if start <= day < end}
    if not runs:
        raise StateError("not-validated", f"no day from {start} up to {end} was validated")
    seen = (one for day, run in runs.items() for one in _seen(home, grant, day, run, frozenset()))
    return coverage_of(seen, home.settings.timezone, f"Quarters from {start} up to {end}")


def _seen(home: Home, grant: Grant, day: date, run: Run, eans: frozenset[str]) -> Iterator[Seen]:
    late = _late(grant, day, midnight(day + timedelta(days=2), home.settings.timezone))
    for volumes, links in grant.volumes(day, run.run):
        shown = volumes.only(np.array([link.ean in eans for link in links], np.bool_)) if eans else volumes
        yield Seen(shown, np.isin(shown.ids, late))


def _late(grant: Grant, day: date, since: int) -> Registers:
    """The readings of a day that came after the night that they were due in."""
    found = [stack.ids[stack.known_at >= since] for stack, _ in grant.day(day)]
    return np.concatenate([np.zeros(0, np.int64), *found])


def _opened(home: Home, start: date, end: date, actor: Asking, reason: str) -> Grant:
    scope = Scope(start=start, end=end)
    return home.gate.open(actor=actor, purpose=home.settings.validate_purpose, scope=scope, reason=reason)
