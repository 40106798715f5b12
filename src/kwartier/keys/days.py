"""Keys of the readings on disk: one a local day, sealed in the vault, and from it one for each file.

Whoever deletes the key of a day makes what is left of that day unreadable, in every copy there is.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import date

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Engine, delete, select

from kwartier.database import insert_once, reading, writing
from kwartier.errors import SecurityError
from kwartier.keys.vault import Vault
from kwartier.tables import day_keys

KEY_BYTES = 32
MAX_OPEN = 64
"""Opened keys that are kept: a month of days and its neighbours."""


class DayKeys:
    """The keys of one installation; its repr shows none. ``wall`` gives UTC seconds."""

    __slots__ = ("_engine", "_opened", "_vault", "_wall")

    def __init__(self, engine: Engine, vault: Vault, wall: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._vault = vault
        self._wall = wall
        self._opened: OrderedDict[date, bytes] = OrderedDict()

    def file_key(self, day: date, path: str, *, new: bool) -> bytes:
        """The key (32 bytes) of the file at ``path`` among those of a local day; ``new``: the day may have none yet.

        Raises ``SecurityError`` no-day-key, sealed-record.
        """
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=path.encode()).derive(self._key(day, new=new))

    def forget(self, day: date) -> None:
        """Delete the key of a day."""
        with writing(self._engine) as connection:
            connection.execute(delete(day_keys).where(day_keys.c.day == day))
        self._opened.pop(day, None)

    def _key(self, day: date, *, new: bool) -> bytes:
        key = self._opened.get(day)
        if key is None:
            sealed = self._sealed(day)
            if sealed is None and new:
                fresh = self._vault.seal(secrets.token_bytes(KEY_BYTES), _bound_to(day))
                with writing(self._engine) as connection:
                    # Another process may be first: what stands there afterwards is the key.
                    row = {"day": day, "sealed": fresh, "made_at": int(self._wall())}
                    insert_once(connection, day_keys, [row])
                sealed = self._sealed(day)
            if sealed is None:
                raise SecurityError("no-day-key", f"there is no key of the readings of {day}")
            key = self._vault.open(sealed, _bound_to(day))
        # Threads share it, and another may just have dropped this one: it is put back, wherever it was.
        self._opened.pop(day, None)
        self._opened[day] = key
        while len(self._opened) > MAX_OPEN:
            self._opened.popitem(last=False)
        return key

    def _sealed(self, day: date) -> bytes | None:
        with reading(self._engine) as connection:
            return connection.execute(select(day_keys.c.sealed).where(day_keys.c.day == day)).scalar_one_or_none()


def _bound_to(day: date) -> str:
    return f"readings of {day}"
