"""Corrected registers from a file: which quarters of which day are to read what, checked before anything is stored.

A day is stored as a whole: what the file does not name stays as it is shown now.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

from kwartier import rowfile
from kwartier.clock import QUARTER_S, local_day
from kwartier.errors import InputError
from kwartier.gate.grant import Shown
from kwartier.model import Missing, Readings
from kwartier.rowfile import Column, Value
from kwartier.service.subject.seeing import See

CHANNELS = ("import_wh", "export_wh")
MAX_REGISTER_WH = (1 << 62) - 1
MAX_ROWS = 40_000
"""Quarters of a year, and some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """One local day as it should have been."""

    day: date
    timezone: str
    readings: Readings = field(repr=False)


def _moment(text: str) -> Value:
    try:
        found = datetime.fromisoformat(text)
        seconds = int(found.timestamp()) if found.tzinfo is not None else -1
    except (ValueError, OverflowError):
        seconds = -1
    if seconds < 0 or seconds % QUARTER_S:
        raise ValueError("is no end of a quarter such as 2026-01-31T12:15:00Z")
    return seconds


COLUMNS = (
    Column(name="meter", read=rowfile.name),
    Column(name="quarter_end", read=_moment),
    *(Column(name=name, read=rowfile.whole(0, MAX_REGISTER_WH), default=None, secret=True) for name in CHANNELS),
)


def load(path: Path, ean: str, timezone: str, see: See) -> list[Corrected]:
    """The corrected days of a connection from ``path``: meter, quarter_end (UTC), import_wh, export_wh, the latter in Wh.

    Raises ``InputError`` unreadable-file, bad-header, bad-rows, bad-correction.
    """
    rows = [row for _, row in rowfile.read(path, COLUMNS, unique="quarter_end").good]
    if not 0 < len(rows) <= MAX_ROWS:
        raise InputError("bad-correction", f"{path.name} has {len(rows)} rows, not 1 to {MAX_ROWS}")
    by_day: dict[tuple[str, date], list[rowfile.Row]] = defaultdict(list)
    for row in rows:
        by_day[str(row["meter"]), local_day(_whole(row["quarter_end"]) - 1, timezone)].append(row)
    return [_corrected(meter, day, found, see, ean) for (meter, day), found in sorted(by_day.items())]


def _corrected(meter: str, day: date, rows: list[rowfile.Row], see: See, ean: str) -> Corrected:
    shown = next((one for one in see(ean, day, day + timedelta(days=1)) if one.readings.meter == meter), None)
    if shown is None:
        raise InputError("bad-correction", f"nothing is stored of meter {meter} at this connection for {day}")
    return Corrected(day=day, timezone=shown.timezone, readings=_with(shown, rows))


def _with(shown: Shown, rows: list[rowfile.Row]) -> Readings:
    readings = shown.readings
    registers = {name: column.copy() for name, column in readings.registers.items()}
    missing = {name: column.copy() for name, column in readings.missing.items()}
    for row in rows:
        place = int(np.searchsorted(readings.times, _whole(row["quarter_end"])))
        for name in CHANNELS:
            if row[name] is None:
                continue
            if name not in registers:
                raise InputError("bad-correction", f"meter {readings.meter} has no register {name}")
            registers[name][place] = _whole(row[name])
            missing[name][place] = Missing.PRESENT
    return replace(readings, registers=registers, missing=missing, findings=())


def _whole(value: Value) -> int:
    assert isinstance(value, int)
    return value
