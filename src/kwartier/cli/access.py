"""``kwartier access`` and ``kwartier account``: who may do what, what waits for a second pair of eyes, and who used it."""

import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from kwartier.cli.options import HomeOption, JsonOption, home_folder, print_json, print_many, print_table, say

app = typer.Typer(help="Who may do what, and who did.", no_args_is_help=True)
account = typer.Typer(help="Accounts with a password, for simulated meters only.", no_args_is_help=True)
DAYS = 90
MAX_LINE = 1024
"""Characters of a password that are taken from stdin at most; it is refused when it is too long."""


def _utc(moment: int | None) -> str:
    return "" if moment is None else datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")


@app.command("whoami")
def whoami(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Show who you are to this installation, and your roles."""
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor

    with open_home(home_folder(home)) as opened:
        found = actor(opened)
    if as_json:
        print_json({"name": found.name, "via": found.via, "roles": sorted(found.roles)})
        return
    print_table([("name", found.name), ("roles", ", ".join(sorted(found.roles)) or "none")])


@app.command("report")
def report(
    since: Annotated[
        datetime | None,
        typer.Option("--since", formats=["%Y-%m-%d"], help=f"How far to look back, a day of UTC ({DAYS} days ago)."),
    ] = None,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    home: HomeOption = None,
) -> None:
    """Show every line of the table of roles with its last use, for who decides which of them are still needed.

    Exit 1 if a supplier of modules is among them, or somebody used a grant and has no role.
    """
    from kwartier.service.home import open_home
    from kwartier.service.identity import recertification

    now = datetime.now(UTC)
    first = now - timedelta(days=DAYS) if since is None else since.replace(tzinfo=UTC)
    with open_home(home_folder(home)) as opened:
        found = recertification(opened, int(first.timestamp()), at=int(now.timestamp()))
    if as_json:
        print_json(found.table())
    elif as_csv:
        typer.echo(found.csv(), nl=False)
    else:
        rows = [
            (one.state, one.pattern, one.actor, f"{one.uses}", _utc(one.last_used), " ".join(one.roles))
            for one in found.lines
        ]
        print_many(rows, ("state", "line", "actor", "uses", "last used", "roles"))
    vendors = ", ".join(found.vendor_principals)
    say(f"vendor principals = {len(found.vendor_principals)}{f': {vendors}' if vendors else ''}")
    if found.unmapped:
        say(f"used a grant and has no role: {', '.join(found.unmapped)}")
    if found.vendor_principals or found.unmapped:
        raise typer.Exit(1)


@app.command("pending")
def pending(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Show what was asked for and waits for a second actor."""
    from kwartier.service.home import open_home
    from kwartier.service.identity import pairs

    with open_home(home_folder(home)) as opened:
        found = pairs(opened).pending(at=int(time.time()))
    if as_json:
        keys = ("id", "kind", "text", "digest", "asked_by")
        told = [{key: getattr(one, key) for key in keys} for one in found]
        times = [{"asked_at": _utc(one.asked_at), "ends_at": _utc(one.ends_at)} for one in found]
        print_json([{**one, **at} for one, at in zip(told, times, strict=True)])
        return
    rows = [(one.id, one.kind, one.asked_by, _utc(one.ends_at), one.text) for one in found]
    print_many(rows, ("id", "operation", "asked by", "ends", "what"))


@app.command("approve")
def approve(
    name: Annotated[str, typer.Argument(metavar="ID", help="What `access pending` calls it.")],
    home: HomeOption = None,
) -> None:
    """Approve, as the second of two, what another asked for."""
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor, pairs

    with open_home(home_folder(home)) as opened:
        found = pairs(opened).approve(name, actor(opened), at=int(time.time()))
    say(f"{found.kind}, asked by {found.asked_by}, is approved until {_utc(found.ends_at)}: {found.text}")


@account.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Small letters, digits and hyphens.")], home: HomeOption = None
) -> None:
    """Make an account. The password is asked for, or is the one line on stdin; it is never an argument."""
    from kwartier.service.home import open_home
    from kwartier.service.identity import accounts, actor

    with open_home(home_folder(home)) as opened:
        accounts(opened).add(name, _password(), by=actor(opened).name, at=int(time.time()))
    say(f"account:{name} is made; its roles are those of that name under [roles] in kwartier.toml")


@account.command("list")
def list_(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List the accounts, and when each was last used."""
    from kwartier.service.home import open_home
    from kwartier.service.identity import accounts

    with open_home(home_folder(home)) as opened:
        found = accounts(opened).known()
    rows = [(one.name, _utc(one.made_at), one.made_by, _utc(one.used_at)) for one in found]
    if as_json:
        print_json([dict(zip(("name", "made_at", "made_by", "used_at"), row, strict=True)) for row in rows])
        return
    print_many(rows, ("name", "made", "by", "last used"))


@account.command("remove")
def remove(name: Annotated[str, typer.Argument(help="The account.")], home: HomeOption = None) -> None:
    """Delete an account."""
    from kwartier.service.home import open_home
    from kwartier.service.identity import accounts

    with open_home(home_folder(home)) as opened:
        accounts(opened).remove(name)
    say(f"account:{name} is gone")


def _password() -> str:
    """From the terminal without an echo, else the one line on stdin."""
    from getpass import getpass

    if sys.stdin.isatty():
        return getpass("Password: ", sys.stderr)
    return sys.stdin.readline(MAX_LINE).rstrip("\r\n")
