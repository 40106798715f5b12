"""``kwartier doctor``: is this installation well?"""

from dataclasses import asdict

import typer

from kwartier.cli.options import HomeOption, JsonOption, home_folder, print_json, stdout

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Look at everything this installation needs; exit 1 when something fails."""
    from kwartier.service.checkup import FAIL, checkup

    checks = checkup(home_folder(home))
    if as_json:
        print_json({"checks": [asdict(check) for check in checks]})
    else:
        from rich.table import Table

        table = Table(show_header=False, box=None)
        for check in checks:
            state = f"[{COLOURS[check.state]}]{check.state}[/]"
            table.add_row(state, check.name, check.detail, check.advice)
        stdout().print(table)
    if any(check.state == FAIL for check in checks):
        raise typer.Exit(1)
