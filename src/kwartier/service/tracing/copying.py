"""A trace as a test case: the same structure, and nothing of whoever's it was.

Everything begins as filler. Only what is known to be structure is taken over; values, titles, counters, challenges and keys are
replaced by synthetic ones of the same type and size, so that every byte stays at its place. What was protected is protected
again under the keys of the tests, and check sequences are computed anew. Then the copy is decoded: where it does not decode as
the trace did, or where a title, a key or the connection is found in it, there is no copy.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from kwartier.collect.tape import Event, Recorded, Way
from kwartier.decode import Decoded, Keys, decode
from kwartier.decode.layers import Layer
from kwartier.decode.sheet import Role, Span
from kwartier.dlms import protection
from kwartier.dlms.axdr import Tag
from kwartier.dlms.hdlc import FLAG, check_sequence
from kwartier.dlms.suite import Gcm
from kwartier.errors import Denied, InputError, KwartierError
from kwartier.service.tracing import synthetic
from kwartier.service.tracing.looking import Looked
from kwartier.service.tracing.synthetic import Synthetic
from kwartier.service.tracing.view import Line, lines_of

LINE_DIGITS: Final = 120
"""Hex digits of a line of a vector file."""
LEAST_NAME: Final = 6
"""Characters of a name that is looked for in a copy: a shorter one may be anywhere."""
KEYS: Final = Keys(ek=synthetic.EK, ak=synthetic.AK, dedicated=synthetic.DEDICATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestCase:
    """One line of a visit as a vector: ``text`` is a piece of a file of vectors, ``octets`` are its bytes.

    ``left_out``: pieces that were no frames, of which nothing is known and so nothing is kept.
    """

    __test__ = False

    name: str
    text: str = field(repr=False)
    octets: bytes = field(repr=False)
    left_out: int


def cases(found: Looked) -> list[TestCase]:
    """A test case for each line of a trace that somebody looks at; its values have to be shown, since they are deciphered.

    Raises ``Denied`` no-consumption, ``InputError`` not-copyable.
    """
    if found.masked:
        raise Denied("no-consumption", f"for {found.purpose} nothing is deciphered, and so nothing can be copied")
    made = []
    for line in lines_of(found.recorded, found.keys):
        case = _case(line, found)
        if case is not None:
            made.append(case)
    return made


def _case(line: Line, found: Looked) -> TestCase | None:
    pieces = [number for number, one in enumerate(line.said) if one.decoded.layers and not _is_broken(one.decoded)]
    if not pieces:
        return None
    copy = _Copy(line, found.recorded)
    octets = copy.made()
    first = line.said[0].start
    frames = [
        (line.said[one].sent, octets[line.said[one].start - first : line.said[one].stop - first]) for one in pieces
    ]
    whole = b"".join(frame for _, frame in frames)
    _check(found, [line.said[one].decoded for one in pieces], frames, whole)
    kind = found.recorded.transport
    name = f"{kind}, a visit that was traced, {len(frames)} frames"
    text = _text(name, whole)
    return TestCase(name=name, text=text, octets=whole, left_out=len(line.said) - len(pieces))


def _is_broken(decoded: Decoded) -> bool:
    """Whether it is no frame, or one whose own sums are wrong."""
    return "error" in decoded.layers[0].fields


class _Copy:
    """The bytes of one line, made anew in their places."""

    __slots__ = ("_counters", "_first", "_line", "_octets", "_plain", "_source", "_titles")

    def __init__(self, line: Line, recorded: Recorded) -> None:
        size = sum(len(one.octets) for one in line.said)
        self._line = line
        self._first = line.said[0].start
        self._source = Synthetic()
        self._octets = bytearray(self._source.filler(size))
        self._plain = bytearray(self._source.filler(size))
        self._titles = {recorded.own_title: synthetic.CLIENT_TITLE, recorded.meter_title: synthetic.METER_TITLE}
        self._counters: dict[tuple[bool, bytes], int] = {}

    def made(self) -> bytes:
        """All of it."""
        for said, named in zip(self._line.said, self._line.fields, strict=True):
            for span in named:
                if span.role not in (Role.LAYER, Role.SEALED, Role.TAG, Role.SUM):
                    self._put(
                        self._plain if span.plain else self._octets, span.at, self._replaced(span, sent=said.sent)
                    )
        for said in self._line.said:
            self._protect(said.decoded.layers)
        for said in self._line.said:
            self._sum(said.decoded.layers)
        return bytes(self._octets)

    def _put(self, into: bytearray, at: Sequence[tuple[int, int]], octets: bytes) -> None:
        done = 0
        for start, stop in at:
            into[start - self._first : stop - self._first] = octets[done : done + stop - start]
            done += stop - start

    def _take(self, of: bytearray, at: Sequence[tuple[int, int]]) -> bytes:
        return b"".join(bytes(of[start - self._first : stop - self._first]) for start, stop in at)

    def _replaced(self, span: Span, *, sent: bool) -> bytes:
        octets = span.octets
        if span.role is Role.STRUCTURE:
            return octets
        if span.role is Role.TITLE:
            return self._title(octets)
        if span.role is Role.COUNTER:
            known = self._counters.setdefault((sent, octets), len(self._counters) + 1)
            return known.to_bytes(len(octets), "big")
        if span.role is Role.SECRET:
            return synthetic.DEDICATED if len(octets) == len(synthetic.DEDICATED) else self._source.filler(len(octets))
        if span.tag == Tag.COMPACT_ARRAY:
            return self._source.compact(octets)
        return self._source.octets(span.tag, octets)

    def _title(self, octets: bytes) -> bytes:
        made = self._titles.get(octets)
        if made is None:
            number = len(self._titles).to_bytes(protection.TITLE_BYTES - len(synthetic.OTHER_TITLE), "big")
            made = self._titles[octets] = (synthetic.OTHER_TITLE + number)[: len(octets)]
        return made

    def _protect(self, layers: Sequence[Layer]) -> None:
        """Protect again what was opened; one within another is not made."""
        path: list[Layer] = []
        for layer in layers:
            del path[layer.depth :]
            if layer.plain is not None and layer.stretch is not None:
                if any(one.plain is not None for one in path):
                    raise InputError("not-copyable", "what is protected twice cannot be copied")
                self._seal(layer)
            path.append(layer)

    def _seal(self, layer: Layer) -> None:
        if layer.stretch is None or layer.plain is None:
            return
        before = protection.parse_ciphered(layer.stretch.data)
        title = self._title(bytes.fromhex(str(layer.fields["system_title"])))
        key = synthetic.DEDICATED if before.family is protection.Family.DEDICATED else synthetic.EK
        header = layer.stretch.cut(before.header_length - protection.HEADER_BYTES, before.header_length)
        control_and_counter = self._take(self._octets, header.runs())
        iv, aad = title + control_and_counter[1:], control_and_counter[:1] + synthetic.AK
        plain = self._take(self._plain, layer.plain.runs())
        gcm = Gcm(key)
        is_sealed = bool(before.security_control & protection.ENCRYPTED)
        body = gcm.seal(iv, plain, aad) if is_sealed else plain + gcm.tag(iv, aad + plain)
        self._put(self._octets, layer.stretch.cut(before.header_length).runs(), body)

    def _sum(self, layers: Sequence[Layer]) -> None:
        """Check sequences over the frames as they are now."""
        for layer in layers:
            if layer.kind != "hdlc" or layer.stretch is None or "error" in layer.fields or not layer.fields["info"]:
                continue
            data = layer.stretch.data
            flags = len(data) - len(data.lstrip(bytes((FLAG,))))
            start = layer.offset - self._first + flags
            stop = start + (int.from_bytes(data[flags : flags + 2], "big") & 0x07FF) - 2
            self._octets[stop : stop + 2] = check_sequence(bytes(self._octets[start:stop]))


def _check(found: Looked, before: Sequence[Decoded], frames: Sequence[tuple[bool, bytes]], whole: bytes) -> None:
    """Raises ``InputError`` not-copyable where the copy does not decode as the trace did, or still knows whose it is."""
    recorded, keys = found.recorded, found.keys
    events = tuple(
        Event(line=0, way=Way.SENT if sent else Way.RECEIVED, after_us=0, octets=octets) for sent, octets in frames
    )
    again = Recorded(
        transport=recorded.transport,
        own_title=synthetic.CLIENT_TITLE,
        meter_title=synthetic.METER_TITLE,
        events=events,
        cut=False,
    )
    after = [one.decoded for line in lines_of(again, KEYS) for one in line.said]
    if [_shape(one) for one in before] != [_shape(one) for one in after]:
        raise InputError("not-copyable", "the copy would not decode as the trace does")
    everything = whole + b"".join(one.plain.data for two in after for one in two.layers if one.plain is not None)
    whose = (recorded.own_title, recorded.meter_title, keys.ek, keys.ak, keys.dedicated)
    names = (found.trace.ean.encode(), found.trace.meter.encode())
    known = [one for one in (*whose, *(name for name in names if len(name) >= LEAST_NAME)) if one]
    if any(one in everything for one in known):
        raise InputError("not-copyable", "the copy would still say whose trace it is")


def _shape(decoded: Decoded) -> tuple[object, ...]:
    """What a copy has to have in common with what it was made of."""
    layers = tuple((layer.kind, layer.offset - decoded.layers[0].offset, layer.length) for layer in decoded.layers)
    services = tuple(message.fields["service"] for message in decoded.messages)
    return layers, services, None if decoded.error is None else decoded.error.code


def _text(name: str, octets: bytes) -> str:
    """The piece of a vector file, in the form of ``tests/vectors/captures.toml``."""
    digits = octets.hex().upper()
    rows = [digits[at : at + LINE_DIGITS] for at in range(0, len(digits), LINE_DIGITS)]
    found = _decoded(octets)
    kinds = [layer.kind for layer in found.layers]
    lines = [
        "[[capture]]",
        f'name = "{name}"',
        'hex = """',
        *rows[:-1],
        f'{rows[-1]}"""',
        f"layers = {json.dumps(kinds)}",
    ]
    said = [[one.fields["service"], one.body] for one in found.messages]
    message = found.message
    if found.error is not None:
        lines.append(f'error = "{found.error.code}"')
    if message is not None:
        lines.append(f'service = "{message.fields["service"]}"')
        lines.append("unverified = false")
        lines.append(f"body = '''{json.dumps(message.body)}'''")
        lines.append(f"messages = '''{json.dumps(said)}'''")
    return "\n".join(lines) + "\n"


def _decoded(octets: bytes) -> Decoded:
    try:
        return decode(octets, KEYS)
    except KwartierError as error:
        return Decoded(error=error)
