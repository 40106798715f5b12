"""Lists of who was in a use of many: one file a list, its name proves it, and without its day's key it is nothing."""

import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.audit.tree import check_inclusion, leaf_hash, node_hash
from kwartier.errors import SecurityError
from kwartier.gate.members import LEAF_IDS, Members
from tests.store.test_reader import Keys

DAY = date(2026, 11, 24)


@given(st.sets(st.integers(-(1 << 63), (1 << 63) - 1), max_size=50))
def test_a_list_comes_back_as_it_was_under_the_name_that_is_its_root(ids: set[int]) -> None:
    wanted = np.array(sorted(ids), np.int64)
    with tempfile.TemporaryDirectory() as folder:
        members = Members(Path(folder), None)
        root = members.keep(DAY, wanted)
        assert members.ids(DAY, root).tolist() == wanted.tolist()
        assert members.keep(DAY, wanted) == root
        assert [path.name for path in Path(folder).glob("*/*")] == [root]


def test_a_root_is_that_of_a_tree_with_a_thousand_ids_a_leaf(tmp_path: Path) -> None:
    ids = np.arange(2 * LEAF_IDS + 1, dtype=np.int64)
    root = bytes.fromhex(Members(tmp_path, None).keep(DAY, ids))
    leaves = [
        leaf_hash(ids[first : first + LEAF_IDS].astype(">i8").tobytes()) for first in range(0, len(ids), LEAF_IDS)
    ]
    check_inclusion(leaves[2], 2, 3, [node_hash(leaves[0], leaves[1])], root)


def test_a_list_that_was_changed_or_put_in_the_place_of_another_is_refused(tmp_path: Path) -> None:
    members = Members(tmp_path, None)
    first, second = (members.keep(DAY, np.array(ids, np.int64)) for ids in ([1, 2], [1, 3]))
    place = tmp_path / f"{DAY}"
    (place / first).write_bytes((place / second).read_bytes())
    with pytest.raises(SecurityError):
        members.ids(DAY, first)
    assert members.ids(DAY, second).tolist() == [1, 3]


def test_a_list_is_encrypted_with_its_day_and_goes_with_it(tmp_path: Path) -> None:
    keys = Keys()
    members = Members(tmp_path, keys)
    ids = np.array([5, 77, 1 << 40], np.int64)
    root = members.keep(DAY, ids)
    (path,) = (tmp_path / f"{DAY}").iterdir()
    assert ids.astype(">i8").tobytes() not in path.read_bytes()
    assert members.ids(DAY, root).tolist() == ids.tolist()
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(SecurityError):
        members.ids(DAY, root)
    members.drop(DAY)
    members.drop(DAY)
    assert members.ids(DAY, root).tolist() == []
    assert list(tmp_path.iterdir()) == []
