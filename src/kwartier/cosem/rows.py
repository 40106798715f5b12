"""What the rows of a buffer are once they are columns, and the bounds on how many there may be."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kwartier.cosem.layout import Roles
from kwartier.dlms.axdr import Tag
from kwartier.errors import WireError
from kwartier.model import Bytes8, Registers

MAX_ROWS = 3000
"""Rows of one buffer: three times what the largest quarter profile holds."""
STAMP_BYTES = 12

Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

INTEGERS: Mapping[int, str] = MappingProxyType(
    {
        Tag.DOUBLE_LONG: ">i4",
        Tag.DOUBLE_LONG_UNSIGNED: ">u4",
        Tag.INTEGER: ">i1",
        Tag.LONG: ">i2",
        Tag.UNSIGNED: ">u1",
        Tag.LONG_UNSIGNED: ">u2",
        Tag.LONG64: ">i8",
        Tag.LONG64_UNSIGNED: ">u8",
    }
)
"""What a register may be written as."""


class Rows(NamedTuple):
    """The rows of a buffer in columns; registers unscaled, stamps still as they were sent. The repr shows no value."""

    size: int
    clock: bytes
    """Twelve bytes for each row that carries a stamp."""
    stamped: Places | None
    """Which rows carry one, ascending, the first row always; None: all of them."""
    status: Bytes8 | None
    registers: Mapping[str, Registers]
    absent: Mapping[str, Flags]
    """Where a register is null-data; a channel without any is not in it."""

    def __repr__(self) -> str:
        return f"<Rows {self.size}: {', '.join(self.registers)}>"


def shape_of(width: int, shapes: tuple[Roles, ...]) -> Roles:
    """The shape that has ``width`` columns. Raises ``WireError`` bad-row."""
    for roles in shapes:
        if len(roles) == width:
            return roles
    raise WireError("bad-row", f"a row of {width} columns where {' or '.join(str(len(one)) for one in shapes)} belong")


def check_count(count: int) -> int:
    """``count`` rows, if a buffer may hold so many."""
    if count > MAX_ROWS:
        raise WireError("too-many-rows", f"{count} rows, more than {MAX_ROWS}")
    return count
