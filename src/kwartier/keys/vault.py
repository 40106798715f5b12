"""The sealed-file vault: everything secret is under one master key, and the database holds only sealed bytes.

The master key is 32 bytes in ``HOME/master.key`` (mode 0600) or in the environment. Each use has a key of its own, derived by
HKDF, so that a record cannot pass for another kind of record; the associated data bind it to the meter that it belongs to.
A fingerprint is a keyed hash: it tells that two keys are the same and lets nobody guess which. The check value tells whether a
database belongs to a master key: under another one its records would not open and its counters would not be found, so they
would begin again.
"""

import hmac
import os
import secrets
import stat
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kwartier.disk import write_once
from kwartier.errors import InputError, SecurityError

MASTER_KEY_BYTES = 32
NONCE_BYTES = 12
FILE_NAME = "master.key"
ENVIRONMENT = "KWARTIER_MASTER_KEY"
MAX_FILE_BYTES = 1024
"""As much of the file as can hold a key and white space around it."""
OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Vault:
    """Seals and opens records. No key of it is ever shown."""

    __slots__ = ("_fingerprint_key", "_records", "check_value")

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != MASTER_KEY_BYTES:
            raise InputError("bad-master-key", f"the master key has {len(master_key)} bytes, not {MASTER_KEY_BYTES}")
        self._records = AESGCM(_derive(master_key, b"kwartier meter key record"))
        self._fingerprint_key = _derive(master_key, b"kwartier key fingerprint")
        self.check_value = _derive(master_key, b"kwartier check value").hex()
        """The same for the same master key, and of no use to find it."""

    def seal(self, plain: bytes, bound_to: str) -> bytes:
        """``plain`` under the vault, to be opened only for ``bound_to``."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._records.encrypt(nonce, plain, bound_to.encode())

    def open(self, sealed: bytes, bound_to: str) -> bytes:
        """What was sealed; ``SecurityError`` sealed-record when it was changed, moved, or sealed by another master key."""
        try:
            return self._records.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to.encode())
        except (InvalidTag, ValueError):
            raise SecurityError("sealed-record", f"the sealed record of {bound_to} does not open") from None

    def fingerprint(self, key: bytes) -> str:
        """32 hex digits that are the same for the same key under this master key."""
        return hmac.new(self._fingerprint_key, key, sha256).hexdigest()[:32]


def _derive(master_key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(master_key)


def has_master_key(home: Path) -> bool:
    """Whether there is one: in ``home`` or in the environment."""
    return ENVIRONMENT in os.environ or (home / FILE_NAME).exists()


def create_master_key(home: Path) -> bool:
    """Write a random master key to ``home`` unless there is one, or the environment has it; whether one was written."""
    return not has_master_key(home) and write_once(home / FILE_NAME, secrets.token_hex(MASTER_KEY_BYTES) + "\n")


def open_vault(home: Path) -> Vault:
    """The vault of ``home``: its master key from the environment, else from the file, which nobody else may read."""
    text = os.environ.get(ENVIRONMENT)
    where = f"the environment variable {ENVIRONMENT}"
    if text is None:
        where = str(home / FILE_NAME)
        text = _private_text(home / FILE_NAME)
    try:
        master_key = bytes.fromhex(text.strip())
    except ValueError:
        master_key = None
    if master_key is None:
        raise InputError("bad-master-key", f"{where} does not hold hex digits")
    return Vault(master_key)


def _private_text(path: Path) -> str:
    """What is in a file that only its owner may read."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & OTHERS:
            raise InputError("open-master-key", f"{path} has mode {mode:04o}")
        return path.read_bytes()[:MAX_FILE_BYTES].decode("ascii", "replace")
    except FileNotFoundError:
        raise InputError("no-master-key", f"there is no {path}") from None
    except OSError as error:
        raise InputError("bad-master-key", f"{path} cannot be read: {error.strerror}") from None
