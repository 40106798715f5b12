"""Who looks at a night: what it says, writes and sends, and that nothing that is wrong with that is wrong with the night."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kwartier.database import reading
from kwartier.errors import Retry, StateError
from kwartier.service.alerting.conditions import Code, Found
from kwartier.service.alerting.lookout import Look
from kwartier.service.alerting.record import QUIET_S, Alerts, Notice
from kwartier.service.alerting.watch import LAST_TRIES_S, LOOK_S, Watch
from kwartier.service.alerting.webhook import LEAST_PAUSE_S, Webhook
from kwartier.service.home import Home, open_home
from kwartier.tables import alerts
from tests.living import new_home
from tests.service.alerting.test_webhook import SECRET, Got, receiver

NOW = 1_772_600_000
SILENT = Found(code=Code.SILENT_COHORT, subject="cell a", text="cell a is silent")


class Scene:
    """A clock that only moves when it is told to, and what there is to find at each look."""

    def __init__(self, home: Home, url: str = "") -> None:
        self.home = home
        self.time_s = 0.0
        self.found: list[Found] = []
        self.error: Exception | None = None
        self.looks = 0
        self.said: list[str] = []
        webhook = Webhook(url, SECRET, wall=self.wall) if url else None
        self.watch = Watch(
            home, self, webhook=webhook, wall=self.wall, steady=lambda: self.time_s, say=self.said.append
        )

    def wall(self) -> float:
        return NOW + self.time_s

    def look(self, *, now: float) -> Look:
        self.looks += 1
        if self.error is not None:
            raise self.error
        return Look(found=tuple(self.found), codes=frozenset({Code.SILENT_COHORT}))

    def after(self, seconds: float) -> float:
        self.time_s += seconds
        return self.watch.step()

    @property
    def lines(self) -> list[dict[str, object]]:
        path = self.home.path / "alerts.jsonl"
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    new_home(tmp_path / "home")
    with open_home(tmp_path / "home") as opened:
        yield opened


def test_it_looks_each_minute_says_what_is_new_and_writes_a_line(home: Home) -> None:
    scene = Scene(home)
    assert scene.after(0) == LOOK_S
    assert (scene.said, scene.lines) == ([], [])
    scene.found = [SILENT]
    assert scene.after(LOOK_S - 1) == 1
    for _ in range(3):
        scene.after(LOOK_S)
    assert scene.looks == 4
    assert scene.said == ["alert silent-cohort, cell a: cell a is silent"]
    scene.found = []
    scene.after(QUIET_S + LOOK_S)
    assert scene.said[1:] == ["alert silent-cohort, cell a: is over"]
    assert [line["type"] for line in scene.lines] == ["alert.opened", "alert.ended"]


def test_the_clock_of_this_host_is_an_alert_while_it_is_in_doubt(home: Home) -> None:
    scene = Scene(home)
    scene.watch.doubts_clock("it jumped")
    scene.after(0)
    scene.watch.doubts_clock("")
    scene.after(QUIET_S + 1)
    host = os.uname().nodename
    assert scene.said == [f"alert host-clock, {host}: it jumped", f"alert host-clock, {host}: is over"]


def test_a_webhook_that_fails_twice_gets_it_at_the_third_try_and_only_then_is_it_delivered(home: Home) -> None:
    with receiver(500, 0) as (url, got):
        scene = Scene(home, url)
        scene.found = [SILENT]
        assert scene.after(0) == LEAST_PAUSE_S
        assert scene.after(LEAST_PAUSE_S / 2) == LEAST_PAUSE_S / 2
        assert len(got) == 1, "it is left alone for a while"
        assert scene.after(LEAST_PAUSE_S / 2) == 2 * LEAST_PAUSE_S
        assert posted(home) == [0]
        scene.after(2 * LEAST_PAUSE_S)
        assert (len(got), posted(home)) == (3, [1])
        for _ in range(5):
            scene.after(LOOK_S)
        assert len(got) == 3
    check(got)
    assert len({one.headers["webhook-id"] for one in got}) == 1
    assert [one.headers["webhook-timestamp"] for one in got] == [f"{NOW}", f"{NOW + 2}", f"{NOW + 6}"]
    assert len(scene.said) == 3
    assert "will be tried again" in scene.said[1]


def check(got: list[Got]) -> None:
    for one in got:
        assert one.is_ours
        body = json.loads(one.body)
        assert body["id"] == one.headers["webhook-id"]
        assert body["data"]["runbook"] == "docs/operations.md#silent-cohort"


def posted(home: Home) -> list[int]:
    with reading(home.engine) as connection:
        return list(connection.execute(alerts.select().order_by(alerts.c.id)).columns("posted").scalars())


def test_what_was_taken_and_could_not_be_written_down_is_sent_again_after_a_pause(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(book: Alerts, notice: Notice) -> None:
        raise StateError("database-away", "gone", retry=Retry.LATER)

    with receiver() as (url, got):
        scene = Scene(home, url)
        scene.found = [SILENT]
        with monkeypatch.context() as patched:
            patched.setattr(Alerts, "posted", away)
            assert scene.after(0) == LEAST_PAUSE_S
        scene.after(LEAST_PAUSE_S)
    assert posted(home) == [1]
    assert [one.headers["webhook-id"] for one in got] == [got[0].headers["webhook-id"]] * 2


def test_what_one_process_could_not_deliver_the_next_one_does(home: Home) -> None:
    scene = Scene(home)
    scene.found = [SILENT]
    scene.after(0)
    with receiver() as (url, got):
        after = Scene(home, url)
        after.found = [SILENT]
        after.after(60)
        assert (after.said, len(got), posted(home)) == ([], 1, [1])


def test_the_last_tries_of_a_night_have_an_end(home: Home) -> None:
    pauses: list[float] = []
    with receiver(*[500] * 50) as (url, got):
        scene = Scene(home, url)
        scene.found = [SILENT]

        def wait(pause_s: float) -> None:
            pauses.append(pause_s)
            scene.time_s += pause_s

        scene.watch.look()
        scene.watch.deliver_until(LAST_TRIES_S, wait)
    assert pauses == [2.0, 4.0, 8.0]
    assert len(got) == 4


def test_a_database_that_is_away_is_told_without_it_and_written_down_when_it_is_back(home: Home) -> None:
    with receiver() as (url, got):
        scene = Scene(home, url)
        scene.error = StateError("database-away", "gone", retry=Retry.LATER)
        scene.after(0)
        assert scene.said == [], "one look may fail"
        for _ in range(5):
            scene.after(LOOK_S)
        assert len(scene.said) == len(scene.lines) == len(got) == 1
        assert "alert database-away, database: " in scene.said[0]
        scene.error = None
        scene.after(LOOK_S)
        scene.after(QUIET_S + LOOK_S)
    assert scene.said[1:] == ["alert database-away, database: is over"]
    (row,) = Alerts(home.engine).recent(now=NOW)
    assert (row.code, row.at) == ("database-away", NOW + 60)
    assert [json.loads(one.body)["type"] for one in got] == ["alert.opened", "alert.opened", "alert.ended"]
    assert got[0].headers["webhook-id"] == got[1].headers["webhook-id"], "told twice, it is the same notice"
    assert [line["id"] for line in scene.lines] == [got[0].headers["webhook-id"], got[2].headers["webhook-id"]]


def test_a_file_that_cannot_be_written_is_said_once_and_the_alert_stands(home: Home) -> None:
    (home.path / "alerts.jsonl").mkdir()
    scene = Scene(home)
    scene.found = [SILENT, Found(code=Code.SILENT_COHORT, subject="cell b", text="x")]
    scene.after(0)
    scene.found = [*scene.found, Found(code=Code.SILENT_COHORT, subject="cell c", text="x")]
    scene.after(LOOK_S)
    assert len(Alerts(home.engine).recent(now=NOW)) == 3
    assert [one for one in scene.said if "cannot be written" in one] == [
        "alerts.jsonl cannot be written: Is a directory"
    ]


def test_a_fault_of_the_watch_itself_does_not_end_the_night(home: Home) -> None:
    scene = Scene(home)
    scene.error = StateError("database-failed", "no such column")
    for _ in range(3):
        scene.after(LOOK_S)
    assert len(scene.said) == 1
    scene.error = ZeroDivisionError()
    scene.time_s += LOOK_S
    with scene.watch:
        pass
    assert scene.said[1:] == ["no more alerts are looked for: ZeroDivisionError"]


def test_it_looks_once_more_when_the_night_ends(home: Home) -> None:
    scene = Scene(home)
    with scene.watch:
        scene.found = [SILENT]
    assert scene.said == ["alert silent-cohort, cell a: cell a is silent"]
    assert scene.looks >= 1
