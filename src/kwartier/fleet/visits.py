"""What is remembered of visits: a record of each, and the layout of each meter's quarter profile."""

import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine, delete, insert, select

from kwartier.cosem import layout as layouts
from kwartier.cosem.layout import Layout
from kwartier.database import reading, writing
from kwartier.tables import layouts as layout_table
from kwartier.tables import visits

ID_BYTES = 8
Detail = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRecord:
    """How a visit ended, for whom and why it was made; never what was read."""

    meter: str
    started: datetime
    ended: datetime
    outcome: str
    """``done``, or the code of the error."""
    purpose: str
    reason: str
    actor: str
    detail: Detail = field(default_factory=dict)
    id: str = field(default_factory=lambda: secrets.token_hex(ID_BYTES))


class Visits:
    """Visits and layouts in one database."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, visit: VisitRecord) -> None:
        """Store one record."""
        with writing(self._engine) as connection:
            connection.execute(
                insert(visits).values(
                    id=visit.id,
                    meter=visit.meter,
                    started=visit.started.isoformat(),
                    ended=visit.ended.isoformat(),
                    outcome=visit.outcome,
                    purpose=visit.purpose,
                    reason=visit.reason,
                    actor=visit.actor,
                    detail=json.dumps(visit.detail),
                )
            )

    def of_meter(self, meter: str) -> list[VisitRecord]:
        """Every record of ``meter``, the newest first."""
        query = select(visits).where(visits.c.meter == meter).order_by(visits.c.started.desc())
        with reading(self._engine) as connection:
            rows = connection.execute(query).mappings().all()
        return [
            VisitRecord(
                id=row["id"],
                meter=row["meter"],
                started=datetime.fromisoformat(row["started"]),
                ended=datetime.fromisoformat(row["ended"]),
                outcome=row["outcome"],
                purpose=row["purpose"],
                reason=row["reason"],
                actor=row["actor"],
                detail=json.loads(row["detail"]),
            )
            for row in rows
        ]

    def layout(self, meter: str) -> Layout | None:
        """What ``meter`` said of its quarter profile when it was last asked."""
        query = select(layout_table.c.layout).where(layout_table.c.meter == meter)
        with reading(self._engine) as connection:
            text = connection.execute(query).scalar_one_or_none()
        return None if text is None else layouts.load(text)

    def save_layout(self, meter: str, layout: Layout, *, at: int) -> None:
        """Remember it. ``at``: UTC seconds."""
        with writing(self._engine) as connection:
            connection.execute(delete(layout_table).where(layout_table.c.meter == meter))
            connection.execute(
                insert(layout_table).values(
                    meter=meter, fingerprint=layout.fingerprint, layout=layout.dump(), read_at=at
                )
            )

    def forget_layout(self, meter: str) -> None:
        """Ask the meter again at its next visit."""
        with writing(self._engine) as connection:
            connection.execute(delete(layout_table).where(layout_table.c.meter == meter))
