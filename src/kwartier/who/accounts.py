"""Local accounts with a password, for installations whose meters are simulated: for a demonstration, and for nothing else.

A password is kept as scrypt's output (RFC 7914) with its salt and parameters. A try is counted in the database before the
password is looked at, so that no number of tries at once gets past the bound; and whatever is wrong - the name, the password,
too many tries - takes the same work and gets the same answer, which tells nobody which names there are.
"""

import hashlib
import hmac
import re
import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine, delete, or_, select, update

from kwartier.database import insert_once, reading, writing
from kwartier.errors import Denied, InputError, SecurityError
from kwartier.tables import accounts
from kwartier.who.actor import Identity

SALT_BYTES = 16
HASH_BYTES = 32
MIN_PASSWORD = 12
MAX_PASSWORD = 256
"""Characters."""
MAX_ACCOUNTS = 100
MAX_TRIES = 5
LOCK_S = 900
"""After so many tries in a row that did not fit, none is looked at until so long after the last of them."""
MAX_SHOWN = 40
NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The parameters of scrypt: 128 * n * r bytes of memory."""

    n: int = 1 << 15
    r: int = 8
    p: int = 3

    def hash(self, password: str, salt: bytes) -> bytes:
        """What a password comes to."""
        octets = unicodedata.normalize("NFC", password[: MAX_PASSWORD + 1]).encode("utf-8", "surrogatepass")
        room = 128 * self.r * (self.n + self.p + 2)  # two blocks to work in
        return hashlib.scrypt(octets, salt=salt, n=self.n, r=self.r, p=self.p, maxmem=room, dklen=HASH_BYTES)

    def text(self) -> str:
        """As it stands in the table."""
        return f"{self.n},{self.r},{self.p}"


COST = Cost()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is told of an account; times in UTC seconds."""

    name: str
    made_at: int
    made_by: str
    used_at: int | None


class Accounts:
    """The accounts in one database. ``simulated`` says, each time, whether no connection here is anybody's."""

    __slots__ = ("_cost", "_engine", "_simulated")

    def __init__(self, engine: Engine, *, simulated: Callable[[], bool], cost: Cost = COST) -> None:
        self._engine = engine
        self._simulated = simulated
        self._cost = cost

    def add(self, name: str, password: str, *, by: str, at: int) -> None:
        """Make an account; ``by`` is the name of an actor, ``at`` UTC seconds.

        Raises ``Denied`` no-accounts; ``InputError`` bad-account, bad-password.
        """
        self._check()
        if not NAME.fullmatch(name):
            raise InputError("bad-account", "the name is not 1 to 32 small letters, digits and hyphens after a letter")
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            raise InputError("bad-password", f"the password does not have {MIN_PASSWORD} to {MAX_PASSWORD} characters")
        salt = secrets.token_bytes(SALT_BYTES)
        row = {
            "name": name,
            "salt": salt,
            "hash": self._cost.hash(password, salt),
            "cost": self._cost.text(),
            "made_at": at,
            "made_by": by,
            "tries": 0,
        }
        with writing(self._engine) as connection:
            names = connection.execute(select(accounts.c.name).with_for_update()).scalars().all()
            if name in names:
                raise InputError("bad-account", f"there is an account {name} already")
            if len(names) >= MAX_ACCOUNTS:
                raise InputError("bad-account", f"there are {MAX_ACCOUNTS} accounts, which is all there may be")
            insert_once(connection, accounts, [row])
            salts = select(accounts.c.salt).where(accounts.c.name == name)
            if connection.execute(salts).scalar_one() != salt:
                raise InputError("bad-account", f"there is an account {name} already")

    def remove(self, name: str) -> None:
        """Delete an account. Raises ``InputError`` unknown-account."""
        with writing(self._engine) as connection:
            mine = accounts.c.name == (name if NAME.fullmatch(name) else "-")
            if not connection.execute(delete(accounts).where(mine)).rowcount:
                raise InputError("unknown-account", f"there is no account {name[:MAX_SHOWN]!r}")

    def known(self) -> list[Account]:
        """Every account, by name."""
        told = (accounts.c.name, accounts.c.made_at, accounts.c.made_by, accounts.c.used_at)
        with reading(self._engine) as connection:
            found = connection.execute(select(*told).order_by(accounts.c.name).limit(MAX_ACCOUNTS)).mappings().all()
        return [Account(**row) for row in found]

    def log_in(self, name: str, password: str, *, at: int) -> Identity:
        """Who has this name and password. Raises ``SecurityError`` bad-login, ``Denied`` no-accounts."""
        self._check()
        found = self._counted(name, at)
        cost, salt, expected = found or (self._cost, bytes(SALT_BYTES), bytes(HASH_BYTES))
        fits = hmac.compare_digest(cost.hash(password, salt), expected)
        if not fits or found is None or len(password) > MAX_PASSWORD:
            raise SecurityError("bad-login", f"no such name with this password, or {MAX_TRIES} wrong tries before it")
        # Only if it is still the account that was looked at: somebody may have made it anew.
        same = (accounts.c.name == name, accounts.c.salt == salt)
        with writing(self._engine) as connection:
            done = connection.execute(update(accounts).where(*same).values(tries=0, used_at=at))
        if not done.rowcount:
            raise SecurityError("bad-login", "the account was removed or made anew at this moment")
        return Identity(name=f"account:{name}", via="account")

    def _counted(self, name: str, at: int) -> tuple[Cost, bytes, bytes] | None:
        """What to hold a password against, once the try is counted; None: there is nothing, or not now."""
        name = name if NAME.fullmatch(name) else "-"  # nobody's, and looked for all the same
        rested = or_(accounts.c.tried_at.is_(None), accounts.c.tried_at <= at - LOCK_S)
        mine = accounts.c.name == name
        with writing(self._engine) as connection:
            connection.execute(update(accounts).where(mine, rested).values(tries=0))
            taken = update(accounts).where(mine, accounts.c.tries < MAX_TRIES)
            counted = connection.execute(taken.values(tries=accounts.c.tries + 1, tried_at=at)).rowcount
            row = connection.execute(select(accounts.c.cost, accounts.c.salt, accounts.c.hash).where(mine)).first()
        if row is None or not counted:
            return None
        n, r, p = (int(part) for part in row.cost.split(","))
        return Cost(n=n, r=r, p=p), row.salt, row.hash

    def _check(self) -> None:
        if not self._simulated():
            raise Denied("no-accounts", "there are connections here whose EAN does not begin with 20")
