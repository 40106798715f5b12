"""Invocation counters: reserved on the disk before the first byte is sent, and never given out twice.

A counter belongs to an encryption key and the system title that sends under it; whoever shares both shares the counter. A
reservation is one transaction that moves the counter forward and is durable before the range is handed out: a crash wastes
numbers and repeats none. A key that comes back continues where it was. Near the end of the 32 bits it refuses.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, func, select, update

from kwartier.database import counters, insert_once, peer_counters, reading, writing
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
BATCH = 500
"""Keys in one statement."""


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
        ranges: dict[int, CounterRange] = {}
        with writing(self._engine) as connection:
            # In one order whoever asks: two batches that lock the same rows the other way round would wait for ever.
            for place in sorted(range(len(wanted)), key=lambda place: _order(wanted[place][0])):
                ranges[place] = self._reserve(connection, *wanted[place])
        return [ranges[place] for place in range(len(wanted))]

    def _reserve(self, connection: Connection, key: CounterKey, count: int) -> CounterRange:
        if not 0 < count <= MAX_RANGE:
            raise StateError("bad-counter-range", f"a reservation of {count} counters")
        insert_once(connection, counters, _row(key, next=FIRST_COUNTER))
        stop: int = connection.execute(
            update(counters)
            .where(counters.c.ek_fingerprint == key.ek_fingerprint, counters.c.title == key.title)
            .values(next=counters.c.next + count)
            .returning(counters.c.next)
        ).scalar_one()
        if stop - 1 > LAST_COUNTER:
            raise StateError("counter-exhausted", f"invocation counter {stop - count} of 2^32 under this key")
        return CounterRange(stop - count, stop)

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
        with writing(self._engine) as connection:
            return self.raise_within(connection, key, value, max_jump=max_jump)

    def raise_within(self, connection: Connection, key: CounterKey, value: int, *, max_jump: int | None = None) -> int:
        """The same as a part of the caller's transaction."""
        if not 0 <= value <= MAX_COUNTER + 1:
            raise StateError("bad-counter-range", f"an invocation counter of {value}")
        insert_once(connection, counters, _row(key, next=FIRST_COUNTER))
        where = (counters.c.ek_fingerprint == key.ek_fingerprint, counters.c.title == key.title)
        # Locked: a reservation in between would be undone by what is written below, and its numbers used twice.
        present: int = connection.execute(select(counters.c.next).where(*where).with_for_update()).scalar_one()
        jump = value - present
        if jump <= 0:
            return 0
        if max_jump is not None and jump > max_jump:
            raise SecurityError("counter-jump", f"the meter asks for a counter {jump} ahead, {max_jump} are allowed")
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
        with writing(self._engine) as connection:
            insert_once(connection, peer_counters, _row(key, highest=highest))
            connection.execute(
                update(peer_counters).where(*where, peer_counters.c.highest < highest).values(highest=highest)
            )

    def forget_peers_within(self, connection: Connection, ek_fingerprints: Sequence[str]) -> None:
        """Forget what was accepted from peers under these keys, as a part of the caller's transaction."""
        for first in range(0, len(ek_fingerprints), BATCH):
            batch = ek_fingerprints[first : first + BATCH]
            connection.execute(delete(peer_counters).where(peer_counters.c.ek_fingerprint.in_(batch)))

    def nearly_spent(self) -> int:
        """How many counters are above :data:`WARN_COUNTER`."""
        with reading(self._engine) as connection:
            query = select(func.count()).select_from(counters).where(counters.c.next > WARN_COUNTER)
            return connection.execute(query).scalar_one()


def _order(key: CounterKey) -> tuple[str, str]:
    return key.ek_fingerprint, key.title


def _row(key: CounterKey, **first: int) -> dict[str, str | int]:
    return {"ek_fingerprint": key.ek_fingerprint, "title": key.title, **first}
