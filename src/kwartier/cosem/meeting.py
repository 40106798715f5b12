"""Meeting a meter for the first time: what its quarter profile holds, asked attribute by attribute."""

from collections.abc import Generator
from types import MappingProxyType

from kwartier.cosem import layout as layouts
from kwartier.cosem.access import CaptureObject
from kwartier.cosem.asking import MAX_SHORT_BYTES, No, Reply, get, profile_attribute, refused
from kwartier.cosem.companion import Companion, CosemObject
from kwartier.cosem.layout import Layout
from kwartier.cosem.quirks import Quirk
from kwartier.dlms.events import Get, Operation

CAPTURE_OBJECTS, CAPTURE_PERIOD, SORT_METHOD, PROFILE_ENTRIES = 3, 4, 5, 8
MAX_CAPTURE_OBJECTS_BYTES = 2048


def read_layout(companion: Companion) -> Generator[Operation, Reply, Layout]:
    """Ask a meter what its quarter profile holds.

    The columns must come from the meter. Period, size, order and scalers that it refuses to tell are the companion's, and
    are listed in :attr:`Layout.assumed`. Raises ``WireError``.
    """
    quarter, no = companion.quarter, No()
    value = yield from get(profile_attribute(companion, CAPTURE_OBJECTS, MAX_CAPTURE_OBJECTS_BYTES), no)
    if value is None:
        raise refused(companion, CAPTURE_OBJECTS, no)
    columns = layouts.capture_objects(value)
    roles = layouts.roles_of(columns, companion)
    assumed: list[str] = []
    period_s = yield from _number(companion, CAPTURE_PERIOD, "capture period", quarter.period_s, assumed)
    sort_method = yield from _number(companion, SORT_METHOD, "sort method", layouts.FIFO, assumed)
    entries = yield from _number(companion, PROFILE_ENTRIES, "number of entries", quarter.rows, assumed)
    multipliers: dict[str, int] = {}
    for channel in quarter.channels:
        if channel.name in roles:
            column = columns[roles.index(channel.name)]
            multipliers[channel.name] = yield from _multiplier(companion, column, channel, assumed)
    return Layout(
        columns=columns,
        roles=roles,
        period_s=layouts.check_period(period_s),
        entries=entries or quarter.rows,
        multipliers=MappingProxyType(multipliers),
        sort_method=sort_method,
        assumed=tuple(assumed),
    )


def _number(
    companion: Companion, attribute: int, what: str, otherwise: int, assumed: list[str]
) -> Generator[Operation, Reply, int]:
    value = yield from get(profile_attribute(companion, attribute), No())
    if value is None:
        assumed.append(what)
        return otherwise
    return layouts.whole_number(value, what)


def _multiplier(
    companion: Companion, column: CaptureObject, channel: CosemObject, assumed: list[str]
) -> Generator[Operation, Reply, int]:
    """Wh per step of a register: its own word, or the companion's where it refuses."""
    value = None
    if Quirk.REFUSES_SCALER not in companion.quirks:
        attribute = layouts.scaler_attribute(column.class_id)
        ask = Get(class_id=column.class_id, obis=column.obis, attribute=attribute, max_bytes=MAX_SHORT_BYTES)
        value = yield from get(ask, No())
    if value is None:
        assumed.append(f"scaler of {channel.name}")
        return layouts.assumed_multiplier(channel)
    return layouts.scaler_unit(value, channel.name)
