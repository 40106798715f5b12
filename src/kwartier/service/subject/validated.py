"""What validation made of a person's readings, as tables of a dossier: volumes, what was put in the place of some, and why.

Volumes are those of the last finished run over each day. Of findings and substitutes also those are told that a later run has
looked at again: they are kept, so the person is told.
"""

import json
from collections.abc import Sequence
from datetime import date

from sqlalchemy import Row, Table, select

from kwartier.clock import QUARTER_S, midnight, quarter_ends
from kwartier.database import reading
from kwartier.gate.ids import Link
from kwartier.model import Quality, Volumes
from kwartier.service.home import Home
from kwartier.service.subject.moments import utc
from kwartier.service.subject.rules import Days
from kwartier.service.validating.facts import ONE_DAY
from kwartier.store.schema import CHANNELS
from kwartier.tables import STANDING, reading_ids, substitutes, validation_findings, validation_runs

Rows = list[dict[str, object]]
QUALITIES = {one.value: one.name.lower() for one in Quality}


def tables(home: Home, ean: str, days: Days, volumes: Sequence[tuple[Volumes, Sequence[Link]]]) -> dict[str, Rows]:
    """The tables volumes, substitutes and validation_findings of a connection and local days."""
    zone = home.settings.timezone
    put = [
        {
            **_said(row, zone),
            "method": row.method,
            "quality": row.quality,
            "rule": row.rule,
            "inputs": json.loads(row.inputs),
        }
        for row in _rows(home, substitutes, ean, days)
    ]
    found = [
        {**_said(row, zone), "code": row.code, "severity": row.severity}
        for row in _rows(home, validation_findings, ean, days)
    ]
    return {"volumes": _volumes(volumes, zone), "substitutes": put, "validation_findings": found}


def _volumes(several: Sequence[tuple[Volumes, Sequence[Link]]], zone: str) -> Rows:
    """A row for each quarter of each meter; a quarter that is missing, and one without such a meter, has no energy."""
    rows: Rows = []
    for volumes, links in several:
        ends = quarter_ends(volumes.day, volumes.day + ONE_DAY, zone)[1:].tolist()
        for row, link in enumerate(links):
            for place, end in enumerate(ends):
                told: dict[str, object] = {"meter": link.meter, "quarter_end": utc(end)}
                for channel in CHANNELS:
                    quality = volumes.quality[channel][row, place]
                    is_known = quality not in (Quality.MISSING, Quality.ABSENT)
                    told[f"energy_{channel}"] = int(volumes.energy_wh[channel][row, place]) if is_known else None
                    told[f"quality_{channel.removesuffix('_wh')}"] = QUALITIES[int(quality)]
                rows.append(told)
    return rows


def _rows(home: Home, table: Table, ean: str, days: Days) -> Sequence[Row[tuple[object, ...]]]:
    """What finished runs have noted."""
    start, end = days
    query = (
        select(table, reading_ids.c.meter)
        .join(reading_ids, reading_ids.c.id == table.c.reading)
        .join(validation_runs, validation_runs.c.run == table.c.run)
        .where(reading_ids.c.ean == ean, table.c.day >= start, table.c.day < end)
        .where(validation_runs.c.finished_at.is_not(None))
        .order_by(table.c.day, table.c.id)
    )
    with reading(home.engine) as connection:
        return connection.execute(query).all()


def _said(row: Row[tuple[object, ...]], zone: str) -> dict[str, object]:
    """What findings and substitutes have in common."""
    day: date = row.day
    opens = midnight(day, zone)
    return {
        "date": f"{day}",
        "meter": row.meter,
        "channel": row.channel,
        "from": utc(opens + row.first * QUARTER_S),
        "to": utc(opens + (row.last + 1) * QUARTER_S),
        "run": row.run,
        "looked_at_again_by": None if row.superseded == STANDING else row.superseded,
    }
