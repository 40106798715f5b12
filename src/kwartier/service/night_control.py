"""A night that somebody starts, stops and resumes from beside: a process of its own, one at a time, and never left alone.

What is carried out is ``kwartier night run`` and nothing else, so that a night from a console is a night from the command line.
Which process that is stands in a file of the home, with the moment at which it was started, so a number that the system gave to
another process since is not taken for it. The night ends with whoever started it: it looks for its starter, and drains when
that is gone.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import IO, Protocol

from sqlalchemy import select

from kwartier.collect.due import OPEN, Dues, State
from kwartier.collect.lease import holder, is_gone
from kwartier.database import reading
from kwartier.disk import PRIVATE_FILE
from kwartier.errors import Denied, InputError, StateError
from kwartier.gate.policy import Asking
from kwartier.service.home import Home
from kwartier.service.night import STARTER, demand_time, scope_of
from kwartier.tables import dues, leases

FILE_NAME = "night-run.json"
LOCK_NAME = "night-run.lock"
LOG_NAME = "night-run.log"
MAX_WORKERS = 64
DRAINS_S = 2.0
"""For so long open visits may end when everything has to; then they are broken off,"""
ENDS_S = 3.5
"""and what is left after so long is killed,"""
KILLED_S = 4.0
"""which takes no longer than until then."""
SHOWN_BYTES, SHOWN_LINES = 4_096, 12
"""How much of what a run printed is shown."""
POLL_S = 0.05
MAX_LOG_BYTES = 1 << 20
"""A log of a run that is longer when the next one starts is begun anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be carried out."""

    day: date
    workers: int = 1
    at_once: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A night that was started here. ``process``: its name, as in leases; ``stopping_at``: when it was told to end (UTC s).

    ``exit_code``: how it ended, where this process saw that; below 0: by a signal.
    """

    day: date
    workers: int
    at_once: bool
    reason: str
    actor: str
    process: str
    started_at: int
    stopping_at: int | None = None
    stopped_by: str = ""
    stopping_reason: str = ""
    exit_code: int | None = None

    @property
    def pid(self) -> int:
        """Its number."""
        return int(self.process.split(":")[1])

    @property
    def is_running(self) -> bool:
        """Whether it is there. Of what had ended before it could be looked at nobody knows when it was started."""
        return not self.process.endswith(":") and not is_gone(self.process)


@dataclass(frozen=True, slots=True, kw_only=True)
class May:
    """Whether something may be done now, and if not, why not: the code of an error."""

    allowed: bool
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """What may be done with the night of a day. ``last``: the last run that was started here, of whatever day."""

    day: date
    start: May
    stop: May
    resume: May
    last: Run | None


class Child(Protocol):
    """A process that we started, as far as it has to be waited for."""

    pid: int

    def poll(self) -> int | None:
        """Its exit code, once it has ended."""
        ...


class NightControl:
    """Starts, stops and resumes nights of a home. ``wall`` gives UTC seconds."""

    def __init__(self, home: Home, *, wall: Callable[[], float] = time.time) -> None:
        self._home = home
        self._wall = wall
        self._children: dict[str, Child] = {}
        self._codes: dict[str, int] = {}
        self._is_closed = False

    def last(self) -> Run | None:
        """The run that was started last, by whichever process of this host."""
        self._reap()
        try:
            row = json.loads((self._home.path / FILE_NAME).read_text("utf-8"))
            run = Run(**{**row, "day": date.fromisoformat(row["day"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return replace(run, exit_code=self._codes.get(run.process))

    def said(self) -> tuple[str, ...]:
        """The last lines that runs have printed."""
        try:
            with (self._home.path / LOG_NAME).open("rb") as log:
                log.seek(-min(SHOWN_BYTES, log.seek(0, os.SEEK_END)), os.SEEK_END)
                return tuple(log.read().decode("utf-8", "replace").splitlines()[-SHOWN_LINES:])
        except OSError:
            return ()

    def controls(self, day: date, actor: Asking) -> Controls:
        """What ``actor`` may do with the night of a day now."""
        last = self.last()
        here = last if last is not None and last.is_running else None
        refused = self._refusal(day, actor)
        busy = "night-running" if here is not None or self._at_work(day) else ""
        planned, left = self._planned(day), self._is_left(day)
        start = refused or busy or ("night-planned" if planned else "")
        resume = refused or busy or ("" if planned else "no-such-night") or ("" if left else "night-done")
        stop = refused or ("" if here is not None and here.day == day else "night-not-running")
        return Controls(day=day, start=_may(start), stop=_may(stop), resume=_may(resume), last=last)

    def start(self, order: Order, actor: Asking) -> Run:
        """Start a night that there was not yet.

        Raises ``StateError`` night-running, night-planned, server-ends; ``InputError`` day-not-over, window-over; ``Denied`` as
        the gate does, for whom nights are not.
        """
        return self._begin(order, actor, anew=True)

    def resume(self, order: Order, actor: Asking) -> Run:
        """Go on with a night: what was stored of it is not read again.

        Raises ``StateError`` night-running, night-done; ``InputError`` no-such-night and the others as :meth:`start`.
        """
        return self._begin(order, actor, anew=False)

    def _begin(self, order: Order, actor: Asking, *, anew: bool) -> Run:
        day = order.day
        self._demand(day, actor)
        demand_time(self._home, day, at_once=order.at_once, now=self._wall())
        with self._locked():
            if self._is_closed:
                raise StateError("server-ends", "this server has been told to end")
            last = self.last()
            if last is not None and last.is_running:
                raise StateError("night-running", f"process {last.pid} carries out the night of {last.day}")
            if self._at_work(day):
                raise StateError("night-running", f"processes that were started elsewhere are at work on {day}")
            if anew and self._planned(day):
                raise StateError("night-planned", f"there is a night of {day} already")
            if not anew and not self._planned(day):
                raise InputError("no-such-night", f"there was no night for {day}")
            if not anew and not self._is_left(day):
                raise StateError("night-done", f"nothing is left of the night of {day}")
            child = self._spawn(order, actor)
            run = Run(
                day=day,
                workers=order.workers,
                at_once=order.at_once,
                reason=order.reason,
                actor=actor.name,
                process=holder(child.pid),
                started_at=int(self._wall()),
            )
            self._children[run.process] = child
            self._write(run)
        return run

    def stop(self, actor: Asking, *, reason: str = "") -> Run:
        """Tell the night to end: it begins nothing more, stores what it has and gives the rest back. Told again, it breaks off.

        A reason is written down as a look of that night would be, after the night was told: that waits for nothing.

        Raises ``StateError`` night-not-running; ``Denied`` as :meth:`start`.
        """
        with self._locked():
            last = self.last()
            if last is None or not last.is_running:
                raise StateError("night-not-running", "no night that was started here is under way")
            self._demand(last.day, actor)
            stopping = last
            if last.stopping_at is None:
                stopping = replace(last, stopping_at=int(self._wall()), stopped_by=actor.name, stopping_reason=reason)
                self._write(stopping)
            _signal(last, signal.SIGTERM)
        if reason:
            purpose, scope = self._home.settings.night_purpose, scope_of(self._home, last.day)
            self._home.gate_at(self._wall).open(actor=actor, purpose=purpose, scope=scope, reason=f"stopped: {reason}")
        return stopping

    def close(self) -> None:
        """End the night that this process started, within :data:`ENDS_S` seconds, and leave none of its processes behind.

        From then on it starts none.
        """
        with self._locked():
            self._is_closed = True
            last = self.last()
            if last is None or last.process not in self._children:
                return
            begun_s = time.monotonic()
            for until_s, told in ((DRAINS_S, signal.SIGTERM), (ENDS_S, signal.SIGTERM), (KILLED_S, signal.SIGKILL)):
                _signal(last, told)
                while last.process in self._children and time.monotonic() - begun_s < until_s:
                    time.sleep(POLL_S)
                    self._reap()

    def _reap(self) -> None:
        """Learn how our children ended: until somebody asks the system keeps their remains."""
        for process, child in list(self._children.items()):
            code = child.poll()
            if code is not None:
                self._codes[process] = code
                self._children.pop(process, None)

    def _demand(self, day: date, actor: Asking) -> None:
        refused = self._refusal(day, actor)
        if refused:
            raise Denied(refused, f"nights are not for {actor.name}")

    def _planned(self, day: date) -> bool:
        return Dues(self._home.engine, self._home.settings.dso).planned(day)

    def _refusal(self, day: date, actor: Asking) -> str:
        """Why the gate would not let ``actor`` carry out the night of a day; empty: it would."""
        purpose, scope = self._home.settings.night_purpose, scope_of(self._home, day)
        verdict = self._home.gate_at(self._wall).explain(actor=actor, purpose=purpose, scope=scope)
        return "" if verdict.allowed else verdict.rule

    def _at_work(self, day: date) -> bool:
        """Whether some process, wherever it was started, is at work on a day."""
        now = int(self._wall())
        query = select(leases.c.holder).where(leases.c.day == day, leases.c.expires_at >= now).distinct()
        with reading(self._home.engine) as connection:
            return any(not is_gone(name) for name in connection.execute(query).scalars())

    def _is_left(self, day: date) -> bool:
        """Whether a run of a day would find something to do."""
        left = (*OPEN, State.FAILED, State.REFUSED)  # who was refused is tried again when keys were changed since
        dso = self._home.settings.dso
        query = select(dues.c.meter).where(dues.c.day == day, dues.c.state.in_(left))
        query = query.where(dues.c.dso == dso) if dso else query
        with reading(self._home.engine) as connection:
            return connection.execute(query.limit(1)).first() is not None

    def _spawn(self, order: Order, actor: Asking) -> Child:
        words = ["night", "run", "--date", f"{order.day}", "--workers", f"{min(order.workers, MAX_WORKERS)}"]
        words += ["--now"] if order.at_once else []
        words += ["--reason", f"{order.reason or 'no reason given'} (started by {actor.name})"]
        environment = {**os.environ, STARTER: holder(), "PYTHONUNBUFFERED": "1"}
        with self._log() as log:
            return subprocess.Popen(
                [sys.executable, "-m", "kwartier", "--home", f"{self._home.path}", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                process_group=0,
            )

    def _log(self) -> IO[bytes]:
        path = self._home.path / LOG_NAME
        long = path.exists() and path.stat().st_size > MAX_LOG_BYTES
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if long else os.O_APPEND)
        return os.fdopen(os.open(path, flags, PRIVATE_FILE), "ab")

    def _write(self, run: Run) -> None:
        path = self._home.path / FILE_NAME
        beside = path.with_suffix(".new")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE), "w") as out:
            json.dump(_row(run), out)
        beside.replace(path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process of this host at a time."""
        descriptor = os.open(self._home.path / LOCK_NAME, os.O_WRONLY | os.O_CREAT, PRIVATE_FILE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _may(code: str) -> May:
    return May(allowed=not code, code=code)


def _row(run: Run) -> dict[str, str | int | bool | None]:
    return {**asdict(run), "day": f"{run.day}", "exit_code": None}


def _signal(run: Run, told: signal.Signals) -> None:
    """To the run itself, which passes it on to its processes; what kills goes to all of them."""
    with contextlib.suppress(ProcessLookupError):
        if told is signal.SIGKILL:
            os.killpg(run.pid, told)
        elif run.is_running:
            os.kill(run.pid, told)
