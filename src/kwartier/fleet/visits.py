"""What is remembered of visits: a record of each, the layout of each meter's quarter profile, and how far its clock was off."""

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Engine, RowMapping, delete, insert, select

from kwartier.cosem import layout as layouts
from kwartier.cosem.layout import Layout
from kwartier.database import insert_once, reading, replace_rows, writing
from kwartier.names import Names, chained, names_of
from kwartier.tables import drifts, layout_texts, paces, visits
from kwartier.tables import layouts as layout_table

ID_BYTES = 8
BATCH = 500
"""Meters in one statement."""
PAGE = 50_000
"""Rows that are fetched at once."""
MAX_DRIFT_S = 1 << 31
Detail = dict[str, object]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def new_visit() -> str:
    """A name for a visit that no other has."""
    return secrets.token_hex(ID_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRecord:
    """How a visit ended, for whom and why it was made; never what was read."""

    meter: str
    ean: str = ""
    date: date
    """The local day of the visit."""
    started: datetime
    ended: datetime
    outcome: str
    """``done``, or the code of the error."""
    asked: bool = False
    """Whether personal data were asked for."""
    purpose: str
    reason: str
    actor: str
    detail: Detail = field(default_factory=dict)
    id: str = field(default_factory=new_visit)


class Visits:
    """Visits, layouts and drifts in one database."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, visit: VisitRecord) -> None:
        """Store one record."""
        with writing(self._engine) as connection:
            self.record_within(connection, [visit])

    def record_within(self, connection: Connection, records: Sequence[VisitRecord]) -> None:
        """Store records as a part of the caller's transaction."""
        if records:
            connection.execute(insert(visits), [_row(one) for one in records])

    def is_recorded_within(self, connection: Connection, visit: str) -> bool:
        """Whether the visit of that name is written down."""
        return connection.execute(select(visits.c.id).where(visits.c.id == visit)).first() is not None

    def of_meter(self, meter: str) -> list[VisitRecord]:
        """Every record of ``meter``, the newest first."""
        query = select(visits).where(visits.c.meter == meter).order_by(visits.c.started.desc())
        with reading(self._engine) as connection:
            return [_record(row) for row in connection.execute(query).mappings()]

    def at_connection(
        self, ean: str, meters: Sequence[str], start: date, end: date, *, limit: int
    ) -> list[VisitRecord]:
        """Records of ``meters`` at a connection, of the local days of visit from ``start`` to before ``end``, newest first."""
        query = select(visits).where(visits.c.meter.in_(meters), visits.c.ean == ean)
        query = query.where(visits.c.date >= start, visits.c.date < end).order_by(visits.c.started.desc()).limit(limit)
        with reading(self._engine) as connection:
            return [_record(row) for row in connection.execute(query).mappings()]

    def layout(self, meter: str) -> Layout | None:
        """What ``meter`` said of its quarter profile when it was last asked."""
        return self.layouts_of([meter]).get(meter)

    def layouts_of(self, meters: Sequence[str]) -> dict[str, Layout]:
        """The same for many; meters that were never asked are not in it. Raises ``InputError`` bad-layout."""
        found: dict[str, Layout] = {}
        known: dict[str, Layout] = {}
        query = select(layout_table.c.meter, layout_texts).join(
            layout_texts, layout_texts.c.digest == layout_table.c.digest
        )
        with reading(self._engine) as connection:
            for first in range(0, len(meters), BATCH):
                batch = meters[first : first + BATCH]
                for meter, digest, text in connection.execute(query.where(layout_table.c.meter.in_(batch))):
                    if digest not in known:
                        known[digest] = layouts.load(text)
                    found[meter] = known[digest]
        return found

    def save_layout(self, meter: str, layout: Layout, *, at: int) -> None:
        """Remember it. ``at``: UTC seconds."""
        with writing(self._engine) as connection:
            self.save_layouts_within(connection, {meter: layout}, at=at)

    def save_layouts_within(self, connection: Connection, found: Mapping[str, Layout], *, at: int) -> None:
        """Remember many as a part of the caller's transaction."""
        if not found:
            return
        texts = {layout: layout.dump() for layout in set(found.values())}
        digests = {layout: hashlib.sha256(text.encode()).hexdigest() for layout, text in texts.items()}
        insert_once(
            connection,
            layout_texts,
            [{"digest": digests[layout], "layout": text} for layout, text in texts.items()],
        )
        rows = [{"meter": meter, "digest": digests[layout], "read_at": at} for meter, layout in sorted(found.items())]
        replace_rows(connection, layout_table, rows)

    def forget_layout(self, meter: str) -> None:
        """Ask the meter again at its next visit."""
        with writing(self._engine) as connection:
            self.forget_layouts_within(connection, [meter])

    def forget_layouts_within(self, connection: Connection, meters: Sequence[str]) -> None:
        """The same for many as a part of the caller's transaction."""
        for first in range(0, len(meters), BATCH):
            batch = meters[first : first + BATCH]
            connection.execute(delete(layout_table).where(layout_table.c.meter.in_(batch)))

    def drifts_of(self, meters: Sequence[str]) -> dict[str, int]:
        """How far each clock was ahead of ours (seconds) when last asked; meters that were never asked are not in it."""
        found: dict[str, int] = {}
        with reading(self._engine) as connection:
            for first in range(0, len(meters), BATCH):
                batch = meters[first : first + BATCH]
                query = select(drifts.c.meter, drifts.c.drift_s).where(drifts.c.meter.in_(batch))
                found.update((meter, drift_s) for meter, drift_s in connection.execute(query))
        return found

    def all_drifts(self) -> dict[str, int]:
        """The same for every meter that was ever asked and whose clock was off."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(drifts.c.meter, drifts.c.drift_s)).all()
        return {row.meter: row.drift_s for row in rows}

    def drifts_until(self, end: int) -> tuple[Names, npt.NDArray[np.int64]]:
        """How far each clock was ahead of which that last changed before ``end`` (UTC seconds): meters, and seconds.

        Later ones are not in it.
        """
        query = select(drifts.c.meter, drifts.c.drift_s).where(drifts.c.at < end)
        names, ahead_s = [names_of(())], [np.zeros(0, np.int64)]
        with reading(self._engine) as connection:
            for page in connection.execution_options(yield_per=PAGE).execute(query).partitions(PAGE):
                meters, seconds = zip(*page, strict=True)
                names.append(names_of(meters))
                ahead_s.append(np.array(seconds, np.int64))
        return chained(names), np.concatenate(ahead_s)

    def save_drifts_within(self, connection: Connection, found: Iterable[tuple[str, float]], *, at: int) -> None:
        """Remember drifts (meter, seconds ahead) as a part of the caller's transaction."""
        rows = [
            {"meter": meter, "drift_s": round(max(-MAX_DRIFT_S, min(drift_s, MAX_DRIFT_S - 1))), "at": at}
            for meter, drift_s in sorted(dict(found).items())
        ]
        if rows:
            replace_rows(connection, drifts, rows)

    def paces_of(self, meters: Sequence[str]) -> dict[str, float]:
        """How long a visit to each meter has usually taken, in seconds; meters that were never read are not in it."""
        found: dict[str, float] = {}
        with reading(self._engine) as connection:
            for first in range(0, len(meters), BATCH):
                query = select(paces.c.meter, paces.c.visit_ms).where(paces.c.meter.in_(meters[first : first + BATCH]))
                found.update((meter, visit_ms / 1000) for meter, visit_ms in connection.execute(query))
        return found

    def save_paces_within(self, connection: Connection, found: Mapping[str, float], *, at: int) -> None:
        """Remember how long visits usually take (seconds) as a part of the caller's transaction."""
        rows = [{"meter": meter, "visit_ms": round(found[meter] * 1000), "at": at} for meter in sorted(found)]
        if rows:
            replace_rows(connection, paces, rows)


def _record(row: RowMapping) -> VisitRecord:
    return VisitRecord(
        id=row["id"],
        meter=row["meter"],
        ean=row["ean"],
        date=row["date"],
        started=_EPOCH + row["started"] * _MICROSECOND,
        ended=_EPOCH + row["ended"] * _MICROSECOND,
        outcome=row["outcome"],
        asked=row["asked"],
        purpose=row["purpose"],
        reason=row["reason"],
        actor=row["actor"],
        detail=json.loads(row["detail"]),
    )


def _row(record: VisitRecord) -> dict[str, object]:
    return {
        "id": record.id,
        "meter": record.meter,
        "ean": record.ean,
        "date": record.date,
        "started": (record.started - _EPOCH) // _MICROSECOND,
        "ended": (record.ended - _EPOCH) // _MICROSECOND,
        "outcome": record.outcome,
        "asked": record.asked,
        "purpose": record.purpose,
        "reason": record.reason,
        "actor": record.actor,
        "detail": json.dumps(record.detail, separators=(",", ":")),
    }
