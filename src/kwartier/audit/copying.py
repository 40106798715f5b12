"""A log as it is at one moment, copied while others append; and the records of a log that has ended."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from kwartier.audit.checkpoint import read_bounded
from kwartier.audit.tail import locked
from kwartier.audit.tiles import ENTRIES, MAX_BUNDLE_BYTES, TILE, WIDTH, Place, unpack


def copy(folder: Path, target: Path) -> None:
    """Copy the log in ``folder`` to ``target``, which must not be there; whoever appends waits meanwhile."""
    with ExitStack() as held:
        # As who makes a checkpoint does: the tiles first, then the tail.
        for one in (folder / TILE, folder):
            descriptor = os.open(one, os.O_RDONLY | os.O_DIRECTORY)
            held.callback(os.close, descriptor)
            held.enter_context(locked(descriptor))
        shutil.copytree(folder, target)


def records(folder: Path) -> Iterator[bytes]:
    """Every whole record of a log to which nobody appends any more, the oldest first."""
    for index in count():
        path = folder / str(Place(level=ENTRIES, index=index))
        if not path.exists():
            return
        found, _ = unpack(read_bounded(path, MAX_BUNDLE_BYTES), WIDTH)
        yield from found
