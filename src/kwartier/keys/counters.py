"""Invocation counters: reserved on the disk before the first byte is sent, and never given out twice.

A counter belongs to an encryption key and the system title that sends under it; whoever shares both shares the counter. A
reservation is one transaction that moves the counter forward and is durable before the range is handed out: a crash wastes
numbers and repeats none. A key that comes back continues where it was. Near the end of the 32 bits it refuses.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from sqlalchemy import Connection, Engine, Executable, Table, bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from kwartier.database import insert_once, reading, writing
from kwartier.dlms.protection import MAX_COUNTER, CounterRange
from kwartier.errors import SecurityError, StateError
from kwartier.tables import counters, peer_counters

LAST_COUNTER = 0xFFFF_0000
"""No counter above this is given out: it is time for another key well before the numbers end."""
WARN_COUNTER = 2_000_000_000
"""Above this `doctor` and `keys status` ask for rotation, as the grid operators' head-end does."""
MAX_RECOVERY_JUMP = 1_000_000
"""How far what the unauthenticated public client reads may move a counter; a larger jump needs an operator."""
MAX_RANGE = 1 << 20
FIRST_COUNTER = 1
_KEY = ("ek_fingerprint", "title")
BATCH = 500
"""Keys in one statement."""


@cache
def _take(dialect: str) -> Executable:
    """Move a counter forward by what the row that is inserted is beyond the first counter; a new one starts there."""
    fresh = _insert(dialect, counters)
    taken = fresh.excluded.next - FIRST_COUNTER
    moved = fresh.on_conflict_do_update(index_elements=_KEY, set_={"next": counters.c.next + taken})
    return moved.returning(counters)


@cache
def _heard(dialect: str) -> Executable:
    """Remember the highest counter of a peer, unless a higher one is there."""
    fresh = _insert(dialect, peer_counters)
    higher = fresh.excluded.highest > peer_counters.c.highest
    return fresh.on_conflict_do_update(index_elements=_KEY, set_={"highest": fresh.excluded.highest}, where=higher)


def _insert(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


class CounterKey(NamedTuple):
    """Which counter: the fingerprint of the encryption key and the sender's system title in hex."""

    ek_fingerprint: str
    title: str


class Counters:
    """The counters in one database, shared by every process that opens it."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def reserve(self, key: CounterKey, count: int) -> CounterRange:
        """``count`` counters that nobody else will get, on the disk before this returns."""
        return self.reserve_many([(key, count)])[0]

    def reserve_many(self, wanted: Sequence[tuple[CounterKey, int]]) -> list[CounterRange]:
        """A range for each of a batch of keys, in one transaction. ``StateError`` counter-exhausted gives out none."""
        totals: dict[CounterKey, int] = {}
        for key, count in wanted:
            if not 0 < count <= MAX_RANGE:
                raise StateError("bad-counter-range", f"a reservation of {count} counters")
            totals[key] = totals.get(key, 0) + count
        # In one order whoever asks: two batches that lock the same rows the other way round would wait for ever.
        keys = sorted(totals, key=_order)
        starts: dict[CounterKey, int] = {}
        with writing(self._engine) as connection:
            for first in range(0, len(keys), BATCH):
                starts.update(self._move(connection, {key: totals[key] for key in keys[first : first + BATCH]}))
        ranges: list[CounterRange] = []
        for key, count in wanted:
            ranges.append(CounterRange(starts[key], starts[key] + count))
            starts[key] += count
        return ranges

    def _move(self, connection: Connection, totals: Mapping[CounterKey, int]) -> dict[CounterKey, int]:
        """Move each counter forward by its total, within the caller's transaction; where each one stood before."""
        moved = connection.execute(
            _take(connection.dialect.name), [_row(key, next=FIRST_COUNTER + totals[key]) for key in totals]
        ).all()
        starts: dict[CounterKey, int] = {}
        for ek_fingerprint, title, following in moved:
            key = CounterKey(ek_fingerprint=ek_fingerprint, title=title)
            starts[key] = following - totals[key]
            if following - 1 > LAST_COUNTER:
                raise StateError("counter-exhausted", f"invocation counter {starts[key]} of 2^32 under this key")
        return starts

    def next_of(self, key: CounterKey) -> int:
        """The next counter that will be given out."""
        with reading(self._engine) as connection:
            found = connection.execute(
                select(counters.c.next).where(
                    counters.c.ek_fingerprint == key.ek_fingerprint, counters.c.title == key.title
                )
            ).scalar_one_or_none()
        return FIRST_COUNTER if found is None else int(found)

    def raise_to(self, key: CounterKey, value: int, *, max_jump: int | None = None) -> int:
        """Never give out a counter below ``value`` again; how far the counter moved (0: it was ahead already).

        ``SecurityError`` counter-jump when it would move by more than ``max_jump``.
        """
        if not 0 <= value <= MAX_COUNTER + 1:
            raise StateError("bad-counter-range", f"an invocation counter of {value}")
        where = (counters.c.ek_fingerprint == key.ek_fingerprint, counters.c.title == key.title)
        with writing(self._engine) as connection:
            insert_once(connection, counters, [_row(key, next=FIRST_COUNTER)])
            # Locked: a reservation in between would be undone by what is written below, and its numbers used twice.
            present: int = connection.execute(select(counters.c.next).where(*where).with_for_update()).scalar_one()
            jump = value - present
            if jump <= 0:
                return 0
            if max_jump is not None and jump > max_jump:
                said = f"the meter asks for a counter {jump} ahead, {max_jump} are allowed"
                raise SecurityError("counter-jump", said)
            connection.execute(update(counters).where(*where).values(next=value))
        return jump

    def raise_all(self, connection: Connection, values: Mapping[CounterKey, int]) -> None:
        """Never give out a counter below its value again, for many keys, as a part of the caller's transaction."""
        for key, value in values.items():
            if not 0 <= value <= MAX_COUNTER + 1:
                raise StateError("bad-counter-range", f"an invocation counter of {value} for {key.title}")
        rows = [_row(key, next=FIRST_COUNTER) for key in sorted(values, key=_order)]
        moved = [
            {"of": key.ek_fingerprint, "under": key.title, "value": values[key]} for key in sorted(values, key=_order)
        ]
        where = (counters.c.ek_fingerprint == bindparam("of"), counters.c.title == bindparam("under"))
        statement = update(counters).where(*where, counters.c.next < bindparam("value")).values(next=bindparam("value"))
        for first in range(0, len(rows), BATCH):
            insert_once(connection, counters, rows[first : first + BATCH])
            connection.execute(statement, moved[first : first + BATCH])

    def peer_counter(self, key: CounterKey) -> int:
        """The highest counter ever accepted from the peer with ``key.title``; -1: none."""
        with reading(self._engine) as connection:
            found = connection.execute(
                select(peer_counters.c.highest).where(
                    peer_counters.c.ek_fingerprint == key.ek_fingerprint, peer_counters.c.title == key.title
                )
            ).scalar_one_or_none()
        return -1 if found is None else int(found)

    def peer_counter_of_many(self, keys: Sequence[CounterKey]) -> dict[CounterKey, int]:
        """The highest counters ever accepted from a batch of peers; a peer that was never heard is not in it."""
        wanted = frozenset(keys)
        found: dict[CounterKey, int] = {}
        with reading(self._engine) as connection:
            for first in range(0, len(keys), BATCH):
                # By the key alone, whose rows are few: it is the first half of the primary key.
                batch = [key.ek_fingerprint for key in keys[first : first + BATCH]]
                rows = connection.execute(select(peer_counters).where(peer_counters.c.ek_fingerprint.in_(batch)))
                found.update((CounterKey(ek_fingerprint, title), highest) for ek_fingerprint, title, highest in rows)
        return {key: highest for key, highest in found.items() if key in wanted}

    def accepted(self, key: CounterKey, highest: int) -> None:
        """Remember the highest counter verified from the peer; it never goes back."""
        self.accepted_many({key: highest})

    def accepted_many(self, highest: Mapping[CounterKey, int]) -> None:
        """The same for a batch of peers, in one transaction."""
        with writing(self._engine) as connection:
            self.accepted_within(connection, highest)

    def accepted_within(self, connection: Connection, highest: Mapping[CounterKey, int]) -> None:
        """The same as a part of the caller's transaction."""
        keys = sorted(highest, key=_order)
        for first in range(0, len(keys), BATCH):
            batch = keys[first : first + BATCH]
            connection.execute(_heard(connection.dialect.name), [_row(key, highest=highest[key]) for key in batch])

    def forget_peers_within(self, connection: Connection, ek_fingerprints: Sequence[str]) -> None:
        """Forget what was accepted from peers under these keys, as a part of the caller's transaction."""
        for first in range(0, len(ek_fingerprints), BATCH):
            batch = ek_fingerprints[first : first + BATCH]
            connection.execute(delete(peer_counters).where(peer_counters.c.ek_fingerprint.in_(batch)))

    def another_title(self, title: str) -> str | None:
        """The title of some other client that counters are kept for; None: there is none."""
        query = select(counters.c.title).where(counters.c.title != title).limit(1)
        with reading(self._engine) as connection:
            return connection.execute(query).scalar_one_or_none()

    def nearly_spent(self) -> int:
        """How many counters are above :data:`WARN_COUNTER`."""
        with reading(self._engine) as connection:
            query = select(func.count()).select_from(counters).where(counters.c.next > WARN_COUNTER)
            return connection.execute(query).scalar_one()


def _order(key: CounterKey) -> tuple[str, str]:
    return key.ek_fingerprint, key.title


def _row(key: CounterKey, **first: int) -> dict[str, str | int]:
    return {"ek_fingerprint": key.ek_fingerprint, "title": key.title, **first}
