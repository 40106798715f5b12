"""``kwartier fleet``: the meters that there are."""

import time
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
    say,
    stdout,
)

app = typer.Typer(help="The meters that there are.", no_args_is_help=True)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="fleet.csv, or the same columns as Parquet.")],
    skip_bad: SkipBadOption = False,
    refused: RefusedOption = None,
    home: HomeOption = None,
) -> None:
    """Take in meters and their connections; a meter that is known is updated."""
    from kwartier.service.home import open_home

    aside = refused or file.with_suffix(file.suffix + ".refused.csv")
    with open_home(home_folder(home)) as opened:
        done = opened.registry.import_file(file, at=int(time.time()), skip_bad=skip_bad, refused=aside)
    say(f"{file.name}: {done.new} new, {done.updated} updated, {done.refused} refused")
    if done.refused:
        say(f"refused rows are in {aside}")


@app.command("list")
def list_(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List the meters."""
    from kwartier.service.home import open_home

    with open_home(home_folder(home)) as opened:
        rows = opened.registry.list()
    if as_json:
        print_json({"meters": [{"meter": meter, "ean": ean} for meter, ean, _, _ in rows]})
        return
    from rich.table import Table

    table = Table("meter", "ean", "address", "companion", box=None, header_style="bold")
    for row in rows:
        table.add_row(*row)
    stdout().print(table)
    say(f"{len(rows)} meters")


@app.command("show")
def show(
    meter: Annotated[str, typer.Argument(help="The meter's name.")],
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show everything the fleet knows of one meter, and its last visits."""
    from kwartier.model import Meter
    from kwartier.service.home import open_home

    with open_home(home_folder(home)) as opened:
        found = opened.registry.meter(meter)
        keys = opened.keyring.keys_of(meter)
        visits = opened.visits.of_meter(meter)[:5]
    facts: dict[str, object] = {name: getattr(found, name) for name in Meter.__dataclass_fields__}
    facts["system_title"] = found.system_title.hex().upper()
    facts["keys"] = None if keys is None else keys.origin
    last = [
        {"started": one.started.isoformat(), "outcome": one.outcome, "purpose": one.purpose, "actor": one.actor}
        for one in visits
    ]
    if as_json:
        print_json({**facts, "visits": last})
        return
    from rich.table import Table

    table = Table(show_header=False, box=None)
    for name, value in facts.items():
        table.add_row(name, "-" if value in (None, "") else str(value))
    for visit in last:
        table.add_row("visit", "  ".join(visit.values()))
    stdout().print(table)
