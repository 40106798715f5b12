"""Protected bytes to plain bytes and back: which key, which counter, which order.

A protected APDU is a tag, sometimes a system title, a length, and then the security header - one control byte, four bytes
of invocation counter - and the body (Green Book 9.2.7.2). The initialization vector is the sender's system title and that
counter, so a counter must never be used twice with a key: whoever sends draws from a :class:`CounterRange` that was durably
reserved before, and each computation, the tag of HLS included, spends one.

On receipt the order is fixed: parse the header, hold it against the policy, verify the tag, and only then move the peer's
counter and hand out the plaintext. The control byte must be exactly the negotiated one: an answer that is only tagged, only
enciphered or not protected at all is refused, so that no peer can talk us down.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from kwartier.dlms.cursor import Cursor, encode_length
from kwartier.dlms.suite import TAG_BYTES, Gcm
from kwartier.errors import SecurityError, StateError, WireError

AUTHENTICATED = 0x10
ENCRYPTED = 0x20
BROADCAST_KEY = 0x40
COMPRESSED = 0x80
SUITE_MASK = 0x0F

POLICIES = {
    "none": 0,
    "authenticated": AUTHENTICATED,
    "authenticated+encrypted": AUTHENTICATED | ENCRYPTED,
}
"""Policy names of ``fleet.csv`` -> the bits of the security control byte. Encryption without a tag is not offered."""

MAX_COUNTER = 0xFFFF_FFFF
TITLE_BYTES = 8
HEADER_BYTES = 5
"""Security control byte and invocation counter."""
GENERAL_GLO = 0xDB
GENERAL_DED = 0xDC


class Family(Enum):
    """Which key a ciphered APDU is under: the global unicast key or the dedicated key of the association."""

    GLOBAL = "glo"
    DEDICATED = "ded"


# Green Book 9.2.7.2.1 and the tags of clause 9.5: tag -> (name, family, the plain tag it may hold).
_SERVICE_TAGS = {
    0x01: "initiate-request",
    0x08: "initiate-response",
    0x0E: "confirmed-service-error",
    0xC0: "get-request",
    0xC1: "set-request",
    0xC2: "event-notification-request",
    0xC3: "action-request",
    0xC4: "get-response",
    0xC5: "set-response",
    0xC7: "action-response",
}
_GLO_OFFSET = {tag: tag + (0x20 if tag < 0x80 else 0x08) for tag in _SERVICE_TAGS}
_DED_OFFSET = {tag: tag + (0x40 if tag < 0x80 else 0x10) for tag in _SERVICE_TAGS}
CIPHERED_TAGS: dict[int, tuple[str, Family, int | None]] = {
    **{_GLO_OFFSET[tag]: (f"glo-{name}", Family.GLOBAL, tag) for tag, name in _SERVICE_TAGS.items()},
    **{_DED_OFFSET[tag]: (f"ded-{name}", Family.DEDICATED, tag) for tag, name in _SERVICE_TAGS.items()},
    GENERAL_GLO: ("general-glo-ciphering", Family.GLOBAL, None),
    GENERAL_DED: ("general-ded-ciphering", Family.DEDICATED, None),
}


class Ciphered(NamedTuple):
    """The parts of a protected APDU, nothing verified. ``body`` is ciphertext, and the tag where the control byte has one."""

    tag: int
    name: str
    family: Family
    system_title: bytes | None
    """Of general ciphering only; may be empty."""
    security_control: int
    invocation_counter: int
    body: bytes
    header_length: int
    """Offset of ``body`` in the APDU."""


def parse_ciphered(apdu: bytes) -> Ciphered:
    """Take a protected APDU apart; :class:`WireError` where its header or its length is wrong."""
    cursor = Cursor(apdu)
    tag = cursor.u8()
    row = CIPHERED_TAGS.get(tag)
    if row is None:
        raise WireError("not-ciphered", f"APDU tag 0x{tag:02X} is not that of a ciphered APDU")
    title = None
    if row[2] is None:
        title = cursor.take(cursor.length())
        if len(title) not in (0, TITLE_BYTES):
            raise WireError("bad-system-title", f"a system title of {len(title)} bytes in {row[0]}")
    length = cursor.length()
    if length != cursor.remaining or length < HEADER_BYTES:
        raise WireError("bad-length", f"{row[0]} of {cursor.remaining} bytes says it has {length}")
    control = cursor.at
    at = control + HEADER_BYTES
    counter = int.from_bytes(apdu[control + 1 : at], "big")
    return Ciphered(tag, row[0], row[1], title, apdu[control], counter, apdu[at:], at)


@dataclass(slots=True, kw_only=True, frozen=True)
class SessionKeys:
    """The keys of one meter that a session needs, 16 bytes each in suite 0. Its repr shows none of them."""

    ek: bytes = field(repr=False)
    ak: bytes = field(repr=False)
    dedicated: bytes | None = field(default=None, repr=False)
    lls: bytes | None = field(default=None, repr=False)


class CounterRange:
    """Invocation counters ``start`` (inclusive) to ``stop`` (exclusive), reserved durably and given out once each."""

    __slots__ = ("_next", "start", "stop")

    def __init__(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= MAX_COUNTER + 1:
            raise StateError("bad-counter-range", f"invocation counters {start} to {stop}")
        self.start = start
        self.stop = stop
        self._next = start

    def __repr__(self) -> str:
        return f"<CounterRange {self.start}..{self.stop}, {self.left} left>"

    @property
    def left(self) -> int:
        """How many are not given out yet."""
        return self.stop - self._next

    def take(self) -> int:
        """The next counter; :class:`StateError` when the range is spent."""
        value = self._next
        if value >= self.stop:
            raise StateError("counters-spent", f"all {self.stop - self.start} reserved invocation counters are spent")
        self._next = value + 1
        return value


class Direction:
    """One key of the association: its cipher, our counters for it, and the highest counter that the peer has used."""

    __slots__ = ("counters", "gcm", "peer_counter")

    def __init__(self, key: bytes, counters: CounterRange, peer_counter: int = -1) -> None:
        self.gcm = Gcm(key)
        self.counters = counters
        self.peer_counter = peer_counter

    def __repr__(self) -> str:
        return f"<Direction {self.counters!r}>"


class Protection:
    """Both directions of one association under one policy.

    ``control`` is the security control byte of every message, ``peer_counter`` the highest counter ever accepted from this
    peer under the global key (-1: none). ``general`` chooses general-glo/-ded ciphering for what is sent; what is received
    may come in either form, and a server calls :meth:`answer_in_kind` to follow its client.
    """

    __slots__ = ("_aad", "_dedicated", "_global", "control", "family", "general", "own_title", "peer_title")

    def __init__(
        self,
        *,
        control: int,
        own_title: bytes,
        peer_title: bytes,
        keys: SessionKeys,
        counters: CounterRange,
        peer_counter: int = -1,
        general: bool = False,
    ) -> None:
        if control & ~(AUTHENTICATED | ENCRYPTED) or not control & AUTHENTICATED:
            raise StateError("bad-policy", f"security control 0x{control:02X} cannot be used for an association")
        self.control = control
        self.own_title = own_title
        self.peer_title = peer_title
        self.general = general
        self.family = Family.GLOBAL
        self._aad = bytes((control,)) + keys.ak
        self._global = Direction(keys.ek, counters, peer_counter)
        self._dedicated: Direction | None = None

    def use_dedicated(self, key: bytes) -> None:
        """Accept the dedicated key of this association. A new key starts its own counters at 0 in both directions."""
        self._dedicated = Direction(key, CounterRange(0, MAX_COUNTER))

    @property
    def counters_left(self) -> int:
        """Messages that may still be sent under the key in use."""
        return self._direction(self.family).counters.left

    def add_counters(self, counters: CounterRange) -> None:
        """Go on with another reserved range of the global key."""
        self._global.counters = counters

    @property
    def peer_counter(self) -> int:
        """The highest counter that was verified from the peer under the global key (-1: none)."""
        return self._global.peer_counter

    def _direction(self, family: Family) -> Direction:
        if family is Family.GLOBAL:
            return self._global
        if self._dedicated is None:
            raise SecurityError("no-dedicated-key", "a message under a dedicated key that was never agreed")
        return self._dedicated

    def protect(self, apdu: bytes) -> bytes:
        """``apdu`` protected under the policy, spending one counter."""
        direction = self._global if self.family is Family.GLOBAL else self._direction(self.family)
        counter = direction.counters.take().to_bytes(4, "big")
        iv = self.own_title + counter
        if self.control & ENCRYPTED:
            body = direction.gcm.seal(iv, apdu, self._aad)
        else:
            body = apdu + direction.gcm.tag(iv, self._aad + apdu)
        length = encode_length(len(body) + HEADER_BYTES)
        return b"".join((self._header(apdu[0]), length, self._aad[:1], counter, body))

    def _header(self, tag: int) -> bytes:
        ded = self.family is Family.DEDICATED
        ciphered = (_DED_OFFSET if ded else _GLO_OFFSET).get(tag)
        if self.general or ciphered is None:
            return bytes((GENERAL_DED if ded else GENERAL_GLO, len(self.own_title))) + self.own_title
        return bytes((ciphered,))

    def unprotect(self, apdu: bytes) -> bytes:
        """The plain APDU of a protected one, its tag verified and the peer's counter moved; else :class:`SecurityError`."""
        message = parse_ciphered(apdu)
        if message.security_control != self.control:
            raise SecurityError(
                "wrong-protection",
                f"security control 0x{message.security_control:02X} where 0x{self.control:02X} was negotiated",
            )
        if message.family is not self.family:
            raise SecurityError("wrong-protection", f"{message.name} where the {self.family.value}- key is in use")
        if message.system_title and message.system_title != self.peer_title:
            raise SecurityError("identity", "the message names another system title than the registered one")
        direction = self._global if message.family is Family.GLOBAL else self._direction(message.family)
        if message.invocation_counter <= direction.peer_counter:
            raise SecurityError(
                "replayed",
                f"invocation counter {message.invocation_counter} after {direction.peer_counter} was already accepted",
            )
        plain = self._open(direction.gcm, message)
        if not plain:
            raise WireError("truncated", f"{message.name} holds no APDU")
        expected = CIPHERED_TAGS[message.tag][2]
        if expected is not None and plain[0] != expected:
            raise SecurityError("wrong-protection", f"{message.name} holds APDU tag 0x{plain[0]:02X}")
        direction.peer_counter = message.invocation_counter
        return plain

    def _open(self, gcm: Gcm, message: Ciphered) -> bytes:
        iv = self.peer_title + message.invocation_counter.to_bytes(4, "big")
        if self.control & ENCRYPTED:
            return gcm.open(iv, message.body, self._aad)
        if len(message.body) < TAG_BYTES:
            raise SecurityError("bad-tag", "the message is shorter than its authentication tag")
        plain = message.body[:-TAG_BYTES]
        gcm.check(iv, message.body[-TAG_BYTES:], self._aad + plain)
        return plain

    def answer_in_kind(self, apdu: bytes) -> None:
        """Send what follows in the form (general or not) in which ``apdu`` was received."""
        self.general = apdu[0] in (GENERAL_GLO, GENERAL_DED)

    # HLS with GMAC (mechanism 5), Green Book 9.2.7.4: f(x) = SC || IC || GMAC(SC || AK || x), with its own counter.

    def hls_value(self, challenge: bytes) -> bytes:
        """What proves to the peer that we know the keys: 17 bytes over the peer's ``challenge``."""
        control = bytes((AUTHENTICATED | self.control & SUITE_MASK,))
        counter = self._global.counters.take().to_bytes(4, "big")
        tag = self._global.gcm.tag(self.own_title + counter, control + self._aad[1:] + challenge)
        return control + counter + tag

    def check_hls(self, value: bytes, challenge: bytes, *, outer_counter: int) -> None:
        """Verify the peer's proof over our ``challenge``.

        ``outer_counter`` is the peer's counter before the message that carried it.

        The proof is computed before the message that carries it is protected, so its counter lies between the two. Some
        meters give both the same one; the challenge makes the proof fresh all the same.
        """
        if len(value) != HEADER_BYTES + TAG_BYTES:
            raise SecurityError("hls-failed", f"an HLS value of {len(value)} bytes, {HEADER_BYTES + TAG_BYTES} needed")
        if value[0] != AUTHENTICATED | self.control & SUITE_MASK:
            raise SecurityError("hls-failed", f"security control 0x{value[0]:02X} in the HLS value")
        counter = int.from_bytes(value[1:5], "big")
        if counter <= outer_counter:
            raise SecurityError("replayed", f"invocation counter {counter} of the HLS value was already accepted")
        self._global.gcm.check(self.peer_title + value[1:5], value[5:], value[:1] + self._aad[1:] + challenge)
        self._global.peer_counter = max(self._global.peer_counter, counter)


def open_unverified(message: Ciphered, *, ek: bytes, system_title: bytes) -> bytes:
    """The body of ``message`` deciphered with nothing vouching for it: for looking at captures, never for values.

    Raises :class:`StateError` where the body is not enciphered (there is nothing to decipher).
    """
    control = message.security_control
    body = message.body[:-TAG_BYTES] if control & AUTHENTICATED else message.body
    if control & AUTHENTICATED and len(message.body) < TAG_BYTES:
        raise WireError("truncated", "the message is shorter than its authentication tag")
    if not control & ENCRYPTED:
        return body
    return Gcm(ek).keystream(system_title + message.invocation_counter.to_bytes(4, "big"), body)


def open_verified(message: Ciphered, *, ek: bytes, ak: bytes, system_title: bytes) -> bytes:
    """The body of ``message`` under ``ek`` and ``ak``, its tag verified; :class:`SecurityError` where it is not or has none."""
    control = message.security_control
    if not control & AUTHENTICATED:
        raise SecurityError("no-tag", f"security control 0x{control:02X}: the message carries no tag to verify")
    aad = bytes((control,)) + ak
    iv = system_title + message.invocation_counter.to_bytes(4, "big")
    if control & ENCRYPTED:
        return Gcm(ek).open(iv, message.body, aad)
    if len(message.body) < TAG_BYTES:
        raise SecurityError("bad-tag", "the message is shorter than its authentication tag")
    plain = message.body[:-TAG_BYTES]
    Gcm(ek).check(iv, message.body[-TAG_BYTES:], aad + plain)
    return plain
