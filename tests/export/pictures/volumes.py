"""Volumes to take pictures of, each quarter told by one character."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from kwartier.clock import quarter_ends
from kwartier.export.pictures.coverage import Coverage, Seen, coverage_of
from kwartier.export.pictures.day_curve import DayCurve, curve_of
from kwartier.model import Quality, Volumes

TIMEZONE = "Europe/Amsterdam"
PLAIN, FORWARD, BACK = date(2026, 11, 25), date(2026, 3, 29), date(2026, 10, 25)
"""Days of 96, 92 and 100 quarters."""
SIGNS = {
    "m": Quality.MEASURED,
    "c": Quality.CALCULATED,
    "e": Quality.ESTIMATED,
    ".": Quality.MISSING,
    "-": Quality.ABSENT,
}


def quarters_of(day: date) -> int:
    """How many quarters a day has."""
    return len(quarter_ends(day, day + timedelta(days=1), TIMEZONE)) - 1


def volumes(day: date, rows: Sequence[str], export: Sequence[str] | None = None, energy_wh: int = 100) -> Volumes:
    """A row for each of ``rows``, which says how its quarters came about and is repeated until the day is full."""
    quarters = quarters_of(day)

    def column(told: Sequence[str]) -> npt.NDArray[np.uint8]:
        return np.array(
            [[SIGNS[row[place % len(row)]] for place in range(quarters)] for row in told], np.uint8
        ).reshape(len(told), quarters)

    quality = {"import_wh": column(rows), "export_wh": column(["-"] * len(rows) if export is None else export)}
    return Volumes(
        day=day,
        ids=np.arange(len(rows), dtype=np.int64),
        energy_wh={
            name: np.where(each < Quality.MISSING, energy_wh, 0).astype(np.int32) for name, each in quality.items()
        },
        quality=quality,
        state={},
    )


def coverage(*rows: str, day: date = PLAIN, caption: str = "") -> Coverage:
    """The completeness of one day."""
    return coverage_of([Seen(volumes(day, rows))], TIMEZONE, caption)


def curve(*rows: str, day: date = PLAIN, export: Sequence[str] | None = None, caption: str = "") -> DayCurve:
    """The curve of one day."""
    return curve_of([Seen(volumes(day, rows, export))], day, TIMEZONE, caption)
