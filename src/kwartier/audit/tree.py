"""A Merkle tree over records: its hashes, and proofs that a record is in it or that it continues an older tree.

RFC 9162, section 2.1, with SHA-256. Nothing is stored here: proofs are made over any source that knows the hashes of perfect
subtrees, and checked with nothing but numbers and hashes. A check that fails raises; none returns a truth value.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256

from kwartier.errors import SecurityError

HASH_BYTES = 32
MAX_PATH = 63
"""Hashes in a proof: more would need a tree that nobody can build."""
EMPTY_ROOT = sha256(b"").digest()

Nodes = Callable[[int, int], bytes]
"""Height and index -> the hash over the records from ``index << height`` up to ``(index + 1) << height``."""


def leaf_hash(record: bytes) -> bytes:
    """The hash of one record."""
    return sha256(b"\x00" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two neighbours."""
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """The hash over a power of two of neighbours."""
    row = hashes
    while len(row) > 1:
        row = [sha256(b"\x01" + row[at] + row[at + 1]).digest() for at in range(0, len(row), 2)]
    return row[0]


def tree_hash(nodes: Nodes, start: int, end: int) -> bytes:
    """The hash over the records from ``start`` up to ``end``, which begin at a place where a subtree does."""
    count = end - start
    if count == 0:
        return EMPTY_ROOT
    if count & (count - 1) == 0:
        height = count.bit_length() - 1
        return nodes(height, start >> height)
    middle = start + _split(count)
    return node_hash(tree_hash(nodes, start, middle), tree_hash(nodes, middle, end))


def _split(count: int) -> int:
    """The largest power of two below ``count``."""
    return 1 << (count - 1).bit_length() - 1


def inclusion(nodes: Nodes, index: int, size: int) -> list[bytes]:
    """The hashes that lead from record ``index`` to the root over ``size`` records, the leaf's neighbour first (2.1.3.1)."""
    start, end = 0, size
    path: list[bytes] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(tree_hash(nodes, middle, end))
            end = middle
        else:
            path.append(tree_hash(nodes, start, middle))
            start = middle
    return path[::-1]


def consistency(nodes: Nodes, old: int, new: int) -> list[bytes]:
    """The hashes that show that the tree over ``new`` records begins with the one over ``old`` (2.1.4.1)."""
    start, end = 0, new
    path: list[bytes] = []
    while 0 < old < end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(tree_hash(nodes, middle, end))
            end = middle
        else:
            path.append(tree_hash(nodes, start, middle))
            start = middle
    if start:
        path.append(tree_hash(nodes, start, end))
    return path[::-1]


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Raises ``SecurityError`` bad-proof unless ``path`` leads from record ``index`` to ``root`` (2.1.3.2)."""
    if not 0 <= index < size:
        raise SecurityError("bad-proof", f"record {index} is not among the first {size}")
    at, last, found = index, size - 1, leaf
    for one in path:
        if last == 0:
            raise SecurityError("bad-proof", f"the proof of record {index} has more hashes than the tree is high")
        if at & 1 or at == last:
            found = node_hash(one, found)
            at, last = _where_right(at, last)
        else:
            found = node_hash(found, one)
        at, last = at >> 1, last >> 1
    if last or found != root:
        raise SecurityError("bad-proof", f"the proof of record {index} does not lead to the root over {size} records")


def check_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> None:
    """Raises ``SecurityError`` bad-proof unless ``path`` shows that ``new`` records continue the ``old`` ones (2.1.4.2)."""
    said = f"the tree over {new} records is not shown to continue the one over {old}"
    if not 0 <= old <= new:
        raise SecurityError("bad-proof", said)
    if old in (0, new):
        if path or old_root != (new_root if old else EMPTY_ROOT):
            raise SecurityError("bad-proof", said)
        return
    hashes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not hashes:
        raise SecurityError("bad-proof", said)
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = hashes[0]
    for one in hashes[1:]:
        if last == 0:
            raise SecurityError("bad-proof", said)
        if at & 1 or at == last:
            before, after = node_hash(one, before), node_hash(one, after)
            at, last = _where_right(at, last)
        else:
            after = node_hash(after, one)
        at, last = at >> 1, last >> 1
    if last or before != old_root or after != new_root:
        raise SecurityError("bad-proof", said)


def _where_right(at: int, last: int) -> tuple[int, int]:
    """Up the tree to where the node is a right one: a node without a neighbour is its own parent."""
    while at and not at & 1:
        at, last = at >> 1, last >> 1
    return at, last
