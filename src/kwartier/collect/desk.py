"""The paper work of a night, a batch at a time: what is handed out to be visited, and what becomes of what came back.

Handing out is: lease the meters, claim their one read, reserve their counters, open their keys; all of it durable before the
first byte is sent. What came back is written down in three steps: the visits as they were and what is about to be stored; the
readings themselves; that they are stored, which fulfils the claims. A process that dies between two steps leaves a state from
which the next one goes on without asking a meter twice for what is stored; where the database or the disk was away in between,
the same call is made again and goes on where it was.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol

from sqlalchemy import Connection, Engine, insert, select

from kwartier.clock import local_day
from kwartier.collect.claims import Claims, Verdict, Wanted
from kwartier.collect.due import Dues, State
from kwartier.collect.lease import NONE_SHUT, Job, Leases, Settled, Shut
from kwartier.collect.night_visit import pace_of
from kwartier.collect.outcome import Again, Done, Judged, Outcomes, Rules, Task, by_year, judge, stretches_of
from kwartier.collect.steps import Reached, Step, onward
from kwartier.collect.traces import Traces, Visited
from kwartier.collect.visit import Credentials
from kwartier.cosem import companion as companions
from kwartier.cosem.clock_steps import MARKED
from kwartier.cosem.layout import Layout
from kwartier.database import writing
from kwartier.dlms.handshake import NO_SECURITY
from kwartier.errors import Retry, StateError, WireError
from kwartier.fleet.readout import not_read
from kwartier.fleet.registry import Registry
from kwartier.fleet.visits import VisitRecord, Visits, new_visit
from kwartier.gate.ids import Ids, Link
from kwartier.keys.keyring import Keyring, MeterKeys
from kwartier.keys.source import LeasedCounters, MeterCounters, lease
from kwartier.model import Meter
from kwartier.store import Appended, Entry
from kwartier.tables import findings as finding_table

COUNTERS_A_VISIT = 16
"""Invocation counters reserved for a visit of one day or two; a longer one asks for more."""
SPENT = "counter-exhausted"
DRIFT_STEP_S = 2
"""A drift is written down when it changed by this much."""
PROFILE_CODES = frozenset({"bad-row", "bad-register", "bad-status", "bad-stamp", "bad-buffer", "no-first-stamp"})
"""What an answer that does not fit the remembered layout looks like."""


class Sink(Protocol):
    """Where readings are stored."""

    def append(self, batch: str, entries: Sequence[Entry]) -> Appended:
        """Store them, once however often the batch is brought."""
        ...

    def has(self, batch: str) -> bool:
        """Whether the batch is there."""
        ...


def _state_of(verdict: Verdict) -> State:
    """How a meter stands that is not asked: one that must not be read is not tried again, others wait for another day."""
    return State.REFUSED if verdict is Verdict.NOT_READ_OUT else State.FAILED


@dataclass(slots=True, kw_only=True)
class UnderWay:
    """A batch on its way to the store: how each visit was judged, and which steps are done."""

    name: str
    judged: tuple[Judged, ...] = field(repr=False)
    judged_at: int
    entries: tuple[Entry, ...] | None = field(default=None, repr=False)
    """None: nothing is written down yet."""
    appended: Appended | None = None


class Desk:
    """The paper work of one process in one night. ``wall`` gives UTC seconds, ``chance`` a number from 0 to 1.

    ``has_room``: whether there is room on the disk for what is read. ``traces`` None: no visit is traced.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        registry: Registry,
        keyring: Keyring,
        visits: Visits,
        claims: Claims,
        dues: Dues,
        leases: Leases,
        ids: Ids,
        sink: Sink,
        own_title: bytes,
        rules: Rules,
        wall: Callable[[], float],
        chance: Callable[[], float],
        has_room: Callable[[], bool] = lambda: True,
        reached: Reached = onward,
        traces: Traces | None = None,
    ) -> None:
        self._engine = engine
        self._registry = registry
        self._keyring = keyring
        self._visits = visits
        self._claims = claims
        self._dues = dues
        self._leases = leases
        self._ids = ids
        self._sink = sink
        self._own_title = own_title
        self._rules = rules
        self._wall = wall
        self._chance = chance
        self._has_room = has_room
        self._reached = reached
        self._traces = traces
        self._under_way: dict[str, UnderWay] = {}
        self._unprepared: list[Again] = []
        self._spared: list[Wanted] = []

    # Handing out.

    def take(self, first: int, again: int, shut: Shut = NONE_SHUT, shut_again: Shut = NONE_SHUT) -> list[Task]:
        """Visits that may begin now: up to ``first`` for meters that were not tried, ``again`` for others.

        The former are of nothing that is ``shut``, the latter of nothing that is ``shut_again``.
        """
        if not self._has_room():
            raise StateError("no-room", "what is left on the disk is kept for records", retry=Retry.LATER)
        if not self._unprepared:
            now = int(self._wall())
            at_once = self._rules.at_once
            taken = self._leases.take(
                self._rules.day, first=first, again=again, now=now, at_once=at_once, shut=shut, shut_again=shut_again
            )
            self._unprepared = [
                Again(at=now, job=job, stretches=(), tries=job.attempts, code=job.code) for job in taken.jobs
            ]
            self._reached(Step.LEASED)
        # Kept until they are prepared: what goes wrong in between is no reason to let leased meters lie.
        wanted = self._unprepared
        if not wanted:
            return []
        missing = self._dues.missing_days(self._rules.day, [one.job.meter for one in wanted])
        days = {one.job.meter: [*missing.get(one.job.meter, ()), self._rules.day] for one in wanted}
        tasks = self.prepare([replace(one, stretches=stretches_of(days[one.job.meter])) for one in wanted])
        self._unprepared = []
        return tasks

    def prepare(self, wanted: Sequence[Again]) -> list[Task]:
        """The visits of meters that are leased; those that may not be read today are settled at once."""
        now = int(self._wall())
        claims = [
            Wanted(
                ean=one.job.ean,
                date=local_day(now, one.job.timezone),
                meter=one.job.meter,
                visit=new_visit(),
                cause=one.code,
            )
            for one in wanted
        ]
        with writing(self._engine) as connection:
            self._claims.settle_within(connection, (), self._spared, at=now)
            verdicts = self._claims.open_within(
                connection, claims, self._partners, at=now, closed=self._opted_out(connection, claims)
            )
            refused = [
                Settled(
                    meter=one.job.meter, lease=one.job.lease, state=_state_of(verdict), code=verdict.value, counts=False
                )
                for one, verdict in zip(wanted, verdicts, strict=True)
                if not verdict.granted
            ]
            self._leases.settle_within(connection, self._rules.day, refused, at=now)
        self._reached(Step.CLAIMED)
        granted = [
            (one, claim) for one, claim, verdict in zip(wanted, claims, verdicts, strict=True) if verdict.granted
        ]
        self._spared = [claim for _, claim in granted]
        tasks = self._tasks(granted)
        self._spared = []
        self._reached(Step.RESERVED)
        return tasks

    def _opted_out(self, connection: Connection, batch: Sequence[Wanted]) -> Collection[str]:
        """Connections that are not read from afar, on the day that is wanted or by now: that may be said after planning."""
        first = min([self._rules.day, *(one.date for one in batch)])
        last = max([self._rules.day, *(one.date for one in batch)])
        return not_read(connection, first, last + timedelta(days=1), sorted({one.ean for one in batch}))

    def _partners(self, one: Wanted) -> Collection[str]:
        day = self._rules.day
        return [meter.meter for meter in self._registry.meters_of(one.ean, day, day + timedelta(days=1))]

    def _tasks(self, granted: Sequence[tuple[Again, Wanted]]) -> list[Task]:
        names = [one.job.meter for one, _ in granted]
        meters = {one.meter: one for one in self._registry.meters(names, self._rules.day)}
        keys = self._keyring.keys_of_many(names)
        layouts = self._visits.layouts_of(names)
        paces = self._visits.paces_of(names)
        drifts = self._visits.drifts_of(names)
        counters = self._reserve(meters, keys)
        tapes = {} if self._traces is None else self._traces.tapes(names, at=int(self._wall()))
        tasks, unfit = [], []
        for one, claim in granted:
            name = one.job.meter
            meter = meters.get(name)
            held = keys.get(name)
            open_to_all = meter is not None and meter.mechanism == NO_SECURITY and meter.policy == "none"
            if meter is None or (held is None and not open_to_all):
                code = "unknown-meter" if meter is None else "meter-without-keys"
                unfit.append((claim, Settled(meter=name, lease=one.job.lease, state=State.REFUSED, code=code)))
                continue
            leased = counters.get(name)
            if held is not None and leased is None:
                spent = Settled(meter=name, lease=one.job.lease, state=State.REFUSED, code=SPENT)
                unfit.append((claim, spent))
                continue
            tasks.append(
                Task(
                    job=one.job,
                    meter=meter,
                    companion=companions.load(meter.companion, self._registry.companion_folder),
                    claim=claim,
                    stretches=one.stretches,
                    credentials=Credentials(
                        own_title=self._own_title,
                        keys=None if held is None else held.session,
                        counters=leased,
                        reserved=None if leased is None else leased.reserved,
                    ),
                    layout=layouts.get(name),
                    tries=one.tries,
                    pace_s=paces.get(name),
                    drift_s=drifts.get(name),
                    tape=tapes.get(name),
                )
            )
        if unfit:
            now = int(self._wall())
            with writing(self._engine) as connection:
                self._claims.settle_within(connection, (), [claim for claim, _ in unfit], at=now)
                self._leases.settle_within(connection, self._rules.day, [one for _, one in unfit], at=now)
        return tasks

    def _reserve(self, meters: Mapping[str, Meter], keys: Mapping[str, MeterKeys]) -> dict[str, LeasedCounters]:
        names = [name for name in meters if name in keys]
        sources = [
            MeterCounters(
                self._keyring.counters,
                ek_fingerprint=keys[name].ek_fingerprint,
                own_title=self._own_title,
                meter_title=meters[name].system_title,
                wall=self._wall,
            )
            for name in names
        ]
        return self._leased(dict(zip(names, sources, strict=True)))

    def _leased(self, sources: Mapping[str, MeterCounters]) -> dict[str, LeasedCounters]:
        """The counters of each meter. One whose counters are spent is left out, found by halves since it is rare."""
        names = list(sources)
        try:
            leased = lease(self._keyring.counters, list(sources.values()), COUNTERS_A_VISIT)
        except StateError as error:
            if error.code != SPENT:
                raise
            if len(names) == 1:
                return {}
            half = len(names) // 2
            parts = (names[:half], names[half:])
            return {name: one for part in parts for name, one in self._leased({n: sources[n] for n in part}).items()}
        return dict(zip(names, leased, strict=True))

    # Taking back.

    def settle(self, batch: Sequence[Done]) -> Outcomes:
        """Write down a batch of visits and store what they brought; brought again, go on where it was broken off."""
        name = batch[0].task.claim.visit
        under_way = self._under_way.get(name) or self._judge(name, batch)
        judged = under_way.judged
        self._reached(Step.SPOOLED)
        if under_way.entries is None:
            under_way.entries = self._note(name, judged)
            self._reached(Step.NOTED)
        if under_way.appended is None and under_way.entries:
            under_way.appended = self._sink.append(name, under_way.entries)
            self._reached(Step.APPENDED)
        self._fulfil(under_way)
        self._reached(Step.FULFILLED)
        del self._under_way[name]
        return Outcomes(
            stored=sum(1 for one in judged if one.settled is None and one.again is None),
            again=tuple(one.again for one in judged if one.again is not None),
            refused=sum(1 for one in judged if one.settled is not None and one.settled.state is State.REFUSED),
            failed=sum(1 for one in judged if one.settled is not None and one.settled.state is State.FAILED),
        )

    def _judge(self, name: str, batch: Sequence[Done]) -> UnderWay:
        now = self._wall()
        judged = tuple(judge(one, self._rules, now=now, chance=self._chance) for one in batch)
        self._under_way[name] = UnderWay(name=name, judged=judged, judged_at=int(now))
        return self._under_way[name]

    def _note(self, name: str, batch: Sequence[Judged]) -> tuple[Entry, ...]:
        """The first step: the visits as they were, what was learned of the meters, and what is about to be stored."""
        now = int(self._wall())
        rows = [row for one in batch for row in one.days]
        traced = [] if self._traces is None else self._traces.write(self._visited(batch))
        with writing(self._engine) as connection:
            # A database that goes away in the middle of a commit does not say whether it made it.
            if not self._visits.is_recorded_within(connection, name):
                self._visits.record_within(connection, [self.record(one.done) for one in batch])
                self._learn(connection, batch, at=now)
                self._mark(connection, batch, at=now)
                unasked = [one.done.task.claim for one in batch if not one.done.asked]
                self._claims.settle_within(connection, (), unasked, at=now)
                settled = [one.settled for one in batch if one.settled is not None]
                self._leases.settle_within(connection, self._rules.day, settled, at=now)
                self._leases.mark_batch_within(connection, name, rows, at=now)
                if self._traces is not None:
                    self._traces.settle_within(connection, traced, at=now)
            return tuple(self._entries(connection, batch, at=now))

    def _visited(self, batch: Sequence[Judged]) -> list[Visited]:
        """The visits that were traced, with their tapes."""
        return [
            Visited(
                trace=task.tape.trace,
                visit=task.claim.visit,
                ean=task.meter.ean,
                started=int(visit.started.timestamp()),
                outcome=visit.outcome,
                days=(min(one.start for one in task.stretches), max(one.end for one in task.stretches)),
                recorded=task.tape.recorded(
                    transport=task.meter.transport, own_title=self._own_title, meter_title=task.meter.system_title
                ),
            )
            for task, visit in ((one.done.task, one.done.visit) for one in batch)
            if task.tape is not None
        ]

    def _fulfil(self, done: UnderWay) -> None:
        """The last step: that it is stored."""
        at = int(self._wall())
        with writing(self._engine) as connection:
            if done.entries:
                self._leases.store_batch_within(connection, done.name)
                fulfilled = [one.done.task.claim for one in done.judged if one.complete]
                self._claims.settle_within(connection, fulfilled, (), at=at)
                if done.appended is not None and done.appended.superseded:
                    self._remark(connection, done.appended, at=done.judged_at)
            self._leases.tidy_within(connection)

    def _entries(self, connection: Connection, batch: Sequence[Judged], *, at: int) -> list[Entry]:
        wanted = {
            (one.done.task.meter.ean, one.done.task.meter.meter, day.year)
            for one in batch
            for found in one.readings
            for day in (found.start, found.end - timedelta(days=1))
        }
        ids = self._ids.ids_of(connection, sorted(wanted)) if wanted else {}
        entries = []
        for one in batch:
            meter = one.done.task.meter
            for found in one.readings:
                for part in by_year(found, meter.timezone):
                    key = Link(meter.ean, meter.meter, part.start.year)
                    entries.append(Entry(id=ids[key], readings=part, timezone=meter.timezone, known_at=at))
        return entries

    def _learn(self, connection: Connection, batch: Sequence[Judged], *, at: int) -> None:
        heard = {}
        layouts: dict[str, Layout] = {}
        stale: list[str] = []
        drifts: list[tuple[str, float]] = []
        paces: dict[str, float] = {}
        for one in batch:
            if (pace_s := pace_of(one.done)) is not None:
                paces[one.done.task.meter.meter] = pace_s
            task, result, error = one.done.task, one.done.visit.result, one.done.visit.error
            counters = task.credentials.counters
            if isinstance(counters, LeasedCounters) and counters.heard >= 0:
                heard[counters.theirs] = counters.heard
            name = task.meter.meter
            if isinstance(error, WireError) and error.code in PROFILE_CODES and task.layout is not None:
                stale.append(name)
            elif result is not None and result.layout is not None and result.layout != task.layout:
                layouts[name] = result.layout
            left_s = None if result is None else result.left_s
            if left_s is not None and abs(left_s - (task.drift_s or 0)) >= DRIFT_STEP_S:
                drifts.append((name, left_s))
        self._keyring.counters.accepted_within(connection, heard)
        self._visits.save_layouts_within(connection, layouts, at=at)
        self._visits.forget_layouts_within(connection, stale)
        self._visits.save_drifts_within(connection, drifts, at=at)
        self._visits.save_paces_within(connection, paces, at=at)

    def _mark(self, connection: Connection, batch: Sequence[Judged], *, at: int) -> None:
        """Quarters in which a clock was set: they are fetched by a later visit, and whoever sees them then has to know."""
        marked = []
        for one in batch:
            result, meter = one.done.visit.result, one.done.task.meter
            if result is not None and result.clock is not None and result.clock.code in MARKED:
                day = local_day(result.clock.quarter, meter.timezone)
                marked.append((Link(meter.ean, meter.meter, day.year), day, result.clock))
        if not marked:
            return
        ids = self._ids.ids_of(connection, sorted({link for link, _, _ in marked}))
        rows = [
            {"reading": ids[link], "day": day, "code": clock.code, "reason": clock.reason, "at": at}
            for link, day, clock in marked
        ]
        connection.execute(insert(finding_table), rows)

    def record(self, done: Done) -> VisitRecord:
        """What is kept of a visit: codes and counts, never a reading."""
        task, visit = done.task, done.visit
        result = visit.result
        found = visit.findings if result is None else visit.findings + result.findings
        detail: dict[str, object] = {
            "days": [f"{one.start}/{one.end}" for one in task.stretches],
            "try": task.tries + 1,
            "sent": visit.traffic.bytes_sent,
            "received": visit.traffic.bytes_received,
            "messages": visit.traffic.messages_sent,
        }
        if result is not None and result.drift_s is not None:
            detail["drift_s"] = round(result.drift_s, 1)
        if result is not None and result.clock is not None and result.clock.after_s is not None:
            detail["drift_after_s"] = round(result.clock.after_s, 1)
        if found:
            detail["findings"] = [{"code": one.code, "start": one.start, "end": one.end} for one in found]
        return VisitRecord(
            id=task.claim.visit,
            meter=task.meter.meter,
            ean=task.meter.ean,
            date=task.claim.date,
            started=visit.started,
            ended=visit.ended,
            outcome="not-closed-yet" if result is not None and result.too_early else visit.outcome,
            asked=done.asked,
            purpose=self._rules.purpose,
            reason=self._rules.reason,
            actor=self._rules.actor,
            detail=detail,
        )

    def _remark(self, connection: Connection, appended: Appended, *, at: int) -> None:
        """A value that differs from one that was stored: a new version, and a finding."""
        rows = []
        for identity, day in appended.superseded:
            reason = "the meter now says something else than was stored before; both versions are kept"
            rows.append({"reading": identity, "day": day, "code": "differing-value", "reason": reason, "at": at})
        # A database that went away while it committed may have them already.
        first = {name: rows[0][name] for name in ("reading", "day", "code", "at")}
        if connection.execute(select(finding_table.c.id).filter_by(**first)).first() is None:
            connection.execute(insert(finding_table), rows)

    # Keeping.

    def give_back(self, jobs: Sequence[Job], unasked: Sequence[Wanted] = (), later: Sequence[Again] = ()) -> None:
        """Meters that this process will not visit any more are for others; those of ``later`` not before their time."""
        now = int(self._wall())
        jobs = [*jobs, *(one.job for one in self._unprepared)]
        waiting = [(job, State.RETRY if job.attempts else State.WAITING, now) for job in jobs]
        waiting += [(one.job, State.RETRY, int(one.at)) for one in later]
        settled = [
            Settled(meter=job.meter, lease=job.lease, state=state, code="", next_at=next_at, counts=False)
            for job, state, next_at in waiting
        ]
        with writing(self._engine) as connection:
            self._leases.settle_within(connection, self._rules.day, settled, at=now)
            self._claims.settle_within(connection, (), [*unasked, *self._spared], at=now)
            self._leases.tidy_within(connection)
        self._unprepared, self._spared = [], []

    def look(self) -> tuple[float | None, int]:
        """When the next meter may be tried (None: none waits), and how many are leased by whomever.

        What lost processes held is taken over first.
        """
        now = int(self._wall())
        self._leases.take_over(self._rules.day, now=now, is_stored=self._sink.has)
        return self._leases.next_at(self._rules.day, at_once=self._rules.at_once)

    def renew(self) -> frozenset[str]:
        """Say that this process is still there, and take over from those that are not; the leases that were taken from us."""
        now = int(self._wall())
        lost = self._leases.renew(now=now)
        self._leases.take_over(self._rules.day, now=now, is_stored=self._sink.has)
        return lost
