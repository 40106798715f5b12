"""``kwartier demo``: a living system, from nothing."""

import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kwartier.cli.curve import curve
from kwartier.cli.night import sum_up
from kwartier.cli.options import HomeOption, home_folder, home_given, print_many, say, stdout
from kwartier.cli.progress import Shown
from kwartier.cli.settlement import kwh, print_areas, say_areas

if TYPE_CHECKING:
    from kwartier.service.demo import Demonstration
    from kwartier.service.demo_settlement import SettledDay

CURVE_WIDTH = 96
MAX_DEMO_METERS = 100_000
LAST_PORT = 65535
RECORDINGS = Path("../shared/data/households")


def demo(
    meters: Annotated[int, typer.Option(min=1, max=MAX_DEMO_METERS, help="How many meters.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same meters.")] = 1,
    faults: Annotated[str, typer.Option(help="What goes wrong: none, default, or a TOML file.")] = "default",
    serve: Annotated[
        bool | None,
        typer.Option("--serve/--no-serve", help="Keep the meters listening until Ctrl-C (default: in a terminal)."),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=LAST_PORT, help="The port of the meters at every address (0: any free one).")
    ] = 0,
    households: Annotated[
        Path,
        typer.Option(help="A folder with recorded households; where it is not there, they are drawn from the seed."),
    ] = RECORDINGS,
    home: HomeOption = None,
) -> None:
    """Simulate a fleet of two suppliers on this machine, read yesterday from it in one night, and show how that went."""
    from kwartier.service.demo import living
    from kwartier.service.demo_codes import write_codes
    from kwartier.service.home import create_home, named_home, open_home

    with tempfile.TemporaryDirectory(prefix="kwartier-demo-") as temporary:
        folder = home_folder(home) if named_home(home_given(home)) else Path(temporary, "home")
        stay = sys.stdin.isatty() if serve is None else serve
        create_home(folder)
        write_codes(folder)
        say(f"home: {folder}" + (" (for the time of this demonstration)" if temporary in str(folder) else ""))
        recordings = households if households.is_dir() else None
        with (
            open_home(folder) as opened,
            living(opened, meters=meters, seed=seed, port=port, faults=faults, recordings=recordings) as read,
        ):
            say(f"{meters} simulated meters of two suppliers listen on this machine; the night begins")
            with Shown() as shown:
                found = read(shown.show, say)
            _show(found)
            if stay:
                _wait(found, folder, opened.registry.list()[0][0])
    if not found.comparison.is_clean or not all(one.is_exact for one in found.settled.left):
        raise typer.Exit(1)


def _show(found: "Demonstration") -> None:
    sum_up(found.day, found.counts)
    console = stdout()
    console.print()
    day = found.settled.curve
    for name in ("import_wh", "export_wh"):
        known = day.missing[name] < day.due[name]
        used = [int(one) if there else None for one, there in zip(day.total_wh(name), known, strict=True)]
        console.print(f"{name}  {curve(used, CURVE_WIDTH)}  {kwh(sum(one or 0 for one in used))} kWh", soft_wrap=True)
    compared = found.comparison
    verdict = (
        "every one is what the meter counted" if compared.is_clean else f"{compared.wrong} wrong, {compared.lost} lost"
    )
    console.print()
    console.print(f"{compared.compared} registers compared with the households: {verdict}", soft_wrap=True)
    say(f"{found.counts.stored} of {found.counts.due} meters read, encrypted, in {found.night_s:.1f} s")
    _show_settled(found.settled)


def _show_settled(found: "SettledDay") -> None:
    run = found.run
    print()
    by_kind = ", ".join(f"{count} {kind.value}" for kind, count in found.quarters.items() if count)
    print(f"validated: {by_kind} quarters; {run.findings} findings, {run.substitutes} substitutes")
    print_areas(found.settled.settled)
    say_areas(found.settled.settled)
    print()
    rows = [
        (
            *(one.grid_area, one.direction, kwh(one.residual_wh), kwh(one.unmetered_wh), kwh(one.estimates_wh)),
            *(kwh(one.profiles_wh), "to the watt-hour" if one.is_exact else "DIFFERS"),
        )
        for one in found.left
    ]
    names = ("area", "direction", "residual kWh", "unmetered", "true less estimated", "true less profile", "adds up")
    print_many(rows, header=names)
    version = found.settled.publication.version
    files = sum(len(one.files) for one in found.exported.values())
    say(f"version {version.version} ({version.name}) is {version.state}; {files} market messages in {found.out}")
    say(f"validated, settled and exported in {found.took_s:.1f} s")


def _wait(found: "Demonstration", folder: Path, meter: str) -> None:
    """Until Ctrl-C or a request to end, also where whoever started us ignores Ctrl-C."""
    say("the meters go on listening until Ctrl-C; try in another terminal:")
    say(f"  kwartier --home {folder} night status --date {found.day}")
    say(f"  kwartier --home {folder} fleet show {meter}")
    both = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, both)
    signal.sigwait(both)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
