"""Connections that may not be read from afar: their customer has said so, or their meter does not do it.

Dated both ways like everything in the registry. What nothing is said of may be read. A connection that was opted out
("administratief uit") keeps what is stored of the days before; its meter is not asked for consumption any more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Connection, Engine, select

from kwartier import rowfile
from kwartier.errors import InputError
from kwartier.fleet.ean import read_ean
from kwartier.fleet.periods import Change, covering, stated
from kwartier.fleet.versions import BATCH, CONNECTIONS, Dated, Key, after, changing
from kwartier.rowfile import Column
from kwartier.tables import FOREVER, readouts

READOUTS = Dated(readouts)
_DSO = CONNECTIONS.facts.index("dso")


class Mode(StrEnum):
    """Whether a connection may be read from afar."""

    REMOTE = "remote"
    OPTED_OUT = "opted-out"
    """Administratief uit: the customer does not want it."""
    NOT_REMOTE = "not-remote"
    """A digital meter that cannot be read from afar, or may not."""


COLUMNS = (
    Column(name="ean", read=read_ean),
    Column(name="readout", read=rowfile.one_of(*Mode)),
    Column(name="valid_from", read=rowfile.day),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What a file changed."""

    changed: int
    unchanged: int


def import_file(engine: Engine, path: Path, *, dso: str, at: int) -> Stated:
    """Take in ``readouts.csv`` (or Parquet) as a whole: from which day on a connection is read how. ``at``: UTC seconds.

    Raises ``InputError``: as files of rows do, unknown-connection.
    """
    rows = rowfile.read(path, COLUMNS, unique="ean").good
    said = {str(row["ean"]): (Mode(str(row["readout"])), date.fromisoformat(str(row["valid_from"]))) for _, row in rows}
    changed = _state(engine, said, dso=dso, at=at)
    return Stated(changed=changed, unchanged=len(said) - changed)


def state(engine: Engine, ean: str, mode: Mode, *, on: date, dso: str, at: int) -> bool:
    """Say how a connection is read from the local day ``on`` on; whether that is news. ``InputError`` unknown-connection."""
    return bool(_state(engine, {ean: (mode, on)}, dso=dso, at=at))


def _state(engine: Engine, said: dict[str, tuple[Mode, date]], *, dso: str, at: int) -> int:
    with changing(engine) as connection:
        known = CONNECTIONS.of(connection, sorted(said))
        for ean in said:
            versions = known.get((ean,), [])
            if not versions or (dso and any(one.facts[_DSO] != dso for one in versions)):
                raise InputError("unknown-connection", f"there is no connection {ean}")
        before = READOUTS.of(connection, sorted(said))
        changes: dict[Key, list[Change]] = {}
        for ean, (mode, on) in said.items():
            versions = before.get((ean,), [])
            if mode is Mode.REMOTE and covering(versions, on) is None:
                continue
            change = stated(versions, on, (mode.value,))
            if change.closed or change.added:
                changes[ean,] = [change]
        known_at = after(at, [one for key in changes for one in before.get(key, [])])
        READOUTS.apply(connection, changes, at=known_at)
        return len(changes)


def not_read(connection: Connection, start: date, end: date, eans: Sequence[str] | None = None) -> dict[str, Mode]:
    """The connections that are not read from afar on some of the local days from ``start`` to before ``end``, as we know it.

    ``eans``: of which to tell; None: of all.
    """
    table = readouts
    query = select(table.c.ean, table.c.mode).where(
        table.c.known_until == FOREVER, table.c.valid_from < end, table.c.valid_to > start, table.c.mode != Mode.REMOTE
    )
    found: dict[str, Mode] = {}
    for some in _batches(eans):
        narrowed = query if some is None else query.where(table.c.ean.in_(some))
        found.update((ean, Mode(mode)) for ean, mode in connection.execute(narrowed))
    return found


def _batches(eans: Sequence[str] | None) -> Iterator[Sequence[str] | None]:
    if eans is None:
        yield None
        return
    for first in range(0, len(eans), BATCH):
        yield eans[first : first + BATCH]
