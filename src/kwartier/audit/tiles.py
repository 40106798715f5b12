"""The tree as files: hashes in tiles of 256, records in bundles of 256 (C2SP tlog-tiles).

``tile/L/N`` holds the hashes of level L, each over 256 of the level below; ``tile/entries/N`` the records. The last of a level,
not full yet, lies as ``N.p/W`` with its first W. Of a tree only its right edge is ever in memory: the hashes of those last
tiles. A bundle that grows already has the name that it will have when it is full; a reader asks for it when a checkpoint covers
it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kwartier.audit.checkpoint import read_bounded
from kwartier.audit.tree import HASH_BYTES, fold, tree_hash
from kwartier.errors import SecurityError

WIDTH = 256
TILE_BYTES = WIDTH * HASH_BYTES
HEIGHT = 8
"""Levels of the tree in a tile."""
LENGTH_BYTES = 2
MAX_RECORD_BYTES = 8_192
"""Of a record; the format has room for 65 535."""
MAX_BUNDLE_BYTES = WIDTH * (LENGTH_BYTES + MAX_RECORD_BYTES)
ENTRIES = -1
"""The level of the bundles."""
MAX_LEVEL = 7
TILE = "tile"
_PATH = re.compile(r"tile/(entries|[0-7])/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A file of the tree: level, number, and how many hashes or records it holds."""

    level: int
    index: int
    width: int = WIDTH

    def __str__(self) -> str:
        digits = f"{self.index:d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        number = "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])
        level = "entries" if self.level == ENTRIES else f"{self.level}"
        return f"{TILE}/{level}/{number}" + (f".p/{self.width}" if self.width < WIDTH else "")

    @property
    def first(self) -> int:
        """The first record that it is over."""
        return self.index << HEIGHT * (max(self.level, 0) + 1)

    @property
    def partials(self) -> str:
        """The folder of what it held before it was full."""
        return f"{Place(level=self.level, index=self.index)}.p"

    @classmethod
    def parse(cls, path: str) -> "Place | None":
        """The place that ``path``, below the log's folder, names; None where it names none."""
        found = _PATH.fullmatch(path)
        if found is None:
            return None
        level = ENTRIES if found[1] == "entries" else int(found[1])
        place = cls(level=level, index=int(re.sub("[x/]", "", found[2])), width=int(found[3] or WIDTH))
        return place if str(place) == path else None


def last_places(size: int) -> list[Place]:
    """The files that are not full in a tree of ``size`` records."""
    bundle = Place(level=ENTRIES, index=size // WIDTH, width=size % WIDTH)
    tiles = [
        Place(level=level, index=size >> HEIGHT * (level + 1), width=(size >> HEIGHT * level) % WIDTH)
        for level in range(MAX_LEVEL + 1)
    ]
    return [one for one in (bundle, *tiles) if one.width]


def is_within(place: Place, size: int) -> bool:
    """Whether a tree of ``size`` records has ``place``, or had it when it was smaller."""
    hashes = size >> HEIGHT * max(place.level, 0)
    return place.index * WIDTH + place.width <= hashes


# Bundles of records


def pack(records: Sequence[bytes]) -> bytes:
    """Records as they lie in a bundle, each behind its length."""
    return b"".join(len(one).to_bytes(LENGTH_BYTES, "big") + one for one in records)


def unpack(octets: bytes, most: int = WIDTH) -> tuple[list[bytes], int]:
    """The records that are whole, at most ``most`` of them, and how many bytes they take; the rest is torn, or no record."""
    records: list[bytes] = []
    at = 0
    while len(records) < most:
        begin = at + LENGTH_BYTES
        length = int.from_bytes(octets[at:begin], "big")
        if not 0 < length <= MAX_RECORD_BYTES or begin + length > len(octets):
            break
        records.append(octets[begin : begin + length])
        at = begin + length
    return records, at


# The right edge


class Edge:
    """The right edge of a tree that grows: the hashes of its last tiles, of which none is full."""

    __slots__ = ("rows", "size")

    def __init__(self) -> None:
        self.size = 0
        self.rows: list[list[bytes]] = [[]]
        """Level -> hashes of its last tile, fewer than 256."""

    def add(self, leaf: bytes) -> list[tuple[Place, bytes]]:
        """One more record, by its hash; the tiles that became full."""
        self.size += 1
        row = self.rows[0]
        row.append(leaf)
        return self._full() if len(row) == WIDTH else []

    def _full(self) -> list[tuple[Place, bytes]]:
        done: list[tuple[Place, bytes]] = []
        for level, row in enumerate(self.rows):
            if len(row) < WIDTH:
                break
            index = (self.size >> HEIGHT * (level + 1)) - 1
            done.append((Place(level=level, index=index), b"".join(row)))
            if level + 1 == len(self.rows):
                self.rows.append([])
            self.rows[level + 1].append(fold(row))
            self.rows[level] = []
        return done

    def node(self, height: int, index: int) -> bytes:
        """The hash of a perfect subtree that ends at the edge."""
        level, rest = divmod(height, HEIGHT)
        begin = (index << rest) % WIDTH
        return fold(self.rows[level][begin : begin + (1 << rest)])

    def root(self) -> bytes:
        """The hash over all records."""
        return tree_hash(self.node, 0, self.size)

    def partials(self) -> Iterator[tuple[Place, bytes]]:
        """The last tiles as they are."""
        for place in last_places(self.size):
            if place.level != ENTRIES:
                yield place, b"".join(self.rows[place.level])

    @classmethod
    def read(cls, folder: Path, size: int) -> "Edge":
        """The edge of the tree of ``size`` records in ``folder``. Raises ``SecurityError`` audit-changed."""
        edge = cls()
        edge.size = size
        edge.rows = [[] for _ in range(MAX_LEVEL + 1)]
        for place in last_places(size):
            if place.level != ENTRIES:
                edge.rows[place.level] = _hashes(folder, place)
        return edge


class TileReader:
    """Hashes of the tree of ``size`` records from its files; each tile is read once."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder = folder
        self._size = size
        self._read: dict[tuple[int, int], list[bytes]] = {}

    def node(self, height: int, index: int) -> bytes:
        """The hash of a perfect subtree. Raises ``SecurityError`` audit-changed."""
        level, rest = divmod(height, HEIGHT)
        tile, begin = divmod(index << rest, WIDTH)
        if (level, tile) not in self._read:
            width = min(WIDTH, (self._size >> HEIGHT * level) - tile * WIDTH)
            self._read[level, tile] = _hashes(self._folder, Place(level=level, index=tile, width=width))
        return fold(self._read[level, tile][begin : begin + (1 << rest)])


def _hashes(folder: Path, place: Place) -> list[bytes]:
    """The hashes of a tile; where it is full by now, the first of them."""
    full = Place(level=place.level, index=place.index)
    try:
        octets = (folder / str(place)).read_bytes()
    except FileNotFoundError:
        try:
            octets = (folder / str(full)).read_bytes()[: place.width * HASH_BYTES]
        except FileNotFoundError:
            raise SecurityError("audit-changed", f"{place} is missing, over the records from {place.first}") from None
    if len(octets) != place.width * HASH_BYTES:
        raise SecurityError("audit-changed", f"{place}, over the records from {place.first}, has {len(octets)} bytes")
    return [octets[at : at + HASH_BYTES] for at in range(0, len(octets), HASH_BYTES)]


def read_bundle(folder: Path, index: int, width: int) -> list[bytes]:
    """The first ``width`` records of a bundle. Raises ``SecurityError`` audit-changed."""
    place = Place(level=ENTRIES, index=index)
    try:
        octets = read_bounded(folder / str(place), MAX_BUNDLE_BYTES)
    except FileNotFoundError:
        raise SecurityError("audit-changed", f"{place} is missing, with the records from {place.first}") from None
    records, _ = unpack(octets, width)
    if len(records) < width:
        raise SecurityError("audit-changed", f"{place} ends before record {place.first + len(records)} is whole")
    return records
