"""A table of a TOML file that knows where it stands, so that every complaint names file and key.

Values are asked for by the type that they must have. What was never asked for is an unknown key, and
:meth:`Table.no_others` refuses it.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from kwartier.dlms.obis import obis
from kwartier.errors import InputError

MAX_DEPTH = 8
"""Tables within tables."""
MAX_TEXT = 2000


class Table:
    """``values`` at ``path`` of ``file``; remembers which of its keys were asked for."""

    __slots__ = ("_asked", "file", "path", "values")

    def __init__(self, file: str, path: str, values: Mapping[str, object]) -> None:
        self.file = file
        self.path = path
        self.values = values
        self._asked: set[str] = set()

    def wrong(self, key: str, reason: str) -> InputError:
        """The error that says what is wrong with ``key`` of this table."""
        return InputError("bad-companion", f"{self.file}: {self._name(key)} {reason}")

    def _name(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def text(self, key: str, default: str | None = None) -> str:
        """A string; required unless there is a default."""
        self._asked.add(key)
        value = self.values.get(key, default)
        if not isinstance(value, str):
            raise self.wrong(key, "is missing" if value is None else "is no text")
        if len(value) > MAX_TEXT:
            raise self.wrong(key, f"is longer than {MAX_TEXT} characters")
        return value

    def choice(self, key: str, among: tuple[str, ...], default: str | None = None) -> str:
        """One of a few words."""
        value = self.text(key, default)
        if value not in among:
            raise self.wrong(key, f"'{value[:80]}' is none of {', '.join(among)}")
        return value

    def whole(self, key: str, default: int | None = None, *, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``; required unless there is a default."""
        self._asked.add(key)
        value = self.values.get(key, default)
        if value is None:
            raise self.wrong(key, "is missing")
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.wrong(key, f"is no whole number from {low} to {high}")
        return value

    def wholes(self, *, low: int, high: int) -> dict[str, int]:
        """Every entry of this table, each of which must be a whole number."""
        return {key: self.whole(key, low=low, high=high) for key in self.values}

    def flag(self, key: str) -> bool:
        """``true`` or ``false``."""
        self._asked.add(key)
        value = self.values.get(key)
        if not isinstance(value, bool):
            raise self.wrong(key, "is neither true nor false")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings; empty where the key is absent."""
        self._asked.add(key)
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self.wrong(key, "is no list of texts")
        return tuple(value)

    def numbers(self, key: str) -> tuple[int, ...]:
        """A list of whole numbers from 0 up; empty where the key is absent."""
        self._asked.add(key)
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(type(one) is int and one >= 0 for one in value):
            raise self.wrong(key, "is no list of whole numbers")
        return tuple(value)

    def obis(self, key: str) -> bytes:
        """An OBIS code."""
        text = self.text(key)
        try:
            return obis(text)
        except InputError as error:
            raise self.wrong(key, f"is no OBIS code: {error.detail}") from error

    def table(self, key: str) -> "Table":
        """A table; empty where the key is absent."""
        self._asked.add(key)
        value = self.values.get(key, {})
        if not isinstance(value, Mapping):
            raise self.wrong(key, "is no table")
        return Table(self.file, self._name(key), value)

    def tables(self) -> Iterator[tuple[str, "Table"]]:
        """Every entry of this table, each of which must be a table."""
        for key in self.values:
            yield key, self.table(key)

    def numbered(self, highest: int) -> Mapping[int, str]:
        """A table from numbers (TOML keys such as ``13``) to names."""
        numbered: dict[int, str] = {}
        for key in self.values:
            if not (key.isascii() and key.isdigit() and len(key) <= 5 and int(key) <= highest):
                raise self.wrong(key, f"is no number from 0 to {highest}")
            numbered[int(key)] = self.text(key)
        return MappingProxyType(numbered)

    def no_others(self) -> None:
        """Refuse keys that nothing asked for."""
        for key in self.values:
            if key not in self._asked:
                raise self.wrong(key, "is not known here")


def lay_over(below: Mapping[str, object], above: Mapping[str, object], depth: int = 0) -> dict[str, object]:
    """``above`` laid over ``below``: tables key by key, everything else replaced."""
    laid = dict(below)
    for key, value in above.items():
        under = laid.get(key)
        if isinstance(under, Mapping) and isinstance(value, Mapping) and depth < MAX_DEPTH:
            laid[key] = lay_over(under, value, depth + 1)
        else:
            laid[key] = value
    return laid


def without(values: Mapping[str, object], paths: tuple[str, ...], file: str) -> dict[str, object]:
    """``values`` without the entries at ``paths`` (``table.key``); each must be there."""
    left = dict(values)
    for path in paths:
        table, _, key = path.partition(".")
        inner = left.get(table)
        if not isinstance(inner, Mapping) or key not in inner:
            raise InputError("bad-companion", f"{file}: without '{path[:80]}' is nothing that it would have")
        left[table] = {name: value for name, value in inner.items() if name != key}
    return left
