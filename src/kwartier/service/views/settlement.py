"""The page of a settlement: a day and one of its versions, what it says, whether that adds up, and how far it is told.

A sum may be of a single connection, so that the sums are looked up under a grant for settlement, which is written down. Days,
versions and dues have none in them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from kwartier.clock import local_day
from kwartier.errors import InputError
from kwartier.gate.policy import Asking
from kwartier.service.exporting.messages import State, tallied, troubled
from kwartier.service.home import Home
from kwartier.service.settling.run import opened
from kwartier.service.settling.versions import Version, Versions
from kwartier.service.views.charts import Axis, Chart, axis
from kwartier.service.views.plain import local
from kwartier.service.views.settled_days import CalendarShown, VersionShown, calendar_of, version_shown
from kwartier.service.views.sums import Balance, PartyRow, area_charts, balances, party_rows, volume_charts
from kwartier.settle.difference import Difference, difference
from kwartier.settle.tables import Area, AreaState, Settled

ONE_DAY = timedelta(days=1)
MAX_DIFFERENCES = 200
"""Sums that differ which are shown, those that differ most."""
MAX_TROUBLED = 200
MAX_KEPT = 8
"""Versions on a shelf: a large one has some megabytes."""
SENTENCES: Mapping[str, str] = {
    "counted-once": "No meter's readings are counted twice, and no connection is in two groups.",
    "rows": "As many rows were added up as the area has meters with usable readings.",
    "parties": "Every party has as many connections as the market gives it.",
    "registers": "What was added up by readings is what the registers of the connections moved over the day.",
    "profiles": "What was spread by profile comes to the year volumes, to within the rounding.",
    "boundary": "Infeed and losses are those that were taken in, quarter by quarter.",
    "adds-up": "In every quarter infeed is the sum of the parts.",
    "residual": "What nobody answers for is within the bounds that this installation has set.",
}
"""What each check of the conservation says where it passes."""
ADVICE: Mapping[str, str] = {
    "no-infeed": "take in the infeed of the area (kwartier market import) and settle the day again",
    "no-losses": "take in the losses of the area (kwartier market import) and settle the day again",
    "no-fractions": "take in the profile fractions that are named (kwartier market import) and settle the day again",
    "no-market-data": "take in who supplies these connections (kwartier market import) and settle the day again",
    "two-supplies": "find out which supply is right, take in a correction, and settle the day again",
    "residual": "look for an infeed that is wrong, losses that are missing, or many connections without readings",
    "boundary": "what was taken in changed while it was settled: settle the day again",
    "registers": "validate the day again; if it differs still, this is a fault of the program and worth a report",
}
FAULT = "this is a fault of the program, not of its inputs: keep the version, and report it"
"""What to do where nothing else is known to help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaShown:
    """A grid area in the version: settled, held or stopped, why, and what to do about it. ``unread``: spread by profile."""

    grid_area: str
    state: str
    code: str
    reason: str
    advice: str
    connections: int
    unread: int
    balances: tuple[Balance, ...]
    """In each direction; nothing where it is stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckShown:
    """One check of one area: what it says, whether that is so, and what was counted."""

    grid_area: str
    code: str
    says: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaDifference:
    """An area that stands otherwise; empty: it was or is not there."""

    grid_area: str
    before: str
    after: str
    unread: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SumDifference:
    """A sum that differs: later minus earlier. ``quarter`` is the end of the one in which it differs most."""

    grid_area: str
    part: str
    direction: str
    brp: str
    supplier: str
    method: str
    how: str
    connections: int
    day_wh: int
    quarters: int
    quarter: str
    quarter_wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceShown:
    """What the version shown says otherwise than an earlier one. ``more``: sums that differ less and are not listed."""

    earlier: int
    later: int
    areas: tuple[AreaDifference, ...]
    sums: tuple[SumDifference, ...]
    more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportCount:
    """How many messages of a kind about a version are in a state: made, sent, acknowledged, rejected or overdue."""

    version: int
    kind: str
    state: str
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageShown:
    """A message that was refused, or that nobody answered in time."""

    id: str
    kind: str
    subject: str
    recipient: str
    state: str
    sent_at: str | None
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportsShown:
    """How far the day is told: by version and kind, and of the version shown what went wrong."""

    counts: tuple[ExportCount, ...]
    troubled: tuple[MessageShown, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the version says. ``area``: the charts and parties are of this grid area; empty: of all."""

    version: VersionShown
    area: str
    areas: tuple[AreaShown, ...]
    checks: tuple[CheckShown, ...]
    volumes: tuple[Chart, ...]
    """``volumes-import`` and ``volumes-export``."""
    by_area: tuple[Chart, ...]
    """``residual-import``, ... ``infeed-export``."""
    parties: tuple[PartyRow, ...]
    difference: DifferenceShown | None
    """None: there is no earlier version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementPage:
    """See above. ``versions``: of the day, the newest first. ``shown`` None: the day was never settled."""

    day: date
    timezone: str
    calendar: CalendarShown
    versions: tuple[VersionShown, ...]
    shown: Shown | None
    exports: ExportsShown


class Shelf:
    """Sums of a few versions in memory. A version never changes, so that each is held against its digest when it is fetched.

    It saves most of the time that a page takes; whoever asks it has opened a grant.
    """

    __slots__ = ("settled",)

    def __init__(self, home: Home) -> None:
        self.settled: Callable[[date, int], Settled] = lru_cache(maxsize=MAX_KEPT)(Versions(home.engine).settled)


def settlement_page(
    home: Home,
    day: date,
    *,
    version: int | None = None,
    against: int | None = None,
    area: str = "",
    actor: Asking,
    reason: str,
    at: int,
    purpose: str | None = None,
    shelf: Shelf | None = None,
) -> SettlementPage:
    """The page of ``day``: of a ``version``, else of the latest, held ``against`` an earlier one, else the one before it.

    ``at``: now, in UTC seconds; ``purpose``: what somebody says that they look for, else that of
    settlement; ``shelf``: one of this home that is kept from page to page.
    Raises ``InputError`` no-such-version, bad-day, bad-argument; ``StateError`` settlement-altered; ``Denied`` with the code of
    the rule of the gate that says no.
    """
    zone, store = home.settings.timezone, Versions(home.engine)
    made = store.versions(day)
    calendar = calendar_of(day, made, today=local_day(at, zone))
    told = _chosen(store, day, made, version)
    shown = None
    if told is not None:
        earlier = _earlier(store, told, against)
        opened(home, day, actor=actor, reason=reason, at=at, purpose=purpose)
        settled = store.settled if shelf is None else shelf.settled
        before = None if earlier is None else settled(day, earlier)
        shown = _shown(settled(day, told.version), told, before, earlier, axis(day, day + ONE_DAY, zone), area)
    return SettlementPage(
        day=day,
        timezone=zone,
        calendar=calendar,
        versions=tuple(version_shown(one, zone) for one in reversed(made)),
        shown=shown,
        exports=_exports(home, day, None if told is None else told.version),
    )


def day_page(home: Home, day: date, *, version: int | None = None, at: int) -> SettlementPage:
    """The same without any sum, for which nobody needs a grant: ``shown`` is None.

    Raises ``InputError`` no-such-version, bad-day.
    """
    zone, store = home.settings.timezone, Versions(home.engine)
    made = store.versions(day)
    told = _chosen(store, day, made, version)
    return SettlementPage(
        day=day,
        timezone=zone,
        calendar=calendar_of(day, made, today=local_day(at, zone)),
        versions=tuple(version_shown(one, zone) for one in reversed(made)),
        shown=None,
        exports=_exports(home, day, None if told is None else told.version),
    )


def _chosen(store: Versions, day: date, made: Sequence[Version], version: int | None) -> Version | None:
    if version is not None:
        return store.version(day, version)
    return made[-1] if made else None


def _earlier(store: Versions, told: Version, against: int | None) -> int | None:
    if against is None:
        return told.version - 1 if told.version > 1 else None
    return store.version(told.day, against).version


def _shown(
    settled: Settled, told: Version, before: Settled | None, earlier: int | None, line: Axis, area: str
) -> Shown:
    if area and area not in {one.grid_area for one in settled.areas}:
        raise InputError("bad-argument", f"version {told.version} of {told.day} has no such grid area")
    found = None if before is None else difference(before, settled)
    return Shown(
        version=version_shown(told, line.timezone),
        area=area,
        areas=tuple(_area(one, settled) for one in settled.areas),
        checks=tuple(
            CheckShown(
                grid_area=one.grid_area,
                code=one.code,
                says=SENTENCES.get(one.code, ""),
                passed=one.passed,
                detail=one.detail,
            )
            for one in settled.checks
        ),
        volumes=volume_charts(settled, line, area),
        by_area=area_charts(settled, line),
        parties=party_rows(settled, area),
        difference=None if found is None or earlier is None else _difference(found, earlier, told.version, line),
    )


def _area(one: Area, settled: Settled) -> AreaShown:
    advice = "" if one.state is AreaState.SETTLED else ADVICE.get(one.code, FAULT)
    return AreaShown(
        grid_area=one.grid_area,
        state=one.state.value,
        code=one.code,
        reason=one.reason,
        advice=advice,
        connections=one.connections,
        unread=one.unread,
        balances=balances(settled, one.grid_area),
    )


def _difference(found: Difference, earlier: int, later: int, line: Axis) -> DifferenceShown:
    largest = sorted(found.sums, key=lambda one: -abs(one.day_wh))[:MAX_DIFFERENCES]
    return DifferenceShown(
        earlier=earlier,
        later=later,
        areas=tuple(
            AreaDifference(
                grid_area=one.grid_area,
                before="" if one.before is None else one.before.value,
                after="" if one.after is None else one.after.value,
                unread=one.unread,
            )
            for one in found.areas
        ),
        sums=tuple(
            SumDifference(
                grid_area=one.grid_area,
                part=one.part.value,
                direction=one.direction,
                brp=one.brp,
                supplier=one.supplier,
                method=one.method,
                how=one.how.value,
                connections=one.connections,
                day_wh=one.day_wh,
                quarters=one.quarters,
                quarter=line.x[one.quarter + 1],
                quarter_wh=one.quarter_wh,
            )
            for one in largest
        ),
        more=len(found.sums) - len(largest),
    )


def _exports(home: Home, day: date, version: int | None) -> ExportsShown:
    zone, order = home.settings.timezone, list(State)
    counted = sorted(tallied(home.engine, day).items(), key=lambda one: (-one[0][0], one[0][1], order.index(one[0][2])))
    wrong = [] if version is None else troubled(home.engine, day, version, limit=MAX_TROUBLED)
    return ExportsShown(
        counts=tuple(
            ExportCount(version=number, kind=kind, state=state.value, messages=count)
            for (number, kind, state), count in counted
        ),
        troubled=tuple(
            MessageShown(
                id=one.id,
                kind=one.topic.kind,
                subject=one.topic.subject,
                recipient=one.topic.recipient,
                state=one.state.value,
                sent_at=None if one.sent_at is None else local(one.sent_at, zone),
                answer=one.answer,
            )
            for one in wrong
        ),
    )
