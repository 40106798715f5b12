"""What a meter may be asked: a closed list, and everything that goes to a meter is held against it.

Companions and stored layouts say where a kind of meter keeps what is wanted; an installation may bring companions of its own.
They choose among what stands in ``allowed.toml`` and cannot add to it: a plan that wants anything else, such as the power at
this moment, ends with an error and nothing has gone on the line. The data dictionary is printed from the same table.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType

from kwartier.cosem.access import CaptureObject, Range, parse
from kwartier.cosem.toml_table import Table
from kwartier.dlms.events import Act, Get, GetList, Operation, Set
from kwartier.dlms.obis import dotted
from kwartier.errors import InputError

FILE = "allowed.toml"
LANGUAGES = ("nl", "en")
VALUE = 2
"""The attribute that a column holds."""
MAX_REMEMBERED = 1024
"""Questions that were held against the list: a night has one a kind of meter and run of days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """One object of the list; the fields are explained at the head of the table."""

    name: str
    obis: bytes
    classes: tuple[int, ...]
    get: tuple[int, ...]
    set: tuple[int, ...]
    column: bool
    personal: bool
    unit: str
    resolution: str
    text: Mapping[str, str]
    when: Mapping[str, str]
    kept: Mapping[str, str]


@lru_cache(maxsize=1)
def allowed() -> Mapping[str, Allowed]:
    """The list, in the order of the table."""
    table = tomllib.loads(files("kwartier.cosem").joinpath(FILE).read_text("utf-8"))
    return MappingProxyType({name: _allowed(name, row) for name, row in table.items()})


def check(operation: Operation) -> None:
    """Go on if ``operation`` may go to a meter. Raises ``InputError`` never-asked."""
    if isinstance(operation, Get):
        _check_get(operation)
    elif isinstance(operation, GetList):
        for item in operation.items:
            _check_get(item)
    elif isinstance(operation, Set):
        found = _table().get((operation.class_id, operation.obis))
        if found is None or operation.attribute not in found.set or operation.access is not None:
            raise _never(operation.class_id, operation.obis, f"attribute {operation.attribute}", "written to")
    elif isinstance(operation, Act):
        raise _never(operation.class_id, operation.obis, f"method {operation.method}", "invoked on")


def is_column(column: CaptureObject) -> bool:
    """Whether a request may name it as a column of the quarter profile."""
    found = _table().get((column.class_id, column.obis))
    return found is not None and found.column and (column.attribute, column.data_index) == (VALUE, 0)


@lru_cache(maxsize=MAX_REMEMBERED)
def _check_get(one: Get) -> None:
    """Go on if this may be asked; a question is the same for many meters, and is looked at once."""
    found = _table().get((one.class_id, one.obis))
    if found is None or one.attribute not in found.get:
        raise _never(one.class_id, one.obis, f"attribute {one.attribute}", "asked of")
    if one.access is None:
        return
    selected = parse(one.access)
    named: Iterable[CaptureObject] = (selected.by, *selected.columns) if isinstance(selected, Range) else ()
    for column in named:
        if not is_column(column):
            raise _never(column.class_id, column.obis, f"attribute {column.attribute} as a column", "asked of")


@lru_cache(maxsize=1)
def _table() -> Mapping[tuple[int, bytes], Allowed]:
    return {(class_id, row.obis): row for row in allowed().values() for class_id in row.classes}


def _never(class_id: int, code: bytes, what: str, done: str) -> InputError:
    return InputError("never-asked", f"{what} of {dotted(code)} (class {class_id}) may not be {done} a meter")


def _allowed(name: str, values: Mapping[str, object]) -> Allowed:
    """A row of the table; nothing in it is guessed."""
    row = Table(FILE, name, values)
    made = Allowed(
        name=name,
        obis=row.obis("obis"),
        classes=row.numbers("classes"),
        get=row.numbers("get"),
        set=row.numbers("set"),
        column=row.flag("column"),
        personal=row.flag("personal"),
        unit=row.text("unit"),
        resolution=row.text("resolution"),
        text={language: row.table("text").text(language) for language in LANGUAGES},
        when={language: row.table("when").text(language) for language in LANGUAGES},
        kept={language: row.table("kept").text(language) for language in LANGUAGES},
    )
    row.no_others()
    return made
