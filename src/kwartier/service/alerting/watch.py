"""Somebody who looks at a night from beside it, writes down what has to be known, and tells it.

A watch has a thread of its own in the process that started the night: however long a look or a delivery takes, and whatever
goes wrong with it, no visit waits for it. What it cannot deliver stays on record, and the next who looks delivers it.
"""

import os
import threading
from collections.abc import Callable, Sequence
from datetime import date
from typing import Protocol

from kwartier.errors import InputError, KwartierError, Retry
from kwartier.service.alerting import record
from kwartier.service.alerting.conditions import MAX_SUBJECT, Code, Found
from kwartier.service.alerting.lookout import Look, Lookout
from kwartier.service.alerting.record import ENDED, OPENED, Alert, Alerts, Notice
from kwartier.service.alerting.webhook import Pause, Webhook, secret_of
from kwartier.service.home import Home
from kwartier.service.host_time import steady_s

LOOK_S = 60.0
"""How long after a look it looks again."""
AWAY_LOOKS = 2
"""With the database away at so many looks, one after the other, that is told without it."""
LAST_TRIES_S = 20.0
"""For so long it tries to deliver what is left when a night ends."""
ON_HOST = frozenset({Code.HOST_CLOCK, Code.DATABASE_AWAY})
"""What only this process knows."""


class Looks(Protocol):
    """Who finds out which conditions hold."""

    def look(self, *, now: float) -> Look:
        """Every condition that can be looked for."""
        ...


class Watch:
    """Looks, writes down and tells. ``wall`` gives UTC seconds, ``steady`` those of a clock that nobody sets."""

    def __init__(
        self,
        home: Home,
        lookout: Looks,
        *,
        webhook: Webhook | None,
        wall: Callable[[], float],
        steady: Callable[[], float],
        say: Callable[[str], None],
        knows: frozenset[Code] = ON_HOST,
    ) -> None:
        self._lookout = lookout
        self._webhook = webhook
        self._wall = wall
        self._steady = steady
        self._say = say
        self._knows = knows
        self._book = Alerts(home.engine)
        self._file = home.path / record.FILE_NAME
        self._source = home.settings.client_system_title.upper()
        self._doubt = ""
        self._pause = Pause()
        self._next_look_s = self._steady()
        self._away_looks = 0
        self._away: Alert | None = None
        self._loose: list[Notice] = []
        """What could not be written down, and is still to be delivered."""
        self._told = ""
        """The id of what was told without the database."""
        self._complained = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def doubts_clock(self, why: str) -> None:
        """Why the clock of this host is in doubt; empty: it is not."""
        self._doubt = why

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._ended.wait(self.step()):
                continue
            self._next_look_s = self._steady()
            until_s = self._next_look_s + LAST_TRIES_S
            self.step()
            self.deliver_until(until_s, lambda pause_s: threading.Event().wait(pause_s))
        except Exception as error:  # noqa: BLE001 - whoever watches must not end the night, whatever is wrong with it
            self._say(f"no more alerts are looked for: {type(error).__name__}")

    def step(self) -> float:
        """Look if it is time to, and deliver what may be delivered; how many seconds until there is something to do."""
        if self._steady() >= self._next_look_s:
            self.look()
            self._next_look_s = self._steady() + LOOK_S
        waits = self.deliver()
        now_s = self._steady()
        rest_s = self._next_look_s - now_s
        return max(0.0, min(rest_s, self._pause.left_s(now_s)) if waits else rest_s)

    def look(self) -> None:
        """Find out what holds, write it down and tell it."""
        at = int(self._wall())
        try:
            seen = self._lookout.look(now=self._wall())
            found = [*seen.found, *self._of_this_host()]
            self._book.update(found, seen.codes | self._knows, at=at, tell=self._tell)
        except KwartierError as error:
            if error.retry is not Retry.LATER:
                self._complain(error.sentence())
                return
            self._is_away(at)
        else:
            self._away_looks, self._away = 0, None

    def _of_this_host(self) -> list[Found]:
        found = []
        if self._doubt:
            found.append(Found(code=Code.HOST_CLOCK, subject=os.uname().nodename[:MAX_SUBJECT], text=self._doubt))
        if self._away is not None:
            # It answers again. What was told without it is written down now, under the same id.
            away = self._away
            found.append(Found(code=Code.DATABASE_AWAY, subject=away.subject, text=away.text, since=away.at))
        return found

    def _is_away(self, at: int) -> None:
        self._away_looks += 1
        if self._away_looks < AWAY_LOOKS or self._away is not None:
            return
        text = f"it did not answer at {AWAY_LOOKS} looks, one after the other"
        code, subject = Code.DATABASE_AWAY.value, "database"
        self._away = Alert(number=0, at=at, code=code, subject=subject, text=text, ended_at=None)
        notice = Notice(kind=OPENED, alert=self._away, number=None)
        self._tell([notice])
        self._loose, self._told = [notice], notice.id

    def _tell(self, notices: Sequence[Notice]) -> None:
        notices = [one for one in notices if one.id != self._told]
        for one in notices:
            alert = one.alert
            said = "is over" if one.kind == ENDED else alert.text
            self._say(f"alert {alert.code}, {alert.subject}: {said}")
        try:
            record.append(self._file, [one.body(self._source) for one in notices])
        except OSError as error:
            self._complain(f"{self._file.name} cannot be written: {error.strerror}")

    def deliver(self) -> bool:
        """Send what waits, unless it has to be left alone for a while; whether something still waits."""
        webhook = self._webhook
        if webhook is None:
            return False
        if self._pause.left_s(self._steady()) > 0:
            return True
        try:
            waiting = self._book.unposted(now=int(self._wall()))
        except KwartierError:
            waiting = []
        for one in [*self._loose, *waiting]:
            if why := webhook.post(one.id, one.body(self._source)):
                self._pause.failed(self._steady())
                self._complain(f"an alert was not delivered, and will be tried again: {why}")
                return True
            self._pause.worked()
            self._complained = ""
            if one.number is None:
                self._loose = []
                continue
            try:
                self._book.posted(one)
            except KwartierError:
                # It will be sent again, under the same id.
                self._pause.failed(self._steady())
                return True
        return False

    def deliver_until(self, until_s: float, wait: Callable[[float], object]) -> None:
        """Try to send what is left, for a while; ``wait`` sleeps for some seconds."""
        while self.deliver():
            now_s = self._steady()
            pause_s = self._pause.left_s(now_s)
            if not pause_s or now_s + pause_s > until_s:
                return
            wait(pause_s)

    def _complain(self, text: str) -> None:
        """Say what is wrong with telling, once."""
        if text != self._complained:
            self._complained = text
            self._say(text)


def webhook_of(home: Home, wall: Callable[[], float]) -> Webhook | None:
    """The webhook that the settings name. Raises ``InputError``: bad-webhook, no-webhook-secret and the like."""
    url = home.settings.alert_webhook
    return Webhook(url, secret_of(home.vault_folder), wall=wall) if url else None


def usable_webhook(home: Home, wall: Callable[[], float], say: Callable[[str], None]) -> Webhook | None:
    """The same, for whom a webhook that cannot be used is no reason to stop: it is said, and there is none."""
    try:
        return webhook_of(home, wall)
    except InputError as error:
        say(error.sentence())
        return None


def look_now(home: Home, day: date, *, wall: Callable[[], float], say: Callable[[str], None]) -> list[Alert]:
    """Look once, with no night running or beside one: what is open then, and what was in the last days."""
    lookout = Lookout(home, day, closes_at=None, steady=steady_s, thorough=True)
    webhook = usable_webhook(home, wall, say)
    watch = Watch(home, lookout, webhook=webhook, wall=wall, steady=steady_s, say=say, knows=frozenset())
    watch.look()
    watch.deliver_until(steady_s() + LAST_TRIES_S, lambda pause_s: threading.Event().wait(pause_s))
    return Alerts(home.engine).recent(now=int(wall()))
