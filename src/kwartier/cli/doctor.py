"""``kwartier doctor`` says whether this installation is well."""

from dataclasses import asdict

import typer

from kwartier.cli.options import HomeOption, JsonOption, home_folder, print_json, print_table

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Look at everything this installation needs; exit 1 when something fails."""
    from kwartier.service.checkup import FAIL, checkup

    checks = checkup(home_folder(home))
    if as_json:
        print_json({"checks": [asdict(check) for check in checks]})
    else:
        from rich.text import Text

        print_table(
            (Text(check.state, style=COLOURS[check.state]), check.name, check.detail, check.advice) for check in checks
        )
    if any(check.state == FAIL for check in checks):
        raise typer.Exit(1)
