"""A version of a table that somebody is working from: the files it names stay on the disk until the pin ends.

A pin is a small file with an end, so that one whose owner died ends by itself. It keeps nothing from being taken out of the
table: whoever looks at the newest version does not see what was erased since, and what is pinned goes when the last pin does.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kwartier.disk import PRIVATE_FOLDER, write_whole
from kwartier.errors import InputError
from kwartier.store.log import Log, paths_at
from kwartier.store.schema import RAW, TableKind

PINS = "pins"
MAX_PIN_S = 7 * 86_400
"""A pin holds no longer than this: what has to be erased within a month is."""
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """``until``: UTC seconds."""

    name: str
    version: int
    until: int


class Pins:
    """The pins of a table under ``folder``."""

    __slots__ = ("_folder", "_kind", "_root")

    def __init__(self, folder: Path, kind: TableKind = RAW) -> None:
        self._folder = folder
        self._kind = kind
        self._root = folder / PINS / kind.below

    def hold(self, name: str, version: int, *, now: float, seconds: int) -> Pin:
        """Pin a version for some seconds, in place of what the name pinned before. Raises ``InputError`` bad-pin."""
        if not _NAME.fullmatch(name) or name.startswith(".") or version < 0 or not 0 < seconds <= MAX_PIN_S:
            raise InputError("bad-pin", f"a pin has a name, a version, and 1 to {MAX_PIN_S} seconds")
        pin = Pin(name=name, version=version, until=int(now) + seconds)
        self._root.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        write_whole(self._path(name), json.dumps({"version": pin.version, "until": pin.until}).encode())
        return pin

    @contextmanager
    def held(self, log: Log, name: str, *, now: float, seconds: int) -> Iterator[int]:
        """Pin the newest version until the block ends, and let ``log`` look at no other; the version.

        What a rewrite has just replaced may be removed at once. So a version is pinned first, and it is this one that is
        looked at only if it is still the newest then. Raises as :meth:`hold`.
        """
        version = -1
        while version != log.version:
            version = log.version
            self.hold(name, version, now=now, seconds=seconds)
            log.look()
        before, log.stays = log.stays, True
        try:
            yield version
        finally:
            log.stays = before
            self.release(name)

    def release(self, name: str) -> None:
        """End a pin, if there is one."""
        self._path(name).unlink(missing_ok=True)

    def standing(self, now: float) -> list[Pin]:
        """The pins that have not ended at ``now`` (UTC s), by name."""
        found = []
        for path in sorted(self._root.glob("*.json")):
            try:
                said = json.loads(path.read_bytes())
            except FileNotFoundError:
                continue
            if said["until"] > now:
                found.append(Pin(name=path.stem, version=said["version"], until=said["until"]))
        return found

    def needed(self, now: float) -> frozenset[str]:
        """Every file that a pinned version names."""
        versions = {pin.version for pin in self.standing(now)}
        return frozenset(path for version in versions for path in paths_at(self._folder, version, self._kind))

    def _path(self, name: str) -> Path:
        return self._root / f"{name}.json"
