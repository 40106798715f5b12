"""Visits to a simulated fleet by what its files say, without an installation: one client title, counters that only grow."""

import asyncio
import csv
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path

from kwartier.collect.visit import Credentials, Visit, Visitor
from kwartier.cosem import companion as companions
from kwartier.cosem.layout import of_companion
from kwartier.cosem.reading import Outcome, read_quarters
from kwartier.dlms.protection import CounterRange, SessionKeys
from kwartier.model import Finding, Meter

OWN_TITLE = b"KWT\x00\x00\x00\x00\x01"
VISIT_COUNTERS = 64


class Growing:
    """The counters of one meter's key, in memory."""

    def __init__(self) -> None:
        self.peer_counter = -1
        self._blocks = count(1)

    def reserve(self, count: int) -> CounterRange:
        start = next(self._blocks) * VISIT_COUNTERS
        assert count <= VISIT_COUNTERS
        return CounterRange(start, start + count)

    def raise_to(self, counter: int) -> Finding | None:
        return None  # ours is always ahead

    def accepted(self, peer_counter: int) -> None:
        self.peer_counter = max(self.peer_counter, peer_counter)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


class Street:
    """What somebody knows who holds the files of a fleet."""

    def __init__(self, fleet: list[dict[str, str]], keys: list[dict[str, str]]) -> None:
        self.fleet = {row["meter"]: row for row in fleet}
        self.keys = {
            row["meter"]: SessionKeys(ek=bytes.fromhex(row["ek"]), ak=bytes.fromhex(row["ak"])) for row in keys
        }
        self.counters = {name: Growing() for name in self.fleet}

    def meter(self, name: str) -> Meter:
        row = self.fleet[name]
        return Meter(
            meter=name,
            ean=row["ean"],
            host=row["host"],
            port=int(row["port"]),
            system_title=bytes.fromhex(row["system_title"]),
            companion=row["companion"],
            transport=row["transport"],
            logical_device=int(row["logical_device"]),
            physical_address=int(row["physical_address"]) if row["physical_address"] else None,
            address_bytes=int(row["address_bytes"]) if row["address_bytes"] else None,
        )

    async def visit(self, name: str, day: date, *, now: float, deadline_s: float = 10.0) -> Visit[Outcome]:
        """Read one day of one meter, its layout known."""
        meter = self.meter(name)
        companion = companions.load(meter.companion)
        visitor: Visitor[Outcome] = Visitor(
            meter,
            companion,
            Credentials(own_title=OWN_TITLE, keys=self.keys[name], counters=self.counters[name]),
            deadline_s=deadline_s,
            wall=lambda: datetime.fromtimestamp(now, UTC),
        )
        return await visitor.visit(
            lambda: read_quarters(
                companion,
                meter=name,
                start=day,
                end=day + timedelta(days=1),
                timezone=meter.timezone,
                now=lambda: now,
                known=of_companion(companion),
                clock=True,
            )
        )


async def visit_many(
    street: Street, names: list[str], day: date, *, now: float, at_once: int = 50, deadline_s: float = 10.0
) -> dict[str, Visit[Outcome]]:
    """Visit many meters, some at a time."""
    slots = asyncio.Semaphore(at_once)

    async def one(name: str) -> tuple[str, Visit[Outcome]]:
        async with slots:
            return name, await street.visit(name, day, now=now, deadline_s=deadline_s)

    return dict(await asyncio.gather(*(one(name) for name in names)))
