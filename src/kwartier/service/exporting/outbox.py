"""The outbox: a folder in which every file ``*.xml`` is a whole message that may be sent.

Whoever sends them moves a file to ``sent/`` when it has gone out, and puts nothing else there. The twins for analysts lie in
``parquet/`` and ``csv/``. Exporting the same again gives the same files: the id of a message is drawn once and on the disk
before its file is begun, and its text is fixed before its file has a name that is looked for. A crash at any point leaves what
the next export completes.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow
from pyarrow import csv
from sqlalchemy import Engine

from kwartier.disk import PRIVATE_FILE, PRIVATE_FOLDER, sync_folder, write_whole
from kwartier.errors import InputError, Retry, StateError
from kwartier.export.codes import Codes
from kwartier.export.document import Content, Document, Header
from kwartier.export.formats import FORMATS
from kwartier.export.wording import minute
from kwartier.rowfile import write_parquet
from kwartier.service.exporting.messages import Message, Topic, drawn, made, vouch
from kwartier.settle.tables import Area

OUTBOX = "outbox"
"""Its name in the home, where no other folder is given."""
SENT, PARQUET, CSV = "sent", "parquet", "csv"
MAX_NAMED = 5
"""Grid areas that an error names."""
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """Which version of a day is told."""

    kind: str
    """A key of ``FORMATS``."""
    version: int
    known_at: int
    """Since when what it says is known (UTC s): the same for the same version."""
    final: bool = False
    """Whether it is the last version of its day: the same for the same version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export left behind."""

    edition: Edition
    files: tuple[Path, ...]
    """Every message of the version, in the outbox or among what was sent."""
    unchanged: int
    """How many of them were there already, the same to the byte."""
    withheld: tuple[Area, ...]
    """Grid areas of which nothing is told, each with its reason."""


def export_day(engine: Engine, content: Content, edition: Edition, *, codes: Codes, out: Path, at: int) -> Exported:
    """Write the messages of a version into the outbox ``out``, which is made if absent. ``at``: UTC s.

    Raises ``StateError``: not-settled where there are grid areas and none of them adds up, changed-message where a message of
    this version said something else before, outbox-busy; ``InputError``: no-code, bad-message, bad-outbox.
    """
    if content.areas and not content.settled:
        raise StateError("not-settled", f"{edition.kind} of {content.day}: {reasons(content.withheld)}")
    codes.own()
    files: list[Path] = []
    unchanged = 0
    with opened(out, edition.kind):
        ids = set()
        for document in FORMATS[edition.kind](content):
            message = drawn(engine, _topic(content, edition, document), at=at)
            draft = out / f".{message.file}.draft"
            try:
                path, was_there = _publish(engine, document, message, edition, codes, draft)
            finally:
                draft.unlink(missing_ok=True)
            files.append(path)
            unchanged += was_there
            ids.add(message.id)
        _nothing_gone(engine, edition, content.day, ids)
    return Exported(edition=edition, files=tuple(files), unchanged=unchanged, withheld=content.withheld)


def _topic(content: Content, edition: Edition, document: Document) -> Topic:
    return Topic(edition.kind, content.day, edition.version, document.subject, document.recipient)


def _publish(
    engine: Engine, document: Document, message: Message, edition: Edition, codes: Codes, draft: Path
) -> tuple[Path, bool]:
    """The document under its name; where it is, and whether it was there. The order of the steps is what a crash leaves."""
    header = Header(
        message_id=message.id,
        created_at=message.made_at,
        known_at=edition.known_at,
        sender=codes.own(),
        receiver=codes.recipient(document.recipient),
        version=edition.version,
        final=edition.final,
    )
    digest = _write(draft, document.pieces(header, codes))
    vouch(engine, message, digest)
    _write_twins(draft.parent, message.file, document, header)
    return _place(draft, draft.parent / message.file, digest)


def reasons(areas: Iterable[Area]) -> str:
    """Grid areas of which nothing is told, and why, in one line."""
    found = [f"{one.grid_area!a} is {one.state}: {one.reason or one.code or 'no reason given'}" for one in areas]
    more = f"; and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
    return "; ".join(found[:MAX_NAMED]) + more


@contextmanager
def opened(out: Path, kind: str) -> Iterator[None]:
    """The outbox, made if absent, is this process's alone until the block ends; what a killed one left half-done is gone."""
    try:
        for folder in (out, out / SENT, out / PARQUET, out / CSV):
            folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        with alone(out):
            for folder in (out, out / PARQUET, out / CSV):
                for draft in folder.glob(f".{kind}-*"):
                    draft.unlink(missing_ok=True)
            yield
    except OSError as error:
        raise InputError("bad-outbox", f"{out}: {error.strerror or type(error).__name__}") from None


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """No other process of ours is at work in ``folder``. Raises ``StateError`` outbox-busy."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateError("outbox-busy", f"another process is at work in {folder}", retry=Retry.LATER) from None
        yield
    finally:
        os.close(descriptor)


def _nothing_gone(engine: Engine, edition: Edition, day: date, ids: set[str]) -> None:
    """A version that has fewer messages than before says something else, too."""
    gone = made(engine, edition.kind, day, edition.version) - ids
    if gone:
        said = f"{edition.kind} of {day}, version {edition.version}: {len(gone)} messages that were made before"
        raise StateError("changed-message", f"{said} are not in it now")


def _write(draft: Path, pieces: Iterator[str]) -> str:
    """The text on the disk, under a name that nobody looks for; its digest."""
    digest = hashlib.sha256()
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb", buffering=CHUNK_BYTES) as out:
        for piece in pieces:
            octets = piece.encode("utf-8")
            digest.update(octets)
            out.write(octets)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def _place(draft: Path, path: Path, digest: str) -> tuple[Path, bool]:
    """The draft under its name, unless it lies there already or was sent; where it is, and whether it was."""
    sent = path.parent / SENT / path.name
    if sent.exists() or _digest_of(path) == digest:
        return sent if sent.exists() else path, True
    draft.replace(path)
    sync_folder(path.parent)
    return path, False


def _digest_of(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _write_twins(out: Path, name: str, document: Document, header: Header) -> None:
    table = document.rows(header)
    stem = name.removesuffix(".xml")
    parquet = pyarrow.BufferOutputStream()
    write_parquet(table, parquet)
    write_whole(out / PARQUET / f"{stem}.parquet", parquet.getvalue().to_pybytes())
    text = pyarrow.BufferOutputStream()
    csv.write_csv(_with_minutes(table), text)
    write_whole(out / CSV / f"{stem}.csv", text.getvalue().to_pybytes())


def _with_minutes(table: pyarrow.Table) -> pyarrow.Table:
    """The quarters as text: a hundred of them are worded, however many rows there are."""
    times, places = np.unique(table.column("quarter").cast(pyarrow.int64()).to_numpy(), return_inverse=True)
    worded = pyarrow.array([minute(utc) for utc in times.tolist()], pyarrow.string()).take(places)
    return table.set_column(table.column_names.index("quarter"), "quarter", worded)
