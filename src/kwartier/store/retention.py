"""Forgetting: days that are kept no longer, and files that nothing points to.

A day goes as a whole, in one commit, with its copies in segments and with its key: without the key what may still lie in a
backup cannot be read. Files on the disk go when they are old enough that nobody is still writing or reading them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from kwartier.store.files import FileKeys
from kwartier.store.log import Log
from kwartier.store.months import Months, Page
from kwartier.store.rewrite import TRANSACTION, Rewriter

GRACE_S = 86_400
"""A file that nothing points to is removed when it is older than this: it may be part of a commit that is being made."""


class Forgetting(FileKeys, Protocol):
    """Keys of which those of a day can be forgotten."""

    def forget(self, day: date) -> None:
        """Delete the key of a day."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What was dropped and removed."""

    days: int = 0
    files: int = 0
    bytes: int = 0


def drop(folder: Path, keys: Forgetting | None, before: date) -> int:
    """Drop every local day before ``before``; how many there were."""
    log, months, rewriter = Log(folder, encrypted=keys is not None), Months(folder, keys), Rewriter(folder, keys)
    dropped = 0
    log.refresh()
    for day, paths in sorted(log.days().items()):
        if day >= before:
            continue
        _forget_copies(months, day)
        if not rewriter.replace(paths, [], begun=log.transaction(TRANSACTION) or 0):
            log.refresh()
            if not rewriter.replace(log.paths(day), [], begun=log.transaction(TRANSACTION) or 0):
                continue  # another rewrite goes on: the day is dropped the next time
        log.refresh()
        if keys is not None:
            keys.forget(day)
        dropped += 1
    return dropped


def _forget_copies(months: Months, day: date) -> None:
    """Every segment with the day goes: its other days are read from their raw files until a rewrite makes another."""
    page = months.page(day)
    name = page.segment.get(day)
    if name is None:
        return
    for part in page.parts[name]:
        months.files.remove(part.path)
    others = {one for one, segment in page.segment.items() if segment != name}
    months.write(
        day.replace(day=1),
        Page(
            raw={one: page.raw[one] for one in others},
            segment={one: page.segment[one] for one in others},
            parts={segment: parts for segment, parts in page.parts.items() if segment != name},
        ),
    )


def vacuum(folder: Path, keys: FileKeys | None, wall: Callable[[], float] = time.time) -> Forgotten:
    """Remove files that nothing points to and that are older than :data:`GRACE_S`. ``wall`` gives UTC seconds."""
    log, months = Log(folder, encrypted=keys is not None), Months(folder, keys)
    log.refresh()
    known = {path for paths in log.days().values() for path in paths}
    removed, size = 0, 0
    for root, kind, used in ((log.root, "day", known), (months.files.root, "month", months.used())):
        for path in root.glob(f"{kind}=*/*.parquet"):
            seen = path.stat()
            if f"{path.parent.name}/{path.name}" not in used and wall() - seen.st_mtime > GRACE_S:
                path.unlink()
                removed, size = removed + 1, size + seen.st_size
    return Forgotten(files=removed, bytes=size)
