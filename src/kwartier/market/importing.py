"""A file of the market taken in: as a whole or not at all, as one revision - or as none, where it says what is known."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sqlalchemy import Connection, Engine

from kwartier import rowfile
from kwartier.errors import InputError
from kwartier.market import supplies
from kwartier.market.columns import Kind, NoOverlap, columns, day, kind_of, unique
from kwartier.market.periods import Piece
from kwartier.market.revisions import Revision, append, changing, latest
from kwartier.market.series import ENERGIES, FRACTIONS
from kwartier.rowfile import Chunk, Column, Value, paused_collection

_day = lru_cache(maxsize=4096)(day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did. Where no row said anything new there is no new revision, and ``revision`` is the last one."""

    kind: Kind
    revision: int
    changed: int
    unchanged: int
    refused: int


def kind_of_file(path: Path) -> Kind:
    """What a file is. Raises ``InputError`` unclear-kind, unreadable-file."""
    return kind_of(path.name, rowfile.header(path))


def import_file(
    engine: Engine, path: Path, *, kind: Kind, at: int, actor: str, skip_bad: bool, refused: Path | None
) -> Imported:
    """All of ``path``, or with ``skip_bad`` the good rows, in one transaction. ``at``: UTC seconds."""
    header = rowfile.header(path)
    kinds = columns(kind, header)
    with paused_collection():
        # The file is read before the transaction: nobody else has to wait for that.
        digest = _digest(path)
        check = NoOverlap() if kind is Kind.MARKET else None
        rows = rowfile.read_columns(path, kinds, unique=unique(kind, header), check=check, skip_bad=skip_bad)
        said = sorted(_rows(kind, kinds, rows.good))
        with changing(engine) as connection:
            revision = latest(connection) + 1
            changed = _state(connection, kind, said, revision)
            if changed:
                made = Revision(
                    revision=revision, kind=kind.value, known_at=at, actor=actor, rows=changed, digest=digest
                )
                append(connection, made)
            if rows.bad and refused is not None:
                rowfile.write_refused(refused, rows.bad, beside=path)
    return Imported(
        kind=kind,
        revision=revision if changed else revision - 1,
        changed=changed,
        unchanged=len(said) - changed,
        refused=len(rows.bad),
    )


def _rows(kind: Kind, kinds: Sequence[Column], chunks: Iterable[Chunk]) -> list[tuple[Value, ...]]:
    """The rows of a file, each with the cells in the order of its columns; of energies, with their kind before them."""
    first = () if kind in (Kind.MARKET, Kind.FRACTIONS) else (kind.value,)
    return [
        (*first, *row)
        for chunk in chunks
        for row in zip(*(chunk.columns[column.name] for column in kinds), strict=True)
    ]


def _state(connection: Connection, kind: Kind, said: Sequence[tuple[Value, ...]], revision: int) -> int:
    if kind is Kind.MARKET:
        pieces = [(str(ean), Piece(_day(start), _day(end), tuple(facts))) for ean, start, end, *facts in said]
        return supplies.state(connection, pieces, revision)
    return (FRACTIONS if kind is Kind.FRACTIONS else ENERGIES).state(connection, said, revision)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError("unreadable-file", f"{path}: {error.strerror}") from None
