"""What each byte is: a name and a role for every run of bytes of a decoded message, from the outside in.

The layers say what there is; whoever points at a byte wants to know what that byte is. So each layer is walked again, field by
field, and each field becomes a :class:`Span` with the offsets at which its bytes stood. A field that lies within another comes
after it: the last span that holds a byte is what the byte is, and those before it say in what it lies.

The role decides who may see the bytes. Only what is known to be structure has the role of structure: whatever is not recognised
is a value.
"""

from collections.abc import Sequence
from typing import Final

from kwartier.cosem.classes import attribute_name, class_name, method_name
from kwartier.decode import outline
from kwartier.decode.acse import ACSE, acse
from kwartier.decode.layers import Decoded, Layer
from kwartier.decode.outline import Item
from kwartier.decode.sheet import Role, Sheet, Span
from kwartier.decode.show import leaf
from kwartier.decode.stretch import Stretch
from kwartier.dlms import axdr, hdlc_segments, protection
from kwartier.dlms.axdr import Tag
from kwartier.dlms.cursor import Cursor
from kwartier.dlms.hdlc import FLAG, Kind, parse_frame
from kwartier.dlms.obis import OBIS_BYTES, dotted
from kwartier.dlms.suite import TAG_BYTES
from kwartier.errors import WireError

MAX_SPANS: Final = 20_000
"""Spans of one frame; what is behind them is one value."""
DATA: Final = "data"
LLC: Final = (hdlc_segments.LLC_COMMAND, hdlc_segments.LLC_RESPONSE)
_KINDS = {int(kind): kind.name for kind in Kind}
_COLUMN = (Tag.LONG_UNSIGNED, Tag.OCTET_STRING, Tag.INTEGER, Tag.LONG_UNSIGNED)
"""A column of a profile by its class, logical name, attribute and index: what is asked for, and no value."""


def spans(decoded: Decoded, whole: Stretch) -> list[Span]:
    """The fields of one frame, and of the message that it completes. ``whole``: the bytes of the frame."""
    found: list[Span] = []
    _sheet(found, whole, "noise" if not decoded.layers else "frame", 0, plain=False).whole("frame")
    said = {message.layer: message for message in decoded.messages}
    path: list[Layer] = []
    for place, layer in enumerate(decoded.layers):
        del path[layer.depth :]
        plain = any(one.plain is not None for one in path)
        path.append(layer)
        if layer.stretch is None:
            continue
        sheet = _sheet(found, layer.stretch, layer.kind, layer.depth, plain=plain)
        if "error" in layer.fields and layer.kind != "ciphered":
            sheet.rest("not recognised")
            continue
        sheet.whole(str(layer.fields.get("apdu", layer.kind)))
        _WALKS.get(layer.kind, _unknown)(sheet)
        message = said.get(place)
        if message is not None and message.data is not None and layer.kind == "apdu" and _is_block(layer.stretch):
            _value(_sheet(found, message.data, DATA, layer.depth + 1, plain=plain))
        if len(found) > MAX_SPANS:
            break
    return found


def _sheet(out: list[Span], stretch: Stretch, layer: str, depth: int, *, plain: bool) -> Sheet:
    return Sheet(out, stretch, layer=layer, depth=depth, plain=plain)


def _is_block(stretch: Stretch) -> bool:
    """Whether the message is a block of a long answer: its value then began in another message."""
    return stretch.data[:2] == b"\xc4\x02"


def _unknown(sheet: Sheet) -> None:
    sheet.rest("not recognised")


# Frames


def _wrapper(sheet: Sheet) -> None:
    for name in ("version", "source port", "destination port", "length"):
        sheet.take(2, name)
    sheet.rest("APDU")


def _hdlc(sheet: Sheet) -> None:
    data = sheet.data
    flags = len(data) - len(data.lstrip(bytes((FLAG,))))
    sheet.take(flags, "flag")
    length = int.from_bytes(data[flags : flags + 2], "big") & 0x07FF
    try:
        frame = parse_frame(data[flags : flags + length])
    except WireError:
        sheet.rest("not recognised")
        return
    sheet.take(2, "format and length", text=f"{length} bytes{', segmented' if frame.segmented else ''}")
    sheet.take(frame.destination.size, "destination", text=f"{frame.destination.number}")
    sheet.take(frame.source.size, "source", text=f"{frame.source.number}")
    kind = _KINDS.get(frame.kind, "unknown")
    numbers = f", send {frame.send_number}, receive {frame.receive_number}" if frame.kind == Kind.I else ""
    sheet.take(1, "control", text=f"{kind}{numbers}{', poll/final' if frame.poll_final else ''}")
    sheet.take(2, "header check sequence")
    left = len(frame.information)
    if left:
        if frame.kind in (Kind.I, Kind.UI):
            if frame.information[:3] in LLC:
                left -= len(sheet.take(3, "LLC"))
            sheet.take(left, "information", Role.VALUE)
        else:
            sheet.take(left, "parameters")
        sheet.take(2, "frame check sequence", Role.SUM)
    sheet.rest("flag", Role.STRUCTURE)


def _llc(sheet: Sheet) -> None:
    sheet.take(3, "LLC")
    sheet.rest("APDU")


# Protection and blocks


def _ciphered(sheet: Sheet) -> None:
    try:
        message = protection.parse_ciphered(sheet.data)
    except WireError:
        sheet.rest("not recognised")
        return
    control = message.security_control
    sheet.take(1, "tag", text=message.name)
    if message.system_title is not None:
        sheet.take(1, "title length")
        sheet.take(len(message.system_title), "system title", Role.TITLE)
    sheet.take(message.header_length - protection.HEADER_BYTES - sheet.at, "length")
    says = [
        name
        for bit, name in (
            (protection.AUTHENTICATED, "authenticated"),
            (protection.ENCRYPTED, "encrypted"),
            (protection.BROADCAST_KEY, "broadcast key"),
            (protection.COMPRESSED, "compressed"),
        )
        if control & bit
    ]
    suite = f"suite {control & protection.SUITE_MASK}"
    sheet.take(1, "security control", text=", ".join([*says, suite]))
    sheet.take(4, "invocation counter", Role.COUNTER)
    tag = TAG_BYTES if control & protection.AUTHENTICATED else 0
    name = "ciphertext" if control & protection.ENCRYPTED else "payload"
    sheet.take(sheet.left - tag, name, Role.SEALED, text=f"{max(0, sheet.left - tag)} bytes")
    sheet.rest("authentication tag", Role.TAG)


def _block(sheet: Sheet) -> None:
    sheet.take(1, "tag", text="general-block-transfer")
    sheet.take(1, "block control")
    sheet.take(2, "block number")
    sheet.take(2, "block number acknowledged")
    _length(sheet)
    sheet.rest("block data")


def _length(sheet: Sheet, name: str = "length") -> int:
    cursor = Cursor(sheet.data, sheet.at)
    try:
        size = cursor.length()
    except WireError:
        return 0
    sheet.take(cursor.at - sheet.at, name, text=f"{size}")
    return size


# Messages


def _apdu(sheet: Sheet) -> None:
    walk = _MESSAGES.get(sheet.peek())
    if sheet.peek() in ACSE:
        acse(sheet)
    elif walk is not None:
        walk(sheet)
    sheet.rest("not recognised")


def _opening(sheet: Sheet) -> int:
    """Tag, choice and invoke-id of GET, SET and ACTION; the choice."""
    sheet.take(1, "tag")
    choice = sheet.peek()
    sheet.take(1, "choice")
    sheet.take(1, "invoke-id and priority")
    return choice


def _target(sheet: Sheet, *, method: bool = False) -> None:
    class_id = int.from_bytes(sheet.data[sheet.at : sheet.at + 2], "big")
    sheet.take(2, "class", text=f"{class_id} {class_name(class_id) or ''}".rstrip())
    name = sheet.data[sheet.at : sheet.at + OBIS_BYTES]
    sheet.take(OBIS_BYTES, "logical name", text=dotted(name) if len(name) == OBIS_BYTES else None)
    number = sheet.peek()
    called = method_name(class_id, number) if method else attribute_name(class_id, number)
    sheet.take(1, "method" if method else "attribute", text=f"{number} {called or ''}".rstrip())


def _access(sheet: Sheet) -> None:
    is_there = sheet.peek() == 1
    sheet.take(1, "access selection")
    if is_there:
        sheet.take(1, "access selector")
        _value(sheet)


def _get_request(sheet: Sheet) -> None:
    choice = _opening(sheet)
    if choice == 1:
        _target(sheet)
        _access(sheet)
    elif choice == 2:
        sheet.take(4, "block number")
    elif choice == 3:
        for _ in range(_length(sheet, "items")):
            if not sheet.left:
                return
            _target(sheet)
            _access(sheet)


def _get_response(sheet: Sheet) -> None:
    choice = _opening(sheet)
    if choice == 1:
        _result_or_data(sheet)
    elif choice == 2:
        sheet.take(1, "last block")
        sheet.take(4, "block number")
        is_data = sheet.peek() == 0
        sheet.take(1, "result")
        if is_data:
            sheet.take(_length(sheet), "part of the value", Role.VALUE)
        else:
            sheet.take(1, "data access result")
    elif choice == 3:
        for _ in range(_length(sheet, "results")):
            if not sheet.left:
                return
            _result_or_data(sheet)


def _result_or_data(sheet: Sheet) -> None:
    is_data = sheet.peek() == 0
    sheet.take(1, "result", text="data" if is_data else "data access result")
    if is_data:
        _value(sheet)
    else:
        sheet.take(1, "data access result")


def _set_request(sheet: Sheet) -> None:
    if _opening(sheet) == 1:
        _target(sheet)
        _access(sheet)
        _value(sheet)


def _set_response(sheet: Sheet) -> None:
    if _opening(sheet) == 1:
        sheet.take(1, "data access result")


def _action_request(sheet: Sheet) -> None:
    if _opening(sheet) == 1:
        _target(sheet, method=True)
        is_there = sheet.peek() == 1
        sheet.take(1, "parameters")
        if is_there:
            _value(sheet)


def _action_response(sheet: Sheet) -> None:
    if _opening(sheet) == 1:
        sheet.take(1, "action result")
        is_there = sheet.peek() == 1
        sheet.take(1, "return parameters")
        if is_there:
            _result_or_data(sheet)


def _data_notification(sheet: Sheet) -> None:
    sheet.take(1, "tag")
    sheet.take(4, "long invoke-id and priority")
    sheet.take(_length(sheet), "date-time", Role.VALUE, tag=Tag.DATE_TIME)
    _value(sheet)


def _exception(sheet: Sheet) -> None:
    sheet.take(1, "tag", text="exception-response")
    sheet.take(1, "state error")
    sheet.take(1, "service error")
    sheet.take(4, "invocation counter", Role.COUNTER)


def _service_error(sheet: Sheet) -> None:
    sheet.take(1, "tag", text="confirmed-service-error")
    sheet.take(3, "error")


def _initiate_request(sheet: Sheet) -> None:
    sheet.take(1, "tag", text="initiate-request")
    has_key = sheet.peek() == 1
    sheet.take(1, "dedicated key")
    if has_key:
        size = _length(sheet)
        sheet.take(size, "dedicated key", Role.SECRET, text="")
    sheet.rest("proposed parameters", Role.STRUCTURE)


def _initiate_response(sheet: Sheet) -> None:
    sheet.take(1, "tag", text="initiate-response")
    sheet.rest("negotiated parameters", Role.STRUCTURE)


# Values


def _value(sheet: Sheet) -> None:
    """One COSEM value, tag by tag: the layer of data, in whatever message it stands."""
    around, sheet.layer = sheet.layer, DATA
    _items(sheet)
    sheet.layer = around


def _items(sheet: Sheet) -> None:
    """Its items; where they stop making sense, the rest is left."""
    start = sheet.at
    found: list[Item] = []
    try:
        for item in outline.items(sheet.data[start:]):
            found.append(item)
            if len(sheet.out) + 2 * len(found) > MAX_SPANS:
                break
    except WireError:
        pass  # what had come until then is named, and what is left is a value
    columns = _columns(found)
    for place, item in enumerate(found):
        below = item.depth + 1
        if item.value is None:
            name = "array" if item.tag == Tag.ARRAY else "structure"
            sheet.take(start + item.end - sheet.at, name, text=f"{name} of {item.members}", below=below)
            continue
        kind = axdr.KINDS.get(item.tag)
        name = "compact-array" if kind is None else kind.name
        sheet.take(_head(sheet.data, start + item.at) - sheet.at, f"type: {name}", text=name, below=below)
        role = Role.STRUCTURE if place in columns else Role.VALUE
        size = start + item.end - sheet.at
        sheet.take(size, name, role, text=leaf(item.value), tag=item.tag, below=below)


def _head(data: bytes, at: int) -> int:
    """Where the value behind the type at ``at`` begins."""
    kind = axdr.KINDS.get(data[at])
    if kind is None or kind.size is not None:
        return at + 1
    cursor = Cursor(data, at + 1)
    cursor.length()
    return cursor.at


def _columns(found: Sequence[Item]) -> set[int]:
    """The places of items that say which column of a profile is meant."""
    places: set[int] = set()
    for place, item in enumerate(found):
        inside = found[place + 1 : place + 5]
        if item.tag == Tag.STRUCTURE and item.members == 4 and tuple(one.tag for one in inside) == _COLUMN:
            name = inside[1].value
            if name is not None and isinstance(name.value, bytes) and len(name.value) == OBIS_BYTES:
                places.update(range(place + 1, place + 5))
    return places


_WALKS = {
    "wrapper": _wrapper,
    "hdlc": _hdlc,
    "llc": _llc,
    "ciphered": _ciphered,
    "general-block-transfer": _block,
    "apdu": _apdu,
    DATA: _value,
}
"""Kind of layer -> what names its fields; of all others nothing is named."""
_MESSAGES = {
    0x01: _initiate_request,
    0x08: _initiate_response,
    0x0E: _service_error,
    0x0F: _data_notification,
    0xC0: _get_request,
    0xC1: _set_request,
    0xC3: _action_request,
    0xC4: _get_response,
    0xC5: _set_response,
    0xC7: _action_response,
    0xD8: _exception,
}
