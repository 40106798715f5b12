"""Who takes files out of the table does so alone: tidying, erasing and dropping wait for each other.

Two that did it at once would not double or lose a row - the table sees to that - but one could bring a copy back that the
other has just removed. The lock goes with its process, however that ends.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kwartier.disk import PRIVATE_FILE
from kwartier.errors import Retry, StateError

FILE = ".turn"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else takes files out of the table under ``folder`` until the block ends. Raises ``StateError`` tidying."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateError("tidying", f"another process is at work in {folder}", retry=Retry.LATER) from None
        yield
    finally:
        os.close(descriptor)
