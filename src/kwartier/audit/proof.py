"""A proof that a record is in the log, in one small text that is checked with the public keys and nothing else.

C2SP tlog-proof: the record itself as the extra line, its number, the hashes up to the root, and the checkpoint with the
signatures of log and witnesses.
"""

import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kwartier.audit.checkpoint import FILE_NAME, LARGEST, Checkpoint, read_bounded, read_text
from kwartier.audit.note import Note, VerifierKey, from_base64, to_base64
from kwartier.audit.tiles import MAX_RECORD_BYTES, WIDTH, TileReader, read_bundle
from kwartier.audit.tree import HASH_BYTES, MAX_PATH, Nodes, check_inclusion, inclusion, leaf_hash
from kwartier.errors import InputError, SecurityError

HEAD = "c2sp.org/tlog-proof@v1"
MAX_PROOF_BYTES = 2 * MAX_RECORD_BYTES + 65_536
TRIES = 4
"""How often a proof is begun anew because a fresh checkpoint took the tiles of the old one away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a proof that holds says: the record, how many records the checkpoint covers, and when witnesses signed (UTC s)."""

    index: int
    record: bytes
    size: int
    witnessed: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Record ``index``, and how it hashes up to the root in ``checkpoint``."""

    index: int
    record: bytes
    path: tuple[bytes, ...]
    checkpoint: Checkpoint

    def __str__(self) -> str:
        lines = [HEAD, f"extra {to_base64(self.record)}", f"index {self.index}", *map(to_base64, self.path), ""]
        return "\n".join(lines) + f"\n{self.checkpoint}"

    @classmethod
    def parse(cls, octets: bytes) -> "Proof":
        """The proof in ``octets``, of which nothing is checked yet. Raises ``SecurityError`` bad-proof, bad-note."""
        head, gap, note = octets.partition(b"\n\n")
        if not gap or len(octets) > MAX_PROOF_BYTES:
            raise SecurityError("bad-proof", f"{len(octets)} bytes that are no proof")
        try:
            first, extra, index, *hashes = head.decode("ascii").split("\n")
            if first != HEAD or not extra.startswith("extra ") or not index.startswith("index "):
                raise ValueError("lines")
            record, number = from_base64(extra[6:]), int(index[6:])
            path = tuple(from_base64(one) for one in hashes)
            if str(number) != index[6:] or not 0 <= number < LARGEST or len(path) > MAX_PATH:
                raise ValueError("index")
            if any(len(one) != HASH_BYTES for one in path):
                raise ValueError("hashes")
        except (binascii.Error, ValueError):
            raise SecurityError("bad-proof", f"the lines above the checkpoint are not those of {HEAD}") from None
        return cls(index=number, record=record, path=path, checkpoint=read_text(Note.parse(note)))

    def check(self, log: VerifierKey, witnesses: Sequence[VerifierKey] = ()) -> Checked:
        """What the proof shows, given whom to believe; every one of ``witnesses`` has to have signed.

        Raises ``SecurityError`` bad-proof, bad-checkpoint, not-signed, not-cosigned, bad-signature.
        """
        signed = Checkpoint.parse(str(self.checkpoint).encode(), log)
        moments = signed.check(witnesses)
        check_inclusion(leaf_hash(self.record), self.index, signed.size, self.path, signed.root)
        return Checked(index=self.index, record=self.record, size=signed.size, witnessed=tuple(moments))


def make(nodes: Nodes, index: int, record: bytes, checkpoint: Checkpoint) -> Proof:
    """A proof out of any source of hashes."""
    path = inclusion(nodes, index, checkpoint.size)
    return Proof(index=index, record=record, path=tuple(path), checkpoint=checkpoint)


def prove(folder: Path, log: VerifierKey, index: int) -> Proof:
    """The proof of a record in the log in ``folder``, against its present checkpoint; it holds.

    Raises ``InputError`` not-covered, no-audit-log; ``SecurityError`` audit-changed, bad-proof where the files do not agree.
    """
    for left in reversed(range(TRIES)):
        checkpoint = read_checkpoint(folder, log)
        if not 0 <= index < checkpoint.size:
            raise InputError(
                "not-covered", f"the checkpoint covers {checkpoint.size} records, from 0 on; {index} is none"
            )
        try:
            number, at = divmod(index, WIDTH)
            record = read_bundle(folder, number, at + 1)[at]
            made = make(TileReader(folder, checkpoint.size).node, index, record, checkpoint)
            made.check(log)
        except SecurityError:
            if not left or read_checkpoint(folder, log).size == checkpoint.size:
                raise
        else:
            return made
    raise AssertionError("the last try returns or raises")


def read_checkpoint(folder: Path, log: VerifierKey) -> Checkpoint:
    """The present checkpoint of the log in ``folder``.

    Raises ``InputError`` no-audit-log; ``SecurityError`` audit-changed, bad-note, bad-checkpoint, not-signed, bad-signature.
    """
    try:
        return Checkpoint.parse(read_bounded(folder / FILE_NAME), log)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise InputError("no-audit-log", f"{folder / FILE_NAME} cannot be read: {error.strerror}") from None
    except SecurityError as error:
        raise SecurityError(error.code, f"{folder / FILE_NAME}: {error.detail}") from None
    if not folder.is_dir():
        raise InputError("no-audit-log", f"there is no folder {folder}")
    raise SecurityError("audit-changed", f"{folder / FILE_NAME} is missing")
