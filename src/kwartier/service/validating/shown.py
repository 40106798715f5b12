"""What validation made of days, for people: its findings by connection, the curve of a day, and how complete days are.

All of it goes through the gate, and is written down before it is shown.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from kwartier.clock import midnight, quarter_ends
from kwartier.errors import StateError
from kwartier.export.pictures.coverage import Coverage, Seen, coverage_of
from kwartier.export.pictures.day_curve import DayCurve, curve_of
from kwartier.gate.grant import Grant
from kwartier.gate.ids import Ids, Link
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


@dataclass(frozen=True, slots=True, kw_only=True)
class OfOne:
    """The volumes of one meter at one connection on a local day, as of a run; columns go with ``ends`` (UTC seconds)."""

    ean: str
    meter: str
    day: date
    run: int
    ends: Sequence[int]
    energy_wh: Mapping[str, Sequence[int]] = field(repr=False)
    quality: Mapping[str, Sequence[int]] = field(repr=False)


def findings(
    home: Home,
    day: date,
    *,
    actor: Asking,
    reason: str,
    code: str = "",
    method: str = "",
    purpose: str | None = None,
) -> Findings:
    """What was found on a day, by rule or method where one is given. Raises ``StateError`` not-validated, ``Denied``.

    ``purpose`` None: what validation itself is done for.
    """
    runs = Runs(home.engine)
    grant, run = _opened(home, day, day + ONE_DAY, actor, reason, purpose), runs.demand(day)
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


def volumes(
    home: Home, ean: str, start: date, end: date, *, actor: Asking, purpose: str, reason: str, recipient: str = ""
) -> list[OfOne]:
    """The volumes of one connection on the validated days from ``start`` up to ``end``, by day and meter.

    Raises ``InputError`` unknown-connection, and as the gate and its volumes do.
    """
    scope = Scope(start=start, end=end)
    grant = home.gate.open(actor=actor, purpose=purpose, scope=scope, reason=reason, recipient=recipient)
    home.registry.demand_connection(ean)
    ids = sorted(Ids(home.engine).of_connection(ean, range(start.year, end.year + 1)).values())
    runs, found = Runs(home.engine).days(), []
    for shown, links in grant.look_up_volumes(ids, start, end) if ids else ():
        ends = quarter_ends(shown.day, shown.day + ONE_DAY, home.settings.timezone)[1:].tolist()
        for row, link in enumerate(links):
            one = OfOne(
                ean=link.ean,
                meter=link.meter,
                day=shown.day,
                run=runs[shown.day].run if shown.day in runs else 0,
                ends=ends,
                energy_wh={name: column[row].tolist() for name, column in shown.energy_wh.items()},
                quality={name: column[row].tolist() for name, column in shown.quality.items()},
            )
            found.append(one)
    return sorted(found, key=lambda one: (one.day, one.meter))


def _seen(home: Home, grant: Grant, day: date, run: Run, eans: frozenset[str]) -> Iterator[Seen]:
    late = _late(grant, day, midnight(day + timedelta(days=2), home.settings.timezone))
    for volumes, links in grant.volumes(day, run.run):
        shown = volumes.only(np.array([link.ean in eans for link in links], np.bool_)) if eans else volumes
        yield Seen(shown, np.isin(shown.ids, late))


def _late(grant: Grant, day: date, since: int) -> Registers:
    """The readings of a day that came after the night that they were due in."""
    found = [stack.ids[stack.known_at >= since] for stack, _ in grant.day(day)]
    return np.concatenate([np.zeros(0, np.int64), *found])


def _opened(home: Home, start: date, end: date, actor: Asking, reason: str, purpose: str | None = None) -> Grant:
    scope, own = Scope(start=start, end=end), home.settings.validate_purpose
    return home.gate.open(actor=actor, purpose=own if purpose is None else purpose, scope=scope, reason=reason)
