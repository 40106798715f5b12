"""A communication module: what a metering module measured, shown as the objects of a companion.

:class:`SimulatedMeter` answers attributes; lines and keys are its host's. What it is comes from a companion, with its
quirks, so whatever a companion can say of a kind of meter can be played. The buffer of its quarter profile is computed when
somebody asks, as far back as a real one would hold it - or, where ``forgets`` is off, as far back as anybody wants.

Rows in the plain form are written by columns: what is equal for all meters of a kind - tags, stamps, status - is made once
and kept, and each meter only writes its registers into a copy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from kwartier import clock
from kwartier.cosem import layout as layouts
from kwartier.cosem.access import CaptureObject, Entries, object_data, parse
from kwartier.cosem.companion import Companion, CosemObject
from kwartier.cosem.quirks import Quirk
from kwartier.dlms import axdr
from kwartier.dlms.axdr import Tag
from kwartier.dlms.cursor import encode_length
from kwartier.dlms.stamps import DATE_TIME_BYTES, NO_DEVIATION, DateTime
from kwartier.errors import WireError
from kwartier.simulate.household import EPOCH_S, QUARTER_S, Household
from kwartier.simulate.metering.module import UNDISTURBED, Disturbance, MeteringModule, Registers, Times
from kwartier.simulate.timepiece import Timepiece

READ_WRITE_DENIED = 3
OBJECT_UNDEFINED = 4
TYPE_UNMATCHED = 12
OTHER_REASON = 250
REPLY_TO_HLS = 1
SORT_FIFO = 1
"""The buffer is in order of time, the oldest first (Blue Book 4.3.6, sort_method)."""
INTERNAL_CRYSTAL = 1
"""What the clock runs by (Blue Book 4.5.1, clock_base)."""
PROFILE_GENERIC = 7
CLOCK_TIME = 2
DATE_TIME_OCTETS = bytes((Tag.OCTET_STRING, DATE_TIME_BYTES))
STRAY_TAIL = b"\x00\x00"
ARRAY_TAG = bytes((Tag.ARRAY,))
EMPTY_ARRAY = bytes((Tag.ARRAY, 0))
MAX_KINDS = 64
MAX_REMEMBERED = 256
"""Requests and skeletons of rows kept for each kind of meter."""


class Kind:
    """What all meters of one companion share, found once. ``selections`` remembers what requests asked for."""

    __slots__ = ("companion", "layout", "objects", "selections", "skeletons")

    def __init__(self, companion: Companion) -> None:
        self.companion = companion
        self.layout = layouts.of_companion(companion)
        self.objects = {(one.class_id, one.obis): one for one in companion.objects.values()}
        self.selections: dict[tuple[bytes, str], Selection | None] = {}
        self.skeletons: dict[tuple[bytes, tuple[int, ...], str], Skeleton] = {}


_KINDS: dict[int, Kind] = {}


def kind_of(companion: Companion) -> Kind:
    """The kind of a companion, from memory where it was asked for before."""
    kind = _KINDS.get(id(companion))
    if kind is None or kind.companion is not companion:
        if len(_KINDS) >= MAX_KINDS:
            _KINDS.clear()
        kind = _KINDS[id(companion)] = Kind(companion)
    return kind


class SimulatedMeter:
    """The objects of one meter. ``now`` gives UTC seconds; ``status`` the AMR status byte of a quarter end (default 0).

    ``timepiece``: its clock, where that outlives it; else one that is ``clock_error_s`` ahead.
    """

    __slots__ = (
        "_companion",
        "_forgets",
        "_kind",
        "_layout",
        "_name",
        "_now",
        "_objects",
        "_timezone",
        "invocation_counter",
        "metering",
        "timepiece",
    )

    def __init__(
        self,
        companion: Companion,
        household: Household,
        *,
        now: Callable[[], float],
        timezone: str = "Europe/Amsterdam",
        name: str = "KWT0000000000000",
        status: Callable[[int], int] | None = None,
        clock_error_s: int = 0,
        disturbance: Disturbance = UNDISTURBED,
        forgets: bool = True,
        timepiece: Timepiece | None = None,
    ) -> None:
        self._kind = kind_of(companion)
        self._companion = companion
        self._now = now
        self._timezone = timezone
        self._name = name
        self._forgets = forgets
        self._layout = self._kind.layout
        self._objects = self._kind.objects
        self.timepiece = timepiece or Timepiece(now, clock_error_s)
        self.metering = MeteringModule(household, timezone=timezone, disturbance=disturbance, status=status)
        self.invocation_counter: Callable[[], int] = lambda: 0
        """What the public client is told; whoever holds the associations sets it."""

    @property
    def clock_s(self) -> float:
        """What its clock shows, in UTC seconds."""
        return self.timepiece.shows()

    @property
    def timezone(self) -> str:
        """Where it stands."""
        return self._timezone

    def is_personal(self, class_id: int, obis: bytes, attribute: int) -> bool:
        """Whether an attribute says what somebody used: the rows of the quarter profile, or a register."""
        if attribute != 2:
            return False
        if (class_id, obis) == (PROFILE_GENERIC, self._companion.quarter.obis):
            return True
        known = self._objects.get((class_id, obis))
        return known is not None and any(known.name == channel.name for channel in self._companion.quarter.channels)

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
        """Nothing of a meter that only measures can be written, but the time."""
        time = self._companion.clock
        if (class_id, obis, attribute) == (time.class_id, time.obis, CLOCK_TIME):
            if not value.startswith(DATE_TIME_OCTETS) or len(value) != len(DATE_TIME_OCTETS) + DATE_TIME_BYTES:
                return TYPE_UNMATCHED
            octets = value[len(DATE_TIME_OCTETS) :]
            in_time = clock.FIRST_YEAR <= int.from_bytes(octets[:2], "big") <= clock.LAST_YEAR
            moment = self._moment(octets, of_range=False) if in_time else None
            if moment is None:
                return OTHER_REASON
            self.timepiece.set_to(moment)
            return 0
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
            return axdr.encode(axdr.u8(int(self.metering.status(np.array([int(self._now())]))[0])))
        if known.name == "firmware" and attribute == 2:
            return axdr.encode(axdr.octets(b"kwartier-simulated"))
        channel = known.name if known.name in self._layout.roles else None
        if channel and attribute == 2:
            last = int(self._now()) // QUARTER_S * QUARTER_S
            registers = self.metering.registers(np.array([last], np.int64))
            return axdr.encode(axdr.u32(int(registers[channel][0]) // self._layout.multipliers[channel]))
        if channel and attribute == 3:
            if Quirk.REFUSES_SCALER in companion.quirks:
                return READ_WRITE_DENIED
            unit = known.unit if known.unit is not None else 255
            return axdr.encode(axdr.structure(axdr.i8(known.scaler), axdr.enum(unit)))
        return OBJECT_UNDEFINED

    def _clock(self, attribute: int) -> bytes | int:
        now = int(self.clock_s)
        if attribute == CLOCK_TIME:
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
            7: axdr.u32(layout.entries),
            8: axdr.u32(layout.entries),
        }
        data = values.get(attribute)
        return OBJECT_UNDEFINED if data is None else axdr.encode(data)

    def _held(self) -> tuple[int, int]:
        """First and last stamp in the buffer: as many quarter ends as it has entries, up to now."""
        last = int(self.clock_s) // QUARTER_S
        return (last - self._layout.entries + 1) * QUARTER_S, last * QUARTER_S

    def _entries(self) -> Times:
        """The stamps of the rows in the buffer, in its order."""
        return _quarters(*self._held())

    def _buffer(self, access: bytes | None) -> bytes | int:
        columns = tuple(range(len(self._layout.columns)))
        if access is None:
            return self._rows(self._entries(), columns)
        key = access, self._timezone
        selections = self._kind.selections
        if key not in selections:
            if len(selections) >= MAX_REMEMBERED:
                selections.clear()
            selections[key] = self._selection(access, columns)
        selection = selections[key]
        if selection is None:
            return OTHER_REASON
        if selection.by_entry:
            entries = self._entries()
            return self._rows(entries[selection.first - 1 : selection.last or len(entries)], selection.columns)
        first, last = self._held()
        oldest = first if self._forgets else EPOCH_S
        start = max(oldest, -(-selection.first // QUARTER_S) * QUARTER_S)
        end = min(last, selection.last // QUARTER_S * QUARTER_S, start + (self._layout.entries - 1) * QUARTER_S)
        return self._rows(_quarters(start, end), selection.columns)

    def _selection(self, access: bytes, columns: tuple[int, ...]) -> "Selection | None":
        """What a request selects, or None where this kind does not take it."""
        quirks = self._companion.quirks
        try:
            asked = parse(access)
        except WireError:
            return None
        if isinstance(asked, Entries):
            chooses = asked.first_column > 1 or 0 < asked.last_column < len(columns)
            if Quirk.REFUSES_ENTRY in quirks or (chooses and Quirk.REFUSES_COLUMNS in quirks):
                return None
            last_column = asked.last_column or len(columns)
            some = columns[max(0, asked.first_column - 1) : last_column]
            return Selection(by_entry=True, first=max(1, asked.first), last=asked.last, columns=some)
        if Quirk.REFUSES_RANGE in quirks:
            return None
        if asked.columns:
            wanted = self._wanted(asked.columns)
            if wanted is None:
                return None
            columns = wanted
        start, end = self._moment(asked.start), self._moment(asked.end)
        if start is None or end is None:
            return None
        return Selection(by_entry=False, first=start, last=end, columns=columns)

    def _wanted(self, columns: tuple[CaptureObject, ...]) -> tuple[int, ...] | None:
        if Quirk.REFUSES_COLUMNS in self._companion.quirks or not set(columns) <= set(self._layout.columns):
            return None
        places = [self._layout.columns.index(column) for column in columns]
        return tuple(places if Quirk.COLUMNS_IN_REQUESTED_ORDER in self._companion.quirks else sorted(places))

    def _moment(self, octets: bytes, *, of_range: bool = True) -> int | None:
        """The UTC seconds that a date-time means to this meter, or None where it does not take that form in a range."""
        quirks = self._companion.quirks
        stamp = DateTime.decode(octets)
        with_deviation = stamp.deviation_min != NO_DEVIATION
        if of_range and Quirk.RANGE_WITHOUT_DEVIATION in quirks and with_deviation:
            return None
        if of_range and Quirk.RANGE_WITH_DEVIATION in quirks and not with_deviation:
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

    def _rows(self, times: Times, columns: tuple[int, ...]) -> bytes:
        if not len(times):
            return EMPTY_ARRAY
        registers, status = self.metering.registers(times), self.timepiece.mark(times, self.metering.status(times))
        captured = self.metering.captured(times)
        if self._companion.quarter.encoding == "array":
            return self._even_rows(times, columns, registers, status, captured)
        kept = np.flatnonzero(captured).tolist()
        rows = [self._row(times, place, before, columns, registers, status) for before, place in pairwise([-2, *kept])]
        if self._companion.quarter.encoding == "compact-array" and rows:
            return axdr.encode(_compact(rows))
        return axdr.encode(axdr.array(*(axdr.structure(*row) for row in rows)))

    def _row(
        self,
        times: Times,
        place: int,
        before: int,
        columns: tuple[int, ...],
        registers: Registers,
        status: npt.NDArray[np.uint8],
    ) -> tuple[axdr.Data, ...]:
        """One row value by value; ``before`` is the place of the row before it."""
        layout, row = self._layout, []
        for column in columns:
            role = layout.roles[column]
            if role == layouts.CLOCK:
                follows = before == place - 1 and times[place] - times[before] == QUARTER_S
                compressed = self._companion.quarter.encoding == "null-compressed" and follows
                row.append(axdr.NULL if compressed else axdr.octets(self._stamp(int(times[place]))))
            elif role == layouts.STATUS:
                row.append(axdr.u8(int(status[place])))
            else:
                row.append(axdr.u32(int(registers[role][place]) // layout.multipliers[role]))
        return tuple(row)

    def _even_rows(
        self,
        times: Times,
        columns: tuple[int, ...],
        registers: Registers,
        status: npt.NDArray[np.uint8],
        captured: npt.NDArray[np.bool_],
    ) -> bytes:
        """Rows of the plain form: registers and status written into a copy of what all meters of the kind share."""
        layout = self._layout
        skeleton = self._skeleton(times, columns)
        rows = skeleton.rows.copy()
        for role, at in skeleton.places:
            if role == layouts.STATUS:
                rows[:, at] = status
            else:
                column = registers[role] // layout.multipliers[role] if layout.scaled else registers[role]
                rows[:, at : at + 4] = column.astype(">u4").view(np.uint8).reshape(-1, 4)
        if not captured.all():
            rows = rows[captured]
        return ARRAY_TAG + encode_length(len(rows)) + rows.tobytes()

    def _skeleton(self, times: Times, columns: tuple[int, ...]) -> "Skeleton":
        key = times.tobytes(), columns, self._timezone
        found = self._kind.skeletons.get(key)
        if found is None:
            if len(self._kind.skeletons) >= MAX_REMEMBERED:
                self._kind.skeletons.clear()
            found = self._kind.skeletons[key] = self._make_skeleton(times, columns)
        return found

    def _make_skeleton(self, times: Times, columns: tuple[int, ...]) -> "Skeleton":
        places: list[tuple[str, int]] = []
        parts = [_repeated(bytes((Tag.STRUCTURE, len(columns))), len(times))]
        at = 2
        for column in columns:
            role = self._layout.roles[column]
            if role == layouts.CLOCK:
                stamps = b"".join(b"\x09\x0c" + self._stamp(utc) for utc in times.tolist())
                part = np.frombuffer(stamps, np.uint8).reshape(len(times), -1)
            else:
                tag, size = (Tag.UNSIGNED, 1) if role == layouts.STATUS else (Tag.DOUBLE_LONG_UNSIGNED, 4)
                part = _repeated(bytes((tag,)) + bytes(size), len(times))
                places.append((role, at + 1))
            parts.append(part)
            at += part.shape[1]
        return Skeleton(rows=np.concatenate(parts, axis=1), places=tuple(places))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which rows and columns a request wants: entries from 1 (a last one of 0: the last), or moments in UTC seconds."""

    by_entry: bool
    first: int
    last: int
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """Rows without registers and status, and where those of each role belong."""

    rows: npt.NDArray[np.uint8]
    places: tuple[tuple[str, int], ...]


def _quarters(first: int, last: int) -> Times:
    return np.arange(first, last + QUARTER_S, QUARTER_S, dtype=np.int64)


def _repeated(octets: bytes, count: int) -> npt.NDArray[np.uint8]:
    return np.tile(np.frombuffer(octets, np.uint8), (count, 1))


def _compact(rows: list[tuple[axdr.Data, ...]]) -> axdr.Data:
    description = bytes((axdr.Tag.STRUCTURE, len(rows[0]))) + bytes(member.tag for member in rows[0])
    elements = tuple(axdr.structure(*row) for row in rows)
    return axdr.Data(axdr.Tag.COMPACT_ARRAY, axdr.CompactArray(description, elements))
