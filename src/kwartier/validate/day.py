"""What rules and methods look at: registers of many meters over one local day, and what else is known of them, in columns.

Places count quarter ends: place 0 is the opening at local midnight, place n the closing; quarter q lies between the places q
and q + 1. A meter that came to or left its connection during the day has registers from place ``first`` to place ``last``
only; the registers at its exchange stand at the nearest of these places.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kwartier.model import Bytes8, Registers, Stack, Times

Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]
CHANNELS = ("import_wh", "export_wh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A register that is known from elsewhere, for each row: meaningful where ``there``."""

    register_wh: Registers = field(repr=False)
    at: Times
    """UTC seconds."""
    there: Mask
    marked: Mask | None = None
    """Where the row that it came in says that the power failed; None: that is not known of any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What is known of the rows of a stack besides their registers; every column has a row an id, in the order of the stack.

    A mapping by channel has no entry where nothing is known of any row.
    """

    capacity_wh: Registers
    """What the connection can carry in a quarter at 100 %; 0: not known."""
    first: Places
    """The first place at which the meter was at the connection; 0 as a rule."""
    last: Places
    """The last one; n as a rule."""
    exchanged: Mask
    """Whether the meter or its metering module was exchanged during the day: its registers may start anew."""
    before: Mapping[str, Known] = field(default_factory=dict)
    """The last register known before the opening."""
    after: Mapping[str, Known] = field(default_factory=dict)
    """The first register known after the closing, the next day's own opening among them."""
    next_opening: Mapping[str, Known] = field(default_factory=dict)
    """The register that the next day's own reading opens with: the sum check compares with it."""
    daily: Mapping[str, Known] = field(default_factory=dict)
    """The day's closing as the daily profile has it, where a purpose allowed reading it in the same visit."""
    check_meter_wh: Mapping[str, Known] = field(default_factory=dict)
    """What a second meter at the connection measured on the day, as ``register_wh``."""
    state: Mapping[str, Registers] = field(default_factory=dict, repr=False)
    """:data:`kwartier.model.STATE` of the day before; empty: of no row anything is known. A row of nothing has only zeros."""
    clock_drift_s: Registers | None = None
    """How far the meter's clock was ahead when it was visited; None: it was never asked."""
    inactive: Mask | None = None
    """Whether the registry says that nobody uses the connection."""
    solar: Mask | None = None
    """Whether something at the connection may feed in."""
    outages: Mapping[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    """By row: stretches of quarters (first, last) over which events prove that there was no power."""
    cohort: tuple[str, ...] = ()
    """Supplier and firmware of each row's metering module; empty: not known."""
    transformer: tuple[str, ...] = ()
    """The transformer of each row; empty: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One stack with what is around it. ``times`` has n + 1 entries (UTC s)."""

    stack: Stack
    times: Times
    around: Around

    def __len__(self) -> int:
        """How many rows."""
        return len(self.stack)

    @property
    def quarters(self) -> int:
        """How many quarters the day has: 92, 96 or 100."""
        return len(self.times) - 1


class Spans(NamedTuple):
    """Stretches that a rule has something to say about, in columns: which row, first and last quarter, both counted from 0."""

    rows: Places
    first: Places
    last: Places


class Said(NamedTuple):
    """What one rule said of one channel, or of rows as a whole (channel ""), for a stack."""

    code: str
    severity: str
    """``fail``: the quarters are not used as they are; ``warn``: they are."""
    channel: str
    spans: Spans


class Verdicts(NamedTuple):
    """What all rules said of a stack. ``rejected``: for each channel which quarters (rows by n) are not used as they are."""

    said: tuple[Said, ...]
    evaluated: Mapping[str, int]
    """By rule: of how many rows it could say something."""
    not_evaluated: Mapping[str, int]
    """By rule: of how many it could not; never counted as passed."""
    rejected: Mapping[str, Mask]


Energy = npt.NDArray[np.int64]
"""Wh, one a quarter."""
Status = Bytes8
NEVER_ASKED = -(1 << 63)
"""In ``clock_drift_s``: the clock of this row's meter was not asked."""
