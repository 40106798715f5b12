"""A line that was listened to: what both sides said, frame by frame, with who said it.

A capture begins with its first frame and ends with the first mistake. What was recorded of a line knows more - which side sent
which bytes, and when - and has to show more: what came behind the mistake too. So the bytes of each side are cut into frames
by themselves, the frames are put in the order in which they were complete, and each is decoded with what is remembered of those
before it; what is wrong with one is said of that one. What is no frame is a piece of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from kwartier.decode.frames import frame_length
from kwartier.decode.layers import NO_KEYS, Decoded, Keys
from kwartier.decode.stretch import Stretch
from kwartier.decode.walk import Walk
from kwartier.dlms import wrapper
from kwartier.dlms.hdlc import FLAG
from kwartier.errors import KwartierError, WireError

MAX_FRAMES: Final = 2_000
"""Frames of one line; what is behind them is one piece that is not looked into."""
HDLC: Final = "hdlc"
CLIENT: Final = (0, 1)
METER: Final = (1, 0)
"""Who speaks to whom; what addresses the frames have is their own affair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Bytes that one side sent at once, ``after_us`` microseconds after the beginning."""

    sent: bool
    """Whether the client sent them."""
    after_us: int
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One frame, or what is none: ``octets`` from ``start`` on in all that was said; ``after_us``: when it was complete."""

    sent: bool
    after_us: int
    start: int
    octets: bytes = field(repr=False)
    decoded: Decoded = field(repr=False)

    @property
    def stop(self) -> int:
        """Where the next one begins."""
        return self.start + len(self.octets)


def listen(
    heard: Sequence[Heard],
    framing: str,
    keys: Keys = NO_KEYS,
    *,
    client_title: bytes = b"",
    meter_title: bytes = b"",
    first: int = 0,
) -> list[Said]:
    """Everything that was said on one line. ``first``: the offset of its first byte. Nothing that was heard makes it raise.

    The titles are those by which the two are known, for messages that do not name their sender.
    """
    walk = Walk(Decoded(), keys)
    walk.knows(CLIENT, client_title)
    walk.knows(METER, meter_title)
    found: list[Said] = []
    for _, sent, after_us, octets, whole in _in_order(heard, framing):
        decoded = Decoded()
        try:
            if not whole:
                raise WireError("truncated", f"{len(octets)} bytes that are no whole frame")
            walk.frame(
                Stretch(octets, (0,), (first,)), decoded, is_hdlc=framing == HDLC, party=CLIENT if sent else METER
            )
        except KwartierError as error:
            decoded.error = error
        found.append(Said(sent=sent, after_us=after_us, start=first, octets=octets, decoded=decoded))
        first += len(octets)
    return found


def _in_order(heard: Sequence[Heard], framing: str) -> list[tuple[tuple[int, int], bool, int, bytes, bool]]:
    """The frames of both sides by when they were complete: (order, sent, after_us, octets, whether it is a frame)."""
    found = []
    for sent in (True, False):
        octets = b"".join(one.octets for one in heard if one.sent == sent)
        ends: list[tuple[int, int]] = []
        at = 0
        for number, one in enumerate(heard):
            if one.sent == sent:
                at += len(one.octets)
                ends.append((at, number))
        place = 0
        for start, stop, whole in cut(octets, framing):
            while ends[place][0] < stop:
                place += 1
            number = ends[place][1]
            found.append(((number, start), sent, heard[number].after_us, octets[start:stop], whole))
    return sorted(found, key=lambda one: one[0])


def cut(octets: bytes, framing: str) -> list[tuple[int, int, bool]]:
    """Where the frames of one side begin and end, and what is between them; every byte is in one piece."""
    pieces = _hdlc(octets) if framing == HDLC else _wrapped(octets)
    if len(pieces) > MAX_FRAMES:
        pieces = [*pieces[:MAX_FRAMES], (pieces[MAX_FRAMES][0], len(octets), False)]
    return pieces


def _wrapped(octets: bytes) -> list[tuple[int, int, bool]]:
    """After a header that is wrong there is no way back to the next one."""
    pieces: list[tuple[int, int, bool]] = []
    at, size = 0, len(octets)
    while at < size:
        body = at + wrapper.HEADER_BYTES
        version, _, _, length = wrapper.HEADER.unpack_from(octets, at) if body <= size else (0, 0, 0, 0)
        whole = version == wrapper.VERSION and body + length <= size
        stop = body + length if whole else size
        pieces.append((at, stop, whole))
        at = stop
    return pieces


def _hdlc(octets: bytes) -> list[tuple[int, int, bool]]:
    """A flag begins a frame, its length ends it; one flag may do for two frames."""
    pieces: list[tuple[int, int, bool]] = []
    at, size, noise = 0, len(octets), 0
    follows = False
    while at < size:
        form = at
        while form < size and octets[form] == FLAG:
            form += 1
        length = frame_length(octets, form) if form > at or follows else 0
        stop = form + length
        if not length or stop > size:
            at, follows = (form if form > at else at + 1), False
            continue
        if noise < at:
            pieces.append((noise, at, False))
        shared = stop + 1 < size and octets[stop + 1] != FLAG and frame_length(octets, stop + 1) > 0
        if stop < size and octets[stop] == FLAG and not shared:
            stop += 1
        pieces.append((at, stop, True))
        at = noise = stop
        follows = True
    if noise < size:
        pieces.append((noise, size, False))
    return pieces
