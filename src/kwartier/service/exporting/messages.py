"""Market messages as they are remembered: one id for what is told to whom of which version, for ever, and how it fared.

The id is drawn, and on the disk, before a byte of the message is written; so is the digest of its text before anybody can see
it. From then on the text never changes: who tells something else of the same version is refused. What may follow on what is
the table :data:`NEXT`.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection, Engine, Row, func, select, update

from kwartier.database import insert_once, reading, writing
from kwartier.errors import StateError
from kwartier.tables import messages

MAX_LISTED = 100_000
BATCH = 400


class State(StrEnum):
    """How a message stands."""

    MADE = "made"
    """Its text is fixed, and it may be sent."""
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    REJECTED = "rejected"
    OVERDUE = "overdue"
    """Sent, and nobody answered in time."""


class Event(StrEnum):
    """What happens to a message."""

    SENT = "sent"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    SILENCE = "silence"


NEXT: Mapping[tuple[State, Event], State] = {
    (State.MADE, Event.SENT): State.SENT,
    (State.MADE, Event.ACCEPTED): State.ACKNOWLEDGED,
    (State.MADE, Event.REFUSED): State.REJECTED,
    (State.SENT, Event.ACCEPTED): State.ACKNOWLEDGED,
    (State.SENT, Event.REFUSED): State.REJECTED,
    (State.SENT, Event.SILENCE): State.OVERDUE,
    (State.OVERDUE, Event.ACCEPTED): State.ACKNOWLEDGED,
    (State.OVERDUE, Event.REFUSED): State.REJECTED,
}
"""Whoever answers has got the message, also where nobody saw it being sent. The first answer holds."""
SAYS = {Event.ACCEPTED: State.ACKNOWLEDGED, Event.REFUSED: State.REJECTED}
"""An answer to a message that is in this state already repeats the first one."""


class Verdict(StrEnum):
    """What came of an answer."""

    TAKEN = "taken"
    REPEATED = "repeated"
    CONTRADICTS = "contradicts"
    """The message was answered otherwise before; that answer holds."""
    UNKNOWN = "unknown"
    """No such message was ever made here."""


class Topic(NamedTuple):
    """What a message tells to whom: one topic has one id."""

    kind: str
    day: date
    version: int
    subject: str
    recipient: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A row of the table."""

    id: str
    topic: Topic
    file: str
    digest: str
    """SHA-256 of its text, as hex; empty as long as it has none."""
    made_at: int
    sent_at: int | None
    answered_at: int | None
    state: State
    answer: str


def drawn(engine: Engine, topic: Topic, *, at: int) -> Message:
    """The message of ``topic``, whose id is drawn now if it has none; on the disk before this returns."""
    with reading(engine) as connection:
        known = _of(connection, topic)
    if known is not None:
        return known
    fresh = str(uuid.uuid4())
    row = {
        **topic._asdict(),
        "id": fresh,
        "file": f"{topic.kind}-{topic.day}-v{topic.version:03d}-{fresh}.xml",
        "digest": "",
        "made_at": at,
        "state": State.MADE,
        "answer": "",
    }
    with writing(engine) as connection:
        insert_once(connection, messages, [row])
        found = _of(connection, topic)
    if found is None:
        raise StateError("internal-error", "a message that was written down is not there")
    return found


def vouch(engine: Engine, message: Message, digest: str) -> None:
    """From now on the text of ``message`` has this digest. Raises ``StateError`` changed-message where it has another."""
    with writing(engine) as connection:
        fixed = connection.execute(
            update(messages)
            .where(messages.c.id == message.id, messages.c.digest.in_(("", digest)))
            .values(digest=digest)
        )
    if not fixed.rowcount:
        topic = message.topic
        said = f"{topic.kind} of {topic.day}, version {topic.version}: message {message.id} said something else before"
        raise StateError("changed-message", said)


def made(engine: Engine, kind: str, day: date, version: int) -> frozenset[str]:
    """The ids of the messages of a version that have a text."""
    chosen = (messages.c.kind == kind, messages.c.day == day, messages.c.version == version, messages.c.digest != "")
    with reading(engine) as connection:
        return frozenset(connection.execute(select(messages.c.id).where(*chosen)).scalars())


def find(engine: Engine, ids: Sequence[str]) -> dict[str, Message]:
    """Messages that have a text, by id."""
    found: dict[str, Message] = {}
    with reading(engine) as connection:
        for start in range(0, len(ids), BATCH):
            chosen = messages.c.id.in_(ids[start : start + BATCH])
            rows = connection.execute(select(messages).where(chosen, messages.c.digest != ""))
            found |= {row.id: _message(row) for row in rows}
    return found


def listed(engine: Engine, *, day: date | None = None, state: State | None = None) -> list[Message]:
    """Messages that have a text, of a day, in a state: the newest day first, and then in the order of what they tell."""
    query = select(messages).where(messages.c.digest != "")
    if day is not None:
        query = query.where(messages.c.day == day)
    if state is not None:
        query = query.where(messages.c.state == state)
    order = (messages.c.day.desc(), messages.c.kind, messages.c.version, messages.c.recipient, messages.c.subject)
    with reading(engine) as connection:
        return [_message(row) for row in connection.execute(query.order_by(*order).limit(MAX_LISTED))]


def note(engine: Engine, message_id: str, event: Event, *, at: int, said: str = "") -> Verdict:
    """Write down what happened to a message, if that may follow on the state it is in."""
    with writing(engine) as connection:
        chosen = select(messages).where(messages.c.id == message_id, messages.c.digest != "").with_for_update()
        row = connection.execute(chosen).one_or_none()
        if row is None:
            return Verdict.UNKNOWN
        message = _message(row)
        after = NEXT.get((message.state, event))
        if after is None:
            told_before = event not in SAYS or message.state == SAYS[event]
            return Verdict.REPEATED if told_before else Verdict.CONTRADICTS
        values: dict[str, object] = {"state": after}
        if message.sent_at is None:
            values["sent_at"] = at
        if event in SAYS:
            values |= {"answered_at": at, "answer": said}
        connection.execute(update(messages).where(messages.c.id == message_id).values(values))
    return Verdict.TAKEN


def note_silence(engine: Engine, *, before: int) -> int:
    """What was sent before (UTC s) and nobody answered is overdue; how many that are."""
    silent = (messages.c.state == State.SENT, messages.c.sent_at < before)
    with writing(engine) as connection:
        return connection.execute(
            update(messages).where(*silent).values(state=NEXT[State.SENT, Event.SILENCE])
        ).rowcount


def counted(engine: Engine, day: date) -> dict[State, int]:
    """How many messages of a day are in each state."""
    query = select(messages.c.state, func.count()).where(messages.c.day == day, messages.c.digest != "")
    with reading(engine) as connection:
        return {State(state): count for state, count in connection.execute(query.group_by(messages.c.state))}


def tallied(engine: Engine, day: date) -> dict[tuple[int, str, State], int]:
    """How many messages of a day there are of each version and kind in each state."""
    columns = (messages.c.version, messages.c.kind, messages.c.state)
    query = select(*columns, func.count()).where(messages.c.day == day, messages.c.digest != "").group_by(*columns)
    with reading(engine) as connection:
        return {(version, kind, State(state)): count for version, kind, state, count in connection.execute(query)}


def troubled(engine: Engine, day: date, version: int, *, limit: int) -> list[Message]:
    """Messages of a version that were refused or that nobody answered in time, in the order of what they tell."""
    chosen = (
        messages.c.day == day,
        messages.c.version == version,
        messages.c.state.in_((State.REJECTED, State.OVERDUE)),
    )
    query = select(messages).where(*chosen, messages.c.digest != "")
    query = query.order_by(messages.c.kind, messages.c.recipient, messages.c.subject).limit(limit)
    with reading(engine) as connection:
        return [_message(row) for row in connection.execute(query)]


def _of(connection: Connection, topic: Topic) -> Message | None:
    chosen = [messages.c[name] == value for name, value in topic._asdict().items()]
    row = connection.execute(select(messages).where(*chosen)).one_or_none()
    return None if row is None else _message(row)


def _message(row: Row[tuple[object, ...]]) -> Message:
    return Message(
        id=row.id,
        topic=Topic(row.kind, row.day, row.version, row.subject, row.recipient),
        file=row.file,
        digest=row.digest,
        made_at=row.made_at,
        sent_at=row.sent_at,
        answered_at=row.answered_at,
        state=State(row.state),
        answer=row.answer,
    )
