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
