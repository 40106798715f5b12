"""A night over the whole fleet: planned, carried out by processes of its own, and told about while it runs."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date, timedelta
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from kwartier import clock
from kwartier.collect.claims import Claims
from kwartier.collect.due import BUFFER_DAYS, Counts, Dues, Kind, Window
from kwartier.collect.host_clock import HostClock
from kwartier.collect.lease import Leases, is_gone
from kwartier.cosem import companion as companions
from kwartier.errors import InputError, StateError
from kwartier.gate.policy import Asking, Scope
from kwartier.gate.purposes import Source
from kwartier.model import Meter
from kwartier.service.alerting.lookout import Lookout
from kwartier.service.alerting.watch import Watch, usable_webhook
from kwartier.service.home import Home
from kwartier.service.host_time import host_clock, steady_s, wall_of
from kwartier.service.worker import Orders, work

MAX_STARTS = 5
"""How often a process that ended too soon is started again, all of them together."""
POLL_S = 0.25
PLANNED_AT_ONCE = 1_000
STARTER = "KWARTIER_STARTED_BY"
"""In the environment: the process, named as leases name them, with which this night ends; see ``night_control.py``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Which day, by how many processes, and whether the window is waited for."""

    day: date
    workers: int
    at_once: bool
    actor: Asking
    reason: str = ""
    deadline_s: float | None = None
    """The total time of a visit; None: as the settings say."""
    ahead_s: float = 0.0
    """How far the clock of the night is ahead of this host's: below 0 for a night before this one, of simulated meters."""


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a run is: what its processes said last."""

    due: int
    already: int
    """What was settled before this run."""
    stored: int = 0
    refused: int = 0
    failed: int = 0
    open: int = 0
    most_open: int = 0
    tries: int = 0
    away: str = ""
    """What is waited for, by the code of an error: no visit begins meanwhile."""
    waiting: int = 0


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    report: Connection
    told: dict[str, int] = field(default_factory=dict)
    away: str = ""
    complaint: str | None = None
    ended: bool = False


def yesterday(now: float, timezone: str) -> date:
    """The last local day that is over where ``timezone`` holds."""
    return clock.local_day(int(now), timezone) - timedelta(days=1)


def plan(home: Home, request: Request, *, now: float) -> int:
    """Make every meter due, once, that is at a connection on the day and may be read; how many there are.

    Raises ``InputError``, and ``Denied`` where the purpose of nights does not allow it: then no meter is asked.
    """
    day = request.day
    demand_time(home, day, at_once=request.at_once, now=now)
    purpose, scope = home.settings.night_purpose, scope_of(home, day)
    grant = home.gate_at(lambda: now).open(actor=request.actor, purpose=purpose, reason=reason_of(request), scope=scope)
    dues = Dues(home.engine, home.settings.dso)
    names: dict[str, Kind] = {}

    def meters() -> Iterator[Meter]:
        for meter in home.registry.on_day(day):
            if not grant.may_read(meter.ean):
                continue
            if meter.companion not in names:
                loaded = companions.load(meter.companion, home.companion_folder)
                names[meter.companion] = Kind(capture_delay_s=loaded.quarter.capture_delay_s)
            yield meter

    due = dues.plan(
        day,
        meters(),
        kinds=names,
        talks=lambda chunk: home.registry.kinds(chunk, day),
        drifts=home.visits.all_drifts(),
        window=Window(opens=home.settings.window_opens, closes=home.settings.window_closes),
        at=int(now),
        purpose=purpose,
        actor=request.actor.name,
    )
    dues.reopen(day)
    return due


def demand_time(home: Home, day: date, *, at_once: bool, now: float) -> None:
    """Raise ``InputError`` day-not-over, window-over where it is too early or too late for the night of a day."""
    if now < clock.midnight(day + timedelta(days=1), home.settings.timezone) and at_once:
        raise InputError("day-not-over", f"{day} ends at its midnight, and it is not there yet")
    if not at_once and now >= _closes(home, day):
        raise InputError(
            "window-over", f"the window of {day} closed at {home.settings.window_closes:%H:%M} the day after"
        )


def scope_of(home: Home, day: date) -> Scope:
    """What the night of a day asks for: it also fetches what is missing of the days that buffers still hold."""
    return Scope(
        start=day - timedelta(days=BUFFER_DAYS),
        end=day + timedelta(days=1),
        source=Source.METER,
        use_case=home.settings.night_use_case,
    )


def _closes(home: Home, day: date) -> int:
    window = Window(opens=home.settings.window_opens, closes=home.settings.window_closes)
    return window.closes_at(day, home.settings.timezone)


def run(
    home: Home,
    request: Request,
    *,
    show: Callable[[Progress], None],
    say: Callable[[str], None],
    told: list[int] | None = None,
) -> Counts:
    """Plan the night and carry it out; how it stands afterwards.

    ``told``: one number, how often the night was told to end, for who runs it in a thread; None: SIGTERM and SIGINT tell it.

    Raises ``InputError``, and ``StateError``: worker-failed, host-clock.
    """
    host = host_clock(wall_of(request.ahead_s), demanding=home.settings.synchronised_clock)
    due = plan(home, request, now=host.wall())
    dues = Dues(home.engine, home.settings.dso)
    before = dues.counts(request.day)
    progress = Progress(due=due, already=before.due - before.open)
    show(progress)
    if before.open:
        ending = told_to_end() if told is None else nullcontext(told)
        with watching(home, request, host.wall, say) as watch, ending as count:
            _supervise(orders_of(home, request), request.workers, host, progress, show, say, watch, count)
    # By the time that was counted, whatever the system's clock has come to say.
    if not request.at_once and host.wall() >= _closes(home, request.day):
        dues.close(request.day, at=int(host.wall()))
    return dues.counts(request.day)


def watching(home: Home, request: Request, wall: Callable[[], float], say: Callable[[str], None]) -> Watch:
    """Who looks at the night while it runs."""
    closes_at = None if request.at_once else _closes(home, request.day)
    webhook = usable_webhook(home, wall, say)
    lookout = Lookout(home, request.day, closes_at=closes_at, steady=steady_s)
    return Watch(home, lookout, webhook=webhook, wall=wall, steady=steady_s, say=say)


def reason_of(request: Request) -> str:
    """Why, as it is written down."""
    return request.reason or f"night of {request.day}"


def orders_of(home: Home, request: Request) -> Orders:
    """What the processes of the night are told."""
    return Orders(
        home=home.path,
        day=request.day,
        at_once=request.at_once,
        purpose=home.settings.night_purpose,
        reason=reason_of(request),
        actor=request.actor.name,
        until=None if request.at_once else float(_closes(home, request.day)),
        processes=max(1, request.workers),
        deadline_s=request.deadline_s,
        ahead_s=request.ahead_s,
    )


def _supervise(
    orders: Orders,
    count: int,
    host: HostClock,
    progress: Progress,
    show: Callable[[Progress], None],
    say: Callable[[str], None],
    watch: Watch,
    told: list[int],
) -> None:
    """Start the processes, start again those that were lost, and pass on when we are told to end."""
    workers = [_start(orders) for _ in range(count)]
    passed_on = starts = 0
    in_doubt = False
    try:
        while any(not one.ended for one in workers):
            _listen(workers)
            _end_with_starter(told, say)
            in_doubt = doubts(host, in_doubt, say)
            watch.doubts_clock(host.why if in_doubt else "")
            while passed_on < told[0]:
                passed_on += 1
                for one in workers:
                    if one.process.is_alive():
                        one.process.terminate()
            for place, one in enumerate(workers):
                # Whoever is started while the clock is in doubt would take it for right.
                if one.ended or one.process.is_alive() or (in_doubt and not told[0]):
                    continue
                one.process.join()
                _listen([one])
                one.ended = True
                if one.process.exitcode == 0 or told[0]:
                    continue
                say(one.complaint or f"a process of the night was lost (exit code {one.process.exitcode})")
                starts += 1
                if starts > MAX_STARTS:
                    raise StateError("worker-failed", f"{starts} processes of the night were lost")
                workers[place:place] = [_start(orders)]
            _sum_up(workers, progress)
            show(progress)
    finally:
        for one in workers:
            if one.process.is_alive():
                one.process.terminate()
        for one in workers:
            one.process.join()
            one.report.close()


def doubts(host: HostClock, doubted: bool, say: Callable[[str], None]) -> bool:
    """Whether this host's clock is in doubt, and say so when that changes. Raises ``StateError`` host-clock."""
    waits = host.waits()
    if waits != doubted:
        say(f"{host.why}: no visit begins" if waits else "the clock of this host is right again: visits go on")
    return waits


def _start(orders: Orders) -> _Worker:
    # Started anew and not forked: the store's library does not survive a fork.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(orders, theirs), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _listen(workers: list[_Worker]) -> None:
    """Take what the processes say, and wait a little where nobody says anything."""
    by_pipe = {one.report: one for one in workers if not one.report.closed and not one.ended}
    for pipe in wait(list(by_pipe), timeout=POLL_S):
        if not isinstance(pipe, Connection):
            continue
        one = by_pipe[pipe]
        try:
            while pipe.poll():
                said = pipe.recv()
                if isinstance(said, dict):
                    one.away = str(said.pop("away", ""))
                    one.told = said
                elif isinstance(said, str):
                    one.complaint = said
        except (EOFError, OSError):
            one.process.join(timeout=POLL_S)


def _sum_up(workers: list[_Worker], progress: Progress) -> None:
    for name in ("stored", "refused", "failed", "open", "most_open", "tries", "waiting"):
        setattr(progress, name, sum(one.told.get(name, 0) for one in workers))
    progress.away = next((one.away for one in workers if one.away and not one.ended), "")


def _end_with_starter(told: list[int], say: Callable[[str], None]) -> None:
    """Take it for an order to end when another process started this night to end with it, and is there no more."""
    name = os.environ.get(STARTER, "")
    if name and not told[0] and is_gone(name):
        say("whoever started this night is gone: it ends")
        told[0] += 1


@contextmanager
def told_to_end() -> Iterator[list[int]]:
    """How often we were told to end, while the block runs."""
    told = [0]

    def note(*_: object) -> None:
        told[0] += 1

    before = {one: signal.signal(one, note) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield told
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def stands(home: Home, day: date) -> tuple[Counts, bool] | None:
    """How the night of ``day`` stands and whether somebody is at it; None where there was no such night."""
    dues = Dues(home.engine, home.settings.dso)
    if not dues.planned(day):
        return None
    return dues.counts(day), Leases(home.engine, Claims(home.engine)).held(day)
