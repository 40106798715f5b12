"""The two status bytes that travel with a reading, and what their bits say.

The clock status (Blue Book 4.1.6.1) is the last byte of every date-time. The AMR profile status of the Dutch companions
is a column of the profile; the names of its bits stand in the companion. A bit without a name still prints.
"""

from collections.abc import Mapping
from types import MappingProxyType

CLOCK_NOT_SPECIFIED = 0xFF
CLOCK_INVALID = 0x01
CLOCK_DOUBTFUL = 0x02
CLOCK_OTHER_BASE = 0x04
CLOCK_STATUS_INVALID = 0x08
CLOCK_DAYLIGHT_SAVING = 0x80
CLOCK_TROUBLE = CLOCK_INVALID | CLOCK_DOUBTFUL | CLOCK_OTHER_BASE | CLOCK_STATUS_INVALID
"""Bits 0 to 3: any of them says that the stamp may be wrong."""

CLOCK_BITS: Mapping[int, str] = MappingProxyType(
    {0: "invalid", 1: "doubtful", 2: "different-clock-base", 3: "invalid-clock-status", 7: "daylight-saving"}
)

AMR_DAYLIGHT_SAVING = 0x08
"""Bit 3 of the AMR profile status: the row was captured in summer time."""

UNIT_WH = 30
"""The Blue Book's unit code of active energy in Wh (part 2, table of units)."""

UNITS: Mapping[int, str] = MappingProxyType(
    {13: "m3", 27: "W", 28: "VA", 29: "var", UNIT_WH: "Wh", 31: "VAh", 32: "varh", 33: "A", 35: "V", 255: "1"}
)


def unit_name(unit: int) -> str:
    """``Wh``, or ``unit 77`` where the table does not have it."""
    return UNITS.get(unit, f"unit {unit}")


def bit_names(value: int, names: Mapping[int, str]) -> tuple[str, ...]:
    """The names of the bits set in ``value`` (0 or more), lowest first; ``bit 5`` where ``names`` has none."""
    return tuple(names.get(bit, f"bit {bit}") for bit in range(value.bit_length()) if value >> bit & 1)


def clock_status_names(value: int) -> tuple[str, ...]:
    """What a clock status byte says; ``not-specified`` for 0xFF."""
    return ("not-specified",) if value == CLOCK_NOT_SPECIFIED else bit_names(value, CLOCK_BITS)
