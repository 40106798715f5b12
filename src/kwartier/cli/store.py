"""``kwartier store``: the upkeep of what is stored."""

import time
from dataclasses import asdict
from typing import Annotated

import typer

from kwartier.cli.options import HomeOption, JsonOption, home_folder, print_json, print_table

MAX_KEEP_DAYS = 100_000

app = typer.Typer(help="The upkeep of what is stored.", no_args_is_help=True)


@app.command("tidy")
def tidy(
    keep_days: Annotated[
        int | None,
        typer.Option(
            "--keep",
            min=0,
            max=MAX_KEEP_DAYS,
            help="Drop all but so many days (0: none; default: as `keep_days` says).",
        ),
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Make look-ups fast again and forget what is kept no longer; to be run after each night.

    The many small files of a night become one a day, in the order of ids, and days become segments. Days that are kept no
    longer are dropped with their keys, but for what somebody has restricted or disputed, and what was decided to be erased
    leaves the disk; the audit log says what went. It may run beside a night, and may be broken off at any moment.
    """
    from kwartier.service.home import open_home
    from kwartier.service.upkeep import tidy as carry_out

    with open_home(home_folder(home)) as opened:
        done = carry_out(opened, keep_days=keep_days, wall=time.time)
    if as_json:
        print_json(asdict(done))
    else:
        print_table([(name.replace("_", " "), f"{count}") for name, count in asdict(done).items()])
