"""What the rules measure with: sets of numbers in ``rules.toml``, each in force from a local day on."""

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib import resources
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter

from kwartier.errors import InputError

FILE = "rules.toml"
FORBID = ConfigDict(extra="forbid")
Natural = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Octet = Annotated[int, Field(ge=0, le=255)]
Least = Annotated[int, Field(ge=2)]
Hour = Annotated[int, Field(ge=0, le=24)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Negative:
    """V1, registers that fall."""

    __pydantic_config__ = FORBID
    rollover_wh: tuple[Positive, ...]
    rollover_most_wh: Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """V2, more than the connection carries."""

    __pydantic_config__ = FORBID
    percent: Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """V3, what the meter says of its own rows."""

    __pydantic_config__ = FORBID
    reject: Octet
    flag: Octet


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """V4, clocks that are off."""

    __pydantic_config__ = FORBID
    warn_s: Natural
    fail_s: Natural


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckMeter:
    """V5, a second meter."""

    __pydantic_config__ = FORBID
    class_percent: Positive
    tolerance_wh: Natural


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """V7, an independent register."""

    __pydantic_config__ = FORBID
    tolerance_wh: Natural


@dataclass(frozen=True, slots=True, kw_only=True)
class Spike:
    """V8, one quarter far above the others."""

    __pydantic_config__ = FORBID
    percent: Positive
    least_wh: Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """V9, days unlike the days before."""

    __pydantic_config__ = FORBID
    channels: tuple[str, ...]
    low_percent: Natural
    high_percent: Positive
    least_days: Positive
    least_wh: Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """V10, jumps from one quarter to the next."""

    __pydantic_config__ = FORBID
    percent: Positive
    least_wh: Natural


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """V11, the same again and again."""

    __pydantic_config__ = FORBID
    warn_quarters: Least
    fail_quarters: Least
    least_wh: Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Zero:
    """V12, nothing for long, or something where nobody is."""

    __pydantic_config__ = FORBID
    days: Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class BothWays:
    """V13, import and export in one quarter."""

    __pydantic_config__ = FORBID
    percent: Positive
    least_wh: Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """V15, export while there is no sun."""

    __pydantic_config__ = FORBID
    from_hour: Hour
    to_hour: Hour
    most_wh: Natural


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """V16, connections against their transformer."""

    __pydantic_config__ = FORBID
    warn_percent: Natural
    fail_percent: Natural


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """V17, meters of one kind against all others."""

    __pydantic_config__ = FORBID
    robust_z: Positive
    least_meters: Positive
    least_shift_percent: Natural


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """One set. ``name`` stands beside whatever was judged with it."""

    __pydantic_config__ = FORBID
    name: Annotated[str, Field(min_length=1, max_length=32)]
    valid_from: date
    negative: Negative
    capacity: Capacity
    status: Status
    clock: Clock
    check_meter: CheckMeter
    sum: Sum
    spike: Spike
    usage: Usage
    step: Step
    frozen: Frozen
    zero: Zero
    both_ways: BothWays
    night: Night
    balance: Balance
    cohort: Cohort


@lru_cache(maxsize=1)
def sets() -> tuple[Parameters, ...]:
    """All sets, the oldest first."""
    text = resources.files("kwartier.validate").joinpath(FILE).read_text("utf-8")
    found = TypeAdapter(tuple[Parameters, ...]).validate_python(tomllib.loads(text)["set"])
    return tuple(sorted(found, key=lambda one: one.valid_from))


def parameters(day: date) -> Parameters:
    """The set that is in force on local ``day``. Raises ``InputError`` bad-day."""
    found = [one for one in sets() if one.valid_from <= day]
    if not found:
        raise InputError("bad-day", f"no rules are in force on {day}")
    return found[-1]
