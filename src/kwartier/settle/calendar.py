"""When versions are due: some days, working days or months after the day that is settled, until the last one closes it.

The dates are a table (``versions.toml``), not law. Working days leave out weekends and public holidays, which a library knows
for years that are neither long past nor far ahead; other years are refused.
"""

import tomllib
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib import resources
from typing import Literal

import holidays
from pydantic import ConfigDict, TypeAdapter, ValidationError

from kwartier.errors import Denied, InputError

FILE = "versions.toml"
FIRST_YEAR, LAST_YEAR = 2015, 2075
"""Years whose holidays are known well enough to count by."""
MAX_COUNT = 400
MAX_NAME = 16
MAX_SHOWN = 40
_MONTHS = 12
_SATURDAY = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When one version is due."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    name: str
    rule: Literal["days", "working-days", "months"]
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The versions of every day, in the order in which they are due."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    verified: bool
    country: str
    version: tuple[Rule, ...]

    def due(self, day: date, name: str) -> date:
        """The last local date on which ``day`` gets its version ``name``. Raises ``InputError`` no-such-version, bad-day."""
        rule = next((one for one in self.version if one.name == name), None)
        if rule is None:
            raise InputError("no-such-version", f"{name[:MAX_SHOWN]!r} is none of {', '.join(self.names)}")
        return self._on(day, rule)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the versions, in their order."""
        return tuple(one.name for one in self.version)

    def closes(self, day: date) -> date:
        """The last date on which a version of ``day`` can be made."""
        return self._on(day, self.version[-1])

    def version_name(self, day: date, today: date) -> str:
        """Which version a run is that is made ``today``: the first that is not past.

        Raises ``InputError`` day-not-over before the day has ended, ``Denied`` settlement-closed after its last version.
        """
        if today <= day:
            raise InputError("day-not-over", f"{day} can be settled from {day + timedelta(days=1)} on")
        for rule in self.version:
            if today <= self._on(day, rule):
                return rule.name
        raise Denied("settlement-closed", f"{day} was closed at the end of {self.closes(day)}")

    def is_working_day(self, day: date) -> bool:
        """Whether work is done on ``day``."""
        return day.weekday() < _SATURDAY and day not in _free(self.country, _year(day))

    def _on(self, day: date, rule: Rule) -> date:
        _year(day)
        if rule.rule == "months":
            months = day.month - 1 + rule.count
            year, month = day.year + months // _MONTHS, months % _MONTHS + 1
            return date(year, month, monthrange(year, month)[1])
        if rule.rule == "days":
            return day + timedelta(days=rule.count)
        for _ in range(rule.count):
            day += timedelta(days=1)
            while not self.is_working_day(day):
                day += timedelta(days=1)
        return day


def _year(day: date) -> int:
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise InputError("bad-day", f"{day} is outside the years {FIRST_YEAR} to {LAST_YEAR}")
    return day.year


@cache
def _free(country: str, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays(country, years=year))


@cache
def dutch() -> Calendar:
    """The calendar that comes with this program."""
    return calendar(resources.files("kwartier.settle").joinpath(FILE).read_text("utf-8"))


def calendar(text: str) -> Calendar:
    """A calendar from a table of the form of ``versions.toml``. Raises ``InputError`` bad-versions."""
    try:
        found = TypeAdapter(Calendar).validate_json(_as_json(text))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise InputError("bad-versions", f"the table of versions: {str(error).splitlines()[0]}") from None
    _require(found)
    return found


def _as_json(text: str) -> bytes:
    # In JSON an array may stand for a tuple, however strict one is.
    return TypeAdapter(dict[str, object]).dump_json(tomllib.loads(text))


def _require(found: Calendar) -> None:
    """What the last line of the table says is true: versions follow each other, and the last one closes."""
    if not found.version:
        raise InputError("bad-versions", "there is no version in the table")
    if len(set(found.names)) != len(found.names) or not all(0 < len(one) <= MAX_NAME for one in found.names):
        raise InputError("bad-versions", f"names of versions are 1 to {MAX_NAME} characters, each another")
    if not all(0 < one.count <= MAX_COUNT for one in found.version):
        raise InputError("bad-versions", f"the count of a version is not from 1 to {MAX_COUNT}")
    if found.country not in holidays.list_supported_countries():
        raise InputError("bad-versions", f"the holidays of {found.country[:MAX_SHOWN]!r} are not known")
    for day in (date(2026, 1, 31), date(2026, 2, 1), date(2026, 12, 24)):
        dates = [found.due(day, name) for name in found.names]
        if dates != sorted(dates):
            raise InputError("bad-versions", "the versions are not in the order in which they are due")
