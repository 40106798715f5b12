"""Rows one by one: the exact, slower way from a buffer to columns, for everything that is not even.

Null-data in the clock column means the previous stamp plus the capture period, so the first row always carries one; in the
status column it means unchanged; in a register column it means that there is no value (Blue Book 4.3.6, buffer). Delta types
add to the value of the row before. One row is held at a time beside the columns.
"""

from array import array
from collections.abc import Iterator

import numpy as np

from kwartier.cosem.layout import CLOCK, IGNORED, STATUS, Roles
from kwartier.cosem.rows import INTEGERS, STAMP_BYTES, Flags, Rows, check_count, shape_of
from kwartier.dlms import axdr
from kwartier.dlms.axdr import CompactArray, Data, Tag
from kwartier.dlms.cursor import Cursor
from kwartier.errors import WireError

MAX_REGISTER = (1 << 63) - 1
DELTAS = frozenset(range(Tag.DELTA_INTEGER, Tag.DELTA_DOUBLE_LONG_UNSIGNED + 1))
MAX_STATUS = 0xFF


class _Channel:
    """The values of one register column so far."""

    __slots__ = ("absent", "name", "previous", "values")

    def __init__(self, name: str) -> None:
        self.name = name
        self.values = array("q")
        self.absent = bytearray()
        self.previous: int | None = None

    def add(self, data: Data) -> None:
        tag, value = data
        if tag == Tag.NULL_DATA:
            self.values.append(0)
            self.absent.append(1)
            self.previous = None
            return
        if not isinstance(value, int) or not (tag in INTEGERS or tag in DELTAS):
            raise WireError("bad-register", f"tag {tag} where a value of {self.name} belongs")
        if tag in DELTAS:
            if self.previous is None:
                raise WireError("bad-register", f"{self.name} has a difference with no value in the row before")
            value += self.previous
        if not 0 <= value <= MAX_REGISTER:
            raise WireError("bad-register", f"a value of {self.name} is below zero or beyond 63 bits")
        self.values.append(value)
        self.absent.append(0)
        self.previous = value


class _Columns:
    """The columns so far."""

    __slots__ = ("channels", "clock", "count", "roles", "shapes", "stamped", "status")

    def __init__(self, shapes: tuple[Roles, ...]) -> None:
        self.shapes = shapes
        self.count = 0
        self.clock = bytearray()
        self.stamped = array("q")
        self.status = bytearray()
        self._take(shapes[0])

    def _take(self, roles: Roles) -> None:
        self.roles = roles
        self.channels = {role: _Channel(role) for role in roles if role not in (CLOCK, STATUS, IGNORED)}

    def add(self, row: Data) -> None:
        members = row.value
        if row.tag != Tag.STRUCTURE or not isinstance(members, tuple):
            raise WireError("bad-row", f"tag {row.tag} where a row belongs (row {self.count})")
        if not self.count:
            self._take(shape_of(len(members), self.shapes))
        if len(members) != len(self.roles):
            raise WireError("bad-row", f"row {self.count} has {len(members)} columns, the first has {len(self.roles)}")
        for role, member in zip(self.roles, members, strict=True):
            if role == IGNORED or not isinstance(member, Data):
                continue
            if role == CLOCK:
                self._add_stamp(member)
            elif role == STATUS:
                self._add_status(member)
            else:
                self.channels[role].add(member)
        self.count += 1

    def _add_stamp(self, data: Data) -> None:
        if data.tag == Tag.NULL_DATA:
            if not self.count:
                raise WireError("no-first-stamp", "the first row carries no stamp, and the others count from it")
            return
        if data.tag not in (Tag.OCTET_STRING, Tag.DATE_TIME) or not isinstance(data.value, bytes):
            raise WireError("bad-stamp", f"tag {data.tag} where a stamp belongs (row {self.count})")
        if len(data.value) != STAMP_BYTES:
            raise WireError("bad-stamp", f"a stamp of {len(data.value)} bytes (row {self.count})")
        self.clock += data.value
        self.stamped.append(self.count)

    def _add_status(self, data: Data) -> None:
        value = data.value
        if data.tag == Tag.NULL_DATA:
            self.status.append(self.status[-1] if self.status else 0)
        elif data.tag in (*INTEGERS, Tag.ENUM) and isinstance(value, int) and 0 <= value <= MAX_STATUS:
            self.status.append(value)
        else:
            raise WireError("bad-status", f"tag {data.tag} where a status byte belongs (row {self.count})")

    def rows(self) -> Rows:
        all_stamped = len(self.stamped) == self.count
        return Rows(
            size=self.count,
            clock=bytes(self.clock),
            stamped=None if all_stamped else np.array(self.stamped, np.int64),
            status=np.frombuffer(bytes(self.status), np.uint8) if STATUS in self.roles else None,
            registers={name: np.array(channel.values, np.int64) for name, channel in self.channels.items()},
            absent={name: _flags(channel.absent) for name, channel in self.channels.items() if any(channel.absent)},
        )


def _flags(marks: bytearray) -> Flags:
    return np.frombuffer(bytes(marks), np.bool_)


def read_exact(buffer: bytes, shapes: tuple[Roles, ...]) -> Rows:
    """The rows of ``buffer``, one by one. Takes everything that the standard allows; raises ``WireError`` for the rest."""
    columns = _Columns(shapes)
    for row in _each(buffer):
        columns.add(row)
    return columns.rows()


def _each(buffer: bytes) -> Iterator[Data]:
    cursor = Cursor(buffer)
    if cursor.peek() == Tag.COMPACT_ARRAY:
        whole = axdr.read(cursor).value
        if isinstance(whole, CompactArray):
            check_count(len(whole.elements))
            yield from whole.elements
    else:
        tag = cursor.u8()
        if tag != Tag.ARRAY:
            raise WireError("bad-buffer", f"tag {tag} where an array of rows belongs")
        for _ in range(check_count(cursor.length())):
            yield axdr.read(cursor)
    cursor.expect_end()
