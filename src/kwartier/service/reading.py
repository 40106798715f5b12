"""Reading one meter for some local days: the wiring from a home to a visit, and the record that it always leaves.

Companion, keys, counters and what the meter once said of its profile come from the home; the visit is carried out; how it
ended, for whom and why is stored, never what was read. A layout that a meter's answer no longer fits is forgotten, so that
the next visit asks again what the profile holds.
"""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import uvloop

from kwartier.clock import local_day, quarter_ends
from kwartier.collect.visit import Credentials, Visit, Visitor
from kwartier.cosem import companion as companions
from kwartier.cosem.companion import Companion
from kwartier.cosem.layout import Layout
from kwartier.cosem.reading import Outcome, read_quarters
from kwartier.dlms.handshake import NO_SECURITY
from kwartier.errors import InputError, KwartierError, WireError
from kwartier.fleet.visits import VisitRecord
from kwartier.keys.keyring import DELIVERY, MeterKeys
from kwartier.keys.source import MeterCounters
from kwartier.model import Finding, Meter
from kwartier.service.home import Home

DEFAULT_PURPOSE = "validation"
PROFILE_CODES = frozenset({"bad-row", "bad-register", "bad-status", "bad-stamp", "bad-buffer", "no-first-stamp"})
"""What an answer that does not fit the remembered layout looks like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Which days of which meter, and for what: ``start`` is the first local day, ``end`` the first that is not wanted."""

    meter: str
    start: date
    end: date
    purpose: str = DEFAULT_PURPOSE
    reason: str = ""
    actor: str
    deadline_s: float | None = None
    """The total time of the visit; None: as the settings say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How the visit ended, and what it brought where it ended well."""

    meter: Meter
    companion: Companion
    visit: Visit[Outcome] = field(repr=False)
    record: VisitRecord
    delivery_keys: bool
    """Whether the meter was read under keys that its supplier knows."""


def read(home: Home, request: Request) -> Report:
    """Visit one meter. Raises ``InputError`` for what cannot be tried at all; how the visit ended is in the report."""
    return uvloop.run(visit(home, request))


async def visit(home: Home, request: Request) -> Report:
    """The same within a running loop."""
    meter = home.registry.meter(request.meter)
    quarter_ends(
        request.start, request.end, meter.timezone
    )  # refuses days that make no sense before anybody is bothered
    companion = companions.load(meter.companion, home.companion_folder)
    keys = home.keyring.keys_of(meter.meter)
    visitor: Visitor[Outcome] = Visitor(
        meter,
        companion,
        _credentials(home, meter, keys),
        deadline_s=request.deadline_s or home.settings.read_deadline_s,
        wall=lambda: datetime.now(UTC),
        max_pdu=home.settings.max_pdu,
    )
    known = home.visits.layout(meter.meter)
    done = await visitor.visit(
        lambda: read_quarters(
            companion,
            meter=meter.meter,
            start=request.start,
            end=request.end,
            timezone=meter.timezone,
            now=time.time,
            known=known,
            clock=True,
        )
    )
    record = _record(request, meter, done)
    await asyncio.get_running_loop().run_in_executor(None, _remember, home, known, done, record)
    delivery = keys is not None and keys.origin == DELIVERY
    return Report(meter=meter, companion=companion, visit=done, record=record, delivery_keys=delivery)


def counters_of(home: Home, meter: Meter, keys: MeterKeys) -> MeterCounters:
    """The invocation counters between this installation and ``meter`` under ``keys``."""
    return MeterCounters(
        home.keyring.counters,
        ek_fingerprint=keys.ek_fingerprint,
        own_title=home.settings.own_title,
        meter_title=meter.system_title,
    )


def findings_of(done: Visit[Outcome]) -> tuple[Finding, ...]:
    """What is to be remarked about a visit: of the conversation first, then of the rows."""
    return done.findings if done.result is None else done.findings + done.result.readings.findings


def _credentials(home: Home, meter: Meter, keys: MeterKeys | None) -> Credentials:
    if keys is None:
        if meter.mechanism == NO_SECURITY and meter.policy == "none":
            return Credentials(own_title=home.settings.own_title)
        raise InputError("meter-without-keys", f"there are no keys of meter {meter.meter}")
    return Credentials(own_title=home.settings.own_title, keys=keys.session, counters=counters_of(home, meter, keys))


def _record(request: Request, meter: Meter, done: Visit[Outcome]) -> VisitRecord:
    findings = [{"code": one.code, "start": one.start, "end": one.end} for one in findings_of(done)]
    detail: dict[str, object] = {
        "from": request.start.isoformat(),
        "to": request.end.isoformat(),
        "attempts": done.attempts,
        "bytes_sent": done.traffic.bytes_sent,
        "bytes_received": done.traffic.bytes_received,
        "messages_sent": done.traffic.messages_sent,
        "drift_s": None if done.result is None else done.result.drift_s,
        "findings": findings,
    }
    return VisitRecord(
        meter=meter.meter,
        ean=meter.ean,
        date=local_day(int(done.started.timestamp()), meter.timezone),
        started=done.started,
        ended=done.ended,
        outcome=done.outcome,
        purpose=request.purpose,
        reason=request.reason,
        actor=request.actor,
        detail=detail,
    )


def _remember(home: Home, known: Layout | None, done: Visit[Outcome], record: VisitRecord) -> None:
    home.visits.record(record)
    if done.result is not None and done.result.layout != known:
        home.visits.save_layout(record.meter, done.result.layout, at=int(done.ended.timestamp()))
    elif known is not None and _layout_is_stale(done.error):
        home.visits.forget_layout(record.meter)


def _layout_is_stale(error: KwartierError | None) -> bool:
    return isinstance(error, WireError) and error.code in PROFILE_CODES
