"""A COSEM value with its seams showing: every tag with its offset, in the order of the wire.

:func:`kwartier.dlms.axdr.read` gives a value or an error. Somebody who looks at a capture wants to see where each part
of it stands, and, where a message was cut short, what had come until then. So this walks the same bytes tag by tag and
leaves each simple value to that module.
"""

from collections.abc import Iterator
from typing import NamedTuple

from kwartier.dlms import axdr
from kwartier.dlms.axdr import MAX_DEPTH, MAX_ELEMENTS, Data, Plain, Tag
from kwartier.dlms.cursor import Cursor
from kwartier.errors import WireError


class Item(NamedTuple):
    """One tag: ``at`` its offset, ``depth`` in how many containers it lies, ``members`` how many a container announces.

    ``value`` is None for a container. ``end``: where it ends, of a container its tag and length.
    """

    at: int
    depth: int
    members: int | None
    tag: int
    value: Data | None
    end: int


def items(data: bytes) -> Iterator[Item]:
    """The items of the one value that ``data`` starts with; :class:`WireError` where they stop making sense."""
    cursor = Cursor(data)
    open_members: list[int] = []
    for _ in range(MAX_ELEMENTS):
        at, depth, tag = cursor.at, len(open_members), cursor.peek()
        if tag in (Tag.ARRAY, Tag.STRUCTURE):
            cursor.u8()
            count = cursor.length()
            if depth >= MAX_DEPTH:
                raise WireError(
                    "too-deep", f"more than {MAX_DEPTH} arrays and structures within each other at offset {at}"
                )
            yield Item(at, depth, count, tag, None, cursor.at)
            open_members.append(count)
        else:
            value = axdr.read(cursor)
            yield Item(at, depth, None, tag, value, cursor.at)
            if open_members:
                open_members[-1] -= 1
        while open_members and not open_members[-1]:
            open_members.pop()
            if open_members:
                open_members[-1] -= 1
        if not open_members:
            return
    raise WireError("too-many-elements", f"more than {MAX_ELEMENTS} values in one piece of data")


def whole_part(data: bytes) -> Plain:
    """What of a value that was cut short is there: its whole members, in lists that are shorter than they announce."""
    root: list[Plain] = []
    path = [root]
    try:
        for item in items(data):
            del path[item.depth + 1 :]
            if item.value is None:
                inner: list[Plain] = []
                path[-1].append(inner)
                path.append(inner)
            else:
                path[-1].append(axdr.plain(item.value))
    except WireError as error:
        if error.code != "truncated":
            raise
    return root[0] if root else None
