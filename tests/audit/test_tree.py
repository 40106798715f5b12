"""Hashes and proofs: the known trees, the definition itself, and every proof of every small tree."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.audit.tiles import Edge
from kwartier.audit.tree import (
    EMPTY_ROOT,
    MAX_PATH,
    check_consistency,
    check_inclusion,
    consistency,
    fold,
    inclusion,
    leaf_hash,
    node_hash,
    tree_hash,
)
from kwartier.errors import SecurityError

KNOWN_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
KNOWN_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""The trees with which logs of Certificate Transparency have been tested since the first."""
MOST = 70
LEAVES = [leaf_hash(f"{number}".encode()) for number in range(MOST)]
WIDE = 600
"""So many that there is more than one tile."""


def defined(leaves: list[bytes]) -> bytes:
    """MTH as RFC 9162, section 2.1.1, writes it down."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else EMPTY_ROOT
    k = max(1 << n for n in range(len(leaves).bit_length()) if 1 << n < len(leaves))
    return node_hash(defined(leaves[:k]), defined(leaves[k:]))


ROOTS = [defined(LEAVES[:size]) for size in range(MOST + 1)]


def nodes(height: int, index: int) -> bytes:
    return fold(LEAVES[index << height : (index + 1) << height])


def refused(check: object) -> None:
    assert callable(check)
    with pytest.raises(SecurityError) as caught:
        check()
    assert caught.value.code == "bad-proof"


@pytest.mark.parametrize("size", range(9))
def test_the_known_trees_have_their_known_roots(size: int) -> None:
    leaves = [leaf_hash(bytes.fromhex(one)) for one in KNOWN_LEAVES[:size]]
    assert defined(leaves).hex() == KNOWN_ROOTS[size]
    edge = Edge()
    for leaf in leaves:
        edge.add(leaf)
    assert edge.root().hex() == KNOWN_ROOTS[size]


@pytest.mark.parametrize("size", range(MOST + 1))
def test_a_tree_hashes_as_it_is_defined(size: int) -> None:
    assert tree_hash(nodes, 0, size) == ROOTS[size]


@pytest.mark.parametrize("size", range(1, MOST + 1))
def test_every_record_of_every_small_tree_is_proven_and_no_other(size: int) -> None:
    for index in range(size):
        path = inclusion(nodes, index, size)
        assert len(path) <= (size - 1).bit_length() <= MAX_PATH
        check_inclusion(LEAVES[index], index, size, path, ROOTS[size])
        refused(
            lambda index=index, path=path: check_inclusion(
                LEAVES[index - 1] if index else bytes(32), index, size, path, ROOTS[size]
            )
        )
        refused(lambda index=index, path=path: check_inclusion(LEAVES[index], size, size, path, ROOTS[size]))
        refused(lambda index=index, path=path: check_inclusion(LEAVES[index], -1, size, path, ROOTS[size]))
        refused(
            lambda index=index, path=path: check_inclusion(LEAVES[index], index, size, [*path, bytes(32)], ROOTS[size])
        )
        for other in set(range(size)) - {index}:
            refused(
                lambda other=other, index=index, path=path: check_inclusion(
                    LEAVES[index], other, size, path, ROOTS[size]
                )
            )
        for cut in range(len(path)):
            broken = [*path[:cut], bytes(32), *path[cut + 1 :]]
            refused(lambda index=index, broken=broken: check_inclusion(LEAVES[index], index, size, broken, ROOTS[size]))
            refused(
                lambda index=index, path=path, cut=cut: check_inclusion(
                    LEAVES[index], index, size, path[:cut], ROOTS[size]
                )
            )


@pytest.mark.parametrize("new", range(MOST + 1))
def test_every_small_tree_is_shown_to_continue_each_before_it_and_no_other(new: int) -> None:
    for old in range(new + 1):
        path = consistency(nodes, old, new)
        check_consistency(old, new, ROOTS[old], ROOTS[new], path)
        refused(lambda old=old, path=path: check_consistency(old, new, bytes(32), ROOTS[new], path))
        refused(lambda old=old, path=path: check_consistency(old, new, ROOTS[old], ROOTS[new], [*path, bytes(32)]))
        if old:
            refused(lambda old=old, path=path: check_consistency(old, new, ROOTS[old], bytes(32), path))
        for cut in range(len(path)):
            broken = [*path[:cut], bytes(32), *path[cut + 1 :]]
            refused(lambda old=old, broken=broken: check_consistency(old, new, ROOTS[old], ROOTS[new], broken))
            refused(lambda old=old, path=path, cut=cut: check_consistency(old, new, ROOTS[old], ROOTS[new], path[:cut]))


def test_a_smaller_tree_continues_no_larger_one() -> None:
    refused(lambda: check_consistency(5, 4, ROOTS[5], ROOTS[4], []))
    refused(lambda: check_consistency(-1, 4, ROOTS[0], ROOTS[4], []))


@given(sizes=st.lists(st.integers(0, WIDE), min_size=2, max_size=6, unique=True).map(sorted), data=st.data())
def test_the_edge_of_a_growing_tree_and_its_tiles_give_the_same_hashes(sizes: list[int], data: st.DataObject) -> None:
    leaves = [leaf_hash(f"{number}".encode()) for number in range(sizes[-1])]

    def wide(height: int, index: int) -> bytes:
        return fold(leaves[index << height : (index + 1) << height])

    edge = Edge()
    roots: dict[int, bytes] = {}
    for leaf in [*leaves, None]:
        if edge.size in sizes:
            roots[edge.size] = edge.root()
            assert roots[edge.size] == defined(leaves[: edge.size])
        if leaf is not None:
            edge.add(leaf)
    for old, new in pairwise(sizes):
        check_consistency(old, new, roots[old], roots[new], consistency(wide, old, new))
    if sizes[-1]:
        index = data.draw(st.integers(0, sizes[-1] - 1))
        check_inclusion(leaves[index], index, sizes[-1], inclusion(wide, index, sizes[-1]), roots[sizes[-1]])
