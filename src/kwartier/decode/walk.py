"""From the outside in: what is this, and what is inside it.

Frames, blocks, protection and messages may contain each other in several orders, so there is one walk that looks at how
a stretch of bytes begins and goes on with what it finds inside, and the order of :meth:`Walk.capture` and
:meth:`Walk.apdu` is the order in which meanings are tried. Nothing is guessed when a check fails: the walk ends with
the error.

What one message tells is remembered for the next: the system titles in AARQ and AARE, by who sent them, and a dedicated
key in an initiate-request that was deciphered.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from kwartier.decode import frames, messages, outline, p1
from kwartier.decode.layers import Decoded, Fields, Keys, Layer, Message, Shown, hexed
from kwartier.decode.stretch import Stretch, joined
from kwartier.dlms import axdr, gbt, hdlc_segments, protection, registry, services
from kwartier.dlms.association import Aare, Aarq, Rlre, Rlrq
from kwartier.dlms.cursor import Cursor
from kwartier.errors import InputError, KwartierError, WireError

MAX_NESTING = 12
"""Layers within each other: frame, block, protection, message, user information and its protection are six."""
MAX_LAYERS = 30_000
INEXACT = ("truncated", "trailing-bytes")
"""What is wrong with a value that ends too early or too late; where the frame is intact, the meter sent it so."""
LLC_BYTES = 3
TELEGRAM = ord("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in the walk: how deep, who speaks to whom, and what vouches for the bytes.

    ``intact``: a check sequence or a tag says that these bytes are those that were sent. ``unverified``: they were
    deciphered with nothing vouching for them.
    """

    depth: int = 0
    party: frames.Party | None = None
    intact: bool = False
    unverified: bool = False


class Opened(NamedTuple):
    """A protected APDU: its layer, its name, and its plain bytes where there was a key for it."""

    layer: int
    name: str
    plain: Stretch | None
    verified: bool


class Gathered:
    """Pieces of one message: it is intact only if every piece is, and unverified if any is."""

    __slots__ = ("parts", "place")

    def __init__(self) -> None:
        self.parts: list[Stretch] = []
        self.place: Place | None = None

    def add(self, part: Stretch, place: Place) -> Place:
        """Take in a piece; what then vouches for all of them."""
        before = self.place or place
        self.parts.append(part)
        self.place = replace(
            place, intact=place.intact and before.intact, unverified=place.unverified or before.unverified
        )
        return self.place


class Walk:
    """One capture, walked once."""

    __slots__ = ("_blocks", "_dedicated", "_found", "_keys", "_segments", "_titles", "_transfers")

    def __init__(self, found: Decoded, keys: Keys) -> None:
        self._found = found
        self._keys = keys
        self._dedicated = keys.dedicated
        self._titles: dict[Speaker, bytes] = {}
        self._segments: dict[frames.Party, frames.Segments] = {}
        self._transfers: dict[frames.Party | None, tuple[gbt.Receiver, Gathered]] = {}
        self._blocks: dict[frames.Party | None, Gathered] = {}

    def capture(self, stretch: Stretch) -> None:
        """The whole capture: frames of one kind in a row, telegrams, or an APDU without any frame."""
        data = stretch.data
        if p1.is_telegram(data):
            self._telegrams(stretch, Place())
        elif data[:1] == b"\x7e" or frames.frame_length(data, 0) == len(data):
            self._framed(frames.hdlc(stretch), stretch)
        elif frames.is_mbus(data):
            self._framed(frames.segments(stretch), stretch)
        elif data[:2] == b"\x00\x01" and len(data) > 2:
            self._framed(frames.wrapped(stretch), stretch)
        else:
            at = 0
            while at < len(stretch):
                stop = _apdu_end(stretch.data, at)
                self.apdu(stretch.cut(at, stop), Place())
                at = stop
        for _, held in self._transfers.values():
            start = held.parts[0].offset(0)
            raise WireError("lost-block", f"the last block of the transfer that begins at offset {start} is not there")

    def frame(self, stretch: Stretch, found: Decoded, *, is_hdlc: bool, party: frames.Party) -> None:
        """One frame of a line that is told frame by frame, each with who sent it to whom; what is in it goes to ``found``."""
        self._found = found
        if is_hdlc:
            pieces = frames.hdlc(stretch, self._segments.setdefault(party, frames.Segments()))
        else:
            pieces = frames.wrapped(stretch)
        self._framed(pieces, stretch, party)

    def knows(self, party: frames.Party, title: bytes) -> None:
        """Whoever sends as ``party`` has this system title, until it says another."""
        self._titles[_speaker(party, is_caller=True)] = title

    def _layer(self, kind: str, stretch: Stretch, place: Place, fields: Fields) -> int:
        layers = self._found.layers
        if place.depth > MAX_NESTING:
            raise WireError("too-deep", f"more than {MAX_NESTING} layers within each other")
        if len(layers) >= MAX_LAYERS:
            raise WireError("too-many-blocks", f"more than {MAX_LAYERS} layers in one capture")
        layer = Layer(kind=kind, offset=stretch.offset(0), length=len(stretch), depth=place.depth, fields=fields)
        layer.stretch = stretch
        layers.append(layer)
        return len(layers) - 1

    def _framed(self, pieces: Iterator[frames.Piece], stretch: Stretch, party: frames.Party | None = None) -> None:
        for piece in pieces:
            self._layer(piece.kind, stretch.cut(piece.start, piece.stop), Place(), piece.fields)
            if piece.apdu is not None:
                self.apdu(piece.apdu, Place(depth=1, party=party or piece.party, intact=piece.checked))

    def apdu(self, stretch: Stretch, place: Place) -> None:
        """An APDU, protected or not; a telegram; or a bare value."""
        data = stretch.data
        if not data:
            raise WireError("truncated", f"nothing at offset {stretch.offset(0)} where an APDU belongs")
        inner = replace(place, depth=place.depth + 1)
        if data[0] == TELEGRAM:
            self._telegrams(stretch, place)
        elif data[:LLC_BYTES] in (hdlc_segments.LLC_COMMAND, hdlc_segments.LLC_RESPONSE):
            self._layer("llc", stretch, place, {"llc": hexed(data[:LLC_BYTES])})
            self.apdu(stretch.cut(LLC_BYTES), inner)
        elif data[0] == gbt.TAG:
            self._transfer(stretch, place)
        elif data[0] in protection.CIPHERED_TAGS:
            opened = self._ciphered(stretch, place, title=self._title_of(place, data[0]))
            if opened.plain is None:
                sealed: Fields = {"service": opened.name, "ciphered": True}
                self._found.messages.append(Message(layer=opened.layer, fields=sealed))
            else:
                trust = replace(inner, intact=opened.verified, unverified=place.unverified or not opened.verified)
                self.apdu(opened.plain, trust)
        else:
            self._plain(stretch, place)

    # General block transfer

    def _transfer(self, stretch: Stretch, place: Place) -> None:
        """One block, or several in a row where nothing frames them."""
        at = 0
        while at < len(stretch):
            stop = _block_end(stretch.data, at)
            block_stretch = stretch.cut(at, stop)
            block = gbt.Block.decode(block_stretch.data)
            fields: Fields = {
                "last_block": block.last,
                "streaming": block.streaming,
                "window": block.window,
                "block_number": block.number,
                "acknowledged": block.acknowledged,
                "data": hexed(block.data),
            }
            self._layer("general-block-transfer", block_stretch, place, fields)
            at = stop
            if block.data or not block.last:
                self._block(block, block_stretch, place)

    def _block(self, block: gbt.Block, stretch: Stretch, place: Place) -> None:
        held = self._transfers.pop(place.party, None)
        receiver, gathered = held or (gbt.Receiver(max_bytes=frames.MAX_APDU), Gathered())
        together = gathered.add(stretch.cut(len(stretch) - len(block.data)), place)
        try:
            whole, _ = receiver.feed(stretch.data)
        except WireError as error:
            raise frames.located(error, f"block at offset {stretch.offset(0)}") from None
        if whole is None:
            self._transfers[place.party] = (receiver, gathered)
        else:
            self.apdu(joined(gathered.parts), replace(together, depth=place.depth + 1))

    # Protection

    def _title_of(self, place: Place, tag: int) -> bytes | None:
        """The system title of the sender, as far as the capture or the user told it."""
        if place.party is None:
            return self._keys.system_title
        asks = protection.CIPHERED_TAGS[tag][2] in _ASKING
        return self._titles.get(_speaker(place.party, is_caller=asks)) or self._keys.system_title

    def _ciphered(self, stretch: Stretch, place: Place, *, title: bytes | None) -> Opened:
        """A protected APDU as a layer, and what is in it."""
        message = protection.parse_ciphered(stretch.data)
        control = message.security_control
        sender = message.system_title or title
        fields: Fields = {
            "apdu": message.name,
            "system_title": hexed(sender) if sender is not None else None,
            "security_control": control,
            "authenticated": bool(control & protection.AUTHENTICATED),
            "encrypted": bool(control & protection.ENCRYPTED),
            "broadcast_key": bool(control & protection.BROADCAST_KEY),
            "compressed": bool(control & protection.COMPRESSED),
            "suite": control & protection.SUITE_MASK,
            "invocation_counter": message.invocation_counter,
            "plain": None,
        }
        layer = self._layer("ciphered", stretch, place, fields)
        try:
            plain, verified = self._open(message, sender)
        except KwartierError as error:
            fields["error"] = error.code
            if isinstance(error, InputError):
                raise
            raise frames.located(error, f"{message.name} at offset {stretch.offset(0)}") from None
        if plain is None:
            return Opened(layer, message.name, None, False)
        fields["plain"] = hexed(plain)
        fields["verified"] = verified
        body = stretch.cut(message.header_length, message.header_length + len(plain)).replaced(plain)
        self._found.layers[layer].plain = body
        return Opened(layer, message.name, body, verified)

    def _open(self, message: protection.Ciphered, title: bytes | None) -> tuple[bytes | None, bool]:
        """The plain bytes and whether a tag vouches for them; None where no key is given for the message."""
        keys, control = self._keys, message.security_control
        dedicated = message.family is protection.Family.DEDICATED
        ek = self._dedicated if dedicated else keys.ek
        tagged = bool(control & protection.AUTHENTICATED)
        readable = keys.unverified and not control & protection.ENCRYPTED
        if ek is None and not readable:
            return None, False
        if control & protection.COMPRESSED:
            raise WireError("compressed", f"security control 0x{control:02X}")
        if ek is None or (readable and keys.ak is None):
            return protection.open_unverified(message, ek=b"", system_title=b""), False
        if keys.ak is None and not keys.unverified:
            raise InputError("needs-unverified", f"no authentication key is given for {message.name}")
        if not title:
            raise InputError("needs-system-title", f"{message.name} does not name its sender")
        if keys.ak is not None and (tagged or not keys.unverified):
            return protection.open_verified(message, ek=ek, ak=keys.ak, system_title=title), True
        return protection.open_unverified(message, ek=ek, system_title=title), False

    # Telegrams

    def _telegrams(self, stretch: Stretch, place: Place) -> None:
        at = p1.next_telegram(stretch.data, 0)
        while at < len(stretch):
            telegram = p1.parse_telegram(stretch.data, at)
            fields: Fields = {
                "manufacturer": telegram.manufacturer,
                "baud": telegram.baud,
                "identification": telegram.identification,
                "version": telegram.version,
                "crc": telegram.crc,
                "crc_computed": telegram.crc_computed,
                "crc_valid": telegram.crc_valid,
                "line_ends_restored": telegram.line_ends_restored,
            }
            layer = self._layer("p1", stretch.cut(at, at + telegram.length), place, fields)
            telegram.check()
            objects: list[Shown] = [[code, list(values)] for code, values in telegram.objects]
            others: list[Shown] = list(telegram.other_lines)
            said: Fields = {"service": "p1-telegram", "objects": objects, "other_lines": others}
            self._found.messages.append(
                Message(layer=layer, fields=said, body={"objects": objects}, unverified=place.unverified)
            )
            if telegram.line_ends_restored:
                self._found.remarks.append("the telegram had lost its CR; its CRC is right with the line ends put back")
            at = p1.next_telegram(stretch.data, at + telegram.length)

    # Messages

    def _plain(self, stretch: Stretch, place: Place) -> None:
        """A message of xDLMS or ACSE; else a bare value."""
        data = stretch.data
        try:
            message = registry.parse(data)
        except WireError as error:
            if data[0] == _PUSH_TAG and error.code in INEXACT and place.intact:
                self._inexact_push(stretch, place, error)
            elif data[0] in axdr.KINDS or data[0] in (axdr.Tag.ARRAY, axdr.Tag.STRUCTURE, axdr.Tag.COMPACT_ARRAY):
                self._value(stretch, place, error)
            else:
                raise frames.located(error, f"APDU at offset {stretch.offset(0)}") from None
            return
        found = messages.parts(message)
        name = registry.service_name(message)
        layer = self._layer("apdu", stretch, place, {"apdu": name})
        said = Message(layer=layer, fields=found.fields, unverified=place.unverified)
        self._found.messages.append(said)
        try:
            said.body = messages.body(found.values, listed=found.listed)
        except WireError as error:
            if error.code not in INEXACT or not place.intact or found.listed:
                raise frames.located(error, f"value of {name} at offset {stretch.offset(0)}") from None
            self._inexact(said, found.values[0] or b"", error)
        if len(found.values) == 1 and found.values[0] is not None:
            said.data = stretch.cut(data.rindex(found.values[0]))
        if isinstance(message, Aarq | Aare | Rlrq | Rlre):
            self._user_information(message, said, stretch, place)
        elif isinstance(message, services.GetResponseBlock):
            self._get_block(message, said, stretch, place)

    def _inexact_push(self, stretch: Stretch, place: Place, error: WireError) -> None:
        """A data-notification whose body ends too early or too late."""
        cursor = Cursor(stretch.data, 1)
        invoke, stamp = services.DataNotification.decode_head(cursor)
        head: Fields = {"service": "data-notification", "invoke_id_and_priority": invoke, **messages.time_fields(stamp)}
        layer = self._layer("apdu", stretch, place, {"apdu": "data-notification"})
        said = Message(layer=layer, fields=head, unverified=place.unverified, data=stretch.cut(cursor.at))
        self._found.messages.append(said)
        self._inexact(said, cursor.rest(), error)

    def _inexact(self, said: Message, data: bytes, error: WireError) -> None:
        """A value that the meter sent cut short or with a tail: what there is of it, with a word that it is so."""
        service = said.fields["service"]
        if error.code == "truncated":
            said.body = outline.whole_part(data)
            said.fields["incomplete"] = True
            self._found.remarks.append(
                f"the {service} was sent incomplete: its value announces more than its frame holds"
            )
        else:
            cursor = Cursor(data)
            said.body = axdr.plain(axdr.read(cursor))
            tail = cursor.rest()
            said.fields["tail"] = hexed(tail)
            self._found.remarks.append(f"{len(tail)} bytes that belong to nothing follow the value of the {service}")

    def _value(self, stretch: Stretch, place: Place, not_a_message: WireError) -> None:
        """A bare COSEM value; where it is none either, whichever error says more."""
        try:
            value = axdr.plain(axdr.decode(stretch.data))
        except WireError as error:
            meant = not_a_message if stretch.data[0] in _MESSAGE_TAGS else error
            raise frames.located(meant, f"data at offset {stretch.offset(0)}") from None
        layer = self._layer("data", stretch, place, {})
        fields: Fields = {"service": "data"}
        self._found.messages.append(
            Message(layer=layer, fields=fields, body=value, data=stretch, unverified=place.unverified)
        )

    def _user_information(
        self, message: Aarq | Aare | Rlrq | Rlre, said: Message, stretch: Stretch, place: Place
    ) -> None:
        """What the two sides say about xDLMS while they open or close an association."""
        title = None
        if isinstance(message, Aarq | Aare):
            title = message.calling_title if isinstance(message, Aarq) else message.responding_title
            if title and place.party is not None:
                self._titles[_speaker(place.party, is_caller=isinstance(message, Aarq))] = title
        information = message.user_information
        if not information:
            return
        start = stretch.data.rindex(information)
        inside = stretch.cut(start, start + len(information))
        below = replace(place, depth=place.depth + 1)
        trusted = False
        if information[0] in protection.CIPHERED_TAGS:
            opened = self._ciphered(inside, below, title=title or self._title_of(place, information[0]))
            if opened.plain is None:
                said.fields["user_information_plain"] = None
                return
            inside, below = opened.plain, replace(below, depth=below.depth + 1)
            said.unverified = said.unverified or not opened.verified
            # Where tags are verified, a key that came without one must not open what then passes for verified.
            trusted = opened.verified or self._keys.ak is None
        said.fields["user_information_plain"] = hexed(inside.data)
        self._found.layers[said.layer].fields["user_information_plain"] = hexed(inside.data)
        try:
            inner = registry.parse(inside.data)
        except WireError as error:
            raise frames.located(error, f"user information at offset {inside.offset(0)}") from None
        if trusted and isinstance(inner, services.InitiateRequest):
            self._dedicated = inner.dedicated_key or self._dedicated
        fields = messages.parts(inner).fields
        self._layer("apdu", inside, below, {"apdu": fields.pop("service")})
        # The fields of a refusal must not pass for those of the message that carries it.
        said.fields |= {label: value for label, value in fields.items() if label not in said.fields}

    def _get_block(self, message: services.GetResponseBlock, said: Message, stretch: Stretch, place: Place) -> None:
        """A block of a long answer. The value is shown with the last one, where the capture holds them all in order."""
        held = self._blocks.pop(place.party, None) or Gathered()
        if message.raw is None or message.block_number != len(held.parts) + 1:
            return
        together = held.add(stretch.cut(len(stretch) - len(message.raw)), place)
        if not message.last_block:
            self._blocks[place.party] = held
            return
        whole = joined(held.parts)
        said.unverified = together.unverified
        try:
            said.body, said.data = axdr.plain(axdr.decode(whole.data)), whole
        except WireError:
            # The answer to a get-request-with-list is no single value, and only its request says that it is one.
            self._found.remarks.append(f"the {len(held.parts)} blocks together are no single COSEM value")


_ASKING = (0x01, 0xC0, 0xC1, 0xC3)
"""What only a client sends: initiate, get, set and action requests."""
Speaker = tuple[int, bool]


def _speaker(party: frames.Party, *, is_caller: bool) -> Speaker:
    """Who sends, by the number of its address; where both sides have the same one, by which side it is."""
    return party[0], is_caller and party[0] == party[1]


_PUSH_TAG = 0x0F
_MESSAGE_TAGS = frozenset(row.head[0] for row in registry.ROWS) - {axdr.Tag.ARRAY}
"""Tags more likely of a message than of a bare value: an array is met more often than an initiate-request."""


def _apdu_end(data: bytes, at: int) -> int:
    """Where the unframed APDU at ``at`` ends: with the capture, unless it is under general ciphering, which says its length.

    So the messages of an encrypted P1 port, which come one behind the other, are told apart.
    """
    if data[at] not in (protection.GENERAL_GLO, protection.GENERAL_DED):
        return len(data)
    cursor = Cursor(data, at + 1)
    cursor.take(cursor.length())
    length = cursor.length()
    return min(cursor.at + length, len(data))


def _block_end(data: bytes, at: int) -> int:
    """Where the block at ``at`` ends; :class:`WireError` where it is cut short or none begins."""
    cursor = Cursor(data, at)
    if cursor.u8() != gbt.TAG:
        raise WireError("trailing-bytes", f"0x{data[at]:02X} behind a block of a general block transfer")
    cursor.take(5)
    cursor.take(cursor.length())
    return cursor.at
