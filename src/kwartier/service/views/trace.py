"""A trace on a page: each frame as rows of bytes, each byte with the field that says most exactly what it is.

What may be seen has been decided before (``service/tracing/``): a byte that is not shown comes here as two asterisks.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from kwartier.service.tracing.view import MASK, NOTHING, Field, Frame, View

ROW_BYTES = 16
PART_BYTES = 512 * ROW_BYTES
"""Bytes on a page: the usual visit is on one. Only a frame that is longer itself is cut, at the end of a row."""
PART_FRAMES = 200
"""Frames on a page."""
HEX = 2
"""Digits of a byte."""


class Group(StrEnum):
    """What a byte belongs to, as it is coloured."""

    LINE = "line"
    CIPHERING = "ciphering"
    APDU = "apdu"
    DATA = "data"


GROUPS: Mapping[str, Group] = MappingProxyType(
    {"ciphered": Group.CIPHERING, "general-block-transfer": Group.APDU, "apdu": Group.APDU, "data": Group.DATA}
)
"""By layer; every other one is of the line: the wrapper, HDLC, LLC, and what is no frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Bytes of a row that are one field. ``of``: its number, None where nothing is known; ``octets``: two hex digits each."""

    of: int | None
    group: Group
    start: int
    hidden: bool
    octets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Up to :data:`ROW_BYTES` bytes from an offset within the trace on."""

    offset: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A frame, or what a part has of it, from ``first`` up to ``stop``; ``start`` and ``length`` are of the whole.

    ``after_us``: since the visit began; ``plain``: what deciphering made of it, empty without any.
    """

    number: int
    line: int
    sent: bool
    after_us: int
    start: int
    length: int
    first: int
    stop: int
    services: tuple[str, ...]
    error: str
    rows: tuple[Row, ...]
    plain: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A field. ``up``: the number of the one that it is in; ``text`` None: not shown."""

    number: int
    up: int | None
    group: Group
    layer: str
    name: str
    depth: int
    offset: int
    length: int
    plain: bool
    text: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TracePart:
    """Some frames of a trace, and what is in them. ``part`` of ``parts``, from 1."""

    part: int
    parts: int
    size: int
    """Bytes of the whole trace."""
    frames: tuple[Shown, ...]
    fields: tuple[Named, ...]


def part_of(view: View, wanted: int = 1) -> TracePart:
    """One part of a trace; one that there is not is the nearest that there is."""
    parts = list(_parts(view.frames)) or [()]
    place = min(max(wanted, 1), len(parts))
    cuts = parts[place - 1]
    first, end = (cuts[0].first, cuts[-1].stop) if cuts else (0, 0)
    numbered = [
        (number, one) for number, one in enumerate(view.fields) if any(a < end and b > first for a, b in one.at)
    ]
    line = _exact([(number, one) for number, one in numbered if not one.plain], first, end)
    plain = _exact([(number, one) for number, one in numbered if one.plain], first, end)
    return TracePart(
        part=place,
        parts=len(parts),
        size=view.frames[-1].stop if view.frames else 0,
        frames=tuple(_shown(one, view.fields, line, plain) for one in cuts),
        fields=tuple(_named(numbered)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """What is shown together of a frame: all of it, as a rule."""

    frame: Frame
    first: int
    stop: int


def _parts(frames: Sequence[Frame]) -> Iterator[tuple[_Cut, ...]]:
    part: list[_Cut] = []
    for cut in (cut for frame in frames for cut in _cuts(frame)):
        if part and (cut.stop - part[0].first > PART_BYTES or len(part) >= PART_FRAMES):
            yield tuple(part)
            part = []
        part.append(cut)
    if part:
        yield tuple(part)


def _cuts(frame: Frame) -> Iterator[_Cut]:
    for first in range(frame.start, frame.stop, PART_BYTES):
        yield _Cut(frame=frame, first=first, stop=min(first + PART_BYTES, frame.stop))


def _exact(numbered: Sequence[tuple[int, Field]], first: int, end: int) -> dict[int, int]:
    """By offset the number of the field that says most exactly what a byte is: the last one that holds it."""
    found: dict[int, int] = {}
    for number, one in numbered:
        for start, stop in one.at:
            found.update(dict.fromkeys(range(max(start, first), min(stop, end)), number))
    return found


def _shown(cut: _Cut, fields: Sequence[Field], line: Mapping[int, int], plain: Mapping[int, int]) -> Shown:
    one = cut.frame
    here = slice(HEX * (cut.first - one.start), HEX * (cut.stop - one.start))
    return Shown(
        number=one.number,
        line=one.line,
        sent=one.sent,
        after_us=one.after_us,
        start=one.start,
        length=one.stop - one.start,
        first=cut.first,
        stop=cut.stop,
        services=one.services,
        error=one.error,
        rows=tuple(_rows(one.octets[here], cut.first, fields, line)),
        plain=tuple(row for row in _rows(one.plain[here], cut.first, fields, plain) if not _is_empty(row)),
    )


def _is_empty(row: Row) -> bool:
    return all(octet == NOTHING for piece in row.pieces for octet in piece.octets)


def _rows(octets: str, start: int, fields: Sequence[Field], exact: Mapping[int, int]) -> Iterator[Row]:
    each = [octets[at : at + HEX] for at in range(0, len(octets), HEX)]
    for first in range(0, len(each), ROW_BYTES):
        row = each[first : first + ROW_BYTES]
        yield Row(offset=start + first, pieces=tuple(_pieces(row, start + first, fields, exact)))


def _pieces(row: Sequence[str], offset: int, fields: Sequence[Field], exact: Mapping[int, int]) -> Iterator[Piece]:
    """Bytes side by side that are one field, and shown or not."""
    begun = 0
    kinds = [(exact.get(offset + at), octet == MASK) for at, octet in enumerate(row)]
    for at in range(1, len(row) + 1):
        if at < len(row) and kinds[at] == kinds[begun]:
            continue
        number, hidden = kinds[begun]
        layer = "" if number is None else fields[number].layer
        yield Piece(
            of=number,
            group=GROUPS.get(layer, Group.LINE),
            start=offset + begun,
            hidden=hidden,
            octets=tuple(row[begun:at]),
        )
        begun = at


def _named(numbered: Sequence[tuple[int, Field]]) -> Iterator[Named]:
    """Fields come from the outside in and from left to right, so those that hold the next one are still open."""
    above: list[tuple[int, Field]] = []
    for number, one in numbered:
        while above and not _holds(above[-1][1], one):
            above.pop()
        yield Named(
            number=number,
            up=above[-1][0] if above else None,
            group=GROUPS.get(one.layer, Group.LINE),
            layer=one.layer,
            name=one.name,
            depth=len(above),
            offset=one.at[0][0],
            length=sum(stop - start for start, stop in one.at),
            plain=one.plain,
            text=one.text,
        )
        above.append((number, one))


def _holds(outer: Field, inner: Field) -> bool:
    return all(any(first <= start and stop <= last for first, last in outer.at) for start, stop in inner.at)
