"""``kwartier breach``: readings got where they should not; who was affected, and how long there is to say so."""

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from kwartier.cli.options import HomeOption, JsonOption, home_folder, print_json, print_table, say
from kwartier.errors import InputError

if TYPE_CHECKING:
    from kwartier.service.subject.breach import Breach

app = typer.Typer(help="When readings got where they should not (AVG 33).", no_args_is_help=True)
HOUR_S = 3600
SHOWN = 20


@app.callback()
def _group() -> None:
    """One command so far, and a name for it."""


@app.command("report")
def report(
    start: Annotated[str, typer.Option("--from", help="From when on readings were seen, a moment in ISO 8601.")],
    end: Annotated[str, typer.Option("--to", help="Until when.")],
    discovered: Annotated[str, typer.Option("--discovered-at", help="When it became known (default: now).")] = "",
    purpose: Annotated[str, typer.Option(help="Only grants for this purpose.")] = "",
    actor: Annotated[str, typer.Option(help="Only grants of this actor.")] = "",
    grant: Annotated[str, typer.Option(help="Only this grant.")] = "",
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV: a row for each connection of each grant.")] = False,
    home: HomeOption = None,
) -> None:
    """Show whose readings certain grants let see, and what is left of the 72 hours; moments without an offset are UTC."""
    from kwartier.service.home import open_home
    from kwartier.service.subject import breach
    from kwartier.service.subject.logged import Members, records
    from kwartier.service.subject.seeing import officer

    now = int(time.time())
    wanted = breach.Wanted(start=_moment(start), end=_moment(end), purpose=purpose, actor=actor, grant=grant)
    with open_home(home_folder(home)) as opened:
        officer(opened)
        known_at = _moment(discovered) if discovered else now
        found = breach.report(
            opened.engine,
            wanted,
            discovered_at=known_at,
            now=now,
            records=records(opened),
            members=Members(opened),
        )
    if as_json:
        print_json(breach.as_table(found))
    elif as_csv:
        sys.stdout.write(breach.as_csv(found))
    else:
        _show(found)


def _show(found: "Breach") -> None:
    from kwartier.service.subject.breach import as_table

    told = as_table(found)
    left = f"{abs(found.left_s) // HOUR_S} hours {'left' if found.left_s >= 0 else 'over'}"
    rows = [
        ("grants", f"{len(found.grants)}"),
        ("connections", f"{len(found.connections)}"),
        ("discovered", f"{told['discovered_at']}"),
        ("to be notified by", f"{told['deadline']}, {left} ({told['article']})"),
    ]
    print_table(rows)
    for one in found.grants[:SHOWN]:
        least = "" if one.is_exact else "at most "
        print_table(
            [
                (
                    one.grant,
                    one.actor,
                    one.purpose,
                    f"{one.days[0]} up to {one.days[1]}",
                    f"{least}{len(one.connections)}",
                )
            ]
        )
    if len(found.grants) > SHOWN:
        say(f"and {len(found.grants) - SHOWN} more grants: --json or --csv shows all")


def _moment(text: str) -> int:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InputError("bad-argument", f"{text[:40]!r} is no moment such as 2026-01-31T12:00:00Z") from None
    return int((found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp())
