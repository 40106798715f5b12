"""The growing end: records are appended to the last bundle and are on the disk before anybody is told that they are.

Processes exclude each other by a lock on the folder itself, so that no file is needed for it. What another process appended is
found by the length of the bundle. A record of which a kill left only a part was promised to nobody: the next writer cuts it
off. A bundle is on the disk before the next one begins, so only the last can be torn. Used by one thread at a time.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kwartier.audit.tiles import ENTRIES, MAX_BUNDLE_BYTES, WIDTH, Place, pack, unpack
from kwartier.disk import PRIVATE_FILE, PRIVATE_FOLDER, sync_folder
from kwartier.errors import Retry, SecurityError, StateError


@contextmanager
def locked(descriptor: int, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    """While the block runs, nobody else has the folder behind ``descriptor`` locked in a way that excludes ``kind``."""
    fcntl.flock(descriptor, kind)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


class Tail:
    """The last bundle of the log in ``folder``, whose first ``covered`` records a checkpoint vouches for."""

    def __init__(self, folder: Path, covered: int) -> None:
        self._folder = folder
        self._lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._file: int | None = None
        self._index = covered // WIDTH
        self._count = 0
        self._bytes = 0
        """Of the last bundle: how many whole records, and how long they are."""

    @property
    def size(self) -> int:
        """Records in the log, as of the last look."""
        return self._index * WIDTH + self._count

    def close(self) -> None:
        """Let go of folder and file."""
        self._forget()
        os.close(self._lock)

    @contextmanager
    def held(self, covered: int) -> Iterator[None]:
        """Nobody else appends while the block runs, and what others appended before is known.

        Raises ``SecurityError`` audit-changed where fewer than ``covered`` records are there, or files are not as they should.
        """
        with locked(self._lock):
            self._catch_up(covered)
            yield

    @property
    def _place(self) -> Place:
        return Place(level=ENTRIES, index=self._index)

    def _catch_up(self, covered: int) -> None:
        while True:
            if self._file is None:
                try:
                    self._file = self._open(0)
                except FileNotFoundError:
                    break
            self._read_on(self._file, covered)
            if self._count < WIDTH:
                break
            self._next()
        if self.size < covered:
            raise SecurityError("audit-changed", f"{self._place} ends before record {self.size}; there were {covered}")

    def _read_on(self, file: int, covered: int) -> None:
        """Whole records that others appended to the bundle; what is torn behind them is cut off."""
        there = os.fstat(file)
        if there.st_nlink == 0 or there.st_size < self._bytes:
            raise SecurityError("audit-changed", f"{self._place} is not what it was before record {self.size}")
        if there.st_size == self._bytes:
            return
        fresh = os.pread(file, MAX_BUNDLE_BYTES + 1, self._bytes)
        records, used = unpack(fresh, WIDTH - self._count)
        self._count += len(records)
        self._bytes += used
        if used == len(fresh):
            return
        after = self._folder / str(Place(level=ENTRIES, index=self._index + 1))
        if self._count == WIDTH or self.size < covered or after.exists():
            raise SecurityError("audit-changed", f"{self._place} holds bytes that are no record {self.size}")
        os.ftruncate(file, self._bytes)

    def write(self, records: Sequence[bytes]) -> int:
        """Append, within :meth:`held`; the number of the first. On the disk when it returns.

        Raises ``StateError`` audit-failed: the disk did not take them; of several bundles the first may be there nevertheless.
        """
        first, at = self.size, 0
        try:
            while at < len(records):
                if self._count == WIDTH:
                    self._next()
                if self._file is None:
                    self._file = self._open(os.O_CREAT)
                part = records[at : at + WIDTH - self._count]
                self._put(self._file, pack(part))
                self._count += len(part)
                at += len(part)
        except OSError as error:
            said = f"{self._place} cannot be written: {error.strerror}"
            raise StateError("audit-failed", said, retry=Retry.LATER) from None
        return first

    def sync(self) -> None:
        """All records are on the disk, also those of a process that was killed before it could see to that."""
        if self._file is not None:
            os.fdatasync(self._file)

    def _put(self, file: int, octets: bytes) -> None:
        try:
            done = 0
            while done < len(octets):
                done += os.pwrite(file, octets[done:], self._bytes + done)
            os.fdatasync(file)
        except BaseException:
            os.ftruncate(file, self._bytes)
            raise
        self._bytes += len(octets)

    def _open(self, create: int) -> int:
        """The last bundle. Its name is on the disk too, whoever made it."""
        path = self._folder / str(self._place)
        if create:
            path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC | create, PRIVATE_FILE)
        try:
            for parent in path.parents:
                sync_folder(parent)
                if parent == self._folder:
                    break
        except BaseException:
            os.close(file)
            raise
        return file

    def _next(self) -> None:
        self._forget()
        self._index += 1
        self._count = self._bytes = 0

    def _forget(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
