"""Rows one by one: the exact, slower way from a buffer to columns, for everything that is not even.

Null-data in the clock column means a capture period after the previous stamp (before it, where a buffer begins with its
newest row), so the first row always carries one; in the
status column it means unchanged (Blue Book 4.3.6, buffer). In a register column it is taken for no value: some meters mean
that by it, others that nothing was used, and a guess between the two would be a register that nobody read. Delta types add to
the value of the row before. No more than one value of a row, or one element of a compact array, is held beside the columns;
columns that are dropped are passed over.
"""

from array import array

import numpy as np

from kwartier.cosem.layout import CLOCK, IGNORED, STATUS, Roles
from kwartier.cosem.rows import INTEGERS, STAMP_BYTES, Flags, Rows, check_count, shape_of
from kwartier.dlms import axdr, compact
from kwartier.dlms.axdr import KINDS, Data, Tag
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

    def begin(self, tag: int, width: int) -> None:
        """Begin a row: a container with ``tag`` that has ``width`` members. The first decides how wide all are."""
        if tag != Tag.STRUCTURE:
            raise WireError("bad-row", f"tag {tag} where a row belongs (row {self.count})")
        if not self.count:
            self._take(shape_of(width, self.shapes))
        if width != len(self.roles):
            raise WireError("bad-row", f"row {self.count} has {width} columns, the first has {len(self.roles)}")
        check_count(self.count + 1)

    def add(self, role: str, value: Data) -> None:
        """The value of one column of the row that has begun."""
        if role == CLOCK:
            self._add_stamp(value)
        elif role == STATUS:
            self._add_status(value)
        elif role != IGNORED:
            self.channels[role].add(value)

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
    cursor = Cursor(buffer)
    tag = cursor.u8()
    if tag == Tag.COMPACT_ARRAY:
        _add_compact(cursor, columns)
    elif tag == Tag.ARRAY:
        for _ in range(check_count(cursor.length())):
            _add_tagged(cursor, columns)
    else:
        raise WireError("bad-buffer", f"tag {tag} where an array of rows belongs")
    cursor.expect_end()
    return columns.rows()


def _add_tagged(cursor: Cursor, columns: _Columns) -> None:
    columns.begin(cursor.u8(), cursor.length())
    for role in columns.roles:
        kind = KINDS.get(cursor.peek())
        if role == IGNORED:
            axdr.skip(cursor)
        elif kind is None:
            # What is kept is never a container, so there is nothing to gain from reading one.
            raise WireError("bad-row", f"tag {cursor.peek()} in a column that is kept (row {columns.count})")
        else:
            tag = cursor.u8()
            columns.add(role, Data(tag, kind.read(cursor)))
    columns.count += 1


def _add_compact(cursor: Cursor, columns: _Columns) -> None:
    for element in compact.elements(compact.begin(cursor)):
        members = axdr.members(element)
        columns.begin(element.tag, len(members))
        for role, member in zip(columns.roles, members, strict=True):
            columns.add(role, member)
        columns.count += 1
