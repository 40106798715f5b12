"""What goes on behind the console of a demonstration: the night before last, read and settled; then last night, while you look.

The first night is over in seconds, by a clock that is a day behind, so that no connection is read twice on one day. The second
one is real in every respect: it is started as an operator starts it, spread over its window, and may be stopped, resumed and
broken from the console; whenever it has done what it can, what came is validated, settled and told to the market.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from kwartier.clock import local_day, zone
from kwartier.collect.due import Dues, Window
from kwartier.errors import KwartierError, StateError
from kwartier.export.formats import FORMATS
from kwartier.service.demo.living import REASON, VISIT_DEADLINE_S, Demonstration, Living
from kwartier.service.demo.settled_day import say_market
from kwartier.service.exporting.outbox import OUTBOX
from kwartier.service.exporting.run import export
from kwartier.service.identity import actor
from kwartier.service.night import Progress, yesterday
from kwartier.service.night_control import NightControl, Order
from kwartier.service.settings import ENV_PREFIX
from kwartier.service.settling import run as settling
from kwartier.service.settling.due import due
from kwartier.service.validating.due import validate_due
from kwartier.simulate.trouble import CALM, Trouble

ONE_DAY = timedelta(days=1)
WINDOW = timedelta(minutes=8)
"""How long the night takes that one looks at."""
WORKERS = 2
LOOKS_EVERY_S = 0.5
BREAKS_OFF_S = 0.5
"""After so long what drains is told to break off."""
ENDS_S = 3.0
MINUTE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Who is told what goes on: sentences, how far the first night is, how it went, and what went wrong."""

    say: Callable[[str], None]
    show: Callable[[Progress], None]
    read: Callable[[Demonstration], None]
    failed: Callable[[KwartierError], None]


def night_settings(now: float, timezone: str) -> dict[str, str]:
    """Settings for a night that begins now, by their names in the environment; empty where it would go over midnight."""
    opens = datetime.fromtimestamp(now // MINUTE_S * MINUTE_S, zone(timezone))
    closes = opens + WINDOW
    window = Window(opens=opens.time(), closes=closes.time())
    day = opens.date() - ONE_DAY
    # Where clocks go back an hour is there twice, and a window means the first.
    if closes.date() != opens.date() or window.closes_at(day, timezone) <= now:
        return {}
    return {
        f"{ENV_PREFIX}WINDOW_OPENS": f"{window.opens:%H:%M}",
        f"{ENV_PREFIX}WINDOW_CLOSES": f"{window.closes:%H:%M}",
        f"{ENV_PREFIX}VISIT_DEADLINE_S": f"{VISIT_DEADLINE_S}",
    }


def behind_s(now: float, timezone: str) -> float:
    """How far a clock is ahead (so below 0) that shows the same time on the local day before."""
    local = datetime.fromtimestamp(now, zone(timezone))
    before = datetime.combine(local.date() - ONE_DAY, local.time(), tzinfo=zone(timezone))
    return before.astimezone(UTC).timestamp() - now


class Story:
    """It goes on in a thread of its own until it is told to end. ``wall`` gives UTC seconds."""

    def __init__(
        self, living: Living, control: NightControl, told: Told, *, wall: Callable[[], float] = time.time
    ) -> None:
        self._living = living
        self._control = control
        self._told = told
        self._wall = wall
        self._thread = threading.Thread(target=self._goes_on, name="story", daemon=True)
        self._ended = threading.Event()
        self._night_told = [0]
        self.is_right = True
        """Whether nothing that was found so far is wrong, and nothing failed."""

    def begin(self) -> None:
        """It goes on from now on."""
        self._thread.start()

    def end(self) -> None:
        """It ends as soon as it can, and is waited for a while: a night of its own breaks off what is open."""
        self._ended.set()
        for wait_s in (BREAKS_OFF_S, ENDS_S):
            self._night_told[0] += 1
            if self._thread.is_alive():
                self._thread.join(wait_s)

    def _goes_on(self) -> None:
        try:
            self._tell()
        except KwartierError as error:
            if not self._ended.is_set():
                self.is_right = False
                self._told.failed(error)

    def _tell(self) -> None:
        living, timezone = self._living, self._living.home.settings.timezone
        day = yesterday(self._wall(), timezone)
        ahead_s = behind_s(self._wall(), timezone)
        living.fleet.meet(Trouble(ahead_s=ahead_s))
        found = living.read(day - ONE_DAY, self._told.show, self._told.say, ahead_s=ahead_s, told=self._night_told)
        if found is None:
            return
        self.is_right = found.is_right
        self._told.read(found)
        living.fleet.meet(CALM)
        say_market(living.home, living.folder, day, actor=actor(living.home), at=int(self._wall()))
        self._begin(day)
        while not self._ended.is_set():
            self._until_done(day)
            self._daily_work()

    def _begin(self, day: date) -> None:
        home = self._living.home
        window = Window(opens=home.settings.window_opens, closes=home.settings.window_closes)
        at_once = window.closes_at(day, home.settings.timezone) <= self._wall()
        if Dues(home.engine, home.settings.dso).planned(day):
            return  # of an earlier demonstration in the same home
        self._control.start(Order(day=day, workers=WORKERS, at_once=at_once, reason=REASON), actor(home))
        until = "as fast as it can" if at_once else f"until {window.closes:%H:%M}"
        self._told.say(f"the night of {day} is under way, {until}: look at it, stop it, break it")

    def _until_done(self, day: date) -> None:
        """Until a run has ended and left nothing to do, which may be the one that is under way or a later one."""
        home, seen = self._living.home, None
        dues = Dues(home.engine, home.settings.dso)
        while not self._ended.wait(LOOKS_EVERY_S):
            last = self._control.last()
            if last is not None and last.is_running:
                seen = last.process
            elif seen is not None:
                seen = None
                if not dues.counts(day).open:
                    return

    def _daily_work(self) -> None:
        """What a night has brought is validated, settled and told to the market, as each morning."""
        home, who = self._living.home, actor(self._living.home)
        for outcome in validate_due(home, actor=who, now=int(self._wall()), reason=REASON, watch=lambda _: None):
            if self._ended.is_set():
                return
            self._told.say(f"{outcome.run.day}: judged and completed, {outcome.run.findings} findings")
        for day in due(home, local_day(int(self._wall()), home.settings.timezone)):
            if self._ended.is_set():
                return
            self._settle(day)

    def _settle(self, day: date) -> None:
        home, who = self._living.home, actor(self._living.home)
        settled = settling.settle(home, day, actor=who, reason=REASON, at=int(self._wall()))
        version = settled.publication.version
        self._told.say(f"{day}: version {version.version} ({version.name}) is {version.state}")
        for kind in FORMATS if not settled.is_held else ():
            try:
                export(
                    home,
                    kind,
                    day,
                    version=None,
                    out=home.path / OUTBOX,
                    actor=who,
                    reason=REASON,
                    at=int(self._wall()),
                )
            except StateError as error:
                self._told.say(f"{day}: {kind}: {error.sentence()}")
