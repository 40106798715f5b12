"""Checkpoints: the log's own word on how many records it has and what they hash to, as a signed note (C2SP tlog-checkpoint)."""

import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kwartier.audit.note import MAX_NOTE_BYTES, Note, Signature, VerifierKey, from_base64, to_base64
from kwartier.audit.tree import HASH_BYTES
from kwartier.errors import SecurityError

FILE_NAME = "checkpoint"
LARGEST = 1 << 62
"""Sizes beyond this are nonsense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """``size`` records of the log ``origin`` hash to ``root``; and who says so."""

    origin: str
    size: int
    root: bytes
    signatures: tuple[Signature, ...] = ()

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n"

    @property
    def note(self) -> Note:
        """Text and signatures."""
        return Note(text=self.text, signatures=self.signatures)

    def __str__(self) -> str:
        return str(self.note)

    def signed(self, more: Sequence[Signature]) -> "Checkpoint":
        """The same with more signatures; one by a key that had signed already takes the place of the old."""
        keys = {(one.name, one.key_id) for one in more}
        kept = tuple(one for one in self.signatures if (one.name, one.key_id) not in keys)
        return Checkpoint(origin=self.origin, size=self.size, root=self.root, signatures=(*kept, *more))

    def is_signed_by(self, key: VerifierKey) -> bool:
        """Whether a line says it is by ``key``; whether it is, :meth:`check` tells."""
        return any(one.is_by(key) for one in self.signatures)

    @classmethod
    def parse(cls, octets: bytes, key: VerifierKey) -> "Checkpoint":
        """The checkpoint in ``octets``, which the log's ``key`` has signed.

        Raises ``SecurityError`` bad-note, bad-checkpoint, not-signed, bad-signature.
        """
        note = Note.parse(octets)
        note.check(key)
        made = read_text(note)
        if made.origin != key.name:
            raise SecurityError("bad-checkpoint", f"a checkpoint of {made.origin}, signed by {key.name}")
        return made

    def check(self, keys: Sequence[VerifierKey]) -> list[int]:
        """The moments (UTC seconds) at which each of the witnesses ``keys`` signed.

        Raises ``SecurityError`` not-cosigned, bad-signature.
        """
        moments: list[int] = []
        for key in keys:
            if not self.is_signed_by(key):
                raise SecurityError(
                    "not-cosigned", f"the checkpoint over {self.size} records is not signed by {key.name}"
                )
            moments.append(self.note.check(key) or 0)
        return moments


def read_text(note: Note) -> Checkpoint:
    """What a note says as a checkpoint, whoever signed it. Raises ``SecurityError`` bad-checkpoint."""
    lines = note.text.split("\n")
    try:
        if len(lines) != 4 or not lines[0] or not lines[1].isascii() or not lines[1].isdigit():
            raise ValueError("not three lines")
        size, root = int(lines[1]), from_base64(lines[2])
        if str(size) != lines[1] or size > LARGEST or len(root) != HASH_BYTES:
            raise ValueError("size or root")
    except (binascii.Error, ValueError):
        raise SecurityError(
            "bad-checkpoint", "a note that does not say origin, size and root, and nothing else"
        ) from None
    return Checkpoint(origin=lines[0], size=size, root=root, signatures=note.signatures)


def read_bounded(path: Path, most: int = MAX_NOTE_BYTES) -> bytes:
    """A file, but for a byte more than ``most`` at the longest, which tells that it is too long."""
    with path.open("rb") as file:
        return file.read(most + 1)
