"""Readings to store, made of plain numbers."""

from datetime import date

import numpy as np

from kwartier.clock import quarter_ends
from kwartier.model import Missing, Readings
from kwartier.store import Entry

ZONE = "Europe/Amsterdam"
CHANNELS = ("import_wh", "export_wh")


def readings(
    start: date,
    end: date,
    *,
    first_wh: int = 100,
    step_wh: int = 7,
    missing: tuple[int, ...] = (),
    channels: tuple[str, ...] = CHANNELS,
) -> Readings:
    """Even use; the places in ``missing`` are not there."""
    times = quarter_ends(start, end, ZONE)
    count = len(times)
    reasons = np.zeros(count, np.uint8)
    reasons[list(missing)] = Missing.NOT_IN_BUFFER
    return Readings(
        meter="M",
        start=start,
        end=end,
        times=times,
        registers={name: first_wh + step_wh * np.arange(count, dtype=np.int64) for name in channels},
        missing=dict.fromkeys(channels, reasons),
        status=np.zeros(count, np.uint8),
        clock_status=np.zeros(count, np.uint8),
    )


def entry(identity: int, found: Readings, known_at: int = 1) -> Entry:
    """The readings of one id."""
    return Entry(id=identity, readings=found, timezone=ZONE, known_at=known_at)
