"""How complete a stretch of days is: how many quarters of each row and hour are of each kind.

A quarter of a meter counts once, by the less sure of its two directions; a direction that the meter does not have, and a
quarter in which it was not at the connection, do not count. A row is a local day, or whatever the volumes are sorted by.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kwartier.errors import InputError
from kwartier.export.pictures.hours import SLOTS, Hours, hours_of, slot_name
from kwartier.export.pictures.palette import KINDS, KNOWN, Kind
from kwartier.model import Quality, Volumes

Mask = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint8]

MAX_ROWS = 400
"""Rows of one picture: somewhat more than a year of days."""
NOT_DUE = 0
"""The code of a quarter that does not count; the others are one more than the place of the kind."""
_QUALITIES = len(Quality)
_CODE = {
    Quality.MEASURED: KINDS.index(Kind.MEASURED) + 1,
    Quality.CALCULATED: KINDS.index(Kind.CALCULATED) + 1,
    Quality.ESTIMATED: KINDS.index(Kind.ESTIMATED) + 1,
    Quality.MISSING: KINDS.index(Kind.MISSING) + 1,
    Quality.ABSENT: NOT_DUE,
}
_CODES = np.array([_CODE[quality] for quality in Quality], np.uint8)
_LATE = np.uint8(KINDS.index(Kind.LATE) + 1)


class Seen(NamedTuple):
    """Volumes, and what their picture needs besides.

    ``late`` says which rows, or which quarters of them (rows by n), came after the night that they were due in; None: none.
    ``labels`` are the rows of the picture, and ``places`` says which of them each row of the volumes belongs to; without
    labels all belong to their local day.
    """

    volumes: Volumes
    late: Mask | None = None
    labels: tuple[str, ...] = ()
    places: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Counts of quarters. ``counts``: rows by columns by :data:`~kwartier.export.pictures.palette.KINDS`."""

    caption: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    """Local hours; the one that a clock repeats has a column of its own where a day of the picture has it."""
    counts: Counts = field(repr=False)

    def totals(self) -> dict[Kind, int]:
        """How many quarters are of each kind."""
        return dict(zip(KINDS, self.counts.sum(axis=(0, 1)).tolist(), strict=True))

    def complete(self, row: int) -> tuple[int, int]:
        """Of a row: how many quarters rest on what a meter sent, and how many were due."""
        by_kind = self.counts[row].sum(axis=0)
        return int(sum(by_kind[KINDS.index(kind)] for kind in KNOWN)), int(by_kind.sum())


def coverage_of(seen: Iterable[Seen], timezone: str, caption: str = "") -> Coverage:
    """Count what comes, in any order and any number of pieces. Raises ``InputError`` bad-day, picture-too-large."""
    found: dict[str, Counts] = {}
    for one in seen:
        hours = fitting_hours(one.volumes, timezone)
        labels = one.labels or (one.volumes.day.isoformat(),)
        places = np.zeros(len(one.volumes), np.int64) if one.places is None else one.places
        by_quarter = _count(codes_of(one), places, len(labels))
        for label, counted in zip(labels, by_quarter, strict=True):
            if label not in found and len(found) == MAX_ROWS:
                raise InputError("picture-too-large", f"a picture has at most {MAX_ROWS} rows")
            np.add.at(found.setdefault(label, np.zeros((SLOTS, len(KINDS)), np.int64)), hours.slots, counted)
    rows = tuple(sorted(found))
    counts = np.array([found[label] for label in rows], np.int64).reshape(len(rows), SLOTS, len(KINDS))
    used = np.arange(SLOTS) % 2 == 0
    used |= counts.any(axis=(0, 2))
    columns = tuple(map(slot_name, np.flatnonzero(used).tolist()))
    return Coverage(caption=caption, rows=rows, columns=columns, counts=counts[:, used])


def fitting_hours(volumes: Volumes, timezone: str) -> Hours:
    """The hours of the day of ``volumes``, which have as many quarters. Raises ``InputError`` bad-day."""
    hours = hours_of(volumes.day, timezone)
    for quality in volumes.quality.values():
        if quality.shape[1] != hours.quarters:
            detail = f"{volumes.day} has {hours.quarters} quarters in {timezone}, and the volumes {quality.shape[1]}"
            raise InputError("bad-day", detail)
    return hours


def codes_of(seen: Seen, channel: str = "") -> Codes:
    """The kind of each quarter, as a code, rows by n: of one channel, or of the less sure of both."""
    chosen = [column for name, column in seen.volumes.quality.items() if channel in ("", name)]
    # Absence counts least, though its number is the largest.
    least = [(column + np.uint8(1)) % np.uint8(_QUALITIES) for column in chosen]
    codes: Codes = _CODES[(np.maximum.reduce(least) + np.uint8(_QUALITIES - 1)) % np.uint8(_QUALITIES)]
    if seen.late is not None:
        late = seen.late[:, np.newaxis] if seen.late.ndim == 1 else seen.late
        codes[late & (codes != NOT_DUE) & (codes < _LATE)] = _LATE
    return codes


def _count(codes: Codes, places: npt.NDArray[np.int64], labels: int) -> Counts:
    """How many of each kind: labels by quarters by kinds."""
    counted = np.zeros((labels, codes.shape[1], len(KINDS)), np.int64)
    order = np.argsort(places, kind="stable") if labels > 1 else None
    present, starts = np.unique(places if order is None else places[order], return_index=True)
    if not len(present):
        return counted
    for place in range(len(KINDS)):
        mask = codes == place + 1
        if order is None:
            counted[0, :, place] = np.count_nonzero(mask, axis=0)
        else:
            counted[present, :, place] = np.add.reduceat(mask[order], starts, axis=0, dtype=np.int64)
    return counted
