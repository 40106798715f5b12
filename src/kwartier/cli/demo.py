"""``kwartier demo``: a living system, from nothing."""

import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from kwartier.cli.curve import curve
from kwartier.cli.night import sum_up
from kwartier.cli.options import HomeOption, home_folder, home_given, print_many, say, stdout
from kwartier.cli.progress import Shown
from kwartier.cli.serve import PORT
from kwartier.cli.settlement import kwh, print_areas, say_areas

if TYPE_CHECKING:
    from kwartier.service.demo.living import Demonstration, Living
    from kwartier.service.demo.people import Somebody
    from kwartier.service.demo.settled_day import SettledDay

CURVE_WIDTH = 96
MAX_DEMO_METERS = 100_000
LAST_PORT = 65535
RECORDINGS = Path("../shared/data/households")
HOST = "127.0.0.1"
LOG = "console.log"
"""What the console logs, in the home: a terminal has other things to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Which fleet is simulated; the names are those of the options."""

    meters: int
    seed: int
    faults: str
    port: int
    households: Path


def demo(
    meters: Annotated[int, typer.Option(min=1, max=MAX_DEMO_METERS, help="How many meters.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same meters.")] = 1,
    faults: Annotated[str, typer.Option(help="What goes wrong: none, default, or a TOML file.")] = "default",
    serve: Annotated[
        bool,
        typer.Option("--serve/--no-serve", help="Serve the console until Ctrl-C, or end after the summary."),
    ] = True,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=LAST_PORT, help=f"The port of the console (default: {PORT}, or one that is free)."),
    ] = None,
    meter_port: Annotated[
        int, typer.Option(min=0, max=LAST_PORT, help="The port of the meters at every address (0: any free one).")
    ] = 0,
    households: Annotated[
        Path,
        typer.Option(help="A folder with recorded households; where it is not there, they are drawn from the seed."),
    ] = RECORDINGS,
    home: HomeOption = None,
) -> None:
    """Simulate a fleet of two suppliers on this machine, read it, settle the day, and show all of it.

    With the console (the default): the night before last is read at once, and last night goes on while you look, stop it and
    break it. With `--no-serve`: last night is read at once, and how that went is printed.
    """
    from kwartier.service.home import named_home

    with tempfile.TemporaryDirectory(prefix="kwartier-demo-") as temporary, _ended_well():
        folder = home_folder(home) if named_home(home_given(home)) else Path(temporary, "home")
        fleet = Fleet(meters=meters, seed=seed, faults=faults, port=meter_port, households=households)
        is_right = _serve(folder, fleet, port) if serve else _read(folder, fleet)
    if not is_right:
        raise typer.Exit(1)


@contextmanager
def _ended_well() -> Iterator[None]:
    """Told to end (SIGTERM), everything that was opened is closed, wherever that finds us."""

    def end(*_: object) -> None:
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _living(folder: Path, fleet: Fleet) -> Iterator["Living"]:
    from kwartier.service.demo.living import living
    from kwartier.service.home import open_home

    recordings = fleet.households if fleet.households.is_dir() else None
    with (
        open_home(folder) as opened,
        living(
            opened,
            meters=fleet.meters,
            seed=fleet.seed,
            port=fleet.port,
            faults=fleet.faults,
            recordings=recordings,
        ) as found,
    ):
        say(f"{fleet.meters} simulated meters of two suppliers listen on this machine; the night begins")
        yield found


def _made(folder: Path) -> None:
    from kwartier.errors import InputError
    from kwartier.service.demo.codes import write_codes
    from kwartier.service.home import create_home, open_home
    from kwartier.service.identity import is_simulated

    create_home(folder)
    with open_home(folder) as opened:
        if not is_simulated(opened):
            raise InputError("real-home", f"{folder} has connections whose EAN does not begin with 20")
    write_codes(folder)
    say(f"home: {folder}")


def _read(folder: Path, fleet: Fleet) -> bool:
    from kwartier.service.night import told_to_end, yesterday

    _made(folder)
    with _living(folder, fleet) as found, told_to_end() as told:
        day = yesterday(time.time(), found.home.settings.timezone)
        read = found.read(day, Shown, say, told=told)
    if read is None:
        say("told to end before the day was read and settled")
        return False
    _show(read)
    return read.is_right


def _serve(folder: Path, fleet: Fleet, port: int | None) -> bool:
    from kwartier.service.demo.breaking import Breaking
    from kwartier.service.demo.people import let_in, write_roles
    from kwartier.service.demo.story import Story, Told, night_settings
    from kwartier.service.night_control import NightControl
    from kwartier.service.settings import ENV_PREFIX
    from kwartier.simulate.world import TIMEZONE
    from kwartier.web.app import create_app
    from kwartier.web.serving import serve

    with _listening(port) as line:
        _made(folder)
        write_roles(folder)
        for name, value in night_settings(time.time(), TIMEZONE, fleet.meters).items():
            os.environ.setdefault(name, value)  # the night has them from here, too
        with _living(folder, fleet) as found, _log(folder) as log:
            home, address = found.home, f"http://{HOST}:{line.getsockname()[1]}/"
            people = let_in(home, found.world.who(0).ean, at=int(time.time()))
            control = NightControl(home)
            app = create_app(home, out=log, control=control, breaking=Breaking(control, found.fleet, found.world))
            told = Told(say=say, showing=Shown, read=_show)
            story = Story(found, control, told, has_window=f"{ENV_PREFIX}WINDOW_CLOSES" in os.environ)

            def ready() -> None:
                _invite(address, people)
                story.begin()

            try:
                last = serve(app, line, ready, closing=story.end)
            finally:
                story.end()
            if last is not None:
                last.cancel()  # a home for the time being is put away, keys and all, however long that takes
    return story.is_right


@contextmanager
def _log(folder: Path) -> Iterator[TextIO]:
    from kwartier.disk import PRIVATE_FILE

    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    with os.fdopen(os.open(folder / LOG, flags, PRIVATE_FILE), "a", encoding="utf-8") as log:
        yield log


def _listening(port: int | None) -> socket.socket:
    """The console's line: at the port that was asked for, else at the usual one, else at any."""
    from kwartier.errors import InputError
    from kwartier.web.serving import listening

    if port is not None:
        return listening(HOST, port)
    try:
        return listening(HOST, PORT)
    except InputError:
        return listening(HOST, 0)


def _invite(address: str, people: "Sequence[Somebody]") -> None:
    say(f"the console: {address} (until Ctrl-C); sign in as")
    for one in people:
        whose = f", of connection {one.ean}" if one.ean else ""
        say(f"  {one.name:<10} {one.password}  ({', '.join(one.roles)}{whose})")
    print(f"READY {address}", flush=True)


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
