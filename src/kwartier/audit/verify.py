"""Every byte of a log's folder, derived once more from its records and the public keys.

From the records come the hashes, from these the tiles and the root, and the root is what the log has signed, and what a witness
has seen. The folder may hold nothing else. The log may be in use: what a checkpoint covers never changes, and only for the last
stretch, behind the checkpoint that was there at first, are writers held up.

Records behind the last checkpoint are looked at too, as far as they can be: each has to be whole but for the last, of which a
kill may have left a part. What is in them nobody has signed yet.
"""

import fcntl
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from kwartier.audit.checkpoint import FILE_NAME, Checkpoint, read_bounded
from kwartier.audit.note import VerifierKey
from kwartier.audit.proof import read_checkpoint
from kwartier.audit.tail import locked
from kwartier.audit.tiles import (
    ENTRIES,
    MAX_BUNDLE_BYTES,
    TILE,
    TILE_BYTES,
    WIDTH,
    Edge,
    Place,
    is_within,
    last_places,
    pack,
    unpack,
)
from kwartier.audit.tree import HASH_BYTES, leaf_hash
from kwartier.errors import SecurityError

Progress = Callable[[int, int], None]
"""Told how many records were done, of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found in a folder in which every byte is as it should be."""

    origin: str
    records: int
    covered: int
    """By the last checkpoint; the other records nobody has signed yet."""
    root: str
    files: int
    unfinished_bytes: int
    """Of a record that a kill cut off, and that nobody was told is there."""
    witnessed: tuple[int, ...]
    """When each witness that was asked about signed the last checkpoint, in UTC seconds."""
    unchecked: tuple[str, ...]
    """Who else signed it, and was not checked because no key was given."""
    seen: int | None
    """How many records the witness's own state knows, where that was looked at."""


def verify(
    folder: Path,
    log: VerifierKey,
    witnesses: Sequence[VerifierKey] = (),
    *,
    seen: Checkpoint | None = None,
    progress: Progress = lambda _done, _of: None,
) -> Verified:
    """Derive every byte of the log in ``folder``. ``seen``: the last checkpoint that a witness signed.

    Raises ``SecurityError`` naming file and record: audit-changed, audit-cut (the witness has seen more records),
    audit-rewritten (it has seen others), not-cosigned, not-signed, bad-signature, bad-note, bad-checkpoint; ``InputError``
    no-audit-log.
    """
    first = read_checkpoint(folder, log)
    if seen is not None and seen.size > first.size:
        said = f"its checkpoint covers {first.size} records, and the witness has seen {seen.size}"
        raise SecurityError("audit-cut", f"{folder / FILE_NAME}: {said}")
    derived = _Derived(folder, progress)
    derived.expect(first.size, first.root, "audit-changed", f"{FILE_NAME} has signed other records than the")
    if seen is not None:
        derived.expect(seen.size, seen.root, "audit-rewritten", "the witness has seen other records than the")
    for index in range(first.size // WIDTH):
        derived.bundle(index, first.size)
    with ExitStack() as held:
        for one in (folder / TILE, folder):
            try:
                descriptor = os.open(one, os.O_RDONLY | os.O_DIRECTORY)
            except OSError:
                raise SecurityError("audit-changed", f"{one} is missing, with all records") from None
            held.callback(os.close, descriptor)
            held.enter_context(locked(descriptor, fcntl.LOCK_SH))
        last = read_checkpoint(folder, log)
        if last.size < first.size:
            raise SecurityError("audit-changed", f"{FILE_NAME} went back from {first.size} to {last.size} records")
        derived.expect(last.size, last.root, "audit-changed", f"{FILE_NAME} has signed other records than the")
        unfinished_bytes = derived.rest(last.size)
        files = derived.look_for_others()
    return Verified(
        origin=last.origin,
        records=derived.edge.size,
        covered=last.size,
        root=last.root.hex(),
        files=files,
        unfinished_bytes=unfinished_bytes,
        witnessed=_signers(last, log, witnesses),
        unchecked=tuple(last.note.unknown([log, *witnesses])),
        seen=None if seen is None else seen.size,
    )


def _signers(last: Checkpoint, log: VerifierKey, witnesses: Sequence[VerifierKey]) -> tuple[int, ...]:
    """When the witnesses signed; the lines beneath a checkpoint are theirs and the log's, each once, and no others."""
    try:
        moments = last.check(witnesses)
    except SecurityError as error:
        raise SecurityError(error.code, f"{FILE_NAME}: {error.detail}") from None
    unknown = last.note.unknown([log, *witnesses])
    if witnesses and unknown:
        raise SecurityError("audit-changed", f"{FILE_NAME}: a signature by {unknown[0]}, whose key was not named")
    lines = [(one.name, one.key_id) for one in last.signatures]
    if len(set(lines)) != len(lines) or not last.signatures[0].is_by(log):
        raise SecurityError("audit-changed", f"{FILE_NAME}: the signatures are not the log's and then the witnesses'")
    return tuple(moments)


class _Derived:
    """The tree as it follows from the records, and the files held against it."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self.edge = Edge()
        self._folder = folder
        self._progress = progress
        self._roots: dict[int, list[tuple[bytes, str, str]]] = {}
        self._wanted: set[str] = set()

    def expect(self, size: int, root: bytes, code: str, said: str) -> None:
        """``size`` records have to hash to ``root``."""
        self._roots.setdefault(size, []).append((root, code, said))
        if self.edge.size >= size:
            self._compare_roots()

    def _compare_roots(self) -> None:
        for root, code, said in self._roots.get(self.edge.size, ()):
            if self.edge.root() != root:
                raise SecurityError(code, f"{self._folder}: {said} first {self.edge.size} that are here")

    def bundle(self, index: int, covered: int) -> int:
        """Take in a bundle and hold everything that becomes full against its file; how many bytes are no record."""
        place = Place(level=ENTRIES, index=index)
        octets = self._read(place, MAX_BUNDLE_BYTES)
        if octets is None:
            raise SecurityError("audit-changed", f"{place} is missing, with the records from {place.first}")
        records, used = unpack(octets)
        first = place.first
        hashes = [leaf_hash(one) for one in records]
        is_cut = len(records) < WIDTH and first + len(records) < covered
        if is_cut or (len(records) == WIDTH and used < len(octets)):
            # Where the tile disagrees earlier, it is that record that was changed.
            self._tile(Place(level=0, index=index), b"".join(hashes), is_whole=False)
            raise SecurityError("audit-changed", f"{place}: record {first + len(records)} is not whole, or none at all")
        for leaf in hashes:
            for tile, expected in self.edge.add(leaf):
                self._tile(tile, expected, is_needed=tile.first + (WIDTH << 8 * tile.level) <= covered)
                self._parts(tile, expected)
            if self.edge.size in self._roots:
                if len(self.edge.rows[0]):
                    # Its tile tells which record it is, where the root only tells that there is one.
                    self._parts(Place(level=0, index=index), b"".join(self.edge.rows[0]))
                self._compare_roots()
        self._bundle_parts(place, records)
        self._progress(self.edge.size, max(covered, self.edge.size))
        return len(octets) - used

    def rest(self, covered: int) -> int:
        """Everything behind what :meth:`bundle` took in; how many bytes a kill left of a record."""
        self._wanted |= {str(one) for one in last_places(covered)}
        unfinished_bytes = 0
        index = self.edge.size // WIDTH
        while (self._folder / str(Place(level=ENTRIES, index=index))).exists() or self.edge.size < covered:
            unfinished_bytes = self.bundle(index, covered)
            if self.edge.size % WIDTH or unfinished_bytes or self.edge.size == index * WIDTH:
                break
            index += 1
        for level, row in enumerate(self.edge.rows):
            tile = Place(level=level, index=self.edge.size >> 8 * (level + 1))
            self._parts(tile, b"".join(row))
        if self._wanted:
            missing = min(self._wanted)
            raise SecurityError("audit-changed", f"{missing} is missing, {self._over(missing)}")
        return unfinished_bytes

    def _over(self, name: str) -> str:
        place = Place.parse(name)
        return "" if place is None else f"over the records from {place.first}"

    def _read(self, place: Place, most: int) -> bytes | None:
        try:
            return read_bounded(self._folder / str(place), most)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise SecurityError("audit-changed", f"{place} cannot be read: {error.strerror}") from None

    def _tile(self, place: Place, expected: bytes, *, is_needed: bool = False, is_whole: bool = True) -> None:
        """The file at ``place`` holds ``expected``, or begins with it; where it is not needed it may be absent."""
        found = self._read(place, TILE_BYTES)
        if found is None:
            if is_needed:
                raise SecurityError("audit-changed", f"{place} is missing, over the records from {place.first}")
            return
        if (found if is_whole else found[: len(expected)]) == expected:
            return
        at = next(
            (
                at
                for at in range(0, len(expected), HASH_BYTES)
                if found[at : at + HASH_BYTES] != expected[at:][:HASH_BYTES]
            ),
            len(expected),
        )
        record = place.first + (at // HASH_BYTES << 8 * place.level)
        bundle = Place(level=ENTRIES, index=record // WIDTH)
        raise SecurityError("audit-changed", f"{place} and {bundle} do not agree on record {record}")

    def _parts(self, tile: Place, expected: bytes) -> None:
        """The files of ``tile`` when it was not full; what it holds by now begins with each of them."""
        for place in self._listed(tile):
            if place.width * HASH_BYTES <= len(expected):
                self._tile(place, expected[: place.width * HASH_BYTES])
                self._wanted.discard(str(place))

    def _bundle_parts(self, bundle: Place, records: Sequence[bytes]) -> None:
        for place in self._listed(bundle):
            if place.width > len(records):
                continue
            found = self._read(place, MAX_BUNDLE_BYTES)
            if found is not None and found != pack(records[: place.width]):
                others, _ = unpack(found)
                same = next(
                    (at for at, (one, other) in enumerate(zip(others, records, strict=False)) if one != other),
                    len(others),
                )
                said = f"{place} and {bundle} do not agree on record {bundle.first + min(same, place.width)}"
                raise SecurityError("audit-changed", said)
            self._wanted.discard(str(place))

    def _listed(self, full: Place) -> list[Place]:
        """What lies in the folder of its parts; what does not belong there is found later, by its name."""
        try:
            names = sorted(one.name for one in (self._folder / full.partials).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        places = [Place.parse(f"{full.partials}/{name}") for name in names]
        return [one for one in places if one is not None]

    def look_for_others(self) -> int:
        """How many files there are; each has its place in the tree. Raises ``SecurityError`` audit-changed."""
        size = self.edge.size
        count = 0
        for folder, folders, names in os.walk(self._folder):
            links = [name for name in folders if (Path(folder) / name).is_symlink()]
            for name in (*links, *names):
                path = str((Path(folder) / name).relative_to(self._folder))
                place = Place.parse(path)
                count += 1
                if path == FILE_NAME:
                    continue
                if (
                    place is not None
                    and place.level == ENTRIES
                    and place.width == WIDTH
                    and place.index == size // WIDTH
                ):
                    continue
                if place is None or not is_within(place, size) or name in links:
                    said = "is not what a log consists of" if place is None else f"does not follow from {size} records"
                    raise SecurityError("audit-changed", f"{path} {said}")
        return count
