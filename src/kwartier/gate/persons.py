"""How a person stands in the audit log: under a commitment that only their own secret can open.

The secret belongs to a connection and is drawn when its readings are first used. A record names nobody: it holds a keyed hash
of the grant under the secret, another one in each record. Who has the secret finds the records; when it is deleted, nobody
does, and every proof of the log still holds.
"""

import hmac
import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol

from sqlalchemy import Connection, Engine, bindparam, delete, insert, select

from kwartier.database import reading
from kwartier.tables import persons

SECRET_BYTES = 32
BATCH = 400
_SECRETS_OF = (
    select(persons)
    .where(persons.c.ean.in_(bindparam("eans", expanding=True)))
    .order_by(persons.c.made_at.desc(), persons.c.id.desc())
)


class Sealing(Protocol):
    """What keeps secrets at rest; ``kwartier.keys`` has it."""

    def seal(self, plain: bytes, bound_to: str) -> bytes:
        """``plain`` sealed, to be opened only for ``bound_to``."""
        ...

    def open(self, sealed: bytes, bound_to: str) -> bytes:
        """What was sealed."""
        ...


def commitment(secret: bytes, grant: str) -> str:
    """How the person with ``secret`` stands in the records of a grant: 64 hex digits."""
    return hmac.new(secret, grant.encode(), sha256).hexdigest()


class Persons:
    """The secrets in one database. ``at`` is in UTC seconds."""

    __slots__ = ("_engine", "_sealing")

    def __init__(self, engine: Engine, sealing: Sealing) -> None:
        self._engine = engine
        self._sealing = sealing

    def commitments(self, connection: Connection, eans: Sequence[str], grant: str, *, at: int) -> list[str]:
        """The commitments of some connections in a grant, in their order; part of the caller's transaction.

        A secret is drawn where there is none. Two who draw at once leave two, and each counts.
        """
        found = self._first(connection, eans)
        found |= self._drawn(connection, [ean for ean in dict.fromkeys(eans) if ean not in found], at=at)
        return [commitment(found[ean], grant) for ean in eans]

    def secrets(self, ean: str) -> list[bytes]:
        """Every secret of a connection that is still there."""
        query = select(persons).where(persons.c.ean == ean).order_by(persons.c.made_at, persons.c.id)
        with reading(self._engine) as connection:
            return [self._sealing.open(row.sealed, _bound_to(row.id)) for row in connection.execute(query)]

    def end(self, connection: Connection, ean: str) -> None:
        """Delete the secrets of a connection, as a part of the caller's transaction: no record is theirs any more."""
        connection.execute(delete(persons).where(persons.c.ean == ean))

    def _first(self, connection: Connection, eans: Sequence[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for first in range(0, len(eans), BATCH):
            for row in connection.execute(_SECRETS_OF, {"eans": eans[first : first + BATCH]}):
                found[row.ean] = self._sealing.open(row.sealed, _bound_to(row.id))
        return found

    def _drawn(self, connection: Connection, eans: Sequence[str], *, at: int) -> dict[str, bytes]:
        fresh = {ean: secrets.token_bytes(SECRET_BYTES) for ean in eans}
        rows = []
        for ean, secret in fresh.items():
            name = secrets.token_hex(16)
            sealed = self._sealing.seal(secret, _bound_to(name))
            rows.append({"id": name, "ean": ean, "sealed": sealed, "made_at": at})
        if rows:
            connection.execute(insert(persons), rows)
        return fresh


def _bound_to(name: str) -> str:
    return f"person {name}"
