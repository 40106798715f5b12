"""Alerts on record: each opened once, ended when its condition is over, and told twice, that it began and that it ended.

The table is the record, shared by every host; that a code and subject are open only once is the table's own rule. What is told
leaves by two ways: a line in a file of the home, written before the alert is, and a webhook, which is tried until it takes it.
Both may get a notice twice and know it by its id.
"""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, Row, or_, select, update

from kwartier.database import insert_once, reading, writing
from kwartier.disk import PRIVATE_FILE
from kwartier.service.alerting.conditions import Code, Found, runbook
from kwartier.tables import alerts

FILE_NAME = "alerts.jsonl"
QUIET_S = 600
"""A condition that was not found for so long is over: one that comes and goes is told once."""
KEPT_S = 3 * 86_400
"""For so long a notice is offered to the webhook."""
POSTED_AT_ONCE = 100
RECENT_S = 7 * 86_400
MAX_SHOWN = 1_000
OPENED, ENDED = "alert.opened", "alert.ended"
_AlertRow = Row[int, int, str, str, str, int, int | None, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One row. ``at`` and ``ended_at``: UTC seconds, None while it is open."""

    number: int
    at: int
    code: str
    subject: str
    text: str
    ended_at: int | None

    def table(self) -> dict[str, object]:
        """As it is printed and told."""
        return {
            "code": self.code,
            "subject": self.subject,
            "text": self.text,
            "at": shown(self.at),
            "ended_at": None if self.ended_at is None else shown(self.ended_at),
            "runbook": runbook(self.code),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is told of an alert: that it opened, or that it ended. ``number``: its row, None where none could be written."""

    kind: str
    alert: Alert
    number: int | None

    @property
    def id(self) -> str:
        """The same however often it is told."""
        alert = self.alert
        named = json.dumps([self.kind, alert.code, alert.subject, alert.at])
        return f"msg_{hashlib.sha256(named.encode()).hexdigest()[:32]}"

    def body(self, source: str) -> str:
        """One line of JSON. ``source``: which installation tells it."""
        at = self.alert.at if self.alert.ended_at is None else self.alert.ended_at
        data = {**self.alert.table(), "source": source}
        return json.dumps({"type": self.kind, "timestamp": shown(at), "id": self.id, "data": data}, ensure_ascii=False)


def shown(at: int) -> str:
    """A moment in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


class Alerts:
    """The alerts in one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def update(
        self, found: Iterable[Found], codes: Collection[Code], *, at: int, tell: Callable[[Sequence[Notice]], None]
    ) -> None:
        """Open what was found and is not open, end what is over of the ``codes`` that were looked for, and tell of both.

        ``tell`` is called before anything is written for good: what fails in between is told again.
        """
        here = {(one.code.value, one.subject): one for one in found}
        is_open = (alerts.c.ended_at.is_(None), alerts.c.code.in_([code.value for code in codes]))
        with reading(self._engine) as connection:
            some = connection.execute(select(alerts.c.id).where(*is_open).limit(1)).first() is not None
        if not here and not some:
            return
        with writing(self._engine) as connection:
            before = {(row.code, row.subject): row for row in connection.execute(select(alerts).where(*is_open))}
            for key, one in here.items():
                if key in before:
                    seen = update(alerts).where(alerts.c.id == before[key].id)
                    connection.execute(seen.values(seen_at=at, text=one.text))
            fresh = [
                {
                    "at": at if one.since is None else one.since,
                    "code": one.code.value,
                    "subject": one.subject,
                    "text": one.text,
                    "seen_at": at,
                }
                for key, one in here.items()
                if key not in before
            ]
            if fresh:
                insert_once(connection, alerts, fresh)
            over = [row.id for key, row in before.items() if key not in here and at - row.seen_at >= QUIET_S]
            if over:
                connection.execute(update(alerts).where(alerts.c.id.in_(over)).values(ended_at=at))
            known = [row.id for row in before.values()]
            opened = connection.execute(select(alerts).where(*is_open, alerts.c.id.not_in(known)).order_by(alerts.c.id))
            notices = [_notice(OPENED, row) for row in opened]
            ended = connection.execute(select(alerts).where(alerts.c.id.in_(over)).order_by(alerts.c.id))
            notices += [_notice(ENDED, row) for row in ended]
            if notices:
                tell(notices)

    def recent(self, *, now: int) -> list[Alert]:
        """What is open, and what was open in the last days, the newest first."""
        lately = or_(alerts.c.ended_at.is_(None), alerts.c.ended_at >= now - RECENT_S)
        query = select(alerts).where(lately).order_by(alerts.c.at.desc(), alerts.c.id.desc()).limit(MAX_SHOWN)
        with reading(self._engine) as connection:
            return [_alert(row) for row in connection.execute(query)]

    def unposted(self, *, now: int) -> list[Notice]:
        """Notices that the webhook has not taken yet, the oldest first."""
        waits = or_(alerts.c.posted == 0, (alerts.c.posted == 1) & alerts.c.ended_at.is_not(None))
        fresh = or_(alerts.c.at >= now - KEPT_S, alerts.c.ended_at >= now - KEPT_S)
        query = select(alerts).where(waits, fresh).order_by(alerts.c.id).limit(POSTED_AT_ONCE)
        notices: list[Notice] = []
        with reading(self._engine) as connection:
            for row in connection.execute(query):
                if row.posted == 0:
                    notices.append(_notice(OPENED, row))
                if row.ended_at is not None:
                    notices.append(_notice(ENDED, row))
        return notices

    def posted(self, notice: Notice) -> None:
        """The webhook has taken it."""
        if notice.number is None:
            return
        count = 2 if notice.kind == ENDED else 1
        with writing(self._engine) as connection:
            taken = update(alerts).where(alerts.c.id == notice.number, alerts.c.posted < count)
            connection.execute(taken.values(posted=count))


def _alert(row: _AlertRow) -> Alert:
    return Alert(number=row.id, at=row.at, code=row.code, subject=row.subject, text=row.text, ended_at=row.ended_at)


def _notice(kind: str, row: _AlertRow) -> Notice:
    alert = _alert(row)
    if kind == OPENED and alert.ended_at is not None:
        # As it was when it opened, so that the notice is the same however late it is told.
        alert = Alert(
            number=alert.number, at=alert.at, code=alert.code, subject=alert.subject, text=alert.text, ended_at=None
        )
    return Notice(kind=kind, alert=alert, number=alert.number)


def append(path: Path, lines: Sequence[str]) -> None:
    """Add lines to a private file, on the disk before this returns. Raises ``OSError``."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE_FILE)
    with os.fdopen(descriptor, "a", encoding="utf-8") as out:
        out.write("".join(f"{line}\n" for line in lines))
        out.flush()
        os.fsync(out.fileno())
