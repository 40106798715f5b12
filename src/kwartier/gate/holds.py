"""What a person has said that stops uses of their readings, or their deletion: dated, and never lost when it ends.

A restriction (AVG 18) and a dispute (AVG 16) keep what they touch on the disk, an objection (AVG 21) does not. Which uses go
on in spite of a hold stands with each purpose.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, Engine, bindparam, insert, select, update

from kwartier.database import reading
from kwartier.errors import InputError
from kwartier.gate.purposes import Hold
from kwartier.tables import holds, reading_ids

KEEPING = frozenset({Hold.RESTRICTION, Hold.DISPUTE})
"""What is under one of these is not deleted while it stands."""
ID_BYTES = 16
BATCH = 400
"""Connections in one statement."""
_TOUCHING = select(holds.c.ean, holds.c.kind).where(
    holds.c.ean.in_(bindparam("eans", expanding=True)),
    holds.c.ended_at.is_(None),
    holds.c.valid_from < bindparam("end"),
    holds.c.valid_to > bindparam("start"),
)
Days = tuple[date, date]
"""Local days, the second exclusive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One hold; ``end`` is the first local day that it does not touch, ``ended_at`` (UTC s) None while it stands."""

    id: str
    ean: str
    kind: Hold
    start: date
    end: date
    ground: str
    made_at: int
    made_by: str
    ended_at: int | None = None
    ended_by: str | None = None


class Holds:
    """The holds in one database."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def make(
        self, connection: Connection, ean: str, kind: Hold, start: date, end: date, ground: str, by: str, at: int
    ) -> str:
        """A hold from ``at`` (UTC s) on, as a part of the caller's transaction; its id. Raises ``InputError`` bad-day."""
        if end <= start:
            raise InputError("bad-day", f"from {start} up to {end} there is no day")
        name = secrets.token_hex(ID_BYTES)
        row = {
            "id": name,
            "ean": ean,
            "kind": kind.value,
            "valid_from": start,
            "valid_to": end,
            "ground": ground,
            "made_at": at,
            "made_by": by,
        }
        connection.execute(insert(holds), [row])
        return name

    def end(self, connection: Connection, name: str, by: str, at: int) -> bool:
        """End a hold, as a part of the caller's transaction; False where it has ended. Raises ``InputError`` unknown-hold."""
        found = connection.execute(
            update(holds).where(holds.c.id == name, holds.c.ended_at.is_(None)).values(ended_at=at, ended_by=by)
        )
        if found.rowcount:
            return True
        if connection.execute(select(holds.c.id).where(holds.c.id == name)).first() is None:
            raise InputError("unknown-hold", f"there is no hold {name[: 2 * ID_BYTES]}")
        return False

    def standing(self, connection: Connection, days: Days) -> dict[str, frozenset[Hold]]:
        """Every connection with a hold that touches some of these days, and which."""
        start, end = days
        query = select(holds.c.ean, holds.c.kind).where(
            holds.c.ended_at.is_(None), holds.c.valid_from < end, holds.c.valid_to > start
        )
        found: dict[str, set[Hold]] = {}
        for row in connection.execute(query):
            found.setdefault(row.ean, set()).add(Hold(row.kind))
        return {ean: frozenset(kinds) for ean, kinds in found.items()}

    def touching(self, connection: Connection, eans: Sequence[str], days: Days) -> Mapping[str, frozenset[Hold]]:
        """The same for some connections only."""
        start, end = days
        found: dict[str, set[Hold]] = {}
        for first in range(0, len(eans), BATCH):
            about = {"eans": eans[first : first + BATCH], "start": start, "end": end}
            for row in connection.execute(_TOUCHING, about):
                found.setdefault(row.ean, set()).add(Hold(row.kind))
        return {ean: frozenset(kinds) for ean, kinds in found.items()}

    def of(self, connection: Connection, ean: str) -> list[Standing]:
        """Every hold of a connection, also those that have ended, in the order in which they were made."""
        query = select(holds).where(holds.c.ean == ean).order_by(holds.c.made_at, holds.c.id)
        return [
            Standing(
                id=row.id,
                ean=row.ean,
                kind=Hold(row.kind),
                start=row.valid_from,
                end=row.valid_to,
                ground=row.ground,
                made_at=row.made_at,
                made_by=row.made_by,
                ended_at=row.ended_at,
                ended_by=row.ended_by,
            )
            for row in connection.execute(query)
        ]

    def keeping(self) -> dict[str, list[Days]]:
        """By connection, the days that must not be deleted now."""
        query = select(holds.c.ean, holds.c.valid_from, holds.c.valid_to).where(
            holds.c.ended_at.is_(None), holds.c.kind.in_(sorted(KEEPING))
        )
        found: dict[str, list[Days]] = {}
        with reading(self._engine) as connection:
            for row in connection.execute(query):
                found.setdefault(row.ean, []).append((row.valid_from, row.valid_to))
        return found

    def held_ids(self, day: date) -> frozenset[int]:
        """The ids of readings of which nothing may be deleted of a local day."""
        query = (
            select(reading_ids.c.id)
            .join(holds, holds.c.ean == reading_ids.c.ean)
            .where(
                reading_ids.c.year == day.year,
                holds.c.ended_at.is_(None),
                holds.c.kind.in_(sorted(KEEPING)),
                holds.c.valid_from <= day,
                holds.c.valid_to > day,
            )
        )
        with reading(self._engine) as connection:
            return frozenset(connection.execute(query).scalars())
