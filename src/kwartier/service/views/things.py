"""What there is at a connection and how visits to it went: everything of a meter's page that is no consumption."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select

from kwartier.clock import local_day
from kwartier.collect.due import OPEN, State, Window
from kwartier.database import reading
from kwartier.errors import explanations
from kwartier.fleet.history import Past
from kwartier.fleet.mutations import exchanges_at
from kwartier.fleet.periods import ALWAYS
from kwartier.fleet.periods import OPEN as FOR_EVER
from kwartier.fleet.readout import READOUTS, Mode
from kwartier.fleet.visits import VisitRecord
from kwartier.service.home import Home
from kwartier.service.views.plain import local
from kwartier.service.views.sight import Days
from kwartier.tables import dues

MAX_VISITS = 200
"""Visits of a page, the newest."""
MAX_NIGHTS = 400
ONE_DAY = timedelta(days=1)
ONE_MS = timedelta(milliseconds=1)
DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What is believed of a connection from ``start`` up to ``end``; None: from ever, for ever."""

    start: date | None
    end: date | None
    known_at: str
    facts: Mapping[str, str]
    """grid_area, brp, supplier, transformer, capacity, dso."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readout:
    """How the connection is read in some days: ``remote``, ``opted-out`` or ``not-remote``."""

    start: date | None
    end: date | None
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A meter in the days in which it is at the connection."""

    meter: str
    start: date | None
    end: date | None
    companion: str
    transport: str
    cell: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleThere:
    """A module of one of the meters, from the day on that it was put in up to the one that it was taken out."""

    meter: str
    kind: str
    type: str
    supplier: str
    serial: str
    hardware: str
    firmware: str
    start: date | None
    end: date | None
    known_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """One meter in the place of another. The registers are consumption, and stand in the part that needs a grant."""

    at: str
    old_meter: str
    new_meter: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitShown:
    """A bar of the timeline. ``asked_days``: runs of local days that were asked for, as ``first/end``, the second exclusive.

    ``cause``: what the outcome means, where it is not "done"; ``asked``: whether personal data were asked for.
    """

    id: str
    meter: str
    date: date
    started: str
    ended: str
    duration_ms: int
    outcome: str
    is_done: bool
    cause: str
    asked: bool
    asked_days: tuple[str, ...]
    tries: int
    sent_bytes: int
    received_bytes: int
    messages: int
    drift_ms: int | None
    findings: tuple[str, ...]
    purpose: str
    reason: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """How far a local day of a meter is. ``present`` of its ``quarters`` are stored; ``code``: what came of the last try."""

    day: date
    meter: str
    state: str
    attempts: int
    code: str
    cause: str
    quarters: int
    present: int
    next_at: str | None
    """When it is tried next; None: not any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextDue:
    """When the meter is visited next, for which local day. ``is_planned``: a night has it, else the next window is named."""

    day: date
    meter: str
    at: str
    is_planned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Things:
    """All of it."""

    ean: str
    stated: tuple[Stated, ...]
    readouts: tuple[Readout, ...]
    """Empty: it was always read from afar."""
    readout: str
    """As it is today."""
    meters: tuple[Device, ...]
    modules: tuple[ModuleThere, ...]
    exchanges: tuple[Exchanged, ...]
    visits: tuple[VisitShown, ...]
    """On the days of the page and the one after, the newest first."""
    nights: tuple[Night, ...]
    """Of the days of the page."""
    next_due: NextDue | None
    """None: there is no meter that is read from afar."""


def things(home: Home, ean: str, days: Days, *, at: int) -> Things:
    """What there is at a connection; ``at``: now, in UTC seconds. Raises ``InputError`` unknown-meter."""
    zone, today = home.settings.timezone, local_day(at, home.settings.timezone)
    past = home.registry.history(ean)
    devices = [one for one in past if one.thing == "meter"]
    names = sorted({one.name for one in devices})
    modules = [one for name in names for one in home.registry.history(name) if one.thing == "module"]
    with reading(home.engine) as connection:
        versions = READOUTS.of(connection, [ean]).get((ean,), [])
        exchanged = exchanges_at(connection, [ean])
    readouts = tuple(Readout(start=_start(one.start), end=_end(one.end), mode=str(one.facts[0])) for one in versions)
    mode = next((str(one.facts[0]) for one in versions if one.start <= today < one.end), Mode.REMOTE.value)
    # A day is read on the day after it. Who lived there on other days is not what the page is about.
    visited = home.visits.at_connection(ean, names, days[0], days[1] + ONE_DAY, limit=MAX_VISITS)
    here = next((one.name for one in devices if one.start <= today < one.end), None)
    return Things(
        ean=ean,
        stated=tuple(_stated(one, zone) for one in past if one.thing == "connection"),
        readouts=readouts,
        readout=mode,
        meters=tuple(_device(one) for one in devices),
        modules=tuple(_module(one, zone) for one in modules),
        exchanges=tuple(
            Exchanged(at=local(one.moment, zone), old_meter=one.old_meter, new_meter=one.new_meter) for one in exchanged
        ),
        visits=tuple(_visit(one, zone) for one in visited),
        nights=_nights(home, ean, names, days),
        next_due=_next_due(home, here, at) if here is not None and mode == Mode.REMOTE else None,
    )


def cause_of(code: str) -> str:
    """What an outcome means, in words; nothing for one that is not in the table of errors."""
    row = explanations().get(code)
    return "" if row is None else row.meaning


def _start(day: date) -> date | None:
    return None if day == ALWAYS else day


def _end(day: date) -> date | None:
    return None if day == FOR_EVER else day


def _stated(one: Past, zone: str) -> Stated:
    facts = {name: str(value) for name, value in one.facts.items() if name != "timezone"}
    return Stated(start=_start(one.start), end=_end(one.end), known_at=local(one.known_at, zone), facts=facts)


def _device(one: Past) -> Device:
    told = {name: str(one.facts[name] or "") for name in ("companion", "transport", "cell")}
    return Device(meter=one.name, start=_start(one.start), end=_end(one.end), **told)


def _module(one: Past, zone: str) -> ModuleThere:
    meter, kind = one.name.split(" ", 1)
    told = {name: str(one.facts[name] or "") for name in ("type", "supplier", "serial", "hardware", "firmware")}
    start, end, known_at = _start(one.start), _end(one.end), local(one.known_at, zone)
    return ModuleThere(meter=meter, kind=kind, start=start, end=end, known_at=known_at, **told)


def _visit(one: VisitRecord, zone: str) -> VisitShown:
    drift = one.detail.get("drift_s")
    return VisitShown(
        id=one.id,
        meter=one.meter,
        date=one.date,
        started=_moment(one.started, zone),
        ended=_moment(one.ended, zone),
        duration_ms=(one.ended - one.started) // ONE_MS,
        outcome=one.outcome,
        is_done=one.outcome == DONE,
        cause="" if one.outcome == DONE else cause_of(one.outcome),
        asked=one.asked,
        asked_days=tuple(map(str, _listed(one.detail.get("days")))),
        tries=_whole(one.detail.get("try")),
        sent_bytes=_whole(one.detail.get("sent")),
        received_bytes=_whole(one.detail.get("received")),
        messages=_whole(one.detail.get("messages")),
        drift_ms=round(drift * 1000) if isinstance(drift, int | float) else None,
        findings=tuple(str(found["code"]) for found in _listed(one.detail.get("findings")) if isinstance(found, dict)),
        purpose=one.purpose,
        reason=one.reason,
        actor=one.actor,
    )


def _moment(moment: datetime, zone: str) -> str:
    return local(int(moment.timestamp()), zone)


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _nights(home: Home, ean: str, meters: Sequence[str], days: Days) -> tuple[Night, ...]:
    start, end = days
    zone = home.settings.timezone
    wanted = [start + ONE_DAY * number for number in range(min((end - start).days, MAX_NIGHTS))]
    query = select(dues).where(dues.c.day.in_(wanted), dues.c.meter.in_(meters), dues.c.ean == ean)
    query = query.order_by(dues.c.day, dues.c.meter)
    with reading(home.engine) as connection:
        rows = connection.execute(query).all()
    return tuple(
        Night(
            day=row.day,
            meter=row.meter,
            state=row.state,
            attempts=row.attempts,
            code=row.code or "",
            cause=cause_of(row.code or ""),
            quarters=row.quarters,
            present=row.present,
            next_at=local(row.next_at, zone) if row.state in OPEN else None,
        )
        for row in rows
    )


def _next_due(home: Home, meter: str, at: int) -> NextDue:
    zone = home.settings.timezone
    query = select(dues.c.day, dues.c.next_at).where(dues.c.meter == meter, dues.c.state != State.STORED)
    query = query.where(dues.c.state.in_(OPEN))  # the line before is what the index of open rows is by
    query = query.where(dues.c.deadline > at).order_by(dues.c.next_at).limit(1)
    with reading(home.engine) as connection:
        row = connection.execute(query).first()
    if row is not None:
        return NextDue(day=row.day, meter=meter, at=local(max(row.next_at, at), zone), is_planned=True)
    window = Window(opens=home.settings.window_opens, closes=home.settings.window_closes)
    day = local_day(at, zone)
    return NextDue(day=day, meter=meter, at=local(window.opens_at(day, zone), zone), is_planned=False)
