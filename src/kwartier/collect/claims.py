"""The one read: a connection's personal data are asked for at most once on a local day of visit, whatever days are fetched.

Before the first question a claim is durable. The transaction that records what was stored fulfils it, and from then on nothing
more is asked that day. A claim that was not fulfilled - the line broke, a process died - may be read on, a bounded number of
times, and each time is written down with its cause; so is every refusal. The meters of one connection share its claim: on the
day of an exchange both hold a part of what is wanted.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from sqlalchemy import Connection, Engine, Select, Update, bindparam, case, func, insert, select, text, update

from kwartier.database import reading, writing
from kwartier.tables import claim_events, claims, restores, visits

MAX_REPEATS = 2
"""How often a read that was begun may be begun again on the same day."""
BATCH = 400
"""Connections in one statement."""
OPEN, FULFILLED = "open", "fulfilled"
REPEAT, REFUSED = "repeat", "refused"
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(ean, 0)) FROM unnest(CAST(:eans AS text[])) AS ean")


class Verdict(StrEnum):
    """Whether a meter may be read, and if not, why: the codes of the errors."""

    FIRST = "first"
    REPEAT = "repeat"
    ALREADY_READ = "already-read"
    CLAIMED_BY_ANOTHER = "claimed-by-another"
    REPEATS_SPENT = "repeats-spent"
    RESTORED_TODAY = "restored-today"
    NOT_READ_OUT = "not-read-out"

    @property
    def granted(self) -> bool:
        """Whether it may be read."""
        return self in {Verdict.FIRST, Verdict.REPEAT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A visit that wants to ask ``meter`` of connection ``ean`` on the local day ``date``; ``cause``: why again, if again."""

    ean: str
    date: date
    meter: str
    visit: str
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the tables say of the rule on one local day of visit, and what the records of the visits say of it."""

    date: date
    claims: int
    fulfilled: int
    unfulfilled: int
    repeats: Mapping[str, int]
    """Causes, and how often each."""
    refused: Mapping[str, int]
    visits_that_asked: int
    beyond: tuple[tuple[str, str, int], ...]
    """(connection, meter, visits that asked) where more visits asked than claim and repeats account for: none, ever."""


Key = tuple[str, date]
Partners = Callable[[Wanted], Collection[str]]
"""The meters of its connection that hold a part of the days it wants, itself included."""


class Claims:
    """The claims in one database."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def open(self, wanted: Wanted, partners: Partners, *, at: int) -> Verdict:
        """Claim one read; durable when this returns."""
        with writing(self._engine) as connection:
            return self.open_within(connection, [wanted], partners, at=at)[0]

    def open_within(
        self,
        connection: Connection,
        batch: Sequence[Wanted],
        partners: Partners,
        *,
        at: int,
        closed: Collection[str] = (),
    ) -> list[Verdict]:
        """Claim the reads of a batch, as a part of the caller's transaction. ``at``: UTC seconds.

        ``closed``: connections that may not be read at all.
        """
        present = self._present(connection, batch)
        restored = connection.execute(select(func.max(restores.c.closed_through))).scalar_one()
        verdicts: list[Verdict] = []
        fresh: list[dict[str, object]] = []
        again: list[dict[str, object]] = []
        events: list[dict[str, object]] = []
        for one in batch:
            meters = present.setdefault((one.ean, one.date), {})
            # After a restore nobody knows what was read since the backup.
            is_known = restored is None or one.date > restored
            verdict = _judge(one, meters, partners) if is_known else Verdict.RESTORED_TODAY
            if one.ean in closed:
                verdict = Verdict.NOT_READ_OUT
            verdicts.append(verdict)
            key = {"ean": one.ean, "date": one.date, "meter": one.meter}
            if not verdict.granted:
                events.append({**key, "at": at, "visit": one.visit, "kind": REFUSED, "cause": verdict.value})
                continue
            state, reads = meters.get(one.meter, (OPEN, 0))
            if verdict is Verdict.REPEAT:
                cause = one.cause or "worker-lost"
                events.append({**key, "at": at, "visit": one.visit, "kind": REPEAT, "cause": cause})
            if one.meter in meters:
                again.append({"of": one.ean, "on": one.date, "by": one.meter, "now": one.visit})
            else:
                row = {"state": state, "reads": 1, "visit": one.visit, "opened_at": at, "fulfilled_at": None}
                fresh.append({**key, **row})
            meters[one.meter] = (OPEN, reads + 1)
        if fresh:
            connection.execute(insert(claims), fresh)
        if again:
            connection.execute(_where_bound().values(reads=claims.c.reads + 1, visit=bindparam("now")), again)
        if events:
            connection.execute(insert(claim_events), events)
        return verdicts

    def _present(self, connection: Connection, batch: Sequence[Wanted]) -> dict[Key, dict[str, tuple[str, int]]]:
        """What is claimed already of these connections on these days: meter -> (state, reads)."""
        found: dict[Key, dict[str, tuple[str, int]]] = {}
        keys = sorted({(one.ean, one.date) for one in batch})
        for first in range(0, len(keys), BATCH):
            some = keys[first : first + BATCH]
            if connection.dialect.name == "postgresql":
                # Two meters of one connection are two rows: whoever claims either waits for the other.
                connection.execute(_LOCK, {"eans": [ean for ean, _ in some]})
            for day in {one for _, one in some}:
                eans = [ean for ean, on in some if on == day]
                query = select(claims).where(claims.c.ean.in_(eans), claims.c.date == day)
                for row in connection.execute(query):
                    found.setdefault((row.ean, row.date), {})[row.meter] = (row.state, row.reads)
        return found

    def settle_within(
        self, connection: Connection, fulfilled: Iterable[Wanted], unasked: Iterable[Wanted], *, at: int
    ) -> None:
        """As a part of the transaction that records what was stored: what is fulfilled, and where nothing was asked."""
        done = [{"of": one.ean, "on": one.date, "by": one.meter} for one in fulfilled]
        if done:
            connection.execute(_where_bound().values(state=FULFILLED, fulfilled_at=at), done)
        spared = [{"of": one.ean, "on": one.date, "by": one.meter} for one in unasked]
        if spared:
            # Never below zero, and never of a claim that somebody fulfilled.
            fewer = case((claims.c.reads > 0, claims.c.reads - 1), else_=0)
            connection.execute(_where_bound().where(claims.c.state == OPEN).values(reads=fewer), spared)

    def fulfil_batch_within(self, connection: Connection, meters: Select[str], *, since: int, at: int) -> None:
        """Fulfil the open claims of ``meters`` that were opened at ``since`` or later: what they read is stored."""
        open_now = (claims.c.meter.in_(meters), claims.c.state == OPEN, claims.c.opened_at >= since)
        connection.execute(update(claims).where(*open_now).values(state=FULFILLED, fulfilled_at=at))

    def proof(self, day: date) -> Proof:
        """Whether the rule was kept on the local day of visit ``day``: what the claims say, and what the visits say."""
        with reading(self._engine) as connection:
            states = connection.execute(
                select(claims.c.state, func.count())
                .where(claims.c.date == day, claims.c.reads > 0)
                .group_by(claims.c.state)
            ).all()
            counted: dict[str, int] = {row[0]: row[1] for row in states}
            causes = connection.execute(
                select(claim_events.c.kind, claim_events.c.cause, func.count())
                .where(claim_events.c.date == day)
                .group_by(claim_events.c.kind, claim_events.c.cause)
                .order_by(claim_events.c.cause)
            ).all()
            asked = select(func.count()).select_from(visits).where(visits.c.date == day, visits.c.asked)
            total = connection.execute(asked).scalar_one()
            beyond = connection.execute(_beyond(day)).all()
        return Proof(
            date=day,
            claims=sum(counted.values()),
            fulfilled=counted.get(FULFILLED, 0),
            unfulfilled=counted.get(OPEN, 0),
            repeats={cause: count for kind, cause, count in causes if kind == REPEAT},
            refused={cause: count for kind, cause, count in causes if kind == REFUSED},
            visits_that_asked=total,
            beyond=tuple((row[0], row[1], row[2]) for row in beyond),
        )


def _judge(one: Wanted, meters: Mapping[str, tuple[str, int]], partners: Partners) -> Verdict:
    others = {meter for meter, (_, reads) in meters.items() if meter != one.meter and reads}
    if others and not others <= set(partners(one)):
        return Verdict.CLAIMED_BY_ANOTHER
    state, reads = meters.get(one.meter, (OPEN, 0))
    if state == FULFILLED:
        return Verdict.ALREADY_READ
    if reads > MAX_REPEATS:
        return Verdict.REPEATS_SPENT
    return Verdict.REPEAT if reads else Verdict.FIRST


def _where_bound() -> Update:
    return update(claims).where(
        claims.c.ean == bindparam("of"), claims.c.date == bindparam("on"), claims.c.meter == bindparam("by")
    )


def _beyond(day: date) -> Select[str, str, int]:
    """Meters of which more visits asked than were claimed: one, and one for each repeat."""
    asked = (
        select(visits.c.ean, visits.c.meter, func.count().label("asked"))
        .where(visits.c.date == day, visits.c.asked)
        .group_by(visits.c.ean, visits.c.meter)
        .subquery()
    )
    same = (claims.c.ean == asked.c.ean) & (claims.c.meter == asked.c.meter) & (claims.c.date == day)
    allowed = func.coalesce(claims.c.reads, 0)
    return (
        select(asked.c.ean, asked.c.meter, asked.c.asked)
        .select_from(asked.outerjoin(claims, same))
        .where((asked.c.asked > allowed) | (asked.c.asked > MAX_REPEATS + 1))
    )
