"""A meter that is not there: a household, counted, and shown as the objects of a companion.

:class:`SimulatedMeter` answers attributes; it knows neither lines nor keys. What it is comes from a companion, with its
quirks, so whatever a companion can say of a kind of meter can be played. The buffer of its quarter profile is computed from
the household when somebody asks, as far back as a real one would hold it.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from kwartier import clock
from kwartier.cosem import layout as layouts
from kwartier.cosem.access import CaptureObject, Entries, Range, object_data, parse
from kwartier.cosem.companion import Companion, CosemObject
from kwartier.cosem.quirks import Quirk
from kwartier.dlms import axdr
from kwartier.dlms.stamps import NO_DEVIATION, DateTime
from kwartier.errors import WireError
from kwartier.simulate.household import QUARTER_S, Household

READ_WRITE_DENIED = 3
OBJECT_UNDEFINED = 4
OTHER_REASON = 250
REPLY_TO_HLS = 1
SORT_FIFO = 1
"""The buffer is in order of time, the oldest first (Blue Book 4.3.6, sort_method)."""
INTERNAL_CRYSTAL = 1
"""What the clock runs by (Blue Book 4.5.1, clock_base)."""
PROFILE_GENERIC = 7
AMR_SUMMER = 0x08
STRAY_TAIL = b"\x00\x00"


class SimulatedMeter:
    """The objects of one meter. ``now`` gives UTC seconds; ``status`` the AMR status byte of a quarter end (default 0)."""

    def __init__(
        self,
        companion: Companion,
        household: Household,
        *,
        now: Callable[[], float],
        timezone: str = "Europe/Amsterdam",
        name: str = "KWT0000000000000",
        status: Callable[[int], int] = lambda stamp: 0,
        clock_error_s: int = 0,
    ) -> None:
        self._companion = companion
        self._household = household
        self._now = now
        self._timezone = timezone
        self._name = name
        self._status = status
        self._clock_error_s = clock_error_s
        self._layout = layouts.of_companion(companion)
        self._objects = {(one.class_id, one.obis): one for one in companion.objects.values()}
        self.invocation_counter: Callable[[], int] = lambda: 0
        """What the public client is told; whoever holds the associations sets it."""

    @property
    def public_attributes(self) -> frozenset[tuple[int, bytes, int]]:
        """What anybody may read without a key: who it is, its clock and its invocation counter; never a register."""
        names = ("clock", "invocation_counter", "logical_device_name")
        objects = [one for name, one in self._companion.objects.items() if name in names]
        return frozenset((one.class_id, one.obis, 2) for one in objects)

    # The three services.

    def get(self, class_id: int, obis: bytes, attribute: int, access: bytes | None) -> bytes | int:
        """The A-XDR value of an attribute, or a data-access-result."""
        if attribute == 1:
            return axdr.encode(axdr.octets(obis))
        if (class_id, obis) == (PROFILE_GENERIC, self._companion.quarter.obis):
            return self._profile(attribute, access)
        known = self._objects.get((class_id, obis))
        if known is None:
            return OBJECT_UNDEFINED
        value = self._attribute(known, attribute)
        return value if isinstance(value, int) else bytes(value)

    def set(self, class_id: int, obis: bytes, attribute: int, access: bytes | None, value: bytes) -> int:
        """Nothing of a meter that only measures can be written."""
        return READ_WRITE_DENIED if (class_id, obis) in self._objects else OBJECT_UNDEFINED

    def act(self, class_id: int, obis: bytes, method: int, value: bytes | None) -> tuple[int, bytes | None]:
        """Nothing of it can be set in motion either."""
        return (READ_WRITE_DENIED if (class_id, obis) in self._objects else OBJECT_UNDEFINED), None

    # Objects by themselves.

    def _attribute(self, known: CosemObject, attribute: int) -> bytes | int:
        companion = self._companion
        if known is companion.clock:
            return self._clock(attribute)
        if known.name == "invocation_counter" and attribute == 2:
            return axdr.encode(axdr.u32(self.invocation_counter()))
        if known.name == "logical_device_name" and attribute == 2:
            return axdr.encode(axdr.octets(self._name.encode("ascii")))
        if known is companion.quarter.status and attribute == 2:
            return axdr.encode(axdr.u8(self._row_status(int(self._now()))))
        if known.name == "firmware" and attribute == 2:
            return axdr.encode(axdr.octets(b"kwartier-simulated"))
        channel = known.name if known.name in self._layout.roles else None
        if channel and attribute == 2:
            last = int(self._now()) // QUARTER_S * QUARTER_S
            registers = dict(zip(("import_wh", "export_wh"), self._registers(np.array([last])), strict=True))
            return axdr.encode(axdr.u32(int(registers[channel][0]) // self._layout.multipliers[channel]))
        if channel and attribute == 3:
            if Quirk.REFUSES_SCALER in companion.quirks:
                return READ_WRITE_DENIED
            unit = known.unit if known.unit is not None else 255
            return axdr.encode(axdr.structure(axdr.i8(known.scaler), axdr.enum(unit)))
        return OBJECT_UNDEFINED

    def _clock(self, attribute: int) -> bytes | int:
        now = int(self._now()) + self._clock_error_s
        if attribute == 2:
            value = axdr.encode(axdr.octets(self._stamp(now)))
            return value + STRAY_TAIL if Quirk.TRAILING_BYTES_ON_CLOCK in self._companion.quirks else value
        year = datetime.fromtimestamp(now, UTC).year
        offsets = clock.offsets(self._timezone, year)
        normal_s, summer_s = min(offsets), max(offsets)
        values = {
            3: axdr.Data(axdr.Tag.LONG, -normal_s // 60),
            4: axdr.u8(self._stamp(now)[-1]),
            5: axdr.octets(self._change(year, summer_s)),
            6: axdr.octets(self._change(year, normal_s)),
            7: axdr.i8((summer_s - normal_s) // 60),
            8: axdr.Data(axdr.Tag.BOOLEAN, summer_s != normal_s),
            9: axdr.enum(INTERNAL_CRYSTAL),
        }
        data = values.get(attribute)
        return OBJECT_UNDEFINED if data is None else axdr.encode(data)

    def _change(self, year: int, to_offset_s: int) -> bytes:
        """When the clocks of this zone change to an offset, as they show it just before; not specified where they never do."""
        first, last = (int(datetime(one, 1, 1, tzinfo=UTC).timestamp()) for one in (year, year + 1))
        found = clock.stretches(self._timezone, first, last)
        for before, after in pairwise(found):
            if after.offset_s == to_offset_s:
                summer = before.offset_s > to_offset_s
                return DateTime.of_utc(after.start, before.offset_s, daylight_saving=summer, deviation=False).encode()
        return DateTime().encode()

    def _stamp(self, utc: int) -> bytes:
        offset_s = clock.stretches(self._timezone, utc, utc)[0].offset_s
        stamp = DateTime.of_utc(utc, offset_s, daylight_saving=self._is_summer(utc, offset_s))
        if Quirk.DEVIATION_SIGN_REVERSED not in self._companion.quirks:
            return stamp.encode()
        octets = stamp.encode()
        return octets[:9] + (-stamp.deviation_min).to_bytes(2, "big", signed=True) + octets[11:]

    def _is_summer(self, utc: int, offset_s: int) -> bool:
        year = datetime.fromtimestamp(utc, UTC).year
        return offset_s > min(clock.offsets(self._timezone, year))

    def _registers(self, times: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        return self._household.registers(times)

    # The quarter profile.

    def _profile(self, attribute: int, access: bytes | None) -> bytes | int:
        layout = self._layout
        if attribute == 2:
            return self._buffer(access)
        values = {
            3: axdr.array(*(object_data(column) for column in layout.columns)),
            4: axdr.u32(layout.period_s),
            5: axdr.enum(SORT_FIFO),
            6: object_data(layout.columns[layout.clock_column]),
            7: axdr.u32(len(self._held())),
            8: axdr.u32(layout.entries),
        }
        data = values.get(attribute)
        return OBJECT_UNDEFINED if data is None else axdr.encode(data)

    def _held(self) -> npt.NDArray[np.int64]:
        """The stamps of the rows in the buffer: as many quarter ends as it has entries, up to now."""
        last = int(self._now() + self._clock_error_s) // QUARTER_S
        return np.arange(last - self._layout.entries + 1, last + 1, dtype=np.int64) * QUARTER_S

    def _buffer(self, access: bytes | None) -> bytes | int:
        quirks = self._companion.quirks
        columns = tuple(range(len(self._layout.columns)))
        times = self._held()
        if access is not None:
            try:
                asked = parse(access)
            except WireError:
                return OTHER_REASON
            refused = Quirk.REFUSES_RANGE if isinstance(asked, Range) else Quirk.REFUSES_ENTRY
            if refused in quirks:
                return OTHER_REASON
            selected = self._select(asked, times, columns)
            if selected is None:
                return OTHER_REASON
            times, columns = selected
        return self._rows(times, columns)

    def _select(
        self, asked: Range | Entries, times: npt.NDArray[np.int64], columns: tuple[int, ...]
    ) -> tuple[npt.NDArray[np.int64], tuple[int, ...]] | None:
        if isinstance(asked, Entries):
            chooses = asked.first_column > 1 or 0 < asked.last_column < len(columns)
            if chooses and Quirk.REFUSES_COLUMNS in self._companion.quirks:
                return None
            last = asked.last or len(times)
            last_column = asked.last_column or len(columns)
            return times[max(0, asked.first - 1) : last], columns[max(0, asked.first_column - 1) : last_column]
        if asked.columns:
            wanted = self._wanted(asked.columns)
            if wanted is None:
                return None
            columns = wanted
        start, end = self._moment(asked.start), self._moment(asked.end)
        if start is None or end is None:
            return None
        return times[(times >= start) & (times <= end)], columns

    def _wanted(self, columns: tuple[CaptureObject, ...]) -> tuple[int, ...] | None:
        if Quirk.REFUSES_COLUMNS in self._companion.quirks or not set(columns) <= set(self._layout.columns):
            return None
        places = [self._layout.columns.index(column) for column in columns]
        return tuple(places if Quirk.COLUMNS_IN_REQUESTED_ORDER in self._companion.quirks else sorted(places))

    def _moment(self, octets: bytes) -> int | None:
        """The UTC seconds that a range's date-time means to this meter, or None where it does not take that form."""
        quirks = self._companion.quirks
        stamp = DateTime.decode(octets)
        with_deviation = stamp.deviation_min != NO_DEVIATION
        if Quirk.RANGE_WITHOUT_DEVIATION in quirks and with_deviation:
            return None
        if Quirk.RANGE_WITH_DEVIATION in quirks and not with_deviation:
            return None
        try:
            moment = stamp.utc_seconds(deviation_reversed=Quirk.DEVIATION_SIGN_REVERSED in quirks)
            if moment is not None:
                return moment
            local = datetime.fromtimestamp(stamp.local_seconds(), UTC).replace(tzinfo=None)
        except WireError:
            return None
        found = clock.candidates(local, self._timezone)
        return found[0] if found else None

    def _rows(self, times: npt.NDArray[np.int64], columns: tuple[int, ...]) -> bytes:
        layout, encoding = self._layout, self._companion.quarter.encoding
        registers = dict(zip(("import_wh", "export_wh"), self._registers(times), strict=True))
        rows: list[tuple[axdr.Data, ...]] = []
        for place, utc in enumerate(times.tolist()):
            row = []
            for column in columns:
                role = layout.roles[column]
                if role == layouts.CLOCK:
                    compressed = encoding == "null-compressed" and place > 0
                    row.append(axdr.NULL if compressed else axdr.octets(self._stamp(utc)))
                elif role == layouts.STATUS:
                    row.append(axdr.u8(self._row_status(utc)))
                else:
                    row.append(axdr.u32(int(registers[role][place]) // layout.multipliers[role]))
            rows.append(tuple(row))
        if encoding == "compact-array" and rows:
            return axdr.encode(_compact(rows))
        return axdr.encode(axdr.array(*(axdr.structure(*row) for row in rows)))

    def _row_status(self, utc: int) -> int:
        offset_s = clock.stretches(self._timezone, utc, utc)[0].offset_s
        return self._status(utc) | (AMR_SUMMER if self._is_summer(utc, offset_s) else 0)


def _compact(rows: list[tuple[axdr.Data, ...]]) -> axdr.Data:
    description = bytes((axdr.Tag.STRUCTURE, len(rows[0]))) + bytes(member.tag for member in rows[0])
    elements = tuple(axdr.structure(*row) for row in rows)
    return axdr.Data(axdr.Tag.COMPACT_ARRAY, axdr.CompactArray(description, elements))
