"""``kwartier simulate``: meters that are not there."""

import sys
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from kwartier.cli.options import HomeOption, JsonOption, home_folder, print_json, print_table
from kwartier.errors import InputError

MAX_FLEET = 1_000_000
LEAST_REHEARSED, MAX_REHEARSED = 64, 100_000
LATENCY_NAMES = "none, lte-m, cdma450, plc, or seconds such as 1s"

app = typer.Typer(
    help="Meters that are not there: fleets to read, and the truth to compare with.", no_args_is_help=True
)


@app.command("fleet")
def fleet(
    meters: Annotated[int, typer.Option(min=1, max=MAX_FLEET, help="How many meters.")],
    out: Annotated[Path, typer.Option(help="The folder for fleet.csv, modules.csv, truth.json and keys.csv.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same meters.")] = 1,
    faults: Annotated[str, typer.Option(help="What goes wrong: none, default, or a TOML file.")] = "default",
    clock: Annotated[
        str, typer.Option(help="The moment at which the fleet's time starts, such as 2026-03-06T00:30+01:00.")
    ] = "",
    delivery: Annotated[
        bool, typer.Option("--delivery", help="Keys are as delivered, not yet the operator's.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port at every address (0: any free one).")] = 0,
    latency: Annotated[str, typer.Option(help=f"How long a round trip takes: {LATENCY_NAMES}.")] = "none",
) -> None:
    """Simulate a fleet until told to stop: it listens, writes its files, prints READY and how many meters there are."""
    import uvloop

    from kwartier.service.simulating import run_fleet
    from kwartier.simulate import faults as faulty
    from kwartier.simulate.latency import latency_of
    from kwartier.simulate.world import World

    carried = latency_of(latency)
    world = World(seed=seed, count=meters, faults=faulty.load(faults))
    origin = "delivery" if delivery else "operator"
    uvloop.run(
        run_fleet(
            world,
            out,
            clock=_moment(clock),
            origin=origin,
            port=port,
            latency=carried,
            ready=lambda: print(f"READY {meters}", flush=True),
        )
    )


@app.command("night")
def night(
    seed: Annotated[int, typer.Option(help="The same seed gives the same course of events, step by step.")],
    meters: Annotated[int, typer.Option(min=LEAST_REHEARSED, max=MAX_REHEARSED, help="How many meters.")] = 200,
    days: Annotated[int, typer.Option(min=1, max=10, help="How many nights; the last one is quiet.")] = 3,
    steps: Annotated[bool, typer.Option("--steps", help="Show each step, in virtual seconds.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Rehearse nights in virtual time with everything that can go wrong, and say whether every promise was kept.

    Engine, sessions, keys, counters, claims and store are those of an installation, on two hosts with two processes each;
    clock and lines are not real. Exit 1: a promise was broken, or something never went wrong and nothing is proved of it.
    """
    from kwartier.service.rehearsal.nights import Script, rehearse

    def show(line: str) -> None:
        if steps or " night " in line:
            print(line, file=sys.stderr, flush=True)

    found = rehearse(Script(seed=seed, meters=meters, days=days), show=show)
    if as_json:
        print_json(asdict(found))
    else:
        rows = [(f"went wrong: {name}", f"{count}") for name, count in found.happened.items()]
        rows += [(f"values {name}", f"{count}") for name, count in asdict(found.comparison).items()]
        rows += [("meter-nights", f"{found.meter_nights}"), ("counters seen", f"{found.counters}")]
        print_table([*rows, ("steps", f"{found.steps}, digest {found.digest[:16]}")])
    for one in found.broken:
        print(f"seed {seed}: {one}", file=sys.stderr)
    if found.broken:
        again = f"kwartier simulate night --seed {seed} --meters {meters} --days {days} --steps"
        print(f"broken promises: {len(found.broken)}; `{again}` shows it step by step", file=sys.stderr)
        raise typer.Exit(1)


@app.command("p1")
def p1(
    meter: Annotated[str, typer.Argument(help="The meter's name in the fleet.")],
    out: Annotated[Path, typer.Option(help="The folder that `simulate fleet` wrote.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="The TCP port (0: any free one).")],
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
) -> None:
    """Play the consumer port of one meter until told to stop: a DSMR 5.0.2 telegram each second to whoever connects.

    Prints READY and the port once it listens.
    """
    import uvloop

    from kwartier.service.simulating import run_p1

    uvloop.run(run_p1(out, meter, host=host, port=port, ready=lambda found: print(f"READY {found}", flush=True)))


@app.command("market")
def market(
    fleet: Annotated[Path, typer.Argument(help="The folder that `simulate fleet` wrote.")],
    start: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The first local day.")],
    out: Annotated[Path, typer.Option(help="The folder for market.csv, infeed.csv, losses.csv and fractions.csv.")],
    end: Annotated[
        datetime | None,
        typer.Option("--to", formats=["%Y-%m-%d"], help="The first local day not wanted (default: one day)."),
    ] = None,
) -> None:
    """Write what the market would say of a simulated fleet, for `market import`: who answers for which connection, and infeed.

    Infeed is what the households really used, whatever their meters say, with what the grid lost and what nobody meters. The
    latter stands in unmetered.csv, too: it is what a settlement has to leave over.
    """
    from kwartier.cli.progress import counting
    from kwartier.simulate import truth
    from kwartier.simulate.market import write_market

    last = start + timedelta(days=1) if end is None else end
    told = truth.load(fleet)
    with counting("connections") as show:
        write_market(told, start.date(), last.date(), out, show=show)


@app.command("compare")
def compare(
    truth: Annotated[Path, typer.Option(help="The folder that `simulate fleet` wrote.")],
    day: Annotated[datetime, typer.Option("--date", formats=["%Y-%m-%d"], help="The local day that was read.")],
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Compare what was stored of a local day with what the simulated meters really used.

    Counted are registers: one for each channel, quarter end and meter. Exit 1: something is wrong, doubled or lost.
    """
    from kwartier.service.compare import compare_night
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor

    with open_home(home_folder(home)) as opened:
        found = compare_night(opened, truth, day.date(), actor=actor(opened))
    if as_json:
        print_json(asdict(found))
    else:
        print_table([(name, f"{count}") for name, count in asdict(found).items()])
    if not found.is_clean:
        raise typer.Exit(1)


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError("bad-argument", f"--clock {text[:40]!r} is no moment such as 2026-03-06T00:30+01:00") from None
    if moment.tzinfo is None:
        raise InputError("bad-argument", "--clock needs an offset from UTC, such as +01:00 or Z")
    return moment
