"""A version of a settled day goes to the market: under a grant, from what that version was made from, and from nothing later.

Sums are told as they were frozen. Volumes of connections are looked up again, as of the run of validation and the revision of
the market that the version names, and must come to the frozen sums before the first byte is written: so two messages of one
version never contradict each other, and where some of the volumes are lawfully gone nothing else is told in their place.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from kwartier.clock import quarter_ends
from kwartier.errors import InputError, StateError
from kwartier.export.codes import TSO
from kwartier.export.document import Content
from kwartier.export.formats import FORMATS
from kwartier.gate.grant import Grant
from kwartier.gate.policy import Asking, Scope
from kwartier.market.market import Market
from kwartier.service.exporting.connection_series import require_whole, series
from kwartier.service.exporting.outbox import Edition, Exported, export_day, reasons
from kwartier.service.home import Home
from kwartier.service.settling.versions import PUBLISHED, Version, Versions
from kwartier.settle.calendar import dutch
from kwartier.settle.members import BY_READINGS
from kwartier.settle.tables import AreaState, Part, Settled

ONE_DAY = timedelta(days=1)
OF_CONNECTIONS = frozenset({"validated"})
"""The formats that tell volumes of connections; the others tell sums."""
OF_PARTIES = (Part.METERED, Part.PROFILED)
Show = Callable[[int, int], None]
"""Told how many connections are done, and of how many."""


def export(
    home: Home,
    kind: str,
    day: date,
    *,
    version: int | None,
    out: Path,
    actor: Asking,
    reason: str = "",
    at: int,
    show: Show | None = None,
) -> Exported:
    """Write what ``kind`` tells of a version of ``day`` - None: of the latest - into the outbox ``out``. ``at``: UTC s, now.

    Raises ``InputError`` bad-argument, no-such-version; ``StateError`` never-settled, settlement-held, volumes-gone,
    settlement-differs; ``Denied`` as the gate does; and as :func:`kwartier.service.exporting.outbox.export_day`.
    """
    if kind not in FORMATS:
        raise InputError("bad-argument", f"{kind[:40]!r} is none of {', '.join(FORMATS)}")
    versions = Versions(home.engine)
    told = published(versions, day, version)
    settled = versions.settled(day, told.version)
    grant = home.gate.open(
        actor=actor,
        purpose=home.settings.export_purpose,
        scope=Scope(start=day, end=day + ONE_DAY),
        reason=reason,
        recipient=", ".join(recipients(kind, settled)),
    )
    content = Content(
        day=day,
        times=quarter_ends(day, day + ONE_DAY, home.settings.timezone)[1:],
        areas=settled.areas,
        sums=settled.sums,
    )
    edition = Edition(
        kind=kind,
        version=told.version,
        known_at=told.made_at,
        final=told.name == dutch().names[-1],
    )
    if kind not in OF_CONNECTIONS or not content.settled:
        return export_day(home.engine, content, edition, codes=home.settings.codes, out=out, at=at)
    with grant.pinned():
        filled = _with_series(home, grant, told, settled, content, show)
        return export_day(home.engine, filled, edition, codes=home.settings.codes, out=out, at=at)


def published(versions: Versions, day: date, number: int | None) -> Version:
    """The version that is told. An earlier one is not told in the place of one that is held, unless somebody asks for it.

    Raises ``InputError`` no-such-version; ``StateError`` never-settled, settlement-held.
    """
    latest = versions.latest(day)
    if latest is None:
        raise StateError(
            "never-settled", f"there is no settlement of {day}: `kwartier settle run --date {day}` makes one"
        )
    found = latest if number is None else versions.version(day, number)
    if found.state != PUBLISHED:
        held = [one for one in versions.settled(day, found.version).areas if one.state != AreaState.SETTLED]
        raise StateError("settlement-held", f"version {found.version} of {day} is held: {reasons(held)}")
    return found


def recipients(kind: str, settled: Settled) -> list[str]:
    """By name those to whom messages of a settlement may go."""
    areas = {one.grid_area for one in settled.areas if one.state == AreaState.SETTLED}
    sums = [one for one in settled.sums if one.part in OF_PARTIES and one.grid_area in areas]
    if kind in OF_CONNECTIONS:
        return sorted({one.supplier for one in sums if one.method in BY_READINGS})
    return [TSO] if kind == "account" else sorted({one.brp for one in sums})


def _with_series(
    home: Home, grant: Grant, told: Version, settled: Settled, content: Content, show: Show | None
) -> Content:
    """What there is to tell, with the volumes of connections; they are read when they are written."""
    supplies = Market(home.engine).supplies(content.day, told.made.market_revision)
    work = grant.work(content.day, told.made.validation_run)
    require_whole(work, supplies, told, settled, content)
    return replace(content, series=series(work, supplies, content.settled, content.times, show))
