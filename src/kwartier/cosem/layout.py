"""What a meter said about its quarter profile: which columns it has, how often it captures, in what unit.

A layout is read once, when a meter is first met, and stored with its fingerprint; later visits are told it and ask for
nothing but rows. The meaning comes from the meter; the first row of a buffer only confirms the types. A unit other than Wh,
or a scaler that would leave parts of a Wh, is refused: nothing here rounds energy.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

from kwartier.cosem.access import MAX_COLUMNS, CaptureObject, objects_of
from kwartier.cosem.companion import QUARTER_S, REGISTER_CLASSES, Companion, CosemObject
from kwartier.cosem.status import UNIT_WH, unit_name
from kwartier.dlms import axdr
from kwartier.dlms.axdr import Tag
from kwartier.errors import InputError, WireError

CLOCK = "clock"
STATUS = "status"
IGNORED = ""
MAX_SCALER = 12
"""10^12 Wh a step: nothing sensible is above it, and 64 bits hold it."""
MAX_ENTRIES = 1 << 32
MAX_CAPTURE_VALUES = 1 + 5 * (MAX_COLUMNS + 1)
"""The array, and for each capture object its structure with class, code, attribute and index; one too many is seen."""
MAX_LAYOUT_TEXT = 1 << 16
DEMAND_REGISTER = 5
FIFO = 1
LIFO = 2

Roles = tuple[str, ...]
"""What each column of a row is: ``clock``, ``status``, the name of a channel, or empty where it is dropped."""


class Asking(NamedTuple):
    """A way to ask for rows."""

    method: str
    """``range``, ``entry`` or ``whole``."""
    columns: bool = False
    """Whether the request names the columns that it wants."""
    deviation: bool = False
    """Whether the date-times of a range carry their deviation from UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The quarter profile as one meter has it. ``multipliers``: Wh per step of each channel that is captured."""

    columns: tuple[CaptureObject, ...]
    roles: Roles
    period_s: int
    entries: int
    """How many rows the buffer holds when full."""
    multipliers: Mapping[str, int] = field(hash=False)
    sort_method: int = FIFO
    """Blue Book 4.3.6: 1 is first in first out, 2 last in first out, others sort by a value."""
    assumed: tuple[str, ...] = ()
    """What the meter refused to tell and the companion filled in."""
    asking: Asking | None = None
    """What the meter answered to last time, if that is known."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the meaning of a row does; how it is asked for is no part of it."""
        return hashlib.sha256(json.dumps(_meaning(self), sort_keys=True).encode()).hexdigest()

    @property
    def scaled(self) -> bool:
        """Whether some register does not count in steps of 1 Wh."""
        return any(step != 1 for step in self.multipliers.values())

    @property
    def clock_column(self) -> int:
        """Where the stamp stands in a row."""
        return self.roles.index(CLOCK)

    def needed(self) -> tuple[int, ...]:
        """The columns that are kept, in capture order."""
        return tuple(place for place, role in enumerate(self.roles) if role != IGNORED)

    def asked(self, asking: Asking) -> "Layout":
        """This layout, remembering that ``asking`` was answered."""
        return self if asking == self.asking else replace(self, asking=asking)

    def dump(self) -> str:
        """As JSON, for storing beside the meter."""
        asking = None if self.asking is None else list(self.asking)
        return json.dumps({**_meaning(self), "asking": asking}, sort_keys=True)


def _meaning(layout: Layout) -> dict[str, object]:
    return {
        "columns": [[one.class_id, one.obis.hex(), one.attribute, one.data_index] for one in layout.columns],
        "roles": list(layout.roles),
        "period_s": layout.period_s,
        "entries": layout.entries,
        "sort_method": layout.sort_method,
        "multipliers": dict(layout.multipliers),
        "assumed": list(layout.assumed),
    }


def load(text: str) -> Layout:
    """A layout from what :meth:`Layout.dump` wrote. Raises ``InputError`` bad-layout."""
    try:
        if len(text) > MAX_LAYOUT_TEXT:
            raise ValueError("too long")
        table = json.loads(text)
        asking = table["asking"]
        layout = Layout(
            columns=tuple(
                CaptureObject(
                    class_id=int(row[0]), obis=bytes.fromhex(row[1]), attribute=int(row[2]), data_index=int(row[3])
                )
                for row in table["columns"]
            ),
            roles=tuple(str(role) for role in table["roles"]),
            period_s=int(table["period_s"]),
            entries=int(table["entries"]),
            multipliers=MappingProxyType({str(name): int(step) for name, step in table["multipliers"].items()}),
            sort_method=int(table["sort_method"]),
            assumed=tuple(str(one) for one in table["assumed"]),
            asking=None if asking is None else Asking(str(asking[0]), bool(asking[1]), bool(asking[2])),
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise InputError("bad-layout", "a stored layout does not read") from error
    channels = {role for role in layout.roles if role not in (CLOCK, STATUS, IGNORED)}
    if CLOCK not in layout.roles or len(layout.roles) != len(layout.columns) or channels - set(layout.multipliers):
        raise InputError("bad-layout", "a stored layout has no clock, or not one role for each column")
    return layout


def roles_of(columns: tuple[CaptureObject, ...], companion: Companion) -> Roles:
    """What each of a meter's ``columns`` is. Raises ``WireError`` no-clock-column, twice-captured."""
    quarter = companion.quarter
    wanted: dict[tuple[bytes, int], tuple[str, tuple[int, ...]]] = {
        (companion.clock.obis, companion.clock.attribute): (CLOCK, (companion.clock.class_id,))
    }
    if quarter.status is not None:
        wanted[quarter.status.obis, quarter.status.attribute] = (STATUS, (quarter.status.class_id,))
    for channel in quarter.channels:
        wanted[channel.obis, channel.attribute] = (channel.name, REGISTER_CLASSES)
    roles = []
    for column in columns:
        role, classes = wanted.get((column.obis, column.attribute), (IGNORED, ()))
        roles.append(role if column.class_id in classes and column.data_index == 0 else IGNORED)
    found = [role for role in roles if role != IGNORED]
    if len(found) != len(set(found)):
        raise WireError("twice-captured", f"one object stands twice in the capture objects of {companion.name}")
    if CLOCK not in found:
        raise WireError("no-clock-column", "the capture objects do not hold the clock")
    return tuple(roles)


def capture_objects(value: bytes) -> tuple[CaptureObject, ...]:
    """Attribute 3 of a profile. Raises ``WireError``."""
    columns = objects_of(axdr.decode(value, most=MAX_CAPTURE_VALUES))
    if not 0 < len(columns) <= MAX_COLUMNS:
        raise WireError("bad-capture-object", "a profile that captures nothing")
    return columns


def whole_number(value: bytes, what: str) -> int:
    """An attribute that is a number from 0 up. Raises ``WireError`` bad-attribute."""
    number = axdr.decode(value).value
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < MAX_ENTRIES:
        raise WireError("bad-attribute", f"{what} is no number that it could be")
    return number


def check_period(period_s: int) -> int:
    """A quarter profile captures every 900 s. Raises ``WireError`` wrong-period."""
    if period_s != QUARTER_S:
        raise WireError("wrong-period", f"the profile captures every {period_s} s, not every {QUARTER_S}")
    return period_s


def multiplier(scaler: int, unit: int, channel: str) -> int:
    """Wh per step of a register. Raises ``WireError`` not-wh, scaler-not-whole-wh."""
    if unit != UNIT_WH:
        raise WireError("not-wh", f"{channel} is in {unit_name(unit)}, not in Wh")
    if not 0 <= scaler <= MAX_SCALER:
        raise WireError("scaler-not-whole-wh", f"{channel} counts in steps of 10^{scaler} Wh")
    steps: int = 10**scaler
    return steps


def scaler_unit(value: bytes, channel: str) -> int:
    """Wh per step from a register's scaler_unit (Blue Book 4.3.2: scaler as power of ten, unit code)."""
    members = axdr.decode(value)
    if members.tag == Tag.STRUCTURE and isinstance(members.value, tuple) and len(members.value) == 2:
        scaler, unit = (member.value for member in members.value if isinstance(member, axdr.Data))
        if isinstance(scaler, int) and isinstance(unit, int):
            return multiplier(scaler, unit, channel)
    raise WireError("bad-attribute", f"scaler_unit of {channel} is no structure of scaler and unit")


def scaler_attribute(class_id: int) -> int:
    """Where a register of this class keeps its scaler_unit."""
    return 4 if class_id == DEMAND_REGISTER else 3


def assumed_multiplier(channel: CosemObject) -> int:
    """What the companion says of a register whose scaler the meter does not tell."""
    return multiplier(channel.scaler, channel.unit if channel.unit is not None else UNIT_WH, channel.name)


def of_companion(companion: Companion) -> Layout:
    """The layout that a meter of this kind has by its companion; what a simulated one shows."""
    columns = tuple(
        CaptureObject(class_id=one.class_id, obis=one.obis, attribute=one.attribute)
        for one in companion.quarter.columns
    )
    return Layout(
        columns=columns,
        roles=roles_of(columns, companion),
        period_s=companion.quarter.period_s,
        entries=companion.quarter.rows,
        multipliers=MappingProxyType({one.name: assumed_multiplier(one) for one in companion.quarter.channels}),
    )
