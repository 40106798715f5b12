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


def test_so_many_frames_are_on_a_page_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART_FRAMES", 2)
    frames = tuple(replace(FRAME, number=at, start=20 * at, stop=20 * at + 20) for at in range(3))
    view = replace(VIEW, frames=frames)
    assert [[one.number for one in part_of(view, part).frames] for part in (1, 2)] == [[0, 1], [2]]


def test_a_frame_that_is_longer_than_a_page_is_cut_at_the_end_of_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART_BYTES", 32)
    whole = "".join(f"{octet:02X}" for octet in range(70))
    long = replace(FRAME, start=0, stop=70, octets=whole, plain=whole)
    fields = (
        named("frame", "frame", 0, (0, 70)),
        named("wrapper", "header", 1, (0, 8)),
        named("ciphered", "ciphertext", 1, (8, 64)),
        named("apdu", "get-response", 2, (8, 64), plain=True),
        named("data", "value", 1, (64, 70)),
    )
    view = replace(VIEW, frames=(long, replace(FRAME, number=1, start=70, stop=90)), fields=fields)
    found = [part_of(view, part) for part in (1, 2, 3, 4)]
    assert [part.parts for part in found] == [3] * 4
    assert [[(one.number, one.first, one.stop) for one in part.frames] for part in found[:3]] == [
        [(0, 0, 32)],
        [(0, 32, 64)],
        [(0, 64, 70), (1, 70, 90)],
    ]
    assert {(one.start, one.length) for part in found[:2] for one in part.frames} == {(0, 70)}
    for rows in ("rows", "plain"):
        seen = [row for part in found[:3] for row in getattr(part.frames[0], rows)]
        assert [row.offset for row in seen] == [0, 16, 32, 48, 64]
        assert "".join(octet for row in seen for piece in row.pieces for octet in piece.octets) == whole
    assert [one.name for one in found[1].fields] == ["frame", "ciphertext", "get-response"]
    assert {piece.of for row in found[1].frames[0].rows for piece in row.pieces} == {2}
