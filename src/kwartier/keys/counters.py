"""Invocation counters: reserved on the disk before the first byte is sent, and never given out twice.

A counter belongs to an encryption key and the system title that sends under it; whoever shares both shares the counter. A
reservation is one transaction that moves the counter forward and is durable before the range is handed out: a crash wastes
numbers and repeats none. A key that comes back continues where it was. Near the end of the 32 bits it refuses.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.sql.dml import Insert

from kwartier.database import counters, peer_counters, reading, writing
from kwartier.dlms.protection import MAX_COUNTER, CounterRange
from kwartier.errors import SecurityError, StateError

LAST_COUNTER = 0xFFFF_0000
"""No counter above this is given out: it is time for another key well before the numbers end."""
WARN_COUNTER = 2_000_000_000
"""Above this `doctor` and `keys status` ask for rotation, as the grid operators' head-end does."""
MAX_RECOVERY_JUMP = 1_000_000
"""How far what the unauthenticated public client reads may move a counter; a larger jump needs an operator."""
MAX_RANGE = 1 << 20
FIRST_COUNTER = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterKey:
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
        ranges: list[CounterRange] = []
        with writing(self._engine) as connection:
            for key, count in wanted:
                if not 0 < count <= MAX_RANGE:
                    raise StateError("bad-counter-range", f"a reservation of {count} counters")
                connection.execute(self._insert_once(key))
                stop = connection.execute(
                    update(counters)
                    .where(counters.c.ek_fingerprint == key.ek_fingerprint, counters.c.title == key.title)
                    .values(next=counters.c.next + count)
                    .returning(counters.c.next)
                ).scalar_one()
                if stop > LAST_COUNTER:
                    raise StateError("counter-exhausted", f"invocation counter {stop - count} of 2^32 under this key")
                ranges.append(CounterRange(stop - count, stop))
        return ranges

    def _insert_once(self, key: CounterKey) -> Insert:
        values = {"ek_fingerprint": key.ek_fingerprint, "title": key.title, "next": FIRST_COUNTER}
        if self._engine.dialect.name == "postgresql":
            return postgresql_insert(counters).values(values).on_conflict_do_nothing()
        return sqlite_insert(counters).values(values).on_conflict_do_nothing()

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
        if not 0 <= value <= MAX_COUNTER:
            raise StateError("bad-counter-range", f"an invocation counter of {value}")
        with writing(self._engine) as connection:
            connection.execute(self._insert_once(key))
            where = (counters.c.ek_fingerprint == key.ek_fingerprint, counters.c.title == key.title)
            present: int = connection.execute(select(counters.c.next).where(*where)).scalar_one()
            jump = value - present
            if jump <= 0:
                return 0
            if max_jump is not None and jump > max_jump:
                raise SecurityError(
                    "counter-jump", f"the meter asks for a counter {jump} ahead, {max_jump} are allowed"
                )
            connection.execute(update(counters).where(*where).values(next=value))
        return jump

    def peer_counter(self, key: CounterKey) -> int:
        """The highest counter ever accepted from the peer with ``key.title``; -1: none."""
        with reading(self._engine) as connection:
            found = connection.execute(
                select(peer_counters.c.highest).where(
                    peer_counters.c.ek_fingerprint == key.ek_fingerprint, peer_counters.c.title == key.title
                )
            ).scalar_one_or_none()
        return -1 if found is None else int(found)

    def accepted(self, key: CounterKey, highest: int) -> None:
        """Remember the highest counter verified from the peer; it never goes back."""
        where = (peer_counters.c.ek_fingerprint == key.ek_fingerprint, peer_counters.c.title == key.title)
        values = {"ek_fingerprint": key.ek_fingerprint, "title": key.title, "highest": highest}
        with writing(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(postgresql_insert(peer_counters).values(values).on_conflict_do_nothing())
            else:
                connection.execute(sqlite_insert(peer_counters).values(values).on_conflict_do_nothing())
            connection.execute(
                update(peer_counters).where(*where, peer_counters.c.highest < highest).values(highest=highest)
            )

    def nearly_spent(self) -> int:
        """How many counters are above :data:`WARN_COUNTER`."""
        with reading(self._engine) as connection:
            return len(connection.execute(select(counters.c.title).where(counters.c.next > WARN_COUNTER)).all())
