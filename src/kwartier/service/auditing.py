"""The audit log of a home: where it is, its key, which the vault keeps, and the witness that the settings name."""

import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kwartier.audit.cosigning import HttpWitness
from kwartier.audit.log import Log, new_origin
from kwartier.audit.note import Signer, VerifierKey, from_base64, new_key, to_base64
from kwartier.disk import write_once
from kwartier.errors import InputError, SecurityError
from kwartier.service.home import Home

FOLDER = "audit"
KEY_FILE = "audit.key"
BOUND_TO = "the key of the audit log"
MAX_KEY_FILE_BYTES = 4_096


def log_folder(home: Path) -> Path:
    """Where the log of a home is."""
    return home / FOLDER


def log_signer(home: Home) -> Signer:
    """The key of the log, made when it is first asked for.

    Raises ``SecurityError`` sealed-record; ``InputError`` bad-audit-key.
    """
    path = home.path / KEY_FILE
    if not path.exists():
        if log_folder(home.path).exists():
            raise InputError(
                "bad-audit-key", f"there is no {path}, and it is the key of the log in {log_folder(home.path)}"
            )
        write_once(path, to_base64(home.vault.seal(new_key(new_origin()).encode(), BOUND_TO)) + "\n")
    try:
        with path.open("rb") as file:
            sealed = from_base64(file.read(MAX_KEY_FILE_BYTES).decode("ascii").strip())
    except OSError as error:
        raise InputError("bad-audit-key", f"{path} cannot be read: {error.strerror}") from None
    except (binascii.Error, ValueError):
        raise SecurityError("sealed-record", f"{path} is not what was written there") from None
    return Signer(home.vault.open(sealed, BOUND_TO).decode())


def witness_key(home: Home) -> VerifierKey | None:
    """The key of the witness that the settings name; None: they name none. Raises ``InputError`` bad-audit-key."""
    text = home.settings.audit_witness_key
    return VerifierKey.parse(text) if text else None


def witness_of(home: Home) -> HttpWitness | None:
    """The witness that the settings name. Raises ``InputError`` bad-witness, bad-audit-key."""
    key, address = witness_key(home), home.settings.audit_witness
    if not address:
        return None
    if key is None:
        raise InputError("bad-witness", "`audit_witness` is set, and `audit_witness_key` is not")
    return HttpWitness(address, key)


@contextmanager
def open_log(home: Home) -> Iterator[Log]:
    """The audit log of a home, made where there is none; a last checkpoint is made when the block ends."""
    with Log(log_folder(home.path), log_signer(home), witness_of(home)) as log:
        yield log
