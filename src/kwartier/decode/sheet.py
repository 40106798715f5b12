"""A stretch of bytes, named field by field from its beginning; the fields that were named are spans.

Fields are taken as far as there are bytes: a message that ends too early has fewer of them.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from kwartier.decode.layers import hexed
from kwartier.decode.stretch import Stretch

MAX_NUMBER_BYTES: Final = 4
MAX_SHOWN_BYTES: Final = 32


class Role(StrEnum):
    """What a field is to whoever may not see everything."""

    LAYER = "layer"
    """A whole layer; what its bytes are is said by the spans that lie in it."""
    STRUCTURE = "structure"
    """The same for every meter that is asked the same."""
    TITLE = "title"
    """The name of one of the two sides."""
    COUNTER = "counter"
    """An invocation counter."""
    CHALLENGE = "challenge"
    """A random number, sent in the clear by the rules."""
    VALUE = "value"
    """What was read or written, and whatever was not recognised."""
    SUM = "sum"
    """A check sequence over bytes of which some may be values."""
    SEALED = "sealed"
    """What a meter protected, as it went over the line."""
    TAG = "tag"
    """An authentication tag."""
    SECRET = "secret"
    """A key or a password: it is shown to nobody."""


SHOWN_TO_ALL: Final = frozenset({Role.STRUCTURE, Role.TITLE, Role.COUNTER, Role.CHALLENGE})
"""What may be seen without a grant for consumption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One field: ``at``, the runs of offsets at which its bytes stood; ``text``, what it says.

    ``plain``: the bytes are those that deciphering made, at the places of those that they were made from. ``tag``: the COSEM
    type of a value; -1: it has none.
    """

    layer: str
    name: str
    role: Role
    depth: int
    at: tuple[tuple[int, int], ...]
    plain: bool = False
    tag: int = -1
    text: str = field(default="", repr=False)
    octets: bytes = field(default=b"", repr=False)


class Sheet:
    """Names the bytes of one stretch of a layer; the spans go to ``out``."""

    __slots__ = ("at", "depth", "layer", "out", "plain", "stretch")

    def __init__(self, out: list[Span], stretch: Stretch, *, layer: str, depth: int, plain: bool) -> None:
        self.out = out
        self.stretch = stretch
        self.layer = layer
        self.depth = depth
        self.plain = plain
        self.at = 0

    @property
    def data(self) -> bytes:
        """All of its bytes."""
        return self.stretch.data

    @property
    def left(self) -> int:
        """How many are not named yet."""
        return len(self.stretch) - self.at

    def peek(self) -> int:
        """The next byte; -1 where there is none."""
        return self.data[self.at] if self.left > 0 else -1

    def take(
        self,
        size: int,
        name: str,
        role: Role = Role.STRUCTURE,
        *,
        text: str | None = None,
        tag: int = -1,
        below: int = 0,
    ) -> bytes:
        """The next ``size`` bytes are ``name``; what they are. ``below``: so many containers lie around them."""
        start, stop = self.at, min(self.at + max(size, 0), len(self.stretch))
        octets = self.data[start:stop]
        self.at = stop
        if octets:
            self._add(start, stop, name, role, shown(octets) if text is None else text, tag, below)
        return octets

    def whole(self, name: str) -> None:
        """All of it is the layer ``name``."""
        if len(self.stretch):
            self._add(0, len(self.stretch), name, Role.LAYER, f"{len(self.stretch)} bytes", -1, 0)

    def rest(self, name: str, role: Role = Role.VALUE) -> bytes:
        """Everything that is left."""
        return self.take(self.left, name, role)

    def _add(self, start: int, stop: int, name: str, role: Role, text: str, tag: int, below: int) -> None:
        self.out.append(
            Span(
                layer=self.layer,
                name=name,
                role=role,
                depth=self.depth + below,
                at=self.stretch.cut(start, stop).runs(),
                plain=self.plain,
                tag=tag,
                text=text,
                octets=self.data[start:stop],
            )
        )


def shown(octets: bytes) -> str:
    """A field as people read it: a number where it is short, else hex."""
    if len(octets) <= MAX_NUMBER_BYTES:
        return f"{int.from_bytes(octets, 'big')}"
    if len(octets) <= MAX_SHOWN_BYTES:
        return hexed(octets)
    return f"{len(octets)} bytes"
