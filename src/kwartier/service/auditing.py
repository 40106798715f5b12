"""The audit log of a home: where it is, its key, which the vault keeps, and the witness that the settings name."""

import binascii
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

from kwartier.audit import copying
from kwartier.audit.cosigning import HttpWitness
from kwartier.audit.log import Log, new_origin
from kwartier.audit.note import Signer, VerifierKey, from_base64, new_key, to_base64
from kwartier.disk import write_once
from kwartier.errors import InputError, SecurityError
from kwartier.keys.vault import Vault
from kwartier.service.settings import Settings

FOLDER = "audit"
KEY_FILE = "audit.key"
ARCHIVE = "audit-before"
"""Where the logs are that ended with a restore, each with its key."""
BOUND_TO = "the key of the audit log"
MAX_KEY_FILE_BYTES = 4_096


def log_folder(home: Path) -> Path:
    """Where the log of a home is."""
    return home / FOLDER


def log_signer(home: Path, vault: Vault) -> Signer:
    """The key of the log, made when it is first asked for.

    Raises ``SecurityError`` sealed-record; ``InputError`` bad-audit-key.
    """
    path = home / KEY_FILE
    if not path.exists():
        if log_folder(home).exists():
            raise InputError("bad-audit-key", f"there is no {path}, and it is the key of the log in {log_folder(home)}")
        write_once(path, to_base64(vault.seal(new_key(new_origin()).encode(), BOUND_TO)) + "\n")
    try:
        with path.open("rb") as file:
            sealed = from_base64(file.read(MAX_KEY_FILE_BYTES).decode("ascii").strip())
    except OSError as error:
        raise InputError("bad-audit-key", f"{path} cannot be read: {error.strerror}") from None
    except (binascii.Error, ValueError):
        raise SecurityError("sealed-record", f"{path} is not what was written there") from None
    return Signer(vault.open(sealed, BOUND_TO).decode())


def witness_key(settings: Settings) -> VerifierKey | None:
    """The key of the witness that the settings name; None: they name none. Raises ``InputError`` bad-audit-key."""
    return VerifierKey.parse(settings.audit_witness_key) if settings.audit_witness_key else None


def witness_of(settings: Settings) -> HttpWitness | None:
    """The witness that the settings name. Raises ``InputError`` bad-witness, bad-audit-key."""
    key, address = witness_key(settings), settings.audit_witness
    if not address:
        return None
    if key is None:
        raise InputError("bad-witness", "`audit_witness` is set, and `audit_witness_key` is not")
    return HttpWitness(address, key)


def log_of(home: Path, vault: Vault, settings: Settings) -> Log:
    """The audit log of the home in ``home``, made where there is none.

    Raises as :func:`log_signer`, :func:`witness_of` and :class:`kwartier.audit.log.Log` do.
    """
    return Log(log_folder(home), log_signer(home, vault), witness_of(settings))


def archives(home: Path) -> list[Path]:
    """The logs of this home from before it was restored, the oldest first."""
    return sorted((home / ARCHIVE).glob("*/audit"))


def back_up(home: Path, target: Path) -> None:
    """Copy the log of a home with its sealed key, and the logs from before, to the folder of a backup."""
    if log_folder(home).exists():
        copying.copy(log_folder(home), target / FOLDER)
        shutil.copyfile(home / KEY_FILE, target / KEY_FILE)
    if (home / ARCHIVE).exists():
        shutil.copytree(home / ARCHIVE, target / ARCHIVE)


def bring_back(backup: Path, home: Path) -> None:
    """Put the log of a backup beside the one that the restored home will begin: nobody knows what came after the backup.

    A log that went on from there would contradict what the witness has seen since.
    """
    if (backup / ARCHIVE).exists():
        shutil.copytree(backup / ARCHIVE, home / ARCHIVE)
    if (backup / FOLDER).exists():
        place = home / ARCHIVE / f"{len(archives(home)):04}"
        shutil.copytree(backup / FOLDER, place / FOLDER)
        shutil.copyfile(backup / KEY_FILE, place / KEY_FILE)


class AuditLog:
    """The audit log of a home, opened at its first record: most commands leave none. A last checkpoint is made at the end."""

    __slots__ = ("_log", "_opening", "_path", "_settings", "_vault")

    def __init__(self, path: Path, vault: Vault, settings: Settings) -> None:
        self._path = path
        self._vault = vault
        self._settings = settings
        self._opening = threading.Lock()
        self._log: Log | None = None

    def __enter__(self) -> "AuditLog":
        """Nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what was opened."""
        with self._opening:
            if self._log is not None:
                self._log.close()

    def opened(self) -> Log:
        """The log itself. Raises as :func:`log_of`."""
        with self._opening:
            if self._log is None:
                self._log = log_of(self._path, self._vault, self._settings)
            return self._log

    def append(self, records: Sequence[bytes]) -> range:
        """Write records down, on the disk when this returns; their numbers."""
        return self.opened().append(records)
