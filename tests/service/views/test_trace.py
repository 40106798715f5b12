"""A trace on a page: every byte is there once, is its most exact field, and a part has what its frames need."""

from dataclasses import replace

import pytest

from kwartier.collect.traces import Trace
from kwartier.decode.sheet import Role
from kwartier.service.tracing.view import MASK, NOTHING, Field, Frame, View
from kwartier.service.views import trace as module
from kwartier.service.views.trace import Group, part_of

SOMEBODY = Trace(
    id="t", meter="m", ean="e", requested_at=0, requested_by="os:eva", reason="", until=0, visit="v", expires_at=9
)


def named(
    layer: str, name: str, depth: int, *at: tuple[int, int], plain: bool = False, text: str | None = "x"
) -> Field:
    return Field(layer=layer, name=name, role=Role.STRUCTURE, depth=depth, at=at, plain=plain, text=text)


FRAME = Frame(
    number=0,
    line=1,
    sent=True,
    after_us=1_500,
    start=0,
    stop=20,
    services=("get-request",),
    error="",
    octets="".join(f"{octet:02X}" for octet in range(18)) + MASK * 2,
    plain=NOTHING * 16 + "C001" + MASK * 2,
)
FIELDS = (
    named("frame", "frame", 0, (0, 20)),
    named("wrapper", "version", 0, (0, 2)),
    named("ciphered", "ciphertext", 0, (2, 20)),
    named("apdu", "get-request", 0, (16, 20), plain=True),
    named("data", "value", 1, (18, 20), plain=True, text=None),
)
VIEW = View(trace=SOMEBODY, purpose="complaint", grant="g", masked=False, frames=(FRAME,), fields=FIELDS)


def test_every_byte_is_there_once_and_is_its_most_exact_field() -> None:
    (shown,) = part_of(VIEW).frames
    assert [row.offset for row in shown.rows] == [0, 16]
    pieces = [piece for row in shown.rows for piece in row.pieces]
    assert "".join(octet for piece in pieces for octet in piece.octets) == FRAME.octets
    assert [(piece.start, piece.of, piece.group, piece.hidden) for piece in pieces] == [
        (0, 1, Group.LINE, False),
        (2, 2, Group.CIPHERING, False),
        (16, 2, Group.CIPHERING, False),
        (18, 2, Group.CIPHERING, True),
    ]


def test_what_was_deciphered_stands_below_without_rows_in_which_nothing_was() -> None:
    (shown,) = part_of(VIEW).frames
    (row,) = shown.plain
    assert row.offset == 16
    assert [(piece.of, piece.group, piece.hidden, piece.octets) for piece in row.pieces] == [
        (3, Group.APDU, False, ("C0", "01")),
        (4, Group.DATA, True, (MASK, MASK)),
    ]


def test_a_field_knows_what_it_is_in() -> None:
    fields = part_of(VIEW).fields
    assert [(one.number, one.up, one.offset, one.length) for one in fields] == [
        (0, None, 0, 20),
        (1, 0, 0, 2),
        (2, 0, 2, 18),
        (3, 2, 16, 4),
        (4, 3, 18, 2),
    ]
    assert (fields[4].text, fields[3].text) == (None, "x")
    assert MASK not in repr(fields)


def test_a_part_has_its_own_frames_and_fields_and_no_frame_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART_BYTES", 30)
    frames = tuple(replace(FRAME, number=at, start=20 * at, stop=20 * at + 20) for at in range(3))
    fields = tuple(named("frame", f"frame {at}", 0, (20 * at, 20 * at + 20)) for at in range(3))
    view = replace(VIEW, frames=frames, fields=fields)
    for wanted, numbers in ((1, [0]), (2, [1]), (3, [2]), (9, [2])):
        part = part_of(view, wanted)
        assert ([one.number for one in part.frames], [one.number for one in part.fields]) == (numbers, numbers)
        assert (part.part, part.parts, part.size) == (min(wanted, 3), 3, 60)
    assert part_of(replace(VIEW, frames=(), fields=())).frames == ()
