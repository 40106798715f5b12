"""Compact arrays: the type of an element once, and then the elements without their tags (Green Book 9.5, TypeDescription).

A description is flattened into the steps that read one element: a tag, or a container with its number of members. Everything
after that is a loop. A few bytes of description can stand for very many values - arrays of arrays, and types that take no
bytes at all - so the steps are bounded, and so is the number of values that a byte of contents may bring.
"""

from collections.abc import Iterator
from typing import NamedTuple

from kwartier.dlms.cursor import Cursor
from kwartier.dlms.datatypes import CONTAINERS, KINDS, Data, Tag
from kwartier.dlms.nesting import MAX_DEPTH, MAX_ELEMENTS, Nest
from kwartier.errors import WireError

MAX_STEPS = 1024
"""Values in one element of a compact array."""
VALUES_PER_BYTE = 4
"""Values that one byte of contents may bring: containers and null-data take none."""
SPARE_VALUES = 64
"""Values beyond those, so that one small element may be as deep as any."""

Step = tuple[int, int]


class Compact(NamedTuple):
    """A compact array that is about to be read. ``description`` is the type description as it stands on the wire."""

    description: bytes
    steps: list[Step]
    contents: Cursor


def begin(cursor: Cursor) -> Compact:
    """What stands behind the tag at the cursor, which then is behind the whole compact array."""
    start = cursor.at
    steps = _steps(cursor)
    description = cursor.data[start : cursor.at]
    return Compact(description, steps, Cursor(cursor.take(cursor.length())))


def elements(compact: Compact) -> Iterator[Data]:
    """The elements, one at a time."""
    steps, contents = compact.steps, compact.contents
    most = min(MAX_ELEMENTS, VALUES_PER_BYTE * contents.remaining + SPARE_VALUES)
    total = 0
    while contents.remaining:
        before = contents.at
        total += len(steps)
        if total > most:
            raise WireError("too-many-elements", f"a compact array of more than {most} values")
        element = _element(contents, steps)
        if contents.at == before:
            raise WireError("too-many-elements", "a compact array whose elements take no bytes")
        yield element


def _element(contents: Cursor, steps: list[Step]) -> Data:
    nest = Nest()
    whole: Data | None = None
    for tag, count in steps:
        is_container = tag in CONTAINERS
        whole = nest.open(tag, count, contents.at) if is_container else nest.add(Data(tag, KINDS[tag].read(contents)))
    if whole is None:
        raise WireError("truncated", "a type description that describes no whole value")
    return whole


def _steps(cursor: Cursor) -> list[Step]:
    """The steps of the type description at the cursor."""
    done: list[list[Step]] = []
    pending: list[tuple[int, int, int]] = []  # (tag, members to come, repetitions of an array)
    while True:
        tag = cursor.u8()
        if tag in CONTAINERS:
            if len(pending) >= MAX_DEPTH:
                raise WireError(
                    "too-deep", f"a type description nested more than {MAX_DEPTH} deep at offset {cursor.at}"
                )
            count = cursor.u16() if tag == Tag.ARRAY else cursor.length()
            if tag == Tag.STRUCTURE and count > cursor.remaining:
                raise WireError("truncated", f"a type description of {count} members at offset {cursor.at}")
            done.append([(tag, count)])
            if tag == Tag.ARRAY or count:
                pending.append((tag, 1 if tag == Tag.ARRAY else count, count))
                continue
        elif tag not in KINDS:
            raise WireError("bad-data-tag", f"no COSEM type has tag {tag} (offset {cursor.at - 1})")
        else:
            done.append([(tag, -1)])
        while pending:
            tag, members, count = pending.pop()
            inner = done.pop()
            times = count if tag == Tag.ARRAY else 1
            if len(done[-1]) + len(inner) * times > MAX_STEPS:
                raise WireError("too-many-elements", f"a type description of more than {MAX_STEPS} values")
            done[-1].extend(inner * times)
            if members > 1:
                pending.append((tag, members - 1, count))
                break
        if not pending:
            return done[0]
