"""What was decoded as a tree for people: offsets to the left, layers within layers, values with what they mean.

A meter may put anything into a text, so nothing of it reaches a terminal before control characters are escaped.
Meanings - a date, an OBIS code, a text in an octet-string - are added beside the bytes and never instead of them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kwartier.decode import outline
from kwartier.decode.layers import Decoded, Layer, Message, hexed
from kwartier.decode.p1 import moment
from kwartier.dlms import axdr
from kwartier.dlms.axdr import CompactArray, Data, Tag
from kwartier.dlms.obis import OBIS_BYTES, dotted
from kwartier.dlms.stamps import DATE_TIME_BYTES, DateTime, date_of, time_of
from kwartier.errors import WireError

UNVERIFIED = " (unverified)"
MAX_HEX_SHOWN = 64
MAX_TEXT_SHOWN = 160
MAX_ON_ONE_LINE = 8
"""Members of a container that are shown beside each other, if all are simple."""
OFFSET_WIDTH = 7
IN_HEX = {"control": 2, "security_control": 2, "hcs": 4, "fcs": 4, "crc": 4, "crc_computed": 4, "ci": 2, "sum": 2}
"""Numbers that people know in hex, with how many digits they have."""
LONG = frozenset({"info", "data", "plain", "raw_data", "user_information", "user_information_plain"})
"""Fields of bytes that have a line of their own."""
APART = frozenset({"service", "objects", "other_lines"})
"""Fields of a message that have lines in a form of their own."""
YEARS = range(1990, 2100)
MIN_TEXT_BYTES = 4
_CONTAINER = {Tag.ARRAY: "array", Tag.STRUCTURE: "structure"}


@dataclass(slots=True)
class Node:
    """One line, and what hangs under it. ``at``: the offset of what it shows, or None."""

    text: str
    at: int | None = None
    under: "list[Node]" = field(default_factory=list)


def lines(found: Decoded) -> Iterator[str]:
    """The tree, line by line."""
    roots: list[Node] = []
    path: list[Node] = []
    said = {message.layer: message for message in found.messages}
    for place, layer in enumerate(found.layers):
        node = _layer(layer)
        del path[layer.depth :]
        (path[-1].under if path else roots).append(node)
        path.append(node)
        if place in said and found.error is None:
            node.under.extend(_message(said[place], layer.fields))
    for root in roots:
        yield from _draw(root)
    for remark in found.remarks if found.error is None else ():
        yield f"note: {remark}"


def _draw(root: Node) -> Iterator[str]:
    todo = [(root, "", "")]
    while todo:
        node, lead, below = todo.pop()
        at = "" if node.at is None else str(node.at)
        yield f"{at:>{OFFSET_WIDTH}}  {lead}{node.text}"
        last = len(node.under) - 1
        for place in range(last, -1, -1):
            branch, rest = ("└─ ", "   ") if place == last else ("├─ ", "│  ")
            todo.append((node.under[place], below + branch, below + rest))


def _layer(layer: Layer) -> Node:
    fields = dict(layer.fields)
    kind = fields.pop("apdu", None)
    node = Node(f"{layer.kind if kind is None else kind}, {layer.length} bytes", layer.offset)
    if layer.kind == "ciphered":
        sealed = "not deciphered" if fields["plain"] is None else "" if fields.get("verified") else UNVERIFIED.strip()
        node.text += f" {sealed}" if sealed else ", tag verified"
    node.under.extend(_field_lines(fields))
    return node


def _field_lines(fields: Mapping[str, object]) -> Iterator[Node]:
    short = [
        f"{name} {_field(name, value)}" for name, value in fields.items() if value is not None and name not in LONG
    ]
    if short:
        yield Node("  ".join(short))
    for name in fields:
        if name in LONG and fields[name]:
            yield Node(f"{name} {_shortened(str(fields[name]))}")


def _field(name: str, value: object) -> str:
    if name in IN_HEX and isinstance(value, int):
        return f"0x{value:0{IN_HEX[name]}X}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_field("", one) for one in value) or "none"
    if isinstance(value, dict):
        return " ".join(_field(label, one) for label, one in value.items() if one is not None)
    return safe(str(value))


def _message(message: Message, shown_above: Mapping[str, object]) -> Iterator[Node]:
    """The fields of a message one a line, then its value."""
    mark = UNVERIFIED if message.unverified else ""
    for name, value in message.fields.items():
        if value is None or name in APART or name in shown_above or name.endswith("_hex"):
            continue
        coded = message.fields.get(f"{name}_hex")
        code = "" if coded is None else f" ({_field('', coded)})"
        shown = _shortened(str(value)) if name in LONG else _field(name, value)
        yield Node(f"{name}: {shown}{code}{mark}")
    objects, others = message.fields.get("objects"), message.fields.get("other_lines")
    if isinstance(objects, list):
        yield from (Node(_object(one) + mark) for one in objects)
    if isinstance(others, list):
        yield from (Node(f"{safe(str(one))}  (no object){mark}") for one in others)
    if message.data is not None:
        yield _value(message, mark)
    elif isinstance(message.body, list):
        yield Node(f"values: {_shortened(json.dumps(message.body), MAX_TEXT_SHOWN)}{mark}")


def _object(one: object) -> str:
    """One object of a telegram: code, values, and what a stamp means."""
    if not isinstance(one, list) or not isinstance(one[1], list):
        return ""
    values = []
    for value in one[1]:
        stamp = moment(str(value))
        values.append(safe(str(value)) + ("" if stamp is None else f" = {stamp.isoformat(' ')}"))
    return f"{one[0]:<12} {' | '.join(values)}"


# Values


def _value(message: Message, mark: str) -> Node:
    """The value of a message tag by tag, with the offset of each in the capture."""
    root = Node("value")
    path = [root]
    stretch = message.data
    if stretch is None:
        return root
    try:
        for item in outline.items(stretch.data):
            del path[item.depth + 1 :]
            at = stretch.offset(item.at)
            if item.value is None:
                node = Node(f"{_CONTAINER[Tag(item.tag)]} of {item.members}", at)
                path[-1].under.append(node)
                path.append(node)
            else:
                path[-1].under.append(Node(leaf(item.value), at))
    except WireError as error:
        root.under.append(Node(f"here it ends ({error.code})", stretch.offset(len(stretch))))
    _fold(root, mark)
    return root


def _fold(root: Node, mark: str) -> None:
    """Put containers of a few simple values on one line, and mark every value."""
    nodes = [root]
    for node in nodes:
        nodes.extend(node.under)
    for node in reversed(nodes[1:]):
        simple = 0 < len(node.under) <= MAX_ON_ONE_LINE and not any(one.under for one in node.under)
        text = f"{node.text} ({' | '.join(one.text for one in node.under)})"
        if simple and len(text) <= MAX_TEXT_SHOWN:
            node.text, node.under = text, []
    for node in nodes:
        node.text += mark


def leaf(data: Data) -> str:
    """A simple value: its type, and what it is."""
    kind = axdr.KINDS[data.tag].name if data.tag in axdr.KINDS else "compact-array"
    value = data.value
    if value is None:
        return kind if data.tag != Tag.NULL_DATA else "null"
    if isinstance(value, str):
        return f"{kind} {_shortened(json.dumps(value), MAX_TEXT_SHOWN)}"
    if isinstance(value, bytes):
        meant = meaning(data.tag, value)
        return f"{kind} 0x{_shortened(hexed(value))}" + (f" = {meant}" if meant else "")
    if isinstance(value, CompactArray):
        return f"{kind} of {len(value.elements)}: {_shortened(json.dumps(axdr.plain(data)), MAX_TEXT_SHOWN)}"
    return f"{kind} {axdr.plain(data)}"


def meaning(tag: int, value: bytes) -> str:
    """What the bytes of a value say to people; empty where nothing is known."""
    if tag == Tag.DATE:
        return str(date_of(value)).split(" ", 1)[0]
    if tag == Tag.TIME:
        return str(time_of(value)).split(" ", 1)[1]
    if len(value) == DATE_TIME_BYTES:
        stamp = DateTime.decode(value)
        try:
            stamp.local_seconds()
        except WireError:
            return str(stamp) if tag == Tag.DATE_TIME else ""
        return str(stamp) if stamp.year in YEARS or tag == Tag.DATE_TIME else ""
    if tag == Tag.OCTET_STRING and len(value) >= MIN_TEXT_BYTES and all(0x20 <= octet < 0x7F for octet in value):
        return json.dumps(value.decode("ascii"))
    return dotted(value) if tag == Tag.OCTET_STRING and len(value) == OBIS_BYTES else ""


def _shortened(text: str, most: int = MAX_HEX_SHOWN) -> str:
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"


def safe(text: str) -> str:
    """``text`` with what is not printable written as an escape."""
    return text if text.isprintable() else "".join(_escaped(text))


def _escaped(text: str) -> Iterable[str]:
    for character in text:
        yield character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
