"""Security suites: bytes under a key, and nothing that knows what the bytes mean.

Suite 0 is AES-GCM with 128-bit keys and tags of 12 bytes (Green Book 9.2.3.3.7). The ``AESGCM`` class takes no truncated
tags, so :meth:`Gcm.open` uses the symmetry of counter mode: enciphering the ciphertext gives the plaintext, enciphering
that again gives the tag to compare with, in constant time. Both happen inside one function that either raises or returns,
so that no caller ever holds plaintext whose tag did not match. It is several times faster than a cipher object per message.
"""

from dataclasses import dataclass
from hmac import compare_digest

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kwartier.errors import InputError, SecurityError

TAG_BYTES = 12
"""The length of a tag in every suite (Green Book 9.2.3.3.7.3)."""
_FULL_TAG_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One row of Green Book 9.2.3.7, table of security suites."""

    suite_id: int
    name: str
    key_bytes: int


SUITES = {0: Suite(suite_id=0, name="AES-GCM-128", key_bytes=16)}
"""The suites that are implemented; 1 (ECDH-ECDSA P-256) and 2 (P-384, AES-GCM-256) have their place here."""

_KEY_BYTES = frozenset(row.key_bytes for row in SUITES.values())


def suite(suite_id: int) -> Suite:
    """The row of a suite; an :class:`InputError` for one that is not implemented."""
    row = SUITES.get(suite_id)
    if row is None:
        raise InputError("unsupported-suite", f"security suite {suite_id} is not implemented")
    return row


class Gcm:
    """AES-GCM under one key, with 12-byte tags. The key is never shown."""

    __slots__ = ("_aead",)

    def __init__(self, key: bytes) -> None:
        if len(key) not in _KEY_BYTES:
            raise InputError("bad-key-length", f"a key of {len(key)} bytes, 16 needed")
        self._aead = AESGCM(key)

    def seal(self, iv: bytes, plain: bytes, aad: bytes) -> bytes:
        """Ciphertext followed by its tag."""
        return self._aead.encrypt(iv, plain, aad)[: TAG_BYTES - _FULL_TAG_BYTES]

    def open(self, iv: bytes, sealed: bytes, aad: bytes) -> bytes:
        """The plaintext of ciphertext and tag; :class:`SecurityError` when the tag does not match."""
        encrypt = self._aead.encrypt
        plain = encrypt(iv, sealed[:-TAG_BYTES], aad)[:-_FULL_TAG_BYTES]
        tag = encrypt(iv, plain, aad)[-_FULL_TAG_BYTES : TAG_BYTES - _FULL_TAG_BYTES]
        if len(sealed) < TAG_BYTES or not compare_digest(tag, sealed[-TAG_BYTES:]):
            raise SecurityError("bad-tag", "the authentication tag does not match the message")
        return plain

    def tag(self, iv: bytes, aad: bytes) -> bytes:
        """The tag over ``aad`` alone (GMAC)."""
        return self._aead.encrypt(iv, b"", aad)[:TAG_BYTES]

    def check(self, iv: bytes, tag: bytes, aad: bytes) -> None:
        """Raise :class:`SecurityError` unless ``tag`` is the tag over ``aad``."""
        if not compare_digest(self.tag(iv, aad), tag):
            raise SecurityError("bad-tag", "the authentication tag does not match the message")

    def keystream(self, iv: bytes, body: bytes) -> bytes:
        """``body`` enciphered or deciphered with no tag: nothing vouches for the result."""
        return self._aead.encrypt(iv, body, None)[:-_FULL_TAG_BYTES]
