"""Stored readings as a table: what ``kwartier readings`` and whoever else asks the gate prints or writes."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow

from kwartier.clock import zone
from kwartier.gate.grant import Shown
from kwartier.gate.policy import Asking, Scope
from kwartier.gate.sums import Sums
from kwartier.model import Missing
from kwartier.service.home import Home

CHANNELS = ("import_wh", "export_wh")
MOMENT = pyarrow.timestamp("s", "UTC")
_FIELDS: list["pyarrow.Field[Any]"] = [
    pyarrow.field("ean", pyarrow.string()),
    pyarrow.field("meter", pyarrow.string()),
    pyarrow.field("quarter_end", MOMENT),
    *(pyarrow.field(name, pyarrow.int64()) for name in CHANNELS),
    *(pyarrow.field(f"{name}_missing", pyarrow.string()) for name in CHANNELS),
    pyarrow.field("status", pyarrow.uint8()),
    pyarrow.field("clock_status", pyarrow.uint8()),
    pyarrow.field("version", pyarrow.int32()),
    pyarrow.field("known_at", MOMENT),
]
COLUMNS = pyarrow.schema(_FIELDS)
"""Registers in Wh at the end of each quarter; the first row of a run is its opening."""
REASONS = np.array([one.name.lower().replace("_", "-") for one in Missing])


def look_up(
    home: Home, scope: Scope, *, actor: Asking, purpose: str, reason: str = "", recipient: str = ""
) -> list[Shown]:
    """The readings of the connections that a scope names. Raises as :meth:`kwartier.gate.grant.Gate.open`."""
    grant = home.gate.open(actor=actor, purpose=purpose, reason=reason, recipient=recipient, scope=scope)
    return list(grant.readings())


def sums_of_day(
    home: Home, scope: Scope, *, actor: Asking, purpose: str, reason: str = "", recipient: str = ""
) -> Sums:
    """The sums of the groups of one local day, the first of the scope. Raises as the gate and its sums do."""
    grant = home.gate.open(actor=actor, purpose=purpose, reason=reason, recipient=recipient, scope=scope)
    return grant.sums(scope.start)


def as_table(shown: Sequence[Shown]) -> pyarrow.Table:
    """A row for every stamp of every meter, with :data:`COLUMNS`."""
    parts = [_table(one) for one in shown]
    return pyarrow.concat_tables(parts) if parts else COLUMNS.empty_table()


def _table(one: Shown) -> pyarrow.Table:
    readings = one.readings
    count = len(readings.times)
    absent = np.ones(count, np.bool_)
    columns: dict[str, object] = {
        "ean": pyarrow.array([one.ean] * count),
        "meter": pyarrow.array([readings.meter] * count),
        "quarter_end": pyarrow.array(readings.times, pyarrow.int64()).cast(MOMENT),
    }
    for name in CHANNELS:
        reasons = readings.missing.get(name)
        if reasons is None:
            columns[name], columns[f"{name}_missing"] = pyarrow.nulls(count), pyarrow.nulls(count)
            continue
        gone = reasons != Missing.PRESENT
        absent &= gone
        columns[name] = pyarrow.array(readings.registers[name], mask=gone)
        columns[f"{name}_missing"] = pyarrow.array(REASONS[reasons], mask=~gone)
    columns["status"] = pyarrow.array(readings.status, mask=absent)
    columns["clock_status"] = pyarrow.array(readings.clock_status, mask=absent)
    days = _days(one)
    columns["version"] = pyarrow.array([one.versions.get(day) for day in days], pyarrow.int32())
    columns["known_at"] = pyarrow.array(
        [None if day not in one.known_at else datetime.fromtimestamp(one.known_at[day], UTC) for day in days],
        MOMENT,
    )
    return pyarrow.table([columns[name] for name in COLUMNS.names], names=COLUMNS.names).cast(COLUMNS)


def _days(one: Shown) -> list[date]:
    """The local day that each stamp closes a quarter of; the opening is of the first."""
    place = zone(one.timezone)
    ends = [datetime.fromtimestamp(int(at) - 1, place).date() for at in one.readings.times[1:]]
    return [one.readings.start, *ends]
