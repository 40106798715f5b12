"""``kwartier keys``: the keys of meters. No command prints one."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from kwartier.cli.options import (
    HomeOption,
    JsonOption,
    RefusedOption,
    SkipBadOption,
    home_folder,
    print_json,
    print_table,
    say,
)

app = typer.Typer(help="The keys of meters.", no_args_is_help=True)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="keys.csv.")],
    skip_bad: SkipBadOption = False,
    refused: RefusedOption = None,
    home: HomeOption = None,
) -> None:
    """Take in keys, before or after their meters. Keys that a meter has already are replaced, and that is recorded."""
    from kwartier.service.home import actor, open_home

    aside = refused or file.with_suffix(file.suffix + ".refused.csv")
    with open_home(home_folder(home)) as opened:
        done = opened.keyring.import_file(
            file,
            at=int(time.time()),
            actor=actor(),
            own_title=opened.settings.own_title,
            skip_bad=skip_bad,
            refused=aside,
        )
    say(f"{file.name}: {done.new} new, {done.replaced} replaced, {done.refused} refused")
    if done.refused:
        say(f"refused rows are in {aside}, without their keys")


@app.command("status")
def status(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Count the keys: where they come from, who has none, which counters come near their end."""
    from kwartier.service.home import open_home

    with open_home(home_folder(home)) as opened:
        facts = asdict(opened.keyring.status())
    if as_json:
        print_json(facts)
        return
    print_table((name.replace("_", " "), str(value)) for name, value in facts.items())
