"""The log as a program uses it: append, and it is on the disk; the rest comes by itself.

Threads that append at the same time are committed together: whoever comes first writes for all that wait, with one flush for
the whole group. A checkpoint follows soon after the first record that none covers, from a thread of its own that exists
only then, and when the log is closed. Where a check fails - a file was changed, or the witness has seen another history -
nothing is appended any more: what cannot be recorded must not be done. A witness that is away leaves a checkpoint unsigned.
"""

import copy
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from kwartier.audit.checkpoint import FILE_NAME, Checkpoint
from kwartier.audit.note import Signature, Signer, VerifierKey
from kwartier.audit.proof import TRIES, Proof, prove, read_checkpoint
from kwartier.audit.publish import Publisher
from kwartier.audit.tail import Tail, locked
from kwartier.audit.tiles import MAX_RECORD_BYTES, TILE, WIDTH, Edge, TileReader, read_bundle
from kwartier.audit.tree import EMPTY_ROOT, consistency
from kwartier.disk import PRIVATE_FOLDER, write_once
from kwartier.errors import InputError, KwartierError, LinkLost, SecurityError, StateError

CHECKPOINT_AFTER_S = 50.0
"""After the first record that no checkpoint covers; with the time that it takes to make, a minute."""
MAX_APPEND = 65_536
"""Records in one call."""
MAX_GROUP = 16_384
"""Records from which on a group is full."""
ORIGIN = "kwartier"
ORIGIN_BYTES = 8

Later = Callable[[float, Callable[[], None]], Callable[[], None]]
"""Does something after so many seconds, unless what it returns is called before."""
Since = Callable[[int], list[bytes]]
"""The proof that a checkpoint continues the tree over so many records."""


class Witness(Protocol):
    """Who vouches for checkpoints beside the log."""

    @property
    def key(self) -> VerifierKey:
        """Its key."""

    def cosign(self, made: Checkpoint, since: Since) -> Signature:
        """Its signature. Raises ``LinkLost`` witness-away; ``SecurityError`` audit-cut, audit-rewritten, bad-signature."""


def new_origin() -> str:
    """A name for a log that no other has."""
    return f"{ORIGIN}/{secrets.token_hex(ORIGIN_BYTES)}"


def in_background(after_s: float, act: Callable[[], None]) -> Callable[[], None]:
    """Run ``act`` in a thread of its own after a while, which keeps no process from ending."""
    timer = threading.Timer(after_s, act)
    timer.daemon = True
    timer.start()
    return timer.cancel


class _Waiting:
    """What one thread wants to append, and what became of it."""

    __slots__ = ("error", "first", "records")

    def __init__(self, records: Sequence[bytes]) -> None:
        self.records = records
        self.first: int | None = None
        self.error: KwartierError | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether nothing became of it yet."""
        return self.first is None and self.error is None


class Log:
    """The log in ``folder``, which is made where there is none; ``signer`` is its key and names it. Any thread may use it.

    Raises ``SecurityError`` audit-changed and the like where what is there is not this log, or not as it was.
    """

    def __init__(
        self, folder: Path, signer: Signer, witness: Witness | None = None, *, later: Later = in_background
    ) -> None:
        self.folder = folder
        self.key = signer.verifier
        self._signer = signer
        self._witness = witness
        self._later = later
        self._process = os.getpid()
        self._door = threading.Condition(threading.Lock())
        """Guards the queue, who writes, and the timer. Never held while anything is done."""
        self._turn, self._checking = threading.Lock(), threading.Lock()
        """Held by who has the tail, and by who makes a checkpoint; the latter takes both, in reverse order."""
        self._queue: list[_Waiting] = []
        self._is_writing = False
        self._cancel: Callable[[], None] | None = None
        self._wrong: SecurityError | None = None
        self._closed = False
        self.trouble = ""
        """Why the last checkpoint was not made, or not signed by the witness; empty where all is well."""
        _create(folder, signer)
        self._last = read_checkpoint(folder, self.key)
        self._publisher = Publisher(folder)
        self._tail = Tail(folder, self._last.size)
        self._tiles = os.open(folder / TILE, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with self._tail.held(self._last.size):
                pass
        except BaseException:
            self._release()
            raise
        if self._is_behind():
            self._arm(0.0)

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def size(self) -> int:
        """Records in the log, as far as this process knows."""
        return self._tail.size

    def append(self, records: Sequence[bytes]) -> range:
        """Append records next to each other; their numbers. They are on the disk when this returns.

        Raises ``StateError`` bad-record, audit-failed (the disk did not take them), audit-closed, forked-log;
        ``SecurityError`` where a check of this log failed before.
        """
        if len(records) > MAX_APPEND:
            raise StateError("bad-record", f"{len(records)} records at once; at most {MAX_APPEND} are taken")
        for one in records:
            if not 0 < len(one) <= MAX_RECORD_BYTES:
                raise StateError("bad-record", f"a record of {len(one)} bytes; it has to have 1 to {MAX_RECORD_BYTES}")
        self._check_usable()
        mine = _Waiting(records)
        with self._door:
            self._queue.append(mine)
            while self._is_writing and mine.is_waiting:
                self._door.wait()
            if mine.is_waiting:
                self._is_writing = True
        if mine.is_waiting:
            try:
                while mine.is_waiting:
                    self._commit()
            finally:
                with self._door:
                    self._is_writing = False
                    self._door.notify_all()
        if mine.first is None:
            raise copy.copy(mine.error) if mine.error is not None else AssertionError("neither written nor refused")
        return range(mine.first, mine.first + len(records))

    def _commit(self) -> None:
        """Write for all that wait, by the one thread that does."""
        group: list[_Waiting] = []
        count = 0
        with self._door:
            while self._queue and (not group or count + len(self._queue[0].records) <= MAX_GROUP):
                group.append(self._queue.pop(0))
                count += len(group[-1].records)
        try:
            with self._turn:
                self._check_usable()
                with self._tail.held(self._last.size):
                    at = self._tail.write([one for waiting in group for one in waiting.records])
            for waiting in group:
                waiting.first = at
                at += len(waiting.records)
        except KwartierError as error:
            for waiting in group:
                waiting.error = error
        except BaseException:
            for waiting in group:
                waiting.error = StateError("audit-failed", "the writing of records was broken off")
            raise
        else:
            self._arm(CHECKPOINT_AFTER_S)

    def _check_usable(self) -> None:
        if self._closed:
            raise StateError("audit-closed", f"the log in {self.folder} is closed")
        if os.getpid() != self._process:
            raise StateError("forked-log", f"the log in {self.folder} was opened by another process")
        if self._wrong is not None:
            raise copy.copy(self._wrong)

    # Checkpoints

    def checkpoint(self) -> Checkpoint:
        """A checkpoint over all records, signed by the witness too where it can be reached; the present one if nothing is new.

        Raises ``SecurityError`` where a file was changed or the witness has seen another history; then nothing is appended
        any more. ``StateError`` audit-failed where the disk does not take it.
        """
        with self._checking:
            self._check_usable()
            return self._make()

    def _make(self) -> Checkpoint:
        try:
            self.trouble = ""
            self._last = self._cosigned(self._publish())
        except SecurityError as error:
            self._wrong = error
            raise
        except OSError as error:
            raise StateError("audit-failed", f"{self.folder}: no checkpoint is written: {error.strerror}") from None
        return self._last

    def _publish(self) -> Checkpoint:
        with locked(self._tiles):
            before = read_checkpoint(self.folder, self.key)
            with self._turn, self._tail.held(before.size):
                self._tail.sync()
                size = self._tail.size
            if size == before.size:
                return before
            edge = Edge.read(self.folder, before.size)
            if edge.root() != before.root:
                said = f"the last tiles over the first {before.size} records are not those of its checkpoint"
                raise SecurityError("audit-changed", f"{self.folder / TILE}: {said}")
            self._publisher.tiles(edge, size)
            made = Checkpoint(origin=self._signer.name, size=size, root=edge.root())
            made = made.signed([self._signer.sign(made.text)])
            self._publisher.checkpoint(made)
            self._publisher.tidy(before.size, size)
            return made

    def _cosigned(self, made: Checkpoint) -> Checkpoint:
        """With the signature of the witness, where it can be had."""
        for left in reversed(range(TRIES)):
            if self._witness is None or made.size == 0 or made.is_signed_by(self._witness.key):
                break
            try:
                more = self._witness.cosign(made, TileSince(self.folder, made.size))
            except LinkLost as error:
                self.trouble = error.detail
                break
            except SecurityError:
                # Another process of ours may have made a checkpoint since, and had it signed.
                now = read_checkpoint(self.folder, self.key)
                if now.size == made.size or not left:
                    raise
                made = now
                continue
            with locked(self._tiles):
                now = read_checkpoint(self.folder, self.key)
                if now.text == made.text:
                    made = now.signed([more])
                    self._publisher.checkpoint(made)
                else:
                    made = now
        return made

    def _is_behind(self) -> bool:
        """Whether there is something to do for a checkpoint: records that none covers, or a witness that has not signed."""
        unsigned = self._witness is not None and self._last.size and not self._last.is_signed_by(self._witness.key)
        return self.size > self._last.size or bool(unsigned)

    def _arm(self, after_s: float) -> None:
        with self._door:
            if self._cancel is None and not self._closed:
                self._cancel = self._later(after_s, self._on_time)

    def _on_time(self) -> None:
        """In a thread of its own: nobody is there to hear an error, so it is kept for the next who appends, or asks."""
        with self._door:
            self._cancel = None
        try:
            self.checkpoint()
        except KwartierError as error:
            self.trouble = error.detail
        if self._wrong is None and self._is_behind():
            self._arm(CHECKPOINT_AFTER_S)

    def close(self) -> None:
        """Make a last checkpoint and let go of the files. May be called again."""
        if os.getpid() != self._process:
            return
        with self._checking:
            with self._door:
                was_closed, self._closed = self._closed, True
                cancel, self._cancel = self._cancel, None
            if was_closed:
                return
            if cancel is not None:
                cancel()
            try:
                if self._wrong is None:
                    self._make()
            finally:
                with self._turn:
                    self._release()

    def _release(self) -> None:
        self._tail.close()
        os.close(self._tiles)

    # Reading

    def records(self, start: int, end: int) -> Iterator[bytes]:
        """The records from ``start`` up to ``end``. Raises ``InputError`` not-covered where there are not that many."""
        if not 0 <= start <= end <= self.size:
            raise InputError("not-covered", f"records {start} to {end} are not among the {self.size} that there are")
        at = start
        while at < end:
            index, skip = divmod(at, WIDTH)
            width = min(WIDTH, end - index * WIDTH)
            yield from read_bundle(self.folder, index, width)[skip:]
            at = index * WIDTH + width

    def prove(self, index: int) -> Proof:
        """The proof of a record; see :func:`kwartier.audit.proof.prove`."""
        return prove(self.folder, self.key, index)


class TileSince:
    """Makes the proofs that a checkpoint over ``size`` records continues older ones, from the tiles in ``folder``."""

    def __init__(self, folder: Path, size: int) -> None:
        self._tiles = TileReader(folder, size)
        self._size = size

    def __call__(self, old: int) -> list[bytes]:
        """The proof since ``old`` records."""
        return consistency(self._tiles.node, old, self._size)


def _create(folder: Path, signer: Signer) -> None:
    """The folder with a checkpoint over no records, whole or not there: records never lie in a log that nobody signed."""
    if folder.is_dir():
        return
    folder.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    parent = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with locked(parent):
            if folder.is_dir():
                return
            fresh = folder.with_name(f".{folder.name}.fresh")
            shutil.rmtree(fresh, ignore_errors=True)
            for one in (fresh, fresh / TILE):
                one.mkdir(mode=PRIVATE_FOLDER)
            empty = Checkpoint(origin=signer.name, size=0, root=EMPTY_ROOT)
            write_once(fresh / FILE_NAME, str(empty.signed([signer.sign(empty.text)])))
            fresh.rename(folder)
            os.fsync(parent)
    finally:
        os.close(parent)
