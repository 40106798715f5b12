"""Alerts on record: opened once, ended once, told of both, on every database and by several hosts."""

import json
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Engine

from kwartier.database import open_engine
from kwartier.errors import StateError
from kwartier.service.alerting.conditions import Code, Found
from kwartier.service.alerting.record import KEPT_S, QUIET_S, RECENT_S, Alerts, Notice, append
from tests.postgres import DATABASES, with_tables

NOW = 1_772_600_000
ALL = frozenset(Code)


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(with_tables(str(request.param), tmp_path))
    yield engine
    engine.dispose()


def found(subject: str, text: str = "x", code: Code = Code.SILENT_COHORT, since: int | None = None) -> Found:
    return Found(code=code, subject=subject, text=text, since=since)


class Told:
    """What was told, in the order in which it was."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def __call__(self, notices: Sequence[Notice]) -> None:
        self.notices += notices

    @property
    def short(self) -> list[tuple[str, str]]:
        return [(one.kind, one.alert.subject) for one in self.notices]


def test_a_condition_is_told_when_it_begins_and_when_it_has_been_over_for_a_while(engine: Engine) -> None:
    book, told = Alerts(engine), Told()
    for minute in range(5):
        book.update([found("a", f"x{minute}")], ALL, at=NOW + 60 * minute, tell=told)
    assert told.short == [("alert.opened", "a")]
    (alert,) = book.recent(now=NOW)
    assert (alert.at, alert.text, alert.ended_at) == (NOW, "x4", None)
    last = NOW + 240
    book.update([], ALL, at=last + QUIET_S - 1, tell=told)
    book.update([found("a")], ALL, at=last + QUIET_S, tell=told)
    assert len(told.short) == 1, "one that comes and goes is told once"
    book.update([], ALL, at=last + 2 * QUIET_S, tell=told)
    book.update([], ALL, at=last + 3 * QUIET_S, tell=told)
    assert told.short == [("alert.opened", "a"), ("alert.ended", "a")]
    book.update([found("a")], ALL, at=last + 4 * QUIET_S, tell=told)
    assert told.short[2:] == [("alert.opened", "a")]
    assert len({one.id for one in told.notices}) == 3
    assert [one.ended_at for one in book.recent(now=NOW)] == [None, last + 2 * QUIET_S]
    assert len(book.recent(now=last + 2 * QUIET_S + RECENT_S + 1)) == 1


def test_what_was_not_looked_for_is_not_ended(engine: Engine) -> None:
    book, told = Alerts(engine), Told()
    book.update([found("a"), found("b", code=Code.HOST_CLOCK)], ALL, at=NOW, tell=told)
    book.update([], ALL - {Code.HOST_CLOCK}, at=NOW + QUIET_S, tell=told)
    assert told.short[2:] == [("alert.ended", "a")]


def test_two_hosts_that_find_the_same_open_it_once(engine: Engine) -> None:
    one, other, told = Alerts(engine), Alerts(engine), Told()
    one.update([found("a")], ALL, at=NOW, tell=told)
    other.update([found("a"), found("b")], ALL, at=NOW + 1, tell=told)
    assert told.short == [("alert.opened", "a"), ("alert.opened", "b")]
    assert len(one.recent(now=NOW)) == 2


def test_what_could_not_be_told_is_not_written_and_told_again(engine: Engine) -> None:
    book, told = Alerts(engine), Told()

    def fails(notices: Sequence[Notice]) -> None:
        raise StateError("no-space", "nothing")

    with pytest.raises(StateError):
        book.update([found("a")], ALL, at=NOW, tell=fails)
    assert book.recent(now=NOW) == []
    book.update([found("a")], ALL, at=NOW, tell=told)
    assert told.short == [("alert.opened", "a")]


def test_a_notice_waits_until_it_is_taken_and_not_for_ever(engine: Engine) -> None:
    book, told = Alerts(engine), Told()
    book.update([found("a"), found("b")], ALL, at=NOW, tell=told)
    first, second = book.unposted(now=NOW)
    assert [first, second] == told.notices
    book.posted(first)
    assert book.unposted(now=NOW) == [second]
    book.update([], ALL, at=NOW + QUIET_S, tell=told)
    waiting = book.unposted(now=NOW + QUIET_S)
    assert [(one.kind, one.alert.subject) for one in waiting] == [
        ("alert.ended", "a"),
        ("alert.opened", "b"),
        ("alert.ended", "b"),
    ]
    assert waiting[1] == second, "however late it is told, it says the same under the same id"
    for one in waiting[:2]:
        book.posted(one)
    assert book.unposted(now=NOW + QUIET_S) == waiting[2:]
    book.posted(waiting[2])
    book.posted(first)
    assert book.unposted(now=NOW + QUIET_S) == []
    book.update([found("c")], ALL, at=NOW + 2 * QUIET_S, tell=told)
    assert book.unposted(now=NOW + 2 * QUIET_S + KEPT_S + 1) == []


def test_lines_are_added_to_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    append(path, ["1", "2"])
    append(path, ["3"])
    assert path.read_text() == "1\n2\n3\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_body_is_one_line_with_a_runbook(engine: Engine) -> None:
    book, told = Alerts(engine), Told()
    book.update([found("cell é", 'a "text"\n')], ALL, at=NOW, tell=told)
    body = told.notices[0].body("4B57540000000001")
    assert "\n" not in body
    assert json.loads(body) == {
        "type": "alert.opened",
        "timestamp": "2026-03-04T04:53:20Z",
        "id": told.notices[0].id,
        "data": {
            "code": "silent-cohort",
            "subject": "cell é",
            "text": 'a "text"\n',
            "at": "2026-03-04T04:53:20Z",
            "ended_at": None,
            "runbook": "docs/operations.md#silent-cohort",
            "source": "4B57540000000001",
        },
    }
