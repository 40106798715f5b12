"""A night in its middle, whose every count is known, and a control that starts no process."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from kwartier.errors import StateError
from kwartier.gate.policy import Asking
from kwartier.service.home import Home, open_home
from kwartier.service.night_control import Controls, May, NightControl, Order, Run
from tests.service.views.test_tonight import DAY, NOW, filled
from tests.web.installation import Served, served

CLOSED_AT = NOW + 8 * 3600
"""After the window."""


@dataclass(kw_only=True)
class Heard:
    """What a control was told."""

    orders: list[tuple[str, Order, str]] = field(default_factory=list)
    stops: list[tuple[str, str]] = field(default_factory=list)


class Pretended(NightControl):
    """Says yes to everything of one day that ``running`` allows, and does nothing."""

    def __init__(self, home: Home, *, running: date | None = None) -> None:
        super().__init__(home)
        self.heard = Heard()
        self._running = running

    def controls(self, day: date, actor: Asking) -> Controls:
        is_running = self._running == day
        busy = May(allowed=not is_running, code="night-running" if is_running else "")
        stop = May(allowed=is_running, code="" if is_running else "night-not-running")
        return Controls(day=day, start=busy, stop=stop, resume=busy, last=self.last())

    def start(self, order: Order, actor: Asking) -> Run:
        self.heard.orders.append(("start", order, actor.name))
        return self._run(order, actor)

    def resume(self, order: Order, actor: Asking) -> Run:
        if self._running is not None:
            raise StateError("night-running", "process 7 carries it out")
        self.heard.orders.append(("resume", order, actor.name))
        return self._run(order, actor)

    def stop(self, actor: Asking, *, reason: str = "") -> Run:
        self.heard.stops.append((actor.name, reason))
        return self._run(Order(day=DAY), actor)

    def close(self) -> None:
        """Nothing was started."""

    def _run(self, order: Order, actor: Asking) -> Run:
        given = {"day": order.day, "workers": order.workers, "at_once": order.at_once, "reason": order.reason}
        return Run(**given, actor=actor.name, process="a:7:1", started_at=NOW)  # type: ignore[arg-type]  # fields of one order


@contextmanager
def in_its_middle(path: Path) -> Iterator[Served]:
    """A server over a home in the middle of a night."""
    with open_home(path) as home:
        filled(home)
    with served(path, NOW) as found:
        yield found


def pretend(here: Served, *, running: date | None = None) -> Heard:
    """From now on nights are only said to be started."""
    control = Pretended(here.home, running=running)
    here.app.state.desk = replace(here.app.state.desk, control=control)
    return control.heard
