"""Who is wrong, and may we try again.

Every error that leaves a room of this package is one of six leaves, and carries a stable code. The code is the key into
``errors.toml``, which says in words what the error means and what to try; ``docs/errors.md`` is generated from that table.
An error's text names what was found and where, and never holds key material, readings or a name of a household.

A meter that says *no* is an event of the session, not an error.
"""

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import ClassVar


class Who(StrEnum):
    """Whose fault an error is: the peer on the line, the line, this program, or who asked for it."""

    PEER = "peer"
    LINK = "link"
    KWARTIER = "kwartier"
    USER = "user"


class Retry(StrEnum):
    """Whether the same attempt may succeed: at once, after a pause, or not before something is changed."""

    NOW = "now"
    LATER = "later"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One row of the table of codes: which leaf raises it, what it means and what to try."""

    code: str
    leaf: str
    meaning: str
    advice: str


class KwartierError(Exception):
    """The root: ``code`` is stable and documented, ``detail`` says what was found and where.

    ``str()`` of an error is its detail; :meth:`sentence` adds the meaning and the advice of the table.
    """

    who: ClassVar[Who] = Who.KWARTIER
    default_retry: ClassVar[Retry] = Retry.NEVER

    def __init__(self, code: str, detail: str, *, retry: Retry | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.retry = self.default_retry if retry is None else retry

    def __reduce__(self) -> "tuple[type[KwartierError], tuple[str, str], dict[str, Retry]]":
        # Errors cross to the worker processes and back; what may be retried must cross with them.
        return type(self), (self.code, self.detail), {"retry": self.retry}

    def sentence(self) -> str:
        """One sentence for a person: what happened, what it means and what to try."""
        row = explanations().get(self.code)
        if row is None:
            return f"{self.detail} [{self.code}]"
        return f"{self.detail}: {row.meaning}; {row.advice} [{self.code}]"


class WireError(KwartierError):
    """The peer sent bytes that the standard does not allow, or that exceed a bound of ours."""

    who = Who.PEER
    default_retry = Retry.LATER


class StateError(KwartierError):
    """Something was asked that the present state does not allow."""

    who = Who.KWARTIER


class SecurityError(KwartierError):
    """A protection, identity or authentication check failed. Nothing of the message was used."""

    who = Who.PEER


class LinkLost(KwartierError):
    """The line could not be opened, was closed, or stayed silent past the deadline."""

    who = Who.LINK
    default_retry = Retry.LATER


class Denied(KwartierError):
    """A rule of this installation forbids it."""

    who = Who.USER


class InputError(KwartierError):
    """A file, an option or a setting is wrong; the detail names file, line and column where there are any."""

    who = Who.USER


@cache
def explanations() -> dict[str, Explanation]:
    """The table of codes from ``errors.toml``: code -> explanation."""
    table = tomllib.loads(files("kwartier").joinpath("errors.toml").read_text("utf-8"))
    return {
        code: Explanation(code=code, leaf=row["leaf"], meaning=row["meaning"], advice=row["advice"])
        for code, row in table.items()
    }
