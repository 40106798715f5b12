"""What readings may be used for: a table in ``purposes.toml`` that a lawyer can read.

The gate evaluates this table, and the reports are printed from it: what is said of a purpose is what is done.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from importlib import resources

from pydantic import ConfigDict, TypeAdapter

from kwartier.errors import Denied

FILE = "purposes.toml"
MAX_SHOWN = 40


class Resolution(StrEnum):
    """How fine figures are in time, from the finest on."""

    QUARTER = "quarter"
    DAY = "day"
    NONE = "none"
    """No consumption at all."""

    def is_within(self, finest: "Resolution") -> bool:
        """Whether it shows no more than ``finest`` does."""
        order = list(Resolution)
        return order.index(self) >= order.index(finest)


class Source(StrEnum):
    """Where figures come from."""

    METER = "meter"
    STORE = "store"
    TRACE = "trace"
    """What went over the line of a visit that was traced."""


class Need(StrEnum):
    """What has to be there besides the purpose."""

    USE_CASE = "use-case"
    """A use case that was assessed under the code of conduct and has not expired."""
    MANDATE = "mandate"
    """The mandate of the customer, for the one who asks."""
    OWN_CONNECTION = "own-connection"
    """Whoever asks as a customer asks of the connection that is theirs."""
    FOUR_EYES = "four-eyes"
    """Somebody else has approved it."""


class Hold(StrEnum):
    """What a person may have said that stops uses of their readings."""

    RESTRICTION = "restriction"
    """AVG art. 18: they are kept, and used for nothing else."""
    OBJECTION = "objection"
    """AVG art. 21: against what rests on article 6(1)(e)."""
    DISPUTE = "dispute"
    """AVG art. 16: what they say is being looked into; nothing of them is deleted meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """One purpose, and how far it reaches; the fields are explained at the head of the table."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    text: Mapping[str, str]
    ground: str
    verified: bool
    avg: str
    who: frozenset[str]
    sources: frozenset[Source]
    channels: tuple[str, ...]
    resolution: Resolution
    per_connection: bool
    fleet: bool
    days: int
    groups: tuple[str, ...]
    minimum_group: int
    exempt: str
    retention_days: int
    needs: frozenset[Need]
    despite: frozenset[Hold]
    eans: str
    valid_from: date
    valid_to: date

    @property
    def article(self) -> str:
        """The ground as it is cited."""
        return self.ground if self.verified else f"{self.ground} (text not verified)"


@lru_cache(maxsize=1)
def purposes() -> dict[str, Purpose]:
    """Every purpose, in the order of the table."""
    text = resources.files("kwartier.gate").joinpath(FILE).read_text("utf-8")
    return {name: _purpose(name, row) for name, row in tomllib.loads(text).items()}


def purpose_of(name: str) -> Purpose:
    """The purpose called ``name``. Raises ``Denied`` no-purpose, unknown-purpose."""
    if not name:
        raise Denied("no-purpose", f"say what the readings are for: {', '.join(purposes())}")
    found = purposes().get(name)
    if found is None:
        raise Denied("unknown-purpose", f"{name[:MAX_SHOWN]!r} is none of {', '.join(purposes())}")
    return found


def _purpose(name: str, row: Mapping[str, object]) -> Purpose:
    """A row of the table; nothing in it is guessed."""
    return TypeAdapter(Purpose).validate_python({"name": name, **row})
