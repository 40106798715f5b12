"""Who is meant: the market knows parties and grid areas by codes, and everything else in this program by names.

A code says by its form whose list it stands in: thirteen or eighteen digits are GS1's, sixteen characters an EIC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from kwartier.errors import InputError

GS1, EIC = "A10", "A01"
"""Coding schemes, as messages name them."""
EIC_CHARACTERS = 16
TSO = "tso"
"""The recipient of what goes to the operator of the transmission grid, who has no name of his own here."""
MAX_SHOWN = 64


class Code(NamedTuple):
    """A party or an area, as the market knows it."""

    value: str
    scheme: str


def code_of(value: str) -> Code:
    """A code with the scheme that its form tells. Whether it is a right one, the settings have checked."""
    return Code(value, EIC if len(value) == EIC_CHARACTERS else GS1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """The codes of an installation, by name. None: it has none yet."""

    sender: Code | None = None
    tso: Code | None = None
    parties: Mapping[str, Code] = field(default_factory=dict)
    areas: Mapping[str, Code] = field(default_factory=dict)

    def own(self) -> Code:
        """Who sends. Raises ``InputError`` no-code, as all of these do."""
        return _there(self.sender, "`sender` under [market]")

    def party(self, name: str) -> Code:
        """A balance responsible party or a supplier."""
        return _there(self.parties.get(name), f"{shown(name)} under [parties]")

    def area(self, name: str) -> Code:
        """A grid area."""
        return _there(self.areas.get(name), f"{shown(name)} under [areas]")

    def recipient(self, name: str) -> Code:
        """Whoever a message goes to."""
        return _there(self.tso, "`tso` under [market]") if name == TSO else self.party(name)


def _there(code: Code | None, where: str) -> Code:
    if code is None:
        raise InputError("no-code", f"kwartier.toml has no code for {where}")
    return code


def shown(name: str) -> str:
    """A name in an error: in one line, and not for ever."""
    return ascii(name[:MAX_SHOWN])
