"""A view as JSON: every field under its own name, days as ISO dates, and moments as UTC texts and not as seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import fields as fields_of
from dataclasses import is_dataclass
from datetime import date

from kwartier.service.alerting.record import shown

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
MOMENT = "_at"
"""How the name of a field ends that holds UTC seconds."""


def fields(view: object) -> dict[str, Json]:
    """The fields of a view, and of the views in it. Raises ``TypeError`` for what is no view."""
    if not is_dataclass(view) or isinstance(view, type):
        raise TypeError(f"{type(view).__name__} is no view")
    return {one.name: _plain(getattr(view, one.name), one.name) for one in fields_of(view)}


def _plain(value: object, name: str) -> Json:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return shown(value) if name.endswith(MOMENT) else int(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(one, "") for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one, name) for one in value]
    return fields(value)
