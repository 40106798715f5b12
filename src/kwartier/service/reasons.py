"""Where the fault lies that something is not there: the way to the meter, its keys, the meter itself, or us.

Whoever looks at a gap wants one of four words, and not one of two hundred codes: ``reasons.toml`` is the table.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files

from kwartier.errors import explanations
from kwartier.model import Missing


class Reason(StrEnum):
    """Where the fault lies. The order decides between reasons of as many quarters."""

    RADIO = "radio"
    KEY = "key"
    METER = "meter"
    US = "us"


REASONS = tuple(Reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a code of a due meter means, what to do about it, and where the fault lies."""

    code: str
    reason: Reason
    meaning: str
    advice: str


@cache
def _table() -> Mapping[str, Mapping[str, str]]:
    table: Mapping[str, Mapping[str, str]] = tomllib.loads(
        files("kwartier.service").joinpath("reasons.toml").read_text("utf-8")
    )
    return table


@cache
def _due() -> Mapping[str, Mapping[str, str]]:
    rows: Mapping[str, Mapping[str, str]] = tomllib.loads(
        files("kwartier.service").joinpath("reasons.toml").read_text("utf-8")
    )["due"]
    return rows


@cache
def of_code(code: str) -> Reason:
    """The reason behind a code that a due meter carries; of what is not known it is us, who do not know it."""
    table = _table()
    if code in table["codes"]:
        return Reason(table["codes"][code])
    known = explanations().get(code)
    return Reason.US if known is None else Reason(table["leaf"][known.leaf])


@cache
def of_missing(missing: Missing) -> Reason:
    """The reason behind a place of a stored reading at which there is nothing."""
    return Reason(_table()["missing"][missing.name])


@cache
def of_rule(code: str) -> Reason:
    """The reason behind a quarter that a rule of validation refuses."""
    return Reason(_table()["rules"][code])


@cache
def said(code: str) -> Said:
    """All that is known of a code that a due meter carries."""
    own, known = _due().get(code), explanations().get(code)
    if own is not None:
        return Said(code=code, reason=of_code(code), meaning=own["meaning"], advice=own["advice"])
    if known is not None:
        return Said(code=code, reason=of_code(code), meaning=known.meaning, advice=known.advice)
    return Said(code=code, reason=of_code(code), meaning="", advice="")
