"""The sealed-file vault: everything secret is under one master key, and the database holds only sealed bytes.

The master key is 32 bytes in ``HOME/master.key`` (mode 0600) or in the environment. Each use has a key of its own, derived by
HKDF, so that a record cannot pass for another kind of record; the associated data bind it to the meter that it belongs to.
A fingerprint is a keyed hash: it tells that two keys are the same and lets nobody guess which.
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

from kwartier.errors import InputError, SecurityError

MASTER_KEY_BYTES = 32
NONCE_BYTES = 12
FILE_NAME = "master.key"
ENVIRONMENT = "KWARTIER_MASTER_KEY"
PRIVATE = 0o600


class Vault:
    """Seals and opens records. No key of it is ever shown."""

    __slots__ = ("_fingerprint_key", "_records")

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != MASTER_KEY_BYTES:
            raise InputError("bad-master-key", f"the master key has {len(master_key)} bytes, not {MASTER_KEY_BYTES}")
        self._records = AESGCM(_derive(master_key, b"kwartier meter key record"))
        self._fingerprint_key = _derive(master_key, b"kwartier key fingerprint")

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


def create_master_key(home: Path) -> bool:
    """Write a random master key to ``home`` unless there is one, or the environment has it; whether one was written."""
    path = home / FILE_NAME
    if ENVIRONMENT in os.environ or path.exists():
        return False
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        out.write(secrets.token_hex(MASTER_KEY_BYTES) + "\n")
        out.flush()
        os.fsync(out.fileno())
    return True


def open_vault(home: Path) -> Vault:
    """The vault of ``home``: its master key from the environment, else from the file, which nobody else may read."""
    text = os.environ.get(ENVIRONMENT)
    where = f"the environment variable {ENVIRONMENT}"
    if text is None:
        path = home / FILE_NAME
        where = str(path)
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o077:
                raise InputError("open-master-key", f"{path} has mode {mode:04o}")
            text = path.read_text("ascii")
        except FileNotFoundError:
            raise InputError("no-master-key", f"there is no {path}") from None
        except (OSError, UnicodeDecodeError):
            raise InputError("bad-master-key", f"{path} cannot be read") from None
    try:
        master_key = bytes.fromhex(text.strip())
    except ValueError:
        raise InputError("bad-master-key", f"{where} does not hold hex digits") from None
    return Vault(master_key)
