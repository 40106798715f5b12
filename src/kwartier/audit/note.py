"""Signed notes: a text, and lines beneath it with which keys vouch for it.

C2SP signed-note with Ed25519 (type 01), and C2SP tlog-cosignature (type 04), by which a witness vouches for a checkpoint at a
moment. A key has a name; name and four bytes of a hash tell which key a line is by. Each base64 is taken in its one form, so
that no byte of a note can be changed and mean the same. A private key is never shown.
"""

import base64
import binascii
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kwartier.errors import InputError, SecurityError

ED25519, COSIGNATURE = 1, 4
"""Kinds of signatures, as the registry of signed-note numbers them."""
KEY_BYTES = 32
SIGNATURE_BYTES = 64
ID_BYTES, TIME_BYTES = 4, 8
MAX_NOTE_BYTES = 65_536
MAX_SIGNATURES = 32
MAX_NAME = 256
_DASH = "\u2014"
_PRIVATE = "PRIVATE+KEY+"


def to_base64(octets: bytes) -> str:
    """Base64 as notes have it."""
    return base64.b64encode(octets).decode()


def from_base64(text: str) -> bytes:
    """What ``text`` stands for; ``ValueError`` unless it is written in the one right way."""
    octets = base64.b64decode(text, validate=True)
    if to_base64(octets) != text:
        raise ValueError("bits beyond the last byte")
    return octets


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """Whom to believe: a name, a kind of signature and a public key. ``str()`` is the form in which it is handed on."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell this key from others of its name."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{to_base64(bytes([self.kind]) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """The key in ``name+id+base64``. Raises ``InputError`` bad-audit-key."""
        name, kind, key = _parts(text.strip(), "verifier key")
        made = cls(name=name, kind=kind, public=key)
        _same_id(made, text)
        return made

    def check(self, text: str, signature: bytes) -> int | None:
        """The moment (UTC seconds) of a cosignature over ``text``, None for a plain signature.

        Raises ``SecurityError`` bad-signature.
        """
        signed, moment = text.encode(), None
        if self.kind == COSIGNATURE:
            moment = int.from_bytes(signature[:TIME_BYTES], "big")
            signature = signature[TIME_BYTES:]
            signed = _at(moment, text)
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, signed)
        except (InvalidSignature, ValueError):
            raise SecurityError(
                "bad-signature", f"the signature by {self.name} does not fit the text above it"
            ) from None
        return moment


class Signer:
    """A key that signs. Its ``repr`` names it and shows nothing else."""

    __slots__ = ("_key", "verifier")

    def __init__(self, text: str) -> None:
        """From ``PRIVATE+KEY+name+id+base64``. Raises ``InputError`` bad-audit-key."""
        if not text.startswith(_PRIVATE):
            raise InputError("bad-audit-key", "the text is no private key of a note")
        name, kind, seed = _parts(text.strip().removeprefix(_PRIVATE), "private key")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = VerifierKey(name=name, kind=kind, public=self._key.public_key().public_bytes_raw())
        _same_id(self.verifier, text.removeprefix(_PRIVATE))

    def __repr__(self) -> str:
        return f"Signer({self.verifier.name})"

    @property
    def name(self) -> str:
        """The name of the key; a log's is its origin."""
        return self.verifier.name

    def sign(self, text: str, *, at: int | None = None) -> "Signature":
        """A signature over ``text``; a cosigner's carries the moment ``at`` (UTC seconds)."""
        if self.verifier.kind != COSIGNATURE:
            return Signature(name=self.name, key_id=self.verifier.key_id, octets=self._key.sign(text.encode()))
        moment = at or 0
        octets = moment.to_bytes(TIME_BYTES, "big") + self._key.sign(_at(moment, text))
        return Signature(name=self.name, key_id=self.verifier.key_id, octets=octets)


def new_key(name: str, kind: int = ED25519) -> str:
    """A fresh private key as text; it is a secret, and whoever has it can write history."""
    seed = secrets.token_bytes(KEY_BYTES)
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    key_id = VerifierKey(name=name, kind=kind, public=public).key_id
    return f"{_PRIVATE}{name}+{key_id.hex()}+{to_base64(bytes([kind]) + seed)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One line of a note."""

    name: str
    key_id: bytes
    octets: bytes

    def __str__(self) -> str:
        return f"{_DASH} {self.name} {to_base64(self.key_id + self.octets)}\n"

    def is_by(self, key: VerifierKey) -> bool:
        """Whether the line says that ``key`` made it; not that it did."""
        return self.name == key.name and self.key_id == key.key_id

    @classmethod
    def parse(cls, line: str) -> "Signature":
        """A line without its end. Raises ``SecurityError`` bad-note."""
        words = line.split(" ")
        try:
            if len(words) != 3 or words[0] != _DASH or not _is_name(words[1]):
                raise ValueError("not three words")
            octets = from_base64(words[2])
        except (binascii.Error, ValueError):
            raise SecurityError("bad-note", "a line beneath a note is no signature") from None
        if len(octets) <= ID_BYTES:
            raise SecurityError("bad-note", f"the signature by {words[1]} is empty")
        return cls(name=words[1], key_id=octets[:ID_BYTES], octets=octets[ID_BYTES:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A text that ends in a newline, and the lines beneath it."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(map(str, self.signatures))

    @classmethod
    def parse(cls, octets: bytes) -> "Note":
        """The note in ``octets``; no signature of it is checked yet. Raises ``SecurityError`` bad-note."""
        if len(octets) > MAX_NOTE_BYTES:
            raise SecurityError("bad-note", f"a note of {len(octets)} bytes; at most {MAX_NOTE_BYTES} are taken")
        try:
            whole = octets.decode()
        except UnicodeDecodeError:
            raise SecurityError("bad-note", "a note that is not UTF-8") from None
        text, gap, lines = whole.rpartition("\n\n")
        if any(letter < " " and letter != "\n" for letter in whole) or not gap or not lines.endswith("\n"):
            raise SecurityError("bad-note", "a text without an empty line and signatures beneath it")
        signatures = tuple(Signature.parse(line) for line in lines[:-1].split("\n"))
        if len(signatures) > MAX_SIGNATURES:
            raise SecurityError(
                "bad-note", f"a note with {len(signatures)} signatures; at most {MAX_SIGNATURES} are taken"
            )
        return cls(text=text + "\n", signatures=signatures)

    def check(self, key: VerifierKey) -> int | None:
        """What :meth:`VerifierKey.check` says of the line by ``key``. Raises ``SecurityError`` not-signed, bad-signature."""
        mine = [one for one in self.signatures if one.is_by(key)]
        if not mine:
            raise SecurityError("not-signed", f"{key.name} has not signed this note")
        moments = [key.check(self.text, one.octets) for one in mine]
        return moments[0]

    def unknown(self, keys: Sequence[VerifierKey]) -> list[str]:
        """The names on lines by none of ``keys``."""
        return [one.name for one in self.signatures if not any(one.is_by(key) for key in keys)]


def _at(moment: int, text: str) -> bytes:
    """What a cosigner signs: the text and a moment."""
    return f"cosignature/v1\ntime {moment}\n{text}".encode()


def _is_name(name: str) -> bool:
    odd = any(letter == "+" or letter.isspace() or unicodedata.category(letter) == "Cc" for letter in name)
    return 0 < len(name) <= MAX_NAME and not odd


def _parts(text: str, what: str) -> tuple[str, int, bytes]:
    """Name, kind and 32 bytes of a key."""
    words = text.split("+", 2)
    try:
        if len(words) != 3 or not _is_name(words[0]):
            raise ValueError("not three parts")
        octets = from_base64(words[2])
    except (binascii.Error, ValueError):
        raise InputError("bad-audit-key", f"the {what} is not written as name+id+base64") from None
    if len(octets) != 1 + KEY_BYTES or octets[0] not in (ED25519, COSIGNATURE):
        raise InputError("bad-audit-key", f"the {what} of {words[0]} is not of Ed25519")
    return words[0], octets[0], octets[1:]


def _same_id(key: VerifierKey, text: str) -> None:
    if key.key_id.hex() != text.strip().split("+", 2)[1]:
        raise InputError("bad-audit-key", f"the id in the key of {key.name} is not that of its other parts")
