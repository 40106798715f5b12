"""What readings may be used for: a table in ``purposes.toml`` that a lawyer can read."""

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from kwartier.errors import Denied

FILE = "purposes.toml"
MAX_SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """One purpose, and how far a grant for it may reach."""

    name: str
    text: str
    ground: str
    gdpr: str
    days: int
    fleet: bool
    eans: str = ""
    """How the EAN of every connection has to begin."""


@lru_cache(maxsize=1)
def purposes() -> dict[str, Purpose]:
    """Every purpose, in the order of the table."""
    text = resources.files("kwartier.gate").joinpath(FILE).read_text("utf-8")
    return {name: Purpose(name=name, **row) for name, row in tomllib.loads(text).items()}


def purpose_of(name: str) -> Purpose:
    """The purpose called ``name``. Raises ``Denied`` no-purpose, unknown-purpose."""
    if not name:
        raise Denied("no-purpose", f"say what the readings are for: {', '.join(purposes())}")
    found = purposes().get(name)
    if found is None:
        raise Denied("unknown-purpose", f"{name[:MAX_SHOWN]!r} is none of {', '.join(purposes())}")
    return found
