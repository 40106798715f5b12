"""The tables of settlement: what goes into it, what each step gives, and what is published in the end.

Energies are int64 Wh, one a quarter of the local day, in UTC order. ``direction`` is ``import`` (taken from the grid by
connections) or ``export`` (fed into it). Infeed of a direction is what the area's boundary says of it; so per direction
infeed = metered + profiled + losses + residual.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Energy = npt.NDArray[np.int64]
DIRECTIONS: Mapping[str, str] = {"import_wh": "import", "export_wh": "export"}
"""The direction of each channel."""


class Group(NamedTuple):
    """Connections that are settled together."""

    grid_area: str
    brp: str
    supplier: str
    method: str
    """``SMA`` or ``cSMA``: by readings; ``PRF``: by profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """Which group each id is counted in; the arrays go to every worker. ``ids`` ascend; ``group`` is a place in ``groups``."""

    groups: tuple[Group, ...]
    ids: npt.NDArray[np.int64] = field(repr=False)
    group: npt.NDArray[np.int32] = field(repr=False)
    connection: npt.NDArray[np.int64] = field(repr=False)
    """A number for each connection: the meters that were at one connection on the day share it."""


class Part(StrEnum):
    """What a sum is of."""

    METERED = "metered"
    PROFILED = "profiled"
    LOSS = "loss"
    RESIDUAL = "residual"
    INFEED = "infeed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """A row of the settlement. Calculated and estimated volumes are a part of ``energy_wh``. The repr shows no value."""

    grid_area: str
    part: Part
    direction: str
    brp: str = ""
    supplier: str = ""
    method: str = ""
    connections: int = 0
    energy_wh: Energy = field(repr=False)
    calculated_wh: Energy = field(repr=False)
    estimated_wh: Energy = field(repr=False)


class AreaState(StrEnum):
    """How a grid area stands in a version."""

    SETTLED = "settled"
    HELD = "held"
    """Settled, and a check says that it does not add up or is out of bounds: nothing of it is exported."""
    STOPPED = "stopped"
    """Something it needs is not there: nothing of it is settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one check says of an area: ``detail`` names counts and sums of areas, never of a connection."""

    grid_area: str
    code: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """The outcome for one grid area. ``unread``: connections without usable volumes, spread by profile."""

    grid_area: str
    state: AreaState
    code: str = ""
    reason: str = ""
    connections: int = 0
    unread: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The settlement of a local day; areas and sums in the order of their names, so that the same day has the same bytes."""

    day: date
    areas: tuple[Area, ...]
    sums: tuple[Sum, ...]
    checks: tuple[Check, ...]
