"""Selective access to a profile's buffer: which rows and which columns are asked for (Blue Book 4.3.6, buffer).

Selector 1 is a range of stamps, selector 2 a range of entries. Both are built here for the client and parsed here for the
meter's side. The bytes are what a GET carries: the selector and its parameters as COSEM data.
"""

from dataclasses import dataclass
from typing import TypeGuard

from kwartier.dlms import axdr
from kwartier.dlms.axdr import Data, Tag
from kwartier.dlms.obis import OBIS_BYTES, dotted
from kwartier.errors import WireError

RANGE_SELECTOR = 1
ENTRY_SELECTOR = 2
STAMP_BYTES = 12
MAX_COLUMNS = 64
"""Capture objects in one profile, or columns in one request."""
MAX_ACCESS_BYTES = 4096
MAX_ENTRY = 0xFFFF_FFFF
MAX_COLUMN = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureObject:
    """One column of a profile: an attribute, and with ``data_index`` above 0 one element of it."""

    class_id: int
    obis: bytes
    attribute: int
    data_index: int = 0

    def __str__(self) -> str:
        element = f"[{self.data_index}]" if self.data_index else ""
        return f"{dotted(self.obis)}/{self.class_id}/{self.attribute}{element}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Rows whose ``by`` column lies between two date-times of twelve bytes, both included; no columns: all of them."""

    by: CaptureObject
    start: bytes
    end: bytes
    columns: tuple[CaptureObject, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """Rows by their number from 1, and columns by theirs; a last one of 0 means the last there is."""

    first: int
    last: int
    first_column: int = 1
    last_column: int = 0


def object_data(column: CaptureObject) -> Data:
    """A capture_object_definition."""
    return axdr.structure(
        axdr.u16(column.class_id),
        axdr.octets(column.obis),
        axdr.i8(column.attribute),
        axdr.u16(column.data_index),
    )


def object_of(data: Data) -> CaptureObject:
    """The capture object that ``data`` defines. Raises ``WireError`` bad-capture-object."""
    members = data.value
    if data.tag == Tag.STRUCTURE and isinstance(members, tuple) and len(members) == 4:
        class_id, name, attribute, index = (member.value for member in members if isinstance(member, Data))
        if (
            _is_whole(class_id, 0, 0xFFFF)
            and isinstance(name, bytes)
            and len(name) == OBIS_BYTES
            and _is_whole(attribute, -0x80, 0x7F)
            and _is_whole(index, 0, 0xFFFF)
        ):
            return CaptureObject(class_id=class_id, obis=name, attribute=attribute, data_index=index)
    raise WireError("bad-capture-object", "a capture object is no structure of class, OBIS, attribute and data index")


def objects_of(data: Data) -> tuple[CaptureObject, ...]:
    """The capture objects of an array of them. Raises ``WireError``."""
    members = data.value
    if data.tag != Tag.ARRAY or not isinstance(members, tuple):
        raise WireError("bad-capture-object", f"tag {data.tag} where an array of capture objects belongs")
    if len(members) > MAX_COLUMNS:
        raise WireError("bad-capture-object", f"{len(members)} capture objects, more than {MAX_COLUMNS}")
    return tuple(object_of(member) for member in members if isinstance(member, Data))


def encode(access: Range | Entries) -> bytes:
    """The selector and its parameters, as :class:`kwartier.dlms.events.Get` carries them."""
    if isinstance(access, Range):
        parameters = axdr.structure(
            object_data(access.by),
            axdr.octets(access.start),
            axdr.octets(access.end),
            axdr.array(*(object_data(column) for column in access.columns)),
        )
        return bytes((RANGE_SELECTOR,)) + axdr.encode(parameters)
    parameters = axdr.structure(
        axdr.u32(access.first),
        axdr.u32(access.last),
        axdr.u16(access.first_column),
        axdr.u16(access.last_column),
    )
    return bytes((ENTRY_SELECTOR,)) + axdr.encode(parameters)


def parse(access: bytes) -> Range | Entries:
    """The other way, for the meter's side. Raises ``WireError`` bad-access for anything that is neither."""
    if not 1 < len(access) <= MAX_ACCESS_BYTES:
        raise WireError("bad-access", f"a selective access of {len(access)} bytes")
    data = axdr.decode(access[1:])
    members = data.value
    if data.tag == Tag.STRUCTURE and isinstance(members, tuple) and len(members) == 4:
        parts = [member for member in members if isinstance(member, Data)]
        if access[0] == RANGE_SELECTOR:
            by, start, end, columns = parts
            return Range(by=object_of(by), start=_stamp(start), end=_stamp(end), columns=objects_of(columns))
        if access[0] == ENTRY_SELECTOR:
            first, last = (_whole(part.value, MAX_ENTRY) for part in parts[:2])
            first_column, last_column = (_whole(part.value, MAX_COLUMN) for part in parts[2:])
            return Entries(first=first, last=last, first_column=first_column, last_column=last_column)
    raise WireError("bad-access", f"selector {access[0]} with parameters of tag {data.tag}")


def _is_whole(value: object, low: int, high: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _whole(value: axdr.Value, high: int) -> int:
    if not _is_whole(value, 0, high):
        raise WireError("bad-access", "an entry or a column is no number that it could be")
    return value


def _stamp(data: Data) -> bytes:
    if data.tag not in (Tag.OCTET_STRING, Tag.DATE_TIME) or not isinstance(data.value, bytes):
        raise WireError("bad-access", f"tag {data.tag} where a date-time belongs")
    if len(data.value) != STAMP_BYTES:
        raise WireError("bad-access", f"a date-time of {len(data.value)} bytes")
    return data.value
