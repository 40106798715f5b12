"""What a grant shows of a connection: its load curve, its registers, and what was found of them and put in their place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
from sqlalchemy import select

from kwartier.clock import local_day, midnight
from kwartier.database import reading
from kwartier.fleet.mutations import exchanges_at
from kwartier.gate.grant import Grant, Shown
from kwartier.gate.ids import Ids, Link, Links
from kwartier.gate.purposes import Resolution
from kwartier.model import Volumes
from kwartier.service.home import Home
from kwartier.service.validating.runs import Found, Put, Run, Runs
from kwartier.service.views.charts import ONE_DAY, Axis, axis
from kwartier.service.views.curve import CHANNELS, REASONS, Curve, Made, curve, laid_out
from kwartier.service.views.plain import local
from kwartier.service.views.sight import Days
from kwartier.tables import findings
from kwartier.validate.rules.table import RULES

NOTE = "note"
"""The severity of what no rule of validation says: of a clock that was set, say."""
SAYS: Mapping[str, str] = {rule.code: rule.says for rule in RULES}
LATE_DAYS = timedelta(days=2)
"""What is known from that midnight on came after the night that it was due in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayShown:
    """A local day of a meter: when its readings were known and whether that was late, and what was made of them.

    ``run``: of validation; None: the day was not validated. ``version``: of the readings; None: nothing is stored.
    """

    day: date
    meter: str
    version: int | None
    known_at: str | None
    is_late: bool
    run: int | None
    validated_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """A register of a meter at the ends of a local day; None: it is not known there. The repr shows no value.

    ``missing``: of how many of the day's stamps it is not there, by the reason.
    """

    day: date
    meter: str
    channel: str
    opening_wh: int | None = field(repr=False)
    closing_wh: int | None = field(repr=False)
    stamps: int
    missing: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A finding, from the beginning of its first quarter to the end of its last. ``channel`` empty: of the row as a whole."""

    day: date
    meter: str
    code: str
    severity: str
    """``fail``, ``warn`` or ``note``."""
    says: str
    channel: str
    start: str
    end: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Substitute:
    """What was put in the place of some quarters: why, by which method, of which quality, from what (JSON)."""

    day: date
    meter: str
    channel: str
    start: str
    end: str
    quarters: int
    rule: str
    method: str
    quality: str
    inputs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeRegisters:
    """What both meters said at an exchange."""

    at: str
    old_meter: str
    new_meter: str
    closing_import_wh: int = field(repr=False)
    closing_export_wh: int = field(repr=False)
    opening_import_wh: int = field(repr=False)
    opening_export_wh: int = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumption:
    """All of it. ``curve`` None: the purpose shows days and no quarters, and registers at midnight are all there is."""

    grant: str
    resolution: str
    curve: Curve | None
    days: tuple[DayShown, ...]
    registers: tuple[Register, ...]
    findings: tuple[Remark, ...]
    substitutes: tuple[Substitute, ...]
    exchanges: tuple[ExchangeRegisters, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What was looked up."""

    axis: Axis
    shown: Sequence[Shown] = field(repr=False)
    runs: Mapping[date, Run]
    volumes: Sequence[tuple[Volumes, Links]] = field(repr=False)
    found: Sequence[tuple[date, Link, Found]] = field(repr=False)
    made: Sequence[Made] = field(repr=False)


def consumption(home: Home, grant: Grant, ean: str, days: Days) -> Consumption:
    """What the grant shows of a connection that it names. Raises ``Denied``."""
    known = _known(home, grant, ean, days)
    is_fine = grant.scope.resolution is Resolution.QUARTER
    late = frozenset(
        (day, one.readings.meter) for one in known.shown for day, at in one.known_at.items() if _is_late(home, day, at)
    )
    return Consumption(
        grant=grant.id,
        resolution="" if grant.scope.resolution is None else grant.scope.resolution.value,
        curve=_curve(known, days, late) if is_fine else None,
        days=tuple(_days(home, known, days, late)),
        registers=tuple(one for each in known.shown for one in _registers(each, known.axis.timezone)),
        findings=tuple(_remarks(home, known, ean, days)),
        substitutes=tuple(_substitute(known.axis, one) for one in known.made),
        exchanges=_exchanges(home, ean, days),
    )


def _known(home: Home, grant: Grant, ean: str, days: Days) -> _Known:
    start, end = days
    runs = {day: run for day, run in Runs(home.engine).days().items() if start <= day < end}
    is_fine = grant.scope.resolution is Resolution.QUARTER
    shown = [one for one in grant.readings() if one.ean == ean]
    volumes = list(grant.own_volumes({day: run.run for day, run in runs.items()})) if is_fine and runs else []
    links = {
        (one.day, identity): link
        for one, several in volumes
        for identity, link in zip(one.ids.tolist(), several, strict=True)
    }
    found, put = Runs(home.engine).of_readings(sorted({identity for _, identity in links}), runs)
    return _Known(
        axis=axis(start, end, home.settings.timezone),
        shown=shown,
        runs=runs,
        volumes=volumes,
        found=[(day, links[day, one.reading], one) for day, one in found if (day, one.reading) in links],
        made=[Made(day=day, link=links[day, one.reading], put=one) for day, one in put if (day, one.reading) in links],
    )


def _is_late(home: Home, day: date, known_at: int) -> bool:
    return known_at >= midnight(day + LATE_DAYS, home.settings.timezone)


def _curve(known: _Known, days: Days, late: frozenset[tuple[date, str]]) -> Curve:
    line = known.axis
    unseen = np.ones(len(line.times) - 1, np.bool_)
    for volumes, _ in known.volumes:
        place = line.place(volumes.day)
        unseen[place : place + volumes.quality[CHANNELS[0]].shape[1]] = False
    registers = [one.readings.missing for one in known.shown if len(one.readings.times) == len(line.times)]
    return curve(laid_out(known.volumes, late, line), unseen, line, registers, known.made)


def _days(home: Home, known: _Known, days: Days, late: frozenset[tuple[date, str]]) -> list[DayShown]:
    zone = home.settings.timezone
    stored = {one.readings.meter: one for one in known.shown}
    validated = {(volumes.day, link.meter) for volumes, links in known.volumes for link in links}
    keys = validated | {(day, meter) for meter, one in stored.items() for day in one.versions}
    rows = []
    for day, meter in sorted(keys):
        one = stored.get(meter)
        run = known.runs[day] if (day, meter) in validated else None
        known_at = None if one is None else one.known_at.get(day)
        rows.append(
            DayShown(
                day=day,
                meter=meter,
                version=None if one is None else one.versions.get(day),
                known_at=None if known_at is None else local(known_at, zone),
                is_late=(day, meter) in late,
                run=None if run is None else run.run,
                validated_at=None if run is None else local(run.finished_at, zone),
            )
        )
    return rows


def _registers(one: Shown, timezone: str) -> list[Register]:
    """At the ends of each day of which something is stored."""
    found = one.readings
    rows = []
    for day in sorted(one.versions):
        ends = [midnight(day, timezone), midnight(day + ONE_DAY, timezone)]
        first, last = np.searchsorted(found.times, ends).tolist()
        for channel, registers in found.registers.items():
            reasons = found.missing[channel]
            opening, closing = (int(registers[place]) if not reasons[place] else None for place in (first, last))
            codes, counts = np.unique(reasons[first + 1 : last + 1], return_counts=True)
            gone = {REASONS[code]: count for code, count in zip(codes.tolist(), counts.tolist(), strict=True) if code}
            rows.append(
                Register(
                    day=day,
                    meter=found.meter,
                    channel=channel,
                    opening_wh=opening,
                    closing_wh=closing,
                    stamps=last - first,
                    missing=gone,
                )
            )
    return rows


def _remarks(home: Home, known: _Known, ean: str, days: Days) -> list[Remark]:
    """Of the rules, of the rows as they came, and of visits."""
    zone, line = home.settings.timezone, known.axis
    rows = []
    for day, link, one in known.found:
        start, end = _span(line, day, one.first, one.last, is_whole=not one.channel)
        said = {"code": one.code, "severity": one.severity, "says": SAYS.get(one.code, "")}
        rows.append(Remark(day=day, meter=link.meter, channel=one.channel, start=start, end=end, **said))
    for shown in known.shown:
        for each in shown.readings.findings:
            day = min(max(local_day(each.start, zone), days[0]), days[1] - ONE_DAY)
            start, end = local(each.start, zone), local(each.end, zone)
            said = {"code": each.code, "severity": NOTE, "says": each.reason, "channel": ""}
            rows.append(Remark(day=day, meter=shown.readings.meter, start=start, end=end, **said))
    for day, meter, code, reason in _noted(home, ean, days):
        start, end = _span(line, day, 0, 0, is_whole=True)
        said = {"code": code, "severity": NOTE, "says": reason, "channel": ""}
        rows.append(Remark(day=day, meter=meter, start=start, end=end, **said))
    return sorted(rows, key=lambda one: (one.day, one.meter, one.code, one.start))


def _span(line: Axis, day: date, first: int, last: int, *, is_whole: bool) -> tuple[str, str]:
    place = line.place(day)
    if is_whole:
        return line.x[place], line.x[line.place(day + ONE_DAY)]
    return line.x[place + first], line.x[place + last + 1]


def _substitute(line: Axis, one: Made) -> Substitute:
    put: Put = one.put
    start, end = _span(line, one.day, put.first, put.last, is_whole=False)
    return Substitute(
        day=one.day,
        meter=one.link.meter,
        channel=put.channel,
        start=start,
        end=end,
        quarters=put.last - put.first + 1,
        rule=put.rule,
        method=put.method,
        quality=put.quality,
        inputs=put.inputs,
    )


def _noted(home: Home, ean: str, days: Days) -> list[tuple[date, str, str, str]]:
    """What is to be remarked of stored readings: day, meter, code and reason."""
    ids = {
        one: link.meter
        for link, one in Ids(home.engine).of_connection(ean, range(days[0].year, days[1].year + 1)).items()
    }
    query = select(findings).where(
        findings.c.reading.in_(list(ids)), findings.c.day >= days[0], findings.c.day < days[1]
    )
    with reading(home.engine) as connection:
        rows = connection.execute(query.order_by(findings.c.day, findings.c.id)).all()
    return [(row.day, ids[row.reading], row.code, row.reason) for row in rows]


def _exchanges(home: Home, ean: str, days: Days) -> tuple[ExchangeRegisters, ...]:
    zone = home.settings.timezone
    first, last = (midnight(day, zone) for day in days)
    with reading(home.engine) as connection:
        found = [one for one in exchanges_at(connection, [ean]) if first <= one.moment <= last]
    return tuple(
        ExchangeRegisters(
            at=local(one.moment, zone),
            old_meter=one.old_meter,
            new_meter=one.new_meter,
            closing_import_wh=one.closing_import_wh,
            closing_export_wh=one.closing_export_wh,
            opening_import_wh=one.opening_import_wh,
            opening_export_wh=one.opening_export_wh,
        )
        for one in found
    )
