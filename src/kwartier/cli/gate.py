"""``kwartier gate``: who may see what, and why; use cases, mandates, and looks that take two."""

import time
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from kwartier.cli.options import (
    ApprovalOption,
    Fineness,
    HomeOption,
    JsonOption,
    ResolutionOption,
    UseCaseOption,
    home_folder,
    print_json,
    print_table,
    say,
)
from kwartier.errors import InputError

if TYPE_CHECKING:
    from kwartier.gate.policy import Scope

DAY_FORMAT = "%Y-%m-%d"
TIMEZONE = "Europe/Amsterdam"

app = typer.Typer(help="Who may see what, and why.", no_args_is_help=True)

ConnectionOption = Annotated[list[str] | None, typer.Option("--connection", help="The EAN; may be given again.")]
PurposeOption = Annotated[str, typer.Argument(help="What for: one of `kwartier register`.")]
FromOption = Annotated[
    datetime | None, typer.Option("--from", formats=[DAY_FORMAT], help="The first local day (default: yesterday).")
]
ToOption = Annotated[
    datetime | None, typer.Option("--to", formats=[DAY_FORMAT], help="The first local day not wanted (default: today).")
]
ByOption = Annotated[str, typer.Option("--by", help="Sums by grid_area, brp, supplier or transformer.")]
AreaOption = Annotated[str, typer.Option("--area", help="Of this grid area alone.")]


def _scope(
    connections: list[str] | None,
    start: datetime | None,
    end: datetime | None,
    *,
    from_meter: bool = False,
    resolution: Fineness | None = None,
    by: str = "",
    area: str = "",
    use_case: str = "",
    approval: str = "",
) -> "Scope":
    from kwartier.gate.policy import Scope
    from kwartier.gate.purposes import Resolution, Source

    last = end.date() if end is not None else datetime.now(ZoneInfo(TIMEZONE)).date()
    first = start.date() if start is not None else date.fromordinal(max(1, last.toordinal() - 1))
    return Scope(
        start=first,
        end=last,
        eans=tuple(connections or ()),
        source=Source.METER if from_meter else Source.STORE,
        resolution=None if resolution is None else Resolution(resolution.value),
        by=by,
        area=area,
        use_case=use_case,
        approval=approval,
    )


@app.command("explain")
def explain(
    purpose: PurposeOption,
    connections: ConnectionOption = None,
    start: FromOption = None,
    end: ToOption = None,
    from_meter: Annotated[
        bool, typer.Option("--from-meter", help="Asked of the meter, not of what is stored.")
    ] = False,
    resolution: ResolutionOption = None,
    by: ByOption = "",
    area: AreaOption = "",
    use_case: UseCaseOption = "",
    approval: ApprovalOption = "",
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Say whether you may, and why or why not: each rule that was asked, with its article. Nothing is shown or recorded.

    Exit 1: you may not.
    """
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor

    scope = _scope(
        connections,
        start,
        end,
        from_meter=from_meter,
        resolution=resolution,
        by=by,
        area=area,
        use_case=use_case,
        approval=approval,
    )
    with open_home(home_folder(home)) as opened:
        found = opened.gate.explain(actor=actor(opened), purpose=purpose, scope=scope)
    if as_json:
        steps = [{"rule": rule, "article": article, "why_not": why} for rule, article, why in found.steps]
        told = {"allowed": found.allowed, "rule": found.rule, "article": found.article, "reason": found.reason}
        print_json({**told, "steps": steps})
    else:
        print_table(
            [(rule, "no" if why else "yes", article, why) for rule, article, why in found.steps],
            header=("rule", "agrees", "article", "why not"),
        )
        say(f"{'granted' if found.allowed else 'denied'}: {found.reason} ({found.article})")
    if not found.allowed:
        raise typer.Exit(1)


@app.command("ask")
def ask(
    purpose: PurposeOption,
    connections: ConnectionOption = None,
    start: FromOption = None,
    end: ToOption = None,
    reason: Annotated[str, typer.Option(help="Why; whoever approves reads it.")] = "",
    home: HomeOption = None,
) -> None:
    """Ask for a look that takes two. Somebody else approves it with `kwartier access approve`."""
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor, pairs
    from kwartier.service.two import ask as ask_for

    scope = _scope(connections, start, end)
    with open_home(home_folder(home)) as opened:
        name = ask_for(pairs(opened), actor(opened), purpose, scope, reason, at=int(time.time()))
    print(name)
    say(f"once approved, give --approval {name} with the same purpose, connections and days")


@app.command("use-case")
def use_case(
    file: Annotated[Path | None, typer.Argument(help="A use case with its assessment, as TOML.")] = None,
    end: Annotated[str, typer.Option("--end", help="End the use case of this name instead.")] = "",
    home: HomeOption = None,
) -> None:
    """Register a use case under the code of conduct, or end one. Needs the role privacy-officer."""
    from kwartier.database import writing
    from kwartier.gate import permissions
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor

    if (file is None) == (not end):
        raise InputError("bad-argument", "give a file, or --end NAME")
    with open_home(home_folder(home)) as opened:
        who = actor(opened)
        who.require(["privacy-officer"], "to register or end a use case")
        with writing(opened.engine) as connection:
            if file is None:
                permissions.end_use_case(connection, end, at=int(time.time()))
                return
            case = permissions.read(file)
            permissions.register(connection, case, by=who.name, at=int(time.time()))
    say(f"use case {case.id} holds from {case.valid_from} up to {case.valid_to}")


@app.command("use-cases")
def use_cases(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List the use cases: what for, how far they reach, and until when."""
    from kwartier.database import reading
    from kwartier.gate import permissions
    from kwartier.service.home import open_home

    with open_home(home_folder(home)) as opened, reading(opened.engine) as connection:
        found = permissions.all_use_cases(connection)
    rows = [
        {
            "id": one.id,
            "channels": list(one.channels),
            "resolution": one.resolution.value,
            "area": one.area,
            "valid_from": f"{one.valid_from}",
            "valid_to": f"{one.valid_to}",
            "ended": one.ended,
        }
        for one in found
    ]
    if as_json:
        print_json(rows)
    else:
        cells = [[" ".join(value) if isinstance(value, list) else f"{value}" for value in row.values()] for row in rows]
        print_table(cells, header=("use case", "channels", "finest", "area", "from", "up to", "ended"))


@app.command("mandate")
def mandate(
    connection: Annotated[str, typer.Argument(help="The EAN of the connection.")],
    holder: Annotated[str, typer.Option(help="Who may see it, such as oidc:desk:1234.")] = "",
    kind: Annotated[str, typer.Option(help="`mandate`, or `own` for the customer themselves.")] = "mandate",
    days: Annotated[int, typer.Option(min=1, max=36_500, help="For how many days from today.")] = 365,
    withdraw: Annotated[str, typer.Option("--withdraw", help="Withdraw the mandate of this name instead.")] = "",
    home: HomeOption = None,
) -> None:
    """Register that a customer lets somebody see their readings, or that they took it back. Needs customer-desk."""
    from kwartier.database import writing
    from kwartier.gate import permissions
    from kwartier.service.home import open_home
    from kwartier.service.identity import actor

    today = datetime.now(ZoneInfo(TIMEZONE)).date()
    with open_home(home_folder(home)) as opened:
        who = actor(opened)
        who.require(["customer-desk", "privacy-officer"], "to register a mandate")
        opened.registry.demand_connection(connection)
        with writing(opened.engine) as written:
            if withdraw:
                permissions.withdraw_mandate(written, withdraw, at=int(time.time()))
                return
            end = today + timedelta(days=days)
            at = int(time.time())
            name = permissions.give_mandate(written, connection, holder, kind, today, end, by=who.name, at=at)
    print(name)
