"""A read that no night stands behind: one meter, asked for by somebody, under the same claim and kept like any other.

Its days go into the table of the nights as stored, so that a night finds them there and asks for nothing. How the read ended is
for whoever asked for it; a night that has the meter due is not told of a failure.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from sqlalchemy import Connection, Engine

from kwartier.collect.claims import Claims
from kwartier.collect.due import State
from kwartier.collect.lease import Leases, Settled
from kwartier.database import insert_once
from kwartier.model import Meter
from kwartier.tables import dues

NOT_PLANNED = "not-planned"
"""The code of a day that was read by hand and of which the storing was cut off."""


class ByHand(Leases):
    """Stands where the leases of a night would, for one read of ``meter``."""

    def __init__(self, engine: Engine, claims: Claims, meter: Meter) -> None:
        super().__init__(engine, claims)
        self._meter = meter
        self.settled: list[Settled] = []
        """How it ended, if it did not end well."""

    def settle_within(self, connection: Connection, day: date, settled: Sequence[Settled], *, at: int) -> None:
        """Remember how it ended."""
        self.settled += settled

    def mark_batch_within(
        self, connection: Connection, batch: str, rows: Sequence[Mapping[str, object]], *, at: int
    ) -> None:
        """The days are about to be stored; those that no night has planned get a row of their own."""
        meter = self._meter
        fresh = [
            {
                "day": row["day"],
                "meter": meter.meter,
                "ean": meter.ean,
                "dso": meter.dso,
                "timezone": meter.timezone,
                "state": State.FAILED,
                "earliest": at,
                "next_at": at,
                "deadline": at,
                "attempts": 1,
                "lease": None,
                "batch": None,
                "code": NOT_PLANNED,
                "quarters": row["quarters"],
                "present": row["present"],
                "settled_at": at,
            }
            for row in rows
        ]
        if fresh:
            insert_once(connection, dues, fresh)
        super().mark_batch_within(connection, batch, rows, at=at)
