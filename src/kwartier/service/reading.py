"""Reading one meter for some local days, because somebody asks for it now.

It is the way of a night for one meter: a grant and a claim are written down before the meter is asked, what comes is stored,
and the visit leaves its record, also when it fails. So a connection that was read today is not read again, and what was read
by hand is not asked for by the next night.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

import uvloop

from kwartier.clock import midnight, quarter_ends
from kwartier.collect.by_hand import ByHand
from kwartier.collect.claims import Claims
from kwartier.collect.lease import Job
from kwartier.collect.night_visit import carry_out
from kwartier.collect.outcome import Again, Done, Task, stretches_of
from kwartier.collect.visit import Visit
from kwartier.cosem import companion as companions
from kwartier.cosem.companion import Companion
from kwartier.cosem.harvest import Harvest
from kwartier.dlms.handshake import NO_SECURITY
from kwartier.errors import Denied, InputError
from kwartier.fleet.visits import VisitRecord
from kwartier.gate.policy import Asking, Scope
from kwartier.gate.purposes import Source
from kwartier.keys.keyring import DELIVERY
from kwartier.model import Finding, Meter, Readings
from kwartier.service.home import Home
from kwartier.service.host_time import host_clock
from kwartier.service.worker import Orders, clock_policy_of, desk_of

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Which days of which meter, and for what: ``start`` is the first local day, ``end`` the first that is not wanted."""

    meter: str
    start: date
    end: date
    purpose: str = ""
    """What for; empty: as the settings say."""
    reason: str = ""
    actor: Asking
    deadline_s: float | None = None
    """The total time of the visit; None: as the settings say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How the visit ended, and what it brought where it ended well."""

    meter: Meter
    companion: Companion
    visit: Visit[Harvest] = field(repr=False)
    record: VisitRecord
    delivery_keys: bool
    """Whether the meter was read under keys that its supplier knows."""

    @property
    def readings(self) -> Readings | None:
        """What came; None where the visit brought nothing whole."""
        result = self.visit.result
        return result.readings[0] if result is not None and result.readings else None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is to be remarked about the visit: of the conversation first, then of the rows."""
        result = self.visit.result
        return self.visit.findings if result is None else self.visit.findings + result.findings


def read(home: Home, request: Request, *, wall: Callable[[], float] = time.time) -> Report:
    """Visit one meter; how that ended is in the report. ``wall`` gives UTC seconds.

    Raises ``InputError`` for what cannot be tried at all, and ``Denied`` where the purpose does not allow it or the read that
    the connection has today is spent: already-read, claimed-by-another, repeats-spent. ``StateError`` host-clock where the
    clock of this host cannot be trusted.
    """
    return uvloop.run(visit(home, request, wall=wall))


async def visit(home: Home, request: Request, *, wall: Callable[[], float] = time.time) -> Report:
    """The same within a running loop."""
    clock = host_clock(wall, demanding=home.settings.synchronised_clock)
    meter = home.registry.meter(request.meter)
    # Days that make no sense are refused before anybody is bothered, and so are those of which no meter knows the end.
    quarter_ends(request.start, request.end, meter.timezone)
    last = request.end - ONE_DAY
    if clock.wall() < midnight(request.end, meter.timezone):
        raise InputError("day-not-over", f"{last} ends at its midnight, and it is not there yet")
    keys = home.keyring.keys_of(meter.meter)
    if keys is None and not (meter.mechanism == NO_SECURITY and meter.policy == "none"):
        raise InputError("meter-without-keys", f"there are no keys of meter {meter.meter}")
    purpose = request.purpose or home.settings.read_purpose
    scope = Scope(start=request.start, end=request.end, eans=(meter.ean,), source=Source.METER)
    home.gate_at(clock.wall).open(actor=request.actor, purpose=purpose, reason=request.reason, scope=scope)
    orders = Orders(
        home=home.path,
        day=last,
        at_once=True,
        max_tries=1,
        purpose=purpose,
        reason=request.reason,
        actor=request.actor.name,
        until=None,
    )
    leases = ByHand(home.engine, Claims(home.engine), meter)
    desk = desk_of(home, orders, clock.wall, leases=leases)
    job = Job(meter.meter, meter.ean, meter.timezone, 0, "", int(clock.wall()))
    days = [request.start + ONE_DAY * number for number in range((request.end - request.start).days)]
    wanted = Again(at=clock.wall(), job=job, stretches=stretches_of(days), tries=0, code="by-hand")
    loop = asyncio.get_running_loop()
    clock.demand()
    tasks: list[Task] = await loop.run_in_executor(None, desk.prepare, [wanted])
    if not tasks:
        raise Denied(leases.settled[-1].code, f"connection {meter.ean} will not be asked for readings today")
    deadline_s = request.deadline_s or home.settings.read_deadline_s
    done: Done = await carry_out(
        tasks[0],
        wall=clock.wall,
        deadline_s=deadline_s,
        max_pdu=home.settings.max_pdu,
        clocks=clock_policy_of(home.settings, clock.trusted),
    )
    await loop.run_in_executor(None, desk.settle, [done])
    return Report(
        meter=meter,
        companion=companions.load(meter.companion, home.companion_folder),
        visit=done.visit,
        record=desk.record(done),
        delivery_keys=keys is not None and keys.origin == DELIVERY,
    )
