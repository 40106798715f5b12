"""Putting a tree on the disk, so that whoever fetches a checkpoint finds every tile that it needs.

Each file is whole or not there: it is written beside the log's folder and moved in. Tiles are there before the checkpoint that
needs them, and those that only an older checkpoint needed are taken away after it. A kill in between leaves files that follow
from the records like all others.
"""

import os
from pathlib import Path

from kwartier.audit.checkpoint import FILE_NAME, Checkpoint
from kwartier.audit.tiles import ENTRIES, HEIGHT, MAX_LEVEL, WIDTH, Edge, Place, last_places, pack, read_bundle
from kwartier.audit.tree import leaf_hash
from kwartier.disk import PRIVATE_FILE, PRIVATE_FOLDER, sync_folder
from kwartier.errors import SecurityError


class Publisher:
    """Writes into ``folder``; one at a time, for whom the folder of tiles is locked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._draft = folder.with_name(f".{folder.name}.draft")
        self._touched: set[Path] = set()

    def tiles(self, edge: Edge, size: int) -> None:
        """All tiles of ``size`` records that ``edge``, which is moved along, has not yet.

        Raises ``SecurityError`` audit-changed where the records before the edge are not those that it was made of.
        """
        records: list[bytes] = []
        while edge.size < size:
            index, before = divmod(edge.size, WIDTH)
            records = read_bundle(self._folder, index, min(WIDTH, size - index * WIDTH))
            hashes = [leaf_hash(one) for one in records]
            for at, known in enumerate(edge.rows[0]):
                if hashes[at] != known:
                    place = Place(level=ENTRIES, index=index)
                    raise SecurityError("audit-changed", f"{place}: record {index * WIDTH + at} is not what it was")
            for leaf in hashes[before:]:
                for place, octets in edge.add(leaf):
                    self._put(str(place), octets)
        for place, octets in edge.partials():
            self._put(str(place), octets)
        if size % WIDTH:
            self._put(str(Place(level=ENTRIES, index=size // WIDTH, width=size % WIDTH)), pack(records))
        self._sync()

    def checkpoint(self, made: Checkpoint) -> None:
        """The checkpoint in place of the one before."""
        self._put(FILE_NAME, str(made).encode())
        self._sync()

    def tidy(self, old: int, new: int) -> None:
        """Take away what the checkpoint over ``old`` records needed and the one over ``new`` does not."""
        kept = {str(one) for one in last_places(new)}
        for level in range(ENTRIES, MAX_LEVEL + 1):
            shift = HEIGHT * (max(level, 0) + 1)
            for index in range(old >> shift, (new >> shift) + 1):
                folder = self._folder / Place(level=level, index=index).partials
                if folder.is_dir():
                    self._clear(folder, kept)

    def _clear(self, folder: Path, kept: set[str]) -> None:
        left = 0
        for one in folder.iterdir():
            if str(one.relative_to(self._folder)) in kept:
                left += 1
            else:
                one.unlink(missing_ok=True)
        if not left:
            folder.rmdir()

    def _put(self, name: str, octets: bytes) -> None:
        path = self._folder / name
        if not path.parent.is_dir():
            path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            self._touched.update(path.parent.parents[: len(path.parent.relative_to(self._folder).parts)])
        file = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
        with os.fdopen(file, "wb") as out:
            out.write(octets)
            out.flush()
            os.fsync(out.fileno())
        self._draft.replace(path)
        self._touched.add(path.parent)

    def _sync(self) -> None:
        for folder in self._touched:
            sync_folder(folder)
        self._touched.clear()
