"""The JSON form of what a page shows: a page's address with ``.json`` gives exactly what the page was made from."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from typing import TypeAlias

from kwartier.clock import offset_at

Plain: TypeAlias = "bool | int | str | list[Plain] | dict[str, Plain] | None"
MINUTE_S, HOUR_S = 60, 3600


def as_json(value: object) -> Plain:
    """``value`` with its dataclasses as objects under their fields' names and its dates in ISO 8601.

    Raises ``TypeError`` for anything that JSON has no exact form of; a float is such a thing.
    """
    if isinstance(value, Enum):
        return as_json(value.value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple | set | frozenset):
        return [as_json(one) for one in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, Mapping):
        return {str(key): as_json(one) for key, one in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: as_json(getattr(value, one.name)) for one in fields(value)}
    raise TypeError(f"a {type(value).__name__} has no exact form in JSON")


def local(utc: int, timezone: str) -> str:
    """A moment (UTC seconds) by local clocks, with the offset that they have then: ``2026-10-25T02:15:00+01:00``."""
    return stamped(utc, offset_at(timezone, utc))


def stamped(utc: int, offset_s: int) -> str:
    """The same where the offset (local minus UTC, seconds) is known."""
    # A date-time of the local wall, which is what ISO 8601 has before the offset.
    wall = divmod(utc + offset_s, 86_400)
    hours, rest = divmod(wall[1], HOUR_S)
    sign, away = ("-", -offset_s) if offset_s < 0 else ("+", offset_s)
    day = date.fromordinal(_EPOCH_DAY + wall[0])
    shift = f"{sign}{away // HOUR_S:02d}:{away % HOUR_S // MINUTE_S:02d}"
    return f"{day}T{hours:02d}:{rest // MINUTE_S:02d}:{rest % MINUTE_S:02d}{shift}"


_EPOCH_DAY = date(1970, 1, 1).toordinal()


def bare(text: str) -> str:
    """A sentence without the marks that documentation sets commands and names in."""
    return text.replace("`", "")
