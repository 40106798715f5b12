"""Any bytes as COSEM data: skipping agrees with reading, and what is read encodes and reads again to the same."""

from collections.abc import Callable

from kwartier.dlms import axdr
from kwartier.dlms.cursor import Cursor
from kwartier.errors import WireError


def one(data: bytes) -> None:
    assert _outcome(axdr.skip, data) == _outcome(axdr.read, data)
    try:
        value = axdr.decode(data)
    except WireError:
        return
    assert axdr.decode(axdr.encode(value)) == value
    axdr.plain(value)


def _outcome(take: Callable[[Cursor], object], data: bytes) -> tuple[str, int]:
    cursor = Cursor(data)
    try:
        take(cursor)
    except WireError as error:
        return error.code, -1
    return "", cursor.at
