"""The secret that this program and a cluster both know: from the environment, else from a file that nobody else may read.

It never stands on a command line, where everybody on the host could read it.
"""

import os
import re
import stat
from pathlib import Path

from kwartier.errors import InputError

ENVIRONMENT = "KWARTIER_SPARK_SECRET"
FILE_NAME = "spark.secret"
MAX_FILE_BYTES = 1_024
_SECRET = re.compile(r"[!-~]{32,256}", re.ASCII)
_OTHERS = 0o077


def secret_of(folder: Path) -> str:
    """The secret. Raises ``InputError`` no-spark-secret, open-spark-secret, bad-spark-secret."""
    text, where = os.environ.get(ENVIRONMENT), f"the environment variable {ENVIRONMENT}"
    if text is None:
        path = folder / FILE_NAME
        text, where = _private_text(path), f"{path}"
    text = text.strip()
    if not _SECRET.fullmatch(text):
        raise InputError("bad-spark-secret", f"{where} does not hold 32 to 256 printable characters without a space")
    return text


def _private_text(path: Path) -> str:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & _OTHERS:
            raise InputError("open-spark-secret", f"{path} has mode {mode:04o}")
        return path.read_bytes()[:MAX_FILE_BYTES].decode("ascii", "replace")
    except OSError as error:
        raise InputError("no-spark-secret", f"{path} cannot be read: {error.strerror}") from None
