"""Our client as a night runs it: a batch of meters, counters reserved for all of them at once, one visit each.

Nothing is left out that an installation does on the line and around it: durable counters in a database on disk, a fresh
challenge, deadlines, every check of the session, and a record of each visit.
"""

import asyncio
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from bench.scene import (
    DAY,
    FIRST_OWN_CLIENT,
    METER_TITLE,
    NEXT_DAY,
    NOW_S,
    TIMEZONE,
    Row,
    Rows,
    companion,
    identity,
    layout,
    meter,
)
from kwartier.collect.visit import RESERVED_COUNTERS, Credentials, Visitor
from kwartier.cosem.profile import Frame, readings_of
from kwartier.cosem.reading import Outcome, read_quarters
from kwartier.database import open_engine, sqlite_url, upgrade
from kwartier.keys.counters import Counters
from kwartier.keys.source import LeasedCounters, MeterCounters, lease, remember
from kwartier.model import Readings

DEADLINE_S = 60.0
CHANNELS = ("import_wh", "export_wh")


class Kwartier:
    """Visits over one event loop. ``at_once``: how many of a batch are under way at the same time."""

    name = "kwartier"
    skips: tuple[str, ...] = ()

    def __init__(self, port: int, meters: int, folder: Path) -> None:
        database = folder / "bench.db"
        database.touch()
        engine = open_engine(sqlite_url(database))
        upgrade(engine)
        self._counters = Counters(engine)
        self._meters = [meter(FIRST_OWN_CLIENT + place, port) for place in range(meters)]
        self._sources = [
            MeterCounters(
                self._counters,
                ek_fingerprint=identity(one.client).keys.ek.hex() * 2,
                own_title=identity(one.client).title,
                meter_title=METER_TITLE,
            )
            for one in self._meters
        ]
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self.reserving_s = 0.0
        """CPU seconds that the counters of the last batch took, which are part of what the batch took."""

    def close(self) -> None:
        """Close the event loop."""
        self._runner.close()

    def batch(self, max_pdu: int, sessions: int, at_once: int = 1) -> list[Readings]:
        """One session with each of the first ``sessions`` meters."""
        started_s = time.process_time()
        leased = lease(self._counters, self._sources[:sessions], RESERVED_COUNTERS)
        leased_s = time.process_time()
        found = self._runner.run(self._visits(leased, max_pdu, at_once))
        visited_s = time.process_time()
        remember(self._counters, leased)
        self.reserving_s = leased_s - started_s + time.process_time() - visited_s
        return found

    async def _visits(self, leased: list[LeasedCounters], max_pdu: int, at_once: int) -> list[Readings]:
        waiting = iter(list(enumerate(leased)))
        found: dict[int, Readings] = {}

        async def work(taken: Iterable[tuple[int, LeasedCounters]]) -> None:
            for place, counters in taken:
                found[place] = await self._visit(place, counters, max_pdu)

        await asyncio.gather(*(work(waiting) for _ in range(at_once)))
        return [found[place] for place in range(len(leased))]

    async def _visit(self, place: int, counters: LeasedCounters, max_pdu: int) -> Readings:
        one = self._meters[place]
        me = identity(one.client)
        visitor: Visitor[Outcome] = Visitor(
            one,
            companion(),
            Credentials(own_title=me.title, keys=me.keys, counters=counters, reserved=counters.reserved),
            deadline_s=DEADLINE_S,
            wall=lambda: datetime.now(UTC),
            max_pdu=max_pdu,
        )
        done = await visitor.visit(
            lambda: read_quarters(
                companion(),
                meter=one.meter,
                start=DAY,
                end=NEXT_DAY,
                timezone=TIMEZONE,
                now=lambda: NOW_S,
                known=layout(),
            )
        )
        if done.result is None:
            raise RuntimeError(f"kwartier: {done.error}")
        return done.result.readings

    def rows(self, found: Readings) -> Rows:
        """What a visit gave, in the form that is compared; not measured."""
        used, fed = (found.registers[name].tolist() for name in CHANNELS)
        return tuple(map(Row, found.times.tolist(), found.status.tolist(), used, fed))

    def decode(self, buffer: bytes) -> Readings:
        """The columns of a buffer that was already deciphered."""
        frame = Frame(meter="bench", start=DAY, end=NEXT_DAY, timezone=TIMEZONE, now=NOW_S, channels=CHANNELS)
        return readings_of(buffer, layout(), frame)
