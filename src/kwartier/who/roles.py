"""Which roles a name has: a closed list of roles as data, and a table of an installation from names to roles.

A line of that table names one actor, or one of three kinds of many:

- ``os:*`` - every user of this system;
- ``mtls:*.example.org`` - every service whose certificate names one label in the place of the star;
- ``group:<alias>:<value>`` - everybody for whom that issuer puts ``value`` into its claim of roles.

Groups have a kind of their own, since an issuer may let people choose their subject: no subject can pass for a group. All
lines that fit add up; whom none fits has no role.
"""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from kwartier.errors import InputError
from kwartier.who.actor import MAX_NAME, VIAS, is_name

FILE = "roles.toml"
EVERY_USER = "os:*"
GROUP = "group"
STAR = "mtls:*."
MAX_LINES = 10_000
MAX_SHOWN = 40
RoleTable = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One role: its id, its name in two languages, and what it is for."""

    name: str
    en: str
    nl: str
    what: str
    self: bool = False
    """Whether it is about the holder's own connection."""


@lru_cache(maxsize=1)
def roles() -> dict[str, Role]:
    """Every role, in the order of the table."""
    text = resources.files("kwartier.who").joinpath(FILE).read_text("utf-8")
    return {name: Role(name=name, **row) for name, row in tomllib.loads(text).items()}


def check(table: RoleTable) -> None:
    """Hold a table of an installation against what there is. Raises ``InputError`` bad-roles, naming what is wrong."""
    if len(table) > MAX_LINES:
        raise InputError("bad-roles", f"there are {len(table)} lines, {MAX_LINES} are taken")
    for pattern, given in table.items():
        said = _problem(pattern)
        if said is not None:
            raise InputError("bad-roles", f"{pattern[:MAX_SHOWN]!r} {said}")
        unknown = sorted(set(given) - roles().keys())
        if unknown:
            named = ", ".join(repr(one[:MAX_SHOWN]) for one in unknown)
            raise InputError("bad-roles", f"{pattern} has {named}; the roles are {', '.join(roles())}")


def roles_of(name: str, table: RoleTable, groups: Collection[str] = ()) -> frozenset[str]:
    """The roles of an actor by its name and ``groups``, from a table that was checked."""
    return frozenset(role for pattern in patterns_of(name, table, groups) for role in table[pattern])


def patterns_of(name: str, table: RoleTable, groups: Collection[str] = ()) -> list[str]:
    """The lines of the table that fit an actor."""
    fitting = {name, *groups}
    if name.startswith("os:"):
        fitting.add(EVERY_USER)
    label, dot, domain = name.removeprefix("mtls:").partition(".")
    if name.startswith("mtls:") and label and dot and ":" not in label and "/" not in label:
        fitting.add(f"{STAR}{domain}")
    return sorted(fitting & table.keys())


def _problem(pattern: str) -> str | None:
    """What is wrong with the left side of a line."""
    kind, _, rest = pattern.partition(":")
    if kind not in (*VIAS, GROUP):
        return f"does not begin with one of {', '.join(f'{one}:' for one in (*VIAS, GROUP))}"
    if len(pattern) > MAX_NAME or not is_name(rest):
        return f"is no name of at most {MAX_NAME} visible characters"
    if kind in ("oidc", GROUP) and not all(rest.partition(":")[::2]):
        return f"is not {kind}:<alias of the issuer>:<value>"
    if "*" in rest and kind not in ("oidc", GROUP):  # there a star is a letter like any other
        starred = (
            pattern.startswith(STAR) and "*" not in pattern.removeprefix(STAR) and "." in pattern.removeprefix(STAR)
        )
        if pattern != EVERY_USER and not starred:
            return f"has a star, which only {EVERY_USER} and {STAR}<domain> may have"
    return None
