"""What has to hold after rehearsed nights, whatever went wrong.

Each promise is a question to the tables, the store or the watch.
What is broken is told in sentences that name meters of the simulated fleet and no connection.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import Engine, func, select

from kwartier.audit.verify import verify
from kwartier.clock import QUARTER_S
from kwartier.collect.claims import MAX_REPEATS, REPEAT, Claims
from kwartier.collect.due import State
from kwartier.cosem.clock_steps import CORRECTED
from kwartier.database import reading
from kwartier.errors import SecurityError
from kwartier.gate.policy import Asking
from kwartier.service.compare import compare_night
from kwartier.service.home import Home
from kwartier.simulate.compare import Comparison
from kwartier.simulate.virtual.fleet import WatchedFleet
from kwartier.tables import claim_events, claims, dues, leases, visits

MAX_TOLD = 20
"""Broken promises of one kind that are told one by one."""
LATE_S = 2.0
"""A visit that is cut off at its deadline ends this much later at the most."""
SET_LATE_S = 5.0
"""What whole seconds, the way to a meter and a host's clock that still counts as right may add to where a clock is set."""
US = 1_000_000


def values(home: Home, fleet: Path, days: Sequence[date], *, actor: Asking) -> tuple[Comparison, list[str]]:
    """No value differs from the truth in the folder ``fleet``, none that could be had is lost, none is there twice."""
    found = [compare_night(home, fleet, day, actor=actor) for day in days]
    total = Comparison(**{one.name: sum(getattr(each, one.name) for each in found) for one in fields(Comparison)})
    broken = [
        f"{day}: {one.wrong} values are wrong, {one.doubled} rows doubled, {one.lost} lost"
        for day, one in zip(days, found, strict=True)
        if not one.is_clean
    ]
    return total, broken


def recorded(home: Home, days: Sequence[date]) -> list[str]:
    """The audit log verifies, byte by byte, and each night asked the gate before it asked a meter."""
    log = home.log.opened()
    log.checkpoint()
    try:
        verify(log.folder, log.key)
    except SecurityError as error:
        return [f"the audit log: {error.detail}"]
    told = [json.loads(one) for one in log.records(0, log.size)]
    asked = {one["days"][1] for one in told if one["kind"] == "read"}
    return [f"{day}: meters were read without a grant" for day in days if f"{day + timedelta(days=1)}" not in asked]


def one_read(home: Home, fleet: WatchedFleet, visit_day: date) -> list[str]:
    """Nobody was asked more often on a day than once, and once more for each repeat that was written down."""
    repeats: Counter[str] = Counter()
    with reading(home.engine) as connection:
        query = select(claim_events.c.meter).where(claim_events.c.date == visit_day, claim_events.c.kind == REPEAT)
        repeats.update(connection.execute(query).scalars())
        done = select(visits.c.meter, func.count()).where(visits.c.date == visit_day, visits.c.asked)
        asked = {row[0]: row[1] for row in connection.execute(done.group_by(visits.c.meter))}
        complete = done.where(visits.c.outcome == "done").group_by(visits.c.meter)
        completed = {row[0]: row[1] for row in connection.execute(complete)}
        lost = select(claims.c.meter).where(claims.c.date == visit_day, claims.c.visit.not_in(select(visits.c.id)))
        unrecorded = Counter(connection.execute(lost).scalars())
        claimed = {
            row[0]: row[1]
            for row in connection.execute(
                select(claims.c.meter, func.sum(claims.c.reads))
                .where(claims.c.date == visit_day)
                .group_by(claims.c.meter)
            )
        }
    broken = []
    for index in range(fleet.world.count):
        reads, meter = fleet.reads(index, visit_day), fleet.world.who(index).meter
        if reads > claimed.get(meter, 0):
            broken.append(f"{meter} was read {reads} times on {visit_day}, and {claimed.get(meter, 0)} were claimed")
        if reads > min(1 + repeats[meter], 1 + MAX_REPEATS):
            broken.append(f"{meter} was read {reads} times on {visit_day} with {repeats[meter]} repeats written down")
        # A process that was lost wrote nothing down of its visit but the claim, and whoever came after it the repeat.
        if reads > asked.get(meter, 0) + repeats[meter] + unrecorded[meter]:
            broken.append(f"{meter} was read {reads} times on {visit_day}, {asked.get(meter, 0)} visits are recorded")
    # What a process had read is read again if it was lost before that was stored, and that is written down.
    over = {meter: n for meter, n in completed.items() if n > 1 + repeats[meter]}
    broken += [f"{meter} was read to the end {n} times on {visit_day}" for meter, n in over.items()]
    beyond = Claims(home.engine).proof(visit_day).beyond
    broken += [f"{n} visits asked {meter} on {visit_day}, more than were claimed" for _, meter, n in beyond]
    return broken[:MAX_TOLD]


def counters(fleet: WatchedFleet) -> list[str]:
    """No invocation counter protected two different messages."""
    broken = [f"{fleet.world.who(meter).meter} was sent counter {one} twice" for meter, one in fleet.watch.reused]
    if not fleet.watch.counters:
        broken.append("no counter was seen at all: the watch hears nothing")
    return broken[:MAX_TOLD]


def deadlines(engine: Engine, *, opens: int, closes: int, deadline_s: float, visit_day: date) -> list[str]:
    """Every visit began in the window and ended by its deadline."""
    broken = []
    with reading(engine) as connection:
        rows = connection.execute(
            select(visits.c.meter, visits.c.started, visits.c.ended).where(visits.c.date == visit_day)
        ).all()
    for meter, started, ended in rows:
        if not opens * US <= started < closes * US:
            broken.append(f"{meter} was visited outside of the window of {visit_day}")
        if ended - started > (deadline_s + LATE_S) * US:
            broken.append(f"a visit to {meter} on {visit_day} took {(ended - started) / US:.1f} s")
    return broken[:MAX_TOLD]


def clocks(engine: Engine, fleet: WatchedFleet) -> list[str]:
    """No clock was set across the end of a quarter or away from the time, and no quarter is marked in which none was."""
    broken = []
    ends: set[tuple[str, int]] = set()
    for index, one in fleet.clock_settings():
        meter = fleet.world.who(index).meter
        ends.add((meter, one.quarter_end))
        if one.before // QUARTER_S != one.after // QUARTER_S:
            broken.append(f"the clock of {meter} was set from {one.before:.1f} to {one.after:.1f}, across a quarter")
        if abs(one.after - one.true) > abs(one.before - one.true) + SET_LATE_S:
            broken.append(f"the clock of {meter} was set away from the time, by {one.after - one.before:+.1f} s")
    with reading(engine) as connection:
        for meter, detail in connection.execute(select(visits.c.meter, visits.c.detail)):
            for mark in json.loads(detail).get("findings", ()):
                if mark["code"] == CORRECTED and (meter, mark["end"]) not in ends:
                    broken.append(f"{meter} has a mark at {mark['end']}, and its clock was not set")
    return broken[:MAX_TOLD]


def settled(engine: Engine) -> list[str]:
    """Nothing is left in anybody's hands."""
    with reading(engine) as connection:
        held = connection.execute(select(func.count()).select_from(leases)).scalar_one()
        leased = connection.execute(select(func.count()).where(dues.c.state == State.LEASED)).scalar_one()
    return [f"{held} leases and {leased} leased meters are left"] if held or leased else []
