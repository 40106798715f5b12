"""``kwartier fleet``: the meters that there are."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kwartier.cli.options import (
    HomeOption,
    JsonOption,
    RefusedOption,
    SkipBadOption,
    home_folder,
    print_json,
    print_many,
    print_table,
    say,
)

if TYPE_CHECKING:
    from kwartier.model import Meter

SHOWN = 5
"""The last so many visits and changes of keys."""

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
    print_many(rows, header=("meter", "ean", "address", "companion"))
    say(f"{len(rows)} meters")


@app.command("show")
def show(
    meter: Annotated[str, typer.Argument(help="The meter's name.")],
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show everything the fleet knows of one meter, the last changes of its keys, and its last visits."""
    from kwartier.service.home import open_home

    with open_home(home_folder(home)) as opened:
        found = opened.registry.meter(meter)
        facts = _facts(found, opened.keyring.origin_of(meter))
        changes = opened.keyring.events_of(meter)[-SHOWN:]
        visits = opened.visits.of_meter(meter)[:SHOWN]
    keys = [{"at": _utc(one.at), "action": one.action, "actor": one.actor} for one in changes]
    last = [
        {"started": one.started.isoformat(), "outcome": one.outcome, "purpose": one.purpose, "actor": one.actor}
        for one in visits
    ]
    if as_json:
        print_json({**facts, "key_changes": keys, "visits": last})
        return
    rows = [(name, "-" if value in (None, "") else str(value)) for name, value in facts.items()]
    rows += [("keys", "  ".join(change.values())) for change in keys]
    rows += [("visit", "  ".join(visit.values())) for visit in last]
    print_table(rows)


def _facts(meter: "Meter", origin: str | None) -> dict[str, object]:
    facts: dict[str, object] = {name: getattr(meter, name) for name in meter.__dataclass_fields__}
    facts["system_title"] = meter.system_title.hex().upper()
    facts["keys"] = origin
    return facts


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
