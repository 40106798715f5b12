"""Proofs as files: small, checked by a program that knows nothing of ours, and false when anything of them is changed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.audit import proof
from kwartier.audit.checkpoint import FILE_NAME, Checkpoint
from kwartier.audit.proof import Proof, prove, read_checkpoint
from kwartier.audit.tree import check_inclusion, leaf_hash, node_hash, tree_hash
from kwartier.errors import KwartierError, SecurityError
from tests.audit.making import KEY, LOG, WITNESS, make_log, record, second_opinion

WITNESSES = (WITNESS.verifier,)
LARGE = 10_000_000
MOST_BYTES = 2_048
TYPICAL_RECORD = b"{" + b"x" * 300 + b"}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_log(tmp_path_factory.mktemp("proof") / "audit", [100, 600])
    text = read_checkpoint(made, KEY)
    (made / FILE_NAME).write_text(str(text.signed([WITNESS.sign(text.text, at=1_772_582_400)])))
    return made


@pytest.mark.parametrize("index", [0, 1, 99, 255, 256, 511, 512, 598, 599])
def test_a_proof_is_read_back_and_holds_by_two_programs(folder: Path, tmp_path: Path, index: int) -> None:
    file = tmp_path / "proof"
    file.write_text(str(prove(folder, KEY, index)))
    found = Proof.parse(file.read_bytes()).check(KEY, WITNESSES)
    assert (found.index, found.record, found.size, found.witnessed) == (index, record(index), 600, (1_772_582_400,))
    said = second_opinion("proof", file, KEY, *WITNESSES)
    assert (said.returncode, said.stdout) == (0, f"{record(index).decode()}\n"), said.stderr


def test_the_second_program_finds_the_whole_folder_right_and_a_change_wrong(folder: Path) -> None:
    assert second_opinion("folder", folder, KEY, *WITNESSES).stdout == "600\n"
    path = folder / "tile/1/000.p/2"
    octets = path.read_bytes()
    path.write_bytes(octets[::-1])
    assert second_opinion("folder", folder, KEY).returncode == 1
    path.write_bytes(octets)


def test_the_second_program_refuses_what_ours_refuses(folder: Path, tmp_path: Path) -> None:
    text = str(prove(folder, KEY, 7))
    lines = text.splitlines(keepends=True)
    for other in (
        text.replace("index 7", "index 8"),
        "".join([*lines[:3], lines[4], lines[3], *lines[5:]]),
        "".join([*lines[:3], *lines[4:]]),
        text.replace("\n600\n", "\n601\n"),
        text.replace(lines[1], lines[1].replace("c", "d")),
    ):
        assert other != text
        file = tmp_path / "proof"
        file.write_text(other)
        assert second_opinion("proof", file, KEY, *WITNESSES).returncode == 1
        with pytest.raises(SecurityError):
            Proof.parse(file.read_bytes()).check(KEY, WITNESSES)


def test_no_byte_of_a_proof_can_be_changed(folder: Path) -> None:
    octets = str(prove(folder, KEY, 300)).encode()
    for at in range(len(octets)):
        other = bytearray(octets)
        other[at] ^= 1 << at % 8
        with pytest.raises(SecurityError):
            Proof.parse(bytes(other)).check(KEY, WITNESSES)


def test_a_proof_that_is_cut_is_none(folder: Path) -> None:
    octets = str(prove(folder, KEY, 300)).encode()
    for length in range(len(octets)):
        with pytest.raises(SecurityError):
            Proof.parse(octets[:length]).check(KEY, WITNESSES)


@given(st.binary(max_size=200), st.integers(0, 1400), st.integers(0, 1400))
def test_whatever_is_read_as_a_proof_fails_only_as_a_check(folder: Path, other: bytes, start: int, end: int) -> None:
    octets = str(prove(folder, KEY, 300)).encode()
    for one in (other, octets[:start] + other + octets[end:]):
        if one != octets:
            with pytest.raises(SecurityError):
                Proof.parse(one).check(KEY, WITNESSES)


def test_a_proof_without_the_witness_does_not_do_where_one_is_asked_for(folder: Path, tmp_path: Path) -> None:
    made = prove(folder, KEY, 3)
    bare = Proof(index=3, record=made.record, path=made.path, checkpoint=made.checkpoint.signed([]))
    lone = Checkpoint(origin=KEY.name, size=600, root=made.checkpoint.root, signatures=made.checkpoint.signatures[:1])
    bare = Proof(index=3, record=made.record, path=made.path, checkpoint=lone)
    bare.check(KEY)
    with pytest.raises(SecurityError) as caught:
        bare.check(KEY, WITNESSES)
    assert caught.value.code == "not-cosigned"
    file = tmp_path / "proof"
    file.write_text(str(bare))
    assert second_opinion("proof", file, KEY).returncode == 0
    assert second_opinion("proof", file, KEY, *WITNESSES).returncode == 1


def test_a_proof_among_ten_million_records_fits_in_two_kilobytes() -> None:
    """The tree of ten million times the same record: every subtree of a height is the same."""
    heights = [leaf_hash(TYPICAL_RECORD)]
    for _ in range(LARGE.bit_length()):
        heights.append(node_hash(heights[-1], heights[-1]))

    def nodes(height: int, _index: int) -> bytes:
        return heights[height]

    made = Checkpoint(origin=KEY.name, size=LARGE, root=tree_hash(nodes, 0, LARGE))
    signed = made.signed([LOG.sign(made.text), WITNESS.sign(made.text, at=1)])
    whole = proof.make(nodes, 4_321_987, TYPICAL_RECORD, signed)
    assert len(str(whole)) <= MOST_BYTES
    whole.check(KEY, WITNESSES)
    check_inclusion(leaf_hash(TYPICAL_RECORD), 4_321_987, LARGE, whole.path, made.root)


def test_a_proof_is_not_made_of_files_that_do_not_agree(folder: Path) -> None:
    for name in ("tile/0/000", "tile/entries/000"):
        path = folder / name
        octets = path.read_bytes()
        path.write_bytes(octets[:20] + bytes([octets[20] ^ 1]) + octets[21:])
        with pytest.raises(KwartierError) as caught:
            prove(folder, KEY, 1)
        assert caught.value.code == "bad-proof"
        path.unlink()
        with pytest.raises(KwartierError) as caught:
            prove(folder, KEY, 1)
        assert caught.value.code == "audit-changed"
        path.write_bytes(octets)


def test_a_proof_is_begun_anew_where_a_fresh_checkpoint_took_the_tiles_away(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = read_checkpoint(folder, KEY)
    before = Checkpoint(origin=KEY.name, size=100, root=bytes(32))
    said = iter([before, now, now])
    monkeypatch.setattr(proof, "read_checkpoint", lambda *_: next(said))
    assert prove(folder, KEY, 5).checkpoint == now
