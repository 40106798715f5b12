"""What goes on behind the console of a demonstration, and its times: a night that begins now, a clock that is a day behind."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from zoneinfo import ZoneInfo

import pytest

from kwartier.clock import local_day
from kwartier.errors import StateError
from kwartier.service.demo import story as module
from kwartier.service.demo.living import Demonstration, Living
from kwartier.service.demo.story import Story, Told, behind_s, night_settings
from kwartier.service.home import create_home, open_home
from kwartier.service.night import Progress
from kwartier.service.night_control import NightControl, Order
from kwartier.service.simulating import Beside
from kwartier.simulate.trouble import CALM, Trouble
from kwartier.simulate.world import World
from tests.service.test_night_control import until
from tests.somebody import TESTER

ZONE = "Europe/Amsterdam"
PATIENCE_S = 30.0


def at(text: str, *, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE), fold=fold).timestamp()


def test_the_window_begins_with_the_minute_and_is_eight_of_them_long() -> None:
    assert night_settings(at("2026-03-05T14:07:31"), ZONE, 1_000) == {
        "KWARTIER_WINDOW_OPENS": "14:07",
        "KWARTIER_WINDOW_CLOSES": "14:15",
        "KWARTIER_VISIT_DEADLINE_S": "4.0",
    }


def test_more_meters_take_longer_before_the_night_that_one_looks_at() -> None:
    assert night_settings(at("2026-03-05T14:07:31"), ZONE, 30_000)["KWARTIER_WINDOW_CLOSES"] == "14:25"


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (at("2026-03-05T23:52:00"), "it would end at midnight, which is the next day"),
        (at("2026-03-05T23:58:00"), "it would go over midnight"),
        (at("2026-10-25T02:10:00", fold=1), "the window that these times mean was an hour ago"),
        (at("2026-10-25T02:55:00"), "its end comes an hour later than it says"),
    ],
)
def test_where_no_window_says_that_there_is_none(now: float, why: str) -> None:
    assert night_settings(now, ZONE, 1_000) == {}, why


@pytest.mark.parametrize(
    "now",
    [
        at("2026-03-05T00:00:00"),
        at("2026-03-29T03:30:00"),
        at("2026-03-30T02:30:00"),
        at("2026-10-25T02:30:00", fold=1),
        at("2026-10-25T23:59:59"),
        at("2026-10-26T00:10:00"),
    ],
)
def test_a_day_behind_is_the_local_day_before_at_about_the_same_time(now: float) -> None:
    then = now + behind_s(now, ZONE)
    assert local_day(int(then), ZONE).toordinal() == local_day(int(now), ZONE).toordinal() - 1
    assert abs(now - then - 86_400) <= 3_600
    assert datetime.fromtimestamp(then, UTC) < datetime.fromtimestamp(now, UTC)


class Fleet(Beside):
    """Does what it is told."""

    def __init__(self) -> None:
        self.seen: list[Trouble] = [CALM]

    @property
    def trouble(self) -> Trouble:
        return self.seen[-1]

    def change(self, into: Callable[[Trouble], Trouble]) -> None:
        self.seen.append(into(self.trouble))


@dataclass(kw_only=True)
class Played:
    """A story of which nothing but its own steps is real."""

    said: list[str]
    began: list[Order]
    story: Story
    fleet: Fleet

    def waits(self) -> None:
        """Until its thread is gone."""
        self.story._thread.join(PATIENCE_S)
        assert not self.story._thread.is_alive()


@contextmanager
def played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[list[int]], Demonstration | None]
) -> Iterator[Played]:
    """``read`` is the first night, told by a number whether it has to end."""
    create_home(tmp_path / "home")
    with open_home(tmp_path / "home") as home:
        fleet, said, began = Fleet(), list[str](), list[Order]()
        living = Living(home=home, world=World(seed=1, count=2), fleet=fleet, folder=tmp_path)
        control = NightControl(home)
        monkeypatch.setattr(Living, "read", lambda self, *_, told, **__: read(told))
        monkeypatch.setattr(module, "say_market", lambda *_, **__: None)
        monkeypatch.setattr(NightControl, "start", lambda self, order, actor: began.append(order))
        told = Told(say=said.append, showing=lambda: nullcontext(Silent()), read=lambda one: said.append("read"))
        story = Story(living, control, told, has_window=False)
        yield Played(said=said, began=began, story=story, fleet=fleet)
        story.end()


class Silent:
    """Nobody is shown anything."""

    def show(self, progress: Progress) -> None:
        del progress


def test_what_fails_in_it_is_said_without_its_words_and_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(told: list[int]) -> Demonstration | None:
        raise OSError("a secret of somebody")

    with played(tmp_path, monkeypatch, fails) as here:
        here.story.begin()
        here.waits()
        assert (here.said, here.story.is_right, here.began) == (["it failed: OSError"], False, [])


def test_told_to_end_in_its_first_night_it_begins_no_other_and_nothing_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = threading.Event()

    def until_told(told: list[int]) -> Demonstration | None:
        reached.set()
        while not told[0]:
            threading.Event().wait(0.01)
        return None

    with played(tmp_path, monkeypatch, until_told) as here:
        here.story.begin()
        assert reached.wait(PATIENCE_S)
        assert here.fleet.trouble.ahead_s < 0, "the first night is a day behind"
        here.story.end()
        here.waits()
        assert (here.said, here.began, here.story.is_right) == ([], [], True)
        assert here.fleet.trouble.ahead_s == 0.0


def test_after_the_first_night_the_second_is_started_and_a_fleet_keeps_what_was_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = SimpleNamespace(is_right=True)

    def reads(told: list[int]) -> Demonstration | None:
        return cast("Demonstration", found)

    with played(tmp_path, monkeypatch, reads) as here:
        here.fleet.change(lambda now: replace(now, cells=frozenset({"cell-a"})))
        here.story.begin()
        until(lambda: bool(here.began))
        assert here.began[0].at_once, "there is no window"
        assert here.fleet.trouble == Trouble(cells=frozenset({"cell-a"}))
        here.story.end()
        here.waits()
        assert here.said[0] == "read"
        assert here.said[1].startswith("the night of ")


def test_a_control_that_was_closed_starts_no_night(tmp_path: Path) -> None:
    create_home(tmp_path / "home")
    with open_home(tmp_path / "home") as home:
        control = NightControl(home)
        control.close()
        with pytest.raises(StateError) as caught:
            control.start(Order(day=date(2026, 1, 14), at_once=True), TESTER)
        assert caught.value.code == "server-ends"
