"""Who was in a use of many: the list of ids that were shown, kept as long as the readings, and its root in the audit log.

A list is a file named by its root, so that the same list is kept once. Its leaves are a thousand ids each; the root is that of
RFC 9162. It lies under the key of its local day: with the day the list goes too.
"""

import secrets
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kwartier.audit.tree import fold, leaf_hash, tree_hash
from kwartier.disk import write_whole
from kwartier.errors import SecurityError
from kwartier.store.files import FileKeys

FOLDER = "members"
LEAF_IDS = 1_000
ID_BYTES = 8
NONCE_BYTES = 12
Ids = npt.NDArray[np.int64]


class Members:
    """The lists under ``folder``; ``keys`` None: they are not encrypted."""

    __slots__ = ("_folder", "_keys")

    def __init__(self, folder: Path, keys: FileKeys | None) -> None:
        self._folder = folder
        self._keys = keys

    def keep(self, day: date, ids: Ids) -> str:
        """Keep a list of ids (ascending, none twice) of a local day, on the disk when this returns; its root, as hex."""
        octets = ids.astype(">i8").tobytes()
        root = _root(octets)
        path = self._path(day, root)
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(path, self._sealed(day, root, octets))
        return root

    def ids(self, day: date, root: str) -> Ids:
        """The ids of a list; none where it is not kept any more. Raises ``SecurityError`` sealed-file."""
        try:
            octets = self._path(day, root).read_bytes()
        except FileNotFoundError:
            return np.zeros(0, np.int64)
        if self._keys is not None:
            key = AESGCM(self._keys.file_key(day, _name(day, root), new=False))
            try:
                octets = key.decrypt(octets[:NONCE_BYTES], octets[NONCE_BYTES:], _name(day, root).encode())
            except InvalidTag:
                raise SecurityError("sealed-file", f"{_name(day, root)} does not open under its key") from None
        if _root(octets) != root:
            raise SecurityError("sealed-file", f"{_name(day, root)} does not hold what its name says")
        return np.frombuffer(octets, ">i8").astype(np.int64)

    def drop(self, day: date) -> None:
        """Remove the lists of a day."""
        folder = self._folder / f"{day}"
        if folder.is_dir():
            for path in folder.iterdir():
                path.unlink(missing_ok=True)
            folder.rmdir()

    def _sealed(self, day: date, root: str, octets: bytes) -> bytes:
        if self._keys is None:
            return octets
        nonce = secrets.token_bytes(NONCE_BYTES)
        key = AESGCM(self._keys.file_key(day, _name(day, root), new=True))
        return nonce + key.encrypt(nonce, octets, _name(day, root).encode())

    def _path(self, day: date, root: str) -> Path:
        return self._folder / f"{day}" / root


def _name(day: date, root: str) -> str:
    return f"{FOLDER}/{day}/{root}"


def _root(octets: bytes) -> str:
    step = LEAF_IDS * ID_BYTES
    hashes = [leaf_hash(octets[first : first + step]) for first in range(0, len(octets), step)]
    return tree_hash(lambda height, at: fold(hashes[at << height : (at + 1) << height]), 0, len(hashes)).hex()
