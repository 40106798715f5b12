"""What decoding finds: layers from the outside in, and the messages inside them.

The names of the fields are those of ``kwartier decode --json``. Hexadecimal is upper case everywhere. Bytes are bare
digits (``"info": "E6E700"``); inside values, where they stand among numbers and texts, octet-strings begin with ``0x``,
and so do codes of errors (``"0x04"``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kwartier.decode.stretch import Stretch
from kwartier.errors import KwartierError

Shown = None | bool | int | float | str | Sequence["Shown"] | Mapping[str, "Shown"]
"""What JSON can hold."""
Fields = dict[str, Shown]
"""Names and values of a layer or a message, in the order in which they print."""


def hexed(data: bytes) -> str:
    """Bytes as bare upper-case digits."""
    return data.hex().upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What a capture may be deciphered with; None where it is not known. Its repr shows no key.

    ``system_title`` is the sender's, for messages that do not name it. ``unverified`` allows to look at what no tag
    vouches for: with no authentication key, or where a message has no tag.
    """

    ek: bytes | None = field(default=None, repr=False)
    ak: bytes | None = field(default=None, repr=False)
    dedicated: bytes | None = field(default=None, repr=False)
    system_title: bytes | None = None
    unverified: bool = False


NO_KEYS = Keys()


@dataclass(slots=True, kw_only=True)
class Layer:
    """One layer: ``offset`` and ``length`` in the capture, ``depth`` how many layers it lies in.

    Of a layer that was put together from pieces, ``offset`` is where its first byte stood and ``length`` counts its
    own.
    """

    kind: str
    offset: int
    length: int
    depth: int
    fields: Fields
    stretch: Stretch | None = field(default=None, repr=False)
    """Its bytes, and where each of them stood,"""
    plain: Stretch | None = field(default=None, repr=False)
    """and what deciphering made of those that it protects."""

    def as_json(self) -> Fields:
        """The layer as the command prints it."""
        return {"layer": self.kind, "offset": self.offset, "length": self.length, "depth": self.depth, **self.fields}


@dataclass(slots=True, kw_only=True)
class Message:
    """What the innermost layer says: its fields, and its value without tags. ``layer`` is its place among the layers.

    ``data`` holds the A-XDR bytes of the value, for whoever wants to see them with their offsets.
    """

    layer: int
    fields: Fields
    body: Shown = None
    data: Stretch | None = field(default=None, repr=False)
    unverified: bool = False

    def as_json(self) -> Mapping[str, object]:
        """The message as the command prints it."""
        return {**self.fields, "unverified": True} if self.unverified else self.fields


@dataclass(slots=True, kw_only=True)
class Decoded:
    """Everything that was found, and the error that ended it, if one did. From an error no value comes."""

    layers: list[Layer] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """What a reader has to know and what is no error, in sentences."""
    error: KwartierError | None = None

    @property
    def message(self) -> Message | None:
        """The last message of the capture; None where there is none or an error ended it."""
        return self.messages[-1] if self.messages and self.error is None else None

    def as_json(self) -> dict[str, object]:
        """What ``--json`` prints.

        ``message`` and ``body`` are those of the last message; a capture of several has all of them in ``messages``.
        """
        message = self.message
        table: dict[str, object] = {
            "layers": [layer.as_json() for layer in self.layers],
            "message": None if message is None else message.as_json(),
            "body": None if message is None else message.body,
        }
        if message is not None and len(self.messages) > 1:
            table["messages"] = [
                {"layer": one.layer, "message": one.as_json(), "body": one.body} for one in self.messages
            ]
        if message is not None and any(one.unverified for one in self.messages):
            table["unverified"] = True
        if self.remarks:
            table["remarks"] = self.remarks
        if self.error is not None:
            table["error"] = {"code": self.error.code, "detail": self.error.detail}
        return table
