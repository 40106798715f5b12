"""What goes on behind the console of a demonstration: the night before last, read and settled; then last night, while you look.

The first night is over in seconds, by a clock that is a day behind, so that no connection is read twice on one day. The second
one is real in every respect: it is started as an operator starts it, spread over its window, and may be stopped, resumed and
broken from the console; whenever it has done what it can, what came is validated, settled and told to the market.
"""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from kwartier.clock import local_day, zone
from kwartier.collect.due import Dues, Window
from kwartier.errors import Denied, KwartierError, StateError
from kwartier.service.demo.living import REASON, VISIT_DEADLINE_S, Demonstration, Living, Shows
from kwartier.service.demo.settled_day import export_all, say_market
from kwartier.service.identity import actor
from kwartier.service.night import yesterday
from kwartier.service.night_control import NightControl, Order
from kwartier.service.settings import ENV_PREFIX
from kwartier.service.settling import run as settling
from kwartier.service.settling.due import due
from kwartier.service.validating.due import validate_due

ONE_DAY = timedelta(days=1)
WINDOW = timedelta(minutes=8)
"""How long the night takes that one looks at,"""
METERS_A_MINUTE = 3_000
"""and how many meters are read, judged and settled in a minute before it begins."""
LEAST_S = 180
"""A night that has less time left is read at once."""
WORKERS = 2
LOOKS_EVERY_S = 0.5
BREAKS_OFF_S = 0.5
"""After so long what drains is told to break off."""
ENDS_S = 3.0
MINUTE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Who is told what goes on: sentences, how far the first night is, and how it went."""

    say: Callable[[str], None]
    showing: Callable[[], AbstractContextManager[Shows]]
    read: Callable[[Demonstration], None]


def night_settings(now: float, timezone: str, meters: int) -> dict[str, str]:
    """Settings for a night that begins when ``meters`` have been read once, by their names in the environment.

    Empty where no window says that: it would go over midnight, or clocks change in it. Such a night is read at once.
    """
    opens = datetime.fromtimestamp(now // MINUTE_S * MINUTE_S, zone(timezone))
    closes = opens + WINDOW + timedelta(minutes=meters // METERS_A_MINUTE)
    window = Window(opens=opens.time(), closes=closes.time())
    day = opens.date() - ONE_DAY
    if closes.date() != opens.date() or window.opens_at(day, timezone) != opens.timestamp():
        return {}  # where clocks go back an hour is there twice, and a window means the first
    if window.closes_at(day, timezone) - opens.timestamp() != (closes - opens).total_seconds():
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
        self,
        living: Living,
        control: NightControl,
        told: Told,
        *,
        has_window: bool,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._living = living
        self._control = control
        self._told = told
        self._has_window = has_window
        self._wall = wall
        self._thread = threading.Thread(target=self._goes_on, name="story", daemon=True)
        self._ended = threading.Event()
        self._night_told = [0]
        self._gone_s = float("inf")
        self.is_right = True
        """Whether nothing that was found so far is wrong, and nothing failed."""

    def begin(self) -> None:
        """It goes on from now on."""
        self._thread.start()

    def end(self) -> None:
        """It ends as soon as it can: a night of its own breaks off what is open. Called again, it waits no longer in all."""
        self._gone_s = min(self._gone_s, time.monotonic() + ENDS_S)
        self._ended.set()
        for wait_s in (BREAKS_OFF_S, ENDS_S):
            self._night_told[0] += 1
            if self._thread.is_alive():
                self._thread.join(max(0.0, min(wait_s, self._gone_s - time.monotonic())))

    def _goes_on(self) -> None:
        try:
            self._tell()
        except Exception as error:  # noqa: BLE001  # nobody else hears of what fails in a thread
            if not self._ended.is_set():
                self.is_right = False
                # What an error of another library says may quote anything.
                said = error.sentence() if isinstance(error, KwartierError) else f"it failed: {type(error).__name__}"
                self._told.say(said)

    def _tell(self) -> None:
        living, timezone = self._living, self._living.home.settings.timezone
        day = yesterday(self._wall(), timezone)
        ahead_s = behind_s(self._wall(), timezone)
        living.fleet.change(lambda now: replace(now, ahead_s=ahead_s))
        found = living.read(day - ONE_DAY, self._told.showing, self._told.say, ahead_s=ahead_s, told=self._night_told)
        living.fleet.change(lambda now: replace(now, ahead_s=0.0))
        if found is None or self._ended.is_set():
            return
        self.is_right = found.is_right
        self._told.read(found)
        say_market(living.home, living.folder, day, actor=actor(living.home), at=int(self._wall()))
        if not self._ended.is_set() and not self._begin(day):
            self._daily_work()
        while self._until_done(day):
            self._daily_work()

    def _begin(self, day: date) -> bool:
        """Start the night, or go on with that of an earlier demonstration in the same home; False: all of it was done."""
        home = self._living.home
        dues = Dues(home.engine, home.settings.dso)
        is_planned = dues.planned(day)
        if is_planned and not dues.counts(day).open:
            return False
        window = Window(opens=home.settings.window_opens, closes=home.settings.window_closes)
        left_s = window.closes_at(day, home.settings.timezone) - self._wall()
        at_once = not self._has_window or left_s < LEAST_S
        order = Order(day=day, workers=WORKERS, at_once=at_once, reason=REASON)
        (self._control.resume if is_planned else self._control.start)(order, actor(home))
        until = "as fast as it can" if at_once else f"until {window.closes:%H:%M}"
        self._told.say(f"the night of {day} is under way, {until}: look at it, stop it, break it")
        return True

    def _until_done(self, day: date) -> bool:
        """Until a run has ended and left nothing to do: the one that is under way, or a later one. False: it is to end."""
        home, seen = self._living.home, None
        dues = Dues(home.engine, home.settings.dso)
        while not self._ended.wait(LOOKS_EVERY_S):
            last = self._control.last()
            if last is not None and last.is_running:
                seen = last.process
            elif seen is not None:
                seen = None
                if not dues.counts(day).open:
                    return True
        return False

    def _daily_work(self) -> None:
        """What a night has brought is validated, settled and told to the market, as each morning.

        What somebody at the console does at the same time may be in its way: then it is said, and done after the next run.
        """
        home, who = self._living.home, actor(self._living.home)
        try:
            for outcome in validate_due(home, actor=who, now=int(self._wall()), reason=REASON, watch=lambda _: None):
                self._told.say(f"{outcome.run.day}: judged and completed, {outcome.run.findings} findings")
                if self._ended.is_set():
                    return
            for day in due(home, local_day(int(self._wall()), home.settings.timezone)):
                self._settle(day)
                if self._ended.is_set():
                    return
        except (StateError, Denied) as error:
            self._told.say(error.sentence())

    def _settle(self, day: date) -> None:
        home, who = self._living.home, actor(self._living.home)
        settled = settling.settle(home, day, actor=who, reason=REASON, at=int(self._wall()))
        version = settled.publication.version
        self._told.say(f"{day}: version {version.version} ({version.name}) is {version.state}")
        if not settled.is_held and not self._ended.is_set():
            export_all(home, day, actor=who, reason=REASON, at=int(self._wall()))
