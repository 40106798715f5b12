"""The nouns: what this program talks about, as frozen values without behaviour that could surprise.

Energy is integer watt-hours, times are UTC, a day is a local calendar day with 92, 96 or 100 quarters, and the stamp of a
register is the *end* of its quarter: the row stamped D+1 00:00 local closes day D.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]
"""UTC stamps in whole seconds since 1970."""
Registers = npt.NDArray[np.int64]
"""Register values in Wh."""
Bytes8 = npt.NDArray[np.uint8]
"""One status or reason byte per row."""


class Missing(IntEnum):
    """Why a register value is not there; 0 means that it is."""

    PRESENT = 0
    NOT_IN_BUFFER = 1
    """The meter was asked for the quarter and its buffer holds no such row."""
    NULL_DATA = 2
    """The row is there and the meter put null-data where the register belongs."""
    UNPLACEABLE = 3
    """The row's stamp does not say which quarter it belongs to (repeated hour, clock invalid)."""
    CONFLICT = 4
    """Two rows with the same stamp and different registers."""
    BEYOND_BUFFER = 5
    """Older than anything the meter's buffer still holds."""
    NOT_YET = 6
    """The quarter had not ended when the meter was read."""
    NOT_RECEIVED = 7
    """The line broke before the row came; it may still be had."""
    NOT_STORED = 8
    """Nothing of that local day is stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """A device at a connection that we may visit: identity, address, companion; never its keys.

    Field names and defaults are the columns of ``fleet.csv``.
    """

    meter: str
    ean: str
    host: str
    port: int
    system_title: bytes
    companion: str
    transport: str = "wrapper"
    client: int = 1
    logical_device: int = 1
    physical_address: int | None = None
    address_bytes: int | None = None
    suite: int = 0
    mechanism: int = 5
    policy: str = "authenticated+encrypted"
    dso: str = ""
    grid_area: str = ""
    brp: str = ""
    supplier: str = ""
    transformer: str = ""
    capacity: str = ""
    cell: str = ""
    timezone: str = "Europe/Amsterdam"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one rule says about a stretch of readings: a stable code, a span in UTC seconds, a reason without values."""

    code: str
    start: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A row that a meter stamped with a moment between two quarter ends, after an outage or when its clock was set."""

    time: int
    """UTC seconds."""
    registers: Mapping[str, int] = field(repr=False)
    """Wh, of the channels that have a value."""
    status: int
    clock_status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """The quarter registers of one meter and a run of local days, in columns; never changed, only superseded.

    ``times`` has n + 1 entries: the opening stamp (local midnight of ``start``) and the n quarter ends up to local
    midnight of ``end``. Every column has n + 1 entries beside it. ``registers[channel]`` (``import_wh``, ``export_wh``) is
    meaningful where ``missing[channel]`` is 0. The repr shows no value.
    """

    meter: str
    start: date
    end: date
    """The first local day that is not in it."""
    times: Times = field(repr=False)
    registers: Mapping[str, Registers] = field(repr=False)
    missing: Mapping[str, Bytes8] = field(repr=False)
    status: Bytes8 = field(repr=False)
    """The AMR profile status byte of each row, 0 where the row is missing or the profile has none."""
    clock_status: Bytes8 = field(repr=False)
    """The clock status byte of each row's stamp (0xFF: not specified)."""
    findings: tuple[Finding, ...] = ()
    beside: tuple[Beside, ...] = ()
    """Rows that belong to no quarter end, in the order of their moments: kept as they came, and part of no column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Readings of many ids for one local day, ordered by id.

    Every column has a row an id, and a place for the opening at local midnight and for each of the 92, 96 or 100 quarter ends.
    """

    day: date
    ids: Registers
    registers: Mapping[str, Registers] = field(repr=False)
    """Wh; meaningful where ``missing`` is 0, and 0 elsewhere."""
    missing: Mapping[str, Bytes8] = field(repr=False)
    status: Bytes8 = field(repr=False)
    clock_status: Bytes8 = field(repr=False)
    versions: Registers
    known_at: Registers
    beside: Mapping[int, tuple[Beside, ...]] = field(default_factory=dict, repr=False)
    """By row: what came between quarter ends."""

    def __len__(self) -> int:
        """How many ids."""
        return len(self.ids)

    def only(self, wanted: npt.NDArray[np.bool_]) -> "Stack":
        """The rows where ``wanted`` is true."""
        if wanted.all():
            return self
        rows = np.flatnonzero(wanted).tolist()
        return Stack(
            day=self.day,
            ids=self.ids[wanted],
            registers={name: column[wanted] for name, column in self.registers.items()},
            missing={name: column[wanted] for name, column in self.missing.items()},
            status=self.status[wanted],
            clock_status=self.clock_status[wanted],
            versions=self.versions[wanted],
            known_at=self.known_at[wanted],
            beside={place: self.beside[row] for place, row in enumerate(rows) if row in self.beside},
        )


class Quality(IntEnum):
    """How the volume of a quarter came about; a larger number is less sure."""

    MEASURED = 0
    """The difference of two registers that the meter sent."""
    CALCULATED = 1
    """A part of a difference that the meter sent, over a stretch of which it did not send the registers between."""
    ESTIMATED = 2
    """Put in the place of what is not known, until it is."""
    MISSING = 3
    """Neither known nor estimated: the volume is 0 and means nothing."""
    ABSENT = 4
    """There was no such meter at the connection, or it has no such register: the volume is 0 and right."""


STATE = (
    *(f"{kind}_{channel}" for kind in ("last", "total", "mean", "peak") for channel in ("import_wh", "export_wh")),
    "last_import_at",
    "last_export_at",
    "mean_days",
    "zero_days",
    "eligible",
    "raw_version",
)
"""What is kept of a day so that the next one can be judged without reading it again: columns of int64.

``last_*_wh``, ``last_*_at``: the last register that is known at the end of the day, in Wh, and when it was so (UTC s; 0: none
ever was). ``total_*``: the day's volume. ``mean_*``: the mean total over the last eligible days, and ``mean_days`` how many
that were. ``peak_*``: the largest measured quarter so far. ``zero_days``: for how many days in a row nothing was used.
``eligible``: 1 where the day was measured as a whole and may stand for another.
``raw_version``: which version of the meter's readings all of this was made from (0: there were none); what is settled is held
against these registers, and not against what the meter was heard to say later.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volumes:
    """Volumes of many ids for one local day, ordered by id: a row an id, a column for each of the 92, 96 or 100 quarters.

    What validation makes of a :class:`Stack` and settlement takes. Both channels are always there. The repr shows no value.
    """

    day: date
    ids: Registers
    energy_wh: Mapping[str, npt.NDArray[np.int32]] = field(repr=False)
    """Wh in each quarter, never below 0."""
    quality: Mapping[str, Bytes8] = field(repr=False)
    """A :class:`Quality` for each quarter."""
    state: Mapping[str, Registers] = field(repr=False)
    """The columns of :data:`STATE`."""

    def __len__(self) -> int:
        """How many ids."""
        return len(self.ids)

    def only(self, wanted: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Volumes":
        """The rows where ``wanted`` is true, or those at these places, in their order."""
        return Volumes(
            day=self.day,
            ids=self.ids[wanted],
            energy_wh={name: column[wanted] for name, column in self.energy_wh.items()},
            quality={name: column[wanted] for name, column in self.quality.items()},
            state={name: column[wanted] for name, column in self.state.items()},
        )
