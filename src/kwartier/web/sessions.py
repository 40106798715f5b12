"""Who has signed in: sessions in the memory of this server, found by a random id of which only a hash is kept.

An id is drawn when somebody has proved who they are, and never before; what a browser brings along is looked up and never
adopted, so nobody can be made to use an id that another knows. A session ends when it was not used for a while, when it has
lasted long enough whatever it was used for, at sign-out, and with the server. Forms carry a token that is a keyed hash of
the cookie, under a key of this process: no other site can make one, and nothing has to be kept for it.
"""

import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from kwartier.errors import SecurityError
from kwartier.gate.policy import Asking

IDLE_S = 1_800
LASTING_S = 28_800
"""A session that was in use all the time ends nevertheless: a day of work."""
MAX_SESSIONS = 10_000
MAX_OF_ONE = 20
"""Sessions of one actor; the oldest gives way."""
ID_BYTES = 32
KEY_BYTES = 32
MAX_ID = 128
"""Characters of a cookie that are looked at."""
ASIDE_S = 60
MAX_ASIDE = 200
"""Tokens of issuers that wait for their browser, and how long they do."""
SESSION, START = "kwartier-session", "kwartier-start"
"""The cookies: of a session, and of a browser that has not signed in yet, for its forms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session. Times in UTC seconds."""

    actor: Asking
    began_at: float
    used_at: float


class Sessions:
    """Every session of this process; any thread may use it. ``wall`` gives UTC seconds."""

    def __init__(
        self, wall: Callable[[], float], *, idle_s: int = IDLE_S, lasting_s: int = LASTING_S, most: int = MAX_SESSIONS
    ) -> None:
        self._wall = wall
        self._idle_s = idle_s
        self._lasting_s = lasting_s
        self._most = most
        self._key = secrets.token_bytes(KEY_BYTES)
        self._kept: OrderedDict[bytes, Session] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many there are, those that are over and were not looked for included."""
        return len(self._kept)

    def begin(self, actor: Asking) -> str:
        """A new session; its id, which is told this once."""
        identity, now = secrets.token_urlsafe(ID_BYTES), self._wall()
        with self._lock:
            self._make_room(actor)
            self._kept[_hashed(identity)] = Session(actor=actor, began_at=now, used_at=now)
        return identity

    def find(self, identity: str) -> Session | None:
        """The session with this id, used at this moment; None: there is none, or it is over."""
        if not 0 < len(identity) <= MAX_ID:
            return None
        key, now = _hashed(identity), self._wall()
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            if not self._holds(found, now):
                del self._kept[key]
                return None
            used = Session(actor=found.actor, began_at=found.began_at, used_at=now)
            self._kept[key] = used
            self._kept.move_to_end(key)
        return used

    def holds(self, identity: str) -> bool:
        """Whether there is such a session; it is not used by that, as a page that only listens does not use it."""
        with self._lock:
            found = self._kept.get(_hashed(identity))
        return found is not None and self._holds(found, self._wall())

    def end(self, identity: str) -> None:
        """It is over, if there is one."""
        with self._lock:
            self._kept.pop(_hashed(identity), None)

    def token(self, cookie: str, of: str = "form") -> str:
        """What a form carries that comes from a page of the browser with this cookie."""
        return hmac.new(self._key, f"{of}\0{cookie}".encode(), sha256).hexdigest()

    def is_token(self, given: str, cookie: str) -> bool:
        """Whether it is the token of that cookie."""
        return bool(cookie) and hmac.compare_digest(given.encode(), self.token(cookie).encode())

    def _holds(self, one: Session, now: float) -> bool:
        return now - one.used_at < self._idle_s and now - one.began_at < self._lasting_s

    def _make_room(self, actor: Asking) -> None:
        own = [key for key, one in self._kept.items() if one.actor.name == actor.name]
        for key in own[: max(0, len(own) - MAX_OF_ONE + 1)]:
            del self._kept[key]
        while len(self._kept) >= self._most:
            self._kept.popitem(last=False)


class Aside:
    """Tokens that were good, and wait for the browser they were sent through."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, token: str, at: float) -> str:
        """Its name, for one time."""
        name = secrets.token_urlsafe(ID_BYTES)
        with self._lock:
            self._kept[name] = (token, at)
            while len(self._kept) > MAX_ASIDE:
                self._kept.popitem(last=False)
        return name

    def take(self, name: str, at: float) -> str:
        """The token, which is forgotten. Raises ``SecurityError`` bad-token."""
        with self._lock:
            token, since = self._kept.pop(name, ("", at))
        if not token or at - since > ASIDE_S:
            raise SecurityError("bad-token", "nothing waits under this name, or it waited too long")
        return token


def fresh() -> str:
    """A cookie for a browser that has not signed in."""
    return secrets.token_urlsafe(ID_BYTES)


def _hashed(identity: str) -> bytes:
    return sha256(identity.encode("utf-8", "surrogatepass")).digest()
