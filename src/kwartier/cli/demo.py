"""``kwartier demo``: a living system, from nothing."""

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kwartier.cli.curve import curve
from kwartier.cli.options import HomeOption, home_folder, home_given, say, stdout
from kwartier.cli.quarters import energies

if TYPE_CHECKING:
    from kwartier.service.demo import Shown

CURVE_WIDTH = 48
MAX_DEMO_METERS = 100
LAST_PORT = 65535
RECORDINGS = Path("../shared/data/households")


def demo(
    meters: Annotated[int, typer.Option(min=1, max=MAX_DEMO_METERS, help="How many meters.")] = 3,
    seed: Annotated[int, typer.Option(help="The same seed gives the same meters.")] = 1,
    serve: Annotated[
        bool | None,
        typer.Option("--serve/--no-serve", help="Keep the meters listening until Ctrl-C (default: in a terminal)."),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=LAST_PORT - MAX_DEMO_METERS, help="The first meter's port (0: any free one).")
    ] = 0,
    households: Annotated[
        Path,
        typer.Option(help="A folder with recorded households; where it is not there, they are drawn from the seed."),
    ] = RECORDINGS,
    home: HomeOption = None,
) -> None:
    """Simulate some meters of two suppliers on this machine, read yesterday from each, and show it."""
    import uvloop

    from kwartier.service.demo import demonstrate
    from kwartier.service.home import create_home, named_home, open_home

    with tempfile.TemporaryDirectory(prefix="kwartier-demo-") as temporary:
        folder = home_folder(home) if named_home(home_given(home)) else Path(temporary, "home")
        stay = sys.stdin.isatty() if serve is None else serve
        create_home(folder)
        say(f"home: {folder}" + (" (for the time of this demonstration)" if temporary in str(folder) else ""))
        with open_home(folder) as opened:
            work = demonstrate(
                opened,
                count=meters,
                seed=seed,
                port=port,
                recordings=households if households.is_dir() else None,
                show=_show,
                done=lambda shown: _sum_up(shown, folder, stay),
                stay=stay,
            )
            try:
                well = uvloop.run(work)
            except KeyboardInterrupt:
                return
    if not well:
        raise typer.Exit(1)


def _show(shown: "Shown") -> None:
    one, report = shown.connection, shown.report
    console = stdout()
    console.print(
        f"[bold]{one.meter}[/]  made by {one.supplier.name}, {report.companion.title} over {one.supplier.transport}"
    )
    result, error = report.visit.result, report.visit.error
    if result is None:
        console.print(f"  {'' if error is None else error.sentence()}", markup=False)
        return
    for name in result.readings.registers:
        used = energies(result.readings, name)
        total_wh = sum(energy_wh or 0 for energy_wh in used)
        console.print(f"  {name:<10} {curve(used, CURVE_WIDTH)} {total_wh // 1000:>4}.{total_wh % 1000:03d} kWh")
    traffic = report.visit.traffic
    took_ms = (report.visit.ended - report.visit.started).total_seconds() * 1000
    verdict = "equal to what the household really used" if shown.equal else "[red]not what the household used[/]"
    console.print(
        f"  {len(result.readings.times) - 1} quarters, {traffic.messages_sent} messages, "
        f"{traffic.bytes_received} bytes received, {took_ms:.0f} ms: {verdict}"
    )


def _sum_up(shown: "list[Shown]", folder: Path, stay: bool) -> None:
    well = sum(one.equal for one in shown)
    say(f"{well} of {len(shown)} meters read, encrypted, every register compared with its household")
    if stay and shown:
        report = shown[0].report
        day = report.record.detail["from"]
        say("the meters go on listening until Ctrl-C; try in another terminal:")
        say(f"  kwartier --home {folder} read {report.meter.meter} --from {day}")
