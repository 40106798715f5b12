"""``kwartier backup``: a whole installation in a folder, and back."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kwartier.cli.options import HomeOption, JsonOption, home_folder, print_json, print_table

if TYPE_CHECKING:
    from kwartier.service.backup import Manifest

app = typer.Typer(help="A whole installation in a folder, and back.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="The folder of the backup.")]


@app.command("create")
def create(
    folder: Folder,
    without_key: Annotated[
        bool, typer.Option("--without-master-key", help="Leave the master key out; it has to be kept elsewhere.")
    ] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Back up registry, keys, counters, claims, records and readings as one consistent state; a night may be running.

    Whoever has such a folder with its master key has everything: keep it as safe as the installation, no longer than readings.
    """
    from kwartier.service import backup
    from kwartier.service.home import open_home

    with open_home(home_folder(home)) as opened:
        show(backup.create(opened, folder, wall=time.time, with_key=not without_key), as_json)


@app.command("check")
def check(folder: Folder, as_json: JsonOption = False) -> None:
    """Say whether a backup is whole and as it was made. Exit 2: it is not."""
    from kwartier.service import backup

    show(backup.check(folder), as_json)


@app.command("restore")
def restore(
    folder: Folder,
    database: Annotated[
        str | None, typer.Option(help="The address of an empty database in place of the one that it had.")
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Make an installation from a backup, in a home that is not there yet.

    Every invocation counter moves ahead of what may have been sent since; nobody is read on this local day any more.
    """
    from kwartier.service import backup

    show(backup.restore(folder, home_folder(home), wall=time.time, database=database), as_json)


def show(manifest: "Manifest", as_json: bool) -> None:
    """What is in a backup."""
    if as_json:
        print_json({**asdict(manifest), "files": len(manifest.files)})
    else:
        rows = [(name, f"{count}") for name, count in manifest.rows.items() if count]
        print_table([*rows, ("files", f"{len(manifest.files)}"), ("version of the store", f"{manifest.store_version}")])
