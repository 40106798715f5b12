"""What the law says a person may ask for, as a table that a lawyer can read, and what follows from it for some days.

Whether erasure applies is decided day by day: a part may be erased while another has to be kept, and a refusal names its
reason and article. The decision is a function of its arguments and of the table; it looks nothing up.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from importlib import resources

from pydantic import ConfigDict, TypeAdapter

from kwartier.errors import InputError
from kwartier.gate.purposes import purposes

FILE = "rights.toml"
LEGAL_OBLIGATION, LEGAL_CLAIMS, HELD = "legal-obligation", "legal-claims", "held"
ONE_DAY = timedelta(days=1)
FIRST_DAY = date(1971, 1, 1)
Days = tuple[date, date]
"""Local days, the second exclusive."""


class Kind(StrEnum):
    """What a person asks for."""

    EXPORT = "export"
    HISTORY = "history"
    RECTIFY = "rectify"
    RESTRICT = "restrict"
    OBJECT = "object"
    ERASE = "erase"


class Outcome(StrEnum):
    """What was decided; each is a full answer."""

    GRANTED = "granted"
    PARTLY = "partly"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the table."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    code: str
    article: str
    verified: bool
    text: Mapping[str, str]
    purpose: str = ""

    @property
    def cited(self) -> str:
        """The article as it is cited."""
        return self.article if self.verified else f"{self.article} (text not verified)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """The table: rules by their codes, and what is told before anything else."""

    notice: Mapping[str, str]

    kinds: Mapping[str, Rule]
    grounds: Mapping[str, Rule]
    refusals: Mapping[str, Rule]
    restrictions: Mapping[str, Rule]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Days that are kept, and why."""

    days: Days
    rule: Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Which days are erased and which are not, in order."""

    outcome: Outcome
    ground: Rule
    erased: tuple[Days, ...]
    refused: tuple[Refusal, ...]


@lru_cache(maxsize=1)
def rights() -> Rights:
    """The table, as it stands in the package."""
    table = tomllib.loads(resources.files("kwartier.service.subject").joinpath(FILE).read_text("utf-8"))
    parts = {
        name: {code: TypeAdapter(Rule).validate_python({"code": code, **row}) for code, row in table[name].items()}
        for name in ("kind", "ground", "refusal", "restriction")
    }
    return Rights(
        notice=table["notice"],
        kinds=parts["kind"],
        grounds=parts["ground"],
        refusals=parts["refusal"],
        restrictions=parts["restriction"],
    )


def ground_of(code: str, among: Mapping[str, Rule]) -> Rule:
    """The rule of that code. Raises ``InputError`` unknown-ground."""
    if code not in among:
        raise InputError("unknown-ground", f"{code[:40]!r} is none of {', '.join(among)}")
    return among[code]


def obliged_days() -> int:
    """For how many days after it the law asks for a day of readings to be kept."""
    return purposes()[rights().refusals[LEGAL_OBLIGATION].purpose].retention_days


def decide(asked: Days, *, ground: str, today: date, held: Sequence[Days], has_claims: bool) -> Decision:
    """Whether the readings of these days are erased.

    ``today`` is the local day of the decision, ``held`` are days that a restriction or dispute of the same person keeps, and
    ``has_claims`` says that a legal claim needs them all. Days to come are left out. Raises ``InputError`` unknown-ground,
    bad-day.
    """
    rule, refusals = ground_of(ground, rights().grounds), rights().refusals
    start, end = max(asked[0], FIRST_DAY), min(asked[1], today + ONE_DAY)
    if end <= start:
        raise InputError("bad-day", f"from {asked[0]} up to {asked[1]} there is no day of which anything can be erased")
    if has_claims:
        refused: tuple[Refusal, ...] = (Refusal(days=(start, end), rule=refusals[LEGAL_CLAIMS]),)
        return Decision(outcome=Outcome.REFUSED, ground=rule, erased=(), refused=refused)
    final = min(end, max(start, today - timedelta(days=obliged_days())))
    erased, kept = _apart((start, final), held) if start < final else ([], [])
    found = [Refusal(days=days, rule=refusals[HELD]) for days in kept]
    if final < end:
        found.append(Refusal(days=(final, end), rule=refusals[LEGAL_OBLIGATION]))
    outcome = Outcome.REFUSED if not erased else Outcome.PARTLY if found else Outcome.GRANTED
    return Decision(outcome=outcome, ground=rule, erased=tuple(erased), refused=tuple(found))


def _apart(span: Days, held: Sequence[Days]) -> tuple[list[Days], list[Days]]:
    """A span in stretches that nothing keeps, and stretches that something does."""
    start, end = span
    free, kept = [], []
    for days in sorted(held):
        first, last = max(days[0], start), min(days[1], end)
        if first < last:
            free += [(start, first)] if start < first else []
            kept.append((first, last))
            start = last
    free += [(start, end)] if start < end else []
    return free, kept
