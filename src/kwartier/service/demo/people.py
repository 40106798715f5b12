"""Who may sign in at a demonstration: one account for each role that a page is made for, with a password that is told once."""

import json
import secrets
import tomllib
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from kwartier.clock import local_day
from kwartier.database import writing
from kwartier.disk import write_whole
from kwartier.errors import InputError
from kwartier.gate import permissions
from kwartier.service.home import Home
from kwartier.service.home import actor as os_name
from kwartier.service.identity import accounts, role_table
from kwartier.service.settings import FILE_NAME
from kwartier.who.roles import roles, roles_of

PEOPLE = {
    "operator": ("operator",),
    "analyst": ("settlement", "validation"),
    "privacy": ("privacy-officer",),
    "customer": ("customer",),
}
"""By the name of the account, its roles."""
CUSTOMER = "customer"
PASSWORD_BYTES = 9
OWN_DAYS = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class Somebody:
    """An account. ``ean``: the connection of a customer."""

    name: str
    password: str = field(repr=False)
    roles: tuple[str, ...]
    ean: str = ""


def write_roles(home: Path) -> bool:
    """Give the accounts their roles in the settings of ``home``, and its owner those that he had; whether that was written.

    A table that is there already stays what it is. Raises ``InputError`` bad-settings where the settings are no TOML.
    """
    path = home / FILE_NAME
    before = path.read_text("utf-8")
    try:
        present = tomllib.loads(before)
    except tomllib.TOMLDecodeError as error:
        raise InputError("bad-settings", f"{path}: {error}") from None
    if "roles" in present:
        return False
    owner = {os_name(home.stat().st_uid): tuple(name for name, role in roles().items() if not role.self)}
    table = {**owner, **{f"account:{name}": given for name, given in PEOPLE.items()}}
    lines = [f"{_quoted(name)} = [{', '.join(map(_quoted, given))}]" for name, given in table.items()]
    write_whole(path, "\n".join([before.rstrip(), "", "[roles]", *lines, ""]).encode())
    return True


def let_in(home: Home, ean: str, *, at: int) -> list[Somebody]:
    """Make the accounts, anew where there are some; the customer's connection is ``ean``. ``at``: UTC seconds.

    Raises ``Denied`` no-accounts where a connection may be somebody's.
    """
    known = accounts(home)
    there = {one.name for one in known.known()}
    found = []
    for name in PEOPLE:
        if name in there:
            known.remove(name)
        own = ean if name == CUSTOMER else ""
        password, held = secrets.token_urlsafe(PASSWORD_BYTES), roles_of(f"account:{name}", role_table(home))
        somebody = Somebody(name=name, password=password, roles=tuple(sorted(held)), ean=own)
        known.add(name, somebody.password, by=os_name(), at=at)
        found.append(somebody)
    today = local_day(at, home.settings.timezone)
    with writing(home.engine) as connection:
        permissions.withdraw_all(connection, f"account:{CUSTOMER}", at=at)
        permissions.give_mandate(
            connection,
            ean,
            f"account:{CUSTOMER}",
            "own",
            today - timedelta(days=OWN_DAYS),
            today + timedelta(days=OWN_DAYS),
            by=os_name(),
            at=at,
        )
    return found


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a string of TOML is written as one of JSON is
