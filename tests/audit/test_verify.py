"""Every byte counts: each is changed, each file removed, cut, lengthened and swapped; each time file and record are named."""

import itertools
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kwartier.audit.checkpoint import FILE_NAME, Checkpoint
from kwartier.audit.log import Log
from kwartier.audit.note import Signer, new_key
from kwartier.audit.proof import read_checkpoint
from kwartier.audit.tiles import MAX_RECORD_BYTES, Edge, pack, unpack
from kwartier.audit.tree import leaf_hash
from kwartier.audit.verify import Verified, verify
from kwartier.errors import InputError, KwartierError, SecurityError
from tests.audit.making import KEY, LOG, WITNESS, Timer, make_log, record, records

SMALL, WIDE = 5, 260
"""Sizes of logs: within a bundle, and beyond one."""


def found(folder: Path) -> Verified:
    return verify(folder, KEY, [WITNESS.verifier])


def make(folder: Path, size: int) -> Path:
    """A log of ``size`` records whose checkpoint the witness has signed."""
    make_log(folder, [size])
    sign(folder)
    return folder


def sign(folder: Path) -> None:
    made = read_checkpoint(folder, KEY)
    (folder / FILE_NAME).write_text(str(made.signed([WITNESS.sign(made.text, at=1_000)])))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("small") / "audit", SMALL)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("wide") / "audit", WIDE)


def every_file(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def complaint(folder: Path) -> str:
    """What is said of a folder in which something is wrong."""
    with pytest.raises(SecurityError) as caught:
        found(folder)
    return caught.value.detail


def named(folder: Path, path: Path) -> bool:
    """Whether the complaint names the file, and a record unless the file is the checkpoint."""
    said = complaint(folder)
    name = str(path.relative_to(folder))
    has_record = re.search(r"records? (from )?\d+|\d+ records", said) is not None
    return name in said and (has_record or name == FILE_NAME)


def changed(folder: Path, path: Path, octets: bytes) -> Iterator[None]:
    """While the caller looks, the file holds other bytes."""
    before = path.read_bytes()
    path.write_bytes(octets)
    try:
        yield
    finally:
        path.write_bytes(before)


def every_change(folder: Path, step: int = 1) -> Iterator[Path]:
    """Each file with one byte changed, at every ``step``-th place."""
    for path in every_file(folder):
        octets = path.read_bytes()
        for at in range(0, len(octets), step):
            other = bytearray(octets)
            other[at] ^= 1 << at % 8
            for _ in changed(folder, path, bytes(other)):
                yield path


def test_a_log_that_nobody_touched_is_as_it_should_be(small: Path, wide: Path) -> None:
    for folder, size in ((small, SMALL), (wide, WIDE)):
        told: list[tuple[int, int]] = []
        result = verify(folder, KEY, [WITNESS.verifier], progress=lambda done, of, told=told: told.append((done, of)))  # type: ignore[misc]  # a default of a lambda has no type
        assert (result.records, result.covered, result.unfinished_bytes) == (size, size, 0)
        assert (result.witnessed, result.unchecked, result.seen) == ((1_000,), (), None)
        assert result.files == len(every_file(folder))
        assert told[-1] == (size, size)


def test_each_byte_of_each_file_that_is_changed_is_found_and_named(small: Path) -> None:
    count = 0
    for path in every_change(small):
        assert named(small, path), path
        count += 1
    assert count == sum(path.stat().st_size for path in every_file(small))


def test_bytes_of_a_log_of_several_bundles_that_are_changed_are_found_and_named(wide: Path) -> None:
    for path in every_change(wide, step=97):
        assert named(wide, path), path


@pytest.mark.long
def test_each_byte_of_a_log_of_several_bundles_that_is_changed_is_found_and_named(wide: Path) -> None:
    for path in every_change(wide):
        assert named(wide, path), path


def test_each_file_that_is_cut_or_lengthened_is_found_and_named(small: Path, wide: Path) -> None:
    for folder, step in ((small, 1), (wide, 211)):
        for path in every_file(folder):
            octets = path.read_bytes()
            lengths = set(range(0, len(octets), step))
            for other in [*(octets[:length] for length in lengths), octets + b"\n", octets + bytes(32), octets * 2]:
                if path.name == "000" and folder == small and other[: len(octets)] == octets:
                    continue  # behind the last record there may be part of another, which nobody was told is there
                if path.name == "001" and "entries" in str(path) and other[: len(octets)] == octets:
                    continue
                for _ in changed(folder, path, other):
                    assert named(folder, path), (path, len(other))


def test_bytes_behind_the_last_record_are_counted_as_unfinished(small: Path) -> None:
    path = small / "tile/entries/000"
    for _ in changed(small, path, path.read_bytes() + b"\x00\x20half"):
        assert found(small).unfinished_bytes == 6
    for _ in changed(small, path, path.read_bytes() + pack([b"more"])):
        result = found(small)
        assert (result.records, result.covered) == (SMALL + 1, SMALL)


def test_each_file_that_is_removed_is_found_and_named(small: Path, wide: Path) -> None:
    for folder in (small, wide):
        for path in every_file(folder):
            octets = path.read_bytes()
            path.unlink()
            assert named(folder, path), path
            path.write_bytes(octets)


def test_each_folder_that_is_removed_is_found(wide: Path, tmp_path: Path) -> None:
    for path in sorted(path for path in wide.rglob("*") if path.is_dir()):
        kept = tmp_path / "kept"
        shutil.move(path, kept)
        assert complaint(wide)
        shutil.move(kept, path)
    assert found(wide).records == WIDE


def test_each_two_files_that_are_swapped_are_found(wide: Path) -> None:
    for one, other in itertools.combinations(every_file(wide), 2):
        first, second = one.read_bytes(), other.read_bytes()
        if first == second:
            continue
        for _ in changed(wide, one, second):
            for _ in changed(wide, other, first):
                assert named(wide, one) or named(wide, other), (one, other)


def test_records_that_change_places_are_found_and_named(small: Path, wide: Path) -> None:
    path = small / "tile/entries/000"
    there, _ = unpack(path.read_bytes())
    for one, other in itertools.combinations(range(SMALL), 2):
        moved = list(there)
        moved[one], moved[other] = moved[other], moved[one]
        for _ in changed(small, path, pack(moved)):
            assert f"record {one}" in complaint(small)
    bundle = wide / "tile/entries/000"
    whole, _ = unpack(bundle.read_bytes())
    for _ in changed(wide, bundle, pack([*whole[:100], whole[101], whole[100], *whole[102:]])):
        assert "record 100" in complaint(wide)
    for _ in changed(wide, bundle, pack([*whole[:100], *whole[101:]])):
        assert "record 100" in complaint(wide)
    for _ in changed(wide, bundle, pack([*whole[:100], whole[100], *whole[100:]])):
        assert "record 101" in complaint(wide)


@pytest.mark.parametrize(
    "name",
    [
        "more",
        "checkpoint.new",
        ".hidden",
        "tile/more",
        "tile/0/001",
        "tile/entries/002",
        "tile/1/000",
        "tile/0/001.p/5",
        "tile/0/000.p/junk",
        "tile/2/000.p/1",
        "tile/entries/001.p/200",
    ],
)
def test_a_file_that_does_not_belong_there_is_found_and_named(wide: Path, name: str) -> None:
    path = wide / name
    is_fresh = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(32))
    assert name in complaint(wide)
    path.unlink()
    if is_fresh:
        path.parent.rmdir()
        if path.parent.parent.name == "2":
            path.parent.parent.rmdir()
    assert found(wide).records == WIDE


def test_a_link_that_does_not_belong_there_is_found(wide: Path, tmp_path: Path) -> None:
    (wide / "elsewhere").symlink_to(tmp_path, target_is_directory=True)
    assert "elsewhere" in complaint(wide)
    (wide / "elsewhere").unlink()


def test_what_an_earlier_checkpoint_needed_may_stay_and_is_checked(tmp_path: Path) -> None:
    """A mirror that never deletes has it, and a log that was killed before it tidied up."""
    folder = make_log(tmp_path / "audit", [3])
    mirror = shutil.copytree(folder, tmp_path / "mirror")
    for size in (7, 300):
        with Log(folder, LOG, later=Timer()) as log:
            log.append(records(size - log.size, log.size))
        shutil.copytree(folder, mirror, dirs_exist_ok=True)
        assert verify(mirror, KEY).covered == size
    for name in ("tile/0/000.p/3", "tile/entries/000.p/7"):
        path = mirror / name
        octets = bytearray(path.read_bytes())
        octets[-1] ^= 1
        for _ in changed(mirror, path, bytes(octets)):
            with pytest.raises(SecurityError, match=name):
                verify(mirror, KEY)


def test_tiles_before_their_checkpoint_are_what_the_records_say(tmp_path: Path) -> None:
    """A log that was killed between tiles and checkpoint has them already; what is in them is checked as everywhere."""
    folder = make_log(tmp_path / "audit", [3])
    earlier = (folder / FILE_NAME).read_bytes()
    with Log(folder, LOG, later=Timer()) as log:
        log.append(records(400, 3))
    later = (folder / FILE_NAME).read_bytes()
    kept = folder / "tile/0/000.p/3"
    kept.parent.mkdir()
    kept.write_bytes(b"".join(leaf_hash(record(number)) for number in range(3)))
    bundle = folder / "tile/entries/000.p/3"
    bundle.parent.mkdir()
    bundle.write_bytes(pack(records(3)))
    (folder / FILE_NAME).write_bytes(earlier)
    result = verify(folder, KEY)
    assert (result.records, result.covered) == (403, 3)
    tile = folder / "tile/0/000"
    octets = bytearray(tile.read_bytes())
    octets[40 * 32] ^= 1
    for _ in changed(folder, tile, bytes(octets)):
        with pytest.raises(SecurityError, match="record 40"):
            verify(folder, KEY)
    (folder / FILE_NAME).write_bytes(later)


def test_records_that_nobody_signed_are_counted_and_have_to_be_whole(tmp_path: Path) -> None:
    folder = make_log(tmp_path / "audit", [3])
    log = Log(folder, LOG, later=Timer())
    log.append(records(600, 3))
    result = verify(folder, KEY)
    assert (result.records, result.covered) == (603, 3)
    path = folder / "tile/entries/001"
    octets = path.read_bytes()
    for other in (octets[:-1], octets + b"x", octets[:2] + b"\xff" + octets[2:], b""):
        for _ in changed(folder, path, other):
            with pytest.raises(SecurityError, match=r"tile/entries/00[12]"):
                verify(folder, KEY)
    log.close()


def history(folder: Path, signer: Signer, changed_records: list[bytes]) -> None:
    """Another history, with whatever key: every file is as it should be."""
    shutil.rmtree(folder, ignore_errors=True)
    with Log(folder, signer, later=Timer()) as log:
        log.append(changed_records)


def test_a_history_rewritten_with_another_key_is_found(tmp_path: Path) -> None:
    folder = make_log(tmp_path / "audit", [20])
    history(folder, Signer(new_key(KEY.name)), records(20))
    with pytest.raises(SecurityError) as caught:
        verify(folder, KEY)
    assert caught.value.code == "not-signed"


def code(act: Callable[[], object]) -> str:
    with pytest.raises(KwartierError) as caught:
        act()
    return caught.value.code


@pytest.mark.parametrize("size", [20, 300])
def test_a_history_rewritten_with_the_key_is_found_by_what_the_witness_has_seen(tmp_path: Path, size: int) -> None:
    folder = make_log(tmp_path / "audit", [size])
    sign(folder)
    seen = read_checkpoint(folder, KEY)
    for other in (
        [*records(size - 1), b"other"],
        [b"other", *records(size - 1, 1)],
        [b"other", *records(size + 30, 1)],
        [*records(3), *records(size + 9, 4)],
    ):
        history(folder, LOG, other)
        assert verify(folder, KEY).records == len(other)
        assert code(lambda: verify(folder, KEY, seen=seen)) == "audit-rewritten"
        assert code(lambda: found(folder)) == "not-cosigned"
        # The signature of the witness beneath the old checkpoint does not fit the new one.
        mine = read_checkpoint(folder, KEY)
        (folder / FILE_NAME).write_text(str(mine.signed(seen.signatures[1:])))
        assert code(lambda: found(folder)) == "bad-signature"


def test_a_tail_that_was_cut_is_found_by_what_the_witness_has_seen(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    make_log(folder, [290])
    sign(folder)
    before = shutil.copytree(folder, tmp_path / "before")
    with Log(folder, LOG, later=Timer()) as log:
        log.append(records(30, 290))
    seen = read_checkpoint(folder, KEY)
    assert verify(folder, KEY, seen=seen).seen == 320
    assert found(before).records == 290
    assert code(lambda: verify(before, KEY, seen=seen)) == "audit-cut"
    history(folder, LOG, records(310))
    assert code(lambda: verify(folder, KEY, seen=seen)) == "audit-cut"
    history(folder, LOG, records(330))
    assert verify(folder, KEY, seen=seen).seen == 320


def test_a_checkpoint_that_was_set_back_is_found(tmp_path: Path) -> None:
    """Its older signatures hold; but the files that it needs are gone, and the witness has seen more."""
    folder = make_log(tmp_path / "audit", [3])
    sign(folder)
    earlier = (folder / FILE_NAME).read_bytes()
    with Log(folder, LOG, later=Timer()) as log:
        log.append(records(4, 3))
    seen = read_checkpoint(folder, KEY)
    (folder / FILE_NAME).write_bytes(earlier)
    assert code(lambda: found(folder)) == "audit-changed"
    assert code(lambda: verify(folder, KEY, seen=seen)) == "audit-cut"


def test_a_root_that_the_records_do_not_have_is_found_even_if_it_is_signed(small: Path) -> None:
    made = Checkpoint(origin=KEY.name, size=SMALL, root=bytes(32))
    for _ in changed(small, small / FILE_NAME, str(made.signed([LOG.sign(made.text)])).encode()):
        with pytest.raises(SecurityError, match="checkpoint has signed other records"):
            verify(small, KEY)


def test_signatures_that_cannot_be_checked_are_told_or_refused(small: Path) -> None:
    assert verify(small, KEY).unchecked == (WITNESS.name,)
    text = (small / FILE_NAME).read_text()
    lines = text.splitlines(keepends=True)
    stranger = Signer(new_key("stranger")).sign(read_checkpoint(small, KEY).text)
    swapped = "".join([*lines[:4], lines[5], lines[4]])
    for other in (text + lines[4], text + lines[5], text + str(stranger), swapped):
        for _ in changed(small, small / FILE_NAME, other.encode()):
            assert FILE_NAME in complaint(small)


def test_a_folder_that_is_no_log_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        verify(tmp_path / "nothing", KEY)
    with pytest.raises(SecurityError, match="checkpoint is missing"):
        verify(tmp_path, KEY)


def test_a_log_may_be_verified_while_it_grows(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    going = threading.Event()
    with Log(folder, LOG, later=Timer()) as log:

        def grow() -> None:
            while not going.is_set():
                log.append(records(50, log.size))
                log.checkpoint()

        growing = threading.Thread(target=grow)
        growing.start()
        try:
            sizes = [verify(folder, KEY).covered for _ in range(30)]
        finally:
            going.set()
            growing.join()
    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[0]


def test_a_large_log_is_verified_in_bounded_memory(tmp_path: Path) -> None:
    """What is held is the edge of the tree, whatever the number of records."""
    edge = Edge()
    for number in range(70_000):
        edge.add(leaf_hash(number.to_bytes(4, "big")))
    assert sum(len(row) for row in edge.rows) < 3 * 256
    folder = tmp_path / "audit"
    with Log(folder, LOG, later=Timer()) as log:
        log.append([bytes([1]) * MAX_RECORD_BYTES] * 300)
    assert verify(folder, KEY).records == 300


def test_files_that_others_own_are_named(small: Path) -> None:
    """A folder in the place of a file cannot be read as one."""
    path = small / "tile/0" / f"000.p/{SMALL}"
    kept = path.read_bytes()
    path.unlink()
    path.mkdir()
    assert f"000.p/{SMALL}" in complaint(small)
    path.rmdir()
    path.write_bytes(kept)
    assert os.listdir(path.parent) == [f"{SMALL}"]  # noqa: PTH208 - names are what is compared
