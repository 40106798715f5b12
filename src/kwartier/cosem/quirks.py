"""How real meters misbehave: the closed list.

A companion names the quirks of its kind of meter. Each is one deviation that somebody met or that the standard leaves open;
the reader works around it, and the simulated meter can have it. What is not on this list is refused or reported, never
tolerated in silence. Null-data in a clock column and compact arrays are the standard and no quirk.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Quirk(StrEnum):
    """One way in which a kind of meter differs from the standard or from its neighbours."""

    DEVIATION_SIGN_REVERSED = "deviation-sign-reversed"
    RANGE_WITH_DEVIATION = "range-with-deviation"
    RANGE_WITHOUT_DEVIATION = "range-without-deviation"
    REFUSES_RANGE = "refuses-range"
    REFUSES_ENTRY = "refuses-entry"
    REFUSES_COLUMNS = "refuses-columns"
    COLUMNS_IN_REQUESTED_ORDER = "columns-in-requested-order"
    REFUSES_SCALER = "refuses-scaler"
    EMPTY_SYSTEM_TITLE = "empty-system-title"
    TRAILING_BYTES_ON_CLOCK = "trailing-bytes-on-clock"


MEANINGS: Mapping[Quirk, str] = MappingProxyType(
    {
        Quirk.DEVIATION_SIGN_REVERSED: "writes the deviation as local minus UTC (CET +60), in its rows and in what it is asked",
        Quirk.RANGE_WITH_DEVIATION: "refuses a range whose date-times leave the deviation unspecified",
        Quirk.RANGE_WITHOUT_DEVIATION: "refuses a range whose date-times carry a deviation",
        Quirk.REFUSES_RANGE: "has no selective access by range",
        Quirk.REFUSES_ENTRY: "has no selective access by entry",
        Quirk.REFUSES_COLUMNS: "refuses selective access that names columns",
        Quirk.COLUMNS_IN_REQUESTED_ORDER: "answers with columns in the order of the request, not in capture order",
        Quirk.REFUSES_SCALER: "refuses to tell the scaler and unit of its registers",
        Quirk.EMPTY_SYSTEM_TITLE: "leaves its system title empty in ciphered messages",
        Quirk.TRAILING_BYTES_ON_CLOCK: "appends stray bytes to the answer that carries its clock",
    }
)
