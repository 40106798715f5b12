"""The numbers that methods need, from ``estimation.toml``: sets that follow each other by the day from which they hold."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from importlib import resources
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter

FILE = "estimation.toml"
MAX_LOOK_BACK_DAYS = 92
MAX_CANDIDATES = 16
MAX_LIKE_DAYS = 8
MAX_LINEAR_QUARTERS = 96
MAX_PROFILE_BEYOND_DAYS = 31
MAX_CACHED = 1024
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """One set; the fields are explained at the head of the table."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=32)]
    valid_from: date
    linear_quarters: Annotated[int, Field(ge=1, le=MAX_LINEAR_QUARTERS)]
    power_failure_bits: Annotated[int, Field(ge=0, le=0xFF)]
    like_days: Annotated[int, Field(ge=1, le=MAX_LIKE_DAYS)]
    look_back_days: Annotated[int, Field(ge=1, le=MAX_LOOK_BACK_DAYS)]
    candidates: Annotated[int, Field(ge=1, le=MAX_CANDIDATES)]
    profile_beyond_days: Annotated[int, Field(ge=1, le=MAX_PROFILE_BEYOND_DAYS)]
    capacity_percent: Annotated[int, Field(ge=100, le=1000)]
    registers_doubted_by: tuple[str, ...]
    mean_days: Annotated[int, Field(ge=1, le=366)]
    like: Mapping[str, tuple[str, ...]]

    def ranked(self, day: date) -> tuple[int, ...]:
        """The days of the week (0: Monday) that may stand for ``day``, the best first."""
        return tuple(WEEKDAYS.index(one) for one in self.like[WEEKDAYS[day.weekday()]])

    def like_of(self, day: date, until: date) -> tuple[date, ...]:
        """The days before ``until`` that are looked at for ``day``, the nearest first."""
        return _like(day, until, self.ranked(day), self.look_back_days, self.candidates)


@lru_cache(maxsize=MAX_CACHED)
def _like(day: date, until: date, kinds: tuple[int, ...], look_back_days: int, candidates: int) -> tuple[date, ...]:
    back = (day - timedelta(days=days) for days in range(1, look_back_days + 1))
    return tuple([one for one in back if one < until and one.weekday() in kinds][:candidates])


@lru_cache(maxsize=1)
def estimation() -> tuple[Parameters, ...]:
    """Every set, the earliest first."""
    text = resources.files("kwartier.validate").joinpath(FILE).read_text("utf-8")
    return sets_of(text)


def sets_of(text: str) -> tuple[Parameters, ...]:
    """The sets of a table; nothing in it is guessed, and every day of the week has those that may stand for it."""
    found = TypeAdapter(list[Parameters]).validate_python(tomllib.loads(text)["set"])
    for one in found:
        named = {*one.like, *(kind for kinds in one.like.values() for kind in kinds)}
        if set(one.like) != set(WEEKDAYS) or named != set(WEEKDAYS) or not all(one.like.values()):
            raise ValueError(f"set '{one.name}' does not say of every day of the week which days may stand for it")
    return tuple(sorted(found, key=lambda one: one.valid_from))


def parameters_of(day: date, sets: Sequence[Parameters]) -> Parameters:
    """The set that holds on ``day``: the last that has begun; the first one also before it began."""
    begun = [one for one in sets if one.valid_from <= day]
    return begun[-1] if begun else sets[0]
