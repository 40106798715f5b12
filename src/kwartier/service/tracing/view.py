"""A trace as it may be seen: its frames in order, its bytes, and what each byte is.

Offsets count through all the frames of a trace. A byte that is not to be seen is two asterisks, on the line as in what
deciphering made of it, and whatever covers it has no text. Without a grant for consumption nothing is deciphered at all, and
only bytes that are known to be structure are seen; a key or a password is seen by nobody.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from kwartier.collect.tape import Recorded, Way
from kwartier.collect.traces import Trace
from kwartier.decode import NO_KEYS, Keys
from kwartier.decode.dialogue import Heard, Said, listen
from kwartier.decode.sheet import SHOWN_TO_ALL, Role, Span
from kwartier.decode.spans import spans
from kwartier.decode.stretch import Stretch

MASK: Final = "**"
"""A byte that is not shown."""
NOTHING: Final = ".."
"""Where nothing was deciphered."""
MAX_FIELDS: Final = 30_000
"""Fields that are named of a trace; the usual day has 1 500. Of frames behind them nothing is shown."""
SHOWN_TO_NOBODY: Final = frozenset({Role.SECRET})


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What some bytes are. ``at``: runs of offsets; ``text`` None: it is masked.

    ``layer``: what it belongs to (frame, noise, wrapper, hdlc, llc, ciphered, general-block-transfer, apdu, data); ``plain``:
    the bytes are those that deciphering made.
    """

    layer: str
    name: str
    role: Role
    depth: int
    at: tuple[tuple[int, int], ...]
    plain: bool
    text: str | None = field(repr=False)

    @property
    def masked(self) -> bool:
        """Whether its bytes are not shown."""
        return self.text is None

    def as_json(self) -> dict[str, object]:
        """For a page."""
        return {
            "layer": self.layer,
            "name": self.name,
            "role": self.role.value,
            "depth": self.depth,
            "at": [list(run) for run in self.at],
            "plain": self.plain,
            "masked": self.masked,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame, from ``start`` up to ``stop``. ``line``: the how many-th line of the visit; ``error``: a code, or empty.

    ``octets``: two hex digits a byte, as it went over the line; ``plain``: what deciphering made of it, empty without any.
    """

    number: int
    line: int
    sent: bool
    after_us: int
    start: int
    stop: int
    services: tuple[str, ...]
    error: str
    octets: str = field(repr=False)
    plain: str = field(repr=False)

    def as_json(self) -> dict[str, object]:
        """For a page."""
        return {
            "number": self.number,
            "line": self.line,
            "way": (Way.SENT if self.sent else Way.RECEIVED).value,
            "after_ms": round(self.after_us / 1000, 3),
            "start": self.start,
            "stop": self.stop,
            "services": list(self.services),
            "error": self.error or None,
            "octets": self.octets,
            "plain": self.plain or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A trace as somebody sees it. ``fields`` are in order: the last one that holds a byte is what the byte is."""

    trace: Trace
    purpose: str
    grant: str
    masked: bool
    """Whether values are not shown."""
    frames: tuple[Frame, ...] = field(repr=False)
    fields: tuple[Field, ...] = field(repr=False)

    def what(self, offset: int) -> list[Field]:
        """What the byte at an offset is, from the outside in; the last one says it most exactly."""
        return [one for one in self.fields if any(start <= offset < stop for start, stop in one.at)]

    def as_json(self) -> dict[str, object]:
        """For a page."""
        return {
            "trace": self.trace.as_json(),
            "purpose": self.purpose,
            "grant": self.grant or None,
            "masked": self.masked,
            "frames": [one.as_json() for one in self.frames],
            "fields": [one.as_json() for one in self.fields],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What was said on one line of a visit, decoded, with the fields of each frame."""

    number: int
    said: Sequence[Said] = field(repr=False)
    fields: Sequence[Sequence[Span]] = field(repr=False)


def lines_of(recorded: Recorded, keys: Keys = NO_KEYS) -> list[Line]:
    """The lines of a trace, decoded with ``keys``."""
    found: list[Line] = []
    first, room = 0, MAX_FIELDS
    for number in sorted({one.line for one in recorded.events}):
        heard = [
            Heard(sent=one.way is Way.SENT, after_us=one.after_us, octets=one.octets)
            for one in recorded.events
            if one.line == number
        ]
        said = listen(
            heard,
            recorded.transport,
            keys,
            client_title=recorded.own_title,
            meter_title=recorded.meter_title,
            first=first,
        )
        named = []
        for one in said:
            named.append(_named(one) if room > 0 else _unseen(one))
            room -= len(named[-1])
        found.append(Line(number=number, said=said, fields=named))
        first += sum(len(one.octets) for one in said)
    return found


def _named(one: Said) -> list[Span]:
    return spans(one.decoded, Stretch(one.octets, (0,), (one.start,)))


def _unseen(one: Said) -> list[Span]:
    """A frame whose bytes nobody has looked into, so that nobody sees them."""
    at = ((one.start, one.stop),)
    whole = Span(layer="noise", name="frame", role=Role.LAYER, depth=0, at=at, text=f"{len(one.octets)} bytes")
    return [whole, replace(whole, name="not looked into", role=Role.SECRET, octets=one.octets)]


def seen(trace: Trace, recorded: Recorded, keys: Keys, *, masked: bool, purpose: str = "", grant: str = "") -> View:
    """The trace as it may be seen: ``masked`` without values, and then ``keys`` are not used."""
    lines = lines_of(recorded, NO_KEYS if masked else keys)
    hidden = _Hidden(sum(len(one.octets) for line in lines for one in line.said), masked=masked)
    for span in _spans(lines):
        hidden.mark(span)
    frames = [(line.number, one) for line in lines for one in line.said]
    return View(
        trace=trace,
        purpose=purpose,
        grant=grant,
        masked=masked,
        frames=tuple(_frame(number, line, one, hidden) for number, (line, one) in enumerate(frames)),
        fields=tuple(_field(span, hidden) for span in _spans(lines)),
    )


def _spans(lines: Iterable[Line]) -> Iterable[Span]:
    return (span for line in lines for named in line.fields for span in named)


class _Hidden:
    """Which bytes are not shown, on the line and deciphered; and the deciphered ones."""

    __slots__ = ("_line", "_masked", "_plain", "deciphered")

    def __init__(self, size: int, *, masked: bool) -> None:
        self._masked = masked
        self._line = bytearray(b"\x01" * size) if masked else bytearray(size)
        self._plain = bytearray(b"\x01" * size) if masked else bytearray(size)
        self.deciphered: dict[int, int] = {}

    def mark(self, span: Span) -> None:
        """A field that lies within those before it: whether its bytes are shown is for it to say."""
        if span.role is Role.LAYER:
            if span.plain:
                self.deciphered.update(zip(_places(span), span.octets, strict=False))
            return
        hidden = self._plain if span.plain else self._line
        for start, stop in span.at:
            hidden[start:stop] = bytes((self._hides(span.role),)) * (stop - start)

    def _hides(self, role: Role) -> bool:
        return role not in SHOWN_TO_ALL if self._masked else role in SHOWN_TO_NOBODY

    def covers(self, span: Span) -> bool:
        """Whether any byte of a field is hidden."""
        hidden = self._plain if span.plain else self._line
        return any(1 in hidden[start:stop] for start, stop in span.at)

    def on_line(self, one: Said) -> str:
        """The bytes of a frame as it went over the line."""
        return "".join(
            MASK if self._line[one.start + place] else f"{octet:02X}" for place, octet in enumerate(one.octets)
        )

    def plain(self, one: Said) -> str:
        """What deciphering made of a frame; empty where it made nothing."""
        if not any(place in self.deciphered for place in range(one.start, one.stop)):
            return ""
        return "".join(self._plain_byte(place) for place in range(one.start, one.stop))

    def _plain_byte(self, place: int) -> str:
        octet = self.deciphered.get(place)
        return NOTHING if octet is None else MASK if self._plain[place] else f"{octet:02X}"


def _places(span: Span) -> Iterable[int]:
    return (place for start, stop in span.at for place in range(start, stop))


def _frame(number: int, line: int, one: Said, hidden: _Hidden) -> Frame:
    found = one.decoded
    return Frame(
        number=number,
        line=line,
        sent=one.sent,
        after_us=one.after_us,
        start=one.start,
        stop=one.stop,
        services=tuple(str(message.fields["service"]) for message in found.messages),
        error="" if found.error is None else found.error.code,
        octets=hidden.on_line(one),
        plain=hidden.plain(one),
    )


def _field(span: Span, hidden: _Hidden) -> Field:
    """A field; one that is a whole layer says how long it is, and nothing else."""
    shown = span.role is Role.LAYER or not hidden.covers(span)
    return Field(
        layer=span.layer,
        name=span.name,
        role=span.role,
        depth=span.depth,
        at=span.at,
        plain=span.plain,
        text=span.text if shown else None,
    )
